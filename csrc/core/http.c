#define _GNU_SOURCE
#include "http.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_error.h"

enum {
    MILLISECOND = 1000000,
    ANSWER_BUFFER = 102400,      /* what curl reads at once */
    HEADERS_MAX = 256 * 1024     /* curl bounds one header line, not their sum */
};

typedef enum op_state { OP_IDLE, OP_QUEUED, OP_RUNNING, OP_DONE } op_state;

struct gp_op {
    gp_completion completion; /* first: the engine hands out its id */
    gp_http *http;
    CURL *easy;
    struct curl_slist *headers;
    op_state state;
    gp_op *next, *previous; /* in the client's queue or its running list */
    const gp_buf *body;
    int upload_fd;
    uint64_t upload_offset, upload_length, sent;
    bool once, begun;
    gp_sink sink;
    uint64_t received, header_bytes, max_bytes;
    int64_t deadline; /* nanoseconds; 0: none */
    bool failed;
    gp_error error;
    char detail[CURL_ERROR_SIZE];
};

typedef struct op_list {
    gp_op *first, *last;
} op_list;

struct gp_http {
    gp_engine *engine;
    CURLM *multi;
    gp_trust trust;
    gp_timer timer;       /* curl's */
    gp_timer queue_timer; /* the earliest deadline of the queue */
    op_list queue, running;
    long limit, in_flight;
    char *proxy;
    unsigned references;
    bool broken; /* curl_multi_socket_action failed: every transfer fails and the handle is made anew */
};

typedef struct socket_watch {
    gp_watch watch; /* first */
    gp_http *http;
} socket_watch;

static void collect(gp_http *http);
static void launch_queued(gp_http *http);

static pthread_once_t once_control = PTHREAD_ONCE_INIT;
static CURLcode global_result;

static void global_start(void)
{
    global_result = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static void list_add(op_list *list, gp_op *op)
{
    op->next = NULL;
    op->previous = list->last;
    if (list->last) list->last->next = op;
    else list->first = op;
    list->last = op;
}

static void list_remove(op_list *list, gp_op *op)
{
    if (op->previous) op->previous->next = op->next;
    else list->first = op->next;
    if (op->next) op->next->previous = op->previous;
    else list->last = op->previous;
    op->next = op->previous = NULL;
}

/* ---- curl's sockets and time-outs on the engine */

static void act(gp_http *http, curl_socket_t socket, int events)
{
    int running;
    if (curl_multi_socket_action(http->multi, socket, events, &running) != CURLM_OK) http->broken = true;
    collect(http);
}

static void socket_ready(gp_watch *watch, uint32_t events)
{
    gp_http *http = ((socket_watch *)watch)->http;
    int bits = 0;
    if (events & EPOLLIN) bits |= CURL_CSELECT_IN;
    if (events & EPOLLOUT) bits |= CURL_CSELECT_OUT;
    if (events & (EPOLLERR | EPOLLHUP)) bits |= CURL_CSELECT_ERR;
    act(http, watch->fd, bits);
}

static void socket_release(gp_watch *watch)
{
    free(watch);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *assigned)
{
    gp_http *http = data;
    socket_watch *watch = assigned;
    gp_error err;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (watch) gp_engine_unwatch(http->engine, &watch->watch);
        curl_multi_assign(http->multi, fd, NULL);
        return 0;
    }
    uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    if (watch) return gp_engine_rewatch(http->engine, &watch->watch, events, &err);
    watch = calloc(1, sizeof *watch);
    if (!watch) return -1;
    watch->http = http;
    watch->watch.ready = socket_ready;
    watch->watch.release = socket_release;
    /* the name resolver's socket pair is curl's own making and lacks the flag */
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (gp_engine_watch(http->engine, &watch->watch, fd, events, &err) < 0) {
        free(watch);
        return -1;
    }
    curl_multi_assign(http->multi, fd, watch);
    return 0;
}

static int on_timer(CURLM *multi, long milliseconds, void *data)
{
    gp_http *http = data;
    (void)multi;
    gp_engine_timer(http->engine, &http->timer,
                    milliseconds < 0 ? 0 : gp_engine_now() + (int64_t)milliseconds * MILLISECOND + 1);
    return 0;
}

static gp_http *of_timer(gp_timer *timer)
{
    return (gp_http *)(void *)((char *)timer - offsetof(gp_http, timer));
}

static void timer_fired(gp_timer *timer)
{
    act(of_timer(timer), CURL_SOCKET_TIMEOUT, 0);
}

