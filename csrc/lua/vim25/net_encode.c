/* codec.encode: a call's arguments as a request body, walked by the schema.
 *
 *   body = codec.encode(method, this_type, this_value, args, {version=, operation_id=})
 *          nil, message, code: EARGUMENT (misuse: unknown field, wrong type, missing...), ERANGE, EVERSION
 *   body:action()  body:secret()  body:method()  #body  body:bytes()  body:redacted()
 *   codec.wrap(type, value)   a scalar that names its type, for anyType slots: vim.int, vim.long, vim.time...
 *
 * Tables are read raw, so no metamethod runs. A table is, in this order: a wrapper ({_type="int", value=5}),
 * a reference (raw `type` and `value`), a list where the slot is one, else an object. An object's type is its
 * raw _type, else that of its metatable (decoded values keep their type there), else the
 * slot's.
 */
#include "lua/bind.h"
#include "lua/vim25/net.h"
#include "lua/vim25/net_codec.h"

#include "vim25/encode.h"
#include "vim25/encode_text.h"

#include <string.h>

#define BODY "gpupt.body"
#define WRAPPER "gpupt.wrapper"

typedef struct walk {
    lua_State *L;
    gp_encode *e;
    gp_error *err;
} walk;

static int write_value(const walk *w, int index, gp_type_id slot);
static int write_fields(const walk *w, int index, gp_type_id type);

static const char *raw_text(lua_State *L, int table, const char *key, size_t *length)
{
    lua_pushstring(L, key);
    lua_rawget(L, table);
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, length) : NULL;
    lua_pop(L, 1); /* the table keeps it alive */
    return text;
}

/* The type that a table says it has: raw _type, else its metatable's. */
static const char *said_type(lua_State *L, int table, size_t *length)
{
    const char *name = raw_text(L, table, "_type", length);
    if (!name && lua_getmetatable(L, table)) {
        name = raw_text(L, lua_gettop(L), GP_CODEC_TYPE, length);
        lua_pop(L, 1);
    }
    return name;
}

static const char *lua_kind(lua_State *L, int index)
{
    switch (lua_type(L, index)) {
    case LUA_TTABLE:
        return lua_rawlen(L, index) > 0 ? "a list" : "a table";
    case LUA_TNIL:
        return "nil";
    default:
        return lua_typename(L, lua_type(L, index));
    }
}

static int read_scalar(const walk *w, int index, gp_scalar_value *value)
{
    lua_State *L = w->L;
    memset(value, 0, sizeof *value);
    switch (lua_type(L, index)) {
    case LUA_TBOOLEAN:
        value->given = GP_GIVEN_BOOLEAN;
        value->integer = lua_toboolean(L, index);
        return 0;
    case LUA_TSTRING:
        value->given = GP_GIVEN_TEXT;
        value->text = lua_tolstring(L, index, &value->length);
        return 0;
    case LUA_TNUMBER:
        value->given = lua_isinteger(L, index) ? GP_GIVEN_INTEGER : GP_GIVEN_NUMBER;
        if (value->given == GP_GIVEN_INTEGER)
            value->integer = lua_tointeger(L, index);
        else
            value->number = lua_tonumber(L, index);
        return 0;
    default:
        return gp_encode_fail(w->e, w->err, "EARGUMENT", "got %s", lua_kind(L, index));
    }
}

static int write_wrapper(const walk *w, int table, gp_type_id slot, gp_type_id as)
{
    gp_scalar_value value;
    lua_pushliteral(w->L, "value");
    lua_rawget(w->L, table);
    int failed = read_scalar(w, lua_gettop(w->L), &value);
    if (!failed) failed = gp_encode_scalar(w->e, slot, as, &value, w->err);
    lua_pop(w->L, 1);
    return failed;
}

static int bad_type(const walk *w, gp_type_id slot, const char *name)
{
    char near[GP_NEAREST_SIZE];
    gp_schema_nearest_type(slot, name, near);
    return gp_encode_fail(w->e, w->err, "EARGUMENT",
                          near[0] ? "vim25 has no type '%.100s' (did you mean '%s'?)"
                                  : "vim25 has no type '%.100s'",
                          name, near);
}

