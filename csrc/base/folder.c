#define _GNU_SOURCE /* O_PATH */
#include "base/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static char letter_of(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return GP_ENTRY_FOLDER;
    case S_IFREG:
        return GP_ENTRY_FILE;
    case S_IFLNK:
        return GP_ENTRY_LINK;
    case S_IFIFO:
        return GP_ENTRY_PIPE;
    case S_IFSOCK:
        return GP_ENTRY_SOCKET;
    case S_IFCHR:
    case S_IFBLK:
        return GP_ENTRY_DEVICE;
    default:
        return GP_ENTRY_OTHER;
    }
}

static const char *name_of(char letter)
{
    switch (letter) {
    case GP_ENTRY_FOLDER:
        return "a folder";
    case GP_ENTRY_LINK:
        return "a symbolic link";
    case GP_ENTRY_PIPE:
        return "a named pipe";
    case GP_ENTRY_SOCKET:
        return "a socket";
    case GP_ENTRY_DEVICE:
        return "a device";
    default:
        return "not a regular file";
    }
}

static int refuse(char letter, const char *path, gp_error *err)
{
    const char *code = letter == GP_ENTRY_LINK ? "ELOOP" : letter == GP_ENTRY_FOLDER ? "EISDIR" : "ENOTREG";
    return gp_fail(err, code, "%s: is %s; only regular files are opened", path, name_of(letter));
}

int gp_folder_open(const char *path, gp_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
    return fd >= 0 ? fd : gp_fail_errno(err, errno, "%s", path);
}

int gp_folder_kind(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? letter_of(status.st_mode) : 0;
}

/* Copies the next component of *path to `part` and advances; 0 at the end, -1 for anything but a relative path. */
static int next_part(const char **path, char part[NAME_MAX + 1], gp_error *err, const char *whole)
{
    size_t length = strcspn(*path, "/");
    if (length == 0 && **path == '\0') return 0;
    bool dots = (length == 1 && (*path)[0] == '.') || (length == 2 && (*path)[0] == '.' && (*path)[1] == '.');
    if (length == 0 || dots) return gp_fail(err, "EINVAL", "'%s' leads outside its folder", whole);
    if (length > NAME_MAX) return gp_fail_errno(err, ENAMETOOLONG, "%.200s", whole);
    memcpy(part, *path, length);
    part[length] = '\0';
    *path += length;
    if (**path == '/') (*path)++;
    return 1;
}

/* Opens the folder of the last component, which it leaves in `last` ("" when the path has none). */
static int walk(int root, const char *path, char last[NAME_MAX + 1], gp_error *err)
{
    char part[NAME_MAX + 1];
    const char *at = path;
    int folder = fcntl(root, F_DUPFD_CLOEXEC, 0);
    if (folder < 0) return gp_fail_errno(err, errno, "%s", path);
    last[0] = '\0';
    for (;;) {
        int more = next_part(&at, part, err, path);
        if (more < 0) goto fail;
        if (more == 0) return folder;
        if (last[0]) {
            int below = openat(folder, last, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (below < 0) {
                (void)gp_fail_errno(err, errno, "%s", path);
                goto fail;
            }
            (void)close(folder);
            folder = below;
        }
        memcpy(last, part, sizeof part);
    }
fail:
    (void)close(folder);
    return -1;
}

int gp_folder_below(int root, const char *path, gp_error *err)
{
    char last[NAME_MAX + 1];
    struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    long fd = syscall(SYS_openat2, root, path, &how, sizeof how);
    if (fd >= 0) return (int)fd;
    int problem = errno;
    if (problem == ENOSYS || problem == EPERM) { /* an old kernel, or a sandbox without the call */
        int folder = walk(root, path, last, err);
        if (folder < 0) return -1;
        fd = openat(folder, last[0] ? last : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        problem = errno;
        (void)close(folder);
        if (fd >= 0) return (int)fd;
    }
    if (problem == EXDEV) return gp_fail(err, "EXDEV", "%s: a link leads outside the folder", path);
    return gp_fail_errno(err, problem, "%s", path);
}

int gp_folder_file(int root, const char *path, uint64_t *size, gp_error *err)
{
    char last[NAME_MAX + 1];
    struct stat status;
    int fd = -1;
    int folder = walk(root, path, last, err);
    if (folder < 0) return -1;
    if (!last[0]) {
        (void)refuse(GP_ENTRY_FOLDER, path, err);
        goto out;
    }
    if (fstatat(folder, last, &status, AT_SYMLINK_NOFOLLOW) != 0) {
        (void)gp_fail_errno(err, errno, "%s", path);
        goto out;
    }
    if (!S_ISREG(status.st_mode)) {
        (void)refuse(letter_of(status.st_mode), path, err);
        goto out;
    }
    /* it may have been replaced since: NONBLOCK for a pipe, and checked again */
    fd = openat(folder, last, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) {
        (void)gp_fail_errno(err, errno, "%s", path);
        goto out;
    }
    if (fstat(fd, &status) != 0) {
        (void)gp_fail_errno(err, errno, "%s", path);
    } else if (!S_ISREG(status.st_mode)) {
        (void)refuse(letter_of(status.st_mode), path, err);
    } else {
        *size = (uint64_t)status.st_size;
        goto out;
    }
    (void)close(fd);
    fd = -1;
out:
    (void)close(folder);
    return fd;
}

int gp_folder_list(int root, const char *path, uint32_t most, gp_buf *names, gp_error *err)
{
    char last[NAME_MAX + 1] = "";
    int folder = walk(root, path, last, err);
    if (folder < 0) return -1;
    int fd = openat(folder, last[0] ? last : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int problem = errno;
    (void)close(folder);
    if (fd < 0) return gp_fail_errno(err, problem, "%s", path);
    errno = ENOMEM; /* unless a call sets it */
    DIR *list = fdopendir(fd);
    if (!list) {
        problem = errno;
        (void)close(fd);
        return gp_fail_errno(err, problem, "%s", path);
    }
    uint32_t count = 0;
    bool limit = false;
    errno = 0;
    for (struct dirent *entry; (entry = readdir(list)); errno = 0) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (count++ == most) {
            limit = true;
            break;
        }
        struct stat status;
        char letter = fstatat(fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0
                          ? letter_of(status.st_mode)
                          : GP_ENTRY_OTHER;
        (void)gp_buf_putc(names, letter);
        (void)gp_buf_append(names, entry->d_name, strlen(entry->d_name) + 1);
    }
    problem = limit ? 0 : errno;
    (void)closedir(list);
    if (problem) return gp_fail_errno(err, problem, "%s", path);
    if (names->failed) return gp_fail_memory(err);
    if (limit) return gp_fail(err, "ELIMIT", "%s: more than %u entries", path, most);
    return 0;
}
