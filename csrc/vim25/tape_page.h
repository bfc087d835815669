/* A page of objects: the answer to RetrievePropertiesEx and similar calls, walked object by object.
 *
 *   gp_page_open     checks the whole page: every object has a reference, every property and every missing one a name
 *                    of text, the token is a text; EPROTOCOL otherwise. The calls after it cannot fail
 *   gp_page_next     the next object
 *   gp_pairs_next    its next property (name, value) or missing one (path, fault)
 *
 * Nothing is copied or allocated; the tape has to live as long as the page.
 */
#ifndef GP_TAPE_PAGE_H
#define GP_TAPE_PAGE_H

#include "vim25/tape.h"

/* The keys that a page is read by, as name numbers. */
typedef struct gp_page_keys {
    uint16_t objects, token, obj, properties, name, value, missing, path, fault;
} gp_page_keys;

typedef struct gp_page {
    const gp_tape *tape;
    gp_page_keys keys;
    const gp_cell *token; /* NULL: this is the last page */
    uint32_t count;       /* objects in all */
    uint32_t at, end;     /* the cells of those that are left */
} gp_page;

typedef struct gp_page_object {
    uint32_t cell, reference;
    uint32_t properties; /* how many, about */
} gp_page_object;

/* The properties, or the missing ones, of one object. */
typedef struct gp_pairs {
    const gp_tape *tape;
    uint16_t list, first_key, second_key;
    uint32_t run, runs_end; /* children of the object */
    uint32_t at, end;       /* inside the current list */
    uint32_t first, second; /* what gp_pairs_next found: cells */
} gp_pairs;

/* Whether the tape answers a method that gives pages. */
bool gp_page_is(const gp_tape *tape);
int gp_page_open(gp_page *page, const gp_tape *tape, gp_error *err);
bool gp_page_next(gp_page *page, gp_page_object *object);
gp_pairs gp_page_properties(const gp_page *page, const gp_page_object *object);
gp_pairs gp_page_missing(const gp_page *page, const gp_page_object *object);
/* False at the end. A pair without its second part is passed over. */
bool gp_pairs_next(gp_pairs *pairs);

#endif
