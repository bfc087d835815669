/* Binding of media/media_tape.h: the readers of answer files.
 *
 *   iso.xml(text, name) -> { name=, ns=, attr={}, line=, text=, [1..n]=children }
 *   iso.yaml(text, name) -> { kind="map", line=, [i]={ key=node, value=node } } | { kind="list", line=, [i]=node }
 *                           | { kind="scalar", line=, value=, plain=bool };  false for a file without a value
 * nil, message, code, { line= } for input that cannot be read.
 */
#include <string.h>

#include "media/media_tape.h"
#include "lua/bind.h"
#include "lua/media/iso_media.h"

#define TAPE "gpupt.media.tape"

static int tape_free(lua_State *L)
{
    gp_media_free(luaL_checkudata(L, 1, TAPE));
    return 0;
}

static gp_media_tape *new_tape(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__gc", tape_free}, {"__close", tape_free}, {NULL, NULL}};
    gp_media_tape *tape = lua_newuserdatauv(L, sizeof *tape, 0);
    gp_media_begin(tape);
    gp_bind_class(L, TAPE, NULL, meta);
    lua_setmetatable(L, -2);
    return tape;
}

static int fail(lua_State *L, gp_media_tape *tape, const gp_error *err)
{
    uint32_t line = tape->error_line;
    gp_media_free(tape);
    (void)gp_bind_fail(L, err);
    lua_createtable(L, 0, 1);
    if (line) {
        lua_pushinteger(L, line);
        lua_setfield(L, -2, "line");
    }
    return 4;
}

static void push_text(lua_State *L, const gp_media_tape *tape, const gp_media_event *e)
{
    lua_pushlstring(L, e->length ? tape->text.data + e->at : "", e->length);
}

static void set_line(lua_State *L, const gp_media_event *e)
{
    lua_pushinteger(L, e->line);
    lua_setfield(L, -2, "line");
}

static void open_element(lua_State *L, const gp_media_tape *tape, const gp_media_event *e)
{
    lua_createtable(L, 0, 5);
    push_text(L, tape, e);
    lua_setfield(L, -2, "name");
    set_line(L, e);
    lua_newtable(L);
    lua_setfield(L, -2, "attr");
    lua_pushliteral(L, "");
    lua_setfield(L, -2, "text");
}

/* The text of the element on top: a string, or a list while it comes in pieces. */
static void add_text(lua_State *L, const gp_media_tape *tape, const gp_media_event *e)
{
    if (lua_getfield(L, -1, "text") == LUA_TSTRING) {
        lua_createtable(L, 2, 0);
        lua_insert(L, -2);
        lua_rawseti(L, -2, 1);
        lua_pushvalue(L, -1);
        lua_setfield(L, -3, "text");
    }
    push_text(L, tape, e);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_pop(L, 1);
}

static void join_text(lua_State *L)
{
    if (lua_getfield(L, -1, "text") != LUA_TTABLE) {
        lua_pop(L, 1);
        return;
    }
    int list = lua_gettop(L);
    lua_Integer count = (lua_Integer)lua_rawlen(L, list);
    luaL_Buffer text;
    luaL_buffinit(L, &text);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, list, i);
        luaL_addvalue(&text);
    }
    luaL_pushresult(&text);
    lua_setfield(L, list - 1, "text");
    lua_pop(L, 1);
}

/* Puts the node on top where it belongs: into the list below it, or on the stack's bottom as the result. */
static void append(lua_State *L, int base)
{
    if (lua_gettop(L) - 1 <= base) return;
    lua_pushvalue(L, -1);
    lua_rawseti(L, -3, (lua_Integer)lua_rawlen(L, -3) + 1);
}

