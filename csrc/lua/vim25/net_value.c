/* The tape as Lua values: see net_value.h for what Lua sees.
 *
 * Building is one C function that walks the cells; all C memory belongs to the tape's userdata, so a jump out
 * of any Lua call leaks nothing. Key strings come from a table indexed by the schema's name number, tables
 * are created at their size, and each type has one metatable for all its values (net_types.h).
 */
#include "lua/bind.h"
#include "lua/vim25/net.h"
#include "lua/vim25/net_codec.h"
#include "lua/vim25/net_types.h"

#include "vim25/tape_page.h"

#include <string.h>

#define TAPE "gpupt.tape"

/* Stack places of what a walk needs. */
typedef struct build {
    lua_State *L;
    const gp_tape *tape;
    int keys;  /* name number -> string */
    int types; /* type number -> metatable */
    int refs;  /* "Type:value" -> what make gave; 0: none */
    int make;
} build;

static const char keys_place;

/* ---- values */
static void push_value(const build *b, uint32_t at);

static void push_key(const build *b, const gp_cell *cell)
{
    lua_State *L = b->L;
    if (cell->key >= GP_KEY_OWN) {
        lua_pushstring(L, gp_tape_key(b->tape, cell));
        return;
    }
    if (lua_rawgeti(L, b->keys, cell->key + 1) == LUA_TSTRING) return;
    lua_pop(L, 1);
    lua_pushstring(L, gp_schema_name(cell->key));
    lua_pushvalue(L, -1);
    lua_rawseti(L, b->keys, cell->key + 1);
}

static void push_moref(const build *b, const gp_cell *cell)
{
    lua_State *L = b->L;
    const char *text = gp_tape_text(b->tape, cell);
    const char *colon = memchr(text, ':', cell->as.text.length);
    size_t type_length = (size_t)(colon - text), value_length = cell->as.text.length - type_length - 1;
    if (!b->refs) {
        lua_createtable(L, 0, 2);
        lua_pushlstring(L, text, type_length);
        lua_setfield(L, -2, "type");
        lua_pushlstring(L, colon + 1, value_length);
        lua_setfield(L, -2, "value");
        return;
    }
    lua_pushlstring(L, text, cell->as.text.length);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, b->refs) != LUA_TNIL) {
        lua_remove(L, -2);
        return;
    }
    lua_pop(L, 1);
    lua_pushvalue(L, b->make);
    lua_pushlstring(L, text, type_length);
    lua_pushlstring(L, colon + 1, value_length);
    lua_call(L, 2, 1);
    lua_pushvalue(L, -1);
    lua_insert(L, -3);
    lua_rawset(L, b->refs);
}

static void push_list(const build *b, uint32_t at)
{
    lua_State *L = b->L;
    const gp_cell *cells = b->tape->cells;
    uint32_t end = cells[at].as.head.end;
    lua_Integer n = 0;
    lua_createtable(L, cells[at].as.head.count < INT32_MAX ? (int)cells[at].as.head.count : INT32_MAX, 0);
    for (uint32_t i = at + 1; i < end; i = gp_tape_after(b->tape, i)) {
        if (cells[i].tag == GP_TAG_NULL) continue;
        push_value(b, i);
        lua_rawseti(L, -2, ++n);
    }
    if ((cells[at].flags & GP_CELL_ANY) && cells[at].type != GP_VOID) gp_types_set_list(L, cells[at].type);
}

/* Of an object whose children came out of order, or are unknown: a key may come again, and then its values
 * form one list. The table of the object is on top, `lists` (which keys hold such a list already) below it.
 */
static void merge_child(const build *b, uint32_t at)
{
    lua_State *L = b->L;
    const gp_cell *cell = &b->tape->cells[at];
    int object = lua_gettop(L), lists = object - 1;
    push_key(b, cell);
    int key = object + 1;
    lua_pushvalue(L, key);
    bool again = lua_rawget(L, object) != LUA_TNIL;
    lua_pushvalue(L, key);
    bool is_list = lua_rawget(L, lists) != LUA_TNIL;
    lua_settop(L, key);
    bool starts_list = cell->tag == GP_TAG_ARRAY || (cell->tag == GP_TAG_MANY && cell->as.head.count > 1);
    if (!again || (cell->tag != GP_TAG_ARRAY && cell->tag != GP_TAG_MANY)) {
        lua_pushvalue(L, key);
        push_value(b, at);
        lua_rawset(L, object);
        if (starts_list) {
            lua_pushvalue(L, key);
            lua_pushboolean(L, 1);
            lua_rawset(L, lists);
        }
        lua_settop(L, object);
        return;
    }
    lua_pushvalue(L, key);
    lua_rawget(L, object); /* key + 1: what is there */
    if (!is_list) {        /* one plain value so far */
        lua_createtable(L, 2, 0);
        lua_insert(L, -2);
        lua_rawseti(L, -2, 1);
        lua_pushvalue(L, key);
        lua_pushvalue(L, -2);
        lua_rawset(L, object);
        lua_pushvalue(L, key);
        lua_pushboolean(L, 1);
        lua_rawset(L, lists);
    }
    lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
    for (uint32_t i = at + 1; i < cell->as.head.end; i = gp_tape_after(b->tape, i)) {
        if (b->tape->cells[i].tag == GP_TAG_NULL) continue;
        push_value(b, i);
        lua_rawseti(L, -2, ++n);
    }
    lua_settop(L, object);
}

