/* lspci, of Linux (-n, -nn, -v, -vv) and of ESXi. */
#include "offline/pci_inside.h"

#include <string.h>

static gp_pci_device *device_of(gp_pci_reader *reader)
{
    return &reader->list->devices[reader->current];
}

/* The content of the last [...] in `text`; *before is the text before it. NULL data when there is none. */
static gp_text last_bracket(gp_text text, gp_text *before)
{
    size_t close = text.length;
    while (close > 0 && text.data[close - 1] != ']')
        close--;
    size_t open = close;
    while (open > 0 && text.data[open - 1] != '[')
        open--;
    if (open == 0) return (gp_text){NULL, 0};
    *before = (gp_text){text.data, open - 1};
    return (gp_text){text.data + open, close - 1 - open};
}

/* "(rev a1)" and "(prog-if 00 [VGA controller])" end the line. */
static gp_text cut_tail(gp_pci_device *device, gp_text text)
{
    gp_text rev = gp_pci_after(text, " (rev ");
    if (rev.data) {
        int64_t revision = rev.length > 2 ? gp_pci_hex((gp_text){rev.data, 2}, 2) : -1;
        if (revision >= 0) device->revision = (int32_t)revision;
    }
    gp_text prog = gp_pci_after(text, " (prog-if ");
    if (prog.data) {
        int64_t prog_if = prog.length > 2 ? gp_pci_hex((gp_text){prog.data, 2}, 2) : -1;
        if (prog_if >= 0) device->prog_if = (int32_t)prog_if;
    }
    const char *first = rev.data && (!prog.data || rev.data < prog.data) ? rev.data - 6
                        : prog.data                                      ? prog.data - 10
                                                                         : NULL;
    return first ? (gp_text){text.data, (size_t)(first - text.data)} : text;
}

/* "vmhba2", "vmnic0", "vmgfx1": ESXi appends its own name for the device. */
static bool is_vmkernel_name(gp_text text)
{
    return text.length > 2 && text.length < 24 && gp_pci_starts(text, "vm") &&
           !memchr(text.data, ' ', text.length) && text.data[text.length - 1] >= '0' &&
           text.data[text.length - 1] <= '9';
}

bool gp_pci_read_lspci(gp_pci_reader *reader, gp_text rest)
{
    gp_pci_device *device = device_of(reader);
    gp_text right = gp_pci_after(rest, ": ");
    if (!right.data) return false;
    gp_text left = {rest.data, (size_t)(right.data - rest.data) - 2};
    right = gp_pci_trim(cut_tail(device, right));
    gp_text class_text =
        gp_pci_starts(left, "Class ") ? gp_pci_trim((gp_text){left.data + 6, left.length - 6}) : left;
    int64_t class = class_text.length == 4 ? gp_pci_hex(class_text, 4) : -1;
    gp_text before;
    if (class < 0) {
        gp_text bracket = last_bracket(left, &before);
        if (bracket.data) class = gp_pci_hex(bracket, 4);
        gp_pci_keep(reader, GP_PCI_CLASS_NAME, class >= 0 ? before : left);
    }
    if (class >= 0) device->class = (int32_t) class;
    gp_text bracket = last_bracket(right, &before);
    if (bracket.data && is_vmkernel_name(bracket)) {
        gp_pci_keep(reader, GP_PCI_VMKERNEL_NAME, bracket);
        right = gp_pci_trim(before);
        bracket = last_bracket(right, &before);
    }
    gp_text ignored;
    if (gp_pci_ids(gp_pci_word(right, &ignored), &device->vendor, &device->device)) return true;
    if (bracket.data && gp_pci_ids(bracket, &device->vendor, &device->device)) right = before;
    gp_pci_keep(reader, GP_PCI_DEVICE_NAME, right);
    return right.length > 0;
}

/* "[size=32G]"; 0 when there is none */
static uint64_t size_of(gp_text text)
{
    gp_text size = gp_pci_after(text, "[size=");
    if (!size.data) return 0;
    size_t n = 0;
    while (n < size.length && size.data[n] != ']')
        n++;
    uint64_t bytes;
    gp_error ignored;
    return gp_bar_parse_size(size.data, n, &bytes, &ignored) == 0 ? bytes : 0;
}

