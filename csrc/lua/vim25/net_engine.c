/* net.engine: the engine for Lua. All times are seconds of base/clock.h as floats; take() hands out the ids of
 * finished operations one by one, so that nothing in step allocates in Lua. */
#include "lua/vim25/net_engine.h"

#include <math.h>

#include "lua/vim25/net.h"

#define ENGINE "gpupt.engine"

typedef struct engine_handle {
    gp_engine *engine;
} engine_handle;

gp_engine *gp_engine_arg(lua_State *L, int arg)
{
    engine_handle *handle = luaL_checkudata(L, arg, ENGINE);
    luaL_argcheck(L, handle->engine, arg, "this engine is closed");
    return handle->engine;
}

static int64_t nanoseconds(lua_Number seconds)
{
    if (!(seconds > 0)) return 0;
    return seconds > 4e9 ? INT64_C(4000000000000000000) : (int64_t)(seconds * 1e9);
}

static int engine_new(lua_State *L)
{
    gp_error err;
    engine_handle *handle = lua_newuserdatauv(L, sizeof *handle, 0);
    handle->engine = NULL;
    luaL_setmetatable(L, ENGINE);
    handle->engine = gp_engine_new(&err);
    return handle->engine ? 1 : gp_bind_fail(L, &err);
}

static int engine_close(lua_State *L)
{
    engine_handle *handle = luaL_checkudata(L, 1, ENGINE);
    gp_engine *engine = handle->engine;
    handle->engine = NULL;
    gp_engine_release(engine);
    return 0;
}

static int engine_pollfd(lua_State *L)
{
    lua_pushinteger(L, gp_engine_fd(gp_engine_arg(L, 1)));
    return 1;
}

static int engine_events(lua_State *L)
{
    gp_engine_arg(L, 1);
    lua_pushliteral(L, "r");
    return 1;
}

static int engine_timeout(lua_State *L)
{
    int64_t left = gp_engine_timeout(gp_engine_arg(L, 1));
    if (left < 0)
        lua_pushnil(L);
    else
        lua_pushnumber(L, (lua_Number)left / 1e9);
    return 1;
}

/* step([seconds]): waits at most that long (0 when left out, math.huge until something happens). */
static int engine_step(lua_State *L)
{
    gp_error err;
    gp_engine *engine = gp_engine_arg(L, 1);
    lua_Number seconds = luaL_optnumber(L, 2, 0);
    int ready = gp_engine_step(engine, isinf(seconds) ? -1 : nanoseconds(seconds), &err);
    if (ready < 0) return gp_bind_fail(L, &err);
    lua_pushinteger(L, ready);
    return 1;
}

static int engine_take(lua_State *L)
{
    uint64_t id = gp_engine_take(gp_engine_arg(L, 1));
    if (id == 0)
        lua_pushnil(L);
    else
        lua_pushinteger(L, (lua_Integer)id);
    return 1;
}

/* alarm(at): wakes step at this time of now(); nil: never. */
static int engine_alarm(lua_State *L)
{
    gp_engine *engine = gp_engine_arg(L, 1);
    int64_t at = lua_isnoneornil(L, 2) ? 0 : nanoseconds(luaL_checknumber(L, 2)) + 1;
    gp_engine_alarm(engine, at);
    return 0;
}

static int engine_now(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)gp_engine_now() / 1e9);
    return 1;
}

static int engine_forked(lua_State *L)
{
    lua_pushboolean(L, gp_engine_forked(gp_engine_arg(L, 1)));
    return 1;
}

void gp_open_engine(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"pollfd", engine_pollfd}, {"events", engine_events}, {"timeout", engine_timeout},
        {"step", engine_step},     {"take", engine_take},     {"alarm", engine_alarm},
        {"close", engine_close},   {"forked", engine_forked}, {NULL, NULL},
    };
    static const luaL_Reg meta[] = {{"__gc", engine_close}, {"__close", engine_close}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"new", engine_new}, {"now", engine_now}, {NULL, NULL}};
    gp_bind_class(L, ENGINE, methods, meta);
    lua_pop(L, 1);
    luaL_newlib(L, functions);
}