/* A list is a table with the keys 1 to n and nothing else (but _type). The path is that of the list itself. */
static int check_list(const walk *w, int index, gp_type_id element)
{
    lua_State *L = w->L;
    const char *name = gp_schema_type_name(element);
    if (lua_type(L, index) != LUA_TTABLE) {
        return gp_encode_fail(w->e, w->err, "EARGUMENT", "expects a list of %s, got %s: put it in braces",
                              name, lua_kind(L, index));
    }
    lua_Unsigned count = lua_rawlen(L, index), keys = 0;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        if (lua_type(L, -2) == LUA_TSTRING && strcmp(lua_tostring(L, -2), "_type") == 0) continue;
        keys++;
    }
    if (keys == count) return 0;
    return gp_encode_fail(w->e, w->err, "EARGUMENT",
                          count == 0 ? "expects a list of %s, got one table with names: put it in braces"
                                     : "expects a list of %s, without holes or names in it",
                          name);
}

/* The elements of a checked list, each entered under `name`; `slot` is theirs. */
static int write_elements(const walk *w, int table, const char *name, gp_type_id slot,
                          const gp_schema_field *field)
{
    lua_State *L = w->L;
    lua_Unsigned count = lua_rawlen(L, table);
    for (lua_Unsigned i = 1; i <= count; i++) {
        lua_rawgeti(L, table, (lua_Integer)i);
        int failed = gp_encode_enter(w->e, name, (uint32_t)i, w->err);
        if (!failed && field) failed = gp_encode_field(w->e, field, w->err);
        if (!failed) failed = write_value(w, lua_gettop(L), slot);
        if (failed) return -1;
        gp_encode_leave(w->e);
        lua_pop(L, 1);
    }
    return 0;
}

static int write_any_array(const walk *w, int table, gp_type_id element)
{
    if (check_list(w, table, element) != 0 || gp_encode_array(w->e, element, w->err) != 0) return -1;
    if (write_elements(w, table, gp_encode_element_name(element), element, NULL) != 0) return -1;
    return gp_encode_close(w->e, w->err);
}

static int write_table(const walk *w, int table, gp_type_id slot)
{
    lua_State *L = w->L;
    size_t length = 0, value_length = 0;
    uint8_t kind = gp_schema_types[slot].kind;
    const char *said = said_type(L, table, &length);
    bool array = false;
    int type = GP_VOID;
    if (said) {
        type = gp_schema_type_find_any(said, length, &array);
        if (type < 0 || type == GP_VOID) return bad_type(w, slot, said); /* void has no values */
    }
    if (array && slot == GP_ANY) return write_any_array(w, table, (gp_type_id)type);
    if (array)
        return gp_encode_fail(w->e, w->err, "EARGUMENT", "expects one %s, got a list",
                              gp_schema_type_name(slot));
    if (!said || type == GP_MOREF) {
        if (slot == GP_ANY || slot == GP_MOREF || kind == GP_KIND_MANAGED) {
            const char *ref = raw_text(L, table, "type", &length),
                       *value = raw_text(L, table, "value", &value_length);
            if (ref && value) return gp_encode_moref(w->e, slot, ref, length, value, value_length, w->err);
        }
    } else if (gp_schema_types[type].kind == GP_KIND_SCALAR || gp_schema_types[type].kind == GP_KIND_ENUM) {
        return write_wrapper(w, table, slot, (gp_type_id)type);
    }
    if (kind == GP_KIND_DATA && lua_rawlen(L, table) > 0) {
        return gp_encode_fail(w->e, w->err, "EARGUMENT", "expects one %s, got a list",
                              gp_schema_type_name(slot));
    }
    if (slot != GP_ANY && kind != GP_KIND_DATA) {
        return gp_encode_fail(w->e, w->err, "EARGUMENT", "expects %s, got %s",
                              kind == GP_KIND_MANAGED ? "a managed object" : gp_schema_type_name(slot),
                              lua_kind(L, table));
    }
    gp_type_id actual;
    if (gp_encode_object(w->e, slot, (gp_type_id)type, &actual, w->err) != 0) return -1;
    if (write_fields(w, table, actual) != 0) return -1;
    return gp_encode_close(w->e, w->err);
}

