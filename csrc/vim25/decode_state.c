/* What every file of the decoder uses: the error that latches, and the memory of the tape. */
#include "vim25/decode_state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void gp_decode_latch(gp_decode *d, const char *code, const char *format, ...)
{
    if (d->failed) return;
    d->failed = true;
    char message[400];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    gp_fail(&d->error, code, "%s", message);
    if (d->parser) xmlStopParser(d->parser);
}

/* ---- memory of the tape */
static bool grow(gp_decode *d, void **block, uint32_t *capacity, uint64_t need, size_t size)
{
    uint64_t next = *capacity < 64 ? 64 : *capacity;
    while (next < need)
        next *= 2;
    if (next >= UINT32_MAX) {
        gp_decode_latch(d, "ELIMIT", "the response is too large to decode");
        return false;
    }
    void *moved = realloc(*block, (size_t)next * size);
    if (!moved) {
        gp_decode_latch(d, "ENOMEM", "out of memory");
        return false;
    }
    *block = moved;
    *capacity = (uint32_t)next;
    return true;
}

bool gp_decode_grow_cells(gp_decode *d)
{
    gp_tape *t = d->tape;
    if (d->failed) return false;
    if (t->count >= d->limits.cells) {
        gp_decode_latch(d, "ELIMIT", "the response has more than %llu values",
                        (unsigned long long)d->limits.cells);
        return false;
    }
    void *cells = t->cells;
    if (!grow(d, &cells, &d->cell_capacity, (uint64_t)t->count + 1, sizeof *t->cells)) return false;
    t->cells = cells;
    if (d->cell_capacity > d->limits.cells) d->cell_capacity = (uint32_t)d->limits.cells;
    return true;
}

bool gp_decode_grow_slab(gp_decode *d, size_t length)
{
    gp_tape *t = d->tape;
    if (d->failed) return false;
    void *slab = t->slab;
    if (!grow(d, &slab, &d->slab_capacity, (uint64_t)t->slab_length + length + 1, 1)) return false;
    t->slab = slab;
    return true;
}
