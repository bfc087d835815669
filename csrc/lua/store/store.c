/* gpupt.store: the journal for Lua. Objects: a journal, and the iterators that its rows and runs give.
 *
 *   store.read(path) -> journal           for reading only: nothing is created or changed
 *   store.open(path) -> journal           journal:begin{id=, playbook=...}      journal:append{run=, kind=...} -> number
 *   journal:gather()                      rows appended from now on are on disk only after journal:commit()
 *   for row in journal:rows(run[, after]) journal:runs()     journal:close()      claims: lease.c
 */
#include "lua/store/store.h"

GP_EXPORT int luaopen_gpupt_store(lua_State *L);

#define JOURNAL "gpupt.journal"

void gp_store_release_cursor(void *pointer)
{
    gp_journal_cursor_close(pointer);
}

/* The userdata holds the pointer; NULL before it is opened and after it was closed. */
static gp_journal **slot(lua_State *L)
{
    return luaL_checkudata(L, 1, JOURNAL);
}

gp_journal *gp_store_check(lua_State *L)
{
    gp_journal **journal = slot(L);
    luaL_argcheck(L, *journal != NULL, 1, "the journal is closed");
    return *journal;
}

static int journal_close(lua_State *L)
{
    gp_journal **journal = slot(L);
    gp_journal *open = *journal;
    *journal = NULL;
    gp_journal_close(open);
    return 0;
}

static int push_journal(lua_State *L, gp_journal *(*open)(const char *, gp_error *))
{
    const char *path = luaL_checkstring(L, 1);
    gp_error err;
    gp_journal **journal = lua_newuserdatauv(L, sizeof(gp_journal *), 0);
    *journal = NULL;
    luaL_setmetatable(L, JOURNAL);
    *journal = open(path, &err);
    return *journal ? 1 : gp_bind_fail(L, &err);
}

static int store_open(lua_State *L)
{
    return push_journal(L, gp_journal_open);
}

static int store_read(lua_State *L)
{
    return push_journal(L, gp_journal_read);
}

const char *gp_store_text(lua_State *L, int table, const char *name, bool required)
{
    int type = lua_getfield(L, table, name);
    const char *text = NULL;
    if (type == LUA_TSTRING) {
        text = lua_tostring(L, -1);
    } else if (type != LUA_TNIL || required) {
        luaL_error(L, "field '%s' must be a string, not %s", name, luaL_typename(L, -1));
    }
    lua_pop(L, 1);
    return text;
}

