#define _GNU_SOURCE
#include "bare.h"
#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* whose answer it is, when it is not the program's */
enum { CALLED = -1, WAITED = -2, LISTED = -3 };

typedef struct request {
    CURL *curl;
    char *body, *answer;
    size_t length;
    int who;
    bool done;
} request;

typedef struct changes {
    char bytes[1 << 18];
    size_t length;
} changes;

static CURLM *multi;
static bool started;
static struct curl_slist *headers;
static const char *server, *authorities;
static char collector[BARE_ID], list[BARE_ID], version[256];
static changes add, gone;
static const int *left;
static void (*taken)(int who, const char *answer);
static void (*updated)(const char *type, const char *id, const char *text);

void bare_die(const char *why, const char *detail)
{
    fprintf(stderr, "%s: %.400s\n", why, detail ? detail : "");
    exit(1);
}

double bare_seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

bool bare_between(const char **at, const char *from, const char *to, char *into, size_t size)
{
    const char *a = strstr(*at, from), *b = a ? strstr(a + strlen(from), to) : NULL;
    if (!b) return false;
    a += strlen(from);
    snprintf(into, size, "%.*s", (int)(b - a), a);
    *at = b + strlen(to);
    return true;
}

void bare_returned(const char *answer, char *into)
{
    const char *at = answer;
    char type[BARE_ID];
    if (!bare_between(&at, "<returnval type=\"", "\">", type, sizeof type) ||
        !bare_between(&at, "", "<", into, BARE_ID))
        bare_die("no reference", answer);
}

/* ---- requests */

static size_t receive(char *data, size_t size, size_t n, void *to)
{
    request *r = to;
    r->answer = realloc(r->answer, r->length + size * n + 1);
    if (!r->answer) bare_die("memory", NULL);
    memcpy(r->answer + r->length, data, size * n);
    r->length += size * n;
    r->answer[r->length] = '\0';
    return size * n;
}

