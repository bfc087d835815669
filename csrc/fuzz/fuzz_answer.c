/* links: iso
 *
 * An answer file in XML. Whatever the bytes are: the reader ends, the tape is balanced and within its limits,
 * each attribute has its value, every text is UTF-8 with characters that XML allows, and a refusal has a message. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "media/media_tape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
    if (!holds) abort();
}

/* Only characters that XML 1.0 allows, in UTF-8. */
static void check_text(const unsigned char *at, size_t length)
{
    const unsigned char *end = at + length;
    while (at < end) {
        uint32_t c = *at++;
        int more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
        must(c < 0x80 || (c >= 0xc2 && c < 0xf5));
        c &= more == 0 ? 0x7fu : more == 1 ? 0x1fu : more == 2 ? 0xfu : 7u;
        for (; more > 0; more--) {
            must(at < end && (*at & 0xc0) == 0x80);
            c = c << 6 | (*at++ & 0x3fu);
        }
        must(c == 9 || c == 10 || c == 13 || (c >= 0x20 && c < 0xd800) || (c >= 0xe000 && c < 0xfffe) ||
             (c >= 0x10000 && c < 0x110000));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gp_media_tape tape;
    gp_error err;
    gp_media_begin(&tape);
    if (gp_media_read_xml((const char *)data, size, "f", &tape, &err) != 0) {
        must(err.message[0] != '\0' && err.code[0] == 'E');
        gp_media_free(&tape);
        return 0;
    }
    uint32_t depth = 0, roots = 0;
    must(tape.count > 0 && tape.count <= GP_MEDIA_EVENTS);
    for (uint32_t i = 0; i < tape.count; i++) {
        const gp_media_event *e = &tape.events[i];
        must((size_t)e->at + e->length <= tape.text.length);
        if (e->length) check_text((const unsigned char *)tape.text.data + e->at, e->length);
        switch (e->kind) {
        case GP_MEDIA_OPEN:
            must(e->length > 0 && e->line > 0);
            if (depth++ == 0) roots++;
            must(depth <= GP_MEDIA_DEPTH);
            break;
        case GP_MEDIA_ATTRIBUTE:
            must(i + 1 < tape.count && tape.events[i + 1].kind == GP_MEDIA_VALUE);
            break;
        case GP_MEDIA_VALUE:
            must(i > 0 && tape.events[i - 1].kind == GP_MEDIA_ATTRIBUTE);
            break;
        case GP_MEDIA_CLOSE:
            must(depth-- > 0);
            break;
        default:
            must(e->kind == GP_MEDIA_TEXT || e->kind == GP_MEDIA_NAMESPACE);
            must(depth > 0);
        }
    }
    must(depth == 0 && roots == 1);
    gp_media_free(&tape);
    return 0;
}
