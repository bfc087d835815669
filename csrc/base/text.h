/* Helpers for text from other programs: logs, command output, files of any encoding.
 *
 * gp_text is a view: it owns nothing and is not terminated. Every parser of the offline modules works on views
 * into one buffer, so a line is copied only when something in it is kept.
 */
#ifndef GP_TEXT_H
#define GP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

typedef struct gp_text {
    const char *data;
    size_t length;
} gp_text;

#define GP_TEXT(literal) ((gp_text){(literal), sizeof(literal) - 1})

/* True when the bytes are well-formed UTF-8 (no surrogates, nothing above U+10FFFF, no overlong form). */
bool gp_text_utf8_valid(const char *bytes, size_t length);

/* Appends the bytes with every malformed sequence replaced by U+FFFD (one per maximal bad prefix). */
void gp_text_utf8_clean(gp_buf *out, const char *bytes, size_t length);

#endif
