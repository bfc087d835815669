#include "vim25/schema.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* memcmp order of a counted string against a terminated one. */
static int compare(const char *text, size_t length, const char *known)
{
    size_t known_length = strlen(known);
    int order = memcmp(text, known, length < known_length ? length : known_length);
    if (order != 0) return order;
    return length < known_length ? -1 : length > known_length;
}

int gp_schema_type_find(const char *name, size_t length)
{
    for (int i = 0; i <= GP_MOREF; i++) {
        if (compare(name, length, gp_schema_type_name((gp_type_id)i)) == 0) return i;
    }
    uint32_t low = GP_FIRST_NAMED, high = gp_schema_count.types;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        int order = compare(name, length, gp_schema_type_name((gp_type_id)middle));
        if (order == 0) return (int)middle;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return -1;
}

int gp_schema_type_find_any(const char *name, size_t length, bool *array)
{
    *array = false;
    int type = gp_schema_type_find(name, length);
    if (type >= 0 || length <= 7 || memcmp(name, "ArrayOf", 7) != 0) return type;
    *array = true;
    type = gp_schema_type_find(name + 7, length - 7);
    if (type >= 0) return type;
    for (int i = 0; i <= GP_MOREF; i++) { /* ArrayOfString holds string */
        const char *scalar = gp_schema_type_name((gp_type_id)i);
        if (strlen(scalar) == length - 7 && name[7] == toupper((unsigned char)scalar[0]) &&
            memcmp(name + 8, scalar + 1, length - 8) == 0) {
            return i;
        }
    }
    return -1;
}

void gp_schema_array_name(gp_type_id type, char *out, size_t size)
{
    if (gp_schema_types[type].kind == GP_KIND_MANAGED) type = GP_MOREF;
    const char *name = gp_schema_type_name(type);
    (void)snprintf(out, size, "ArrayOf%c%s", toupper((unsigned char)name[0]), name + 1);
}

int gp_schema_name_find(const char *name, size_t length)
{
    uint32_t hash = 2166136261u; /* FNV-1a, as in gen/pack.py */
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)name[i]) * 16777619u;
    hash ^= hash >> 15;
    for (uint32_t at = hash % GP_SCHEMA_NAME_SLOTS;; at = (at + 1) % GP_SCHEMA_NAME_SLOTS) {
        uint16_t slot = gp_schema_name_slots[at];
        if (slot == 0) return -1;
        const char *known = gp_schema_name((uint16_t)(slot - 1));
        if (strncmp(known, name, length) == 0 && known[length] == '\0') return slot - 1;
    }
}

bool gp_schema_is_a(gp_type_id type, gp_type_id base)
{
    if (base == GP_ANY || type == base) return true;
    if (base == GP_MOREF) return gp_schema_types[type].kind == GP_KIND_MANAGED;
    while ((type = gp_schema_types[type].base) != 0) {
        if (type == base) return true;
    }
    return false;
}

bool gp_schema_polymorphic(gp_type_id type)
{
    return type == GP_ANY ||
           (gp_schema_types[type].kind == GP_KIND_DATA && (gp_schema_types[type].flags & GP_TYPE_EXTENDED));
}

/* ---- fields */
gp_schema_walk gp_schema_fields_of(gp_type_id type)
{
    gp_schema_walk walk = {0};
    uint8_t kind = gp_schema_types[type].kind;
    if (kind != GP_KIND_DATA && kind != GP_KIND_MANAGED) return walk;
    gp_type_id up[sizeof walk.chain / sizeof walk.chain[0]];
    for (; type != 0 && walk.depth < sizeof up / sizeof up[0]; type = gp_schema_types[type].base) {
        up[walk.depth++] = type;
    }
    for (uint8_t i = 0; i < walk.depth; i++)
        walk.chain[i] = up[walk.depth - 1 - i];
    return walk;
}