static curl_socket_t open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)data;
    (void)purpose;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* ---- the client */

/* curl_multi_init makes a wake-up socket pair without close-on-exec. It gets the lowest free numbers; those are
 * found beforehand by opening two descriptors and closing them again. */
static CURLM *multi_new(void)
{
    int guess[2] = {open("/dev/null", O_RDONLY | O_CLOEXEC), open("/dev/null", O_RDONLY | O_CLOEXEC)};
    for (int i = 0; i < 2; i++)
        if (guess[i] >= 0) close(guess[i]);
    CURLM *multi = curl_multi_init();
    for (int i = 0; i < 2; i++)
        if (guess[i] >= 0 && fcntl(guess[i], F_GETFD) >= 0) (void)fcntl(guess[i], F_SETFD, FD_CLOEXEC);
    return multi;
}

static int start_multi(gp_http *http, gp_error *err)
{
    http->multi = multi_new();
    if (!http->multi) return gp_fail_memory(err);
    CURLMcode rc = curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    if (!rc) rc = curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
    if (!rc) rc = curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    if (!rc) rc = curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
    if (!rc) rc = curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, http->limit);
    if (!rc) rc = curl_multi_setopt(http->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, http->limit);
    if (!rc) rc = curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    if (rc) return gp_fail(err, "EINVAL", "cannot set up libcurl: %s", curl_multi_strerror(rc));
    return 0;
}

static void expire_queue(gp_timer *timer);

gp_http *gp_http_new(gp_engine *engine, gp_trust *trust, const gp_http_options *options, gp_error *err)
{
    pthread_once(&once_control, global_start);
    gp_http *http = calloc(1, sizeof *http);
    if (!http) {
        gp_trust_clear(trust);
        gp_fail_memory(err);
        return NULL;
    }
    http->engine = gp_engine_retain(engine);
    http->references = 1;
    http->trust = *trust;
    trust->ca_file = trust->ca_bytes = NULL;
    http->timer.fire = timer_fired;
    http->queue_timer.fire = expire_queue;
    http->limit = options && options->max_connections > 0 ? options->max_connections : 8;
    if (options && options->proxy && !(http->proxy = strdup(options->proxy))) {
        gp_fail_memory(err);
        goto out;
    }
    if (global_result != CURLE_OK) {
        gp_fail(err, "ETLS", "libcurl does not start: %s", curl_easy_strerror(global_result));
        goto out;
    }
    if (start_multi(http, err) < 0) goto out;
    return http;
out:
    gp_http_release(http);
    return NULL;
}

void gp_http_release(gp_http *http)
{
    if (!http || --http->references > 0) return;
    gp_engine_timer(http->engine, &http->timer, 0);
    gp_engine_timer(http->engine, &http->queue_timer, 0);
    /* in a forked child the sockets are the parent's: a TLS farewell from here would end its connections */
    if (http->multi && !gp_engine_forked(http->engine)) {
        gp_sigpipe saved;
        gp_sigpipe_mask(&saved);
        curl_multi_cleanup(http->multi);
        gp_sigpipe_restore(&saved);
    }
    gp_trust_clear(&http->trust);
    gp_engine_release(http->engine);
    free(http->proxy);
    free(http);
}

const gp_trust *gp_http_trust(const gp_http *http)
{
    return &http->trust;
}

/* ---- what curl calls for an operation: C only, Lua is never reached from here */

static int latch(gp_op *op, const gp_error *err)
{
    if (!op->failed) op->error = *err;
    op->failed = true;
    return -1;
}

static int begin(gp_op *op)
{
    gp_error err;
    if (op->begun) return 0;
    op->begun = true;
    if (!op->sink.begin) return 0;
    const char *type = gp_op_content_type(op);
    return op->sink.begin(op->sink.user, gp_op_status(op), type ? type : "", &err) < 0 ? latch(op, &err) : 0;
}

static size_t on_body(char *bytes, size_t one, size_t length, void *data)
{
    gp_op *op = data;
    gp_error err;
    (void)one;
    if (op->failed || begin(op) < 0) return 0;
    op->received += length;
    if (op->max_bytes && op->received > op->max_bytes) {
        gp_fail(&err, "ELIMIT", "the answer is larger than %llu bytes", (unsigned long long)op->max_bytes);
        latch(op, &err);
        return 0;
    }
    if (op->sink.feed && op->sink.feed(op->sink.user, bytes, length, &err) < 0) {
        latch(op, &err);
        return 0;
    }
    return length;
}

