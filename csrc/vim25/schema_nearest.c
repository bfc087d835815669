/* The nearest known name: the same measure as lua/gpupt/nearest.lua (Damerau-Levenshtein, case-insensitive;
 * near means at most two slips, or a third of the name). Only run when an error is being written. */
#include "vim25/schema.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST = GP_NEAREST_SIZE - 1 };

typedef struct search {
    const char *name;
    const char *best;
    size_t length, best_distance;
} search;

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t rows[3][LONGEST + 1];
    size_t *before = rows[0], *previous = rows[1], *row = rows[2];
    for (size_t j = 0; j <= m; j++)
        before[j] = previous[j] = j;
    for (size_t i = 1; i <= n; i++) {
        row[0] = i;
        int ca = tolower((unsigned char)a[i - 1]);
        for (size_t j = 1; j <= m; j++) {
            int cb = tolower((unsigned char)b[j - 1]);
            size_t best = least(least(previous[j] + 1, row[j - 1] + 1), previous[j - 1] + (ca != cb));
            if (i > 1 && j > 1 && ca == tolower((unsigned char)b[j - 2]) &&
                tolower((unsigned char)a[i - 2]) == cb) {
                best = least(best, before[j - 2] + 1);
            }
            row[j] = best;
        }
        size_t *turn = before;
        before = previous;
        previous = row;
        row = turn;
    }
    return previous[m];
}

static search start(const char *name)
{
    search s = {name, NULL, strlen(name), 0};
    s.length = least(s.length, LONGEST);
    return s;
}

static void consider(search *s, const char *candidate)
{
    size_t length = strlen(candidate);
    if (length > LONGEST) return;
    size_t apart = length > s->length ? length - s->length : s->length - length;
    if (s->best && apart >= s->best_distance) return;
    size_t d = distance(s->name, s->length, candidate, length);
    if (!s->best || d < s->best_distance) {
        s->best = candidate;
        s->best_distance = d;
    }
}

static const char *finish(const search *s, char *out)
{
    size_t limit = s->length / 3 > 2 ? s->length / 3 : 2;
    out[0] = '\0';
    if (s->best && s->best_distance <= limit) (void)snprintf(out, GP_NEAREST_SIZE, "%s", s->best);
    return out;
}

const char *gp_schema_nearest_field(gp_type_id type, const char *name, char *out)
{
    search s = start(name);
    for (gp_schema_walk w = gp_schema_fields_of(type); gp_schema_next(&w);) {
        consider(&s, gp_schema_name(w.field->name));
    }
    return finish(&s, out);
}

const char *gp_schema_nearest_param(const gp_schema_method *method, const char *name, char *out)
{
    search s = start(name);
    for (size_t i = 0; i < method->params; i++)
        consider(&s, gp_schema_name(gp_schema_params(method)[i].name));
    return finish(&s, out);
}

const char *gp_schema_nearest_type(gp_type_id base, const char *name, char *out)
{
    search s = start(name);
    for (uint32_t i = 1; i < gp_schema_count.types; i++) {
        if (base == GP_ANY || gp_schema_is_a((gp_type_id)i, base))
            consider(&s, gp_schema_type_name((gp_type_id)i));
    }
    return finish(&s, out);
}

const char *gp_schema_nearest_value(gp_type_id enumeration, const char *name, char *out)
{
    search s = start(name);
    const char *value;
    for (size_t n = 0; (value = gp_schema_enum_value(enumeration, n)) != NULL; n++)
        consider(&s, value);
    return finish(&s, out);
}

const char *gp_schema_nearest_method(gp_type_id managed, const char *name, char *out)
{
    search s = start(name);
    for (; managed != 0; managed = gp_schema_types[managed].base) {
        const gp_schema_method *method;
        for (size_t n = 0; (method = gp_schema_method_owned(managed, n)) != NULL; n++) {
            const char *known = gp_schema_text(method->name);
            if (strncmp(known, name, s.length) == 0 && strcmp(known + s.length, "_Task") == 0) {
                (void)snprintf(out, GP_NEAREST_SIZE, "%s", known);
                return out;
            }
            consider(&s, known);
        }
    }
    return finish(&s, out);
}
