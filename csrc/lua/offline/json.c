/* gpupt.json over jansson, chosen because 64-bit integers and empty arrays survive both ways.
 *
 * encode: the table is walked raw into a json_t tree that a box owns; every node is hung below its parent
 * before its children are visited, so an error raised by Lua in mid-walk leaks nothing. decode: the tree is
 * owned by a box while tables are built from it. A table with the metatable "gpupt.json.array" is an array
 * even when empty.
 */
#include <jansson.h>
#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "lua/bind.h"
#include "lua/offline/core.h"

#define ARRAY "gpupt.json.array"
/* A cycle never ends; real results are a handful of levels deep. */
#define MAX_DEPTH 200

typedef struct writer {
    lua_State *L;
    bool replace;  /* malformed UTF-8 becomes U+FFFD instead of an error */
    int precision; /* digits that the least friendly float needs to be read back equal */
    char path[256];
    gp_buf *scratch;
    gp_error *err;
} writer;

static void release_json(void *tree)
{
    json_decref(tree);
}

/* Where we are, for messages: `at` is the length of w->path, the new length is returned. */
static size_t path_push_key(writer *w, size_t at, const char *key)
{
    int n = snprintf(w->path + at, sizeof w->path - at, at ? ".%s" : "%s", key);
    size_t end = at + (n < 0 ? 0 : (size_t)n);
    return end < sizeof w->path ? end : sizeof w->path - 1;
}

static size_t path_push_index(writer *w, size_t at, lua_Integer index)
{
    int n = snprintf(w->path + at, sizeof w->path - at, "[%lld]", (long long)index);
    size_t end = at + (n < 0 ? 0 : (size_t)n);
    return end < sizeof w->path ? end : sizeof w->path - 1;
}

static json_t *refuse(writer *w, const char *what)
{
    const char *where = w->path[0] ? w->path : "the value";
    return gp_fail_null(w->err, "EINVAL", "%s: %s", where, what);
}

static json_t *no_memory(writer *w)
{
    (void)gp_fail_memory(w->err);
    return NULL;
}

static json_t *encode_number(writer *w, int index)
{
    lua_State *L = w->L;
    if (lua_isinteger(L, index)) {
        json_t *node = json_integer((json_int_t)lua_tointeger(L, index));
        return node ? node : no_memory(w);
    }
    double number = lua_tonumber(L, index);
    if (!isfinite(number)) return refuse(w, "JSON has no infinity and no NaN");
    while (w->precision < 17) {
        char text[40];
        (void)snprintf(text, sizeof text, "%.*g", w->precision, number);
        if (strtod(text, NULL) == number) break;
        w->precision++;
    }
    json_t *node = json_real(number);
    return node ? node : no_memory(w);
}

static json_t *encode_string(writer *w, int index)
{
    size_t length;
    const char *bytes = lua_tolstring(w->L, index, &length);
    json_t *node;
    if (gp_text_utf8_valid(bytes, length)) {
        node = json_stringn_nocheck(bytes, length);
    } else if (w->replace) {
        gp_buf_clear(w->scratch);
        gp_text_utf8_clean(w->scratch, bytes, length);
        if (w->scratch->failed) return no_memory(w);
        node = json_stringn_nocheck(w->scratch->data, w->scratch->length);
    } else {
        return refuse(w, "the text is not UTF-8");
    }
    return node ? node : no_memory(w);
}

/* 1: array, 0: object, -1: neither (refused). */
static int shape(writer *w, int index, lua_Integer *count)
{
    lua_State *L = w->L;
    lua_Integer integers = 0, highest = 0;
    bool strings = false;
    bool marked = false;
    if (lua_getmetatable(L, index)) {
        luaL_getmetatable(L, ARRAY);
        marked = lua_rawequal(L, -1, -2);
        lua_pop(L, 2);
    }
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        if (lua_isinteger(L, -1) && lua_type(L, -1) == LUA_TNUMBER) {
            lua_Integer key = lua_tointeger(L, -1);
            integers++;
            if (key < 1) {
                lua_pop(L, 1);
                (void)refuse(w, "an array's indices start at 1");
                return -1;
            }
            if (key > highest) highest = key;
        } else if (lua_type(L, -1) == LUA_TSTRING) {
            strings = true;
        } else {
            lua_pop(L, 1);
            (void)refuse(w, "keys must be strings or the integers 1..n");
            return -1;
        }
    }
    if (integers > 0 && strings) {
        (void)refuse(w, "a table has both indices and names");
        return -1;
    }
    if (marked && strings) {
        (void)refuse(w, "a table marked as array has names");
        return -1;
    }
    if (highest != integers) {
        (void)refuse(w, "an array has holes");
        return -1;
    }
    *count = integers;
    return marked || integers > 0;
}