static void push_object(const build *b, uint32_t at)
{
    lua_State *L = b->L;
    const gp_cell *cells = b->tape->cells, *cell = &cells[at];
    uint32_t end = cell->as.head.end, i = at + 1;
    int extra = (cell->flags & GP_CELL_TYPED) ? 1 : 0;
    bool merge = cell->flags & GP_CELL_MERGE;
    if (merge) lua_newtable(L);
    lua_createtable(L, 0, (int)(cell->as.head.count < 4096 ? cell->as.head.count : 4096) + extra);
    if (cell->flags & GP_CELL_NAMED) i++;
    if (extra) {
        lua_pushstring(L, gp_tape_type_name(b->tape, at));
        lua_setfield(L, -2, "_type");
    }
    while (i < end) {
        uint32_t next = gp_tape_after(b->tape, i);
        if (cells[i].tag != GP_TAG_NULL) {
            if (merge) {
                merge_child(b, i);
            } else {
                push_key(b, &cells[i]);
                push_value(b, i);
                lua_rawset(L, -3);
            }
        }
        i = next;
    }
    if (merge) lua_remove(L, -2);
    /* of an unknown type we cannot say which fields it has */
    if (cell->type != GP_VOID && !(cell->flags & GP_CELL_NAMED))
        gp_types_set_object(b->L, b->types, cell->type);
}

static void push_value(const build *b, uint32_t at)
{
    lua_State *L = b->L;
    const gp_cell *cell = &b->tape->cells[at];
    switch ((gp_tag)cell->tag) {
    case GP_TAG_INTEGER:
        lua_pushinteger(L, (lua_Integer)cell->as.integer);
        return;
    case GP_TAG_DOUBLE:
        lua_pushnumber(L, cell->as.number);
        return;
    case GP_TAG_BOOLEAN:
        lua_pushboolean(L, cell->as.integer != 0);
        return;
    case GP_TAG_STRING:
    case GP_TAG_BINARY:
        lua_pushlstring(L, gp_tape_text(b->tape, cell), cell->as.text.length);
        return;
    case GP_TAG_NULL:
        lua_pushnil(L);
        return;
    default:
        break;
    }
    luaL_checkstack(L, 12, "the response is nested too deeply");
    switch ((gp_tag)cell->tag) {
    case GP_TAG_MOREF:
        push_moref(b, cell);
        return;
    case GP_TAG_MANY:
        if (cell->as.head.count == 1)
            push_value(b, at + 1);
        else
            push_list(b, at);
        return;
    case GP_TAG_ARRAY:
        push_list(b, at);
        return;
    default:
        push_object(b, at);
        return;
    }
}

/* ---- the tape userdata */
static gp_tape **check_tape(lua_State *L, int index)
{
    return luaL_checkudata(L, index, TAPE);
}

static gp_tape *full_tape(lua_State *L, int index)
{
    gp_tape **tape = check_tape(L, index);
    if (!*tape) luaL_argerror(L, index, "this response has already been read, or has not arrived");
    return *tape;
}

static int tape_release(lua_State *L)
{
    gp_tape **tape = check_tape(L, 1);
    gp_tape_free(*tape);
    *tape = NULL;
    return 0;
}

/* `refs` and `make` at `first` and after it; pushes the cache tables. */
static build start_build(lua_State *L, const gp_tape *tape, int first)
{
    build b = {L, tape, 0, 0, 0, 0};
    if (!lua_isnoneornil(L, first)) {
        luaL_checktype(L, first, LUA_TTABLE);
        luaL_checktype(L, first + 1, LUA_TFUNCTION);
        b.refs = first;
        b.make = first + 1;
    }
    gp_types_registry(L, &keys_place, (int)gp_schema_count.names);
    b.keys = lua_gettop(L);
    gp_types_push(L);
    b.types = lua_gettop(L);
    return b;
}

/* What an empty answer means: true for void, {} for a list, false for an optional object. */
static void push_nothing(lua_State *L, const gp_tape *tape)
{
    if (!tape->method)
        lua_pushnil(L);
    else if (tape->method->result == GP_VOID)
        lua_pushboolean(L, 1);
    else if (tape->method->result_flags & GP_FIELD_ARRAY)
        lua_newtable(L);
    else
        lua_pushboolean(L, 0);
}

static int tape_value(lua_State *L)
{
    gp_tape *tape = full_tape(L, 1);
    lua_settop(L, 3);
    build b = start_build(L, tape, 2);
    if (tape->count == 0 || tape->cells[0].tag == GP_TAG_NULL)
        push_nothing(L, tape);
    else
        push_value(&b, 0);
    lua_pushcfunction(L, tape_release);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 0);
    return 1;
}

