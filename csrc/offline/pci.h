/* PCI devices, one record whatever they were read from.
 *
 *   sysfs tree      gp_pci_read_sysfs    ids, BARs, ROM, SR-IOV, bridge, NUMA node, IOMMU group,
 *                                        Resizable BAR
 *   text of a tool  gp_pci_read_text     esxcli, lspci (-n -nn -v -vv -x), vmkchdev -l, a Linux kernel's
 *                                        log; recognised line by line
 *   config space    gp_pci_read_config   what the raw bytes show (not the sizes of BARs)
 *   pci.ids         gp_pci_read_names    names by ids
 *   pci.ids         gp_pci_match_names   ids by names
 *
 * All fill a gp_pci_list, which owns everything: devices in the order met, and one block of strings that
 * fields point into by offset. A second text about a known address adds to its record. What a source does not
 * give stays -1 (ids and numbers) or empty (strings); a BAR is only listed when its size is known.
 */
#ifndef GP_PCI_H
#define GP_PCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "offline/bar.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/text.h"

typedef struct gp_pci_address {
    uint32_t domain; /* may exceed 16 bits (Intel VMD) */
    uint8_t bus, slot, func;
} gp_pci_address;

/* How an address is written: gp_pci_parse_address tries AUTO; the others say how digits are to be read. */
typedef enum gp_pci_form {
    GP_PCI_AUTO,   /* hexadecimal, unless the text can only be decimal ("00000:101:00.0", "PCI 0:4:0:0") */
    GP_PCI_HEX,    /* 0000:65:00.0   65:00.0      lspci, esxcli, vmware.log, SOAP */
    GP_PCI_DECIMAL /* 00000:101:00.0   101:0.0   PCI 0:101:0:0    .vmx, messages of hostd */
} gp_pci_form;

int gp_pci_parse_address(const char *text, size_t length, gp_pci_form form, gp_pci_address *address,
                         gp_error *err);
/* "0000:65:00.0"; `out` holds GP_PCI_ADDRESS_SIZE bytes. */
#define GP_PCI_ADDRESS_SIZE 32
void gp_pci_format_address(const gp_pci_address *address, char *out);
/* "00000:101:00.0", the form of pciPassthruN.id. */
void gp_pci_format_vmx(const gp_pci_address *address, char *out);
bool gp_pci_same_address(const gp_pci_address *a, const gp_pci_address *b);

typedef enum gp_pci_string {
    GP_PCI_VENDOR_NAME,
    GP_PCI_DEVICE_NAME,
    GP_PCI_SUBSYSTEM_NAME,
    GP_PCI_CLASS_NAME,
    GP_PCI_DRIVER,           /* Linux driver, or ESXi module */
    GP_PCI_OWNER,            /* ESXi: who has it now */
    GP_PCI_CONFIGURED_OWNER, /* ESXi: who shall have it after a reboot */
    GP_PCI_VMKERNEL_NAME,
    GP_PCI_RESET_METHOD,
    GP_PCI_PHYSICAL_SLOT,
    GP_PCI_SLOT_DESCRIPTION,
    GP_PCI_PARENT,     /* address of the bridge above, canonical text */
    GP_PCI_DEPENDENT,  /* address of the device that must go along */
    GP_PCI_PHYSFN,     /* of a virtual function: the address of its physical one */
    GP_PCI_CANDIDATES, /* "10de:1eb8 10de:1eb9": the ids that its name may have */
    GP_PCI_STRINGS
} gp_pci_string;

typedef struct gp_pci_rebar {
    int index;
    uint64_t current;   /* bytes */
    uint64_t supported; /* bit n: 2^n MiB */
} gp_pci_rebar;

typedef struct gp_pci_device {
    gp_pci_address address;
    int32_t vendor, device, subvendor, subdevice, revision;
    int32_t class, prog_if; /* class and sub-class, 16 bits */
    size_t bar_count, vf_bar_count, rebar_count;
    gp_bar bars[6], vf_bars[6];
    gp_pci_rebar rebars[6];
    uint64_t rom;
    int32_t vf_total, vf_enabled;
    int32_t numa_node, iommu_group;
    int32_t secondary_bus, subordinate_bus;    /* of a bridge */
    int32_t link_speed, link_speed_max;        /* tenths of GT/s: 25, 50, 80, 160 ... */
    int32_t link_width, link_width_max;        /* lanes */
    int8_t bridge, boot_vga, capable, enabled; /* -1 unknown, 0, 1 */
    int8_t sharable;                           /* ESXi's FPT Sharable */
    int8_t by_name;                            /* 1: the ids come from the name, by gp_pci_match_names */
    uint8_t unassigned;                        /* bit n: BAR n has no address */
    struct {
        size_t offset, length;
    } strings[GP_PCI_STRINGS];
} gp_pci_device;

typedef struct gp_pci_list {
    gp_pci_device *devices;
    size_t count, capacity;
    gp_buf strings;
    /* open addressing, 0 = empty, else index + 1; by address */
    uint32_t *slots;
    size_t slot_count;
} gp_pci_list;

#define GP_PCI_LIST_EMPTY                                                                                    \
    {                                                                                                        \
        0                                                                                                    \
    }
void gp_pci_list_free(gp_pci_list *list);
/* The record of `address`, made when new. NULL when memory ran out or the list has GP_PCI_MAX devices. */
#define GP_PCI_MAX 65536
gp_pci_device *gp_pci_list_at(gp_pci_list *list, const gp_pci_address *address, gp_error *err);
int gp_pci_set_string(gp_pci_list *list, gp_pci_device *device, gp_pci_string which, const char *text,
                      size_t length, gp_error *err);
gp_text gp_pci_get_string(const gp_pci_list *list, const gp_pci_device *device, gp_pci_string which);
/* Adds or replaces the BAR with the same index; BARs stay sorted by index. */
void gp_pci_set_bar(gp_bar *bars, size_t *count, const gp_bar *bar);

/* `root` is /sys or a copy of it; also a folder that has `devices` itself, such as /sys/bus/pci. */
int gp_pci_read_sysfs(gp_pci_list *list, const char *root, gp_error *err);
/* Any mixture of tools' outputs. `recognised` counts the lines that gave some fact. */
int gp_pci_read_text(gp_pci_list *list, const char *text, size_t length, size_t *recognised, gp_error *err);
/* 64, 256 or 4096 bytes of config space. */
void gp_pci_read_config(gp_pci_device *device, const uint8_t *config, size_t length);
/* pci.ids; names already there stay. */
int gp_pci_read_names(gp_pci_list *list, const char *path, gp_error *err);
/* pci.ids, the other way round: devices that have a name and no ids (lspci without -nn). One id that fits is
 * taken, several become GP_PCI_CANDIDATES. The class is found in the same way. */
int gp_pci_match_names(gp_pci_list *list, const char *path, gp_error *err);

#endif
