/* Writing a SOAP request, checked against the schema of the server's version.
 *
 * The caller (a binding) walks its own values and calls, for each slot of the schema in order:
 *
 *     gp_encode_enter(e, name, index)         the path grows: spec.deviceChange[2]
 *       gp_encode_object / gp_encode_close    an object: opens the element (with xsi:type where the slot needs it)
 *       gp_encode_scalar, gp_encode_moref     a leaf, with all its checks
 *     gp_encode_leave(e)
 *
 * Every error names the path. Codes: EARGUMENT (unknown field, wrong type, missing, abstract), ERANGE (out of
 * range, not an enum value, bad text or date), EVERSION (newer than the server), ENOMEM. The body is one
 * gp_buf; once a secret field was written `secret` is true: wipe it after sending, never print it.
 */
#ifndef GP_ENCODE_H
#define GP_ENCODE_H

#include "base/buf.h"
#include "base/error.h"
#include "vim25/schema.h"

enum { GP_ENCODE_DEPTH = 100 };

typedef struct gp_encode gp_encode;

/* `server`: a version number of the schema. */
gp_encode *gp_encode_new(int server, gp_error *err);
void gp_encode_free(gp_encode *e); /* wipes when secret; NULL is fine */

/* A WS-Security header and the wsu:Id of the body that it signs (NULL: none) for the gp_encode_begin that follows; both
 * have to live until then. The header counts as a secret. */
void gp_encode_security(gp_encode *e, const char *xml, size_t length, const char *body_id);
/* Envelope, header (operation_id may be NULL) and the method element with _this. */
int gp_encode_begin(gp_encode *e, const gp_schema_method *method, const char *this_type,
                    const char *this_value, const char *operation_id, gp_error *err);
/* Closes everything. Afterwards gp_encode_body is the request. */
int gp_encode_end(gp_encode *e, gp_error *err);
/* The bytes; owned by `e`. */
gp_buf *gp_encode_body(gp_encode *e);
bool gp_encode_secret(const gp_encode *e);
/* The request with each secret field as <name missing="secret"/>: what a trace may show. */
int gp_encode_redacted(const gp_encode *e, gp_buf *out);
/* "urn:vim25/8.0.3.0", the SOAPAction; owned by `e`. */
const char *gp_encode_action(const gp_encode *e);
const gp_schema_method *gp_encode_method(const gp_encode *e);

/* ---- the path; index 0: not a list element. Depth is limited (a cycle is an error that names its path). */
int gp_encode_enter(gp_encode *e, const char *name, uint32_t index, gp_error *err);
void gp_encode_leave(gp_encode *e);
/* After gp_encode_enter, for a slot of the schema: checks that the server has it, and remembers its
 * position when it is secret. */
int gp_encode_field(gp_encode *e, const gp_schema_field *field, gp_error *err);

/* ---- values of the innermost path element, in a slot declared as `slot` */
/* `actual`: the type that the value says, GP_VOID when it says none (fine unless the slot is abstract or
 * anyType).
 * `*type` (may be NULL) gets the type whose fields follow. */
int gp_encode_object(gp_encode *e, gp_type_id slot, gp_type_id actual, gp_type_id *type, gp_error *err);
/* A field that the type does not have: the error names the nearest one; returns -1. */
int gp_encode_unknown_field(const gp_encode *e, gp_type_id type, const char *name, gp_error *err);
int gp_encode_missing(const gp_encode *e, const char *name, gp_type_id type, gp_error *err);
int gp_encode_close(gp_encode *e, gp_error *err);
/* An ArrayOfX in an anyType slot; each element is then entered by gp_encode_element_name(element) and its
 * index. */
int gp_encode_array(gp_encode *e, gp_type_id element, gp_error *err);
const char *gp_encode_element_name(gp_type_id element);

typedef struct gp_scalar_value {
    enum { GP_GIVEN_BOOLEAN, GP_GIVEN_INTEGER, GP_GIVEN_NUMBER, GP_GIVEN_TEXT } given;
    int64_t integer; /* boolean: 0 or 1 */
    double number;
    const char *text;
    size_t length;
} gp_scalar_value;

/* `as`: the type of a wrapper (vim.int, vim.time...), GP_VOID for a plain value. */
int gp_encode_scalar(gp_encode *e, gp_type_id slot, gp_type_id as, const gp_scalar_value *value,
                     gp_error *err);
int gp_encode_moref(gp_encode *e, gp_type_id slot, const char *type, size_t type_length, const char *value,
                    size_t value_length, gp_error *err);

/* Fails with "<path>: <message>"; returns -1. */
int gp_encode_fail(const gp_encode *e, gp_error *err, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