__attribute__((format(printf, 5, 0))) static request *
prepare(int who, const char *method, const char *type, const char *id, const char *format, va_list words)
{
    static const char open[] = "<?xml version=\"1.0\"?><soapenv:Envelope "
                               "xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" "
                               "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body>";
    char *inner;
    request *r = calloc(1, sizeof *r);
    if (!r || vasprintf(&inner, format, words) < 0 ||
        asprintf(&r->body,
                 "%s<%s xmlns=\"urn:vim25\"><_this "
                 "type=\"%s\">%s</_this>%s</%s></soapenv:Body></soapenv:Envelope>",
                 open, method, type, id, inner, method) < 0)
        bare_die("memory", NULL);
    free(inner);
    r->who = who;
    r->curl = curl_easy_init();
    curl_easy_setopt(r->curl, CURLOPT_URL, server);
    curl_easy_setopt(r->curl, CURLOPT_CAINFO, authorities);
    curl_easy_setopt(r->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(r->curl, CURLOPT_POSTFIELDS, r->body);
    curl_easy_setopt(r->curl, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(r->curl, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(r->curl, CURLOPT_PRIVATE, r);
    curl_easy_setopt(r->curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    return r;
}

static request *start(request *r)
{
    curl_multi_add_handle(multi, r->curl);
    started = true;
    return r;
}

static void discard(request *r)
{
    curl_easy_cleanup(r->curl);
    free(r->body);
    free(r->answer);
    free(r);
}

void bare_send(int who, const char *method, const char *type, const char *id, const char *format, ...)
{
    va_list words;
    va_start(words, format);
    start(prepare(who, method, type, id, format, words));
    va_end(words);
}

/* ---- waits */

static void wait_for_updates(void)
{
    bare_send(WAITED, "WaitForUpdatesEx", "PropertyCollector", collector,
              "<version>%s</version><options><maxWaitSeconds>60</maxWaitSeconds></options>", version);
}

static void note(changes *to, const char *what, const char *type, const char *id)
{
    size_t room = sizeof to->bytes - to->length;
    int n = snprintf(to->bytes + to->length, room, "<%s type=\"%s\">%s</%s>", what, type, id, what);
    if (n < 0 || (size_t)n >= room) bare_die("too many at once", to->bytes);
    to->length += (size_t)n;
}

void bare_follow(const char *type, const char *id)
{
    note(&add, "add", type, id);
}

void bare_forget(const char *type, const char *id)
{
    note(&gone, "remove", type, id);
}

static void change_list(void)
{
    if (!add.length) return;
    bare_send(LISTED, "ModifyListView", "ListView", list, "%s%s", add.bytes, gone.bytes);
    add.length = gone.length = 0;
    add.bytes[0] = gone.bytes[0] = '\0';
}

/* Hands each objectSet to the program, with a zero in the place of the tag that ends it. */
static void updates(char *answer)
{
    static const char end[] = "</objectSet>";
    const char *at = answer;
    char *object, *stop, type[BARE_ID], id[BARE_ID];
    if (!strstr(answer, "<returnval>")) return; /* nothing changed in maxWaitSeconds */
    if (!bare_between(&at, "<version>", "</version>", version, sizeof version))
        bare_die("no version", answer);
    for (object = strstr(answer, "<objectSet>"); object;
         object = strstr(stop + sizeof end - 1, "<objectSet>")) {
        stop = strstr(object, end);
        if (!stop) bare_die("the answer is not complete", answer);
        *stop = '\0';
        at = object;
        if (!bare_between(&at, "<obj type=\"", "\">", type, sizeof type) ||
            !bare_between(&at, "", "<", id, sizeof id))
            bare_die("no object", object);
        updated(type, id, at);
    }
}

void bare_watch(const char *property_sets)
{
    char *answer = bare_call("CreatePropertyCollector", "PropertyCollector", "propertyCollector", "%s", "");
    bare_returned(answer, collector);
    free(answer);
    answer = bare_call("CreateListView", "ViewManager", "ViewManager", "%s", "");
    bare_returned(answer, list);
    free(answer);
    free(bare_call(
        "CreateFilter", "PropertyCollector", collector,
        "<spec>%s<objectSet><obj type=\"ListView\">%s</obj><skip>true</skip><selectSet "
        "xsi:type=\"TraversalSpec\"><type>ListView</type><path>view</path><skip>false</skip></selectSet>"
        "</objectSet></spec><partialUpdates>false</partialUpdates>",
        property_sets, list));
}

/* ---- the loop */

static void answered(request *r)
{
    if (!r->answer || strstr(r->answer, ":Fault>")) bare_die("fault", r->answer);
    r->done = true;
    if (r->who == CALLED) return;
    if (r->who >= 0) {
        taken(r->who, r->answer);
    } else if (r->who == WAITED) {
        updates(r->answer);
        if (*left > 0) wait_for_updates();
    }
    discard(r);
}

static void turn(void)
{
    int running, messages;
    CURLMsg *message;
    if (!started) curl_multi_poll(multi, NULL, 0, 1000, NULL);
    /* what is started below may have ended before it is polled for */
    started = false;
    curl_multi_perform(multi, &running);
    while ((message = curl_multi_info_read(multi, &messages))) {
        request *r;
        CURL *curl = message->easy_handle;
        if (message->data.result) bare_die("request failed", curl_easy_strerror(message->data.result));
        curl_easy_getinfo(curl, CURLINFO_PRIVATE, (char **)&r);
        curl_multi_remove_handle(multi, curl);
        answered(r);
    }
    change_list();
}

void bare_run(const int *count, void (*take)(int who, const char *answer),
              void (*update)(const char *type, const char *id, const char *text))
{
    left = count;
    taken = take;
    updated = update;
    wait_for_updates();
    while (*left > 0)
        turn();
}

static char *finish(request *r)
{
    char *answer;
    while (!r->done)
        turn();
    answer = r->answer;
    r->answer = NULL;
    discard(r);
    return answer;
}

char *bare_call(const char *method, const char *type, const char *id, const char *format, ...)
{
    va_list words;
    va_start(words, format);
    request *r = start(prepare(CALLED, method, type, id, format, words));
    va_end(words);
    return finish(r);
}

__attribute__((format(printf, 1, 2))) static request *login(const char *format, ...)
{
    va_list words;
    va_start(words, format);
    request *r = prepare(CALLED, "Login", "SessionManager", "SessionManager", format, words);
    va_end(words);
    curl_easy_setopt(r->curl, CURLOPT_COOKIEFILE, "");
    return start(r);
}

void bare_login(const char *url, const char *ca, const char *user, const char *password)
{
    char *cookie = NULL, line[512];
    struct curl_slist *cookies;
    server = url;
    authorities = ca;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    multi = curl_multi_init();
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 32L);
    headers = curl_slist_append(NULL, "Content-Type: text/xml");
    headers = curl_slist_append(headers, "SOAPAction: urn:vim25/8.0.3.0");
    request *r = login("<userName>%s</userName><password>%s</password>", user, password);
    while (!r->done)
        turn();
    curl_easy_getinfo(r->curl, CURLINFO_COOKIELIST, &cookies);
    for (struct curl_slist *one = cookies; one; one = one->next)
        if (strstr(one->data, "vmware_soap_session")) cookie = strrchr(one->data, '\t') + 1;
    if (!cookie) bare_die("no session", NULL);
    snprintf(line, sizeof line, "Cookie: vmware_soap_session=%s", cookie);
    headers = curl_slist_append(headers, line);
    curl_slist_free_all(cookies);
    discard(r);
}
