#define _GNU_SOURCE
#include "base/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

/* No other user may own it or have access to it. */
static int check_owner(const struct stat *is, const char *mode, const char *path, gp_error *err)
{
    if (is->st_uid != geteuid() && is->st_uid != 0)
        return gp_fail(err, "EUNSAFE", "%s belongs to another user: it is not used", path);
    if (is->st_mode & 077)
        return gp_fail(err, "EUNSAFE", "other users have access to %s (mode %04o): run chmod %s on it", path,
                       (unsigned)(is->st_mode & 07777), mode);
    return 0;
}

static int read_all(int fd, const char *path, uint64_t max, gp_buf *out, gp_error *err)
{
    for (;;) {
        if (gp_buf_reserve(out, 4096) != 0) return gp_fail_memory(err);
        ssize_t got = read(fd, out->data + out->length, 4096);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return gp_fail_errno(err, errno, "%s cannot be read", path);
        if (got == 0) return 0;
        out->length += (size_t)got;
        if (out->length > max)
            return gp_fail(err, "EFBIG", "%s is larger than %llu bytes", path, (unsigned long long)max);
    }
}

static int read_opened(int fd, const char *path, uint64_t max, gp_buf *out, gp_error *err)
{
    struct stat is;
    out->secret = true;
    if (fstat(fd, &is) != 0) return gp_fail_errno(err, errno, "%s cannot be examined", path);
    if (!S_ISREG(is.st_mode)) return gp_fail(err, "EUNSAFE", "%s is not a regular file", path);
    if (check_owner(&is, "600", path, err) != 0) return -1;
    return read_all(fd, path, max, out, err);
}

int gp_private_read(const char *path, uint64_t max, gp_buf *out, gp_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return gp_fail_errno(err, errno, "%s cannot be opened", path);
    int result = read_opened(fd, path, max, out, err);
    (void)close(fd);
    return result;
}

/* The folder's descriptor, or -1. */
static int open_folder(const char *folder, gp_error *err)
{
    struct stat is;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
        return gp_fail(err, "EUNSAFE", "%s is not a folder; symbolic links are not followed", folder);
    if (fd < 0) return gp_fail_errno(err, errno, "%s cannot be opened", folder);
    if (fstat(fd, &is) != 0) {
        gp_fail_errno(err, errno, "%s cannot be examined", folder);
    } else if (check_owner(&is, "700", folder, err) == 0) {
        return fd;
    }
    (void)close(fd);
    return -1;
}

int gp_private_load(const char *folder, const char *name, uint64_t max, gp_buf *out, gp_error *err)
{
    int result = -1;
    int at = open_folder(folder, err);
    if (at < 0) return -1;
    char path[1024]; /* for messages */
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = openat(at, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
    if (fd >= 0)
        result = read_opened(fd, path, max, out, err);
    else if (errno == ELOOP)
        gp_fail(err, "EUNSAFE", "%s/%s is a symbolic link: it is not followed", folder, name);
    else
        gp_fail_errno(err, errno, "%s/%s cannot be opened", folder, name);
    if (fd >= 0) (void)close(fd);
    (void)close(at);
    return result;
}

static int make_folder(const char *folder, gp_error *err)
{
    if (mkdir(folder, 0700) == 0 || errno == EEXIST) return 0;
    const char *slash = strrchr(folder, '/');
    if (errno != ENOENT || !slash || slash == folder)
        return gp_fail_errno(err, errno, "%s cannot be created", folder);
    char *above = strndup(folder, (size_t)(slash - folder));
    if (!above) return gp_fail_memory(err);
    int made = mkdir(above, 0700);
    free(above);
    if ((made == 0 || errno == EEXIST) && (mkdir(folder, 0700) == 0 || errno == EEXIST)) return 0;
    return gp_fail_errno(err, errno, "%s cannot be created", folder);
}

int gp_private_save(const char *folder, const char *name, const void *bytes, size_t length, gp_error *err)
{
    char fresh[300];
    if (make_folder(folder, err) != 0) return -1;
    int at = open_folder(folder, err);
    if (at < 0) return -1;
    int result = -1;
    (void)snprintf(fresh, sizeof fresh, ".%.200s.%ld", name, (long)getpid());
    (void)unlinkat(at, fresh, 0); /* left by a killed process with the same pid */
    int fd = openat(at, fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        gp_fail_errno(err, errno, "%s/%s cannot be written", folder, name);
        goto out;
    }
    int written = gp_file_write_all(fd, bytes, length);
    int number = errno;
    if (close(fd) != 0 && written == 0) {
        written = -1;
        number = errno;
    }
    if (written == 0 && renameat(at, fresh, at, name) == 0) {
        result = 0;
        goto out;
    }
    if (written == 0) number = errno;
    gp_fail_errno(err, number, "%s/%s cannot be written", folder, name);
    (void)unlinkat(at, fresh, 0);
out:
    (void)close(at);
    return result;
}

int gp_private_remove(const char *folder, const char *name, gp_error *err)
{
    struct stat is;
    if (lstat(folder, &is) != 0 && errno == ENOENT) return 0;
    int at = open_folder(folder, err);
    if (at < 0) return -1;
    int result = unlinkat(at, name, 0) == 0 || errno == ENOENT ? 0 : -1;
    if (result != 0) gp_fail_errno(err, errno, "%s/%s cannot be deleted", folder, name);
    (void)close(at);
    return result;
}