static int write_value(const walk *w, int index, gp_type_id slot)
{
    luaL_checkstack(w->L, 12, "arguments nested too deeply");
    if (lua_type(w->L, index) == LUA_TTABLE) return write_table(w, index, slot);
    gp_scalar_value value;
    if (read_scalar(w, index, &value) != 0) return -1;
    return gp_encode_scalar(w->e, slot, GP_VOID, &value, w->err);
}

static bool is_empty(lua_State *L, int index)
{
    if (lua_type(L, index) != LUA_TTABLE) return false;
    lua_pushnil(L);
    if (!lua_next(L, index)) return true;
    lua_pop(L, 2);
    return false;
}

/* One field or parameter, whose value is on top of the stack (nil: absent). */
static int write_slot(const walk *w, const gp_schema_field *field, uint8_t declarer, gp_type_id owner)
{
    lua_State *L = w->L;
    const char *name = gp_schema_name(field->name);
    int top = lua_gettop(L);
    bool list = field->flags & GP_FIELD_ARRAY;
    if (lua_isnil(L, top) || (list && is_empty(L, top))) {
        if (!gp_schema_required(field, declarer)) return 0;
        return gp_encode_missing(w->e, name, owner, w->err);
    }
    if (list) {
        if (gp_encode_enter(w->e, name, 0, w->err) != 0 || check_list(w, top, field->type) != 0) return -1;
        gp_encode_leave(w->e);
        return write_elements(w, top, name, field->type, field);
    }
    if (gp_encode_enter(w->e, name, 0, w->err) != 0) return -1;
    if (gp_encode_field(w->e, field, w->err) != 0) return -1;
    if (write_value(w, top, field->type) != 0) return -1;
    gp_encode_leave(w->e);
    return 0;
}

/* Fails when the table has a key that is not a field of the type. */
static int refuse_stray_field(const walk *w, int table, gp_type_id type)
{
    lua_State *L = w->L;
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING) {
            return gp_encode_fail(w->e, w->err, "EARGUMENT",
                                  "expects an object of type %s, got a list or keys that are not names",
                                  gp_schema_type_name(type));
        }
        const char *key = lua_tostring(L, -2);
        int name = gp_schema_name_find(key, strlen(key));
        if (strcmp(key, "_type") == 0 || (name >= 0 && gp_schema_field_find(type, (uint16_t)name, NULL)))
            continue;
        return gp_encode_unknown_field(w->e, type, key, w->err);
    }
    return 0;
}

/* Whether this is a pair of key and value (ExtraConfig, an advanced setting, an OVF property) whose key says that its
 * value is a secret. */
static bool secret_option(const walk *w, int table, gp_type_id type)
{
    static const char *const pairs[] = {"OptionValue", "KeyValue", "KeyAnyValue"};
    size_t length;
    bool pair = false;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs && !pair; i++) {
        int known = gp_schema_type_find(pairs[i], strlen(pairs[i]));
        pair = known >= 0 && gp_schema_is_a(type, (gp_type_id)known);
    }
    const char *key = pair ? raw_text(w->L, table, "key", &length) : NULL;
    return key && gp_encode_text_secret_key(key);
}

static int write_fields(const walk *w, int table, gp_type_id type)
{
    lua_State *L = w->L;
    lua_Unsigned found = 0, keys = 0;
    bool secret = secret_option(w, table, type);
    for (gp_schema_walk f = gp_schema_fields_of(type); gp_schema_next(&f);) {
        lua_pushstring(L, gp_schema_name(f.field->name));
        lua_rawget(L, table);
        bool given = !lua_isnil(L, -1);
        if (given) found++;
        gp_schema_field field = *f.field;
        if (secret && strcmp(gp_schema_name(field.name), "value") == 0) field.flags |= GP_FIELD_SECRET;
        int failed = write_slot(w, &field, gp_schema_types[f.owner].version, f.owner);
        lua_pop(L, 1);
        /* a misspelt required field is unknown rather than missing: say that, with the nearest name */
        if (failed && !given && refuse_stray_field(w, table, type) != 0) return -1;
        if (failed) return -1;
    }
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING || strcmp(lua_tostring(L, -2), "_type") != 0) keys++;
    }
    return keys == found ? 0 : refuse_stray_field(w, table, type);
}

