/* Binding of offline/bar.h: plain numbers in, plain numbers out. lua/gpupt/bar.lua gives it its public face. */
#include <string.h>

#include "offline/bar.h"
#include "lua/offline/bar.h"
#include "lua/bind.h"
#include "lua/offline/core.h"

static int push_u64(lua_State *L, uint64_t value, const char *what)
{
    gp_error err;
    if (value > INT64_MAX) {
        (void)gp_fail(&err, "ERANGE", "%s does not fit a signed 64-bit integer", what);
        return gp_bind_fail(L, &err);
    }
    lua_pushinteger(L, (lua_Integer)value);
    return 1;
}

static int bar_size(lua_State *L)
{
    size_t length;
    uint64_t bytes;
    gp_error err;
    const char *text = luaL_checklstring(L, 1, &length);
    if (gp_bar_parse_size(text, length, &bytes, &err) != 0) return gp_bind_fail(L, &err);
    return push_u64(L, bytes, text);
}

const char *gp_bar_kind_name(gp_bar_kind kind)
{
    return kind == GP_BAR_IO ? "io" : kind == GP_BAR_MEM32 ? "mem32" : "mem64";
}

void gp_bar_push(lua_State *L, const gp_bar *bar)
{
    lua_createtable(L, 0, 5);
    if (bar->index >= 0) {
        lua_pushinteger(L, bar->index);
        lua_setfield(L, -2, "index");
    }
    lua_pushstring(L, gp_bar_kind_name(bar->kind));
    lua_setfield(L, -2, "kind");
    lua_pushinteger(L, (lua_Integer)bar->size);
    lua_setfield(L, -2, "size");
    lua_pushboolean(L, bar->prefetchable);
    lua_setfield(L, -2, "prefetchable");
    if (bar->address) {
        lua_pushinteger(L, (lua_Integer)bar->address);
        lua_setfield(L, -2, "address");
    }
}

/* card(bars) -> window, total, largest of one card; the Lua side has checked the types */
static int bar_card(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    gp_bar_cards card = {0};
    lua_Integer count = luaL_len(L, 1);
    for (lua_Integer i = 1; i <= count; i++) {
        gp_error err;
        gp_bar bar = {.index = -1};
        lua_rawgeti(L, 1, i);
        lua_getfield(L, -1, "size");
        lua_Integer size = luaL_checkinteger(L, -1);
        lua_getfield(L, -2, "kind");
        const char *kind = luaL_checkstring(L, -1);
        bar.kind = strcmp(kind, "io") == 0      ? GP_BAR_IO
                   : strcmp(kind, "mem32") == 0 ? GP_BAR_MEM32
                                                : GP_BAR_MEM64;
        bar.size = size < 0 ? 0 : (uint64_t)size;
        if (gp_bar_add(&card, &bar, &err) != 0) return gp_bind_fail(L, &err);
        lua_pop(L, 3);
    }
    if (card.total > INT64_MAX) return push_u64(L, card.total, "the sum of the BARs");
    lua_pushinteger(L, (lua_Integer)card.window);
    lua_pushinteger(L, (lua_Integer)card.total);
    lua_pushinteger(L, (lua_Integer)card.largest);
    return 3;
}

static uint64_t field_u64(lua_State *L, const char *name)
{
    lua_getfield(L, -1, name);
    lua_Integer value = luaL_checkinteger(L, -1);
    lua_pop(L, 1);
    return value < 0 ? 0 : (uint64_t)value;
}

/* compute({{count=, window=, total=, largest=}...}) -> {min=, safe=, seed=, bytes=, needs_64bit=, high_end=}
 */
static int bar_compute(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Integer count = luaL_len(L, 1);
    luaL_argcheck(L, count > 0 && count < 1 << 16, 1, "needs 1 to 65535 cards");
    gp_bar_cards *cards = lua_newuserdatauv(L, (size_t)count * sizeof *cards, 0);
    for (lua_Integer i = 0; i < count; i++) {
        lua_rawgeti(L, 1, i + 1);
        cards[i] = (gp_bar_cards){field_u64(L, "count"), field_u64(L, "window"), field_u64(L, "total"),
                                  field_u64(L, "largest")};
        lua_pop(L, 1);
    }
    gp_error err;
    gp_bar_window window;
    if (gp_bar_compute(cards, (size_t)count, &window, &err) != 0) return gp_bind_fail(L, &err);
    if (window.bytes > INT64_MAX) return push_u64(L, window.bytes, "the sum of all BARs");
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        {"min", window.min}, {"safe", window.safe}, {"seed", window.seed}, {"bytes", window.bytes}};
    lua_createtable(L, 0, 6);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        lua_pushinteger(L, (lua_Integer)numbers[i].value);
        lua_setfield(L, -2, numbers[i].name);
    }
    lua_pushboolean(L, window.needs_64bit);
    lua_setfield(L, -2, "needs_64bit");
    lua_pushboolean(L, window.high_end);
    lua_setfield(L, -2, "high_end");
    return 1;
}

/* round(bytes): the next power of two, in bytes */
static int bar_round(lua_State *L)
{
    uint64_t rounded = gp_bar_round(gp_bind_check_u64(L, 1));
    return push_u64(L, rounded ? rounded : UINT64_MAX, "the next power of two");
}

void gp_open_bar(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"size", bar_size}, {"card", bar_card}, {"compute", bar_compute}, {"round", bar_round}, {NULL, NULL}};
    luaL_newlib(L, functions);
    lua_pushinteger(L, (lua_Integer)GP_BAR_LIMIT);
    lua_setfield(L, -2, "limit");
}
