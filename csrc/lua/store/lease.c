/* Claims for Lua, methods of a journal. `clock` is { now =, wall =, boot = } (gpupt.clock.read).
 *
 *   journal:enter(clock, { run =, process =, pid =, started =, client_host =, seconds =, instead = })
 *       -> true; nil, message, "EHELD" when another process works on the run
 *   journal:renew(clock, run, process, seconds) -> true; nil, message, "ELAPSED"
 *   journal:works(clock, run, process) -> whether this process is entered, and in force
 *   journal:leave(run, process)
 *   journal:claim(clock, { resource =, run =, process =, what =, host =, vm =, object = })
 *       -> true; nil, message, "EHELD", { run =, resource = }; nil, message, "ELAPSED"
 *   journal:keep(run, process, resource, reason)      journal:release(run, process, resource) -> whether it held it
 *   journal:inherit(run, process, from) -> how many claims of a run without a process it has now
 *   journal:runner(clock, run)                        for record in journal:leases(clock) do ... end
 */
#include "store/lease.h"

#include "lua/store/store.h"

static gp_journal_clock check_clock(lua_State *L, int arg)
{
    gp_journal_clock clock;
    luaL_checktype(L, arg, LUA_TTABLE);
    lua_getfield(L, arg, "now");
    clock.now = luaL_checknumber(L, -1);
    lua_getfield(L, arg, "wall");
    clock.wall = luaL_checknumber(L, -1);
    lua_pop(L, 2);
    clock.boot = gp_store_text(L, arg, "boot", true);
    return clock;
}

static int done(lua_State *L)
{
    lua_pushboolean(L, 1);
    return 1;
}

static int lapsed(lua_State *L)
{
    lua_pushnil(L);
    lua_pushliteral(L, "the run's claims are no longer in force");
    lua_pushliteral(L, "ELAPSED");
    return 3;
}