/* Arguments are few: the same, by the method's own list. */
static int refuse_stray_param(const walk *w, int table, const gp_schema_method *method)
{
    lua_State *L = w->L;
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        char near[GP_NEAREST_SIZE];
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;
        const char *name = gp_schema_text(method->name);
        bool known = false;
        if (!key) return gp_fail(w->err, "EARGUMENT", "%s: pass the arguments by name", name);
        for (int i = 0; i < method->params && !known; i++) {
            known = strcmp(gp_schema_name(gp_schema_params(method)[i].name), key) == 0;
        }
        if (known) continue;
        gp_schema_nearest_param(method, key, near);
        return gp_fail(w->err, "EARGUMENT",
                       near[0] ? "%s has no argument '%.100s' (did you mean '%s'?)"
                               : "%s has no argument '%.100s'",
                       name, key, near);
    }
    return 0;
}

static int write_params(const walk *w, int table, const gp_schema_method *method)
{
    lua_State *L = w->L;
    if (refuse_stray_param(w, table, method) != 0) return -1;
    for (int i = 0; i < method->params; i++) {
        const gp_schema_field *param = &gp_schema_params(method)[i];
        lua_pushstring(L, gp_schema_name(param->name));
        lua_rawget(L, table);
        int failed = write_slot(w, param, method->version, GP_VOID);
        lua_pop(L, 1);
        if (failed) return -1;
    }
    return 0;
}

/* ---- the body userdata: created empty, then filled, so that a Lua error does not leak the encoder */
static gp_encode **new_body(lua_State *L);

gp_encode *gp_value_check_body(lua_State *L, int index)
{
    gp_encode **body = luaL_checkudata(L, index, BODY);
    if (!*body) luaL_argerror(L, index, "the request has already been released");
    return *body;
}

static int body_release(lua_State *L)
{
    gp_encode **body = luaL_checkudata(L, 1, BODY);
    gp_encode_free(*body);
    *body = NULL;
    return 0;
}

static int body_action(lua_State *L)
{
    lua_pushstring(L, gp_encode_action(gp_value_check_body(L, 1)));
    return 1;
}

static int body_secret(lua_State *L)
{
    lua_pushboolean(L, gp_encode_secret(gp_value_check_body(L, 1)));
    return 1;
}

static int body_method(lua_State *L)
{
    lua_pushstring(L, gp_schema_text(gp_encode_method(gp_value_check_body(L, 1))->name));
    return 1;
}

static int body_length(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)gp_encode_body(gp_value_check_body(L, 1))->length);
    return 1;
}

static int body_bytes(lua_State *L)
{
    const gp_buf *bytes = gp_encode_body(gp_value_check_body(L, 1));
    lua_pushlstring(L, bytes->data, bytes->length);
    return 1;
}

static int body_redacted(lua_State *L)
{
    gp_encode *e = gp_value_check_body(L, 1);
    gp_buf *text = gp_bind_buf(L);
    if (gp_encode_redacted(e, text) != 0) return luaL_error(L, "out of memory");
    lua_pushlstring(L, text->data, text->length);
    return 1;
}

static gp_encode **new_body(lua_State *L)
{
    static const luaL_Reg meta[] = {
        {"__gc", body_release}, {"__close", body_release}, {"__len", body_length}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"action", body_action},
                                       {"secret", body_secret},
                                       {"method", body_method},
                                       {"bytes", body_bytes},
                                       {"redacted", body_redacted},
                                       {"release", body_release},
                                       {NULL, NULL}};
    gp_encode **body = lua_newuserdatauv(
        L, sizeof *body, 0); /* NOLINT(bugprone-sizeof-expression): a pointer is what it holds */
    *body = NULL;
    gp_bind_class(L, BODY, methods, meta);
    lua_setmetatable(L, -2);
    return body;
}

static int option_version(lua_State *L, int options)
{
    size_t length;
    if (!lua_istable(L, options) || lua_getfield(L, options, "version") == LUA_TNIL)
        return gp_schema_version_newest();
    const char *name = luaL_checklstring(L, -1, &length);
    int version = gp_schema_version_find(name, length);
    if (version < 0) luaL_error(L, "vim25 version '%s' is not supported", name);
    lua_pop(L, 1);
    return version;
}

