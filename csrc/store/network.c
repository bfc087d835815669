#define _GNU_SOURCE
#include "store/network.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#define FUSE 0x65735546U

/* f_type of statfs(2), from the manual page and linux/magic.h. */
static const struct {
    unsigned long type;
    const char *name;
} network[] = {
    {0x6969, "NFS"},        {0xff534d42, "CIFS"},   {0xfe534d42, "SMB"},    {0x517b, "SMB"},
    {0x01021997, "9p"},     {0x00c36400, "Ceph"},   {0x0bd00bd0, "Lustre"}, {0x5346414f, "AFS"},
    {0x6b414653, "AFS"},    {0x47504653, "GPFS"},   {0x73757245, "Coda"},   {0x19830326, "BeeGFS"},
    {0xaad7aaea, "PanFS"},  {0x564c, "NCP"},        {0x01161970, "GFS2"},   {0x7461636f, "OCFS2"},
    {0x786f4256, "vboxsf"}, {0xbacbacbc, "vmhgfs"},
};

/* A FUSE file system is local (ntfs-3g, fuse-overlayfs) unless its type says otherwise. */
static const char *const network_fuse[] = {
    "sshfs",  "s3fs", "rclone",  "glusterfs", "ceph",        "ceph-fuse", "gcsfuse",   "davfs",
    "goofys", "mfs",  "juicefs", "smbnetfs",  "vmhgfs-fuse", "lustre",    "curlftpfs",
};

/* The type of the mount with this device in /proc/self/mountinfo, such as "fuse.sshfs": whether it was found. */
static bool mount_type(dev_t device, char *type, size_t size)
{
    FILE *file = fopen("/proc/self/mountinfo", "re");
    char *line = NULL;
    size_t room = 0;
    bool found = false;
    while (file && !found && getline(&line, &room, file) >= 0) {
        unsigned number[2];
        const char *tail = strstr(line, " - ");
        if (!tail || sscanf(line, "%*s %*s %u:%u", &number[0], &number[1]) != 2) continue;
        if (makedev(number[0], number[1]) != device) continue;
        tail += 3;
        size_t length = strcspn(tail, " \n");
        found = length < size;
        if (found) {
            memcpy(type, tail, length);
            type[length] = '\0';
        }
    }
    free(line);
    if (file) (void)fclose(file);
    return found;
}

static const char *name_of(const char *path, unsigned long magic)
{
    static _Thread_local char type[64];
    struct stat st;
    for (size_t i = 0; i < sizeof network / sizeof *network; i++) {
        if (network[i].type == magic) return network[i].name;
    }
    if (magic != FUSE || stat(path, &st) != 0 || !mount_type(st.st_dev, type, sizeof type)) return NULL;
    if (strcmp(type, "virtiofs") == 0) return type;
    const char *kind = strncmp(type, "fuse.", 5) == 0 ? type + 5 : type;
    for (size_t i = 0; i < sizeof network_fuse / sizeof *network_fuse; i++) {
        if (strcmp(kind, network_fuse[i]) == 0) return type;
    }
    return NULL;
}

/* statfs of the path or of the nearest folder above it; false when none can be read. */
static bool nearest(char *path, struct statfs *out)
{
    while (statfs(path, out) != 0) {
        char *slash = strrchr(path, '/');
        if ((errno != ENOENT && errno != ENOTDIR) || strcmp(path, ".") == 0 || strcmp(path, "/") == 0)
            return false;
        if (!slash)
            memcpy(path, ".", 2);
        else if (slash == path)
            path[1] = '\0';
        else
            *slash = '\0';
    }
    return true;
}

int gp_store_check_local(const char *path, gp_error *err)
{
    int rc = 0;
    struct statfs found;
    char *at = malloc(strlen(path) + 2);
    if (!at) return gp_fail_memory(err);
    memcpy(at, path, strlen(path) + 1);
    if (nearest(at, &found)) {
        const char *name = name_of(at, (unsigned long)found.f_type & 0xffffffffUL);
        if (name) {
            rc = gp_fail(err, "ENETFS",
                         "%s is on a network file system (%s), where the journal could be damaged: its log "
                         "needs memory that all processes share. Give a file on a local disk, or set "
                         "XDG_STATE_HOME to a folder there",
                         path, name);
        }
    }
    free(at);
    return rc;
}
