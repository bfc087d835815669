/* Inside the request writer: what encode.c (frame, path, objects) and encode_leaf.c (values) share. Not for
 * others. */
#ifndef GP_ENCODE_STATE_H
#define GP_ENCODE_STATE_H

#include "vim25/encode.h"

typedef struct step {
    const char *name;
    uint32_t index; /* 0: not a list element */
    bool item;      /* an element of an ArrayOfX: in a path its name is left out */
} step;

/* Where a secret field is in the body. */
typedef struct span {
    size_t start, end;
    const char *name;
} span;

struct gp_encode {
    gp_buf body;
    span *secrets;
    size_t secret_count, secret_capacity;
    uint32_t secret_depth; /* the path's length inside the secret being written, 0 when outside */
    const char *security;  /* until gp_encode_begin */
    size_t security_length;
    const char *body_id;
    const gp_schema_method *method;
    int server;
    bool any_array; /* the innermost path element is an ArrayOfX */
    uint32_t depth;
    step path[GP_ENCODE_DEPTH];
    char action[48];
};

/* The name of the element at the end of the path. */
static inline const char *gp_encode_tag(const gp_encode *e)
{
    return e->path[e->depth - 1].name;
}

/* Opens that element, with an xsi:type when `type` is not NULL. */
void gp_encode_open_tag(gp_encode *e, const char *prefix, const char *type);
/* " (did you mean 'x'?)" or "" into `out`. */
const char *gp_encode_hint(char *out, size_t size, const char *nearest);

#endif
