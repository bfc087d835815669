/* What the two halves of the codec's binding share. */
#ifndef GP_LUA_NET_CODEC_H
#define GP_LUA_NET_CODEC_H

#include "lua/vim25/net_value.h"

/* The field of a typed table's metatable that holds its type's name. */
#define GP_CODEC_TYPE "__vimtype"

/* Adds codec.encode and codec.wrap to the table on top of the stack. */
void gp_codec_add_encode(lua_State *L);

#endif
