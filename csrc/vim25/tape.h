/* The tape: a decoded answer as a flat run of 16-byte cells and one slab of text.
 *
 *   OBJECT key=config type=VirtualMachineConfigInfo  count=3 end=9
 *     STRING key=name  offset,length --> slab "desk-012"
 *     ARRAY  key=device type=VirtualDevice  count=2 end=8
 *       OBJECT ... OBJECT ...
 *     INT    key=version  42
 *
 * An opening cell holds the number of its children (so tables are created at their size) and the cell after its
 * last one (so it can be skipped in one step). Children follow in the order of the answer. Keys are
 * indices into the schema's names, or, from GP_KEY_OWN on, into the tape's own list of names that are not in the
 * schema. The tape holds no pointer into the parser or into Lua, and it is immutable once decoding has
 * finished.
 */
#ifndef GP_TAPE_H
#define GP_TAPE_H

#include "base/buf.h"
#include "base/error.h"
#include "vim25/schema.h"

typedef enum gp_tag {
    GP_TAG_OBJECT,  /* head: count, end; type: a data type, or GP_VOID when nothing is known */
    GP_TAG_ARRAY,   /* head: count, end; type: of the elements */
    GP_TAG_MANY,    /* as ARRAY, of a field unknown to the schema: one child means a plain value */
    GP_TAG_STRING,  /* text; type string, enum, dateTime, anyURI... */
    GP_TAG_BINARY,  /* text: decoded bytes */
    GP_TAG_MOREF,   /* text "VirtualMachine:vm-42" */
    GP_TAG_INTEGER, /* integer */
    GP_TAG_DOUBLE,  /* number */
    GP_TAG_BOOLEAN, /* integer 0 or 1 */
    GP_TAG_NULL     /* an element with xsi:nil */
} gp_tag;

enum {
    GP_CELL_TYPED = 1, /* the slot is polymorphic: the value has to say its type */
    GP_CELL_NAMED = 2, /* an object of a type unknown to the schema: the next cell is a STRING with its name,
                          and the type is that of its slot */
    GP_CELL_MERGE = 4, /* some child came out of order: the same key may come twice */
    GP_CELL_ANY = 8    /* an array in an anyType slot (ArrayOfX) */
};
enum { GP_KEY_OWN = 0x8000, GP_KEY_NONE = 0xffff };

typedef struct gp_cell {
    uint8_t tag, flags;
    uint16_t key;
    gp_type_id type;
    uint16_t spare;
    union {
        struct {
            uint32_t count, end;
        } head;
        struct {
            uint32_t offset, length; /* in the slab, zero-terminated there */
        } text;
        int64_t integer;
        double number;
    } as;
} gp_cell;

typedef enum gp_tape_kind { GP_TAPE_RESULT, GP_TAPE_FAULT, GP_TAPE_DOCUMENT } gp_tape_kind;

typedef struct gp_tape {
    gp_tape_kind kind;
    const gp_schema_method *method; /* of a call's answer; NULL for a document */
    gp_cell *cells; /* [0..count): the result, the fault or the document's root; 0 when absent */
    uint32_t count;
    char *slab;
    uint32_t slab_length;
    uint32_t *own_names; /* slab offsets of the names unknown to the schema */
    uint16_t own_count;
    /* of a fault: slab offsets of zero-terminated text */
    uint32_t fault_string, fault_code;
    uint64_t bytes; /* how many bytes the answer had */
} gp_tape;

void gp_tape_free(gp_tape *tape);

static inline const char *gp_tape_text(const gp_tape *tape, const gp_cell *cell)
{
    return tape->slab + cell->as.text.offset;
}
/* The key of a cell as text; NULL for a list element or root. */
const char *gp_tape_key(const gp_tape *tape, const gp_cell *cell);
/* The first child of the object at `at`. */
static inline uint32_t gp_tape_inside(const gp_tape *tape, uint32_t at)
{
    return at + 1 + (tape->cells[at].flags & GP_CELL_NAMED ? 1 : 0);
}
/* The cell after this one and its content. */
uint32_t gp_tape_after(const gp_tape *tape, uint32_t at);
/* The type's name of an object cell, the unknown ones included. */
const char *gp_tape_type_name(const gp_tape *tape, uint32_t at);

/* A fault for people: faultstring and every faultMessage of the tree, each once, joined by "; "; `code` gets
 * the fault's type name ("InvalidLogin"). 0, or -1 when memory ran out. */
int gp_tape_fault_text(const gp_tape *tape, gp_buf *message, char *code, size_t code_size);

#endif
