/* links: core
 *
 * A document, then edits: TEXT 0 (OP KEY 0 VALUE 0)...   OP's lowest bit: set or unset; with the next one
 * set, the value takes the place of the whole text. A text with a zero byte is reached by the first byte 0xFE
 * (the whole rest is the text). What must hold: an unedited document comes out byte for byte; after an edit
 * the written text reads back to the same pairs, with the key set or gone. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "offline/vmx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
    if (!holds) abort();
}

/* All pairs of a document as one text. */
static void list_pairs(const gp_vmx *doc, gp_buf *out)
{
    for (uint32_t i = 0; i < gp_vmx_line_count(doc); i++) {
        if (gp_vmx_line_kind(doc, i) != GP_VMX_PAIR) continue;
        must(gp_vmx_line_key(doc, i, out) == 0);
        must(gp_buf_putc(out, '\0') == 0);
        must(gp_vmx_line_value(doc, i, out) == 0);
        must(gp_buf_putc(out, '\0') == 0);
    }
}

static void check_round_trip(const gp_vmx *doc)
{
    gp_error err;
    gp_buf text = GP_BUF_EMPTY, mine = GP_BUF_EMPTY, theirs = GP_BUF_EMPTY;
    must(gp_vmx_write(doc, &text) == 0);
    gp_vmx *again = gp_vmx_parse(text.data ? text.data : "", text.length, 0, &err);
    must(again != NULL);
    must(gp_vmx_line_count(again) == gp_vmx_line_count(doc));
    list_pairs(doc, &mine);
    list_pairs(again, &theirs);
    must(mine.length == theirs.length &&
         (mine.length == 0 || memcmp(mine.data, theirs.data, mine.length) == 0));
    gp_vmx_free(again);
    gp_buf_free(&text);
    gp_buf_free(&mine);
    gp_buf_free(&theirs);
}

static void look_at(gp_vmx *doc)
{
    gp_error err;
    uint32_t first;
    size_t length;
    must(gp_vmx_index_duplicates(doc, &err) == 0);
    for (uint32_t i = 0; i < gp_vmx_line_count(doc); i++) {
        (void)gp_vmx_problem_at(doc, i, &first);
        (void)gp_vmx_line(doc, i, &length);
        (void)gp_vmx_line_name(doc, i, &length);
    }
}

static void check_key(const gp_vmx *doc, const char *key, size_t key_length, const char *value,
                      size_t value_length)
{
    gp_buf now = GP_BUF_EMPTY;
    int64_t line = gp_vmx_find(doc, key, key_length);
    must(line >= 0);
    must(gp_vmx_line_value(doc, (uint32_t)line, &now) == 0);
    must(now.length == value_length && (value_length == 0 || memcmp(now.data, value, value_length) == 0));
    gp_buf_free(&now);
}

static const char *next_part(const char **at, const char *end, size_t *length)
{
    const char *begin = *at;
    const char *stop = memchr(begin, 0, (size_t)(end - begin));
    *length = (size_t)((stop ? stop : end) - begin);
    *at = stop ? stop + 1 : end;
    return begin;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gp_error err;
    gp_buf out = GP_BUF_EMPTY;
    if (size == 0) return 0;
    const char *at = (const char *)data, *end = at + size;
    size_t length, key_length, value_length;
    if (data[0] == 0xfe) {
        gp_vmx_free(gp_vmx_parse(at + 1, size - 1, 0, &err));
        return 0;
    }
    const char *text = next_part(&at, end, &length);
    gp_vmx *doc = gp_vmx_parse(text, length, 0, &err);
    if (!doc) return 0;
    must(gp_vmx_write(doc, &out) == 0);
    must(out.length == length && (length == 0 || memcmp(out.data, text, length) == 0));
    gp_buf_free(&out);
    look_at(doc);
    for (int edits = 0; at < end && edits < 64; edits++) {
        char op = *at++;
        const char *key = next_part(&at, end, &key_length);
        const char *value = next_part(&at, end, &value_length);
        uint32_t removed;
        if (op & 2) {
            if (gp_vmx_replace_text(doc, value, value_length, &err) == 0) must(gp_vmx_changed(doc));
        } else if (op & 1) {
            if (gp_vmx_unset(doc, key, key_length, &removed, &err) == 0)
                must(gp_vmx_find(doc, key, key_length) < 0);
        } else if (gp_vmx_set(doc, key, key_length, value, value_length, &err) == 0) {
            check_key(doc, key, key_length, value, value_length);
        }
        check_round_trip(doc);
    }
    look_at(doc);
    gp_vmx_free(doc);
    return 0;
}
