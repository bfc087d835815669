/* gpupt.net.private: files that hold a secret. read(path), load(folder, name), save(folder, name, bytes),
 * remove(folder, name). */
#include "base/private.h"
#include "lua/bind.h"
#include "lua/vim25/net.h"

enum { LARGEST = 1 << 20 };

static int push_bytes(lua_State *L, int failed, const gp_buf *bytes, const gp_error *err)
{
    if (failed) return gp_bind_fail(L, err);
    lua_pushlstring(L, bytes->data ? bytes->data : "", bytes->length);
    return 1;
}

static int private_read(lua_State *L)
{
    gp_error err;
    const char *path = luaL_checkstring(L, 1);
    gp_buf *bytes = gp_bind_buf(L);
    return push_bytes(L, gp_private_read(path, LARGEST, bytes, &err), bytes, &err);
}

static int private_load(lua_State *L)
{
    gp_error err;
    const char *folder = luaL_checkstring(L, 1), *name = luaL_checkstring(L, 2);
    gp_buf *bytes = gp_bind_buf(L);
    return push_bytes(L, gp_private_load(folder, name, LARGEST, bytes, &err), bytes, &err);
}

static int done(lua_State *L, int failed, const gp_error *err)
{
    if (failed) return gp_bind_fail(L, err);
    lua_pushboolean(L, 1);
    return 1;
}

static int private_save(lua_State *L)
{
    gp_error err;
    size_t length;
    const char *folder = luaL_checkstring(L, 1), *name = luaL_checkstring(L, 2);
    const char *bytes = luaL_checklstring(L, 3, &length);
    return done(L, gp_private_save(folder, name, bytes, length, &err), &err);
}

static int private_remove(lua_State *L)
{
    gp_error err;
    const char *folder = luaL_checkstring(L, 1), *name = luaL_checkstring(L, 2);
    return done(L, gp_private_remove(folder, name, &err), &err);
}

void gp_open_private(lua_State *L)
{
    static const luaL_Reg functions[] = {{"read", private_read},
                                         {"load", private_load},
                                         {"save", private_save},
                                         {"remove", private_remove},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
}
