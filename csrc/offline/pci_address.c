#include "offline/pci.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct number {
    uint64_t hex, decimal;
    size_t digits;
    bool decimal_only; /* no a-f in it */
} number;

static const char *take(const char *at, const char *end, number *n)
{
    *n = (number){.decimal_only = true};
    for (; at < end && n->digits < 9; at++, n->digits++) {
        unsigned value;
        if (*at >= '0' && *at <= '9') {
            value = (unsigned)(*at - '0');
        } else if ((*at | 0x20) >= 'a' && (*at | 0x20) <= 'f') {
            value = (unsigned)((*at | 0x20) - 'a' + 10);
            n->decimal_only = false;
        } else {
            break;
        }
        n->hex = n->hex * 16 + value;
        n->decimal = n->decimal * 10 + value;
    }
    return at;
}

static int refuse(const char *text, size_t length, gp_error *err)
{
    return gp_fail(
        err, "EINVAL",
        "'%.*s' is not a PCI address: write 0000:65:00.0 (hexadecimal), 00000:101:00.0 (decimal, as in a "
        ".vmx) or PCI 0:101:0:0",
        length > 60 ? 60 : (int)length, text);
}

int gp_pci_parse_address(const char *text, size_t length, gp_pci_form form, gp_pci_address *address,
                         gp_error *err)
{
    const char *at = text, *end = text + length;
    if (length > 4 && memcmp(at, "PCI ", 4) == 0) {
        at += 4;
        if (form == GP_PCI_AUTO) form = GP_PCI_DECIMAL;
    }
    number parts[4];
    char marks[4] = {0}; /* the separator before each part */
    size_t count = 0;
    for (;;) {
        at = take(at, end, &parts[count]);
        if (parts[count].digits == 0) return refuse(text, length, err);
        count++;
        if (at == end) break;
        if (count == 4 || (*at != ':' && *at != '.')) return refuse(text, length, err);
        marks[count] = *at++;
    }
    bool colons = count == 4 && marks[1] == ':' && marks[2] == ':' && marks[3] == ':';
    bool usual = (count == 4 && marks[1] == ':' && marks[2] == ':' && marks[3] == '.') ||
                 (count == 3 && marks[1] == ':' && marks[2] == '.');
    if (!colons && !usual) return refuse(text, length, err);
    size_t bus = count - 3;
    if (form == GP_PCI_AUTO) form = colons || parts[bus].digits == 3 ? GP_PCI_DECIMAL : GP_PCI_HEX;
    uint64_t values[4] = {0};
    for (size_t i = 0; i < count; i++) {
        if (form == GP_PCI_DECIMAL && !parts[i].decimal_only) return refuse(text, length, err);
        values[4 - count + i] = form == GP_PCI_DECIMAL ? parts[i].decimal : parts[i].hex;
    }
    if (values[0] > UINT32_MAX || values[1] > 255 || values[2] > 31 || values[3] > 7) {
        return gp_fail(err, "ERANGE",
                       "'%.*s': a bus goes to 255 (0xff), a slot to 31 (0x1f), a function to 7",
                       length > 60 ? 60 : (int)length, text);
    }
    *address =
        (gp_pci_address){(uint32_t)values[0], (uint8_t)values[1], (uint8_t)values[2], (uint8_t)values[3]};
    return 0;
}

void gp_pci_format_address(const gp_pci_address *a, char *out)
{
    (void)snprintf(out, GP_PCI_ADDRESS_SIZE, "%04" PRIx32 ":%02x:%02x.%x", a->domain, a->bus, a->slot,
                   a->func);
}

void gp_pci_format_vmx(const gp_pci_address *a, char *out)
{
    (void)snprintf(out, GP_PCI_ADDRESS_SIZE, "%05" PRIu32 ":%03u:%02u.%u", a->domain, a->bus, a->slot,
                   a->func);
}

bool gp_pci_same_address(const gp_pci_address *a, const gp_pci_address *b)
{
    return a->domain == b->domain && a->bus == b->bus && a->slot == b->slot && a->func == b->func;
}
