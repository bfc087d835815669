/* What all bindings share: how a core error becomes Lua results, and how C memory is owned by Lua.
 *
 * A binding reads its arguments, calls the core, builds results; nothing else. Lua may leave a C function by
 * longjmp at any lua_push* or luaL_check*, so no C memory may be held in a local variable only: it belongs to a
 * *box*, a userdata with one pointer and its release function, created before the memory is allocated.
 */
#ifndef GP_BIND_H
#define GP_BIND_H

#include <lauxlib.h>
#include <lua.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

/* Pushes nil, message, code; returns 3. */
int gp_bind_fail(lua_State *L, const gp_error *err);

/* A box on top of the stack: *gp_bind_box(...) is the owned pointer (NULL at first); __gc and __close release
 * it once. */
void **gp_bind_box(lua_State *L, void (*release)(void *));

/* A byte buffer as a box on top of the stack; freed by Lua. */
gp_buf *gp_bind_buf(lua_State *L);

/* A file of Lua's io library on top of the stack, closed as yet. gp_bind_stream_open gives it the descriptor, which it
 * owns then; on failure the descriptor is closed, and `name` is in the error. */
luaL_Stream *gp_bind_stream(lua_State *L);
int gp_bind_stream_open(luaL_Stream *stream, int fd, const char *mode, const char *name, gp_error *err);

/* An integer that fits uint64_t and is not negative, or luaL_argerror. */
uint64_t gp_bind_check_u64(lua_State *L, int arg);

/* Makes (once per state) a metatable `name` with the given methods as __index plus metamethods; leaves it on the
 * stack. `methods` and `meta` may be NULL. Its __metatable field is `name`, so scripts cannot tamper with it. */
void gp_bind_class(lua_State *L, const char *name, const luaL_Reg *methods, const luaL_Reg *meta);

#define GP_EXPORT __attribute__((visibility("default")))

#endif
