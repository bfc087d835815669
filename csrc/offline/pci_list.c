#include "offline/pci.h"

#include <stdlib.h>
#include <string.h>

void gp_pci_list_free(gp_pci_list *list)
{
    free(list->devices);
    free(list->slots);
    gp_buf_free(&list->strings);
    *list = (gp_pci_list)GP_PCI_LIST_EMPTY;
}

static size_t hash(const gp_pci_address *a)
{
    uint64_t key = (uint64_t)a->domain << 16 | (uint64_t)a->bus << 8 | (uint64_t)a->slot << 3 | a->func;
    return (size_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 32);
}

/* The slot that holds `address` or where it would go. */
static uint32_t *slot_of(const gp_pci_list *list, const gp_pci_address *address)
{
    size_t mask = list->slot_count - 1, at = hash(address) & mask;
    while (list->slots[at] && !gp_pci_same_address(&list->devices[list->slots[at] - 1].address, address)) {
        at = (at + 1) & mask;
    }
    return &list->slots[at];
}

static bool grow(gp_pci_list *list)
{
    size_t capacity = list->capacity ? list->capacity * 2 : 64;
    gp_pci_device *devices = realloc(list->devices, capacity * sizeof *devices);
    if (!devices) return false;
    list->devices = devices;
    uint32_t *slots = calloc(capacity * 2, sizeof *slots);
    if (!slots) return false;
    free(list->slots);
    list->slots = slots;
    list->slot_count = capacity * 2;
    list->capacity = capacity;
    for (size_t i = 0; i < list->count; i++)
        *slot_of(list, &list->devices[i].address) = (uint32_t)i + 1;
    return true;
}

gp_pci_device *gp_pci_list_at(gp_pci_list *list, const gp_pci_address *address, gp_error *err)
{
    if (list->slot_count) {
        uint32_t found = *slot_of(list, address);
        if (found) return &list->devices[found - 1];
    }
    if (list->count >= GP_PCI_MAX) {
        return gp_fail_null(err, "ERANGE", "more than %d PCI devices", GP_PCI_MAX);
    }
    if (list->count == list->capacity && !grow(list)) {
        (void)gp_fail_memory(err);
        return NULL;
    }
    gp_pci_device *device = &list->devices[list->count];
    *device = (gp_pci_device){
        .address = *address,
        .vendor = -1,
        .device = -1,
        .subvendor = -1,
        .subdevice = -1,
        .revision = -1,
        .class = -1,
        .prog_if = -1,
        .vf_total = -1,
        .vf_enabled = -1,
        .numa_node = -1,
        .iommu_group = -1,
        .secondary_bus = -1,
        .subordinate_bus = -1,
        .link_speed = -1,
        .link_speed_max = -1,
        .link_width = -1,
        .link_width_max = -1,
        .bridge = -1,
        .boot_vga = -1,
        .capable = -1,
        .enabled = -1,
        .sharable = -1,
        .by_name = -1,
    };
    *slot_of(list, address) = (uint32_t)++list->count;
    return device;
}

int gp_pci_set_string(gp_pci_list *list, gp_pci_device *device, gp_pci_string which, const char *text,
                      size_t length, gp_error *err)
{
    size_t offset = list->strings.length;
    if (gp_buf_append(&list->strings, text, length) != 0) return gp_fail_memory(err);
    device->strings[which].offset = offset;
    device->strings[which].length = length;
    return 0;
}

gp_text gp_pci_get_string(const gp_pci_list *list, const gp_pci_device *device, gp_pci_string which)
{
    size_t length = device->strings[which].length;
    return (gp_text){length ? list->strings.data + device->strings[which].offset : "", length};
}

void gp_pci_set_bar(gp_bar *bars, size_t *count, const gp_bar *bar)
{
    size_t at = 0;
    while (at < *count && bars[at].index < bar->index)
        at++;
    if (at < *count && bars[at].index == bar->index) {
        bars[at] = *bar;
        return;
    }
    if (*count == 6) return; /* indices are 0 to 5, so a seventh cannot be */
    memmove(&bars[at + 1], &bars[at], (*count - at) * sizeof *bars);
    bars[at] = *bar;
    ++*count;
}
