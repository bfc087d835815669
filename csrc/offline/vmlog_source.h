/* The bytes of a log, whatever they are wrapped in.
 *
 *   fd or memory -> [gunzip] -> [UTF-16 to UTF-8] -> gp_vmlog_source_read
 *
 * gzip is known by its two magic bytes, UTF-16 by its byte order mark or, without one, by the zero bytes
 * between Latin letters (PowerShell's > writes UTF-16). Constant memory.
 */
#ifndef GP_VMLOG_SOURCE_H
#define GP_VMLOG_SOURCE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/text.h"

typedef struct gp_vmlog_source gp_vmlog_source;

/* `path` may be "-" for standard input. */
gp_vmlog_source *gp_vmlog_source_open(const char *path, gp_error *err);
/* From the beginning of an open file, by a descriptor of its own. */
gp_vmlog_source *gp_vmlog_source_descriptor(int fd, gp_error *err);
/* The bytes must outlive the source. */
gp_vmlog_source *gp_vmlog_source_text(const char *bytes, size_t length, gp_error *err);
void gp_vmlog_source_close(gp_vmlog_source *source);

/* > 0 bytes, 0 at the end, -1 with an error (ETRUNCATED: a gzip file that ends too early). `size` of at
 * least 8. */
ssize_t gp_vmlog_source_read(gp_vmlog_source *source, char *out, size_t size, gp_error *err);
/* Once something was read: whether it was UTF-16. */
bool gp_vmlog_source_was_utf16(const gp_vmlog_source *source);

#endif
