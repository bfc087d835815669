/* Files that may hold secrets and that grow: traces, unfinished downloads, the journal.
 *
 * A symbolic link at the path's end is never followed (ELOOP), the mode is 0600 whatever the umask says, and anything
 * but a regular file of this user, without hard links, is refused. To replace a whole file at once use gp_file_replace
 * with `secret`.
 */
#ifndef GP_FILE_PRIVATE_H
#define GP_FILE_PRIVATE_H

#include "base/error.h"

typedef enum gp_private_how {
    GP_PRIVATE_NEW, /* created with O_EXCL; what had the name before (a link itself, not its target) is unlinked */
    GP_PRIVATE_ADD, /* appended to, created when missing; an existing file's mode becomes 0600 */
    GP_PRIVATE_RENEW, /* as ADD; but a file that others could read is copied first, so that a program that has it open does
                         not read on */
} gp_private_how;

/* A descriptor open for writing, or -1. */
int gp_private_open(const char *path, gp_private_how how, gp_error *err);

/* Makes the existing file at `path` 0600 without opening it (a database's locks stay): 1, or 0 when none is there, or
 * -1: ELOOP for a link, EINVAL for anything but a regular file. */
int gp_private_tighten(const char *path, gp_error *err);
/* The same, and creates an empty file when there is none: 0 or -1. */
int gp_private_make(const char *path, gp_error *err);

/* Gives a complete file the mode that the umask allows for new files, and the name `to`. */
int gp_private_publish(int fd, const char *from, const char *to, gp_error *err);

#endif
