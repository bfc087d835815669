/* A growable byte buffer.
 *
 *   data ->[ ..... length bytes ..... | spare ]<- capacity
 *
 * Start with `gp_buf b = GP_BUF_EMPTY`, end with gp_buf_free (or gp_buf_wipe when it held a secret). Appending
 * grows by doubling. The first failed allocation latches: later appends do nothing, so that a writer checks
 * `failed` once at its end instead of after every byte. `data` is not terminated by a zero byte; gp_buf_string
 * terminates it.
 */
#ifndef GP_BUF_H
#define GP_BUF_H

#include <stdbool.h>
#include <stddef.h>

typedef struct gp_buf {
    char *data;
    size_t length;
    size_t capacity;
    bool failed;
    bool secret; /* growing wipes the old block before it is freed */
} gp_buf;

#define GP_BUF_EMPTY                                                                                         \
    {                                                                                                        \
        0                                                                                                    \
    }

/* Reserves `extra` more bytes; -1 when memory ran out (also latched in `failed`). */
int gp_buf_reserve(gp_buf *buf, size_t extra);
int gp_buf_append(gp_buf *buf, const void *bytes, size_t length);
int gp_buf_puts(gp_buf *buf, const char *text);
int gp_buf_putc(gp_buf *buf, char byte);
int gp_buf_printf(gp_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The bytes as a C string: a zero byte follows them (not counted in length). NULL when memory ran out. */
const char *gp_buf_string(gp_buf *buf);

/* Empties it without freeing memory. */
void gp_buf_clear(gp_buf *buf);
void gp_buf_free(gp_buf *buf);
/* Overwrites the bytes in a way the compiler may not drop, then frees. */
void gp_buf_wipe(gp_buf *buf);

#endif
