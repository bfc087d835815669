/* A folder with untrusted content: an unpacked vm-support bundle, a VM's folder, a copied sysfs.
 *
 * Everything is reached from the folder's own descriptor, one component after the other, and no symbolic link is
 * followed; so everything found is inside the folder. Only regular files are opened: a named pipe would block, and a
 * device may have side effects. The kind of an entry is found without opening it. The root itself is given by the user,
 * and may be a link.
 */
#ifndef GP_FOLDER_H
#define GP_FOLDER_H

#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

/* Letters for the kinds of entries. */
#define GP_ENTRY_FOLDER 'd'
#define GP_ENTRY_FILE 'f'
#define GP_ENTRY_LINK 'l'
#define GP_ENTRY_PIPE 'p'
#define GP_ENTRY_SOCKET 's'
#define GP_ENTRY_DEVICE 'b'
#define GP_ENTRY_OTHER '?'

/* A descriptor of the folder, or -1 (ENOTDIR when it is something else; nothing is opened then). */
int gp_folder_open(const char *path, gp_error *err);

/* What is in the folder `path` below `root` ("" is the root): for each entry its letter, its name and a zero
 * byte, in no order, without . and .. . More than `most` entries are ELIMIT, which comes after the first ones
 * were listed. `path` is relative and without . and .. (EINVAL). */
int gp_folder_list(int root, const char *path, uint32_t most, gp_buf *names, gp_error *err);

/* Opens the regular file `path` below `root` for reading, and gives its size; its descriptor, or -1: ENOTREG for
 * a pipe, a socket or a device, ELOOP for a link, EISDIR for a folder. */
int gp_folder_file(int root, const char *path, uint64_t *size, gp_error *err);

/* Opens the folder `path` below `root`; links are followed as long as they stay inside (EXDEV when one leaves, ELOOP
 * for any link where the kernel cannot check that). */
int gp_folder_below(int root, const char *path, gp_error *err);

/* The letter for a path given by the user, following links; 0 when it does not exist. */
int gp_folder_kind(const char *path);

#endif
