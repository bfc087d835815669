/* Binding of media/disc.h. All positions are bytes of the image, all blocks those of the UDF partition.
 *
 *   iso.volume(bytes)            -> { label =, udf =, joliet =, at =, length = of the root folder }
 *   iso.udf_anchor(bytes)        -> { at =, length = }
 *   iso.udf_volume(bytes)        -> { label =, partition =, block = of the file set }
 *   iso.udf_root(bytes)          -> block
 *   iso.udf_entry(bytes, part.)  -> { size =, folder =, bytes = text or nil, [i] = { at =, length = } }
 *   iso.names(bytes, joliet)     -> { { name =, folder =, [i] = { at =, length = }, size = }... }
 *   iso.udf_names(bytes)         -> { { name =, folder =, block = }... }
 *   iso.wim(bytes)               -> { at =, length = of its XML, images =, part =, parts = }
 * nil, message, code ("EPARSE", "ENOTSUP") for what cannot be read.
 */
#include <string.h>

#include "lua/bind.h"
#include "lua/media/iso_media.h"
#include "media/disc.h"

static void set_number(lua_State *L, const char *name, uint64_t value)
{
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, name);
}

static void set_text(lua_State *L, const char *name, const char *value)
{
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
}

static void set_truth(lua_State *L, const char *name, bool value)
{
    lua_pushboolean(L, value);
    lua_setfield(L, -2, name);
}

static void add_piece(lua_State *L, lua_Integer index, const gp_disc_piece *piece)
{
    lua_createtable(L, 0, 2);
    set_number(L, "at", piece->at);
    set_number(L, "length", piece->length);
    lua_rawseti(L, -2, index);
}

static const unsigned char *bytes_of(lua_State *L, size_t *length)
{
    return (const unsigned char *)luaL_checklstring(L, 1, length);
}

static int volume(lua_State *L)
{
    size_t length;
    const unsigned char *bytes = bytes_of(L, &length);
    gp_disc_volume v;
    gp_error err;
    if (gp_disc_read_volume(bytes, length, &v, &err) != 0) return gp_bind_fail(L, &err);
    lua_createtable(L, 0, 5);
    set_text(L, "label", v.label);
    set_truth(L, "udf", v.udf);
    set_truth(L, "joliet", v.joliet);
    set_number(L, "at", v.root.at);
    set_number(L, "length", v.root.length);
    return 1;
}

static int udf_anchor(lua_State *L)
{
    size_t length;
    const unsigned char *bytes = bytes_of(L, &length);
    gp_disc_piece piece;
    gp_error err;
    if (gp_udf_anchor(bytes, length, &piece, &err) != 0) return gp_bind_fail(L, &err);
    lua_createtable(L, 0, 2);
    set_number(L, "at", piece.at);
    set_number(L, "length", piece.length);
    return 1;
}

static int udf_volume(lua_State *L)
{
    size_t length;
    const unsigned char *bytes = bytes_of(L, &length);
    gp_udf udf;
    gp_error err;
    if (gp_udf_volume(bytes, length, &udf, &err) != 0) return gp_bind_fail(L, &err);
    lua_createtable(L, 0, 3);
    set_text(L, "label", udf.label);
    set_number(L, "partition", udf.partition);
    set_number(L, "block", udf.fileset);
    return 1;
}

static int udf_root(lua_State *L)
{
    size_t length;
    const unsigned char *bytes = bytes_of(L, &length);
    uint32_t block;
    gp_error err;
    if (gp_udf_root(bytes, length, &block, &err) != 0) return gp_bind_fail(L, &err);
    lua_pushinteger(L, block);
    return 1;
}

static int udf_entry(lua_State *L)
{
    size_t length;
    const unsigned char *bytes = bytes_of(L, &length);
    lua_Integer partition = luaL_checkinteger(L, 2);
    gp_disc_file *file = lua_newuserdatauv(L, sizeof *file, 0);
    gp_error err;
    if (gp_udf_entry(bytes, length, (uint64_t)partition, file, &err) != 0) return gp_bind_fail(L, &err);
    lua_createtable(L, (int)file->count, 3);
    set_number(L, "size", file->size);
    set_truth(L, "folder", file->folder);
    if (file->bytes) {
        lua_pushlstring(L, (const char *)file->bytes, (size_t)file->size);
        lua_setfield(L, -2, "bytes");
    }
    for (uint32_t i = 0; i < file->count; i++)
        add_piece(L, i + 1, &file->pieces[i]);
    return 1;
}

static int names(lua_State *L)
{
    size_t length, at = 0;
    const unsigned char *bytes = bytes_of(L, &length);
    bool joliet = lua_toboolean(L, 2);
    gp_disc_name *one = lua_newuserdatauv(L, sizeof *one, 0);
    gp_error err;
    bool more = false;
    int found;
    lua_newtable(L);
    while ((found = gp_iso_next(bytes, length, &at, joliet, one, &err)) == 1) {
        lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
        if (more && count > 0) {
            lua_rawgeti(L, -1, count);
        } else {
            lua_createtable(L, 1, 3);
            set_text(L, "name", one->name);
            set_truth(L, "folder", one->folder);
            set_number(L, "size", 0);
        }
        add_piece(L, (lua_Integer)lua_rawlen(L, -1) + 1, &one->data);
        lua_getfield(L, -1, "size");
        uint64_t size = (uint64_t)lua_tointeger(L, -1) + one->data.length;
        lua_pop(L, 1);
        set_number(L, "size", size);
        if (more && count > 0)
            lua_pop(L, 1);
        else
            lua_rawseti(L, -2, count + 1);
        more = one->more;
    }
    return found < 0 ? gp_bind_fail(L, &err) : 1;
}

static int udf_names(lua_State *L)
{
    size_t length, at = 0;
    const unsigned char *bytes = bytes_of(L, &length);
    gp_disc_name *one = lua_newuserdatauv(L, sizeof *one, 0);
    gp_error err;
    int found;
    lua_newtable(L);
    for (lua_Integer i = 1; (found = gp_udf_next(bytes, length, &at, one, &err)) == 1; i++) {
        lua_createtable(L, 0, 3);
        set_text(L, "name", one->name);
        set_truth(L, "folder", one->folder);
        set_number(L, "block", one->block);
        lua_rawseti(L, -2, i);
    }
    return found < 0 ? gp_bind_fail(L, &err) : 1;
}

static int wim(lua_State *L)
{
    size_t length;
    const unsigned char *bytes = bytes_of(L, &length);
    gp_wim w;
    gp_error err;
    if (gp_wim_header(bytes, length, &w, &err) != 0) return gp_bind_fail(L, &err);
    lua_createtable(L, 0, 5);
    set_number(L, "at", w.xml_at);
    set_number(L, "length", w.xml_length);
    set_number(L, "images", w.images);
    set_number(L, "part", w.part);
    set_number(L, "parts", w.parts);
    return 1;
}

void gp_open_disc(lua_State *L)
{
    static const luaL_Reg functions[] = {{"volume", volume},
                                         {"udf_anchor", udf_anchor},
                                         {"udf_volume", udf_volume},
                                         {"udf_root", udf_root},
                                         {"udf_entry", udf_entry},
                                         {"names", names},
                                         {"udf_names", udf_names},
                                         {"wim", wim},
                                         {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
