/* net.schema: the vim25 model for Lua. Plain tables are created on each call; nothing is cached.
 *
 *   type(name)            {name, kind, base, version, abstract, fault, fields | properties, methods | values}
 *   method(name[, type])  {name, owner, params, result, task, task_result, privilege, faults, version}
 *   enum(name)            the list of values
 *   privileges(name)      of a method: the method's own, and per parameter; of a managed type: per property
 *   methods(type)         names of all methods, the inherited ones too
 *   subtypes(type)        names of the types that extend it, directly or not
 *   is_a(type, base)      versions() oldest first   newest()   choose(list) the newest supported version of a list
 *   find(type, method)    name and whether it starts a task: the quick look-up for a call
 * An unknown name gives nil, message (with the nearest one), "ENOENT".
 */
#include "lua/bind.h"
#include "lua/vim25/net.h"

#include "vim25/schema.h"

#include <string.h>

static int unknown(lua_State *L, const char *what, const char *name, const char *near)
{
    lua_pushnil(L);
    if (near[0] != '\0')
        lua_pushfstring(L, "vim25 has no %s '%s' (did you mean '%s'?)", what, name, near);
    else
        lua_pushfstring(L, "vim25 has no %s '%s'", what, name);
    lua_pushliteral(L, "ENOENT");
    return 3;
}

static int check_type(lua_State *L, int arg)
{
    size_t length;
    const char *name = luaL_checklstring(L, arg, &length);
    return gp_schema_type_find(name, length);
}

static int unknown_type(lua_State *L, int arg)
{
    char near[GP_NEAREST_SIZE];
    const char *name = lua_tostring(L, arg);
    return unknown(L, "type", name, gp_schema_nearest_type(GP_ANY, name, near));
}

static void set_text(lua_State *L, const char *key, const char *value)
{
    if (value[0] == '\0') return;
    lua_pushstring(L, value);
    lua_setfield(L, -2, key);
}

static void set_flag(lua_State *L, const char *key, int value)
{
    if (!value) return;
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, key);
}

/* On the wire a managed object is a reference; here its type's name says more. */
static void set_slot(lua_State *L, gp_type_id type, uint8_t flags)
{
    set_text(L, "type", gp_schema_type_name(type));
    set_flag(L, "array", flags & GP_FIELD_ARRAY);
    set_flag(L, "optional", flags & GP_FIELD_OPTIONAL);
    set_flag(L, "secret", flags & GP_FIELD_SECRET);
    set_flag(L, "link", flags & GP_FIELD_LINK);
    set_flag(L, "polymorphic", gp_schema_polymorphic(type));
}

static void push_field(lua_State *L, const gp_schema_field *field, uint8_t declarer_version)
{
    lua_createtable(L, 0, 6);
    set_text(L, "name", gp_schema_name(field->name));
    set_slot(L, field->type, field->flags);
    set_flag(L, "required", gp_schema_required(field, declarer_version));
    set_text(L, "version", gp_schema_since(field->version));
    set_text(L, "privilege", gp_schema_field_privilege(field));
}

static void push_fields(lua_State *L, gp_type_id type)
{
    lua_Integer n = 0;
    lua_newtable(L);
    for (gp_schema_walk w = gp_schema_fields_of(type); gp_schema_next(&w);) {
        push_field(L, w.field, gp_schema_types[w.owner].version);
        set_text(L, "owner", gp_schema_type_name(w.owner));
        lua_rawseti(L, -2, ++n);
    }
}

static void push_values(lua_State *L, gp_type_id type)
{
    const char *value;
    lua_newtable(L);
    for (size_t n = 0; (value = gp_schema_enum_value(type, n)) != NULL; n++) {
        lua_pushstring(L, value);
        lua_rawseti(L, -2, (lua_Integer)n + 1);
    }
}

static void push_methods(lua_State *L, gp_type_id type)
{
    lua_Integer n = 0;
    lua_newtable(L);
    for (; type != 0; type = gp_schema_types[type].base) {
        const gp_schema_method *method;
        for (size_t i = 0; (method = gp_schema_method_owned(type, i)) != NULL; i++) {
            lua_pushstring(L, gp_schema_text(method->name));
            lua_rawseti(L, -2, ++n);
        }
    }
}