static int journal_begin(lua_State *L)
{
    gp_journal *journal = gp_store_check(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    gp_journal_run run = {
        .id = gp_store_text(L, 2, "id", true),
        .playbook = gp_store_text(L, 2, "playbook", true),
        .hash = gp_store_text(L, 2, "hash", false),
        .endpoint = gp_store_text(L, 2, "endpoint", false),
        .who = gp_store_text(L, 2, "who", false),
        .client_host = gp_store_text(L, 2, "client_host", false),
        .note = gp_store_text(L, 2, "note", false),
        .kind = gp_store_text(L, 2, "kind", false),
        .undoes = gp_store_text(L, 2, "undoes", false),
    };
    gp_error err;
    if (gp_journal_begin(journal, &run, &err) != 0) return gp_bind_fail(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

static int journal_append(lua_State *L)
{
    gp_journal *journal = gp_store_check(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    gp_journal_row row = {
        .run = gp_store_text(L, 2, "run", true),
        .kind = gp_store_text(L, 2, "kind", true),
        .target = gp_store_text(L, 2, "target", false),
        .identity = gp_store_text(L, 2, "identity", false),
        .step = gp_store_text(L, 2, "step", false),
        .source = gp_store_text(L, 2, "source", false),
        .action = gp_store_text(L, 2, "action", false),
        .object = gp_store_text(L, 2, "object", false),
        .what = gp_store_text(L, 2, "what", false),
        .operation = gp_store_text(L, 2, "operation", false),
        .detail = gp_store_text(L, 2, "detail", false),
    };
    lua_getfield(L, 2, "of");
    row.of = luaL_optinteger(L, -1, 0);
    gp_error err;
    int64_t number;
    if (gp_journal_append(journal, &row, &number, &err) != 0) return gp_bind_fail(L, &err);
    lua_pushinteger(L, number);
    return 1;
}

static int done(lua_State *L, int (*what)(gp_journal *, gp_error *))
{
    gp_error err;
    if (what(gp_store_check(L), &err) != 0) return gp_bind_fail(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

static int journal_gather(lua_State *L)
{
    return done(L, gp_journal_gather);
}

static int journal_commit(lua_State *L)
{
    return done(L, gp_journal_commit);
}

static int cursor_next(lua_State *L)
{
    void **box = lua_touserdata(L, lua_upvalueindex(1)); /* a box begins with its pointer */
    gp_journal_cursor *cursor = *box;
    gp_error err;
    if (!cursor) return 0;
    int more = gp_journal_next(cursor, &err);
    if (more < 0) return luaL_error(L, "%s", err.message);
    if (more == 0) {
        *box = NULL;
        gp_store_release_cursor(cursor);
        return 0;
    }
    int columns = gp_journal_columns(cursor);
    lua_createtable(L, 0, columns);
    for (int i = 0; i < columns; i++) {
        size_t length;
        switch (gp_journal_type_of(cursor, i)) {
        case GP_JOURNAL_NULL:
            continue;
        case GP_JOURNAL_INTEGER:
            lua_pushinteger(L, gp_journal_integer(cursor, i));
            break;
        case GP_JOURNAL_REAL:
            lua_pushnumber(L, gp_journal_real(cursor, i));
            break;
        case GP_JOURNAL_TEXT: {
            const char *text = gp_journal_text(cursor, i, &length);
            lua_pushlstring(L, text, length);
            break;
        }
        }
        lua_setfield(L, -2, gp_journal_column(cursor, i));
    }
    return 1;
}

int gp_store_push_cursor(lua_State *L, void **box, gp_journal_cursor *cursor, const gp_error *err)
{
    if (!cursor) return gp_bind_fail(L, err);
    *box = cursor;
    int at = lua_gettop(L);
    lua_pushvalue(L, at);
    lua_pushcclosure(L, cursor_next, 1);
    lua_pushnil(L);
    lua_pushnil(L);
    lua_pushvalue(L, at);
    return 4;
}

static int journal_rows(lua_State *L)
{
    gp_journal *journal = gp_store_check(L);
    const char *run = luaL_checkstring(L, 2);
    lua_Integer after = luaL_optinteger(L, 3, 0);
    void **box = gp_bind_box(L, gp_store_release_cursor);
    gp_error err;
    return gp_store_push_cursor(L, box, gp_journal_rows(journal, run, after, &err), &err);
}

static int journal_runs(lua_State *L)
{
    gp_journal *journal = gp_store_check(L);
    void **box = gp_bind_box(L, gp_store_release_cursor);
    gp_error err;
    return gp_store_push_cursor(L, box, gp_journal_runs(journal, &err), &err);
}

int luaopen_gpupt_store(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"begin", journal_begin},   {"append", journal_append},
        {"rows", journal_rows},     {"runs", journal_runs},
        {"close", journal_close},   {"gather", journal_gather},
        {"commit", journal_commit}, {NULL, NULL},
    };
    static const luaL_Reg meta[] = {{"__gc", journal_close}, {"__close", journal_close}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"open", store_open}, {"read", store_read}, {NULL, NULL}};
    luaL_checkversion(L);
    gp_bind_class(L, JOURNAL, methods, meta);
    lua_getfield(L, -1, "__index");
    luaL_setfuncs(L, gp_store_lease_methods, 0);
    lua_pop(L, 2);
    luaL_newlib(L, functions);
    return 1;
}
