/* Ids from names: what lspci prints without -nn is looked up in pci.ids backwards.
 * A name is "VENDOR DEVICE", as "NVIDIA Corporation TU104GL [Tesla T4]". Releases of pci.ids spell the same
 * model differently, so that the model in brackets decides when the whole name is not found; and a name may
 * have several ids, which are then all listed and none is used.
 */
#include "offline/pci_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 8

typedef struct candidates {
    size_t count; /* may be more than are kept */
    int32_t vendor[MOST], device[MOST];
} candidates;

typedef struct wanted {
    size_t index;       /* of the device in the list */
    bool ids, class;    /* what is looked for */
    int32_t vendor;     /* the longest vendor whose name begins the device's name; -1 none */
    size_t vendor_name; /* its length */
    size_t rest;        /* where the device's own name begins, while the file is inside a fitting vendor */
    candidates exact, model, part; /* the best of the three that found something counts */
    size_t class_count;
    int32_t class_found;
} wanted;

typedef struct place {
    int64_t vendor, class;
    char class_name[128];
    size_t class_length;
} place;

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool same(gp_text a, gp_text b)
{
    if (a.length != b.length) return false;
    for (size_t i = 0; i < a.length; i++) {
        if (lower(a.data[i]) != lower(b.data[i])) return false;
    }
    return true;
}

static bool begins(gp_text text, gp_text with)
{
    return text.length > with.length && text.data[with.length] == ' ' &&
           same((gp_text){text.data, with.length}, with);
}

/* The text in the last brackets: "TU104GL [Tesla T4]" */
static gp_text model_of(gp_text name)
{
    if (!name.length || name.data[name.length - 1] != ']') return (gp_text){NULL, 0};
    size_t at = name.length - 1;
    while (at > 0 && name.data[at - 1] != '[')
        at--;
    if (at == 0) return (gp_text){NULL, 0};
    return (gp_text){name.data + at, name.length - 1 - at};
}

/* Names grow as years go by: "Radeon RX 470/480" has become "Radeon RX 470/480/570/...". */
static bool begins_list(gp_text a, gp_text b)
{
    gp_text shorter = a.length < b.length ? a : b, longer = a.length < b.length ? b : a;
    if (shorter.length < 6 || longer.length == shorter.length) return false;
    return (longer.data[shorter.length] == '/' || longer.data[shorter.length] == ' ') &&
           same((gp_text){longer.data, shorter.length}, shorter);
}

/* The text before the brackets: "TU104GL" */
static gp_text chip_of(gp_text name)
{
    size_t n = 0;
    while (n < name.length && name.data[n] != '[')
        n++;
    return gp_pci_trim((gp_text){name.data, n});
}

/* "TU104 [...]" and "TU104GL [...]"; a GK104 and a GK106 of the same model are two cards. */
static bool of_one_chip(gp_text a, gp_text b)
{
    a = chip_of(a);
    b = chip_of(b);
    size_t n = a.length < b.length ? a.length : b.length;
    return n > 0 && same((gp_text){a.data, n}, (gp_text){b.data, n});
}

static void add(candidates *list, int64_t vendor, int64_t device)
{
    for (size_t i = 0; i < list->count && i < MOST; i++) {
        if (list->vendor[i] == vendor && list->device[i] == device) return;
    }
    if (list->count < MOST) {
        list->vendor[list->count] = (int32_t)vendor;
        list->device[list->count] = (int32_t)device;
    }
    list->count++;
}

static void at_vendor(const gp_pci_list *list, wanted *all, size_t count, int64_t vendor, gp_text name)
{
    for (size_t i = 0; i < count; i++) {
        all[i].rest = 0;
        if (!all[i].ids) continue;
        gp_text whole = gp_pci_get_string(list, &list->devices[all[i].index], GP_PCI_DEVICE_NAME);
        if (!begins(whole, name)) continue;
        all[i].rest = name.length + 1;
        if (name.length > all[i].vendor_name) {
            all[i].vendor = (int32_t)vendor;
            all[i].vendor_name = name.length;
        }
        gp_text own = {whole.data + all[i].rest, whole.length - all[i].rest};
        /* "Device 20b5": the pci.ids of that lspci had no name either */
        int64_t id =
            gp_pci_starts(own, "Device ") ? gp_pci_hex((gp_text){own.data + 7, own.length - 7}, 4) : -1;
        if (id >= 0) add(&all[i].exact, vendor, id);
    }
}

static void at_device(const gp_pci_list *list, wanted *all, size_t count, const place *at, int64_t id,
                      gp_text name)
{
    gp_text model = model_of(name);
    for (size_t i = 0; i < count; i++) {
        if (!all[i].rest) continue;
        gp_text whole = gp_pci_get_string(list, &list->devices[all[i].index], GP_PCI_DEVICE_NAME);
        gp_text own = {whole.data + all[i].rest, whole.length - all[i].rest};
        if (same(own, name)) add(&all[i].exact, at->vendor, id);
        if (!model.data) continue;
        gp_text mine = model_of(own);
        bool one_chip = !mine.data || of_one_chip(own, name);
        if (!mine.data) {
            /* ESXi writes the model alone, some releases with the brand glued to it: "NVIDIATesla P40" */
            mine = own;
            if (at->vendor == 0x10de && gp_pci_starts(mine, "NVIDIA"))
                mine = gp_pci_trim((gp_text){mine.data + 6, mine.length - 6});
        }
        if (one_chip && same(mine, model)) add(&all[i].model, at->vendor, id);
        if (one_chip && begins_list(mine, model)) add(&all[i].part, at->vendor, id);
    }
}