/* "Memory at 1ff000000000 (64-bit, prefetchable) [size=32G]", "I/O ports at 5000 [size=128]" */
static bool read_region(gp_pci_reader *reader, gp_pci_device *device, int index, gp_text text)
{
    while (text.length && text.data[0] == '[') {
        gp_text after = gp_pci_after(text, "] "); /* [virtual], [enhanced] */
        if (!after.data) return false;
        text = after;
    }
    bool io = gp_pci_starts(text, "I/O ports at ");
    if (!io && !gp_pci_starts(text, "Memory at ")) return false;
    gp_text rest,
        address = gp_pci_word((gp_text){text.data + (io ? 13 : 10), text.length - (io ? 13 : 10)}, &rest);
    uint64_t size = size_of(text), base = 0;
    bool unassigned = address.length && address.data[0] == '<';
    for (size_t i = 0; i < address.length && address.data[0] != '<'; i++) {
        int64_t digit = gp_pci_hex((gp_text){address.data + i, 1}, 1);
        if (digit < 0) {
            base = 0;
            break;
        }
        base = base << 4 | (uint64_t)digit;
    }
    bool wide = gp_pci_after(text, "(64-bit").data != NULL;
    /* lspci -v leaves the index out; registers are shown in order, a 64-bit one takes two */
    if (index < 0) index = reader->next_region;
    reader->next_region = index + (wide ? 2 : 1);
    if (index <= 5) {
        uint8_t bit = (uint8_t)(1U << index);
        device->unassigned = (uint8_t)(unassigned ? device->unassigned | bit : device->unassigned & ~bit);
    }
    if (index > 5 || size == 0 || (size & (size - 1)) || base > INT64_MAX || size > UINT64_C(1) << 62)
        return true;
    gp_bar bar = {
        .index = index,
        .kind = io     ? GP_BAR_IO
                : wide ? GP_BAR_MEM64
                       : GP_BAR_MEM32,
        .prefetchable = gp_pci_after(text, ", prefetchable").data != NULL,
        .size = size,
        .address = base,
    };
    gp_pci_set_bar(device->bars, &device->bar_count, &bar);
    return true;
}

/* "BAR 1: current size: 64GB, supported: 64MB 128MB" below the capability Resizable BAR */
static bool read_resizable(gp_pci_device *device, int index, gp_text text)
{
    gp_text current = gp_pci_after(text, "current size: "), rest;
    if (!current.data) return false;
    gp_pci_rebar rebar = {.index = index};
    gp_text word = gp_pci_word(current, &rest);
    if (word.length && word.data[word.length - 1] == ',') word.length--;
    gp_error ignored;
    if (gp_bar_parse_size(word.data, word.length, &rebar.current, &ignored) != 0) rebar.current = 0;
    if (rebar.current > INT64_MAX || (rebar.current & (rebar.current - 1))) rebar.current = 0;
    gp_text supported = gp_pci_after(text, "supported: ");
    while (supported.data && supported.length) {
        uint64_t bytes;
        word = gp_pci_word(supported, &supported);
        if (gp_bar_parse_size(word.data, word.length, &bytes, &ignored) != 0) break;
        int bit = bytes ? 63 - __builtin_clzll(bytes) : 0;
        if (bit >= 20 && bit <= 62 && bytes == UINT64_C(1) << bit)
            rebar.supported |= UINT64_C(1) << (bit - 20);
    }
    for (size_t i = 0; i < device->rebar_count; i++) {
        if (device->rebars[i].index == index) {
            device->rebars[i] = rebar;
            return true;
        }
    }
    if (device->rebar_count < 6) device->rebars[device->rebar_count++] = rebar;
    return true;
}

/* "Region 1: ..." or "BAR 1: ...": the index, -1 when the line is another; *rest is what follows. */
static int indexed(gp_text line, const char *word, gp_text *rest)
{
    size_t n = strlen(word);
    if (!gp_pci_starts(line, word) || line.length < n + 3 || line.data[n] < '0' || line.data[n] > '5' ||
        line.data[n + 1] != ':') {
        return -1;
    }
    *rest = gp_pci_trim((gp_text){line.data + n + 2, line.length - n - 2});
    return line.data[n] - '0';
}

static bool read_subsystem(gp_pci_reader *reader, gp_text value)
{
    gp_pci_device *device = device_of(reader);
    gp_text before, bracket = last_bracket(value, &before);
    if (bracket.data && gp_pci_ids(bracket, &device->subvendor, &device->subdevice)) {
        gp_pci_keep(reader, GP_PCI_SUBSYSTEM_NAME, before);
        return true;
    }
    if (gp_pci_ids(value, &device->subvendor, &device->subdevice)) return true;
    gp_pci_keep(reader, GP_PCI_SUBSYSTEM_NAME, value);
    return true;
}

static bool read_functions(gp_pci_device *device, gp_text line)
{
    gp_text total = gp_pci_after(line, "Total VFs: "), number = gp_pci_after(line, "Number of VFs: ");
    if (!total.data || !number.data) return false;
    const gp_text values[2] = {total, number};
    int32_t *const fields[2] = {&device->vf_total, &device->vf_enabled};
    for (int i = 0; i < 2; i++) {
        size_t n = 0;
        while (n < values[i].length && values[i].data[n] >= '0' && values[i].data[n] <= '9')
            n++;
        int64_t value = gp_pci_decimal((gp_text){values[i].data, n});
        if (value >= 0 && value <= 65535) *fields[i] = (int32_t)value;
    }
    return true;
}

