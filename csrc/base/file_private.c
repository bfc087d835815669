#define _GNU_SOURCE
#include "base/file_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

/* A larger trace is left unchanged, because copying it would hold it in memory. */
enum { COPY_MAX = 256 << 20 };

static int fail_open(const char *path, gp_error *err)
{
    if (errno == ELOOP) {
        return gp_fail(err, "ELOOP",
                       "%s: is a symbolic link; a file for secrets is not written through a link", path);
    }
    return gp_fail_errno(err, errno, "%s", path);
}

static int create(const char *path, gp_error *err)
{
    int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        int errnum = errno;
        fail_open(path, err);
        errno = errnum; /* the caller checks for EEXIST */
        return -1;
    }
    if (fchmod(fd, 0600) == 0) return fd; /* the umask may have removed rights of the owner */
    gp_fail_errno(err, errno, "%s: cannot set its mode", path);
    (void)close(fd);
    return -1;
}

static int check(const char *path, const struct stat *st, gp_error *err)
{
    if (!S_ISREG(st->st_mode)) return gp_fail(err, "EINVAL", "%s: not a regular file", path);
    if (st->st_uid != geteuid() && geteuid() != 0) {
        return gp_fail(err, "EACCES", "%s: belongs to another user; a file for secrets must be your own",
                       path);
    }
    if (st->st_nlink > 1) {
        return gp_fail(err, "EINVAL", "%s: has another hard link; remove that link first", path);
    }
    return 0;
}

/* Opens an existing file and makes it private; -1 with ENOENT in errno when there is none. `*wide`: others could read
 * it. */
static int open_existing(const char *path, bool *wide, gp_error *err)
{
    struct stat st;
    int fd = open(path, O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        int errnum = errno;
        fail_open(path, err);
        errno = errnum;
        return -1;
    }
    if (fstat(fd, &st) != 0 || check(path, &st, err) != 0) {
        if (err->code[0] == '\0') gp_fail_errno(err, errno, "%s", path);
        goto fail;
    }
    *wide = (st.st_mode & 0077) != 0;
    if ((st.st_mode & 07777) != 0600 && fchmod(fd, 0600) != 0) {
        gp_fail_errno(err, errno, "%s: cannot set its mode", path);
        goto fail;
    }
    return fd;
fail:
    (void)close(fd);
    errno = EINVAL;
    return -1;
}

static int copy(const char *path, gp_error *err)
{
    gp_buf text = GP_BUF_EMPTY;
    int result = gp_file_read(path, COPY_MAX, &text, err);
    if (result == 0) {
        gp_file_replacement wanted = {
            .path = path, .bytes = text.data, .length = text.length, .overwrite = true, .secret = true};
        result = gp_file_replace(&wanted, err);
    }
    gp_buf_free(&text);
    return result;
}

int gp_private_open(const char *path, gp_private_how how, gp_error *err)
{
    if (how == GP_PRIVATE_NEW) {
        if (unlink(path) != 0 && errno != ENOENT) return gp_fail_errno(err, errno, "%s", path);
        return create(path, err);
    }
    for (int attempt = 0; attempt < 4; attempt++) {
        bool wide = false;
        err->code[0] = '\0';
        int fd = open_existing(path, &wide, err);
        if (fd < 0 && errno != ENOENT) return -1;
        if (fd >= 0 && !(wide && how == GP_PRIVATE_RENEW)) return fd;
        if (fd >= 0) {
            (void)close(fd);
            if (copy(path, err) != 0) return -1;
            continue;
        }
        fd = create(path, err);
        if (fd >= 0 || errno != EEXIST) return fd;
    }
    return gp_fail(err, "EBUSY", "%s: another process keeps changing it", path);
}

/* By a handle that only names the file: closing any other one would drop the locks that SQLite holds on it. */
int gp_private_tighten(const char *path, gp_error *err)
{
    struct stat st;
    char name[40];
    int result = -1;
    err->code[0] = '\0';
    int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return 0;
    if (fd < 0) return fail_open(path, err);
    if (fstat(fd, &st) != 0) {
        gp_fail_errno(err, errno, "%s", path);
        goto out;
    }
    if (S_ISLNK(st.st_mode)) {
        errno = ELOOP;
        fail_open(path, err);
        goto out;
    }
    if (check(path, &st, err) != 0) goto out;
    (void)snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    if ((st.st_mode & 07777) != 0600 && chmod(name, 0600) != 0) {
        gp_fail_errno(err, errno, "%s: cannot set its mode", path);
        goto out;
    }
    result = 1;
out:
    (void)close(fd);
    return result;
}

int gp_private_make(const char *path, gp_error *err)
{
    for (int attempt = 0; attempt < 4; attempt++) {
        int there = gp_private_tighten(path, err);
        if (there != 0) return there < 0 ? -1 : 0;
        int fd = create(path, err);
        if (fd < 0 && errno == EEXIST) continue;
        if (fd < 0) return -1;
        (void)close(fd);
        return 0;
    }
    return gp_fail(err, "EBUSY", "%s: another process keeps changing it", path);
}

/* Read without umask(), which would change it for all threads. If the kernel does not show it: no access for others. */
static mode_t current_umask(void)
{
    char line[128];
    unsigned long mask = 0077;
    FILE *status = fopen("/proc/self/status", "re");
    if (!status) return (mode_t)mask;
    while (fgets(line, sizeof line, status)) {
        if (sscanf(line, "Umask: %lo", &mask) == 1) break; /* NOLINT(cert-err34-c): the kernel's own number */
    }
    (void)fclose(status);
    return (mode_t)(mask & 0777);
}

int gp_private_publish(int fd, const char *from, const char *to, gp_error *err)
{
    struct stat old; /* a link is replaced, a device or FIFO (/dev/null) is not; rename refuses a folder */
    if (lstat(to, &old) == 0 && !S_ISREG(old.st_mode) && !S_ISLNK(old.st_mode) && !S_ISDIR(old.st_mode))
        return gp_fail(err, "EINVAL", "%s: not a regular file", to);
    if (fchmod(fd, 0666 & ~current_umask()) != 0)
        return gp_fail_errno(err, errno, "%s: cannot set its mode", from);
    if (rename(from, to) != 0) return gp_fail_errno(err, errno, "%s", to);
    return 0;
}
