/* What the files of the text reader share: cutting views, and one function per tool's kind of line. */
#ifndef GP_PCI_INSIDE_H
#define GP_PCI_INSIDE_H

#include "offline/pci.h"

typedef struct gp_pci_reader {
    gp_pci_list *list;
    gp_error *err;
    long current;    /* index of the device that indented lines belong to, -1 none */
    long previous;   /* the one before an empty line: a text that was pasted may have one after each line */
    int next_region; /* the BAR that a region without an index is */
    bool virtual_functions; /* inside the SR-IOV capability, whose regions are those of other functions */
    bool failed;
    size_t recognised;
    /* hexadecimal dump of the current device (lspci -x) */
    uint8_t config[4096];
    size_t config_length;
} gp_pci_reader;

gp_text gp_pci_trim(gp_text text);
/* The first word; *rest is what follows it, trimmed at its start. */
gp_text gp_pci_word(gp_text text, gp_text *rest);
bool gp_pci_starts(gp_text text, const char *prefix);
/* What follows `needle`, or a view of length 0 with data NULL. */
gp_text gp_pci_after(gp_text text, const char *needle);
/* A whole hexadecimal number of `digits` digits (0 = any up to 8, "0x" allowed) as the complete text; -1 if
 * not. */
int64_t gp_pci_hex(gp_text text, size_t digits);
int64_t gp_pci_decimal(gp_text text);
void gp_pci_keep(gp_pci_reader *reader, gp_pci_string which, gp_text text);

/* "vvvv:dddd"; false when it is not. */
bool gp_pci_ids(gp_text text, int32_t *first, int32_t *second);

/* The rest of a line that began with an address; true when it gave some fact. */
bool gp_pci_read_lspci(gp_pci_reader *reader, gp_text rest);
/* An indented line; `depth` counts levels of indent. */
bool gp_pci_read_lspci_detail(gp_pci_reader *reader, gp_text line, unsigned depth);
bool gp_pci_read_esxcli_field(gp_pci_reader *reader, gp_text line);
/* The hexadecimal dump of the current device ends where the device ends. */
void gp_pci_finish(gp_pci_reader *reader);
/* Makes the device of `address` the current one; false when the list is full or memory ran out. */
bool gp_pci_begin(gp_pci_reader *reader, const gp_pci_address *address);
/* Linux: "pci 0000:13:00.0: BAR 1 [mem size 0x800000000 64bit pref]: can't assign; no space" */
bool gp_pci_read_kernel(gp_pci_reader *reader, gp_text line);
/* vmkchdev -l, and ESXi's lspci -p */
bool gp_pci_read_columns(gp_pci_reader *reader, gp_text rest);

#endif
