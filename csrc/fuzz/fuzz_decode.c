/* links: net
 *
 * Bytes -> decoder -> tape. The first byte chooses the method whose answer it is to be (0xff: any document),
 * the second how the rest is cut into pieces. Every tape that comes out is walked to its last cell, so that a
 * wrong offset, count or end is seen by the sanitizers, each known field is of its declared kind, and a page is read as
 * page() does. The limits are small: a slow input is a finding. A decoder that was used for earlier inputs must give the
 * same as a new one.
 */
#include "vim25/decode.h"
#include "vim25/tape_page.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const methods[] = {"RetrievePropertiesEx",
                                      "RetrieveProperties",
                                      "WaitForUpdatesEx",
                                      "CurrentTime",
                                      "Logout",
                                      "QueryOptions",
                                      "FindAllByUuid",
                                      "QueryConfigTarget",
                                      "RetrieveServiceContent",
                                      "ListProcessesInGuest"};

static void must(int condition)
{
    if (!condition) abort();
}

/* Walks one value; returns the cell after it. */
static uint32_t walk(const gp_tape *tape, uint32_t at, unsigned depth, uint64_t *sum)
{
    must(at < tape->count && depth < 400);
    const gp_cell *cell = &tape->cells[at];
    const char *key = gp_tape_key(tape, cell);
    if (key) *sum += strlen(key);
    if (cell->tag <= GP_TAG_MANY) {
        uint32_t i = at + 1, children = 0, end = cell->as.head.end;
        must(end > at && end <= tape->count);
        if (cell->tag == GP_TAG_OBJECT) {
            *sum += strlen(gp_tape_type_name(tape, at));
            if (cell->flags & GP_CELL_NAMED) i++;
        }
        for (; i < end; children++)
            i = walk(tape, i, depth + 1, sum);
        must(i == end && children == cell->as.head.count);
        return end;
    }
    if (cell->tag == GP_TAG_STRING || cell->tag == GP_TAG_BINARY || cell->tag == GP_TAG_MOREF) {
        const char *text = gp_tape_text(tape, cell);
        must((uint64_t)cell->as.text.offset + cell->as.text.length < tape->slab_length);
        for (uint32_t i = 0; i < cell->as.text.length; i++)
            *sum += (unsigned char)text[i];
        must(text[cell->as.text.length] == '\0');
        if (cell->tag == GP_TAG_MOREF) must(memchr(text, ':', cell->as.text.length) != NULL);
    }
    return at + 1;
}

/* What decode.h guarantees: a field in the schema is of its kind, or absent. */
static void check_field(const gp_tape *tape, gp_type_id owner, uint32_t at)
{
    const gp_cell *cell = &tape->cells[at];
    const gp_schema_field *field =
        cell->key < GP_KEY_OWN ? gp_schema_field_find(owner, cell->key, NULL) : NULL;
    if (!field || cell->tag == GP_TAG_NULL || field->type <= GP_ANY) return;
    if (field->flags & GP_FIELD_ARRAY) {
        must(cell->tag == GP_TAG_ARRAY);
        return;
    }
    uint8_t kind = gp_schema_types[field->type].kind;
    if (kind == GP_KIND_DATA)
        must(cell->tag == GP_TAG_OBJECT && gp_schema_is_a(cell->type, field->type));
    else if (kind == GP_KIND_MANAGED || field->type == GP_MOREF)
        must(cell->tag == GP_TAG_MOREF);
    else if (field->type == GP_BINARY)
        must(cell->tag == GP_TAG_BINARY);
    else if (field->type == GP_BOOLEAN)
        must(cell->tag == GP_TAG_BOOLEAN);
    else if (field->type == GP_FLOAT || field->type == GP_DOUBLE)
        must(cell->tag == GP_TAG_DOUBLE);
    else
        must(cell->tag ==
             (field->type >= GP_BYTE && field->type <= GP_LONG ? GP_TAG_INTEGER : GP_TAG_STRING));
}

