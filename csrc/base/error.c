#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 3, 0))) static void fill(gp_error *err, const char *code, const char *format,
                                                       va_list args)
{
    (void)snprintf(err->code, sizeof err->code, "%s", code);
    (void)vsnprintf(err->message, sizeof err->message, format, args);
}

int gp_fail(gp_error *err, const char *code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, code, format, args);
    va_end(args);
    return -1;
}

void *gp_fail_null(gp_error *err, const char *code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, code, format, args);
    va_end(args);
    return NULL;
}

int gp_fail_memory(gp_error *err)
{
    return gp_fail(err, "ENOMEM", "out of memory");
}

/* strerrorname_np needs a newer libc; these are the errors of files and sockets. */
static const char *errno_name(int errnum)
{
    switch (errnum) {
    case ENOENT:
        return "ENOENT";
    case EACCES:
        return "EACCES";
    case EPERM:
        return "EPERM";
    case EEXIST:
        return "EEXIST";
    case EISDIR:
        return "EISDIR";
    case ENOTDIR:
        return "ENOTDIR";
    case ENOSPC:
        return "ENOSPC";
    case EDQUOT:
        return "EDQUOT";
    case EROFS:
        return "EROFS";
    case EMFILE:
        return "EMFILE";
    case ENFILE:
        return "ENFILE";
    case ENOMEM:
        return "ENOMEM";
    case EINVAL:
        return "EINVAL";
    case EIO:
        return "EIO";
    case ELOOP:
        return "ELOOP";
    case ENAMETOOLONG:
        return "ENAMETOOLONG";
    case EBUSY:
        return "EBUSY";
    case EFBIG:
        return "EFBIG";
    case ETXTBSY:
        return "ETXTBSY";
    case EXDEV:
        return "EXDEV";
    default:
        return "EIO";
    }
}

int gp_fail_errno(gp_error *err, int errnum, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, errno_name(errnum), format, args);
    va_end(args);
    size_t used = strlen(err->message);
    (void)snprintf(err->message + used, sizeof err->message - used, ": %s", strerror(errnum));
    return -1;
}
