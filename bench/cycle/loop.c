/* The lower bound of bench/cycle.lua: a bare C loop on libcurl without a parser, a journal or a proof. Each VM is powered
 * off, reconfigured and powered on, at most CAP at a time; all tasks are waited for in one ListView with one
 * WaitForUpdatesEx after the other. Answers are searched as text.
 * usage: cycle URL USER PASSWORD CA CAP     prints the wall and CPU seconds after the login */
#define _GNU_SOURCE
#include <curl/curl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 4096, ID = 64 };

typedef struct request {
    CURL *curl;
    char *body, *answer;
    size_t length;
    int vm; /* whose task it starts; -1: another request */
} request;

static CURLM *multi;
static bool started;
static struct curl_slist *headers;
static const char *url, *ca;
static char vms[MOST][ID], tasks[MOST][ID], collector[ID], view[ID], version[256], add[MOST * ID * 2],
    gone[MOST * ID * 2];
static int stage[MOST], count, next_vm, living, cap;

static void die(const char *why, const char *text)
{
    fprintf(stderr, "%s: %.400s\n", why, text ? text : "");
    exit(1);
}

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static size_t receive(char *data, size_t size, size_t n, void *to)
{
    request *r = to;
    r->answer = realloc(r->answer, r->length + size * n + 1);
    memcpy(r->answer + r->length, data, size * n);
    r->length += size * n;
    r->answer[r->length] = '\0';
    return size * n;
}

