/* What is in a folder, for logs that lie beside each other.
 *
 * `names` receives one entry after the other: a letter ('d' folder, 'f' anything that can be read), the name,
 * a zero byte. Symbolic links are followed for the letter.
 */
#ifndef GP_VMLOG_FOLDER_H
#define GP_VMLOG_FOLDER_H

#include "base/buf.h"
#include "base/error.h"

int gp_vmlog_folder(const char *path, gp_buf *names, gp_error *err);

#endif