static size_t on_header(char *bytes, size_t one, size_t length, void *data)
{
    gp_op *op = data;
    gp_error err;
    (void)bytes;
    (void)one;
    op->header_bytes += length;
    if (op->header_bytes <= HEADERS_MAX) return length;
    gp_fail(&err, "ELIMIT", "the answer's headers are larger than %d bytes", HEADERS_MAX);
    latch(op, &err);
    return 0;
}

static size_t read_file(gp_op *op, char *bytes, size_t room)
{
    gp_error err;
    uint64_t left = op->upload_length - op->sent;
    if (room > left) room = (size_t)left;
    if (room == 0) return 0;
    ssize_t got = pread(op->upload_fd, bytes, room, (off_t)(op->upload_offset + op->sent));
    if (got > 0) return (size_t)got;
    if (got < 0) gp_fail_errno(&err, errno, "cannot read the file that is being sent");
    else gp_fail(&err, "EIO", "the file that is being sent has become shorter");
    latch(op, &err);
    return CURL_READFUNC_ABORT;
}

static size_t on_read(char *bytes, size_t one, size_t room, void *data)
{
    gp_op *op = data;
    size_t got = 0;
    room *= one;
    if (op->body) {
        got = op->body->length - (size_t)op->sent;
        if (got > room) got = room;
        memcpy(bytes, op->body->data + op->sent, got);
    } else if (op->upload_fd >= 0) {
        got = read_file(op, bytes, room);
        if (got == CURL_READFUNC_ABORT) return got;
    }
    op->sent += got;
    return got;
}

/* curl asks to rewind when it wants to send a body again, which it does by itself when a kept connection dies
 * before the first byte of an answer: the server may have read the request all the same. */
static int on_seek(void *data, curl_off_t offset, int origin)
{
    gp_op *op = data;
    if (origin != SEEK_SET || (op->once && op->sent > 0)) return CURL_SEEKFUNC_FAIL;
    op->sent = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

/* ---- operations */

static int set_request(gp_op *op, const gp_request *request, gp_error *err)
{
    CURL *easy = op->easy;
    CURLcode rc = CURLE_OK;
#define SET(option, value) \
    if (rc == CURLE_OK) rc = curl_easy_setopt(easy, option, value)
    SET(CURLOPT_URL, request->url);
    SET(CURLOPT_PROTOCOLS_STR, "https,http");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
    SET(CURLOPT_QUICK_EXIT, 1L); /* a name that does not resolve must not hold up a cancellation */
#endif
    SET(CURLOPT_HTTPHEADER, op->headers);
    SET(CURLOPT_PROXY, op->http->proxy ? op->http->proxy : "");
    SET(CURLOPT_BUFFERSIZE, (long)ANSWER_BUFFER);
    SET(CURLOPT_ERRORBUFFER, op->detail);
    SET(CURLOPT_PRIVATE, op);
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, op);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, op);
    SET(CURLOPT_READFUNCTION, on_read);
    SET(CURLOPT_READDATA, op);
    SET(CURLOPT_SEEKFUNCTION, on_seek);
    SET(CURLOPT_SEEKDATA, op);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(request->connect_timeout > 0 ? request->connect_timeout : 300000));
    if (!request->identity) SET(CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
    if (request->range) SET(CURLOPT_RANGE, request->range);
    if (request->stall_timeout > 0) {
        SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
        SET(CURLOPT_LOW_SPEED_TIME, (long)((request->stall_timeout + 999) / 1000));
    }
    if (request->fresh) {
        SET(CURLOPT_FRESH_CONNECT, 1L);
        SET(CURLOPT_FORBID_REUSE, 1L);
    }
    if (strcmp(request->method, "HEAD") == 0) {
        SET(CURLOPT_NOBODY, 1L);
    } else if (request->body && strcmp(request->method, "POST") == 0) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body->length);
    } else if (request->body || request->upload_fd >= 0) {
        SET(CURLOPT_UPLOAD, 1L);
        SET(CURLOPT_INFILESIZE_LARGE,
            (curl_off_t)(request->body ? request->body->length : request->upload_length));
        SET(CURLOPT_CUSTOMREQUEST, request->method);
    } else if (strcmp(request->method, "GET") != 0) {
        SET(CURLOPT_CUSTOMREQUEST, request->method);
    }