static int schema_type(lua_State *L)
{
    static const char *const kinds[] = {"scalar", "data", "enum", "managed"};
    int found = check_type(L, 1);
    if (found < 0) return unknown_type(L, 1);
    gp_type_id id = (gp_type_id)found;
    const gp_schema_type *type = gp_schema_type_at(id);
    lua_createtable(L, 0, 8);
    set_text(L, "name", gp_schema_type_name(id));
    set_text(L, "kind", kinds[type->kind]);
    if (type->kind == GP_KIND_SCALAR) return 1;
    if (type->base) set_text(L, "base", gp_schema_type_name(type->base));
    set_text(L, "version", gp_schema_since(type->version));
    set_flag(L, "abstract", type->flags & GP_TYPE_ABSTRACT);
    set_flag(L, "extended", type->flags & GP_TYPE_EXTENDED);
    set_flag(L, "fault", type->flags & GP_TYPE_FAULT);
    if (type->kind == GP_KIND_ENUM) {
        push_values(L, id);
        lua_setfield(L, -2, "values");
        return 1;
    }
    push_fields(L, id);
    lua_setfield(L, -2, type->kind == GP_KIND_DATA ? "fields" : "properties");
    if (type->kind == GP_KIND_MANAGED) {
        push_methods(L, id);
        lua_setfield(L, -2, "methods");
    }
    return 1;
}

static int schema_enum(lua_State *L)
{
    int id = check_type(L, 1);
    if (id < 0 || gp_schema_types[id].kind != GP_KIND_ENUM) {
        char near[GP_NEAREST_SIZE];
        const char *name = lua_tostring(L, 1);
        return unknown(L, "enum", name, id < 0 ? gp_schema_nearest_type(GP_ANY, name, near) : "");
    }
    push_values(L, (gp_type_id)id);
    return 1;
}

/* The method named at `arg`, for the managed type after it if given; NULL with the failure
 * pushed. */
static const gp_schema_method *check_method(lua_State *L, int arg, int type_arg, int *results)
{
    size_t length;
    char near[GP_NEAREST_SIZE] = "";
    const char *name = luaL_checklstring(L, arg, &length);
    const gp_schema_method *method = gp_schema_method_find(name, length);
    *results = 3;
    if (lua_isnoneornil(L, type_arg)) {
        if (!method) unknown(L, "method", name, "");
        return method;
    }
    int type = check_type(L, type_arg);
    if (type < 0 || gp_schema_types[type].kind != GP_KIND_MANAGED) {
        *results = unknown_type(L, type_arg);
        return NULL;
    }
    if (method && gp_schema_is_a((gp_type_id)type, method->owner)) return method;
    gp_schema_nearest_method((gp_type_id)type, name, near);
    lua_pushnil(L);
    lua_pushfstring(L, near[0] ? "%s has no method '%s' (did you mean '%s'?)" : "%s has no method '%s'",
                    gp_schema_type_name((gp_type_id)type), name, near);
    lua_pushliteral(L, "ENOENT");
    return NULL;
}

static int schema_method(lua_State *L)
{
    int results;
    const gp_schema_method *m = check_method(L, 1, 2, &results);
    if (!m) return results;
    lua_createtable(L, 0, 9);
    set_text(L, "name", gp_schema_text(m->name));
    set_text(L, "owner", gp_schema_type_name(m->owner));
    set_text(L, "version", gp_schema_since(m->version));
    set_text(L, "privilege", gp_schema_method_privilege(m));
    set_flag(L, "task", gp_schema_starts_task(m));
    lua_createtable(L, m->params, 0);
    for (int i = 0; i < m->params; i++) {
        push_field(L, &gp_schema_params(m)[i], m->version);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "params");
    lua_createtable(L, 0, 4);
    set_slot(L, m->result, m->result_flags);
    lua_setfield(L, -2, "result");
    if (m->task_result) {
        lua_createtable(L, 0, 2);
        set_slot(L, m->task_result, m->task_array ? GP_FIELD_ARRAY : 0);
        lua_setfield(L, -2, "task_result");
    }
    lua_createtable(L, m->faults, 0);
    for (int i = 0; i < m->faults; i++) {
        lua_pushstring(L, gp_schema_type_name(gp_schema_faults[m->first_fault + i]));
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "faults");
    return 1;
}

static int schema_find(lua_State *L)
{
    int results;
    luaL_checkstring(L, 1);
    const gp_schema_method *m = check_method(L, 2, 1, &results);
    if (!m) return results;
    lua_pushstring(L, gp_schema_text(m->name));
    lua_pushboolean(L, gp_schema_starts_task(m));
    return 2;
}

