/* gpupt.net: the vSphere client's C half: schema, codec, transport. Linked to curl, libxml2 and OpenSSL, which costs
 * some milliseconds to load; so it is a separate library, loaded when one of its modules is first used. */
#include "lua/vim25/net.h"
#include "lua/bind.h"

GP_EXPORT int luaopen_gpupt_net(lua_State *L);

static const struct {
    const char *name;
    void (*open)(lua_State *L); /* pushes the module's table */
} modules[] = {
    {"engine", gp_open_engine},   {"http", gp_open_http},
    {"schema", gp_open_schema},   {"codec", gp_open_codec},
    {"digest", gp_open_digest},   {"private", gp_open_private},
    {"signals", gp_open_signals}, {NULL, NULL},
};

int luaopen_gpupt_net(lua_State *L)
{
    luaL_checkversion(L);
    lua_newtable(L);
    for (size_t i = 0; modules[i].name; i++) {
        modules[i].open(L);
        lua_setfield(L, -2, modules[i].name);
    }
    return 1;
}
