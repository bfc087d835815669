/* What http_op.c (one operation) and http.c (the client: connections, queue) share. No other file includes this.
 * http_op.c calls http.c; http.c calls an operation through its `done` function only. */
#ifndef GP_HTTP_INSIDE_H
#define GP_HTTP_INSIDE_H

#include <curl/curl.h>

#include "vim25/http.h"

typedef enum gp_op_state { GP_OP_IDLE, GP_OP_QUEUED, GP_OP_RUNNING, GP_OP_DONE } gp_op_state;

struct gp_op {
    gp_completion completion; /* first: the engine hands out its id */
    gp_http *http;
    CURL *easy;
    struct curl_slist *headers;
    gp_op_state state;
    gp_op *next, *previous; /* in the client's queue or its running list */
    const gp_buf *body;
    int upload_fd;
    uint64_t upload_offset, upload_length, sent;
    bool once, started, plain; /* plain: no compression was offered, so curl decompresses nothing */
    gp_sink sink;
    /* Called when the transfer has ended without an error, before the operation completes. */
    void (*done)(gp_op *op);
    uint64_t received, header_bytes, max_bytes;
    int64_t deadline; /* nanoseconds; 0: none */
    bool failed, enough;
    gp_error error;
    char detail[CURL_ERROR_SIZE];
};

typedef struct gp_op_list {
    gp_op *first, *last;
} gp_op_list;

struct gp_http {
    gp_engine *engine;
    CURLM *multi;
    gp_trust trust;
    gp_timer timer;       /* curl's */
    gp_timer queue_timer; /* the earliest deadline of the queue */
    gp_op_list queue, running;
    long limit, in_flight;
    char *proxy;
    unsigned references;
    bool broken; /* curl_multi_socket_action failed: every transfer fails and the handle is created again */
};

void gp_http_unlist(gp_op_list *list, gp_op *op);
/* Takes a running operation off curl. */
void gp_http_detach(gp_op *op);
/* Starts waiting operations while there is room. */
void gp_http_launch_queued(gp_http *http);

#endif
