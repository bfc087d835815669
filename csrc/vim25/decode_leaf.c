/* The text of a leaf -> a value. A number that is none is an error (EVALUE): guessing would hide it. What
 * real servers and simulators are known to write differently is read: 1/0 for booleans, unsigned bytes and
 * shorts, empty numbers (left out) and empty enums. */
#include "vim25/decode_state.h"

#include "vim25/base64.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t hash_text(const char *text, uint32_t length)
{
    uint64_t h = length * UINT64_C(0x9e3779b97f4a7c15), word;
    for (; length >= 8; length -= 8, text += 8) {
        memcpy(&word, text, 8);
        h = (h ^ word) * UINT64_C(0xff51afd7ed558ccd);
        h ^= h >> 32;
    }
    word = 0;
    memcpy(&word, text, length);
    h = (h ^ word) * UINT64_C(0xff51afd7ed558ccd);
    return (uint32_t)(h >> 40);
}

void gp_decode_string(gp_decode *d, gp_cell *cell, uint32_t start)
{
    gp_tape *t = d->tape;
    uint32_t length = t->slab_length - start;
    cell->as.text.length = length;
    if (length == 0) {
        cell->as.text.offset = 0;
        return;
    }
    if (length <= 64) {
        uint32_t at = hash_text(t->slab + start, length) % GP_DECODE_STRINGS;
        if (d->strings[at].length == length &&
            memcmp(t->slab + d->strings[at].offset, t->slab + start, length) == 0) {
            cell->as.text.offset = d->strings[at].offset;
            t->slab_length = start;
            return;
        }
        d->strings[at].offset = start;
        d->strings[at].length = length;
    }
    cell->as.text.offset = start;
    (void)gp_decode_slab(d, "", 1);
}

static void bad(gp_decode *d, const frame *leaf, const char *text, uint32_t length)
{
    const char *key = leaf->key == GP_KEY_NONE ? "a value"
                      : leaf->key < GP_KEY_OWN ? gp_schema_name(leaf->key)
                                               : d->tape->slab + d->tape->own_names[leaf->key - GP_KEY_OWN];
    gp_decode_latch(d, "EVALUE", "in the answer, %s: '%.*s' is no %s", key, (int)(length < 40 ? length : 40),
                    text, gp_schema_type_name(leaf->type));
}

static bool parse_integer(const char *text, uint32_t length, int64_t *out)
{
    bool negative = false;
    uint32_t i = 0;
    if (text[0] == '-' || text[0] == '+') negative = text[i++] == '-';
    if (i == length || length - i > 20) return false;
    uint64_t value = 0;
    for (; i < length; i++) {
        unsigned digit = (unsigned)(text[i] - '0');
        if (digit > 9 || value > (UINT64_MAX - digit) / 10) return false;
        value = value * 10 + digit;
    }
    if (negative) {
        if (value > (uint64_t)INT64_MAX + 1) return false;
        value = 0 - value;
    }
    memcpy(out, &value, sizeof value); /* an unsigned long beyond 2^63 wraps, as two's complement does */
    return true;
}

/* Some servers write a byte or short unsigned. */
static int64_t sign(int64_t value, gp_type_id type)
{
    if (type == GP_BYTE && value > INT8_MAX && value <= UINT8_MAX) return value - 256;
    if (type == GP_SHORT && value > INT16_MAX && value <= UINT16_MAX) return value - 65536;
    return value;
}

static bool parse_number(const char *text, uint32_t length, double *out)
{
    char copy[80];
    if (length == 3 && memcmp(text, "NaN", 3) == 0) {
        *out = (double)NAN;
        return true;
    }
    if (length >= 3 && memcmp(text + length - 3, "INF", 3) == 0 && length <= 4) {
        *out = text[0] == '-' ? -HUGE_VAL : HUGE_VAL;
        return true;
    }
    const char *point = localeconv()->decimal_point; /* strtod reads the host's locale */
    uint32_t used = 0;
    for (uint32_t i = 0; i < length && used + 8 < sizeof copy; i++) {
        char c = text[i];
        if (c == '.')
            used += (uint32_t)snprintf(copy + used, 8, "%.7s", point);
        else if ((c >= '0' && c <= '9') || c == '-' || c == '+' || c == 'e' || c == 'E')
            copy[used++] = c;
        else
            return false;
    }
    copy[used] = '\0';
    char *end;
    *out = strtod(copy, &end);
    return used > 0 && *end == '\0' && used + 8 < sizeof copy;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

void gp_decode_leaf(gp_decode *d, const frame *leaf)
{
    gp_tape *t = d->tape;
    uint32_t at = gp_decode_cell(d, GP_TAG_STRING, leaf->key, leaf->type);
    if (at == GP_NO_CELL) return;
    gp_cell *cell = &t->cells[at];
    if (leaf->type > GP_BINARY || leaf->type == GP_STRING || leaf->type == GP_DATETIME) {
        if (leaf->type == GP_MOREF) cell->tag = GP_TAG_MOREF;
        gp_decode_string(d, cell, leaf->text);
        return;
    }
    const char *text = t->slab + leaf->text;
    uint32_t length = t->slab_length - leaf->text;
    if (leaf->type == GP_BINARY) {
        size_t bytes = length;
        if (gp_base64_decode(t->slab + leaf->text, &bytes) != 0) {
            bad(d, leaf, text, length);
            return;
        }
        cell->tag = GP_TAG_BINARY;
        t->slab_length = leaf->text + (uint32_t)bytes;
        gp_decode_string(d, cell, leaf->text);
        return;
    }
    while (length > 0 && is_space(text[0]))
        text++, length--;
    while (length > 0 && is_space(text[length - 1]))
        length--;
    bool good = true;
    if (length == 0) {
        cell->tag = GP_TAG_NULL;
    } else if (leaf->type == GP_BOOLEAN) {
        cell->tag = GP_TAG_BOOLEAN;
        bool yes = (length == 4 && memcmp(text, "true", 4) == 0) || (length == 1 && text[0] == '1');
        good = yes || (length == 5 && memcmp(text, "false", 5) == 0) || (length == 1 && text[0] == '0');
        cell->as.integer = yes;
    } else if (leaf->type == GP_FLOAT || leaf->type == GP_DOUBLE) {
        cell->tag = GP_TAG_DOUBLE;
        good = parse_number(text, length, &cell->as.number);
    } else {
        cell->tag = GP_TAG_INTEGER;
        int64_t value = 0;
        good = parse_integer(text, length, &value);
        cell->as.integer = sign(value, leaf->type);
    }
    if (!good) bad(d, leaf, text, length);
    t->slab_length = leaf->text;
}
