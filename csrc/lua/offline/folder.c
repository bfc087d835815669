/* Binding of base/folder.h.
 *
 *   folder.open(path) -> handle; nil, message, code (ENOTDIR)
 *   handle:list(path, most) -> { {name=, kind=}... }, complete?      handle:file(path) -> an open Lua file, its size
 *   handle:close()
 *   folder.kind(path) -> "file", "folder", "pipe"...; nil when there is nothing
 *   folder.lost(file) -> whether something that was written to this Lua file was lost
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/folder.h"
#include "lua/bind.h"
#include "lua/offline/core.h"

#define FOLDER "gpupt.folder"

static const char *kind_name(int letter)
{
    switch (letter) {
    case GP_ENTRY_FOLDER:
        return "folder";
    case GP_ENTRY_FILE:
        return "file";
    case GP_ENTRY_LINK:
        return "link";
    case GP_ENTRY_PIPE:
        return "pipe";
    case GP_ENTRY_SOCKET:
        return "socket";
    case GP_ENTRY_DEVICE:
        return "device";
    default:
        return "other";
    }
}

static int folder_close(lua_State *L)
{
    int *fd = luaL_checkudata(L, 1, FOLDER);
    if (*fd >= 0) (void)close(*fd);
    *fd = -1;
    return 0;
}

static int check_open(lua_State *L)
{
    const int *fd = luaL_checkudata(L, 1, FOLDER);
    luaL_argcheck(L, *fd >= 0, 1, "the folder is closed");
    return *fd;
}

static int folder_list(lua_State *L)
{
    int root = check_open(L);
    const char *path = luaL_checkstring(L, 2);
    lua_Integer most = luaL_checkinteger(L, 3);
    luaL_argcheck(L, most > 0 && most <= 1 << 24, 3, "out of range");
    gp_error err;
    gp_buf *names = gp_bind_buf(L);
    bool complete = true;
    if (gp_folder_list(root, path, (uint32_t)most, names, &err) != 0) {
        if (strcmp(err.code, "ELIMIT") != 0) return gp_bind_fail(L, &err);
        complete = false;
    }
    lua_newtable(L);
    lua_Integer n = 0;
    for (size_t at = 0; at < names->length;) {
        const char *entry = names->data + at;
        size_t length = strlen(entry + 1);
        lua_createtable(L, 0, 2);
        lua_pushstring(L, kind_name(entry[0]));
        lua_setfield(L, -2, "kind");
        lua_pushlstring(L, entry + 1, length);
        lua_setfield(L, -2, "name");
        lua_rawseti(L, -2, ++n);
        at += length + 2;
    }
    lua_pushboolean(L, complete);
    return 2;
}

static int folder_file(lua_State *L)
{
    int root = check_open(L);
    const char *path = luaL_checkstring(L, 2);
    luaL_Stream *stream = gp_bind_stream(L);
    gp_error err;
    uint64_t size = 0;
    int fd = gp_folder_file(root, path, &size, &err);
    if (fd < 0) return gp_bind_fail(L, &err);
    if (gp_bind_stream_open(stream, fd, "rb", path, &err) != 0) return gp_bind_fail(L, &err);
    lua_pushinteger(L, (lua_Integer)size);
    return 2;
}

static int open_folder(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"list", folder_list}, {"file", folder_file}, {"close", folder_close}, {NULL, NULL}};
    static const luaL_Reg meta[] = {{"__gc", folder_close}, {"__close", folder_close}, {NULL, NULL}};
    const char *path = luaL_checkstring(L, 1);
    int *fd = lua_newuserdatauv(L, sizeof *fd, 0);
    *fd = -1;
    gp_bind_class(L, FOLDER, methods, meta);
    lua_setmetatable(L, -2);
    gp_error err;
    *fd = gp_folder_open(path, &err);
    return *fd < 0 ? gp_bind_fail(L, &err) : 1;
}

static int kind_of(lua_State *L)
{
    int letter = gp_folder_kind(luaL_checkstring(L, 1));
    if (letter) {
        lua_pushstring(L, kind_name(letter));
    } else {
        lua_pushnil(L);
    }
    return 1;
}

static int lost(lua_State *L)
{
    const luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
    lua_pushboolean(L, stream->closef && ferror(stream->f) != 0);
    return 1;
}

void gp_open_folder(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"open", open_folder}, {"kind", kind_of}, {"lost", lost}, {NULL, NULL}};
    luaL_newlib(L, functions);
}
