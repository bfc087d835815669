/* links: core */
/* Texts of PCI tools, addresses and config space from arbitrary bytes. First byte: 'c' the rest is config
 * space, 'a' an address in each form, 'n' a pci.ids, 'm' a pci.ids and, behind a form feed, a text whose
 * names are looked up in it, else a text. Whatever is read must be within what the record promises.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "offline/pci.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds, const char *what)
{
    if (holds) return;
    fprintf(stderr, "broken: %s\n", what);
    abort();
}

static void check_bars(const gp_bar *bars, size_t count)
{
    check(count <= 6, "six BARs at most");
    for (size_t i = 0; i < count; i++) {
        check(bars[i].index >= 0 && bars[i].index <= 5, "a BAR's index");
        check(i == 0 || bars[i].index > bars[i - 1].index, "BARs sorted");
        check(bars[i].size > 0 && !(bars[i].size & (bars[i].size - 1)), "a BAR of a power of two");
    }
}

static void check_device(const gp_pci_list *list, const gp_pci_device *device)
{
    check_bars(device->bars, device->bar_count);
    check(device->rebar_count <= 6, "six resizable BARs at most");
    for (size_t i = 0; i < device->rebar_count; i++) {
        check(device->rebars[i].index >= 0 && device->rebars[i].index <= 5, "a resizable BAR's index");
    }
    check(device->vendor >= -1 && device->vendor <= 0xffff && device->device <= 0xffff, "ids of 16 bits");
    check(device->class >= -1 && device->class <= 0xffff, "a class of 16 bits");
    check(device->address.slot <= 31 && device->address.func <= 7, "an address");
    check(device->unassigned < 64, "unassigned BARs are six at most");
    check(device->link_width <= 99 && device->link_width_max <= 99, "a link's width");
    check(device->link_speed <= 99999 && device->link_speed_max <= 99999, "a link's speed");
    check(device->sharable >= -1 && device->sharable <= 1 && device->by_name >= -1 && device->by_name <= 1,
          "flags");
    if (device->by_name == 1) check(device->vendor >= -1, "ids by name");
    for (int i = 0; i < GP_PCI_STRINGS; i++) {
        gp_text text = gp_pci_get_string(list, device, (gp_pci_string)i);
        check(text.length <= list->strings.length, "a string inside the list");
        if (text.length) check(text.data >= list->strings.data, "a string inside the list");
    }
}

static void try_address(const char *text, size_t length)
{
    static const gp_pci_form forms[] = {GP_PCI_AUTO, GP_PCI_HEX, GP_PCI_DECIMAL};
    for (int i = 0; i < 3; i++) {
        gp_pci_address address, again;
        gp_error err;
        char out[GP_PCI_ADDRESS_SIZE];
        if (gp_pci_parse_address(text, length, forms[i], &address, &err) != 0) continue;
        gp_pci_format_address(&address, out);
        check(gp_pci_parse_address(out, strlen(out), GP_PCI_HEX, &again, &err) == 0,
              "an address written is read");
        check(gp_pci_same_address(&address, &again), "an address survives");
        gp_pci_format_vmx(&address, out);
        if (address.domain <= 99999999) {
            check(gp_pci_parse_address(out, strlen(out), GP_PCI_DECIMAL, &again, &err) == 0,
                  "a vmx address is read");
            check(gp_pci_same_address(&address, &again), "a vmx address survives");
        }
    }
}

static void with_file(const uint8_t *data, size_t size, char *path, size_t path_size, int *fd)
{
    *fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (*fd < 0 || write(*fd, data, size) != (ssize_t)size) abort();
    (void)snprintf(path, path_size, "/proc/self/fd/%d", *fd);
}

/* Names of a text, looked up in the pci.ids before the form feed. */
static void try_matching(gp_pci_list *list, const uint8_t *data, size_t size)
{
    const uint8_t *mark = size ? memchr(data, '\f', size) : NULL;
    if (!mark) return;
    gp_error err;
    size_t recognised, names = (size_t)(mark - data);
    if (gp_pci_read_text(list, (const char *)mark + 1, size - names - 1, &recognised, &err) != 0) return;
    char path[64];
    int fd;
    with_file(data, names, path, sizeof path, &fd);
    check(gp_pci_match_names(list, path, &err) == 0, "ids from any names");
    (void)close(fd);
    for (size_t i = 0; i < list->count; i++)
        check_device(list, &list->devices[i]);
}

/* A pci.ids for two devices whose ids a small input can hit. */
static void try_names(gp_pci_list *list, const uint8_t *data, size_t size)
{
    gp_error err;
    for (uint8_t i = 0; i < 2; i++) {
        gp_pci_address address = {.bus = i};
        gp_pci_device *device = gp_pci_list_at(list, &address, &err);
        if (!device) return;
        device->vendor = device->subvendor = 0x10de;
        device->device = i ? 0x20b5 : 0x1b38;
        device->subdevice = 0x1533;
        device->class = 0x0302;
    }
    char path[64];
    int fd;
    with_file(data, size, path, sizeof path, &fd);
    check(gp_pci_read_names(list, path, &err) == 0, "names from any bytes");
    (void)close(fd);
    for (size_t i = 0; i < list->count; i++)
        check_device(list, &list->devices[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    uint8_t mode = data[0];
    gp_pci_list list = GP_PCI_LIST_EMPTY;
    gp_error err;
    if (mode == 'a') {
        try_address((const char *)data + 1, size - 1);
        return 0;
    }
    if (mode == 'c') {
        gp_pci_address address = {0};
        gp_pci_device *device = gp_pci_list_at(&list, &address, &err);
        if (device) {
            gp_pci_read_config(device, data + 1, size - 1 < 4096 ? size - 1 : 4096);
            check_device(&list, device);
        }
    } else if (mode == 'n') {
        try_names(&list, data + 1, size - 1);
    } else if (mode == 'm') {
        try_matching(&list, data + 1, size - 1);
    } else {
        size_t recognised = 0;
        if (gp_pci_read_text(&list, (const char *)data, size, &recognised, &err) == 0) {
            for (size_t i = 0; i < list.count; i++)
                check_device(&list, &list.devices[i]);
        }
    }
    gp_pci_list_free(&list);
    return 0;
}
