/* links: iso
 *
 * An answer file in YAML. Whatever the bytes are: the reader ends, the tape is balanced and within its limits
 * (aliases are expanded), maps hold pairs, there is at most one value, and a refusal has a message. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "media/media_tape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
    if (!holds) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gp_media_tape tape;
    gp_error err;
    gp_media_begin(&tape);
    if (gp_media_read_yaml((const char *)data, size, "f", &tape, &err) != 0) {
        must(err.message[0] != '\0' && err.code[0] == 'E');
        gp_media_free(&tape);
        return 0;
    }
    uint32_t depth = 0, roots = 0, children[GP_MEDIA_DEPTH + 1] = {0};
    uint8_t kinds[GP_MEDIA_DEPTH + 1] = {0};
    must(tape.count <= GP_MEDIA_EVENTS);
    for (uint32_t i = 0; i < tape.count; i++) {
        const gp_media_event *e = &tape.events[i];
        must((size_t)e->at + e->length <= tape.text.length);
        if (e->kind == GP_MEDIA_END) {
            must(depth > 0);
            must(kinds[depth] == GP_MEDIA_LIST || children[depth] % 2 == 0);
            depth--;
            continue;
        }
        must(e->line > 0);
        if (depth == 0) roots++;
        children[depth]++;
        if (e->kind == GP_MEDIA_MAP || e->kind == GP_MEDIA_LIST) {
            must(++depth <= GP_MEDIA_DEPTH);
            kinds[depth] = e->kind;
            children[depth] = 0;
        } else {
            must(e->kind == GP_MEDIA_SCALAR || e->kind == GP_MEDIA_QUOTED);
        }
    }
    must(depth == 0 && roots <= 1);
    gp_media_free(&tape);
    return 0;
}
