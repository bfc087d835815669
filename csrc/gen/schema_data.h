/* The layout of the packed vim25 table (schema_data.c is generated; csrc/vim25/schema.h is the way to read
 * it).
 *
 *   gp_schema_types  [0..15] scalars in the order of gp_scalar, then all data, enum and managed types by name
 *       |-- base, first/count --> gp_schema_fields (data, managed: own fields in xsd order; base fields
 * first) |                         gp_schema_values (enum)
 *       `-- owned_first/owned --> gp_schema_owned --> gp_schema_methods (sorted by name; names are unique in
 * vim25) gp_schema_fields --name--> gp_schema_names (sorted) --> gp_schema_pool from `first_guarded` on these
 * are properties and parameters, whose privilege stands in gp_schema_guards gp_schema_versions: `knows` has a
 * bit for each version that a server of this version knows, itself included
 *
 * All of it is read-only data without pointers: no relocations, no start-up work.
 */
#ifndef GP_SCHEMA_DATA_H
#define GP_SCHEMA_DATA_H

#include <stdint.h>

enum { GP_SCHEMA_NAME_SLOTS = 8192 };

typedef struct gp_schema_counts {
    uint32_t types, fields, methods, names, versions, first_guarded;
} gp_schema_counts;

typedef struct gp_schema_version {
    uint32_t name;  /* "8.0.3.0"; "" when no server advertises it */
    uint32_t vmodl; /* "vim.version.v8_0_3_0" */
    uint64_t knows;
} gp_schema_version;

typedef struct gp_schema_field {
    uint16_t name; /* index into gp_schema_names */
    uint16_t type;
    uint8_t version;
    uint8_t flags; /* GP_FIELD_* */
} gp_schema_field;

typedef struct gp_schema_type {
    uint32_t name;
    uint16_t base; /* 0: none */
    uint16_t first, count;
    uint16_t owned_first;
    uint8_t owned;
    uint8_t kind; /* GP_KIND_* */
    uint8_t version;
    uint8_t flags; /* GP_TYPE_* */
} gp_schema_type;

typedef struct gp_schema_method {
    uint32_t name;
    uint16_t owner, result;
    uint16_t first_param, first_fault;
    uint16_t task_result; /* what TaskInfo.result holds; 0: nothing or no task */
    uint8_t params, faults;
    uint8_t version, privilege;
    uint8_t result_flags; /* GP_FIELD_* */
    uint8_t task_array;
} gp_schema_method;

extern const gp_schema_counts gp_schema_count;
extern const char gp_schema_pool[];
extern const uint32_t gp_schema_names[];
extern const uint16_t gp_schema_name_slots[]; /* a hash over gp_schema_names: index + 1, linear probing */
extern const uint32_t gp_schema_privileges[];
extern const uint32_t gp_schema_values[];
extern const gp_schema_version gp_schema_versions[];
extern const gp_schema_field gp_schema_fields[];
extern const uint8_t gp_schema_guards[];
extern const uint16_t gp_schema_faults[];
extern const gp_schema_type gp_schema_types[];
extern const gp_schema_method gp_schema_methods[];
extern const uint16_t gp_schema_owned[];

#endif