/* "16GT/s", "2.5GT/s" in tenths; -1 when it is none */
static int32_t speed_of(gp_text text)
{
    int32_t whole = 0, tenth = 0;
    size_t n = 0;
    for (; n < text.length && n < 4 && text.data[n] >= '0' && text.data[n] <= '9'; n++)
        whole = whole * 10 + (text.data[n] - '0');
    if (n == 0) return -1;
    if (n + 1 < text.length && text.data[n] == '.' && text.data[n + 1] >= '0' && text.data[n + 1] <= '9') {
        tenth = text.data[n + 1] - '0';
        n += 2;
    }
    if (text.length < n + 4 || memcmp(text.data + n, "GT/s", 4) != 0) return -1;
    return whole * 10 + tenth;
}

/* "LnkCap: Port #0, Speed 16GT/s, Width x16, ASPM ..." and "LnkSta: Speed 2.5GT/s (downgraded), Width x16" */
static bool read_link(gp_pci_device *device, gp_text line)
{
    bool most = gp_pci_starts(line, "LnkCap:");
    if (!most && !gp_pci_starts(line, "LnkSta:")) return false;
    gp_text speed = gp_pci_after(line, "Speed "), width = gp_pci_after(line, "Width x");
    int32_t tenths = speed.data ? speed_of(speed) : -1, lanes = -1;
    for (size_t i = 0;
         width.data && i < width.length && i < 2 && width.data[i] >= '0' && width.data[i] <= '9'; i++)
        lanes = (lanes < 0 ? 0 : lanes * 10) + (width.data[i] - '0');
    if (tenths >= 0) *(most ? &device->link_speed_max : &device->link_speed) = tenths;
    if (lanes >= 0) *(most ? &device->link_width_max : &device->link_width) = lanes;
    return true;
}

/* ESXi's lspci -v: "Class 0302: 10de:1eb8" */
static bool read_class(gp_pci_device *device, gp_text line)
{
    if (!gp_pci_starts(line, "Class ") || line.length < 12 || line.data[10] != ':') return false;
    int64_t class = gp_pci_hex((gp_text){line.data + 6, 4}, 4);
    gp_text rest, ids = gp_pci_word((gp_text){line.data + 11, line.length - 11}, &rest);
    if (class < 0 || !gp_pci_ids(ids, &device->vendor, &device->device)) return false;
    device->class = (int32_t) class;
    return true;
}

bool gp_pci_read_lspci_detail(gp_pci_reader *reader, gp_text line, unsigned depth)
{
    gp_pci_device *device = device_of(reader);
    gp_text rest;
    int index = indexed(line, "BAR ", &rest);
    if (index >= 0) return read_resizable(device, index, rest);
    index = indexed(line, "Region ", &rest);
    if (gp_pci_starts(line, "Capabilities: "))
        reader->virtual_functions = gp_pci_after(line, "(SR-IOV)").data != NULL;
    /* those of the virtual functions are indented deeper, without sizes */
    if (index >= 0)
        return depth < 2 && !reader->virtual_functions && read_region(reader, device, index, rest);
    if (gp_pci_starts(line, "Initial VFs:")) return read_functions(device, line);
    if (read_link(device, line)) return true;
    if (depth >= 2) return false;
    if (read_class(device, line)) return true;
    if (read_region(reader, device, -1, line)) return true;
    if (gp_pci_starts(line, "Expansion ROM at ")) {
        uint64_t size = size_of(line);
        if (size && size <= UINT64_C(1) << 62) device->rom = size;
        return true;
    }
    static const struct {
        const char *key;
        gp_pci_string which;
    } strings[] = {{"Kernel driver in use: ", GP_PCI_DRIVER}};
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        if (!gp_pci_starts(line, strings[i].key)) continue;
        size_t n = strlen(strings[i].key);
        gp_pci_keep(reader, strings[i].which, (gp_text){line.data + n, line.length - n});
        return true;
    }
    if (gp_pci_starts(line, "Subsystem: ")) {
        return read_subsystem(reader, gp_pci_trim((gp_text){line.data + 11, line.length - 11}));
    }
    const struct {
        const char *key;
        int32_t *field;
    } numbers[] = {{"NUMA node: ", &device->numa_node}, {"IOMMU group: ", &device->iommu_group}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (!gp_pci_starts(line, numbers[i].key)) continue;
        size_t n = strlen(numbers[i].key);
        int64_t value = gp_pci_decimal(gp_pci_trim((gp_text){line.data + n, line.length - n}));
        if (value < 0) return false;
        *numbers[i].field = (int32_t)value;
        return true;
    }
    return false;
}
