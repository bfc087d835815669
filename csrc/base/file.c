#define _GNU_SOURCE
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/xattr.h>
#include <unistd.h>

static ssize_t read_some(int fd, void *into, size_t length)
{
    ssize_t got;
    do
        got = read(fd, into, length);
    while (got < 0 && errno == EINTR);
    return got;
}

int gp_file_write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t put = write(fd, bytes, length);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return -1;
        bytes += put;
        length -= (size_t)put;
    }
    return 0;
}

static int fail_too_big(const char *path, uint64_t max, gp_error *err)
{
    return gp_fail(err, "EFBIG", "%s: larger than the limit of %llu bytes", path, (unsigned long long)max);
}

int gp_file_read(const char *path, uint64_t max, gp_buf *out, gp_error *err)
{
    int result = -1;
    uint64_t total = 0;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return gp_fail_errno(err, errno, "%s", path);
    if (fstat(fd, &st) != 0) {
        gp_fail_errno(err, errno, "%s", path);
        goto out;
    }
    if (S_ISDIR(st.st_mode)) {
        gp_fail_errno(err, EISDIR, "%s", path);
        goto out;
    }
    if (S_ISREG(st.st_mode) && st.st_size > 0 && (uint64_t)st.st_size > max) {
        fail_too_big(path, max, err);
        goto out;
    }
    size_t chunk = S_ISREG(st.st_mode) && st.st_size > 0 ? (size_t)st.st_size + 1 : 65536;
    for (;;) {
        /* spare room: callers often append to a file that they have read */
        if (gp_buf_reserve(out, chunk + 256) != 0) {
            gp_fail_memory(err);
            goto out;
        }
        ssize_t got = read_some(fd, out->data + out->length, chunk);
        if (got < 0) {
            gp_fail_errno(err, errno, "%s", path);
            goto out;
        }
        if (got == 0) break;
        out->length += (size_t)got;
        total += (size_t)got;
        if (total > max) {
            fail_too_big(path, max, err);
            goto out;
        }
        if (S_ISREG(st.st_mode) && (size_t)got < chunk)
            break; /* a regular file reads short only at its end */
        if (chunk > 65536) chunk = 65536;
    }
    result = 0;
out:
    (void)close(fd);
    return result;
}

/* ---------------------------------------------------------------------------------------------------------
 */

typedef struct place {
    char *real;       /* the target with its last symbolic link followed */
    const char *name; /* its last component, inside `real` */
    char temporary[NAME_MAX + 1];
    int folder;
    int old_fd; /* the file that is replaced, or -1 */
    int fd;     /* the temporary file, locked */
    bool exists, attributes, secret;
    struct stat old, mine; /* of the target, and of the temporary file when it was created */
} place;

static int open_folder(place *p, gp_error *err)
{
    char *slash = strrchr(p->real, '/');
    const char *folder = ".";
    p->name = slash ? slash + 1 : p->real;
    if (!*p->name) return gp_fail_errno(err, EISDIR, "%s", p->real);
    if (slash == p->real) {
        folder = "/";
    } else if (slash) {
        *slash = '\0';
        folder = p->real;
    }
    p->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int errnum = errno;
    int result = p->folder < 0 ? gp_fail_errno(err, errnum, "%s", folder) : 0;
    if (slash) *slash = '/';
    return result;
}

/* Takes over `real` (malloc'd, may be NULL): opens its folder, then the file, if it exists and is not a link.
 * Opened for writing too, because write access to the folder must not bypass a read-only file. */
