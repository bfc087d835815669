/* See net_types.h. */
#include "lua/vim25/net_types.h"

#include "lua/bind.h"
#include "lua/vim25/net.h"
#include "lua/vim25/net_codec.h"

#include <string.h>

static const char types_place, lists_place;

void gp_types_registry(lua_State *L, const void *place, int size)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, place) == LUA_TTABLE) return;
    lua_pop(L, 1);
    lua_createtable(L, size, 0);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, place);
}

void gp_types_push(lua_State *L)
{
    gp_types_registry(L, &types_place, 0);
}

static int typed_index(lua_State *L)
{
    gp_type_id type = (gp_type_id)lua_tointeger(L, lua_upvalueindex(1));
    if (lua_type(L, 2) != LUA_TSTRING) return 0;
    size_t length;
    char near[GP_NEAREST_SIZE];
    const char *key = lua_tolstring(L, 2, &length), *name = gp_schema_type_name(type);
    int known = gp_schema_name_find(key, length);
    if (known >= 0 && gp_schema_field_find(type, (uint16_t)known, NULL)) return 0;
    if (strcmp(key, "_type") == 0) {
        lua_pushstring(L, name);
        return 1;
    }
    gp_schema_nearest_field(type, key, near);
    if (near[0] != '\0') return luaL_error(L, "%s has no field '%s' (did you mean '%s'?)", name, key, near);
    return luaL_error(L, "%s has no field '%s'", name, key);
}

void gp_types_set_object(lua_State *L, int types, gp_type_id type)
{
    if (lua_rawgeti(L, types, type) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_createtable(L, 0, 3);
        lua_pushstring(L, gp_schema_type_name(type));
        lua_pushvalue(L, -1);
        lua_setfield(L, -3, GP_CODEC_TYPE);
        lua_setfield(L, -2, "__name");
        lua_pushinteger(L, type);
        lua_pushcclosure(L, typed_index, 1);
        lua_setfield(L, -2, "__index");
        lua_pushvalue(L, -1);
        lua_rawseti(L, types, type);
    }
    lua_setmetatable(L, -2);
}

int gp_types_typed(lua_State *L)
{
    size_t length;
    const char *name = luaL_checklstring(L, 1, &length);
    int type = gp_schema_type_find(name, length);
    luaL_checktype(L, 2, LUA_TTABLE);
    luaL_argcheck(L, type >= 0, 1, "unknown type");
    lua_settop(L, 2);
    gp_types_push(L);
    lua_pushvalue(L, 2);
    gp_types_set_object(L, 3, (gp_type_id)type);
    return 1;
}

void gp_types_set_list(lua_State *L, gp_type_id element)
{
    char name[96];
    gp_types_registry(L, &lists_place, 0);
    if (lua_rawgeti(L, -1, element) != LUA_TTABLE) {
        lua_pop(L, 1);
        gp_schema_array_name(element, name, sizeof name);
        lua_createtable(L, 0, 2);
        lua_pushstring(L, name);
        lua_pushvalue(L, -1);
        lua_setfield(L, -3, GP_CODEC_TYPE);
        lua_setfield(L, -2, "__name");
        lua_pushvalue(L, -1);
        lua_rawseti(L, -3, element);
    }
    lua_setmetatable(L, -3);
    lua_pop(L, 1);
}