static int schema_privileges(lua_State *L)
{
    size_t length;
    const char *name = luaL_checklstring(L, 1, &length);
    const gp_schema_method *m = gp_schema_method_find(name, length);
    int type = gp_schema_type_find(name, length);
    lua_newtable(L);
    if (m) {
        set_text(L, "method", gp_schema_method_privilege(m));
        lua_newtable(L);
        for (int i = 0; i < m->params; i++) {
            const gp_schema_field *param = &gp_schema_params(m)[i];
            set_text(L, gp_schema_name(param->name), gp_schema_field_privilege(param));
        }
        lua_setfield(L, -2, "params");
        return 1;
    }
    if (type < 0 || gp_schema_types[type].kind != GP_KIND_MANAGED) {
        return unknown(L, "method or managed type", name, "");
    }
    lua_newtable(L);
    for (gp_schema_walk w = gp_schema_fields_of((gp_type_id)type); gp_schema_next(&w);) {
        set_text(L, gp_schema_name(w.field->name), gp_schema_field_privilege(w.field));
    }
    lua_setfield(L, -2, "properties");
    return 1;
}

static int schema_methods(lua_State *L)
{
    int type = check_type(L, 1);
    if (type < 0 || gp_schema_types[type].kind != GP_KIND_MANAGED) return unknown_type(L, 1);
    push_methods(L, (gp_type_id)type);
    return 1;
}

static int schema_subtypes(lua_State *L)
{
    int base = check_type(L, 1);
    if (base < 0) return unknown_type(L, 1);
    lua_Integer n = 0;
    lua_newtable(L);
    for (uint32_t i = GP_FIRST_NAMED; i < gp_schema_count.types; i++) {
        if (i == (uint32_t)base || !gp_schema_is_a((gp_type_id)i, (gp_type_id)base)) continue;
        lua_pushstring(L, gp_schema_type_name((gp_type_id)i));
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

static int schema_types(lua_State *L)
{
    static const char *const kinds[] = {"scalar", "data", "enum", "managed", NULL};
    int kind = lua_isnoneornil(L, 1) ? -1 : luaL_checkoption(L, 1, NULL, kinds);
    lua_Integer n = 0;
    lua_newtable(L);
    for (uint32_t i = 0; i < gp_schema_count.types; i++) {
        if (kind >= 0 ? gp_schema_types[i].kind != kind : gp_schema_type_name((gp_type_id)i)[0] == '\0')
            continue;
        if (i > GP_MOREF && i < GP_FIRST_NAMED) continue;
        lua_pushstring(L, gp_schema_type_name((gp_type_id)i));
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

static int schema_is_a(lua_State *L)
{
    int type = check_type(L, 1), base = check_type(L, 2);
    lua_pushboolean(L, type >= 0 && base >= 0 && gp_schema_is_a((gp_type_id)type, (gp_type_id)base));
    return 1;
}

static int schema_versions(lua_State *L)
{
    lua_Integer n = 0;
    lua_newtable(L);
    for (int i = 0; i < (int)gp_schema_count.versions; i++) {
        const char *name = gp_schema_version_name(i);
        if (name[0] == '\0') continue;
        lua_pushstring(L, name);
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

static int schema_newest(lua_State *L)
{
    lua_pushstring(L, gp_schema_version_name(gp_schema_version_newest()));
    return 1;
}

static int schema_choose(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    int best = -1;
    for (lua_Integer i = 1, n = luaL_len(L, 1); i <= n; i++) {
        size_t length;
        lua_rawgeti(L, 1, i);
        const char *name = luaL_checklstring(L, -1, &length);
        int version = gp_schema_version_find(name, length);
        if (version > best) best = version; /* numbers grow with age */
        lua_pop(L, 1);
    }
    if (best < 0) {
        lua_pushnil(L);
        lua_pushliteral(L, "the server has no version of vim25 that gpupt supports");
        lua_pushliteral(L, "EVERSION");
        return 3;
    }
    lua_pushstring(L, gp_schema_version_name(best));
    return 1;
}

static int schema_knows(lua_State *L)
{
    size_t length;
    const char *name = luaL_checklstring(L, 1, &length);
    lua_pushboolean(L, gp_schema_version_find(name, length) >= 0);
    return 1;
}

void gp_open_schema(lua_State *L)
{
    static const luaL_Reg functions[] = {{"type", schema_type},         {"method", schema_method},
                                         {"enum", schema_enum},         {"privileges", schema_privileges},
                                         {"methods", schema_methods},   {"subtypes", schema_subtypes},
                                         {"types", schema_types},       {"is_a", schema_is_a},
                                         {"versions", schema_versions}, {"newest", schema_newest},
                                         {"choose", schema_choose},     {"knows", schema_knows},
                                         {"find", schema_find},         {NULL, NULL}};
    luaL_newlib(L, functions);
}
