/* What is wrong with a document by its form alone. */
#include <stdlib.h>
#include <string.h>

#include "offline/vmx_inside.h"

static uint32_t hash_name(const char *name, size_t length)
{
    uint32_t hash = 2166136261U;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c >= 'A' && c <= 'Z') c = (unsigned char)(c + 32);
        hash = (hash ^ c) * 16777619U;
    }
    return hash;
}

/* One pass with an open hash table: the cost stays linear for a file made to be slow. */
int gp_vmx_index_duplicates(gp_vmx *doc, gp_error *err)
{
    int result = -1;
    uint32_t *slots = NULL;
    if (doc->twins) return 0;
    size_t size = 64;
    while (size < (size_t)doc->count * 2)
        size *= 2;
    uint32_t *twins = calloc(doc->count ? doc->count : 1, sizeof *twins);
    slots = calloc(size, sizeof *slots); /* 1 + line */
    if (!twins || !slots) {
        free(twins);
        gp_fail_memory(err);
        goto out;
    }
    for (uint32_t i = 0; i < doc->count; i++) {
        const vmx_line *line = &doc->lines[i];
        if (line->kind != GP_VMX_PAIR) continue;
        const char *name = doc->text.data + line->name;
        size_t at = hash_name(name, line->name_length) & (size - 1);
        for (; slots[at]; at = (at + 1) & (size - 1)) {
            const vmx_line *other = &doc->lines[slots[at] - 1];
            if (vmx_name_equal(name, line->name_length, doc->text.data + other->name, other->name_length))
                break;
        }
        twins[i] = slots[at];
        slots[at] = i + 1;
    }
    doc->twins = twins;
    result = 0;
out:
    free(slots);
    return result;
}

enum gp_vmx_problem gp_vmx_problem_at(const gp_vmx *doc, uint32_t at, uint32_t *first)
{
    const vmx_line *line = &doc->lines[at];
    const char *text = doc->text.data;
    if (line->fault) return (enum gp_vmx_problem)line->fault;
    if (line->kind == GP_VMX_PAIR && doc->twins && doc->twins[at]) {
        *first = doc->twins[at] - 1;
        return GP_VMX_DUPLICATE;
    }
    if (doc->encoding == ENCODING_UTF8 && vmx_utf8_valid(text + line->start, line->length) != line->length)
        return GP_VMX_UTF8;
    if (line->kind == GP_VMX_PAIR && vmx_escape_is_bad(text + line->value, line->value_length))
        return GP_VMX_ESCAPE;
    return GP_VMX_NO_PROBLEM;
}
