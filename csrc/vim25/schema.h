/* The vim25 model: types, fields, enums, managed types, methods, versions, privileges.
 *
 * Everything is read-only and lives in the packed table of csrc/gen (pyVmomi 9.1.1.0): looking something up
 * allocates nothing and needs no start-up. A type is a small number (gp_type_id); its fields are walked base
 * first, which is the order on the wire:
 *
 *     for (gp_schema_walk w = gp_schema_fields_of(type); gp_schema_next(&w);) use(w.field, w.owner);
 *
 * A field or type was added in a version; a server of version S has it when gp_schema_knows(S, version). Names
 * are compared exactly. gp_schema_nearest_* give the nearest name for a misspelt one, "" when there is none.
 */
#ifndef GP_SCHEMA_H
#define GP_SCHEMA_H

#include "gen/schema_data.h"

#include <stdbool.h>
#include <stddef.h>

typedef uint16_t gp_type_id;

/* The first types, in the order in which the generator writes them. */
typedef enum gp_scalar {
    GP_VOID,
    GP_ANY,
    GP_BOOLEAN,
    GP_BYTE,
    GP_SHORT,
    GP_INT,
    GP_LONG,
    GP_FLOAT,
    GP_DOUBLE,
    GP_STRING,
    GP_DATETIME,
    GP_BINARY,
    GP_URI,
    GP_MOREF,
    GP_FIRST_NAMED = 16
} gp_scalar;

enum { GP_KIND_SCALAR, GP_KIND_DATA, GP_KIND_ENUM, GP_KIND_MANAGED };
enum {
    GP_FIELD_LINK = 1,
    GP_FIELD_LINKABLE = 2,
    GP_FIELD_OPTIONAL = 4,
    GP_FIELD_SECRET = 8,
    GP_FIELD_ARRAY = 16
};
enum { GP_TYPE_EXTENDED = 1, GP_TYPE_ABSTRACT = 2, GP_TYPE_FAULT = 4 };
enum { GP_NEAREST_SIZE = 96 };

/* ---- names and types */
static inline const char *gp_schema_text(uint32_t offset)
{
    return gp_schema_pool + offset;
}
static inline const gp_schema_type *gp_schema_type_at(gp_type_id type)
{
    return &gp_schema_types[type];
}
static inline const char *gp_schema_type_name(gp_type_id type)
{
    return gp_schema_text(gp_schema_types[type].name);
}
static inline const char *gp_schema_name(uint16_t name)
{
    return gp_schema_text(gp_schema_names[name]);
}

/* The type of that name (scalars by their XSD name, "string"), or -1. */
int gp_schema_type_find(const char *name, size_t length);
/* The type and whether it is an array: "ArrayOfString" -> string, true. -1 when unknown. */
int gp_schema_type_find_any(const char *name, size_t length, bool *array);
/* "ArrayOf" + the type's name with a capital: into `out` of at least 96 bytes. */
void gp_schema_array_name(gp_type_id type, char *out, size_t size);
/* The index of a field name, or -1. */
int gp_schema_name_find(const char *name, size_t length);
/* Whether `type` is `base` or extends it. Managed types: every one is a ManagedObjectReference. */
bool gp_schema_is_a(gp_type_id type, gp_type_id base);
/* Whether a value in a slot of this type has to say its type: anyType and everything that is extended. */
bool gp_schema_polymorphic(gp_type_id type);

/* ---- fields */
typedef struct gp_schema_walk {
    const gp_schema_field *field; /* the current one */
    gp_type_id owner;             /* the type that declares it */
    uint8_t depth, level;
    uint16_t at;
    gp_type_id chain[14];
} gp_schema_walk;

gp_schema_walk gp_schema_fields_of(gp_type_id type);
bool gp_schema_next(gp_schema_walk *walk);
/* A field (or property of a managed type) by name, own or inherited; `owner` (may be NULL) gets its declarer.
 */
const gp_schema_field *gp_schema_field_find(gp_type_id type, uint16_t name, gp_type_id *owner);
/* Required: not optional, and as old as what declares it (a field that came later never is). */
static inline bool gp_schema_required(const gp_schema_field *field, uint8_t declarer_version)
{
    return !(field->flags & GP_FIELD_OPTIONAL) && field->version == declarer_version;
}
/* The privilege needed to read a property or pass a parameter ("" when none is documented). */
const char *gp_schema_field_privilege(const gp_schema_field *field);

/* ---- enums: the n-th value, NULL past the end; whether a value is one of them */
const char *gp_schema_enum_value(gp_type_id type, size_t n);
bool gp_schema_enum_has(gp_type_id type, const char *value, size_t length);

/* ---- methods: wsdl names ("ReconfigVM_Task"), unique in the whole of vim25 */
const gp_schema_method *gp_schema_method_find(const char *name, size_t length);
/* The n-th method that this type itself declares, NULL past the end. */
const gp_schema_method *gp_schema_method_owned(gp_type_id managed, size_t n);
static inline const gp_schema_field *gp_schema_params(const gp_schema_method *method)
{
    return &gp_schema_fields[method->first_param];
}
static inline const char *gp_schema_method_privilege(const gp_schema_method *method)
{
    return gp_schema_text(gp_schema_privileges[method->privilege]);
}
/* Whether the method starts a task: its result is a Task. */
bool gp_schema_starts_task(const gp_schema_method *method);

/* ---- versions */
/* "8.0.3.0" (also "8.0.3", "9.1") -> its number, or -1 when this table does not have it. */
int gp_schema_version_find(const char *name, size_t length);
static inline const char *gp_schema_version_name(int version)
{
    return gp_schema_text(gp_schema_versions[version].name);
}
/* The newest version that servers advertise. */
int gp_schema_version_newest(void);
static inline bool gp_schema_knows(int server, int version)
{
    return (gp_schema_versions[server].knows >> version) & 1;
}
/* The oldest advertised version that has the features of `version`: for messages ("needs 8.0.2.0"). */
const char *gp_schema_since(int version);

/* ---- the nearest known name, into `out` (GP_NEAREST_SIZE bytes) */
const char *gp_schema_nearest_field(gp_type_id type, const char *name, char *out);
const char *gp_schema_nearest_param(const gp_schema_method *method, const char *name, char *out);
const char *gp_schema_nearest_type(gp_type_id base, const char *name, char *out);
const char *gp_schema_nearest_value(gp_type_id enumeration, const char *name, char *out);
const char *gp_schema_nearest_method(gp_type_id managed, const char *name, char *out);

#endif
