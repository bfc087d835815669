/* Files that hold a secret and that only their owner can read.
 *
 * Reading takes a regular file that its owner alone can read: the owner is this user (or root), no group or other has
 * any permission. The opened file itself is checked, so that it cannot be replaced in between; a pipe is refused
 * without waiting for it.
 *
 * A folder for such files is this user's, mode 0700, and not a symbolic link. Files in it are not reached through a
 * symbolic link, and are replaced by renaming a new one: a reader sees the old content or the new.
 */
#ifndef GP_PRIVATE_H
#define GP_PRIVATE_H

#include "base/buf.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* Appends a file's bytes; a symbolic link to it is followed. EUNSAFE when others can read it, EFBIG beyond `max`. */
int gp_private_read(const char *path, uint64_t max, gp_buf *out, gp_error *err);

/* The same for `name` in a folder for private files, where no link is followed; ENOENT when either is absent. */
int gp_private_load(const char *folder, const char *name, uint64_t max, gp_buf *out, gp_error *err);
/* Creates the folder and its parent if they do not exist. */
int gp_private_save(const char *folder, const char *name, const void *bytes, size_t length, gp_error *err);
/* 0 also when there is none. */
int gp_private_remove(const char *folder, const char *name, gp_error *err);

#endif
