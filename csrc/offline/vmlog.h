/* A vmware.log read as a stream: constant memory whatever its size.
 *
 *   vmlog_source.h -> [ 256 KiB window ] -> lines that hold one of the sought words
 *
 * read(2), not mmap: a log may be cut by its writer while it is read, which would be a SIGBUS. A line is
 * handed out as a view that lives until the next call. A line longer than 4 KiB is handed out in pieces
 * around its words, so that a gigabyte without a newline costs no more than any other. What was read before
 * an error stays valid: the caller marks its result partial.
 *
 * What people paste is small and may be of any form (wrapped, quoted, coloured): gp_vmlog_whole hands it out
 * in one piece, to be cleaned before it is searched.
 */
#ifndef GP_VMLOG_H
#define GP_VMLOG_H

#include "offline/bar.h"
#include "base/error.h"
#include "offline/pci.h"
#include "base/text.h"
#include "offline/vmlog_match.h"
#include "offline/vmlog_source.h"

typedef struct gp_vmlog gp_vmlog;

typedef struct gp_vmlog_line {
    gp_text text;       /* without its line end */
    uint64_t number;    /* from 1 */
    gp_vmlog_set words; /* which of the sought words are in it */
    bool cut;           /* a piece of a longer line */
} gp_vmlog_line;

/* `path` may be "-" for standard input. The words must outlive the log. */
gp_vmlog *gp_vmlog_open(const char *path, const gp_vmlog_words *words, gp_error *err);
/* From the beginning of an open file, by a descriptor of its own. */
gp_vmlog *gp_vmlog_open_descriptor(int fd, const gp_vmlog_words *words, gp_error *err);
/* Reads at most this many unpacked bytes, else EFBIG; 0 means no limit. */
void gp_vmlog_limit(gp_vmlog *log, uint64_t most);
/* The bytes must outlive the log. */
gp_vmlog *gp_vmlog_open_text(const char *bytes, size_t length, const gp_vmlog_words *words, gp_error *err);
void gp_vmlog_close(gp_vmlog *log);

/* 1: a line; 0: the end; -1: an error (ETRUNCATED for a gzip file that ends too early). */
int gp_vmlog_next(gp_vmlog *log, gp_vmlog_line *line, gp_error *err);
/* The first line (or what of it fits a few hundred bytes), before anything was asked for. */
int gp_vmlog_head(gp_vmlog *log, gp_text *head, gp_error *err);
/* The first lines, up to `size` (at most 64 KiB), before anything was asked for. */
int gp_vmlog_peek(gp_vmlog *log, size_t size, gp_text *head, gp_error *err);
/* Before anything was asked for: the whole text when it has no more than `limit` bytes (1, and the log is at
 * its end), or 0: it is longer, and is read line by line as if this had not been called. -1: an error. */
int gp_vmlog_whole(gp_vmlog *log, size_t limit, gp_buf *out, gp_error *err);
bool gp_vmlog_was_utf16(const gp_vmlog *log);
/* What was read so far, after unpacking; the lines are complete once gp_vmlog_next has said 0. */
uint64_t gp_vmlog_bytes(const gp_vmlog *log);
uint64_t gp_vmlog_lines(const gp_vmlog *log);

/* "PCIPassthru: Device 0000:42:00.0 barIndex 1 type 3 realaddr 0x3b800000000 size 34359738368 flags 12",
 * anywhere in the text. false: the line is another, or its figures are beyond what a BAR can be. */
bool gp_vmlog_parse_bar(gp_text text, gp_pci_address *address, gp_bar *bar);

/* "DICT   firmware = "efi"": the key, and the value without blanks and quotes around it. false: another line.
 */
bool gp_vmlog_parse_setting(gp_text text, gp_text *key, gp_text *value);

/* What precedes the message, by era; empty views for what the era (or a cut screenshot) does not have.
 */
typedef struct gp_vmlog_prefix {
    gp_text time, thread, operation;
    int level; /* VMware's: 3 warning, 5 info...; -1 unknown */
    gp_text message;
} gp_vmlog_prefix;
void gp_vmlog_parse_prefix(gp_text text, gp_vmlog_prefix *prefix);

#endif
