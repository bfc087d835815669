#define _GNU_SOURCE
#include "vim25/http_answer.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { FOREIGN_KEPT = 4096, EXCERPT = 300 };

static bool is_xml(const char *type)
{
    return strcasestr(type, "xml") != NULL;
}

/* The decoder that is kept, if it can be used again, or a new one. */
static gp_decode *decoder(gp_answer *answer, gp_error *err)
{
    gp_decode *kept = answer->idle ? *answer->idle : NULL;
    if (kept) {
        *answer->idle = NULL;
        if (gp_decode_again(kept, answer->method, &answer->limits, err) == 0) return kept;
        gp_decode_free(kept);
    }
    return gp_decode_new(answer->method, &answer->limits, err);
}

static int begin(void *user, long status, const char *type, gp_error *err)
{
    gp_answer *answer = user;
    answer->status = status;
    strncpy(answer->type, type, sizeof answer->type - 1);
    switch (answer->kind) {
    case GP_ANSWER_BYTES:
        answer->foreign = !answer->any_status && status / 100 != 2;
        return 0;
    case GP_ANSWER_FILE:
        answer->foreign = status != 200 && status != 206;
        return 0;
    case GP_ANSWER_SOAP:
        break;
    }
    answer->foreign = (status != 200 && status != 500) || !is_xml(type);
    if (answer->foreign) return 0;
    answer->decode = decoder(answer, err);
    return answer->decode ? 0 : -1;
}

static int write_file(gp_answer *answer, const char *bytes, size_t length, gp_error *err)
{
    while (length > 0) {
        ssize_t put = write(answer->fd, bytes, length);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return gp_fail_errno(err, errno, "cannot write the received data");
        bytes += put;
        length -= (size_t)put;
        answer->written += (uint64_t)put;
    }
    return 0;
}

static int feed(void *user, const char *bytes, size_t length, gp_error *err)
{
    gp_answer *answer = user;
    if (answer->foreign) {
        size_t room = FOREIGN_KEPT - answer->bytes.length;
        if (gp_buf_append(&answer->bytes, bytes, length < room ? length : room) < 0)
            return gp_fail_memory(err);
        /* the rest of an error page is not needed, and may be endless */
        return length > room ? gp_answer_check(answer, err) : 0;
    }
    if (answer->kind == GP_ANSWER_SOAP) {
        if (answer->keep && gp_buf_append(&answer->bytes, bytes, length) < 0) return gp_fail_memory(err);
        return gp_decode_feed(answer->decode, bytes, length, err);
    }
    if (answer->kind == GP_ANSWER_FILE) return write_file(answer, bytes, length, err);
    uint64_t room = answer->take ? answer->take - answer->bytes.length : length;
    if (gp_buf_append(&answer->bytes, bytes, length < room ? length : (size_t)room) < 0)
        return gp_fail_memory(err);
    return length > room;
}

gp_sink gp_answer_sink(gp_answer *answer)
{
    return (gp_sink){.begin = begin, .feed = feed, .user = answer};
}

/* The text of an error page without its tags, on one line. */
static void excerpt(const gp_buf *page, char *out, size_t size)
{
    size_t length = 0;
    bool tag = false, gap = false;
    for (size_t i = 0; i < page->length && length + 2 < size; i++) {
        unsigned char c = (unsigned char)page->data[i];
        if (c == '<') tag = true;
        if (tag || c <= ' ' || c == 0x7f) {
            gap = length > 0;
            if (c == '>') tag = false;
            continue;
        }
        if (gap) out[length++] = ' ';
        gap = false;
        out[length++] = (char)c;
    }
    out[length] = '\0';
}

int gp_answer_check(const gp_answer *answer, gp_error *err)
{
    char text[EXCERPT];
    if (!answer->foreign) return 0;
    excerpt(&answer->bytes, text, sizeof text);
    return gp_fail(err, "EHTTP", "HTTP %ld (%s)%s%s", answer->status,
                   *answer->type ? answer->type : "no type", *text ? ": " : "", text);
}

gp_tape *gp_answer_tape(gp_answer *answer, gp_error *err)
{
    if (gp_answer_check(answer, err) < 0) return NULL;
    if (!answer->decode) return gp_fail_null(err, "ETRUNCATED", "the response is empty");
    gp_tape *tape = gp_decode_finish(answer->decode, err);
    if (tape && answer->idle && !*answer->idle)
        *answer->idle = answer->decode;
    else
        gp_decode_free(answer->decode);
    answer->decode = NULL;
    return tape;
}

void gp_answer_clear(gp_answer *answer)
{
    gp_decode_free(answer->decode);
    answer->decode = NULL;
    gp_buf_free(&answer->bytes);
}
