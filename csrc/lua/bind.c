#define _GNU_SOURCE
#include "lua/bind.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define BOX "gpupt.box"
#define BUF "gpupt.buf"

typedef struct box {
    void *pointer;
    void (*release)(void *);
} box;

int gp_bind_fail(lua_State *L, const gp_error *err)
{
    lua_pushnil(L);
    lua_pushstring(L, err->message);
    lua_pushstring(L, err->code);
    return 3;
}

luaL_Stream *gp_bind_stream(lua_State *L)
{
    luaL_Stream *stream = lua_newuserdatauv(L, sizeof *stream, 0);
    stream->closef = NULL; /* this is how Lua marks a closed file */
    luaL_setmetatable(L, LUA_FILEHANDLE);
    return stream;
}

static int close_stream(lua_State *L)
{
    luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
    return luaL_fileresult(L, fclose(stream->f) == 0, NULL);
}

int gp_bind_stream_open(luaL_Stream *stream, int fd, const char *mode, const char *name, gp_error *err)
{
    errno = ENOMEM; /* fdopen asks for memory, and may fail without setting it */
    stream->f = fdopen(fd, mode);
    if (!stream->f) {
        int number = errno;
        (void)close(fd);
        return gp_fail_errno(err, number, "%s", name);
    }
    stream->closef = close_stream;
    return 0;
}

static int box_release(lua_State *L)
{
    box *b = luaL_checkudata(L, 1, BOX);
    if (b->pointer) {
        void *pointer = b->pointer;
        b->pointer = NULL;
        b->release(pointer);
    }
    return 0;
}

void **gp_bind_box(lua_State *L, void (*release)(void *))
{
    static const luaL_Reg meta[] = {{"__gc", box_release}, {"__close", box_release}, {NULL, NULL}};
    box *b = lua_newuserdatauv(L, sizeof *b, 0);
    b->pointer = NULL;
    b->release = release;
    gp_bind_class(L, BOX, NULL, meta);
    lua_setmetatable(L, -2);
    return &b->pointer;
}

static int buf_release(lua_State *L)
{
    gp_buf *buf = luaL_checkudata(L, 1, BUF);
    if (buf->secret)
        gp_buf_wipe(buf);
    else
        gp_buf_free(buf);
    return 0;
}

gp_buf *gp_bind_buf(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__gc", buf_release}, {"__close", buf_release}, {NULL, NULL}};
    gp_buf *buf = lua_newuserdatauv(L, sizeof *buf, 0);
    *buf = (gp_buf)GP_BUF_EMPTY;
    gp_bind_class(L, BUF, NULL, meta);
    lua_setmetatable(L, -2);
    return buf;
}

uint64_t gp_bind_check_u64(lua_State *L, int arg)
{
    lua_Integer value = luaL_checkinteger(L, arg);
    luaL_argcheck(L, value >= 0, arg, "a size or address cannot be negative");
    return (uint64_t)value;
}

void gp_bind_class(lua_State *L, const char *name, const luaL_Reg *methods, const luaL_Reg *meta)
{
    if (!luaL_newmetatable(L, name)) return;
    if (meta) luaL_setfuncs(L, meta, 0);
    if (methods) {
        lua_newtable(L);
        luaL_setfuncs(L, methods, 0);
        lua_setfield(L, -2, "__index");
    }
    lua_pushstring(L, name);
    lua_setfield(L, -2, "__metatable");
}