static void at_class(const gp_pci_list *list, wanted *all, size_t count, const place *at, int64_t sub,
                     gp_text name)
{
    const gp_text above = {at->class_name, at->class_length};
    for (size_t i = 0; i < count; i++) {
        if (!all[i].class) continue;
        gp_text mine = gp_pci_get_string(list, &list->devices[all[i].index], GP_PCI_CLASS_NAME);
        /* ESXi writes both: "Display controller 3D controller" */
        bool both = begins(mine, above) &&
                    same((gp_text){mine.data + above.length + 1, mine.length - above.length - 1}, name);
        if (!both && !same(mine, name)) continue;
        all[i].class_found = (int32_t)(at->class << 8 | sub);
        all[i].class_count++;
    }
}

static void read_entry(const gp_pci_list *list, wanted *all, size_t count, place *at, gp_text line)
{
    size_t tabs = 0;
    while (tabs < line.length && line.data[tabs] == '\t')
        tabs++;
    gp_text rest, word = gp_pci_word(line, &rest);
    if (tabs == 0) {
        at->vendor = at->class = -1;
        if (word.length == 1 && word.data[0] == 'C') {
            word = gp_pci_word(rest, &rest);
            at->class = gp_pci_hex(word, 2);
            at->class_length = rest.length < sizeof at->class_name ? rest.length : 0;
            memcpy(at->class_name, rest.data, at->class_length);
            return;
        }
        at->vendor = gp_pci_hex(word, 4);
        if (at->vendor >= 0) at_vendor(list, all, count, at->vendor, rest);
    } else if (tabs == 1 && at->class >= 0) {
        int64_t sub = gp_pci_hex(word, 2);
        if (sub >= 0) at_class(list, all, count, at, sub, rest);
    } else if (tabs == 1 && at->vendor >= 0) {
        int64_t id = gp_pci_hex(word, 4);
        if (id >= 0) at_device(list, all, count, at, id, rest);
    }
}

static int keep_candidates(gp_pci_list *list, gp_pci_device *device, const candidates *found, gp_error *err)
{
    char text[MOST * 10 + 8];
    size_t length = 0;
    for (size_t i = 0; i < found->count && i < MOST; i++) {
        int n = snprintf(text + length, sizeof text - length, "%s%04x:%04x", i ? " " : "",
                         (unsigned)found->vendor[i], (unsigned)found->device[i]);
        if (n > 0) length += (size_t)n;
    }
    return gp_pci_set_string(list, device, GP_PCI_CANDIDATES, text, length, err);
}

static int settle(gp_pci_list *list, const wanted *one, gp_error *err)
{
    gp_pci_device *device = &list->devices[one->index];
    if (one->class && one->class_count == 1) device->class = one->class_found;
    if (!one->ids) return 0;
    const candidates *found = one->exact.count ? &one->exact : one->model.count ? &one->model : &one->part;
    if (found->count == 0 && one->vendor < 0) return 0;
    device->by_name = 1;
    device->vendor = found->count ? found->vendor[0] : one->vendor;
    if (found->count == 1) {
        device->device = found->device[0];
        return 0;
    }
    for (size_t i = 1; i < found->count && i < MOST; i++) {
        if (found->vendor[i] != device->vendor) device->vendor = -1;
    }
    return found->count ? keep_candidates(list, device, found, err) : 0;
}

/* The devices that need something; NULL with *count 0 when none does. */
static wanted *collect(const gp_pci_list *list, size_t *count)
{
    *count = 0;
    wanted *all = calloc(list->count ? list->count : 1, sizeof *all);
    if (!all) return NULL;
    for (size_t i = 0; i < list->count; i++) {
        const gp_pci_device *device = &list->devices[i];
        bool ids = device->vendor < 0 && device->strings[GP_PCI_DEVICE_NAME].length;
        bool class = device->class < 0 && device->strings[GP_PCI_CLASS_NAME].length;
        if (!ids && !class) continue;
        all[*count] = (wanted){.index = i, .ids = ids, .class = class, .vendor = -1, .class_found = -1};
        ++*count;
    }
    return all;
}

int gp_pci_match_names(gp_pci_list *list, const char *path, gp_error *err)
{
    size_t count;
    wanted *all = collect(list, &count);
    if (!all) return gp_fail_memory(err);
    FILE *file = NULL;
    int result = 0;
    if (count == 0) goto out;
    file = fopen(path, "re");
    if (!file) {
        result = gp_fail_errno(err, errno, "%s", path);
        goto out;
    }
    place at = {.vendor = -1, .class = -1};
    char line[1024];
    bool cut = false; /* the rest of a line longer than the buffer is skipped */
    while (fgets(line, sizeof line, file)) {
        size_t length = strlen(line);
        bool skip = cut || line[0] == '#' || line[0] == '\n';
        cut = !(length && line[length - 1] == '\n');
        if (skip) continue;
        while (length && (line[length - 1] == '\n' || line[length - 1] == '\r'))
            length--;
        if (length) read_entry(list, all, count, &at, (gp_text){line, length});
    }
    if (ferror(file)) result = gp_fail_errno(err, errno, "%s", path);
    for (size_t i = 0; i < count && result == 0; i++)
        result = settle(list, &all[i], err);
out:
    if (file) (void)fclose(file);
    free(all);
    return result;
}
