/* gpupt.core: the small library of the offline modules. No network library is linked, so it loads in 0.1 ms. */
#include "lua/bind.h"
#include "lua/offline/core.h"

GP_EXPORT int luaopen_gpupt_core(lua_State *L);

static const struct {
    const char *name;
    void (*open)(lua_State *L); /* pushes the module's table */
} modules[] = {
    {"bar", gp_open_bar},     {"file", gp_open_file}, {"folder", gp_open_folder},
    {"json", gp_open_json},   {"pci", gp_open_pci},   {"system", gp_open_system},
    {"vmlog", gp_open_vmlog}, {"vmx", gp_open_vmx},   {NULL, NULL},
};

int luaopen_gpupt_core(lua_State *L)
{
    luaL_checkversion(L);
    lua_newtable(L);
    for (size_t i = 0; modules[i].name; i++) {
        modules[i].open(L);
        lua_setfield(L, -2, modules[i].name);
    }
    return 1;
}
