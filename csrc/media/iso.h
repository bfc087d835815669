/* Writing a small ISO 9660 image: the answer medium that an operating system's installer looks for.
 *
 * libarchive writes the format: ISO 9660 with Joliet (what Windows reads) and Rock Ridge (what Linux reads),
 * found by its volume label. All is in memory; libarchive itself spools the files' bytes through an unlinked
 * temporary file. Answer media hold passwords, so the result is a gp_buf marked secret: it is wiped when it
 * is freed.
 *
 * Names are checked before anything is written: relative, '/' between folders, printable ASCII without * : ;
 * ? \ and at most 64 characters each, because Joliet would silently truncate or rename others.
 *
 * When memory runs out within libarchive's own string functions it ends the process: one more reason for a
 * library of its own, loaded only where media are written.
 */
#ifndef GP_ISO_H
#define GP_ISO_H

#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

typedef struct gp_iso_file {
    const char *path; /* "user-data", "scripts/first.cmd" */
    const char *bytes;
    size_t length;
} gp_iso_file;

/* Appends an image of `files` labelled `label` (1 to 16 of A-Z 0-9 _) to `out`; 0, or -1 with EINVAL, ENOMEM,
 * EISO. The order of `files` does not matter; two equal names are refused. */
int gp_iso_write(const gp_iso_file *files, size_t count, const char *label, gp_buf *out, gp_error *err);

#endif