static void check_fields(const gp_tape *tape)
{
    for (uint32_t at = 0; at < tape->count; at++) {
        const gp_cell *cell = &tape->cells[at];
        if (cell->tag != GP_TAG_OBJECT || cell->type == GP_VOID) continue;
        for (uint32_t i = gp_tape_inside(tape, at); i < cell->as.head.end; i = gp_tape_after(tape, i))
            check_field(tape, cell->type, i);
    }
}

static void check_page(const gp_tape *tape)
{
    gp_error err;
    gp_page page;
    gp_page_object object;
    uint64_t sum = 0;
    if (!gp_page_is(tape) || gp_page_open(&page, tape, &err) != 0) return;
    if (page.token) sum += strlen(gp_tape_text(tape, page.token));
    while (gp_page_next(&page, &object)) {
        sum += strlen(gp_tape_text(tape, &tape->cells[object.reference]));
        gp_pairs pairs = gp_page_properties(&page, &object), missing = gp_page_missing(&page, &object);
        while (gp_pairs_next(&pairs))
            sum += strlen(gp_tape_text(tape, &tape->cells[pairs.first]));
        while (gp_pairs_next(&missing))
            sum += strlen(gp_tape_text(tape, &tape->cells[missing.first]));
    }
    must(sum < UINT64_MAX);
}

static void check(const gp_tape *tape)
{
    uint64_t sum = 0;
    if (tape->count > 0) must(walk(tape, 0, 0, &sum) == tape->count);
    check_fields(tape);
    check_page(tape);
    if (tape->kind != GP_TAPE_FAULT) return;
    char code[96];
    gp_buf message = GP_BUF_EMPTY;
    must(gp_tape_fault_text(tape, &message, code, sizeof code) == 0);
    must(message.length > 0);
    gp_buf_free(&message);
}

static void must_be_same_cell(const gp_tape *a, const gp_tape *b, uint32_t at)
{
    const gp_cell *one = &a->cells[at], *other = &b->cells[at];
    must(one->tag == other->tag && one->flags == other->flags && one->key == other->key &&
         one->type == other->type);
    if (one->tag == GP_TAG_STRING || one->tag == GP_TAG_BINARY || one->tag == GP_TAG_MOREF)
        must(one->as.text.length == other->as.text.length &&
             memcmp(gp_tape_text(a, one), gp_tape_text(b, other), one->as.text.length) == 0);
    else
        must(one->as.integer == other->as.integer);
}

static void must_be_same(const gp_tape *a, const gp_tape *b)
{
    must(!a == !b);
    if (!a) return;
    must(a->kind == b->kind && a->count == b->count && a->own_count == b->own_count && a->bytes == b->bytes);
    for (uint32_t i = 0; i < a->count; i++)
        must_be_same_cell(a, b, i);
}

static gp_tape *decode(gp_decode *d, const uint8_t *data, size_t size, gp_error *err)
{
    size_t piece = data[1] ? data[1] : size;
    for (size_t at = 2; at < size; at += piece) {
        size_t length = size - at < piece ? size - at : piece;
        if (gp_decode_feed(d, (const char *)data + at, length, err) != 0) break;
    }
    return gp_decode_finish(d, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static gp_decode *used; /* for as many inputs as it can be */
    static const gp_decode_limits limits = {1 << 20, 1 << 16, 1 << 16, 100, 32};
    gp_error err;
    if (size < 2) return 0;
    const char *name = methods[data[0] % (sizeof methods / sizeof methods[0])];
    const gp_schema_method *method = data[0] == 0xff ? NULL : gp_schema_method_find(name, strlen(name));
    gp_decode *d = gp_decode_new(method, &limits, &err);
    must(d != NULL);
    gp_tape *tape = decode(d, data, size, &err);
    if (tape)
        check(tape);
    else
        must(err.code[0] != '\0' && err.message[0] != '\0');
    if (used && gp_decode_again(used, method, &limits, &err) != 0) {
        gp_decode_free(used);
        used = NULL;
    }
    if (used) {
        gp_tape *again = decode(used, data, size, &err);
        must_be_same(tape, again);
        gp_tape_free(again);
        gp_decode_free(d);
    } else {
        used = d;
    }
    gp_tape_free(tape);
    return 0;
}