#undef SET
    if (rc == CURLE_OUT_OF_MEMORY) return gp_fail_memory(err);
    if (rc != CURLE_OK) return gp_fail(err, "EINVAL", "cannot make the request: %s", curl_easy_strerror(rc));
    return gp_trust_apply(&op->http->trust, easy, err);
}

static int add_header(gp_op *op, const char *line, gp_error *err)
{
    if (strpbrk(line, "\r\n")) return gp_fail(err, "EINVAL", "a header cannot hold a line break");
    struct curl_slist *longer = curl_slist_append(op->headers, line);
    if (!longer) return gp_fail_memory(err);
    op->headers = longer;
    return 0;
}

gp_op *gp_op_new(gp_http *http, const gp_request *request, gp_error *err)
{
    if (gp_engine_check(http->engine, err) < 0) return NULL;
    gp_op *op = calloc(1, sizeof *op);
    if (!op) {
        gp_fail_memory(err);
        return NULL;
    }
    http->references++;
    op->http = http;
    op->completion.id = gp_engine_next_id(http->engine);
    op->body = request->body;
    op->upload_fd = request->upload_fd;
    op->upload_offset = request->upload_offset;
    op->upload_length = request->upload_length;
    op->once = request->once;
    op->sink = request->sink;
    op->max_bytes = request->max_bytes;
    if (request->timeout > 0) op->deadline = gp_engine_now() + request->timeout * MILLISECOND;
    op->easy = curl_easy_init();
    if (!op->easy) {
        gp_fail_memory(err);
        goto out;
    }
    for (const char *const *line = request->headers; line && *line; line++)
        if (add_header(op, *line, err) < 0) goto out;
    if (add_header(op, "Expect:", err) < 0 || set_request(op, request, err) < 0) goto out;
    return op;
out:
    gp_op_free(op);
    return NULL;
}

static void finish(gp_op *op)
{
    op->state = OP_DONE;
    gp_engine_complete(op->http->engine, &op->completion);
}

static void fail(gp_op *op, const gp_error *err)
{
    if (!op->failed) op->error = *err;
    op->failed = true;
    finish(op);
}

/* Takes a running operation off curl. */
static void detach(gp_op *op)
{
    gp_http *http = op->http;
    gp_sigpipe saved;
    list_remove(&http->running, op);
    http->in_flight--;
    gp_sigpipe_mask(&saved);
    curl_multi_remove_handle(http->multi, op->easy);
    gp_sigpipe_restore(&saved);
}

static void completed(gp_op *op, CURLcode rc)
{
    gp_error err;
    detach(op);
    if (rc == CURLE_OK) {
        if (!op->failed) (void)begin(op);
        finish(op);
        return;
    }
    if (op->failed) { /* the sink's own error, not curl's "write error" */
        finish(op);
        return;
    }
    gp_http_describe(&err, rc, op->easy, op->detail, &op->http->trust);
    fail(op, &err);
}

static void fail_everything(gp_http *http)
{
    gp_error err;
    http->broken = false;
    gp_fail(&err, "ELOST", "libcurl lost its connections");
    while (http->running.first) {
        gp_op *op = http->running.first;
        detach(op);
        fail(op, &err);
    }
    if (http->multi) curl_multi_cleanup(http->multi);
    http->multi = NULL;
    if (start_multi(http, &err) < 0) http->broken = true;
}

static void collect(gp_http *http)
{
    CURLMsg *message;
    int left;
    if (http->broken) fail_everything(http);
    while (http->multi && (message = curl_multi_info_read(http->multi, &left))) {
        gp_op *op = NULL;
        if (message->msg != CURLMSG_DONE) continue;
        CURLcode rc = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&op);
        completed(op, rc);
    }
    launch_queued(http);
}

static void expire_queue(gp_timer *timer)
{
    gp_http *http = (gp_http *)(void *)((char *)timer - offsetof(gp_http, queue_timer));
    int64_t now = gp_engine_now(), earliest = 0;
    gp_error err;
    gp_fail(&err, "ETIMEDOUT", "timed out while waiting for one of %ld connections", http->limit);
    for (gp_op *op = http->queue.first, *next; op; op = next) {
        next = op->next;
        if (!op->deadline) continue;
        if (op->deadline <= now) {
            list_remove(&http->queue, op);
            fail(op, &err);
        } else if (!earliest || op->deadline < earliest) {
            earliest = op->deadline;
        }
    }
    gp_engine_timer(http->engine, &http->queue_timer, earliest);
}

