/* Lua face of offline/vmx: documents as userdata. lua/gpupt/vmx.lua adds what needs no C (each, diff, views). */
#include <string.h>

#include "offline/vmx.h"
#include "lua/bind.h"
#include "lua/offline/core.h"

#define DOCUMENT "gpupt.vmx"

typedef struct document {
    gp_vmx *doc;
} document;

/* Born empty, so that __gc is safe if an error comes before the parse ends. */
static document *new_document(lua_State *L)
{
    document *d = lua_newuserdatauv(L, sizeof *d, 0);
    d->doc = NULL;
    luaL_setmetatable(L, DOCUMENT);
    return d;
}

static gp_vmx *check_document(lua_State *L)
{
    document *d = luaL_checkudata(L, 1, DOCUMENT);
    luaL_argcheck(L, d->doc != NULL, 1, "this vmx document is closed");
    return d->doc;
}

static uint64_t check_limit(lua_State *L, int arg)
{
    return lua_isnoneornil(L, arg) ? 0 : gp_bind_check_u64(L, arg);
}

/* Lua sees only the small userdata: with the size of the document it collects them in time. */
static int born(lua_State *L, const gp_vmx *doc)
{
    size_t bytes = gp_vmx_memory(doc);
    lua_gc(L, LUA_GCSTEP, (int)(bytes / 1024) + 1);
    return 1;
}

static int vmx_parse(lua_State *L)
{
    gp_error err;
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    uint64_t limit = check_limit(L, 2);
    document *d = new_document(L);
    d->doc = gp_vmx_parse(text, length, limit, &err);
    return d->doc ? born(L, d->doc) : gp_bind_fail(L, &err);
}

static int vmx_open(lua_State *L)
{
    gp_error err;
    const char *path = luaL_checkstring(L, 1);
    uint64_t limit = check_limit(L, 2);
    document *d = new_document(L);
    d->doc = gp_vmx_open(path, limit, &err);
    return d->doc ? born(L, d->doc) : gp_bind_fail(L, &err);
}

static int push_buf(lua_State *L, gp_buf *buf)
{
    if (buf->failed) return luaL_error(L, "out of memory");
    lua_pushlstring(L, buf->data ? buf->data : "", buf->length);
    return 1;
}

static int document_get(lua_State *L)
{
    gp_vmx *doc = check_document(L);
    size_t length;
    const char *key = luaL_checklstring(L, 2, &length);
    int64_t line = gp_vmx_find(doc, key, length);
    if (line < 0) {
        lua_pushnil(L);
        lua_pushfstring(L, "%s is not set", key);
        lua_pushliteral(L, "ENOENT");
        return 3;
    }
    gp_buf *value = gp_bind_buf(L);
    (void)gp_vmx_line_value(doc, (uint32_t)line, value);
    return push_buf(L, value);
}

/* A boolean is spelled as hosts spell it; a number in decimal. */
static const char *check_value(lua_State *L, int arg, size_t *length)
{
    if (lua_isboolean(L, arg)) {
        lua_pushstring(L, lua_toboolean(L, arg) ? "TRUE" : "FALSE");
        return lua_tolstring(L, -1, length);
    }
    if (lua_type(L, arg) == LUA_TNUMBER) {
        lua_pushinteger(L, luaL_checkinteger(L, arg)); /* 4096.0 is 4096, 1.5 is misuse */
        return lua_tolstring(L, -1, length);
    }
    return luaL_checklstring(L, arg, length);
}

