/* How core functions fail.
 *
 * Every core function that can fail takes a `gp_error *err` as its last argument and returns -1 or NULL. The
 * error lives on the caller's stack and owns no memory, so reporting one can itself never fail. `code` is a
 * stable word for programs (EPARSE, ENOENT, ENOMEM, EINVAL, ETIMEDOUT...); `message` is for users and says what was
 * wrong, where, and what to do. Either may be truncated at its size, never overrun. `err` may not be NULL.
 */
#ifndef GP_ERROR_H
#define GP_ERROR_H

typedef struct gp_error {
    char code[48];
    char message[976];
} gp_error;

/* Fills `err` and returns -1, so that a function can end with `return gp_fail(err, ...)`. */
int gp_fail(gp_error *err, const char *code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same for functions that return a pointer. */
void *gp_fail_null(gp_error *err, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "out of memory", code ENOMEM; returns -1. */
int gp_fail_memory(gp_error *err);

/* From errno: code is the errno's name (ENOENT, EACCES...), the message is "<what>: <strerror>"; returns -1. */
int gp_fail_errno(gp_error *err, int errnum, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
