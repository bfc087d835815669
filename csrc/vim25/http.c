#define _GNU_SOURCE
#include "vim25/http.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vim25/http_error.h"
#include "vim25/http_inside.h"

enum { MILLISECOND = 1000000 };

typedef struct socket_watch {
    gp_watch watch; /* first */
    gp_http *http;
} socket_watch;

static void collect(gp_http *http);

static pthread_once_t once_control = PTHREAD_ONCE_INIT;
static CURLcode global_result;

static void global_start(void)
{
    global_result = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static void list_add(gp_op_list *list, gp_op *op)
{
    op->next = NULL;
    op->previous = list->last;
    if (list->last)
        list->last->next = op;
    else
        list->first = op;
    list->last = op;
}

void gp_http_unlist(gp_op_list *list, gp_op *op)
{
    if (op->previous)
        op->previous->next = op->next;
    else
        list->first = op->next;
    if (op->next)
        op->next->previous = op->previous;
    else
        list->last = op->previous;
    op->next = op->previous = NULL;
}

/* ---- curl's sockets and time-outs on the engine */

static void act(gp_http *http, curl_socket_t socket, int events)
{
    int running;
    /* without a handle (there was no memory for a new one) collect tries to create one again */
    if (!http->multi)
        http->broken = true;
    else if (curl_multi_socket_action(http->multi, socket, events, &running) != CURLM_OK)
        http->broken = true;
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
    /* curl creates the name resolver's socket pair without the flag */
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
        gp_fail(err, "ETLS", "cannot start libcurl: %s", curl_easy_strerror(global_result));
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
    /* in a forked child the sockets belong to the parent: a TLS shutdown from here would end its connections */
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

static void finish(gp_op *op)
{
    op->state = GP_OP_DONE;
    gp_engine_complete(op->http->engine, &op->completion);
}

static void fail(gp_op *op, const gp_error *err)
{
    if (!op->failed) op->error = *err;
    op->failed = true;
    finish(op);
}

void gp_http_detach(gp_op *op)
{
    gp_http *http = op->http;
    gp_sigpipe saved;
    gp_http_unlist(&http->running, op);
    http->in_flight--;
    gp_sigpipe_mask(&saved);
    curl_multi_remove_handle(http->multi, op->easy);
    gp_sigpipe_restore(&saved);
}

static void completed(gp_op *op, CURLcode rc)
{
    gp_error err;
    gp_http_detach(op);
    if (rc == CURLE_OK || op->enough) {
        if (!op->failed) op->done(op);
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
        gp_http_detach(op);
        fail(op, &err);
    }
    if (http->multi) curl_multi_cleanup(http->multi);
    http->multi = NULL;
    gp_engine_timer(http->engine, &http->timer, 0); /* it was the old handle's */
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
    gp_http_launch_queued(http);
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
            gp_http_unlist(&http->queue, op);
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
    op->state = GP_OP_RUNNING;
    list_add(&http->running, op);
    http->in_flight++;
    CURLMcode rc = http->multi ? curl_multi_add_handle(http->multi, op->easy) : CURLM_BAD_HANDLE;
    if (rc == CURLM_OK) return;
    gp_http_unlist(&http->running, op);
    http->in_flight--;
    gp_fail(&err, "ECONNECT", "libcurl refused the request: %s", curl_multi_strerror(rc));
    fail(op, &err);
}

void gp_http_launch_queued(gp_http *http)
{
    while (http->queue.first && http->in_flight < http->limit) {
        gp_op *op = http->queue.first;
        gp_http_unlist(&http->queue, op);
        launch(op);
    }
}

int gp_op_start(gp_op *op, gp_error *err)
{
    gp_http *http = op->http;
    if (gp_engine_check(http->engine, err) < 0) return -1;
    if (op->state != GP_OP_IDLE) return gp_fail(err, "EINVAL", "this operation has already been started");
    if (http->broken) fail_everything(http);
    if (http->in_flight < http->limit && !http->queue.first) {
        launch(op);
        return 0;
    }
    op->state = GP_OP_QUEUED;
    list_add(&http->queue, op);
    if (op->deadline && (!http->queue_timer.at || op->deadline < http->queue_timer.at))
        gp_engine_timer(http->engine, &http->queue_timer, op->deadline);
    return 0;
}

void gp_op_cancel(gp_op *op, const char *code, const char *message)
{
    gp_error err;
    if (gp_engine_forked(op->http->engine)) return;
    if (op->state == GP_OP_RUNNING)
        gp_http_detach(op);
    else if (op->state == GP_OP_QUEUED)
        gp_http_unlist(&op->http->queue, op);
    else
        return;
    gp_fail(&err, code, "%s", message);
    fail(op, &err);
    gp_http_launch_queued(op->http);
}