static json_t *encode(writer *w, int index);
static bool fill(writer *w, json_t *node, int index, size_t at, int depth);

/* Hangs a new child below `parent` and only then descends into it. */
static bool encode_member(writer *w, json_t *parent, const char *key, size_t key_length, size_t at, int depth)
{
    lua_State *L = w->L;
    int child = lua_gettop(L);
    json_t *node = encode(w, child);
    if (!node) return false;
    int failed = key ? json_object_setn_new_nocheck(parent, key, key_length, node)
                     : json_array_append_new(parent, node);
    if (failed) {
        (void)no_memory(w);
        return false;
    }
    return !json_is_array(node) && !json_is_object(node) ? true : fill(w, node, child, at, depth + 1);
}

static bool fill_array(writer *w, json_t *node, int index, size_t at, int depth)
{
    lua_Integer count = (lua_Integer)lua_rawlen(w->L, index);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(w->L, index, i);
        bool ok = encode_member(w, node, NULL, 0, path_push_index(w, at, i), depth);
        lua_pop(w->L, 1);
        w->path[at] = '\0';
        if (!ok) return false;
    }
    return true;
}

static bool fill_object(writer *w, json_t *node, int index, size_t at, int depth)
{
    lua_State *L = w->L;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        size_t length;
        const char *key = lua_tolstring(L, -2, &length);
        bool ok;
        if (!gp_text_utf8_valid(key, length)) {
            if (w->replace) {
                gp_buf_clear(w->scratch);
                gp_text_utf8_clean(w->scratch, key, length);
                /* a Lua string owns the cleaned key while scratch is used again below */
                key = w->scratch->failed ? NULL : lua_pushlstring(L, w->scratch->data, w->scratch->length);
                if (!key) {
                    (void)no_memory(w);
                    return false;
                }
                length = w->scratch->length;
                lua_insert(L, -2);
                ok = encode_member(w, node, key, length, path_push_key(w, at, key), depth);
                lua_remove(L, -2);
            } else {
                (void)refuse(w, "a key is not UTF-8");
                ok = false;
            }
        } else {
            ok = encode_member(w, node, key, length, path_push_key(w, at, key), depth);
        }
        lua_pop(L, 1);
        w->path[at] = '\0';
        if (!ok) return false;
    }
    return true;
}

static bool fill(writer *w, json_t *node, int index, size_t at, int depth)
{
    if (depth > MAX_DEPTH) {
        (void)refuse(w, "nested too deeply, or a cycle");
        return false;
    }
    luaL_checkstack(w->L, 8, "JSON nested too deeply");
    return json_is_array(node) ? fill_array(w, node, index, at, depth)
                               : fill_object(w, node, index, at, depth);
}

/* The node for a value; a table's node comes back empty, to be filled by the caller once it is hung up. */
static json_t *encode(writer *w, int index)
{
    lua_State *L = w->L;
    switch (lua_type(L, index)) {
    case LUA_TBOOLEAN:
        return lua_toboolean(L, index) ? json_true() : json_false();
    case LUA_TNUMBER:
        return encode_number(w, index);
    case LUA_TSTRING:
        return encode_string(w, index);
    case LUA_TTABLE: {
        lua_Integer count = 0;
        int kind = shape(w, index, &count);
        if (kind < 0) return NULL;
        json_t *node = kind ? json_array() : json_object();
        return node ? node : no_memory(w);
    }
    case LUA_TLIGHTUSERDATA:
        if (lua_touserdata(L, index) == NULL) return json_null();
        break;
    default:
        break;
    }
    char what[64];
    (void)snprintf(what, sizeof what, "a %s cannot be written as JSON", luaL_typename(L, index));
    return refuse(w, what);
}

static int append_bytes(const char *bytes, size_t length, void *out)
{
    return gp_buf_append(out, bytes, length);
}