static int document_set(lua_State *L)
{
    gp_error err;
    gp_vmx *doc = check_document(L);
    size_t key_length, value_length;
    const char *key = luaL_checklstring(L, 2, &key_length);
    const char *value = check_value(L, 3, &value_length);
    if (gp_vmx_set(doc, key, key_length, value, value_length, &err) != 0) return gp_bind_fail(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

static int document_unset(lua_State *L)
{
    gp_error err;
    gp_vmx *doc = check_document(L);
    size_t length;
    uint32_t removed;
    const char *key = luaL_checklstring(L, 2, &length);
    if (gp_vmx_unset(doc, key, length, &removed, &err) != 0) return gp_bind_fail(L, &err);
    lua_pushinteger(L, (lua_Integer)removed);
    return 1;
}

/* The line number of a key (its last one), from 1. */
static int document_where(lua_State *L)
{
    gp_vmx *doc = check_document(L);
    size_t length;
    const char *key = luaL_checklstring(L, 2, &length);
    int64_t line = gp_vmx_find(doc, key, length);
    if (line >= 0) {
        lua_pushinteger(L, line + 1);
        return 1;
    }
    lua_pushnil(L);
    lua_pushfstring(L, "%s is not set", key);
    lua_pushliteral(L, "ENOENT");
    return 3;
}

static int document_line(lua_State *L)
{
    gp_vmx *doc = check_document(L);
    lua_Integer line = luaL_checkinteger(L, 2);
    size_t length;
    if (line < 1 || line > (lua_Integer)gp_vmx_line_count(doc)) {
        lua_pushnil(L);
        lua_pushfstring(L, "there is no line %I", line);
        lua_pushliteral(L, "ENOENT");
        return 3;
    }
    const char *text = gp_vmx_line(doc, (uint32_t)(line - 1), &length);
    lua_pushlstring(L, text, length);
    return 1;
}

static int document_count(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)gp_vmx_line_count(check_document(L)));
    return 1;
}

/* {key, value, line, key, value, line...} of all pairs: a snapshot, so that a loop may edit. */
static int document_pairs(lua_State *L)
{
    gp_vmx *doc = check_document(L);
    uint32_t count = gp_vmx_line_count(doc);
    gp_buf *buf = gp_bind_buf(L);
    lua_newtable(L);
    lua_Integer at = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (gp_vmx_line_kind(doc, i) != GP_VMX_PAIR) continue;
        gp_buf_clear(buf);
        (void)gp_vmx_line_key(doc, i, buf);
        push_buf(L, buf);
        lua_rawseti(L, -2, ++at);
        gp_buf_clear(buf);
        (void)gp_vmx_line_value(doc, i, buf);
        push_buf(L, buf);
        lua_rawseti(L, -2, ++at);
        lua_pushinteger(L, (lua_Integer)i + 1);
        lua_rawseti(L, -2, ++at);
    }
    return 1;
}

static void push_problem(lua_State *L, const gp_vmx *doc, uint32_t line, enum gp_vmx_problem problem,
                         uint32_t first)
{
    size_t length;
    const char *code = "odd-line";
    const char *name;
    lua_createtable(L, 0, 4);
    switch (problem) {
    case GP_VMX_UNBALANCED:
        code = "unbalanced-quote";
        lua_pushliteral(L, "the quoted value has no closing quote: the VM will not load");
        break;
    case GP_VMX_TRAILING:
        code = "trailing-text";
        lua_pushliteral(
            L, "unexpected text after the value (a value with blanks needs quotes, a quote in it is |22): "
               "hosts ignore the line");
        break;
    case GP_VMX_NO_NAME:
        code = "no-name";
        lua_pushliteral(L, "there is no name before the =: hosts ignore the line");
        break;
    case GP_VMX_DUPLICATE:
        code = "duplicate-key";
        name = gp_vmx_line_name(doc, line, &length);
        lua_pushlstring(L, name, length);
        lua_pushfstring(L, "%s is on line %d already: ESXi refuses the file (\"Variable already defined\")",
                        lua_tostring(L, -1), (int)first + 1);
        lua_remove(L, -2);
        break;
    case GP_VMX_ESCAPE:
        code = "bad-escape";
        lua_pushliteral(L, "a | is not followed by two hexadecimal digits: it is read unchanged (write |7C)");
        break;
    case GP_VMX_UTF8:
        code = "not-utf8";
        lua_pushliteral(L, "the line is not UTF-8, and no .encoding says what it is");
        break;
    case GP_VMX_NO_EQUALS:
    case GP_VMX_NO_PROBLEM:
    default:
        lua_pushliteral(L, "neither a comment nor NAME = VALUE: hosts ignore the line");
        break;
    }
    lua_setfield(L, -2, "message");
    lua_pushstring(L, code);
    lua_setfield(L, -2, "code");
    lua_pushinteger(L, (lua_Integer)line + 1);
    lua_setfield(L, -2, "line");
    if (problem == GP_VMX_DUPLICATE) {
        lua_pushinteger(L, (lua_Integer)first + 1);
        lua_setfield(L, -2, "first");
    }
}

