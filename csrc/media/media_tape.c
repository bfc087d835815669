#include "media/media_tape.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void gp_media_begin(gp_media_tape *tape)
{
    memset(tape, 0, sizeof *tape);
    tape->text.secret = true;
}

void gp_media_free(gp_media_tape *tape)
{
    free(tape->events);
    gp_buf_wipe(&tape->text);
    gp_media_begin(tape);
}

static int grow(gp_media_tape *tape, uint32_t more, gp_error *err)
{
    if (more > GP_MEDIA_EVENTS - tape->count) {
        return gp_fail(err, "ELIMIT", "more than %u values", GP_MEDIA_EVENTS);
    }
    uint32_t need = tape->count + more;
    if (need <= tape->capacity) return 0;
    uint32_t capacity = tape->capacity ? tape->capacity : 256;
    while (capacity < need)
        capacity *= 2;
    gp_media_event *events = realloc(tape->events, capacity * sizeof *events);
    if (!events) return gp_fail_memory(err);
    tape->events = events;
    tape->capacity = capacity;
    return 0;
}

int gp_media_add(gp_media_tape *tape, gp_media_kind kind, uint32_t line, const char *text, size_t length,
                 gp_error *err)
{
    /* an encoding may make four bytes of one */
    if (length > 4 * (size_t)GP_MEDIA_BYTES || tape->text.length > 4 * (size_t)GP_MEDIA_BYTES) {
        return gp_fail(err, "ELIMIT", "more than %u bytes of text", 4 * GP_MEDIA_BYTES);
    }
    if (grow(tape, 1, err) != 0) return -1;
    size_t at = tape->text.length;
    if (gp_buf_append(&tape->text, text, length) != 0) return gp_fail_memory(err);
    tape->events[tape->count++] =
        (gp_media_event){.kind = (uint8_t)kind, .line = line, .at = (uint32_t)at, .length = (uint32_t)length};
    return 0;
}

int gp_media_repeat(gp_media_tape *tape, uint32_t from, uint32_t to, gp_error *err)
{
    if (grow(tape, to - from, err) != 0) return -1;
    memcpy(tape->events + tape->count, tape->events + from, (to - from) * sizeof *tape->events);
    tape->count += to - from;
    return 0;
}

int gp_media_fail(gp_media_tape *tape, gp_error *err, const char *code, const char *name, uint32_t line,
                  const char *format, ...)
{
    char message[600];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    tape->error_line = line;
    if (line == 0) return gp_fail(err, code, "%.200s: %s", name, message);
    return gp_fail(err, code, "%.200s:%u: %s", name, line, message);
}
