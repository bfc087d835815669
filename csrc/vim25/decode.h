/* Decoding an answer while its bytes arrive: libxml2's SAX2 push parser -> a stack of types -> the tape.
 *
 * Feed any chunks; nothing is kept of the XML. The schema says what each element is, xsi:type wins over it,
 * and fields and types that are not in the schema are kept. Without a method any XML document is decoded
 * (all fields unknown): that is how vimServiceVersions.xml is read.
 *
 * The first error latches: gp_decode_feed gives it again on every later call, so that a curl call-back may
 * return short and the latched error still wins. Codes: EXML (not well-formed, or not an answer), ELIMIT (a
 * limit was passed), EENTITY (a document type or entity), ETRUNCATED (the end is missing; only from finish),
 * ENOMEM, EPROTOCOL (an answer to another call, or a value that does not fit its field). Limits are ours, not
 * libxml2's, and every one can be set; depth and attributes have a ceiling besides.
 *
 * Guarantees of a finished tape, so that later code need not check:
 *   a cell in a slot of the schema has the tag that the slot's type gives, or is GP_TAG_NULL;
 *   an object in such a slot is of the slot's type or of one that extends it (an unknown type is read as the slot's);
 *   a number is within its type's range; the result is there unless the method may give none;
 *   everything in tape_check.h holds.
 *
 * One decoder is used by one thread; nothing global is touched. libxml2 must have been initialised
 * (xmlInitParser), which gp_decode_new does once.
 */
#ifndef GP_DECODE_H
#define GP_DECODE_H

#include "vim25/tape.h"

typedef struct gp_decode_limits {
    uint64_t bytes;      /* of XML, after gunzip (default 1 GiB) */
    uint64_t cells;      /* of the tape (default 64 Mi = 1 GiB) */
    uint64_t text;       /* bytes of one text (default 64 MiB) */
    uint32_t depth;      /* of elements (default 200) */
    uint32_t attributes; /* of one element (default 64) */
} gp_decode_limits;

extern const gp_decode_limits gp_decode_default_limits;

/* Ceilings that no limit raises. Depth: code that walks a value (building, comparing, freeing) may recurse, and a
 * program may run us on a small stack. vim25 itself nests to about 30. */
enum {
    GP_DECODE_DEPTH_MOST = 256,
    GP_DECODE_ATTRIBUTES_MOST = 1024,
    GP_DECODE_REFERENCE_MOST = 4096, /* bytes of a reference: it is sent back with each call */
    GP_DECODE_NAMESPACES_MOST = 256, /* in scope at once: libxml2 searches all of them for each element */
    GP_DECODE_TAG_MOST = 16384 /* bytes of one tag, comment or instruction (or twice or thrice that): libxml2
                                        compares the attributes of a tag pair by pair */
};

typedef struct gp_decode gp_decode;

/* `method` may be NULL (any document); `limits` may be NULL (the defaults); both are only read. */
gp_decode *gp_decode_new(const gp_schema_method *method, const gp_decode_limits *limits, gp_error *err);
int gp_decode_feed(gp_decode *decode, const char *bytes, size_t length, gp_error *err);
/* The tape (the caller frees it) once the document is complete; NULL and the latched error otherwise. */
gp_tape *gp_decode_finish(gp_decode *decode, gp_error *err);
/* Makes a decoder whose tape was taken ready for another document: creating one costs as much as decoding a small answer.
 * 0; -1 if it cannot be used again (then `err` is not set, unless memory ran out): free it. */
int gp_decode_again(gp_decode *decode, const gp_schema_method *method, const gp_decode_limits *limits,
                    gp_error *err);
/* Frees the decoder and what it still owns; NULL is fine. */
void gp_decode_free(gp_decode *decode);
/* Whether an error has latched (then `err`, when not NULL, gets it). */
bool gp_decode_failed(const gp_decode *decode, gp_error *err);

#endif