/* encode(value, indent, replace) */
static int json_encode(lua_State *L)
{
    gp_error err;
    luaL_checkany(L, 1);
    lua_Integer indent = luaL_optinteger(L, 2, 0);
    luaL_argcheck(L, indent >= 0 && indent <= 31, 2, "indent must be 0 to 31");
    writer w = {.L = L, .replace = lua_toboolean(L, 3), .precision = 15, .err = &err};
    lua_settop(L, 3);
    gp_buf *out = gp_bind_buf(L);
    w.scratch = gp_bind_buf(L);
    void **root = gp_bind_box(L, release_json);
    *root = encode(&w, 1);
    if (!*root) return gp_bind_fail(L, &err);
    if ((json_is_array((json_t *)*root) || json_is_object((json_t *)*root)) && !fill(&w, *root, 1, 0, 1)) {
        return gp_bind_fail(L, &err);
    }
    size_t flags = JSON_ENCODE_ANY | JSON_SORT_KEYS | JSON_REAL_PRECISION((size_t)w.precision);
    flags |= indent ? JSON_INDENT((size_t)indent) : (size_t)JSON_COMPACT;
    if (json_dump_callback(*root, append_bytes, out, flags) != 0 || out->failed) {
        (void)gp_fail_memory(&err);
        return gp_bind_fail(L, &err);
    }
    lua_pushlstring(L, out->data, out->length);
    return 1;
}

static void materialise(lua_State *L, const json_t *node)
{
    luaL_checkstack(L, 6, "JSON nested too deeply");
    switch (json_typeof(node)) {
    case JSON_OBJECT: {
        /* jansson's iterators want a mutable object, though they only read it */
        union {
            const json_t *in;
            json_t *out;
        } object = {.in = node};
        lua_createtable(L, 0, (int)json_object_size(node));
        for (void *at = json_object_iter(object.out); at; at = json_object_iter_next(object.out, at)) {
            lua_pushlstring(L, json_object_iter_key(at), json_object_iter_key_len(at));
            materialise(L, json_object_iter_value(at));
            lua_rawset(L, -3);
        }
        break;
    }
    case JSON_ARRAY: {
        size_t count = json_array_size(node);
        lua_createtable(L, (int)(count < 1 << 20 ? count : 1 << 20), 0);
        luaL_setmetatable(L, ARRAY);
        for (size_t i = 0; i < count; i++) {
            materialise(L, json_array_get(node, i));
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
        break;
    }
    case JSON_STRING:
        lua_pushlstring(L, json_string_value(node), json_string_length(node));
        break;
    case JSON_INTEGER:
        lua_pushinteger(L, (lua_Integer)json_integer_value(node));
        break;
    case JSON_REAL:
        lua_pushnumber(L, json_real_value(node));
        break;
    case JSON_TRUE:
        lua_pushboolean(L, 1);
        break;
    case JSON_FALSE:
        lua_pushboolean(L, 0);
        break;
    case JSON_NULL:
        lua_pushlightuserdata(L, NULL);
        break;
    }
}

/* Where brackets outside of strings are nested deeper than MAX_DEPTH: the byte, or `length`. jansson itself
 * goes to 2,048 by recursion, which a small stack does not bear. */
static size_t too_deep(const char *text, size_t length)
{
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (quoted) {
            if (c == '\\') i++;
            if (c == '"') quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '[' || c == '{') {
            if (++depth > MAX_DEPTH) return i;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return length;
}

/* decode(text) */
static int json_decode(lua_State *L)
{
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    json_error_t problem;
    if (too_deep(text, length) < length) {
        gp_error err;
        (void)gp_fail(&err, "EPARSE", "JSON: maximum parsing depth reached (%d)", MAX_DEPTH);
        return gp_bind_fail(L, &err);
    }
    void **root = gp_bind_box(L, release_json);
    *root = json_loadb(text, length, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &problem);
    if (!*root) {
        gp_error err;
        /* without memory jansson may say nothing at all */
        if (json_error_code(&problem) == json_error_out_of_memory || problem.text[0] == '\0') {
            (void)gp_fail_memory(&err);
        } else {
            (void)gp_fail(&err, "EPARSE", "JSON line %d, column %d: %s", problem.line, problem.column,
                          problem.text);
        }
        return gp_bind_fail(L, &err);
    }
    materialise(L, *root);
    return 1;
}

/* array([table]): marks it as an array, so that it stays [] when empty */
static int json_mark_array(lua_State *L)
{
    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
        lua_newtable(L);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    luaL_setmetatable(L, ARRAY);
    return 1;
}

void gp_open_json(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"encode", json_encode}, {"decode", json_decode}, {"array", json_mark_array}, {NULL, NULL}};
    gp_bind_class(L, ARRAY, NULL, NULL);
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
}
