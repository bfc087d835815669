/* The modules of gpupt.core: each pushes one table of functions. Add a module here and in core.c's list. */
#ifndef GP_LUA_CORE_H
#define GP_LUA_CORE_H

#include <lua.h>

void gp_open_bar(lua_State *L);
void gp_open_file(lua_State *L);
void gp_open_folder(lua_State *L);
void gp_open_json(lua_State *L);
void gp_open_pci(lua_State *L);
void gp_open_system(lua_State *L);
void gp_open_vmlog(lua_State *L);
void gp_open_vmx(lua_State *L);

#endif