static void launch(gp_op *op)
{
    gp_http *http = op->http;
    gp_error err;
    if (op->deadline) {
        int64_t left = (op->deadline - gp_engine_now()) / MILLISECOND;
        curl_easy_setopt(op->easy, CURLOPT_TIMEOUT_MS, left > 0 ? (long)left : 1L);
    }
    op->state = OP_RUNNING;
    list_add(&http->running, op);
    http->in_flight++;
    CURLMcode rc = http->multi ? curl_multi_add_handle(http->multi, op->easy) : CURLM_BAD_HANDLE;
    if (rc == CURLM_OK) return;
    list_remove(&http->running, op);
    http->in_flight--;
    gp_fail(&err, "ECONNECT", "libcurl takes no request: %s", curl_multi_strerror(rc));
    fail(op, &err);
}

static void launch_queued(gp_http *http)
{
    while (http->queue.first && http->in_flight < http->limit) {
        gp_op *op = http->queue.first;
        list_remove(&http->queue, op);
        launch(op);
    }
}

int gp_op_start(gp_op *op, gp_error *err)
{
    gp_http *http = op->http;
    if (gp_engine_check(http->engine, err) < 0) return -1;
    if (op->state != OP_IDLE) return gp_fail(err, "EINVAL", "this operation has been started already");
    if (http->broken) fail_everything(http);
    if (http->in_flight < http->limit && !http->queue.first) {
        launch(op);
        return 0;
    }
    op->state = OP_QUEUED;
    list_add(&http->queue, op);
    if (op->deadline && (!http->queue_timer.at || op->deadline < http->queue_timer.at))
        gp_engine_timer(http->engine, &http->queue_timer, op->deadline);
    return 0;
}

void gp_op_cancel(gp_op *op, const char *code, const char *message)
{
    gp_error err;
    if (gp_engine_forked(op->http->engine)) return;
    if (op->state == OP_RUNNING) detach(op);
    else if (op->state == OP_QUEUED) list_remove(&op->http->queue, op);
    else return;
    gp_fail(&err, code, "%s", message);
    fail(op, &err);
    launch_queued(op->http);
}

void gp_op_free(gp_op *op)
{
    if (!op) return;
    gp_http *http = op->http;
    bool forked = gp_engine_forked(http->engine);
    if (op->state == OP_RUNNING && !forked) {
        detach(op);
        launch_queued(http);
    } else if (op->state == OP_QUEUED) {
        list_remove(&http->queue, op);
    }
    gp_engine_forget(http->engine, &op->completion);
    if (op->easy && !(forked && op->state == OP_RUNNING)) curl_easy_cleanup(op->easy);
    curl_slist_free_all(op->headers);
    free(op);
    gp_http_release(http);
}

uint64_t gp_op_id(const gp_op *op)
{
    return op->completion.id;
}

bool gp_op_done(const gp_op *op)
{
    return op->state == OP_DONE;
}

int gp_op_error(const gp_op *op, gp_error *err)
{
    if (!op->failed) return 0;
    *err = op->error;
    return -1;
}

long gp_op_status(const gp_op *op)
{
    long status = 0;
    curl_easy_getinfo(op->easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

const char *gp_op_content_type(const gp_op *op)
{
    char *type = NULL;
    curl_easy_getinfo(op->easy, CURLINFO_CONTENT_TYPE, &type);
    return type;
}

const char *gp_op_header(const gp_op *op, const char *name, size_t index)
{
    struct curl_header *header;
    if (curl_easy_header(op->easy, name, index, CURLH_HEADER, -1, &header) != CURLHE_OK) return NULL;
    return header->value;
}

bool gp_op_sent(const gp_op *op)
{
    curl_off_t ready = 0;
    curl_easy_getinfo(op->easy, CURLINFO_PRETRANSFER_TIME_T, &ready);
    return op->sent > 0 || ready > 0;
}

void gp_op_progress(const gp_op *op, uint64_t *sent, uint64_t *received)
{
    *sent = op->sent;
    *received = op->received;
}

double gp_op_seconds(const gp_op *op)
{
    curl_off_t total = 0;
    curl_easy_getinfo(op->easy, CURLINFO_TOTAL_TIME_T, &total);
    return (double)total / 1e6;
}

bool gp_op_reused(const gp_op *op)
{
    long connects = 1;
    curl_easy_getinfo(op->easy, CURLINFO_NUM_CONNECTS, &connects);
    return connects == 0;
}