static int lease_enter(lua_State *L)
{
    gp_journal *journal = gp_store_check(L);
    gp_journal_clock clock = check_clock(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    gp_runner runner = {
        .run = gp_store_text(L, 3, "run", true),
        .process = gp_store_text(L, 3, "process", true),
        .started = gp_store_text(L, 3, "started", false),
        .client_host = gp_store_text(L, 3, "client_host", false),
    };
    const char *instead = gp_store_text(L, 3, "instead", false);
    lua_getfield(L, 3, "pid");
    runner.pid = luaL_checkinteger(L, -1);
    lua_getfield(L, 3, "seconds");
    double seconds = luaL_checknumber(L, -1);
    gp_error err;
    int entered = gp_journal_enter(journal, &clock, &runner, seconds, instead, &err);
    if (entered < 0) return gp_bind_fail(L, &err);
    if (entered) return done(L);
    lua_pushnil(L);
    lua_pushfstring(L, "another process works on run %s", runner.run);
    lua_pushliteral(L, "EHELD");
    return 3;
}

static int lease_renew(lua_State *L)
{
    gp_journal *journal = gp_store_check(L);
    gp_journal_clock clock = check_clock(L, 2);
    gp_error err;
    int renewed = gp_journal_renew(journal, &clock, luaL_checkstring(L, 3), luaL_checkstring(L, 4),
                                   luaL_checknumber(L, 5), &err);
    if (renewed < 0) return gp_bind_fail(L, &err);
    return renewed ? done(L) : lapsed(L);
}

static int lease_works(lua_State *L)
{
    gp_journal *journal = gp_store_check(L);
    gp_journal_clock clock = check_clock(L, 2);
    gp_error err;
    int works = gp_journal_works(journal, &clock, luaL_checkstring(L, 3), luaL_checkstring(L, 4), &err);
    if (works < 0) return gp_bind_fail(L, &err);
    lua_pushboolean(L, works);
    return 1;
}

static int lease_leave(lua_State *L)
{
    gp_journal *journal = gp_store_check(L);
    gp_error err;
    if (gp_journal_leave(journal, luaL_checkstring(L, 2), luaL_checkstring(L, 3), &err) != 0)
        return gp_bind_fail(L, &err);
    return done(L);
}

static int lease_claim(lua_State *L)
{
    gp_journal *journal = gp_store_check(L);
    gp_journal_clock clock = check_clock(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    gp_lease lease = {
        .resource = gp_store_text(L, 3, "resource", true),
        .run = gp_store_text(L, 3, "run", true),
        .process = gp_store_text(L, 3, "process", true),
        .what = gp_store_text(L, 3, "what", true),
        .host = gp_store_text(L, 3, "host", false),
        .vm = gp_store_text(L, 3, "vm", false),
        .object = gp_store_text(L, 3, "object", false),
    };
    char holder[128];
    gp_error err;
    int granted = gp_journal_claim(journal, &clock, &lease, holder, sizeof holder, &err);
    if (granted < 0) return gp_bind_fail(L, &err);
    if (granted) return done(L);
    if (!*holder) return lapsed(L);
    lua_pushnil(L);
    lua_pushfstring(L, "%s is claimed by run %s", lease.what, holder);
    lua_pushliteral(L, "EHELD");
    lua_createtable(L, 0, 2);
    lua_pushstring(L, holder);
    lua_setfield(L, -2, "run");
    lua_pushstring(L, lease.resource);
    lua_setfield(L, -2, "resource");
    return 4;
}

static int lease_keep(lua_State *L)
{
    gp_journal *journal = gp_store_check(L);
    gp_error err;
    int kept = gp_journal_keep(journal, luaL_checkstring(L, 2), luaL_checkstring(L, 3),
                               luaL_checkstring(L, 4), luaL_optstring(L, 5, NULL), &err);
    if (kept < 0) return gp_bind_fail(L, &err);
    lua_pushboolean(L, kept);
    return 1;
}

static int lease_release(lua_State *L)
{
    gp_journal *journal = gp_store_check(L);
    gp_error err;
    int released = gp_journal_release(journal, luaL_checkstring(L, 2), luaL_checkstring(L, 3),
                                      luaL_checkstring(L, 4), &err);
    if (released < 0) return gp_bind_fail(L, &err);
    lua_pushboolean(L, released);
    return 1;
}

static int lease_inherit(lua_State *L)
{
    gp_journal *journal = gp_store_check(L);
    gp_error err;
    int count = gp_journal_inherit(journal, luaL_checkstring(L, 2), luaL_checkstring(L, 3),
                                   luaL_checkstring(L, 4), &err);
    if (count < 0) return gp_bind_fail(L, &err);
    lua_pushinteger(L, count);
    return 1;
}

/* The runner's record, or nil; nil, message, code. */
static int lease_runner(lua_State *L)
{
    gp_journal *journal = gp_store_check(L);
    gp_journal_clock clock = check_clock(L, 2);
    const char *run = luaL_checkstring(L, 3);
    void **box = gp_bind_box(L, gp_store_release_cursor);
    gp_error err;
    int pushed = gp_store_push_cursor(L, box, gp_journal_runner(journal, &clock, run, &err), &err);
    if (pushed < 4) return pushed;
    lua_pushvalue(L, -4);
    lua_call(L, 0, 1);
    /* a cursor that is left open holds a read transaction, in which this handle could no longer write */
    gp_journal_cursor *cursor = *box;
    *box = NULL;
    gp_journal_cursor_close(cursor);
    return 1;
}

static int lease_list(lua_State *L)
{
    gp_journal *journal = gp_store_check(L);
    gp_journal_clock clock = check_clock(L, 2);
    void **box = gp_bind_box(L, gp_store_release_cursor);
    gp_error err;
    return gp_store_push_cursor(L, box, gp_journal_leases(journal, &clock, &err), &err);
}

const luaL_Reg gp_store_lease_methods[] = {
    {"enter", lease_enter},
    {"renew", lease_renew},
    {"works", lease_works},
    {"leave", lease_leave},
    {"claim", lease_claim},
    {"keep", lease_keep},
    {"release", lease_release},
    {"runner", lease_runner},
    {"leases", lease_list},
    {"inherit", lease_inherit},
    {NULL, NULL},
};
