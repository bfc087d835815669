/* codec.decode and the codec module. Decoding without a network is for the specs, the benchmark and recorded
 * answers; an answer received by HTTP is decoded by the transport, into the same kind of tape.
 *
 *   tape = codec.decode(method or nil, text or list of chunks[, limits])      nil, message, code when it fails
 *   codec.typed(type, table)   gives the table the metatable of a decoded value of that type
 *   codec.typeof(value)     the vim25 type of a decoded table, nil for anything else
 */
#include "lua/bind.h"
#include "lua/vim25/net.h"
#include "lua/vim25/net_codec.h"
#include "lua/vim25/net_types.h"

#include "vim25/decode.h"
#include "vim25/encode_text.h"

static void release_decode(void *decode)
{
    gp_decode_free(decode);
}

static void read_limits(lua_State *L, int table, gp_decode_limits *limits)
{
    const struct {
        const char *name;
        uint64_t *wide;
        uint32_t *narrow;
    } all[] = {{"bytes", &limits->bytes, NULL},
               {"cells", &limits->cells, NULL},
               {"text", &limits->text, NULL},
               {"depth", NULL, &limits->depth},
               {"attributes", NULL, &limits->attributes}};
    if (lua_isnoneornil(L, table)) return;
    luaL_checktype(L, table, LUA_TTABLE);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (lua_getfield(L, table, all[i].name) != LUA_TNIL) {
            uint64_t value = gp_bind_check_u64(L, lua_gettop(L));
            if (all[i].wide)
                *all[i].wide = value;
            else
                *all[i].narrow = value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
        }
        lua_pop(L, 1);
    }
}

static int codec_decode(lua_State *L)
{
    gp_error err;
    const gp_schema_method *method = NULL;
    if (!lua_isnil(L, 1)) {
        size_t length;
        const char *name = luaL_checklstring(L, 1, &length);
        method = gp_schema_method_find(name, length);
        luaL_argcheck(L, method, 1, "vim25 has no such method");
    }
    if (!lua_istable(L, 2)) luaL_checkstring(L, 2);
    gp_decode_limits limits = gp_decode_default_limits;
    read_limits(L, 3, &limits);
    gp_tape **tape = gp_value_tape(L);
    void **box = gp_bind_box(L, release_decode);
    gp_decode *d = *box = gp_decode_new(method, &limits, &err);
    if (!d) return gp_bind_fail(L, &err);
    lua_Integer chunks = lua_istable(L, 2) ? luaL_len(L, 2) : 1;
    for (lua_Integer i = 1; i <= chunks; i++) {
        size_t length;
        if (lua_istable(L, 2))
            lua_rawgeti(L, 2, i);
        else
            lua_pushvalue(L, 2);
        const char *bytes = luaL_checklstring(L, -1, &length);
        if (gp_decode_feed(d, bytes, length, &err) != 0) return gp_bind_fail(L, &err);
        lua_pop(L, 1);
    }
    *tape = gp_decode_finish(d, &err);
    if (!*tape) return gp_bind_fail(L, &err);
    *box = NULL;
    gp_decode_free(d);
    lua_pop(L, 1);
    return 1;
}

static int codec_typeof(lua_State *L)
{
    luaL_checkany(L, 1);
    if (!lua_istable(L, 1)) return 0;
    lua_pushliteral(L, "_type");
    if (lua_rawget(L, 1) == LUA_TSTRING) return 1;
    return luaL_getmetafield(L, 1, GP_CODEC_TYPE) == LUA_TSTRING ? 1 : 0;
}

static int codec_time(lua_State *L)
{
    size_t length;
    int64_t seconds, nanoseconds;
    const char *text = luaL_checklstring(L, 1, &length);
    if (gp_encode_text_read_time(text, length, &seconds, &nanoseconds) != 0) {
        lua_pushnil(L);
        lua_pushfstring(L, "'%s' is not a dateTime (2026-01-31T23:59:59Z)", text);
        lua_pushliteral(L, "EVALUE");
        return 3;
    }
    if (nanoseconds == 0)
        lua_pushinteger(L, (lua_Integer)seconds);
    else
        lua_pushnumber(L, (lua_Number)seconds + (lua_Number)nanoseconds / 1e9);
    return 1;
}

void gp_open_codec(lua_State *L)
{
    static const luaL_Reg functions[] = {{"decode", codec_decode},
                                         {"typed", gp_types_typed},
                                         {"typeof", codec_typeof},
                                         {"time", codec_time},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    gp_codec_add_encode(L);
}
