/* How a BAR looks in Lua: {index=, kind="io"|"mem32"|"mem64", size=, prefetchable=, address=}; one shape for
 * every module that finds BARs (pci, vmlog, bar). */
#ifndef GP_LUA_BAR_H
#define GP_LUA_BAR_H

#include <lua.h>

#include "offline/bar.h"

const char *gp_bar_kind_name(gp_bar_kind kind);

/* Pushes the table. */
void gp_bar_push(lua_State *L, const gp_bar *bar);

#endif
