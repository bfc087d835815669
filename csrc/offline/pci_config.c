#include "offline/pci.h"

#include <string.h>

#define EXPRESS_START 0x100
#define EXT_SRIOV 0x10
#define EXT_REBAR 0x15

static uint32_t le16(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

static uint32_t le32(const uint8_t *at)
{
    return le16(at) | le16(at + 2) << 16;
}

/* Up to six entries of {capability, control}, 8 bytes each; the first one's control has the count. */
static void read_rebar(gp_pci_device *device, const uint8_t *cap, size_t left)
{
    if (left < 12) return;
    unsigned count = (le32(cap + 8) >> 5) & 7;
    device->rebar_count = 0;
    for (unsigned i = 0; i < count && i < 6 && 4 + 8 * (size_t)(i + 1) <= left; i++) {
        uint32_t sizes = le32(cap + 4 + 8 * i), control = le32(cap + 8 + 8 * i);
        unsigned exponent = (control >> 8) & 0x3f;
        gp_pci_rebar rebar = {
            .index = (int)(control & 7),
            .current = exponent <= 43 ? UINT64_C(1) << (20 + exponent) : 0,
            .supported = (uint64_t)(sizes >> 4) | (uint64_t)(control >> 16) << 28,
        };
        if (rebar.index > 5) continue; /* reserved */
        device->rebars[device->rebar_count++] = rebar;
    }
}

static void read_extended(gp_pci_device *device, const uint8_t *config, size_t length)
{
    size_t at = EXPRESS_START;
    /* a broken chain may be a circle: there cannot be more capabilities than 4-byte places */
    for (unsigned guard = 0; guard < 960 && at >= EXPRESS_START && at + 4 <= length; guard++) {
        uint32_t header = le32(config + at);
        if (header == 0 || header == UINT32_MAX) return;
        if ((header & 0xffff) == EXT_REBAR) read_rebar(device, config + at, length - at);
        if ((header & 0xffff) == EXT_SRIOV && at + 0x24 <= length) {
            device->vf_total = (int32_t)le16(config + at + 0x0e);
            device->vf_enabled = (int32_t)le16(config + at + 0x10);
        }
        at = header >> 20;
    }
}

/* A BAR's kind and address are in the raw register; its size only in the Resizable BAR capability. */
static void add_resized(gp_pci_device *device, const uint8_t *config, size_t registers)
{
    for (size_t i = 0; i < device->rebar_count; i++) {
        const gp_pci_rebar *rebar = &device->rebars[i];
        size_t index = (size_t)rebar->index;
        if (index >= registers || rebar->current == 0) continue;
        bool known = false;
        for (size_t k = 0; k < device->bar_count; k++)
            known = known || device->bars[k].index == rebar->index;
        if (known) continue;
        uint32_t raw = le32(config + 0x10 + 4 * index);
        bool wide = (raw & 6) == 4 && index + 1 < registers;
        gp_bar bar = {
            .index = rebar->index,
            .kind = wide ? GP_BAR_MEM64 : GP_BAR_MEM32,
            .prefetchable = (raw & 8) != 0,
            .size = rebar->current,
            .address = raw & ~UINT32_C(0xf),
        };
        if (wide) bar.address |= (uint64_t)le32(config + 0x14 + 4 * index) << 32;
        gp_pci_set_bar(device->bars, &device->bar_count, &bar);
    }
}

static void set_unknown(int32_t *field, uint32_t value)
{
    if (*field < 0) *field = (int32_t)value;
}

void gp_pci_read_config(gp_pci_device *device, const uint8_t *config, size_t length)
{
    if (length < 64 || le16(config) == 0xffff) return;
    set_unknown(&device->vendor, le16(config));
    set_unknown(&device->device, le16(config + 2));
    set_unknown(&device->revision, config[8]);
    set_unknown(&device->prog_if, config[9]);
    set_unknown(&device->class, le16(config + 10));
    unsigned header = config[0x0e] & 0x7f;
    device->bridge = header == 1;
    if (header == 0) {
        set_unknown(&device->subvendor, le16(config + 0x2c));
        set_unknown(&device->subdevice, le16(config + 0x2e));
    } else if (header == 1) {
        device->secondary_bus = config[0x19];
        device->subordinate_bus = config[0x1a];
    }
    if (length > EXPRESS_START) read_extended(device, config, length);
    if (header <= 1) add_resized(device, config, header == 0 ? 6 : 2);
}
