/* links: net
 *
 * What the writer lets through, the reader gives back unchanged: texts, bytes as base64, numbers, times. The
 * first input byte chooses which. A text that the writer refuses must be one that the XML parser refuses too
 * (and the other way round), so that our check of UTF-8 and of control characters is held against libxml2's.
 */
#include "vim25/base64.h"
#include "vim25/decode.h"
#include "vim25/encode_text.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int condition)
{
    if (!condition) abort();
}

/* Any document: its root is the value. */
static gp_tape *decode(const gp_buf *document)
{
    gp_error err;
    gp_decode *d = gp_decode_new(NULL, NULL, &err);
    must(d != NULL);
    (void)gp_decode_feed(d, document->data, document->length, &err);
    gp_tape *tape = gp_decode_finish(d, &err);
    gp_decode_free(d);
    return tape;
}

static gp_tape *wrapped(const char *type, const char *text, size_t length, int escape)
{
    gp_buf document = GP_BUF_EMPTY;
    gp_buf_printf(&document,
                  "<v xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"xsd:%s\">", type);
    if (escape)
        gp_encode_text_escape(&document, text, length);
    else
        gp_buf_append(&document, text, length);
    gp_buf_puts(&document, "</v>");
    must(!document.failed);
    gp_tape *tape = decode(&document);
    gp_buf_free(&document);
    return tape;
}

static void check_text(const char *text, size_t length)
{
    size_t at = 0;
    const char *fault = gp_encode_text_fault(text, length, &at);
    gp_tape *tape = wrapped("string", text, length, 1);
    must((fault == NULL) == (tape != NULL));
    if (fault) {
        must(at < length);
        return;
    }
    must(tape->count == 1 && tape->cells[0].tag == GP_TAG_STRING);
    must(tape->cells[0].as.text.length == length);
    must(memcmp(gp_tape_text(tape, &tape->cells[0]), text, length) == 0);
    gp_tape_free(tape);
}

static void check_base64(const char *bytes, size_t length)
{
    gp_buf text = GP_BUF_EMPTY;
    must(length == 0 || gp_base64_encode(&text, bytes, length) == 0);
    gp_tape *tape = wrapped("base64Binary", text.data ? text.data : "", text.length, 0);
    must(tape && tape->count == 1 && tape->cells[0].tag == GP_TAG_BINARY);
    must(tape->cells[0].as.text.length == length);
    must(memcmp(gp_tape_text(tape, &tape->cells[0]), bytes, length) == 0);
    gp_tape_free(tape);
    gp_buf_free(&text);
}

static void check_number(const char *bytes, size_t length, int single)
{
    double number = 0;
    char text[40];
    memcpy(&number, bytes, length < sizeof number ? length : sizeof number);
    if (single) number = (double)(float)number;
    if (!isfinite(number)) return;
    gp_encode_text_number(text, number, single);
    gp_tape *tape = wrapped("double", text, strlen(text), 0);
    must(tape && tape->count == 1 && tape->cells[0].tag == GP_TAG_DOUBLE);
    double back = tape->cells[0].as.number;
    must(single ? (float)back == (float)number : back == number);
    gp_tape_free(tape);
}

static void check_time(const char *bytes, size_t length)
{
    char text[40];
    int64_t seconds = 0;
    int64_t any, rest;
    must((gp_encode_text_read_time(bytes, length, &any, &rest) == 0) ==
         gp_encode_text_is_time(bytes, length));
    memcpy(&seconds, bytes, length < sizeof seconds ? length : sizeof seconds);
    seconds >>= 20;
    if (gp_encode_text_time(text, (double)seconds) == 0) {
        int64_t back, nanoseconds;
        must(gp_encode_text_read_time(text, strlen(text), &back, &nanoseconds) == 0);
        must(back == seconds && nanoseconds == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    const char *rest = (const char *)data + 1;
    switch (data[0] % 5) {
    case 0:
        check_text(rest, size - 1);
        break;
    case 1:
        check_base64(rest, size - 1);
        break;
    case 2:
        check_number(rest, size - 1, 0);
        break;
    case 3:
        check_number(rest, size - 1, 1);
        break;
    default:
        check_time(rest, size - 1);
        break;
    }
    return 0;
}