static int codec_encode(lua_State *L)
{
    size_t length;
    gp_error err;
    const char *name = luaL_checklstring(L, 1, &length);
    const char *this_type = luaL_checkstring(L, 2), *this_value = luaL_checkstring(L, 3), *operation = NULL;
    if (lua_isnoneornil(L, 4)) {
        lua_settop(L, 5);
        lua_newtable(L);
        lua_replace(L, 4);
    }
    luaL_checktype(L, 4, LUA_TTABLE);
    lua_settop(L, 5);
    const gp_schema_method *method = gp_schema_method_find(name, length);
    if (!method) {
        gp_fail(&err, "EARGUMENT", "vim25 has no method '%.100s'", name);
        return gp_bind_fail(L, &err);
    }
    int version = option_version(L, 5);
    if (lua_istable(L, 5)) {
        lua_getfield(L, 5, "operation_id"); /* stays on the stack while it is used */
        operation = luaL_optstring(L, -1, NULL);
    }
    gp_encode **body = new_body(L);
    *body = gp_encode_new(version, &err);
    if (!*body) return luaL_error(L, "%s", err.message);
    if (lua_istable(L, 5)) {
        size_t security_length;
        lua_getfield(L, 5, "security"); /* both stay on the stack while they are used */
        const char *security = luaL_optlstring(L, -1, NULL, &security_length);
        lua_getfield(L, 5, "body_id");
        if (security) gp_encode_security(*body, security, security_length, luaL_optstring(L, -1, NULL));
        lua_pushvalue(L, -3);
    }
    walk w = {L, *body, &err};
    int result = lua_gettop(L);
    if (gp_encode_begin(*body, method, this_type, this_value, operation, &err) != 0 ||
        write_params(&w, 4, method) != 0 || gp_encode_end(*body, &err) != 0) {
        lua_settop(L, result);
        gp_encode_free(*body);
        *body = NULL;
        return gp_bind_fail(L, &err);
    }
    lua_settop(L, result);
    return 1;
}

/* ---- wrappers */
static int wrapper_text(lua_State *L)
{
    lua_getfield(L, 1, "_type");
    lua_getfield(L, 1, "value");
    luaL_tolstring(L, -1, NULL);
    lua_pushfstring(L, "%s(%s)", lua_tostring(L, -3), lua_tostring(L, -1));
    return 1;
}

static int wrapper_equal(lua_State *L)
{
    static const char *const keys[] = {"_type", "value"};
    bool same = lua_istable(L, 1) && lua_istable(L, 2);
    for (int i = 0; i < 2 && same; i++) {
        lua_getfield(L, 1, keys[i]);
        lua_getfield(L, 2, keys[i]);
        same = lua_rawequal(L, -1, -2);
    }
    lua_pushboolean(L, same);
    return 1;
}

static int codec_wrap(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__tostring", wrapper_text}, {"__eq", wrapper_equal}, {NULL, NULL}};
    size_t length;
    const char *name = luaL_checklstring(L, 1, &length);
    int type = gp_schema_type_find(name, length);
    bool scalar =
        type > GP_ANY && type != GP_MOREF &&
        (gp_schema_types[type].kind == GP_KIND_SCALAR || gp_schema_types[type].kind == GP_KIND_ENUM);
    if (!scalar)
        return luaL_argerror(L, 1, lua_pushfstring(L, "'%s' is neither a scalar type nor an enum", name));
    luaL_argcheck(L, !lua_isnoneornil(L, 2) && !lua_istable(L, 2), 2, "expected a scalar");
    lua_createtable(L, 0, 2);
    lua_pushvalue(L, 1);
    lua_setfield(L, -2, "_type");
    lua_pushvalue(L, 2);
    lua_setfield(L, -2, "value");
    gp_bind_class(L, WRAPPER, NULL, meta);
    lua_setmetatable(L, -2);
    return 1;
}

/* secret_key(text): whether the value of a pair with this key is a secret. */
static int codec_secret_key(lua_State *L)
{
    lua_pushboolean(L, gp_encode_text_secret_key(luaL_checkstring(L, 1)));
    return 1;
}

void gp_codec_add_encode(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"encode", codec_encode}, {"wrap", codec_wrap}, {"secret_key", codec_secret_key}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
