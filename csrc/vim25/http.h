/* HTTP for one endpoint: a libcurl multi handle (its own pool of connections) on an engine.
 *
 *   gp_http_new(engine, trust...)      the client: at most 8 connections, keep-alive, HTTP/1.1, no redirects
 *   gp_op_new(http, &request)          an operation: owns its easy handle, its body, what has arrived
 *   gp_op_start -> engine steps -> completion -> gp_op_status / gp_op_error / its sink
 *   gp_op_free at any time             cancels what is in flight
 *
 * An answer may unpack to 1 MiB, and beyond that to 200 times its size on the wire (ELIMIT), whatever it is.
 * Bytes of the answer go to a *sink* as they come. A sink that fails makes the operation fail with the sink's own
 * error, which wins over curl's "write error". No request is repeated here: even curl's
 * own retry on a dead connection is refused for bodies that must not be sent twice (`once`).
 *
 * Ownership: the client retains the engine, an operation retains the client. A client in a forked child is only
 * dropped, never closed: its sockets belong to the parent.
 */
#ifndef GP_HTTP_H
#define GP_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "vim25/engine.h"
#include "base/error.h"
#include "vim25/trust.h"

typedef struct gp_http gp_http;
typedef struct gp_op gp_op;

/* Where an answer's bytes go. `begin` is called with the status and content type before the first byte (and for an
 * answer without a body at its end); both may fail. A `feed` that gives 1 has enough: the connection is ended, and the
 * operation has succeeded. */
typedef struct gp_sink {
    int (*begin)(void *user, long status, const char *content_type, gp_error *err);
    int (*feed)(void *user, const char *bytes, size_t length, gp_error *err);
    void *user;
} gp_sink;

typedef struct gp_http_options {
    long max_connections; /* 8 */
    const char *proxy;    /* NULL: none, also not from the environment */
} gp_http_options;

/* Takes over what `trust` owns, also when it fails. */
gp_http *gp_http_new(gp_engine *engine, gp_trust *trust, const gp_http_options *options, gp_error *err);
void gp_http_release(gp_http *http);
typedef struct gp_request {
    const char *method; /* GET, POST, PUT, HEAD, DELETE */
    const char *url;
    const char *const *headers; /* NULL-terminated "Name: value"; copied */
    const gp_buf *body;         /* not copied: has to outlive the operation; NULL: none */
    int upload_fd;              /* -1: none; read with pread from `upload_offset` */
    uint64_t upload_offset, upload_length;
    const char *range; /* "0-99" or NULL */
    gp_sink sink;
    uint64_t max_bytes;               /* of the answer's body, after gunzip; 0: no ceiling */
    int64_t timeout, connect_timeout; /* milliseconds; 0: none */
    int64_t stall_timeout;            /* milliseconds without a byte in either direction; 0: none */
    bool once;                        /* the body must never reach the server twice */
    bool identity;                    /* ask for no compression (ranges, files) */
    bool fresh; /* a connection of its own, closed afterwards (file transfers to a host) */
} gp_request;

gp_op *gp_op_new(gp_http *http, const gp_request *request, gp_error *err);
int gp_op_start(gp_op *op, gp_error *err);
/* Ends a running operation with ECANCELLED; it completes as any other. */
void gp_op_cancel(gp_op *op, const char *code, const char *message);
void gp_op_free(gp_op *op);

uint64_t gp_op_id(const gp_op *op);
bool gp_op_done(const gp_op *op);
/* 0, or -1 with what went wrong with the transfer (an HTTP status is not an error here). */
int gp_op_error(const gp_op *op, gp_error *err);
long gp_op_status(const gp_op *op);
const char *gp_op_content_type(const gp_op *op);
/* The n-th header of that name in the answer; NULL when absent. */
const char *gp_op_header(const gp_op *op, const char *name, size_t index);
/* Whether any byte of the request may have reached the server. */
bool gp_op_sent(const gp_op *op);
void gp_op_progress(const gp_op *op, uint64_t *sent, uint64_t *received);
double gp_op_seconds(const gp_op *op);
bool gp_op_reused(const gp_op *op);

#endif
