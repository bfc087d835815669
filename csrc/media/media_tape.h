/* The output of the readers of answer files: one flat list of events in the order of the text.
 *
 *   <a x="1">t</a>      OPEN "a", NAMESPACE "urn:..", ATTRIBUTE "x", VALUE "1", TEXT "t", CLOSE
 *   {k: [v, 'w']}       MAP, SCALAR "k", LIST, SCALAR "v", SCALAR "w" (quoted), END, END
 *
 * A reader has no callbacks: it finishes, and the caller walks the events afterwards. All texts are
 * UTF-8 in `text`, which is wiped when it is freed, because answer files hold passwords. Everything is bounded:
 * input, depth, number of events (an alias of YAML costs as many as what it repeats) and with it memory.
 */
#ifndef GP_MEDIA_TAPE_H
#define GP_MEDIA_TAPE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

#define GP_MEDIA_BYTES (1u << 20)  /* of a file: a large answer file has a twentieth of it */
#define GP_MEDIA_EVENTS (1u << 17) /* of a tape */
#define GP_MEDIA_DEPTH 100u        /* of nesting */

typedef enum gp_media_kind {
    /* XML */
    GP_MEDIA_OPEN,
    GP_MEDIA_NAMESPACE,
    GP_MEDIA_ATTRIBUTE,
    GP_MEDIA_VALUE,
    GP_MEDIA_TEXT,
    GP_MEDIA_CLOSE,
    /* YAML */
    GP_MEDIA_MAP,
    GP_MEDIA_LIST,
    GP_MEDIA_SCALAR, /* plain: its type follows from its text */
    GP_MEDIA_QUOTED, /* quoted, a block, or tagged as a string */
    GP_MEDIA_END,    /* of a map or a list */
} gp_media_kind;

typedef struct gp_media_event {
    uint8_t kind;
    uint32_t line;       /* from 1 */
    uint32_t at, length; /* in the tape's text */
} gp_media_event;

typedef struct gp_media_tape {
    gp_media_event *events;
    uint32_t count, capacity;
    uint32_t error_line; /* where reading failed, 0 when that is not known */
    gp_buf text;
} gp_media_tape;

void gp_media_begin(gp_media_tape *tape);
void gp_media_free(gp_media_tape *tape);

/* Adds an event with a copy of its text; -1 with ELIMIT or ENOMEM. */
int gp_media_add(gp_media_tape *tape, gp_media_kind kind, uint32_t line, const char *text, size_t length,
                 gp_error *err);

/* Repeats the events [from, to); their texts are shared. */
int gp_media_repeat(gp_media_tape *tape, uint32_t from, uint32_t to, gp_error *err);

/* Fails with "NAME:LINE: message"; a line of 0 is omitted. */
int gp_media_fail(gp_media_tape *tape, gp_error *err, const char *code, const char *name, uint32_t line,
                  const char *format, ...) __attribute__((format(printf, 6, 7)));

/* The readers. `name` is the file's, for messages. 0, or -1 with EPARSE, ELIMIT, ENOMEM. The caller creates
 * the tape and frees it in any case. */
int gp_media_read_xml(const char *bytes, size_t length, const char *name, gp_media_tape *tape, gp_error *err);
int gp_media_read_yaml(const char *bytes, size_t length, const char *name, gp_media_tape *tape,
                       gp_error *err);

#endif
