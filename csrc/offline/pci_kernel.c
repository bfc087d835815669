/* What a Linux kernel's log says about PCI devices:
 *   pci 0000:13:00.0: [10de:20b5] type 00 class 0x030200
 *   pci 0000:13:00.0: BAR 1 [mem 0xf800000000-0xfbffffffff 64bit pref]      6.7 and later
 *   pci 0000:13:00.0: reg 0x14: [mem 0xf800000000-0xfbffffffff 64bit pref]  before
 *   pci 0000:13:00.0: BAR 1: no space for [mem size 0x1000000000 64bit pref]
 *   pci 0000:13:00.0: BAR 1 [mem size 0x1000000000 64bit pref]: can't assign; no space
 *   pci 0000:13:00.0: BAR 1: assigned [mem 0xf800000000-0xfbffffffff 64bit pref]
 * (drivers/pci/setup-res.c, probe.c)
 */
#include "offline/pci_inside.h"

#include <string.h>

static const char *hex64(gp_text text, uint64_t *value)
{
    size_t n = 2;
    if (!gp_pci_starts(text, "0x")) return NULL;
    *value = 0;
    for (; n < text.length && n < 18; n++) {
        int64_t digit = gp_pci_hex((gp_text){text.data + n, 1}, 1);
        if (digit < 0) break;
        *value = *value << 4 | (uint64_t)digit;
    }
    return n > 2 ? text.data + n : NULL;
}

/* "[mem 0xA-0xB 64bit pref]" or "[mem size 0xS 64bit pref]"; size 0 when it is neither */
static gp_bar range_of(gp_text text, bool *placed)
{
    gp_bar bar = {0};
    bool io = gp_pci_starts(text, "[io ");
    if (!io && !gp_pci_starts(text, "[mem ")) return bar;
    gp_text rest = gp_pci_trim((gp_text){text.data + (io ? 4 : 5), text.length - (io ? 4 : 5)});
    uint64_t first, last;
    *placed = !gp_pci_starts(rest, "size ");
    if (!*placed) rest = gp_pci_trim((gp_text){rest.data + 5, rest.length - 5});
    const char *end = hex64(rest, &first);
    if (!end) return bar;
    uint64_t size = first;
    if (*placed) {
        gp_text tail = {end, (size_t)(text.data + text.length - end)};
        if (!tail.length || tail.data[0] != '-') return bar;
        if (!hex64((gp_text){tail.data + 1, tail.length - 1}, &last) || last < first) return bar;
        size = last - first + 1;
        bar.address = first;
    }
    if (size == 0 || (size & (size - 1)) || size > UINT64_C(1) << 62 || bar.address > INT64_MAX) return bar;
    const char *close = memchr(text.data, ']', text.length);
    gp_text inside = {text.data, close ? (size_t)(close - text.data) : text.length};
    bar.kind = io ? GP_BAR_IO : gp_pci_after(inside, "64bit").data ? GP_BAR_MEM64 : GP_BAR_MEM32;
    bar.prefetchable = gp_pci_after(inside, " pref").data != NULL;
    bar.size = size;
    return bar;
}

/* "BAR 1" or "reg 0x14": the index, -1 when it is another; *rest is what follows */
static int index_of(gp_text text, gp_text *rest)
{
    if (gp_pci_starts(text, "BAR ") && text.length > 6 && text.data[4] >= '0' && text.data[4] <= '5' &&
        (text.data[5] == ':' || text.data[5] == ' ')) {
        *rest = gp_pci_trim((gp_text){text.data + 6, text.length - 6});
        return text.data[4] - '0';
    }
    uint64_t offset;
    if (!gp_pci_starts(text, "reg ")) return -1;
    const char *end = hex64((gp_text){text.data + 4, text.length - 4}, &offset);
    if (!end || offset < 0x10 || offset > 0x24 || offset % 4) return -1;
    gp_text after = {end, (size_t)(text.data + text.length - end)};
    if (after.length && after.data[0] == ':') after.data++, after.length--;
    *rest = gp_pci_trim(after);
    return (int)(offset - 0x10) / 4;
}

static bool read_bar(gp_pci_device *device, int index, gp_text text)
{
    gp_text range = text;
    while (range.length && range.data[0] != '[')
        range.data++, range.length--;
    bool placed = false;
    gp_bar bar = range_of(range, &placed);
    if (bar.size == 0) return false;
    bool none = !placed || gp_pci_after(text, "no space").data || gp_pci_after(text, "failed to assign").data;
    bar.index = index;
    if (none) bar.address = 0;
    uint8_t bit = (uint8_t)(1U << index);
    device->unassigned = (uint8_t)(none ? device->unassigned | bit : device->unassigned & ~bit);
    gp_pci_set_bar(device->bars, &device->bar_count, &bar);
    return true;
}

/* "[10de:20b5] type 00 class 0x030200" */
static bool read_found(gp_pci_device *device, gp_text text)
{
    if (!gp_pci_ids((gp_text){text.data + 1, 9}, &device->vendor, &device->device)) return false;
    gp_text class = gp_pci_after(text, "class 0x");
    int64_t value = class.data && class.length >= 6 ? gp_pci_hex((gp_text){class.data, 6}, 6) : -1;
    if (value >= 0) {
        device->class = (int32_t)(value >> 8);
        device->prog_if = (int32_t)(value & 0xff);
    }
    return true;
}

bool gp_pci_read_kernel(gp_pci_reader *reader, gp_text line)
{
    gp_text after =
        gp_pci_starts(line, "pci ") ? (gp_text){line.data + 4, line.length - 4} : gp_pci_after(line, " pci ");
    if (!after.data) return false;
    gp_text rest, word = gp_pci_word(after, &rest), range;
    if (word.length < 8 || word.data[word.length - 1] != ':') return false;
    gp_pci_address address;
    gp_error ignored;
    if (gp_pci_parse_address(word.data, word.length - 1, GP_PCI_HEX, &address, &ignored) != 0) return false;
    /* a device is only listed for a line that has some fact on it */
    int index = index_of(rest, &range);
    int32_t vendor, model;
    gp_bar probe = {0};
    if (index >= 0) {
        gp_text at = range;
        bool placed;
        while (at.length && at.data[0] != '[')
            at.data++, at.length--;
        probe = range_of(at, &placed);
    }
    bool found = rest.length > 10 && rest.data[0] == '[' && rest.data[10] == ']' &&
                 gp_pci_ids((gp_text){rest.data + 1, 9}, &vendor, &model);
    if (probe.size == 0 && !found) return false;
    gp_pci_device *device = gp_pci_list_at(reader->list, &address, reader->err);
    if (!device) {
        reader->failed = true;
        return false;
    }
    return probe.size ? read_bar(device, index, range) : read_found(device, rest);
}
