/* The text of a leaf -> a value. An invalid number, or one outside its type's range, is an error
 * (EPROTOCOL). Known deviations of real servers and simulators are accepted: 1/0 for booleans, unsigned bytes and
 * shorts, empty numbers (read as absent) and empty enums. */
#include "vim25/decode_state.h"

#include "vim25/base64.h"

#include <float.h>
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
        uint32_t known = d->strings[at].offset;
        /* the entry may be of an earlier document: any whole text before this one that has its bytes will do */
        if (d->strings[at].length == length && known > 0 && known < start && length < start - known &&
            t->slab[known - 1] == '\0' && memcmp(t->slab + known, t->slab + start, length) == 0 &&
            t->slab[known + length] == '\0') {
            cell->as.text.offset = known;
            t->slab_length = start;
            return;
        }
        d->strings[at].offset = start;
        d->strings[at].length = length;
    }
    cell->as.text.offset = start;
    (void)gp_decode_slab(d, "", 1);
}

static void bad(gp_decode *d, const frame *leaf, const char *text, uint32_t length, const char *how)
{
    const char *key = leaf->key == GP_KEY_NONE ? "a value"
                      : leaf->key < GP_KEY_OWN ? gp_schema_name(leaf->key)
                                               : d->tape->slab + d->tape->own_names[leaf->key - GP_KEY_OWN];
    gp_decode_latch(d, "EPROTOCOL", "in the response, %s: '%.*s' is %s %s", key,
                    (int)(length < 40 ? length : 40), text, how, gp_schema_type_name(leaf->type));
}

typedef enum reading { READ, NO_NUMBER, OUT_OF_RANGE } reading;

static reading parse_integer(const char *text, uint32_t length, int64_t *out)
{
    bool negative = false, fits = true;
    uint32_t i = 0;
    if (text[0] == '-' || text[0] == '+') negative = text[i++] == '-';
    if (i == length) return NO_NUMBER;
    uint64_t value = 0, most = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX;
    for (; i < length; i++) {
        unsigned digit = (unsigned)(text[i] - '0');
        if (digit > 9) return NO_NUMBER;
        if (value > (most - digit) / 10) fits = false;
        if (fits) value = value * 10 + digit;
    }
    if (!fits) return OUT_OF_RANGE;
    if (negative) value = 0 - value;
    memcpy(out, &value, sizeof value);
    return READ;
}

/* Into the type's range. Some servers write a byte or short unsigned. */
static reading sign(int64_t *value, gp_type_id type)
{
    int64_t least = INT64_MIN, most = INT64_MAX, wide = INT64_MAX;
    if (type == GP_BYTE) least = INT8_MIN, most = INT8_MAX, wide = UINT8_MAX;
    if (type == GP_SHORT) least = INT16_MIN, most = INT16_MAX, wide = UINT16_MAX;
    if (type == GP_INT) least = INT32_MIN, most = wide = INT32_MAX;
    if (*value < least || *value > wide) return OUT_OF_RANGE;
    if (*value > most) *value -= wide + 1;
    return READ;
}

static reading parse_number(const char *text, uint32_t length, gp_type_id type, double *out)
{
    char copy[80];
    if (length == 3 && memcmp(text, "NaN", 3) == 0) {
        *out = (double)NAN;
        return READ;
    }
    bool sign_first = length == 4 && (text[0] == '-' || text[0] == '+');
    if ((length == 3 || sign_first) && memcmp(text + length - 3, "INF", 3) == 0) {
        *out = text[0] == '-' ? -HUGE_VAL : HUGE_VAL;
        return READ;
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
            return NO_NUMBER;
    }
    copy[used] = '\0';
    char *end;
    *out = strtod(copy, &end);
    if (used == 0 || *end != '\0' || used + 8 >= sizeof copy) return NO_NUMBER;
    return fabs(*out) > (type == GP_FLOAT ? (double)FLT_MAX : DBL_MAX) ? OUT_OF_RANGE : READ;
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
        if (leaf->type == GP_MOREF) {
            cell->tag = GP_TAG_MOREF;
            if (t->slab_length - leaf->text > GP_DECODE_REFERENCE_MOST)
                gp_decode_latch(d, "ELIMIT", "a reference in the response is longer than %d bytes",
                                GP_DECODE_REFERENCE_MOST);
        }
        gp_decode_string(d, cell, leaf->text);
        return;
    }
    const char *text = t->slab + leaf->text;
    uint32_t length = t->slab_length - leaf->text;
    if (leaf->type == GP_BINARY) {
        size_t bytes = length;
        if (gp_base64_decode(t->slab + leaf->text, &bytes) != 0) {
            bad(d, leaf, text, length, "not a valid");
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
    reading got = READ;
    if (length == 0) {
        cell->tag = GP_TAG_NULL;
    } else if (leaf->type == GP_BOOLEAN) {
        cell->tag = GP_TAG_BOOLEAN;
        bool yes = (length == 4 && memcmp(text, "true", 4) == 0) || (length == 1 && text[0] == '1');
        bool no = (length == 5 && memcmp(text, "false", 5) == 0) || (length == 1 && text[0] == '0');
        if (!yes && !no) got = NO_NUMBER;
        cell->as.integer = yes;
    } else if (leaf->type == GP_FLOAT || leaf->type == GP_DOUBLE) {
        cell->tag = GP_TAG_DOUBLE;
        got = parse_number(text, length, leaf->type, &cell->as.number);
    } else {
        cell->tag = GP_TAG_INTEGER;
        int64_t value = 0;
        got = parse_integer(text, length, &value);
        if (got == READ) got = sign(&value, leaf->type);
        cell->as.integer = value;
    }
    if (got != READ) bad(d, leaf, text, length, got == NO_NUMBER ? "not a valid" : "out of the range of");
    t->slab_length = leaf->text;
}
