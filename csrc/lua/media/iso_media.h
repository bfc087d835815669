#ifndef GP_LUA_ISO_MEDIA_H
#define GP_LUA_ISO_MEDIA_H

#include <lua.h>

/* Adds xml and yaml to the table on top of the stack. */
void gp_open_media(lua_State *L);

/* Adds the readers of images of DVDs. */
void gp_open_disc(lua_State *L);

#endif
