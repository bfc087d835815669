/* ESXi: `esxcli hardware pci list`, `vmkchdev -l`, `lspci -p`. */
#include "offline/pci_inside.h"

#include <string.h>

static const struct {
    const char *key;
    gp_pci_string which;
} texts[] = {
    {"VMkernel Name", GP_PCI_VMKERNEL_NAME},
    {"Vendor Name", GP_PCI_VENDOR_NAME},
    {"Device Name", GP_PCI_DEVICE_NAME},
    {"Configured Owner", GP_PCI_CONFIGURED_OWNER},
    {"Current Owner", GP_PCI_OWNER},
    {"Device Class Name", GP_PCI_CLASS_NAME},
    {"Module Name", GP_PCI_DRIVER},
    {"Physical Slot", GP_PCI_PHYSICAL_SLOT},
    {"Slot Description", GP_PCI_SLOT_DESCRIPTION},
    {"Reset Method", GP_PCI_RESET_METHOD},
};

/* "PCI 0:4:0:0", decimal; kept in the canonical form */
static void keep_address(gp_pci_reader *reader, gp_pci_string which, gp_text value)
{
    gp_pci_address address;
    gp_error ignored;
    char text[GP_PCI_ADDRESS_SIZE];
    if (gp_pci_parse_address(value.data, value.length, GP_PCI_AUTO, &address, &ignored) != 0) return;
    gp_pci_format_address(&address, text);
    gp_pci_keep(reader, which, (gp_text){text, strlen(text)});
}

static bool same(gp_text a, const char *b)
{
    return a.length == strlen(b) && memcmp(a.data, b, a.length) == 0;
}

bool gp_pci_read_esxcli_field(gp_pci_reader *reader, gp_text line)
{
    const char *colon = memchr(line.data, ':', line.length);
    if (!colon) return false;
    gp_text key = gp_pci_trim((gp_text){line.data, (size_t)(colon - line.data)});
    gp_text value = gp_pci_trim((gp_text){colon + 1, (size_t)(line.data + line.length - colon) - 1});
    if (same(key, "Address") || same(key, "Device ID")) {
        /* the heading of the block may be lost; pcipassthru list calls the address Device ID */
        gp_pci_address address;
        gp_error ignored;
        if (memchr(value.data, ':', value.length) &&
            gp_pci_parse_address(value.data, value.length, GP_PCI_HEX, &address, &ignored) == 0)
            return gp_pci_begin(reader, &address);
    }
    if (reader->current < 0) return false;
    gp_pci_device *device = &reader->list->devices[reader->current];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (same(key, texts[i].key)) {
            gp_pci_keep(reader, texts[i].which, value);
            return true;
        }
    }
    const struct {
        const char *key;
        int32_t *field;
    } numbers[] = {
        {"Vendor ID", &device->vendor},       {"Device ID", &device->device},
        {"SubVendor ID", &device->subvendor}, {"SubDevice ID", &device->subdevice},
        {"Device Class", &device->class},     {"Programming Interface", &device->prog_if},
        {"Revision ID", &device->revision},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (!same(key, numbers[i].key)) continue;
        int64_t number = gp_pci_hex(value, 0);
        if (number < 0 || number > 0xffff) return false;
        *numbers[i].field = (int32_t)number;
        return true;
    }
    const struct {
        const char *key;
        int8_t *field;
    } flags[] = {
        {"Passthru Capable", &device->capable},
        {"FPT Sharable", &device->sharable},
        {"Enabled", &device->enabled},
    };
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (!same(key, flags[i].key)) continue;
        bool yes = same(value, "true") || same(value, "True");
        if (!yes && !same(value, "false") && !same(value, "False")) return false;
        *flags[i].field = yes;
        return true;
    }
    if (same(key, "NUMA Node")) {
        int64_t node = gp_pci_decimal(value);
        if (node >= 0 && node < 1024) device->numa_node = (int32_t)node;
        return true;
    }
    if (same(key, "Parent Device")) {
        keep_address(reader, GP_PCI_PARENT, value);
        return true;
    }
    if (same(key, "Dependent Device")) {
        keep_address(reader, GP_PCI_DEPENDENT, value);
        return true;
    }
    return false;
}

/* The columns after the ids: "255/   /     A P pciPassthru  vmgfx0"; the module is the first word of letters.
 */
static void read_module(gp_pci_reader *reader, gp_text rest)
{
    gp_text word;
    while (rest.length) {
        word = gp_pci_word(rest, &rest);
        bool name = word.length > 2 && !memchr(word.data, '/', word.length) &&
                    !(word.data[0] >= '0' && word.data[0] <= '9');
        if (!name) continue;
        gp_pci_keep(reader, GP_PCI_DRIVER, word);
        word = gp_pci_word(rest, &rest);
        gp_pci_keep(reader, GP_PCI_VMKERNEL_NAME, word);
        return;
    }
}

bool gp_pci_read_columns(gp_pci_reader *reader, gp_text rest)
{
    gp_pci_device *device = &reader->list->devices[reader->current];
    int32_t vendor, model, subvendor, submodel;
    gp_text word = gp_pci_word(rest, &rest);
    if (!gp_pci_ids(word, &vendor, &model)) return false;
    word = gp_pci_word(rest, &rest);
    if (!gp_pci_ids(word, &subvendor, &submodel)) return false;
    device->vendor = vendor;
    device->device = model;
    device->subvendor = subvendor;
    device->subdevice = submodel;
    gp_text after;
    word = gp_pci_word(rest, &after);
    if (!word.length) return true;
    if (memchr(word.data, '/', word.length)) {
        read_module(reader, rest);
    } else {
        gp_pci_keep(reader, GP_PCI_OWNER, word);
        gp_pci_keep(reader, GP_PCI_VMKERNEL_NAME, gp_pci_word(after, &rest));
    }
    return true;
}
