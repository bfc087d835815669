/* The line reader: which tool wrote a line is recognised from the line itself, so that texts may be mixed. */
#include "offline/pci_inside.h"

#include <string.h>

/* "10: 04 00 00 f0 ..." of lspci -x */
static bool read_dump(gp_pci_reader *reader, gp_text line)
{
    gp_text rest, word = gp_pci_word(line, &rest);
    if (word.length < 3 || word.length > 4 || word.data[word.length - 1] != ':') return false;
    int64_t offset = gp_pci_hex((gp_text){word.data, word.length - 1}, 0);
    if (offset < 0 || rest.length < 2) return false;
    /* a dump without a gap: anything else would put bytes in the wrong place */
    if ((size_t)offset != reader->config_length) return false;
    while (rest.length) {
        word = gp_pci_word(rest, &rest);
        int64_t byte = word.length == 2 ? gp_pci_hex(word, 2) : -1;
        if (byte < 0 || reader->config_length == sizeof reader->config) return false;
        reader->config[reader->config_length++] = (uint8_t)byte;
    }
    return true;
}

/* "0000:03:00.0 false 0000:04:00.0 true": one line for each, or all in one when line ends were lost */
static bool read_enabled(gp_pci_reader *reader, gp_text rest)
{
    if (!gp_pci_starts(rest, "true") && !gp_pci_starts(rest, "false")) return false;
    gp_text word, next;
    while (rest.length) {
        word = gp_pci_word(rest, &next);
        reader->list->devices[reader->current].enabled = word.data[0] == 't';
        gp_text address_text = gp_pci_word(next, &rest);
        gp_pci_address address;
        gp_error ignored;
        if (gp_pci_parse_address(address_text.data, address_text.length, GP_PCI_HEX, &address, &ignored) != 0)
            break;
        if (!gp_pci_starts(rest, "true") && !gp_pci_starts(rest, "false")) break;
        if (!gp_pci_begin(reader, &address)) return false;
    }
    return true;
}

static bool begin_device(gp_pci_reader *reader, gp_text line)
{
    gp_text rest, word = gp_pci_word(line, &rest);
    gp_pci_address address;
    gp_error ignored;
    if (gp_pci_starts(line, "Device ID") && gp_pci_after(line, "Enabled").data) {
        /* the heading of pcipassthru list with the rows behind it */
        while (rest.length &&
               gp_pci_parse_address(word.data, word.length, GP_PCI_HEX, &address, &ignored) != 0)
            word = gp_pci_word(rest, &rest);
    }
    if (gp_pci_parse_address(word.data, word.length, GP_PCI_HEX, &address, &ignored) != 0) return false;
    if (!gp_pci_begin(reader, &address)) return false;
    /* "0000:04:00.0" alone opens a block of esxcli */
    if (!rest.length) return true;
    return read_enabled(reader, rest) || gp_pci_read_columns(reader, rest) || gp_pci_read_lspci(reader, rest);
}

/* A line about the device above it. Tabs turn into eight blanks when text is copied from a terminal. */
static bool read_detail(gp_pci_reader *reader, gp_text text, unsigned depth)
{
    if (reader->current < 0) return false;
    return gp_pci_read_lspci_detail(reader, text, depth) || gp_pci_read_esxcli_field(reader, text);
}

static void read_line(gp_pci_reader *reader, gp_text line)
{
    if (line.length && line.data[line.length - 1] == '\r') line.length--;
    unsigned tabs = 0, spaces = 0;
    while (tabs + spaces < line.length) {
        char c = line.data[tabs + spaces];
        if (c != '\t' && c != ' ') break;
        if (c == '\t')
            tabs++;
        else
            spaces++;
    }
    gp_text text = gp_pci_trim(line);
    if (!text.length) {
        gp_pci_finish(reader);
        reader->current = -1;
        return;
    }
    if (text.length == 2 && text.data[0] == '-' && text.data[1] == '-') {
        /* grep -A and -B part what they found; the address of the next may not be among it */
        gp_pci_finish(reader);
        reader->current = reader->previous = -1;
        return;
    }
    bool indented = tabs + spaces > 0;
    bool known = !indented && reader->current >= 0 && read_dump(reader, text);
    if (!known && indented) known = read_detail(reader, text, tabs + spaces / 8);
    if (!known && (!indented || reader->current < 0)) known = begin_device(reader, text);
    if (!known && !reader->failed) known = gp_pci_read_kernel(reader, text);
    if (!known && !reader->failed) {
        /* indentation lost, or an empty line after each line: forums and mail programs do that */
        long current = reader->current;
        if (current < 0) reader->current = reader->previous;
        known = read_detail(reader, text, 0) || gp_pci_read_esxcli_field(reader, text);
        if (!known) reader->current = current;
    }
    reader->recognised += known;
}

int gp_pci_read_text(gp_pci_list *list, const char *text, size_t length, size_t *recognised, gp_error *err)
{
    gp_pci_reader reader = {.list = list, .err = err, .current = -1, .previous = -1};
    const char *at = text, *end = text + length;
    while (at < end && !reader.failed) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline ? newline : end;
        read_line(&reader, (gp_text){at, (size_t)(stop - at)});
        at = newline ? newline + 1 : end;
    }
    if (reader.failed) return -1;
    gp_pci_finish(&reader);
    *recognised = reader.recognised;
    return 0;
}