static int tape_kind(lua_State *L)
{
    static const char *const kinds[] = {"result", "fault", "document"};
    gp_tape **tape = check_tape(L, 1);
    if (*tape)
        lua_pushstring(L, kinds[(*tape)->kind]);
    else
        lua_pushnil(L);
    return 1;
}

static int tape_fault(lua_State *L)
{
    char code[96];
    gp_tape *tape = full_tape(L, 1);
    luaL_argcheck(L, tape->kind == GP_TAPE_FAULT, 1, "this response is not a fault");
    lua_settop(L, 3);
    build b = start_build(L, tape, 2);
    gp_buf *message = gp_bind_buf(L);
    if (gp_tape_fault_text(tape, message, code, sizeof code) != 0) return luaL_error(L, "out of memory");
    lua_pushlstring(L, message->data, message->length);
    lua_pushstring(L, code);
    lua_createtable(L, 0, 3);
    if (tape->count > 0) {
        push_value(&b, 0);
        lua_setfield(L, -2, "fault");
    }
    lua_pushstring(L, tape->slab + tape->fault_string);
    lua_setfield(L, -2, "string");
    lua_pushcfunction(L, tape_release);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 0);
    return 3;
}

static int tape_bytes(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)full_tape(L, 1)->bytes);
    return 1;
}

static int tape_size(lua_State *L)
{
    const gp_tape *tape = full_tape(L, 1);
    lua_pushinteger(L, (lua_Integer)tape->count);
    lua_pushinteger(L, (lua_Integer)tape->slab_length);
    return 2;
}

/* ---- a page of objects, one at a time */

/* name -> value of every pair, onto the table on top. */
static void set_pairs(const build *b, gp_pairs pairs)
{
    while (gp_pairs_next(&pairs)) {
        push_value(b, pairs.first);
        push_value(b, pairs.second);
        lua_rawset(b->L, -3);
    }
}

/* Upvalues: tape, refs, make, the page (checked when it was opened). */
static int page_step(lua_State *L)
{
    gp_tape **place = lua_touserdata(L, lua_upvalueindex(1));
    gp_page *page = lua_touserdata(L, lua_upvalueindex(4));
    gp_page here;
    gp_page_object object;
    lua_settop(L, 0);
    if (!*place) return 0;
    here = *page; /* a step that raises (in make, out of memory) can be repeated */
    if (!gp_page_next(&here, &object)) {
        gp_tape *tape = *place;
        *place = NULL;
        gp_tape_free(tape);
        return 0;
    }
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_pushvalue(L, lua_upvalueindex(3));
    build b = start_build(L, *place, 1);
    push_value(&b, object.reference);
    lua_createtable(L, 0, (int)object.properties);
    set_pairs(&b, gp_page_properties(&here, &object));
    gp_pairs missing = gp_page_missing(&here, &object);
    gp_pairs first = missing;
    if (gp_pairs_next(&first)) {
        lua_newtable(L);
        set_pairs(&b, missing);
    } else {
        lua_pushnil(L);
    }
    *page = here;
    return 3;
}

/* page([refs, make]): count, token, step; or nil, message, "EPROTOCOL". */
static int tape_page(lua_State *L)
{
    gp_error err;
    gp_tape *tape = full_tape(L, 1);
    luaL_argcheck(L, gp_page_is(tape), 1, "this response is not a page of objects");
    lua_settop(L, 3);
    if (!lua_isnil(L, 2)) {
        luaL_checktype(L, 2, LUA_TTABLE);
        luaL_checktype(L, 3, LUA_TFUNCTION);
    }
    gp_page *page = lua_newuserdatauv(L, sizeof *page, 0);
    if (gp_page_open(page, tape, &err) != 0) return gp_bind_fail(L, &err);
    lua_insert(L, 1);
    lua_pushinteger(L, (lua_Integer)page->count);
    if (page->token)
        lua_pushlstring(L, gp_tape_text(tape, page->token), page->token->as.text.length);
    else
        lua_pushnil(L);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 3);
    lua_pushvalue(L, 4);
    lua_pushvalue(L, 1);
    lua_pushcclosure(L, page_step, 4);
    return 3;
}

gp_tape **gp_value_tape(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__gc", tape_release}, {"__close", tape_release}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"value", tape_value}, {"kind", tape_kind}, {"fault", tape_fault},     {"page", tape_page},
        {"bytes", tape_bytes}, {"size", tape_size}, {"release", tape_release}, {NULL, NULL}};
    gp_tape **tape = lua_newuserdatauv(
        L, sizeof *tape, 0); /* NOLINT(bugprone-sizeof-expression): a pointer is what it holds */
    *tape = NULL;
    gp_bind_class(L, TAPE, methods, meta);
    lua_setmetatable(L, -2);
    return tape;
}
