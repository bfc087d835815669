/* The metatables of decoded values, one for each type:
 *
 *   __vimtype   the type's name         __index   nil for an absent field, an error with the nearest name for
 * one that the type does not have; "_type" gives the type's name
 */
#ifndef GP_LUA_NET_TYPES_H
#define GP_LUA_NET_TYPES_H

#include "vim25/tape.h"

#include <lua.h>

/* Pushes the registry's table of that place, made at that size on first use. */
void gp_types_registry(lua_State *L, const void *place, int size);
/* Pushes the table type number -> metatable. */
void gp_types_push(lua_State *L);
/* Gives the object on top its type's metatable; `types` is where the table of gp_types_push is. */
void gp_types_set_object(lua_State *L, int types, gp_type_id type);
/* A list that came in an anyType slot can be sent there again: its metatable says ArrayOfX. */
void gp_types_set_list(lua_State *L, gp_type_id element);
/* codec.typed(type, table): gives the table the metatable of a decoded value of that type, and returns it. */
int gp_types_typed(lua_State *L);

#endif
