#define _DEFAULT_SOURCE
#include "offline/vmlog_folder.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <fcntl.h>
#include <sys/stat.h>

int gp_vmlog_folder(const char *path, gp_buf *names, gp_error *err)
{
    errno = ENOMEM; /* what it is when nothing sets it */
    DIR *folder = opendir(path);
    if (!folder) return gp_fail_errno(err, errno, "%s", path);
    errno = 0;
    for (struct dirent *entry; (entry = readdir(folder)); errno = 0) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        struct stat status;
        bool is_folder = fstatat(dirfd(folder), entry->d_name, &status, 0) == 0 && S_ISDIR(status.st_mode);
        (void)gp_buf_putc(names, is_folder ? 'd' : 'f');
        (void)gp_buf_append(names, entry->d_name, strlen(entry->d_name) + 1);
    }
    int problem = errno;
    (void)closedir(folder);
    if (problem) return gp_fail_errno(err, problem, "%s", path);
    return names->failed ? gp_fail_memory(err) : 0;
}
