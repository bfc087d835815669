/* pci.ids:
 *   vvvv  vendor
 *   \tdddd  device
 *   \t\tvvvv dddd  subsystem
 *   C cc  class
 *   \tss  sub-class
 * One pass over the file in a fixed buffer; the few devices at hand are looked through at each vendor line.
 */
#define _DEFAULT_SOURCE
#include "offline/pci_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct scope {
    int64_t vendor, device, class; /* -1: not inside one */
    bool wanted;                   /* some device has this vendor */
} scope;

static bool missing(const gp_pci_device *device, gp_pci_string which)
{
    return device->strings[which].length == 0;
}

/* lspci's text has vendor and device in one: the vendor's part goes once its name is known. */
static void part_names(const gp_pci_list *list, gp_pci_device *device, gp_text vendor)
{
    gp_text name = gp_pci_get_string(list, device, GP_PCI_DEVICE_NAME);
    if (name.length <= vendor.length + 1 || name.data[vendor.length] != ' ' ||
        memcmp(name.data, vendor.data, vendor.length) != 0) {
        return;
    }
    device->strings[GP_PCI_DEVICE_NAME].offset += vendor.length + 1;
    device->strings[GP_PCI_DEVICE_NAME].length -= vendor.length + 1;
}

static int name_vendor(gp_pci_list *list, scope *at, gp_text name, gp_error *err)
{
    at->wanted = false;
    for (size_t i = 0; i < list->count; i++) {
        gp_pci_device *device = &list->devices[i];
        if (device->vendor != at->vendor) continue;
        at->wanted = true;
        if (!missing(device, GP_PCI_VENDOR_NAME)) continue;
        if (gp_pci_set_string(list, device, GP_PCI_VENDOR_NAME, name.data, name.length, err) != 0) return -1;
        part_names(list, device, name);
    }
    return 0;
}

static int name_device(gp_pci_list *list, const scope *at, gp_text name, gp_error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        gp_pci_device *device = &list->devices[i];
        if (device->vendor == at->vendor && device->device == at->device &&
            missing(device, GP_PCI_DEVICE_NAME) &&
            gp_pci_set_string(list, device, GP_PCI_DEVICE_NAME, name.data, name.length, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int name_subsystem(gp_pci_list *list, const scope *at, int64_t subvendor, int64_t subdevice,
                          gp_text name, gp_error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        gp_pci_device *device = &list->devices[i];
        if (device->vendor == at->vendor && device->device == at->device && device->subvendor == subvendor &&
            device->subdevice == subdevice && missing(device, GP_PCI_SUBSYSTEM_NAME) &&
            gp_pci_set_string(list, device, GP_PCI_SUBSYSTEM_NAME, name.data, name.length, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int name_class(gp_pci_list *list, int64_t class, int64_t sub, gp_text name, gp_error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        gp_pci_device *device = &list->devices[i];
        if (device->class == (class << 8 | sub) && missing(device, GP_PCI_CLASS_NAME) &&
            gp_pci_set_string(list, device, GP_PCI_CLASS_NAME, name.data, name.length, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int read_entry(gp_pci_list *list, scope *at, gp_text line, gp_error *err)
{
    size_t tabs = 0;
    while (tabs < line.length && line.data[tabs] == '\t')
        tabs++;
    gp_text rest, word = gp_pci_word(line, &rest);
    if (tabs == 0) {
        *at = (scope){-1, -1, -1, false};
        if (word.length == 1 && word.data[0] == 'C') {
            word = gp_pci_word(rest, &rest);
            at->class = gp_pci_hex(word, 2);
            return 0;
        }
        at->vendor = gp_pci_hex(word, 4);
        return at->vendor < 0 ? 0 : name_vendor(list, at, rest, err);
    }
    if (at->class >= 0) {
        int64_t sub = tabs == 1 ? gp_pci_hex(word, 2) : -1;
        return sub < 0 ? 0 : name_class(list, at->class, sub, rest, err);
    }
    if (!at->wanted) return 0;
    if (tabs == 1) {
        at->device = gp_pci_hex(word, 4);
        return at->device < 0 ? 0 : name_device(list, at, rest, err);
    }
    int64_t subvendor = gp_pci_hex(word, 4);
    word = gp_pci_word(rest, &rest);
    int64_t subdevice = gp_pci_hex(word, 4);
    if (tabs != 2 || subvendor < 0 || subdevice < 0 || at->device < 0) return 0;
    return name_subsystem(list, at, subvendor, subdevice, rest, err);
}

int gp_pci_read_names(gp_pci_list *list, const char *path, gp_error *err)
{
    FILE *file = fopen(path, "re");
    if (!file) return gp_fail_errno(err, errno, "%s", path);
    scope at = {-1, -1, -1, false};
    char line[1024];
    int result = 0;
    bool cut = false; /* the rest of a line longer than the buffer is skipped */
    while (result == 0 && fgets(line, sizeof line, file)) {
        size_t length = strlen(line);
        bool whole = length && line[length - 1] == '\n';
        bool skip = cut || line[0] == '#' || line[0] == '\n';
        cut = !whole;
        if (skip) continue;
        while (length && (line[length - 1] == '\n' || line[length - 1] == '\r'))
            length--;
        if (length) result = read_entry(list, &at, (gp_text){line, length}, err);
    }
    if (result == 0 && ferror(file)) result = gp_fail_errno(err, errno, "%s", path);
    (void)fclose(file);
    return result;
}
