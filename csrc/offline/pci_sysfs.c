#define _DEFAULT_SOURCE
#include "offline/pci.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/folder.h"

/* Flags of a line of the `resource` file (linux/ioport.h). */
#define RESOURCE_IO 0x100u
#define RESOURCE_MEM 0x200u
#define RESOURCE_PREFETCH 0x2000u
#define RESOURCE_MEM_64 0x100000u
#define RESOURCE_UNSET 0x20000000u
/* Lines of `resource`: 0-5 BARs, 6 ROM, then 6 for virtual functions (kernels with SR-IOV), then bridge
 * windows. */
#define LINE_ROM 6
#define LINE_VF 7
#define LINES_WITH_VF 13

/* Reads a small file below `folder`; the length, or -1. In a copy of a sysfs it may be anything: a pipe would keep
 * us waiting, and a link would show what is elsewhere. */
static ssize_t slurp(int folder, const char *name, char *out, size_t size)
{
    struct stat status;
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return -1;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        (void)close(fd);
        return -1;
    }
    size_t length = 0;
    while (length < size) {
        ssize_t got = read(fd, out + length, size - length);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        length += (size_t)got;
    }
    (void)close(fd);
    return (ssize_t)length;
}

/* A number in a file of its own ("0x10de\n", "-1\n"); `missing` when it is not there or no number. */
static int32_t number(int folder, const char *name, int base, int32_t missing)
{
    char text[64], *end;
    ssize_t length = slurp(folder, name, text, sizeof text - 1);
    if (length <= 0) return missing;
    text[length] = '\0';
    errno = 0;
    long value = strtol(text, &end, base);
    if (end == text || errno || value < INT32_MIN || value > INT32_MAX) return missing;
    return (int32_t)value;
}

/* Copies the last part of the path in `path` (cut off there) to `out`; its length, 0 when it does not fit. */
static size_t last_part(char *path, char *out, size_t size)
{
    char *slash = strrchr(path, '/');
    const char *last = slash ? slash + 1 : path;
    size_t length = strlen(last);
    if (length >= size) return 0;
    memcpy(out, last, length + 1);
    if (slash)
        *slash = '\0';
    else
        *path = '\0';
    return length;
}

/* The last part of a symbolic link's target, and the part above it; 0 when it is not a link. */
static size_t link_name(int folder, const char *name, char *out, size_t size, char *above, size_t above_size)
{
    char target[1024];
    ssize_t length = readlinkat(folder, name, target, sizeof target - 1);
    if (length <= 0) return 0;
    target[length] = '\0';
    size_t written = last_part(target, out, size);
    if (above && last_part(target, above, above_size) == 0) above[0] = '\0';
    return written;
}

static void add_resource(gp_pci_device *device, unsigned line, uint64_t start, uint64_t end, uint64_t flags,
                         unsigned lines)
{
    if ((start == 0 && end == 0) || end < start) return;
    uint64_t size = end - start + 1;
    if (line == LINE_ROM) {
        device->rom = size;
        return;
    }
    bool virtual = line >= LINE_VF && line < LINE_VF + 6 && lines >= LINES_WITH_VF;
    if (line >= LINE_ROM && !virtual) return;
    if (!(flags & (RESOURCE_IO | RESOURCE_MEM)) || size == 0) return;
    gp_bar bar = {
        .index = (int)(virtual ? line - LINE_VF : line),
        .kind = flags & RESOURCE_IO       ? GP_BAR_IO
                : flags & RESOURCE_MEM_64 ? GP_BAR_MEM64
                                          : GP_BAR_MEM32,
        .prefetchable = (flags & RESOURCE_PREFETCH) != 0,
        .size = size,
        .address = flags & RESOURCE_UNSET ? 0 : start,
    };
    if (virtual) {
        /* the kernel shows the total size of all virtual functions */
        if (device->vf_total > 0 && size % (uint64_t)device->vf_total == 0)
            bar.size /= (uint64_t)device->vf_total;
        gp_pci_set_bar(device->vf_bars, &device->vf_bar_count, &bar);
    } else {
        gp_pci_set_bar(device->bars, &device->bar_count, &bar);
    }
}

