/* Inside the decoder: what its files share. Not for others. Each file calls only those listed after it:
 *   decode.c        the parser and its limits
 *   decode_soap.c   the envelope around values
 *   decode_tree.c   elements -> cells
 *   decode_leaf.c   text -> values
 *   decode_state.c  the latched error, the memory of the tape
 * decode_tree.c gets every element first, because most are values. One outside a value goes to the `outside` function
 * that decode.c has set.
 *
 * Each open element has a frame. A frame of an object remembers the list that is open inside it, because
 * vim25 writes a list as siblings of one name. An element of unknown type starts as an object
 * (UNSURE) and turns into a string when it ends without children. The text of the current leaf is always the
 * tail of the slab.
 */
#ifndef GP_DECODE_STATE_H
#define GP_DECODE_STATE_H

#include "vim25/decode.h"

#include <libxml/parser.h>
#include <string.h>

enum {
    GP_DECODE_CACHE = 1024,
    GP_DECODE_TYPES = 128,
    GP_DECODE_STRINGS = 1024,
    GP_DECODE_OWN_MOST = 4096,
    GP_DECODE_OWN_SLOTS = 16384,
    /* of a decoder that is used again: names in libxml2's dictionary, which keeps all of them, and open elements */
    GP_DECODE_NAMES_KEPT = 2048,
    GP_DECODE_FRAMES_KEPT = 256
};
#define GP_NO_CELL UINT32_MAX

typedef enum frame_kind {
    FRAME_SKIP,
    FRAME_ENVELOPE,
    FRAME_BODY,
    FRAME_RESPONSE,
    FRAME_FAULT,
    FRAME_FAULT_CODE,
    FRAME_FAULT_STRING,
    FRAME_DETAIL,
    FRAME_OBJECT,
    FRAME_UNSURE,
    FRAME_ARRAY, /* ArrayOfX in an anyType slot */
    FRAME_LEAF
} frame_kind;

typedef struct frame {
    uint8_t kind;
    uint16_t key;
    gp_type_id type;   /* of the object, of the array's elements, of the leaf; GP_VOID: unknown */
    uint16_t list_key; /* of the open list */
    uint16_t order;    /* position of the last field in the schema's order */
    uint32_t cell;     /* the opening cell */
    uint32_t list;     /* the open list's cell, or GP_NO_CELL */
    uint32_t count, list_count;
    uint32_t text; /* slab offset where a leaf's text starts */
} frame;

/* (type, element name) -> what a field's element is. The name is a pointer into the parser's dictionary, so
 * comparing it is enough. Everything for the common case is here, in a quarter of a cache line. */
typedef struct field_slot {
    const xmlChar *name;
    gp_type_id type;  /* of the object */
    gp_type_id value; /* of the field; GP_VOID when the type has no such field */
    uint16_t key;
    uint16_t order; /* position on the wire, with SLOT_LIST and SLOT_LEAF; 0: the type has no such field */
} field_slot;
enum { SLOT_LIST = 0x8000, SLOT_LEAF = 0x4000, SLOT_ORDER = 0x3fff };

/* The text of an xsi:type -> type. Its hash chooses the slot, the name itself is compared. */
typedef struct type_slot {
    gp_type_id type; /* 0: empty */
    uint8_t length;  /* of the name, without ArrayOf */
    bool array;
} type_slot;

/* An element's attributes that describe its value. */
typedef struct claim {
    const char *type, *moref;
    size_t type_length, moref_length;
    bool nil;
} claim;

struct gp_decode {
    xmlParserCtxtPtr parser;
    /* Opens an element outside a value: the root, or a child of an envelope, body, response or fault. */
    void (*outside)(gp_decode *d, const xmlChar *name, const xmlChar *uri, const claim *c);
    gp_tape *tape;
    gp_decode_limits limits;
    gp_error error;
    bool failed, done, saw_body, taken; /* taken: the tape, after a complete document */
    uint64_t fed;
    uint32_t cell_capacity; /* never beyond the limit */
    uint32_t slab_capacity, frame_capacity;
    uint32_t depth;
    frame *frames;                                                    /* [0..depth) */
    const xmlChar *xsi, *xsi_type, *xsi_nil, *type_name, *xsi_prefix; /* interned */
    uint16_t *own_slots; /* pointer hash over own names; created with the first one */
    const xmlChar **own_pointers;
    /* Also for the next document of a decoder that is used again: what is found in them is compared. */
    field_slot cache[GP_DECODE_CACHE];
    type_slot types[GP_DECODE_TYPES];
    struct {
        uint32_t offset, length;
    } strings[GP_DECODE_STRINGS];
};

/* Latches the first error and stops the parser. */
void gp_decode_latch(gp_decode *d, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void gp_decode_start(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int namespaces, const xmlChar **namespace_list, int attributes, int defaulted,
                     const xmlChar **list);
void gp_decode_end(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri);

/* A frame for the element that opens (NULL once an error latched). */
frame *gp_decode_push(gp_decode *d, frame_kind kind);
/* An element that is a value in a slot declared as `slot` (GP_VOID: the slot is not in the schema). */
void gp_decode_value(gp_decode *d, uint16_t key, gp_type_id slot, const claim *c);

/* The function for `outside`: decode_soap.c. */
void gp_decode_outside(gp_decode *d, const xmlChar *name, const xmlChar *uri, const claim *c);

/* Make room: for one more cell, for `length` bytes of text and a final zero. */
bool gp_decode_grow_cells(gp_decode *d);
bool gp_decode_grow_slab(gp_decode *d, size_t length);

/* A new cell; GP_NO_CELL once an error latched. */
static inline uint32_t gp_decode_cell(gp_decode *d, uint8_t tag, uint16_t key, gp_type_id type)
{
    gp_tape *t = d->tape;
    if ((d->failed || t->count == d->cell_capacity) && !gp_decode_grow_cells(d)) return GP_NO_CELL;
    t->cells[t->count] = (gp_cell){.tag = tag, .key = key, .type = type};
    return t->count++;
}

/* Adds bytes to the slab's tail. */
static inline bool gp_decode_slab(gp_decode *d, const char *bytes, size_t length)
{
    gp_tape *t = d->tape;
    if ((d->failed || d->slab_capacity - t->slab_length <= length) && !gp_decode_grow_slab(d, length))
        return false;
    if (length) memcpy(t->slab + t->slab_length, bytes, length);
    t->slab_length += (uint32_t)length;
    return true;
}

/* The leaf that ends: its text becomes a cell. */
void gp_decode_leaf(gp_decode *d, const frame *leaf);
/* A string cell from the slab's tail beginning at `start`; equal short strings share their bytes. */
void gp_decode_string(gp_decode *d, gp_cell *cell, uint32_t start);

#endif
