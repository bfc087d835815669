/* Where a journal may not be: SQLite's log needs memory that all processes using the file share, which a network file
 * system does not give to processes of several computers, and locks that hold. */
#ifndef GP_STORE_NETWORK_H
#define GP_STORE_NETWORK_H

#include "base/error.h"

/* 0 if the file, or the nearest folder above it that exists, is on a local file system; -1 = "ENETFS". */
int gp_store_check_local(const char *path, gp_error *err);

#endif