static void read_resource(gp_pci_device *device, int folder)
{
    char text[4096];
    ssize_t length = slurp(folder, "resource", text, sizeof text - 1);
    if (length <= 0) return;
    text[length] = '\0';
    unsigned lines = 0;
    for (const char *at = text; *at; at++)
        lines += *at == '\n';
    unsigned line = 0;
    for (const char *at = text; at && *at; line++) {
        unsigned long long start, end, flags;
        if (sscanf(at, "%llx %llx %llx", &start, &end, &flags) == 3) {
            add_resource(device, line, start, end, flags, lines);
        }
        at = strchr(at, '\n');
        if (at) at++;
    }
}

static int set_link(gp_pci_list *list, gp_pci_device *device, gp_pci_string which, int folder,
                    const char *name, gp_error *err)
{
    char text[256];
    size_t length = link_name(folder, name, text, sizeof text, NULL, 0);
    return length ? gp_pci_set_string(list, device, which, text, length, err) : 0;
}

/* The kernel's own sysfs is all links, which lead where they should; a copy's must stay inside. */
static bool is_sysfs(int fd)
{
    struct statfs system;
    return fstatfs(fd, &system) == 0 && system.f_type == SYSFS_MAGIC;
}

typedef struct source {
    int base;         /* the root */
    int devices;      /* the folder with the devices */
    const char *path; /* of that folder below the root */
} source;

