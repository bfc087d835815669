/* gpupt.iso: optional, built where libarchive and libyaml are found (libxml2 is needed anyway).
 *
 *   iso.write({ ["user-data"] = "...", ["meta-data"] = "..." }, "CIDATA") -> bytes; or nil, message, code
 *   iso.xml, iso.yaml: the readers of answer files, see iso_media.c
 *   iso.volume, iso.names...: the readers of images of DVDs, see iso_disc.c
 */
#include <stdlib.h>
#include <string.h>

#include "media/iso.h"
#include "lua/bind.h"
#include "lua/media/iso_media.h"

GP_EXPORT int luaopen_gpupt_iso(lua_State *L);

static int by_path(const void *a, const void *b)
{
    return strcmp(((const gp_iso_file *)a)->path, ((const gp_iso_file *)b)->path);
}

static int iso_write(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    const char *label = luaL_checkstring(L, 2);
    lua_settop(L, 2);
    size_t count = 0;
    for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING) {
            return luaL_argerror(L, 1, "expected a table of path = bytes, both strings");
        }
        count++;
    }
    /* The strings belong to the table, which stays on the stack; the list is Lua's too. */
    gp_iso_file *files = lua_newuserdatauv(L, (count ? count : 1) * sizeof *files, 0);
    size_t i = 0;
    for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
        size_t path_length;
        files[i].path = lua_tolstring(L, -2, &path_length);
        files[i].bytes = lua_tolstring(L, -1, &files[i].length);
        if (strlen(files[i].path) != path_length) {
            return luaL_argerror(L, 1, "a path contains a NUL byte");
        }
        i++;
    }
    qsort(files, count, sizeof *files, by_path);
    gp_buf *out = gp_bind_buf(L);
    gp_error err;
    if (gp_iso_write(files, count, label, out, &err) != 0) {
        gp_buf_wipe(out);
        return gp_bind_fail(L, &err);
    }
    lua_pushlstring(L, out->data, out->length);
    gp_buf_wipe(out);
    return 1;
}

int luaopen_gpupt_iso(lua_State *L)
{
    static const luaL_Reg functions[] = {{"write", iso_write}, {NULL, NULL}};
    luaL_checkversion(L);
    luaL_newlib(L, functions);
    gp_open_media(L);
    gp_open_disc(L);
    return 1;
}