static int read_xml(lua_State *L)
{
    size_t length;
    const char *bytes = luaL_checklstring(L, 1, &length);
    const char *name = luaL_checkstring(L, 2);
    lua_settop(L, 2);
    gp_media_tape *tape = new_tape(L);
    gp_error err;
    if (gp_media_read_xml(bytes, length, name, tape, &err) != 0) return fail(L, tape, &err);
    int base = lua_gettop(L);
    luaL_checkstack(L, (int)GP_MEDIA_DEPTH + 10, NULL);
    for (uint32_t i = 0; i < tape->count; i++) {
        const gp_media_event *e = &tape->events[i];
        switch (e->kind) {
        case GP_MEDIA_OPEN:
            open_element(L, tape, e);
            append(L, base);
            break;
        case GP_MEDIA_NAMESPACE:
            push_text(L, tape, e);
            lua_setfield(L, -2, "ns");
            break;
        case GP_MEDIA_ATTRIBUTE:
            lua_getfield(L, -1, "attr");
            push_text(L, tape, e);
            push_text(L, tape, &tape->events[++i]); /* its value */
            lua_rawset(L, -3);
            lua_pop(L, 1);
            break;
        case GP_MEDIA_TEXT:
            add_text(L, tape, e);
            break;
        default: /* CLOSE; the root stays */
            join_text(L);
            if (lua_gettop(L) > base + 1) lua_pop(L, 1);
            break;
        }
    }
    gp_media_free(tape);
    return 1;
}

/* Adds the node on top to the map or list below it and takes a scalar off again. A map's children come in turns:
 * a key begins a pair, which its value completes. */
static void add_node(lua_State *L, int base)
{
    if (lua_gettop(L) - 1 <= base) return; /* the root */
    int parent = lua_gettop(L) - 1;
    lua_getfield(L, parent, "kind");
    bool map = strcmp(lua_tostring(L, -1), "map") == 0;
    lua_pop(L, 1);
    lua_Integer count = (lua_Integer)lua_rawlen(L, parent);
    if (!map) {
        lua_pushvalue(L, -1);
        lua_rawseti(L, parent, count + 1);
        return;
    }
    bool value = false;
    if (count > 0) {
        lua_rawgeti(L, parent, count);
        value = lua_getfield(L, -1, "value") == LUA_TNIL;
        lua_pop(L, 1);
        if (value) {
            lua_pushvalue(L, -2);
            lua_setfield(L, -2, "value");
        }
        lua_pop(L, 1);
    }
    if (value) return;
    lua_createtable(L, 0, 2);
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "key");
    lua_rawseti(L, parent, count + 1);
}

static void push_node(lua_State *L, const char *kind, const gp_media_event *e)
{
    lua_createtable(L, 0, 4);
    lua_pushstring(L, kind);
    lua_setfield(L, -2, "kind");
    set_line(L, e);
}

static int read_yaml(lua_State *L)
{
    size_t length;
    const char *bytes = luaL_checklstring(L, 1, &length);
    const char *name = luaL_checkstring(L, 2);
    lua_settop(L, 2);
    gp_media_tape *tape = new_tape(L);
    gp_error err;
    if (gp_media_read_yaml(bytes, length, name, tape, &err) != 0) return fail(L, tape, &err);
    int base = lua_gettop(L);
    luaL_checkstack(L, (int)GP_MEDIA_DEPTH + 10, NULL);
    for (uint32_t i = 0; i < tape->count; i++) {
        const gp_media_event *e = &tape->events[i];
        switch (e->kind) {
        case GP_MEDIA_MAP:
        case GP_MEDIA_LIST:
            push_node(L, e->kind == GP_MEDIA_MAP ? "map" : "list", e);
            add_node(L, base);
            break;
        case GP_MEDIA_SCALAR:
        case GP_MEDIA_QUOTED:
            push_node(L, "scalar", e);
            push_text(L, tape, e);
            lua_setfield(L, -2, "value");
            lua_pushboolean(L, e->kind == GP_MEDIA_SCALAR);
            lua_setfield(L, -2, "plain");
            add_node(L, base);
            if (lua_gettop(L) > base + 1) lua_pop(L, 1);
            break;
        default: /* END; the root stays */
            if (lua_gettop(L) > base + 1) lua_pop(L, 1);
            break;
        }
    }
    gp_media_free(tape);
    if (lua_gettop(L) == base) lua_pushboolean(L, 0);
    return 1;
}

void gp_open_media(lua_State *L)
{
    static const luaL_Reg functions[] = {{"xml", read_xml}, {"yaml", read_yaml}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