bool gp_schema_next(gp_schema_walk *walk)
{
    while (walk->level < walk->depth) {
        const gp_schema_type *type = &gp_schema_types[walk->chain[walk->level]];
        if (walk->at < type->count) {
            walk->owner = walk->chain[walk->level];
            walk->field = &gp_schema_fields[type->first + walk->at++];
            return true;
        }
        walk->level++;
        walk->at = 0;
    }
    return false;
}

const gp_schema_field *gp_schema_field_find(gp_type_id id, uint16_t name, gp_type_id *owner)
{
    uint8_t kind = gp_schema_types[id].kind;
    if (kind != GP_KIND_DATA && kind != GP_KIND_MANAGED) return NULL;
    for (; id != 0; id = gp_schema_types[id].base) {
        const gp_schema_type *type = &gp_schema_types[id];
        const gp_schema_field *field = &gp_schema_fields[type->first];
        for (uint16_t i = 0; i < type->count; i++, field++) {
            if (field->name == name) {
                if (owner) *owner = id;
                return field;
            }
        }
    }
    return NULL;
}

const char *gp_schema_field_privilege(const gp_schema_field *field)
{
    size_t at = (size_t)(field - gp_schema_fields);
    if (at < gp_schema_count.first_guarded) return "";
    return gp_schema_text(gp_schema_privileges[gp_schema_guards[at - gp_schema_count.first_guarded]]);
}

/* ---- enums */
const char *gp_schema_enum_value(gp_type_id id, size_t n)
{
    const gp_schema_type *type = &gp_schema_types[id];
    if (type->kind != GP_KIND_ENUM || n >= type->count) return NULL;
    return gp_schema_text(gp_schema_values[type->first + n]);
}

bool gp_schema_enum_has(gp_type_id type, const char *value, size_t length)
{
    const char *known;
    for (size_t n = 0; (known = gp_schema_enum_value(type, n)) != NULL; n++) {
        if (compare(value, length, known) == 0) return true;
    }
    return false;
}

/* ---- methods */
const gp_schema_method *gp_schema_method_find(const char *name, size_t length)
{
    uint32_t low = 0, high = gp_schema_count.methods;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        int order = compare(name, length, gp_schema_text(gp_schema_methods[middle].name));
        if (order == 0) return &gp_schema_methods[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const gp_schema_method *gp_schema_method_owned(gp_type_id managed, size_t n)
{
    const gp_schema_type *type = &gp_schema_types[managed];
    if (type->kind != GP_KIND_MANAGED || n >= type->owned) return NULL;
    return &gp_schema_methods[gp_schema_owned[type->owned_first + n]];
}

bool gp_schema_starts_task(const gp_schema_method *method)
{
    return gp_schema_types[method->result].kind == GP_KIND_MANAGED &&
           strcmp(gp_schema_type_name(method->result), "Task") == 0;
}

/* ---- versions */
/* Equal, or equal but for ".0" at the end of the one in the table. */
static bool same_version(const char *name, size_t length, const char *known)
{
    if (strncmp(known, name, length) != 0) return false;
    for (known += length; known[0] == '.' && known[1] == '0'; known += 2) {
    }
    return *known == '\0';
}

int gp_schema_version_find(const char *name, size_t length)
{
    if (length == 0) return -1;
    for (uint32_t i = 0; i < gp_schema_count.versions; i++) {
        const char *known = gp_schema_version_name((int)i);
        if (known[0] != '\0' && same_version(name, length, known)) return (int)i;
    }
    return -1;
}

int gp_schema_version_newest(void)
{
    for (int i = (int)gp_schema_count.versions - 1; i > 0; i--) {
        if (gp_schema_version_name(i)[0] != '\0') return i;
    }
    return 0;
}

const char *gp_schema_since(int version)
{
    for (uint32_t i = 0; i < gp_schema_count.versions; i++) {
        if (gp_schema_version_name((int)i)[0] != '\0' && gp_schema_knows((int)i, version)) {
            return gp_schema_version_name((int)i);
        }
    }
    return "a newer version";
}
