#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vim25/http_inside.h"

enum {
    MILLISECOND = 1000000,
    FILE_BUFFER = 102400,     /* curl's read buffer */
    PACKED_BUFFER = 16384,    /* the same for an answer that may be compressed: see unpacks_too_much */
    HEADERS_MAX = 256 * 1024, /* curl bounds one header line, not their sum */
    UNPACKED_FREE = 1 << 20,
    UNPACKED_RATIO = 200
};

/* ---- what curl calls for an operation: C only, Lua is never reached from here */

static int latch(gp_op *op, const gp_error *err)
{
    if (!op->failed) op->error = *err;
    op->failed = true;
    return -1;
}

/* Gives the sink, once, the status and type of the answer; -1 when it refuses them. */
static int begin(gp_op *op)
{
    gp_error err;
    if (op->started) return 0;
    op->started = true;
    if (!op->sink.begin) return 0;
    const char *type = gp_op_content_type(op);
    return op->sink.begin(op->sink.user, gp_op_status(op), type ? type : "", &err) < 0 ? latch(op, &err) : 0;
}

/* XML of a large inventory is compressed 20 to 60 times; zlib's maximum is 1,032. For a chunked answer curl counts the
 * received bytes only after it has delivered their content, hence one buffer more. */
static bool unpacks_too_much(const gp_op *op)
{
    curl_off_t wire = 0;
    if (op->received <= UNPACKED_FREE) return false;
    curl_easy_getinfo(op->easy, CURLINFO_SIZE_DOWNLOAD_T, &wire);
    return op->received / UNPACKED_RATIO > (uint64_t)wire + PACKED_BUFFER;
}

/* The sink is asked about an answer without a body too. */
static void on_done(gp_op *op)
{
    (void)begin(op);
}

static size_t on_body(char *bytes, size_t one, size_t length, void *data)
{
    gp_op *op = data;
    gp_error err;
    (void)one;
    if (op->failed || begin(op) < 0) return 0;
    op->received += length;
    if (op->max_bytes && op->received > op->max_bytes) {
        gp_fail(&err, "ELIMIT", "the response is larger than %llu bytes", (unsigned long long)op->max_bytes);
        latch(op, &err);
        return 0;
    }
    if (!op->plain && unpacks_too_much(op)) {
        gp_fail(&err, "ELIMIT", "the response decompresses to more than %d times its size", UNPACKED_RATIO);
        latch(op, &err);
        return 0;
    }
    int fed = op->sink.feed ? op->sink.feed(op->sink.user, bytes, length, &err) : 0;
    if (fed < 0) latch(op, &err);
    if (fed > 0) op->enough = true;
    return fed == 0 ? length : 0;
}

static size_t on_header(char *bytes, size_t one, size_t length, void *data)
{
    gp_op *op = data;
    gp_error err;
    (void)bytes;
    (void)one;
    op->header_bytes += length;
    if (op->header_bytes <= HEADERS_MAX) return length;
    gp_fail(&err, "ELIMIT", "the response's headers are larger than %d bytes", HEADERS_MAX);
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
    if (got < 0)
        gp_fail_errno(&err, errno, "cannot read the file that is being sent");
    else
        gp_fail(&err, "EIO", "the file became shorter while it was being sent");
    latch(op, &err);
    return CURL_READFUNC_ABORT;
}

static size_t on_read(char *bytes, size_t one, size_t room, void *data)
{
    gp_op *op = data;
    size_t got = 0;
    room *= one;
    if (op->body) {
        size_t left = op->body->length - (size_t)op->sent;
        got = left < room ? left : room;
        /* curl fills the same buffer again once its bytes are sent, and frees it as it is: the last byte of a secret
         * is read separately, and the rest of the buffer is overwritten then */
        if (op->body->secret && got == left && left > 1) got--;
        memcpy(bytes, op->body->data + op->sent, got);
        if (op->body->secret && got == left) explicit_bzero(bytes + got, room - got);
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

static curl_socket_t open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)data;
    (void)purpose;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static int set_request(gp_op *op, const gp_request *request, gp_error *err)
{
    CURL *easy = op->easy;
    CURLcode rc = CURLE_OK;
#define SET(option, value)                                                                                   \
    if (rc == CURLE_OK) rc = curl_easy_setopt(easy, option, value)
    SET(CURLOPT_URL, request->url);
    SET(CURLOPT_PROTOCOLS_STR, "https,http");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
    SET(CURLOPT_QUICK_EXIT, 1L); /* a name that does not resolve must not delay a cancellation */
#endif
    SET(CURLOPT_HTTPHEADER, op->headers);
    SET(CURLOPT_PROXY, op->http->proxy ? op->http->proxy : "");
    SET(CURLOPT_BUFFERSIZE, request->identity ? (long)FILE_BUFFER : (long)PACKED_BUFFER);
    /* curl allocates it for each request over TLS, 64 KiB by default: more than a request needs */
    if (request->upload_fd < 0) SET(CURLOPT_UPLOAD_BUFFERSIZE, (long)PACKED_BUFFER);
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
        /* curl sends a small one together with the headers, from a copy that it does not wipe. It would also send it
         * again by itself: see on_seek */
        if (!request->once && !request->body->secret) SET(CURLOPT_POSTFIELDS, request->body->data);
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
    if (rc != CURLE_OK)
        return gp_fail(err, "EINVAL", "cannot set up the request: %s", curl_easy_strerror(rc));
    return gp_trust_apply(&op->http->trust, easy, err);
}

static int add_header(gp_op *op, const char *line, gp_error *err)
{
    if (strpbrk(line, "\r\n")) return gp_fail(err, "EINVAL", "a header must not contain a line break");
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
    op->plain = request->identity;
    op->sink = request->sink;
    op->done = on_done;
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

void gp_op_free(gp_op *op)
{
    if (!op) return;
    gp_http *http = op->http;
    bool forked = gp_engine_forked(http->engine);
    if (op->state == GP_OP_RUNNING && !forked) {
        gp_http_detach(op);
        gp_http_launch_queued(http);
    } else if (op->state == GP_OP_QUEUED) {
        gp_http_unlist(&http->queue, op);
    }
    gp_engine_forget(http->engine, &op->completion);
    if (op->easy && !(forked && op->state == GP_OP_RUNNING)) curl_easy_cleanup(op->easy);
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
    return op->state == GP_OP_DONE;
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