/* The folder two above when `base` is its bus/pci, which a user may name for the whole; else -1. */
static int whole_of(int base)
{
    struct stat mine, its;
    gp_error ignored;
    int above = openat(base, "../..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (above < 0) return -1;
    int pci = gp_folder_below(above, "bus/pci", &ignored);
    bool same = pci >= 0 && fstat(pci, &its) == 0 && fstat(base, &mine) == 0 && mine.st_dev == its.st_dev &&
                mine.st_ino == its.st_ino;
    if (pci >= 0) (void)close(pci);
    if (same) return above;
    (void)close(above);
    return -1;
}

static int open_device(const source *from, const char *name, gp_error *err)
{
    char path[300];
    if (is_sysfs(from->base)) {
        int fd = openat(from->devices, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd >= 0 ? fd : gp_fail_errno(err, errno, "%s", name);
    }
    int length = snprintf(path, sizeof path, "%s/%s", from->path, name);
    if (length < 0 || (size_t)length >= sizeof path) return gp_fail_errno(err, ENAMETOOLONG, "%s", name);
    return gp_folder_below(from->base, path, err);
}

static int read_device(gp_pci_list *list, const source *from, const char *name, gp_error *err)
{
    int devices = from->devices;
    gp_pci_address address;
    gp_error ignored;
    /* anything else in the folder is not a device */
    if (gp_pci_parse_address(name, strlen(name), GP_PCI_HEX, &address, &ignored) != 0) return 0;
    int folder = open_device(from, name, &ignored);
    if (folder < 0 && (strcmp(ignored.code, "EXDEV") == 0 || strcmp(ignored.code, "ELOOP") == 0)) {
        *err = ignored;
        return -1;
    }
    /* unplugged between the listing and now, or not for us to read: nothing to tell */
    if (folder < 0) return 0;
    int result = -1;
    gp_pci_device *device = gp_pci_list_at(list, &address, err);
    if (!device) goto out;
    device->vendor = number(folder, "vendor", 16, -1);
    device->device = number(folder, "device", 16, -1);
    device->subvendor = number(folder, "subsystem_vendor", 16, -1);
    device->subdevice = number(folder, "subsystem_device", 16, -1);
    device->revision = number(folder, "revision", 16, -1);
    int32_t class = number(folder, "class", 16, -1);
    if (class >= 0) {
        device->class = (class >> 8) & 0xffff;
        device->prog_if = class & 0xff;
    }
    device->numa_node = number(folder, "numa_node", 10, -1);
    device->vf_total = number(folder, "sriov_totalvfs", 10, -1);
    device->vf_enabled = number(folder, "sriov_numvfs", 10, -1);
    device->boot_vga = (int8_t)number(folder, "boot_vga", 10, -1);
    device->secondary_bus = number(folder, "secondary_bus_number", 10, -1);
    device->subordinate_bus = number(folder, "subordinate_bus_number", 10, -1);
    read_resource(device, folder);
    uint8_t config[4096];
    ssize_t length = slurp(folder, "config", (char *)config, sizeof config);
    if (length > 0) gp_pci_read_config(device, config, (size_t)length);
    if (device->bridge < 0 && device->class >= 0) device->bridge = device->class == 0x0604;
    char text[256], above[256] = "";
    if (link_name(folder, "iommu_group", text, sizeof text, NULL, 0)) {
        char *end;
        long group = strtol(text, &end, 10);
        if (end != text && *end == '\0' && group >= 0 && group <= INT32_MAX)
            device->iommu_group = (int32_t)group;
    }
    if (set_link(list, device, GP_PCI_DRIVER, folder, "driver", err) != 0 ||
        set_link(list, device, GP_PCI_PHYSFN, folder, "physfn", err) != 0) {
        goto out;
    }
    /* devices/NAME is a link to .../<bridge>/NAME */
    gp_pci_address parent;
    if (link_name(devices, name, text, sizeof text, above, sizeof above) && above[0] &&
        gp_pci_parse_address(above, strlen(above), GP_PCI_HEX, &parent, &ignored) == 0 &&
        gp_pci_set_string(list, device, GP_PCI_PARENT, above, strlen(above), err) != 0) {
        goto out;
    }
    result = 0;
out:
    (void)close(folder);
    return result;
}

static int by_address(const void *left, const void *right)
{
    const char *const *a = left, *const *b = right;
    size_t la = strlen(*a), lb = strlen(*b);
    if (la != lb) return la < lb ? -1 : 1; /* longer domains come last */
    return strcmp(*a, *b);
}

int gp_pci_read_sysfs(gp_pci_list *list, const char *root, gp_error *err)
{
    int result = -1, fd = -1;
    char **names = NULL;
    size_t count = 0, capacity = 0;
    DIR *folder = NULL;
    int base = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (base < 0) return gp_fail_errno(err, errno, "%s", root);
    source from = {.base = base, .path = "bus/pci/devices"};
    fd = gp_folder_below(base, from.path, err);
    if (fd < 0 && strcmp(err->code, "ENOENT") == 0) {
        int whole = whole_of(base);
        if (whole >= 0) {
            (void)close(base);
            base = from.base = whole;
        } else {
            from.path = "devices";
        }
        fd = gp_folder_below(base, from.path, err);
    }
    if (fd < 0) {
        gp_error why = *err;
        if (strcmp(why.code, "ENOENT") == 0) {
            (void)gp_fail(err, "ENOENT", "%s: neither bus/pci/devices nor devices is in it", root);
        } else {
            (void)gp_fail(err, why.code, "%.300s/%.600s", root, why.message);
        }
        goto out;
    }
    from.devices = fd;
    errno = ENOMEM; /* what it is when nothing sets it */
    folder = fdopendir(fd);
    if (!folder) {
        (void)gp_fail_errno(err, errno, "%s", root);
        (void)close(fd);
        goto out;
    }
    errno = 0;
    for (struct dirent *entry; (entry = readdir(folder)); errno = 0) {
        if (entry->d_name[0] == '.') continue;
        if (count == capacity) {
            capacity = capacity ? capacity * 2 : 64;
            char **larger = realloc(names, capacity * sizeof *names);
            if (!larger) {
                (void)gp_fail_memory(err);
                goto out;
            }
            names = larger;
        }
        names[count] = strdup(entry->d_name);
        if (!names[count]) {
            (void)gp_fail_memory(err);
            goto out;
        }
        count++;
    }
    if (errno) {
        (void)gp_fail_errno(err, errno, "%s", root);
        goto out;
    }
    if (count) qsort(names, count, sizeof *names, by_address);
    for (size_t i = 0; i < count; i++) {
        if (read_device(list, &from, names[i], err) != 0) goto out;
    }
    result = 0;
out:
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
    if (folder) (void)closedir(folder); /* closes fd */
    (void)close(base);
    return result;
}
