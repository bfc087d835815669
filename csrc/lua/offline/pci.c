/* Binding of offline/pci.h: lists become Lua tables; lua/gpupt/pci.lua gives them their public face. */
#include <string.h>

#include "offline/pci.h"
#include "lua/offline/bar.h"
#include "lua/bind.h"
#include "lua/offline/core.h"

#define LIST "gpupt.pci.list"

static int list_release(lua_State *L)
{
    gp_pci_list_free(luaL_checkudata(L, 1, LIST));
    return 0;
}

static gp_pci_list *push_list(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__gc", list_release}, {"__close", list_release}, {NULL, NULL}};
    gp_pci_list *list = lua_newuserdatauv(L, sizeof *list, 0);
    *list = (gp_pci_list)GP_PCI_LIST_EMPTY;
    gp_bind_class(L, LIST, NULL, meta);
    lua_setmetatable(L, -2);
    return list;
}

static void set_integer(lua_State *L, const char *name, int64_t value)
{
    if (value < 0) return;
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, name);
}

static void set_flag(lua_State *L, const char *name, int8_t value)
{
    if (value < 0) return;
    lua_pushboolean(L, value);
    lua_setfield(L, -2, name);
}

static void push_bars(lua_State *L, const gp_bar *bars, size_t count)
{
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        gp_bar_push(L, &bars[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static void push_rebars(lua_State *L, const gp_pci_device *device)
{
    lua_createtable(L, (int)device->rebar_count, 0);
    for (size_t i = 0; i < device->rebar_count; i++) {
        const gp_pci_rebar *rebar = &device->rebars[i];
        lua_createtable(L, 0, 3);
        set_integer(L, "index", rebar->index);
        if (rebar->current) set_integer(L, "current", (int64_t)rebar->current);
        lua_newtable(L);
        lua_Integer n = 0;
        for (unsigned bit = 0; bit <= 42; bit++) {
            if (!(rebar->supported >> bit & 1)) continue;
            lua_pushinteger(L, (lua_Integer)(INT64_C(1) << (20 + bit)));
            lua_rawseti(L, -2, ++n);
        }
        lua_setfield(L, -2, "supported");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* {speed=, width=, max_speed=, max_width=}: GT/s and lanes */
static void push_link(lua_State *L, const gp_pci_device *device)
{
    const struct {
        const char *name;
        int32_t value;
        bool tenths;
    } fields[] = {
        {"speed", device->link_speed, true},
        {"max_speed", device->link_speed_max, true},
        {"width", device->link_width, false},
        {"max_width", device->link_width_max, false},
    };
    bool any = false;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        any = any || fields[i].value >= 0;
    if (!any) return;
    lua_createtable(L, 0, 4);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (fields[i].value < 0) continue;
        if (fields[i].tenths && fields[i].value % 10) {
            lua_pushnumber(L, fields[i].value / 10.0);
        } else {
            lua_pushinteger(L, fields[i].tenths ? fields[i].value / 10 : fields[i].value);
        }
        lua_setfield(L, -2, fields[i].name);
    }
    lua_setfield(L, -2, "link");
}

static void push_device(lua_State *L, const gp_pci_list *list, const gp_pci_device *device)
{
    static const char *const names[GP_PCI_STRINGS] = {
        [GP_PCI_VENDOR_NAME] = "vendor_name",
        [GP_PCI_DEVICE_NAME] = "device_name",
        [GP_PCI_SUBSYSTEM_NAME] = "subsystem_name",
        [GP_PCI_CLASS_NAME] = "class_name",
        [GP_PCI_DRIVER] = "driver",
        [GP_PCI_OWNER] = "owner",
        [GP_PCI_CONFIGURED_OWNER] = "configured_owner",
        [GP_PCI_VMKERNEL_NAME] = "vmkernel_name",
        [GP_PCI_RESET_METHOD] = "reset_method",
        [GP_PCI_PHYSICAL_SLOT] = "physical_slot",
        [GP_PCI_SLOT_DESCRIPTION] = "slot_description",
        [GP_PCI_PARENT] = "parent",
        [GP_PCI_DEPENDENT] = "dependent",
        [GP_PCI_PHYSFN] = "physfn",
        [GP_PCI_CANDIDATES] = "candidates",
    };
    char address[GP_PCI_ADDRESS_SIZE];
    gp_pci_format_address(&device->address, address);
    lua_createtable(L, 0, 24);
    lua_pushstring(L, address);
    lua_setfield(L, -2, "address");
    set_integer(L, "domain", device->address.domain);
    set_integer(L, "bus", device->address.bus);
    set_integer(L, "slot", device->address.slot);
    set_integer(L, "func", device->address.func);
    set_integer(L, "vendor", device->vendor);
    set_integer(L, "device", device->device);
    set_integer(L, "subvendor", device->subvendor);
    set_integer(L, "subdevice", device->subdevice);
    set_integer(L, "revision", device->revision);
    set_integer(L, "class", device->class);
    set_integer(L, "prog_if", device->prog_if);
    set_integer(L, "numa_node", device->numa_node);
    set_integer(L, "iommu_group", device->iommu_group);
    if (device->bridge == 1) {
        set_integer(L, "secondary_bus", device->secondary_bus);
        set_integer(L, "subordinate_bus", device->subordinate_bus);
    }
    if (device->rom) set_integer(L, "rom", (int64_t)device->rom);
    set_flag(L, "bridge", device->bridge);
    set_flag(L, "boot_vga", device->boot_vga);
    set_flag(L, "capable", device->capable);
    set_flag(L, "enabled", device->enabled);
    push_bars(L, device->bars, device->bar_count);
    lua_setfield(L, -2, "bars");
    uint64_t bytes = 0;
    for (size_t i = 0; i < device->bar_count; i++) {
        if (device->bars[i].kind != GP_BAR_IO) bytes += device->bars[i].size;
    }
    set_integer(L, "bytes", (int64_t)bytes);
    if (device->vf_total > 0) {
        lua_createtable(L, 0, 3);
        set_integer(L, "total", device->vf_total);
        set_integer(L, "enabled", device->vf_enabled);
        push_bars(L, device->vf_bars, device->vf_bar_count);
        lua_setfield(L, -2, "bars");
        lua_setfield(L, -2, "sriov");
    }
    push_link(L, device);
    set_flag(L, "sharable", device->sharable);
    if (device->by_name == 1) set_flag(L, "by_name", 1);
    if (device->unassigned) {
        lua_newtable(L);
        lua_Integer n = 0;
        for (lua_Integer i = 0; i < 6; i++) {
            if (!(device->unassigned >> i & 1)) continue;
            lua_pushinteger(L, i);
            lua_rawseti(L, -2, ++n);
        }
        lua_setfield(L, -2, "unassigned");
    }
    if (device->rebar_count) {
        push_rebars(L, device);
        lua_setfield(L, -2, "rebar");
    }
    for (int i = 0; i < GP_PCI_STRINGS; i++) {
        gp_text text = gp_pci_get_string(list, device, (gp_pci_string)i);
        if (!text.length) continue;
        lua_pushlstring(L, text.data, text.length);
        lua_setfield(L, -2, names[i]);
    }
}

static void push_devices(lua_State *L, const gp_pci_list *list)
{
    lua_createtable(L, (int)list->count, 0);
    for (size_t i = 0; i < list->count; i++) {
        push_device(L, list, &list->devices[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* sysfs(root, pci.ids or nil) -> devices */
static int pci_sysfs(lua_State *L)
{
    const char *root = luaL_checkstring(L, 1);
    const char *names = luaL_optstring(L, 2, NULL);
    gp_error err;
    gp_pci_list *list = push_list(L);
    if (gp_pci_read_sysfs(list, root, &err) != 0) return gp_bind_fail(L, &err);
    if (names && gp_pci_read_names(list, names, &err) != 0) return gp_bind_fail(L, &err);
    push_devices(L, list);
    return 1;
}

/* text(text, pci.ids or nil) -> devices, number of recognised lines */
static int pci_text(lua_State *L)
{
    size_t length, recognised = 0;
    const char *text = luaL_checklstring(L, 1, &length);
    const char *names = luaL_optstring(L, 2, NULL);
    gp_error err;
    gp_pci_list *list = push_list(L);
    if (gp_pci_read_text(list, text, length, &recognised, &err) != 0) return gp_bind_fail(L, &err);
    if (names && gp_pci_match_names(list, names, &err) != 0) return gp_bind_fail(L, &err);
    if (names && gp_pci_read_names(list, names, &err) != 0) return gp_bind_fail(L, &err);
    push_devices(L, list);
    lua_pushinteger(L, (lua_Integer)recognised);
    return 2;
}

/* address(text, form) -> domain, bus, slot, func */
static int pci_address(lua_State *L)
{
    static const char *const forms[] = {"auto", "hex", "vmx", NULL};
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    gp_pci_form form = (gp_pci_form)luaL_checkoption(L, 2, "auto", forms);
    gp_pci_address address;
    gp_error err;
    if (gp_pci_parse_address(text, length, form, &address, &err) != 0) return gp_bind_fail(L, &err);
    lua_pushinteger(L, address.domain);
    lua_pushinteger(L, address.bus);
    lua_pushinteger(L, address.slot);
    lua_pushinteger(L, address.func);
    return 4;
}

/* format(domain, bus, slot, func, decimal) -> text */
static int pci_format(lua_State *L)
{
    gp_pci_address address = {(uint32_t)luaL_checkinteger(L, 1), (uint8_t)luaL_checkinteger(L, 2),
                              (uint8_t)luaL_checkinteger(L, 3), (uint8_t)luaL_checkinteger(L, 4)};
    char text[GP_PCI_ADDRESS_SIZE];
    if (lua_toboolean(L, 5)) {
        gp_pci_format_vmx(&address, text);
    } else {
        gp_pci_format_address(&address, text);
    }
    lua_pushstring(L, text);
    return 1;
}

void gp_open_pci(lua_State *L)
{
    static const luaL_Reg functions[] = {{"sysfs", pci_sysfs},
                                         {"text", pci_text},
                                         {"address", pci_address},
                                         {"format", pci_format},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
}