static int open_target(place *p, char *real, gp_error *err)
{
    free(p->real);
    p->real = real;
    if (p->folder >= 0) (void)close(p->folder);
    p->folder = -1;
    if (!p->real) return gp_fail_memory(err);
    if (open_folder(p, err) != 0) return -1;
    p->old_fd = openat(p->folder, p->name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    return 0;
}

/* Everything about one file is done relative to its opened folder, where the name is looked up once.
 */
static int find_target(place *p, const char *path, gp_error *err)
{
    if (open_target(p, strdup(path), err) != 0) return -1;
    if (p->old_fd < 0 && errno == ELOOP) {
        if (p->secret) {
            return gp_fail(err, "ELOOP",
                           "%s: is a symbolic link; a file for secrets is not written through a link", path);
        }
        char *real = realpath(path, NULL);
        if (!real) return gp_fail_errno(err, errno, "%s: cannot follow the link", path);
        if (open_target(p, real, err) != 0) return -1;
    }
    if (p->old_fd < 0 && errno != ENOENT) return gp_fail_errno(err, errno, "%s", path);
    p->exists = p->old_fd >= 0;
    if (p->exists && fstat(p->old_fd, &p->old) != 0) return gp_fail_errno(err, errno, "%s", path);
    if (p->exists && !S_ISREG(p->old.st_mode)) return gp_fail(err, "EINVAL", "%s: not a regular file", path);
    return 0;
}

/* Removes what a killed writer left: 1 when removed (try again), 0 when a writer is active, -1 on error. A byte of
 * length marks it first, because its writer may be alive and about to lock it. */
static int clear_stale(const place *p)
{
    struct stat held, named;
    int gone = 1;
    int fd = openat(p->folder, p->temporary, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return errno == ENOENT ? 1 : -1;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        gone = 0;
    } else if (fstat(fd, &held) != 0) {
        gone = -1;
    } else if (fstatat(p->folder, p->temporary, &named, AT_SYMLINK_NOFOLLOW) != 0) {
        gone = errno == ENOENT ? 1 : -1;
    } else if (held.st_nlink > 1) { /* also the name of another file, whose content must stay */
        gone = unlinkat(p->folder, p->temporary, 0) == 0 ? 1 : -1;
    } else if (held.st_ino == named.st_ino && held.st_dev == named.st_dev) {
        gone = ftruncate(fd, 1) == 0 && unlinkat(p->folder, p->temporary, 0) == 0 ? 1 : -1;
    }
    int errnum = errno;
    (void)close(fd);
    errno = errnum;
    return gone;
}

/* A file of this mode, whatever its owner: everyone may read it and only the owner may write it. */
static bool shows_nothing_new(mode_t mode)
{
    return (mode & 0444) == 0444 && (mode & 0022) == 0;
}

static int open_temporary(place *p, gp_error *err)
{
    static const char suffix[] = ".gpupt~";
    size_t length = strlen(p->name);
    if (length > NAME_MAX - sizeof suffix) length = NAME_MAX - sizeof suffix;
    p->temporary[0] = '.';
    memcpy(p->temporary + 1, p->name, length);
    memcpy(p->temporary + 1 + length, suffix, sizeof suffix);
    /* A new file gets the mode that umask allows. A replacement has its mode from the start where that can show its
     * content to no other user; else it stays private until owner and ACL are set. */
    mode_t mode = p->secret ? 0600 : 0666;
    if (p->exists && !p->secret) {
        p->attributes = flistxattr(p->old_fd, NULL, 0) > 0;
        mode = p->old.st_mode & 0777;
        bool harmless = shows_nothing_new(mode) || (p->old.st_uid == geteuid() && p->old.st_gid == getegid());
        if (p->attributes || !harmless) mode = 0600;
    }
    for (int attempt = 0; attempt < 8; attempt++) {
        p->fd = openat(p->folder, p->temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
        if (p->fd >= 0) {
            /* Between creating it and locking it, another writer may have removed it as stale: then its
             * name is free, or another's. It has no name then, or, where a network file system keeps one for
             * what is open, the mark of clear_stale. Only the holder of the lock removes the name, so what is
             * checked now stays true. */
            if (flock(p->fd, LOCK_EX | LOCK_NB) == 0 && fstat(p->fd, &p->mine) == 0 && p->mine.st_nlink > 0 &&
                p->mine.st_size == 0)
                return 0;
            (void)close(p->fd);
            p->fd = -1;
            continue;
        }
        if (errno != EEXIST)
            return gp_fail_errno(err, errno, "%s: cannot create a temporary file next to it", p->real);
        int gone = clear_stale(p);
        if (gone < 0) return gp_fail_errno(err, errno, "%s: cannot remove %s", p->real, p->temporary);
        if (gone == 0) break;
    }
    return gp_fail(err, "EBUSY", "%s: another process is saving it now", p->real);
}

/* ACLs are extended attributes (system.posix_acl_access); copying all of them keeps labels too. */
static int copy_attributes(int from, int to, gp_buf *scratch)
{
    ssize_t size = flistxattr(from, NULL, 0);
    if (size <= 0) return size == 0 || errno == ENOTSUP ? 0 : -1;
    if (gp_buf_reserve(scratch, (size_t)size + XATTR_SIZE_MAX) != 0) {
        errno = ENOMEM;
        return -1;
    }
    char *names = scratch->data, *value = scratch->data + size;
    size = flistxattr(from, names, (size_t)size);
    if (size < 0) return -1;
    for (char *name = names; name < names + size; name += strlen(name) + 1) {
        ssize_t length = fgetxattr(from, name, value, XATTR_SIZE_MAX);
        if (length < 0) {
            if (errno == ENODATA || errno == ENOTSUP) continue;
            return -1;
        }
        if (fsetxattr(to, name, value, (size_t)length, 0) == 0) continue;
        /* Only the kernel may write labels of a security module; a file in the same folder has its own. */
        bool label = strncmp(name, "security.", 9) == 0 || strncmp(name, "trusted.", 8) == 0;
        if (!label && errno != ENOTSUP) return -1;
    }
    return 0;
}

static int keep_ownership(const place *p, gp_error *err)
{
    int result = -1;
    gp_buf scratch = GP_BUF_EMPTY;
    if ((p->mine.st_uid != p->old.st_uid || p->mine.st_gid != p->old.st_gid) &&
        fchown(p->fd, p->old.st_uid, p->old.st_gid) != 0) {
        gp_fail_errno(err, errno, "%s: cannot keep its owner %u:%u", p->real, (unsigned)p->old.st_uid,
                      (unsigned)p->old.st_gid);
        goto out;
    }
    bool chowned = p->mine.st_uid != p->old.st_uid || p->mine.st_gid != p->old.st_gid;
    if ((chowned || ((p->mine.st_mode ^ p->old.st_mode) & 07777) != 0) &&
        fchmod(p->fd, p->old.st_mode & 07777) != 0) {
        gp_fail_errno(err, errno, "%s: cannot keep its mode", p->real);
        goto out;
    }
    if (p->attributes && copy_attributes(p->old_fd, p->fd, &scratch) != 0) {
        gp_fail_errno(err, errno, "%s: cannot keep its ACL and attributes", p->real);
        goto out;
    }
    result = 0;
out:
    gp_buf_free(&scratch);
    return result;
}

/* Content, not time stamps: clocks are coarse, and a touched file has not changed. */
static int still_matches(const gp_file_replacement *wanted, const place *p, gp_error *err)
{
    char chunk[65536];
    size_t at = 0;
    struct stat now;
    if (fstatat(p->folder, p->name, &now, 0) != 0) return gp_fail_errno(err, errno, "%s", p->real);
    bool same = now.st_ino == p->old.st_ino && now.st_dev == p->old.st_dev;
    for (off_t offset = 0; same;) {
        ssize_t got = pread(p->old_fd, chunk, sizeof chunk, offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return gp_fail_errno(err, errno, "%s", p->real);
        if (got == 0) break;
        size_t length = (size_t)got;
        same = length <= wanted->expected_length - at && memcmp(chunk, wanted->expected + at, length) == 0;
        at += length;
        offset += got;
        if (length < sizeof chunk) break; /* a regular file reads short only at its end */
    }
    if (same && at == wanted->expected_length) return 0;
    return gp_fail(err, "ECHANGED", "%s: changed since it was read; read it again", p->real);
}

static int publish(const gp_file_replacement *wanted, const place *p, gp_error *err)
{
    if (p->exists || wanted->overwrite) {
        if (renameat(p->folder, p->temporary, p->folder, p->name) == 0) return 0;
    } else {
        if (renameat2(p->folder, p->temporary, p->folder, p->name, RENAME_NOREPLACE) == 0) return 0;
        if (errno == EINVAL || errno == ENOSYS) {
            /* a file system without it: a hard link refuses an existing name too */
            if (linkat(p->folder, p->temporary, p->folder, p->name, 0) == 0) {
                (void)unlinkat(p->folder, p->temporary, 0);
                return 0;
            }
        }
    }
    return gp_fail_errno(err, errno, "%s", p->real);
}

int gp_file_replace(const gp_file_replacement *wanted, gp_error *err)
{
    int result = -1;
    bool unlink_temporary = false;
    place p = {.folder = -1, .old_fd = -1, .fd = -1, .secret = wanted->secret};

    if (find_target(&p, wanted->path, err) != 0 || !p.name) goto out;
    if (!p.exists && wanted->must_match) {
        gp_fail_errno(err, ENOENT, "%s: was deleted after it was read", p.real);
        goto out;
    }
    if (p.exists && !wanted->must_match && !wanted->overwrite) {
        gp_fail_errno(err, EEXIST, "%s", p.real);
        goto out;
    }
    if (open_temporary(&p, err) != 0) goto out;
    unlink_temporary = true;
    if (gp_file_write_all(p.fd, wanted->bytes, wanted->length) != 0) {
        gp_fail_errno(err, errno, "%s: writing", p.real);
        goto out;
    }
    if (p.exists && !p.secret && keep_ownership(&p, err) != 0) goto out;
    if (p.secret && fchmod(p.fd, 0600) != 0) { /* the umask may have removed rights of the owner */
        gp_fail_errno(err, errno, "%s: cannot set its mode", p.real);
        goto out;
    }
    if (fsync(p.fd) != 0) {
        gp_fail_errno(err, errno, "%s: writing", p.real);
        goto out;
    }
    /* Last, to keep the window for other writers small. */
    if (wanted->guard && wanted->guard(p.folder, p.name, p.exists ? &p.old : NULL, err) != 0) goto out;
    if (wanted->must_match && still_matches(wanted, &p, err) != 0) goto out;
    if (publish(wanted, &p, err) != 0) goto out;
    unlink_temporary = false;
    if (fsync(p.folder) != 0 && errno != EINVAL && errno != ENOTSUP) {
        gp_fail_errno(err, errno, "%s: replaced, but its folder could not be synced", p.real);
        goto out;
    }
    result = 0;
out:
    if (unlink_temporary) (void)unlinkat(p.folder, p.temporary, 0);
    if (p.fd >= 0) (void)close(p.fd);
    if (p.folder >= 0) (void)close(p.folder);
    if (p.old_fd >= 0) (void)close(p.old_fd);
    free(p.real);
    return result;
}
