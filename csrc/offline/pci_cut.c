/* Cutting views, and what every tool's lines do with the device that is being read. */
#include "offline/pci_inside.h"

#include <string.h>

gp_text gp_pci_trim(gp_text t)
{
    while (t.length && (t.data[0] == ' ' || t.data[0] == '\t'))
        t.data++, t.length--;
    while (t.length && (t.data[t.length - 1] == ' ' || t.data[t.length - 1] == '\t'))
        t.length--;
    return t;
}

gp_text gp_pci_word(gp_text t, gp_text *rest)
{
    t = gp_pci_trim(t);
    size_t n = 0;
    while (n < t.length && t.data[n] != ' ' && t.data[n] != '\t')
        n++;
    *rest = gp_pci_trim((gp_text){t.data + n, t.length - n});
    return (gp_text){t.data, n};
}

bool gp_pci_starts(gp_text t, const char *prefix)
{
    size_t n = strlen(prefix);
    return t.length >= n && memcmp(t.data, prefix, n) == 0;
}

gp_text gp_pci_after(gp_text t, const char *needle)
{
    size_t n = strlen(needle);
    for (size_t i = 0; i + n <= t.length; i++) {
        if (memcmp(t.data + i, needle, n) == 0) return (gp_text){t.data + i + n, t.length - i - n};
    }
    return (gp_text){NULL, 0};
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

int64_t gp_pci_hex(gp_text t, size_t digits)
{
    if (t.length > 2 && t.data[0] == '0' && (t.data[1] | 0x20) == 'x') t.data += 2, t.length -= 2;
    if (t.length == 0 || t.length > 8 || (digits && t.length != digits)) return -1;
    int64_t value = 0;
    for (size_t i = 0; i < t.length; i++) {
        int digit = nibble(t.data[i]);
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

int64_t gp_pci_decimal(gp_text t)
{
    if (t.length == 0 || t.length > 9) return -1;
    int64_t value = 0;
    for (size_t i = 0; i < t.length; i++) {
        if (t.data[i] < '0' || t.data[i] > '9') return -1;
        value = value * 10 + (t.data[i] - '0');
    }
    return value;
}

bool gp_pci_ids(gp_text t, int32_t *first, int32_t *second)
{
    if (t.length != 9 || t.data[4] != ':') return false;
    int64_t a = gp_pci_hex((gp_text){t.data, 4}, 4), b = gp_pci_hex((gp_text){t.data + 5, 4}, 4);
    if (a < 0 || b < 0) return false;
    *first = (int32_t)a;
    *second = (int32_t)b;
    return true;
}

void gp_pci_keep(gp_pci_reader *reader, gp_pci_string which, gp_text text)
{
    text = gp_pci_trim(text);
    if (!text.length || reader->current < 0) return;
    gp_pci_device *device = &reader->list->devices[reader->current];
    if (gp_pci_set_string(reader->list, device, which, text.data, text.length, reader->err) != 0) {
        reader->failed = true;
    }
}

/* The dump of a device ends where the device ends. */
void gp_pci_finish(gp_pci_reader *reader)
{
    if (reader->current >= 0 && reader->config_length >= 64) {
        gp_pci_read_config(&reader->list->devices[reader->current], reader->config, reader->config_length);
    }
    reader->config_length = 0;
}

bool gp_pci_begin(gp_pci_reader *reader, const gp_pci_address *address)
{
    gp_pci_finish(reader);
    gp_pci_device *device = gp_pci_list_at(reader->list, address, reader->err);
    if (!device) {
        reader->failed = true;
        return false;
    }
    reader->current = reader->previous = device - reader->list->devices;
    reader->virtual_functions = false;
    reader->next_region = 0;
    return true;
}
