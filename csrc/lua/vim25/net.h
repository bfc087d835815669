/* The modules of gpupt.net: each pushes one table of functions. Add a module here and in net.c's list. */
#ifndef GP_LUA_NET_H
#define GP_LUA_NET_H

#include <lua.h>

void gp_open_engine(lua_State *L);
void gp_open_http(lua_State *L);
void gp_open_schema(lua_State *L);  /* vim25's types, methods, enums, privileges, versions */
void gp_open_codec(lua_State *L);   /* Lua values -> request bodies, answers -> Lua values */
void gp_open_digest(lua_State *L);  /* SHA-256, the Unix password hash, an RSA signature */
void gp_open_private(lua_State *L); /* files that hold a secret */
void gp_open_signals(lua_State *L); /* for commands: SIGTERM ends them as Ctrl-C does */

#endif
