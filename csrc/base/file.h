/* Reading a whole file within a limit, and replacing one atomically.
 *
 * gp_file_replace writes a hidden temporary file in the same folder, syncs it, makes sure that the file is
 * still the one its caller read, renames, and syncs the folder. A crash, a full disk or SIGKILL at any moment
 * leaves either the old file or the new one, whole. Mode, owner, ACL and extended attributes are kept; a
 * symbolic link is followed and stays; other hard links keep the old content.
 *
 * The temporary file has one name per target and is held under flock: two writers exclude each other (EBUSY),
 * and the next writer removes what a killed one left, so that leftovers never accumulate.
 */
#ifndef GP_FILE_H
#define GP_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/error.h"

/* Appends the file's bytes to `out`. More than `max` bytes is EFBIG, a folder EISDIR. Pipes are read too. */
int gp_file_read(const char *path, uint64_t max, gp_buf *out, gp_error *err);

/* Checks the target, `name` in the opened `folder` (`old` is NULL when it does not exist yet); fails to refuse it. */
typedef int (*gp_file_guard)(int folder, const char *name, const struct stat *old, gp_error *err);

typedef struct gp_file_replacement {
    const char *path;
    const void *bytes;
    size_t length;
    bool must_match; /* the file must exist and still hold `expected`, else ECHANGED (ENOENT) */
    bool overwrite;  /* without must_match: an existing file may be replaced, else EEXIST */
    bool
        secret; /* mode 0600 whatever the old file's, which must not be a link (ELOOP); its owner is not kept */
    const char *expected;
    size_t expected_length;
    gp_file_guard guard; /* called just before the rename; may be NULL */
} gp_file_replacement;

/* Writes all bytes to the descriptor, in several calls if need be; -1 with errno. */
int gp_file_write_all(int fd, const char *bytes, size_t length);

int gp_file_replace(const gp_file_replacement *wanted, gp_error *err);

#endif
