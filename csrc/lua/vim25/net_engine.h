#ifndef GP_LUA_NET_ENGINE_H
#define GP_LUA_NET_ENGINE_H

#include "vim25/engine.h"
#include "lua/bind.h"

/* The engine of the userdata at `arg`, or an argument error. */
gp_engine *gp_engine_arg(lua_State *L, int arg);

#endif