static int document_problems(lua_State *L)
{
    gp_error err;
    gp_vmx *doc = check_document(L);
    if (gp_vmx_index_duplicates(doc, &err) != 0) return luaL_error(L, "%s", err.message);
    lua_newtable(L);
    lua_Integer at = 0;
    uint32_t count = gp_vmx_line_count(doc), first = 0;
    for (uint32_t i = 0; i < count; i++) {
        enum gp_vmx_problem problem = gp_vmx_problem_at(doc, i, &first);
        if (problem == GP_VMX_NO_PROBLEM) continue;
        push_problem(L, doc, i, problem, first);
        lua_rawseti(L, -2, ++at);
    }
    return 1;
}

static int document_path(lua_State *L)
{
    const char *path = gp_vmx_path(check_document(L));
    if (path) {
        lua_pushstring(L, path);
        return 1;
    }
    lua_pushnil(L);
    lua_pushliteral(L, "this document came from a text, not from a file");
    lua_pushliteral(L, "ENOENT");
    return 3;
}

static int document_changed(lua_State *L)
{
    lua_pushboolean(L, gp_vmx_changed(check_document(L)));
    return 1;
}

/* save(path or nil, overwrite) */
static int document_save(lua_State *L)
{
    gp_error err;
    gp_vmx *doc = check_document(L);
    const char *path = luaL_optstring(L, 2, NULL);
    if (gp_vmx_save(doc, path, lua_toboolean(L, 3) != 0, &err) != 0) return gp_bind_fail(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

static int document_text(lua_State *L)
{
    gp_vmx *doc = check_document(L);
    gp_buf *text = gp_bind_buf(L);
    (void)gp_vmx_write(doc, text);
    return push_buf(L, text);
}

/* _replace(text): replaces all lines */
static int document_replace(lua_State *L)
{
    gp_error err;
    gp_vmx *doc = check_document(L);
    size_t length;
    const char *text = luaL_checklstring(L, 2, &length);
    if (gp_vmx_replace_text(doc, text, length, &err) != 0) return gp_bind_fail(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

static int document_release(lua_State *L)
{
    document *d = luaL_checkudata(L, 1, DOCUMENT);
    gp_vmx_free(d->doc);
    d->doc = NULL;
    return 0;
}

void gp_open_vmx(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__gc", document_release},
                                    {"__close", document_release},
                                    {"__tostring", document_text},
                                    {NULL, NULL}};
    static const luaL_Reg methods[] = {{"get", document_get},       {"set", document_set},
                                       {"unset", document_unset},   {"where", document_where},
                                       {"line", document_line},     {"count", document_count},
                                       {"_pairs", document_pairs},  {"problems", document_problems},
                                       {"path", document_path},     {"changed", document_changed},
                                       {"_save", document_save},    {"_replace", document_replace},
                                       {"close", document_release}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"parse", vmx_parse}, {"open", vmx_open}, {NULL, NULL}};
    gp_bind_class(L, DOCUMENT, methods, meta);
    luaL_newlib(L, functions);
    lua_getfield(L, -2, "__index"); /* the Lua half adds its methods here */
    lua_setfield(L, -2, "methods");
    lua_remove(L, -2);
}