__attribute__((format(printf, 2, 3))) static request *prepare(int vm, const char *format, ...)
{
    static const char open[] = "<?xml version=\"1.0\"?><soapenv:Envelope "
                               "xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" "
                               "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body>";
    va_list list;
    char *inner;
    request *r = calloc(1, sizeof *r);
    va_start(list, format);
    if (vasprintf(&inner, format, list) < 0) die("memory", NULL);
    va_end(list);
    if (asprintf(&r->body, "%s%s</soapenv:Body></soapenv:Envelope>", open, inner) < 0) die("memory", NULL);
    free(inner);
    r->vm = vm;
    r->curl = curl_easy_init();
    curl_easy_setopt(r->curl, CURLOPT_URL, url);
    curl_easy_setopt(r->curl, CURLOPT_CAINFO, ca);
    curl_easy_setopt(r->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(r->curl, CURLOPT_COPYPOSTFIELDS, r->body);
    curl_easy_setopt(r->curl, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(r->curl, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(r->curl, CURLOPT_PRIVATE, r);
    curl_easy_setopt(r->curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    return r;
}

static void discard(request *r)
{
    curl_easy_cleanup(r->curl);
    free(r->body);
    free(r->answer);
    free(r);
}

static void start(request *r)
{
    curl_multi_add_handle(multi, r->curl);
    started = true;
}

/* The text between `from` and `to`, searched from *at on, which moves behind it. */
static bool between(const char **at, const char *from, const char *to, char *into, size_t size)
{
    const char *a = strstr(*at, from), *b = a ? strstr(a + strlen(from), to) : NULL;
    if (!b) return false;
    a += strlen(from);
    snprintf(into, size, "%.*s", (int)(b - a), a);
    *at = b + strlen(to);
    return true;
}

/* One request, waited for. */
static request *now(request *r)
{
    CURLcode code = curl_easy_perform(r->curl);
    if (code) die("request failed", curl_easy_strerror(code));
    if (!r->answer || strstr(r->answer, ":Fault>")) die("fault", r->answer);
    return r;
}

static void work(int vm)
{
    static const char *const calls[] = {
        "<PowerOffVM_Task xmlns=\"urn:vim25\"><_this type=\"VirtualMachine\">%s</_this></PowerOffVM_Task>",
        "<ReconfigVM_Task xmlns=\"urn:vim25\"><_this "
        "type=\"VirtualMachine\">%s</_this><spec><annotation>cycle"
        "</annotation></spec></ReconfigVM_Task>",
        "<PowerOnVM_Task xmlns=\"urn:vim25\"><_this type=\"VirtualMachine\">%s</_this></PowerOnVM_Task>"};
    if (stage[vm] == 3) {
        living--;
        if (next_vm < count) {
            living++;
            work(next_vm++);
        }
        return;
    }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    start(prepare(vm, calls[stage[vm]], vms[vm]));
#pragma GCC diagnostic pop
    stage[vm]++;
}

static void watch(void)
{
    start(prepare(
        -1,
        "<WaitForUpdatesEx xmlns=\"urn:vim25\"><_this type=\"PropertyCollector\">%s</_this><version>%s"
        "</version><options><maxWaitSeconds>60</maxWaitSeconds></options></WaitForUpdatesEx>",
        collector, version));
}

static void flush(void)
{
    if (!add[0]) return;
    start(prepare(
        -1, "<ModifyListView xmlns=\"urn:vim25\"><_this type=\"ListView\">%s</_this>%s%s</ModifyListView>",
        view, add, gone));
    add[0] = gone[0] = '\0';
}

static void updates(const char *answer)
{
    const char *at = answer;
    char object[ID], value[ID * 2];
    if (!between(&at, "<version>", "</version>", version, sizeof version)) die("no version", answer);
    while (between(&at, "<obj type=\"Task\">", "<", object, sizeof object)) {
        const char *end = strstr(at, "</objectSet>"), *done = strstr(at, ">success</val>");
        if (strstr(at, ">error</val>")) die("a task failed", answer);
        if (!end || !done || done > end) continue;
        for (int vm = 0; vm < count; vm++) {
            if (strcmp(tasks[vm], object) != 0) continue;
            snprintf(value, sizeof value, "<remove type=\"Task\">%s</remove>", object);
            strcat(gone, value);
            tasks[vm][0] = '\0';
            work(vm);
            break;
        }
    }
}

static void take(request *r)
{
    char one[ID * 2];
    const char *at = r->answer;
    if (!at || strstr(at, ":Fault>")) die("fault", at);
    if (r->vm >= 0) {
        if (!between(&at, "<returnval type=\"Task\">", "<", tasks[r->vm], ID)) die("no task", r->answer);
        snprintf(one, sizeof one, "<add type=\"Task\">%s</add>", tasks[r->vm]);
        strcat(add, one);
    } else if (strstr(at, "WaitForUpdatesExResponse")) {
        updates(at);
        if (living > 0) watch();
    }
    discard(r);
}

static void loop(void)
{
    int running, left;
    CURLMsg *message;
    while (living < cap && next_vm < count) {
        living++;
        work(next_vm++);
    }
    watch();
    while (living > 0) {
        curl_multi_perform(multi, &running);
        while ((message = curl_multi_info_read(multi, &left))) {
            request *r;
            CURL *curl = message->easy_handle;
            if (message->data.result) die("request failed", curl_easy_strerror(message->data.result));
            curl_easy_getinfo(curl, CURLINFO_PRIVATE, (char **)&r);
            curl_multi_remove_handle(multi, curl);
            take(r);
        }
        flush();
        /* what was started may have ended before it is polled for */
        if (started) {
            started = false;
            continue;
        }
        curl_multi_poll(multi, NULL, 0, 1000, NULL);
    }
}

static void login(const char *user, const char *password)
{
    char *cookie = NULL, line[512], kind[ID];
    struct curl_slist *list;
    const char *at;
    headers = curl_slist_append(NULL, "Content-Type: text/xml");
    headers = curl_slist_append(headers, "SOAPAction: urn:vim25/8.0.3.0");
    request *r =
        prepare(-1,
                "<Login xmlns=\"urn:vim25\"><_this type=\"SessionManager\">SessionManager</_this><userName>%s"
                "</userName><password>%s</password></Login>",
                user, password);
    curl_easy_setopt(r->curl, CURLOPT_COOKIEFILE, "");
    now(r);
    curl_easy_getinfo(r->curl, CURLINFO_COOKIELIST, &list);
    for (struct curl_slist *one = list; one; one = one->next)
        if (strstr(one->data, "vmware_soap_session")) cookie = strrchr(one->data, '\t') + 1;
    if (!cookie) die("no session", NULL);
    snprintf(line, sizeof line, "Cookie: vmware_soap_session=%s", cookie);
    headers = curl_slist_append(headers, line);
    curl_slist_free_all(list);
    discard(r);
    r = now(prepare(
        -1,
        "<CreateContainerView xmlns=\"urn:vim25\"><_this type=\"ViewManager\">ViewManager</_this><container "
        "type=\"Folder\">group-d1</container><type>VirtualMachine</type><recursive>true</recursive>"
        "</CreateContainerView>"));
    at = r->answer;
    if (!between(&at, "<returnval type=\"ContainerView\">", "<", view, ID)) die("no view", r->answer);
    discard(r);
    r = now(prepare(
        -1,
        "<RetrievePropertiesEx xmlns=\"urn:vim25\"><_this "
        "type=\"PropertyCollector\">propertyCollector</_this>"
        "<specSet><propSet><type>ContainerView</type><pathSet>view</pathSet></propSet><objectSet><obj "
        "type=\"ContainerView\">%s</obj></objectSet></specSet><options/></RetrievePropertiesEx>",
        view));
    at = r->answer;
    while (count < MOST && between(&at, "type=\"VirtualMachine\"", ">", kind, ID) &&
           between(&at, "", "<", vms[count], ID))
        count++;
    if (count == 0) die("no VM", r->answer);
    discard(r);
}

static void prepare_waits(void)
{
    const char *at;
    request *r =
        now(prepare(-1, "<CreatePropertyCollector xmlns=\"urn:vim25\"><_this type=\"PropertyCollector\">"
                        "propertyCollector</_this></CreatePropertyCollector>"));
    at = r->answer;
    if (!between(&at, "type=\"PropertyCollector\">", "<", collector, ID)) die("no collector", r->answer);
    discard(r);
    r = now(prepare(-1, "<CreateListView xmlns=\"urn:vim25\"><_this "
                        "type=\"ViewManager\">ViewManager</_this></CreateListView>"));
    at = r->answer;
    if (!between(&at, "type=\"ListView\">", "<", view, ID)) die("no view", r->answer);
    discard(r);
    discard(now(prepare(
        -1,
        "<CreateFilter xmlns=\"urn:vim25\"><_this type=\"PropertyCollector\">%s</_this><spec><propSet>"
        "<type>Task</type><pathSet>info.state</pathSet></propSet><objectSet><obj type=\"ListView\">%s"
        "</obj><skip>true</skip><selectSet xsi:type=\"TraversalSpec\"><type>ListView</type><path>view"
        "</path><skip>false</skip></selectSet></objectSet></spec><partialUpdates>false"
        "</partialUpdates></CreateFilter>",
        collector, view)));
}

int main(int argc, char **argv)
{
    if (argc != 6) die("usage: cycle URL USER PASSWORD CA CAP", NULL);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    multi = curl_multi_init();
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 32L);
    url = argv[1];
    ca = argv[4];
    cap = atoi(argv[5]);
    login(argv[2], argv[3]);
    double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    prepare_waits();
    loop();
    printf("%.6f %.6f\n", seconds(CLOCK_MONOTONIC) - wall, seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu);
    return 0;
}
