/* Saving: never under a running VM, never over somebody else's change. */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "file.h"
#include "vmx_inside.h"

static int fail_locked(const char *lock, gp_error *err)
{
    return gp_fail(
        err, "ELOCKED",
        "%s exists: the VM runs, or another program has it open; power it off first (edits under a running "
        "VM are lost at best)",
        lock);
}

/* NAME.vmx.lck is a file on VMFS and a folder under Workstation; on NFS ESXi makes .lck-<file id>, the id in
 * hexadecimal, in either byte order. */
static int refuse_locked(const char *real_path, const struct stat *old, gp_error *err)
{
    char lock[PATH_MAX];
    struct stat st;
    int length = snprintf(lock, sizeof lock, "%s.lck", real_path);
    if (length < 0 || (size_t)length >= sizeof lock) return gp_fail_errno(err, ENAMETOOLONG, "%s", real_path);
    if (lstat(lock, &st) == 0) return fail_locked(lock, err);
    if (!old) return 0;
    const char *slash = strrchr(real_path, '/');
    int folder = slash ? (int)(slash - real_path) + 1 : 0;
    uint64_t id = (uint64_t)old->st_ino;
    for (int order = 0; order < 2; order++, id = __builtin_bswap64(id)) {
        length = snprintf(lock, sizeof lock, "%.*s.lck-%016" PRIx64, folder, real_path, id);
        if (length > 0 && (size_t)length < sizeof lock && lstat(lock, &st) == 0)
            return fail_locked(lock, err);
    }
    return 0;
}

/* What is on disk now is what the document was read from. */
static int settle(gp_vmx *doc, gp_buf *text, const char *path, gp_error *err)
{
    gp_vmx *again = gp_vmx_parse(text->data, text->length, doc->max_bytes, err);
    if (!again) return -1;
    if (doc->path && strcmp(doc->path, path) == 0) {
        again->path = doc->path;
        doc->path = NULL;
    } else {
        again->path = strdup(path);
        if (!again->path) {
            gp_vmx_free(again);
            return gp_fail_memory(err);
        }
    }
    gp_vmx old = *doc;
    *doc = *again;
    *again = old;
    gp_vmx_free(again);
    return 0;
}

int gp_vmx_save(gp_vmx *doc, const char *path, bool overwrite, gp_error *err)
{
    gp_buf text = GP_BUF_EMPTY;
    bool own = doc->path && (!path || strcmp(path, doc->path) == 0);
    if (!path) path = doc->path;
    if (!path) return gp_fail(err, "EINVAL", "this document came from a text: give save a path");
    if (own && !doc->changed) return 0;
    if (gp_vmx_write(doc, &text) != 0) {
        gp_buf_free(&text);
        return gp_fail_memory(err);
    }
    gp_file_replacement wanted = {
        .path = path,
        .bytes = text.data,
        .length = text.length,
        .must_match = own,
        .overwrite = overwrite,
        .expected = doc->text.data,
        .expected_length = doc->original,
        .guard = refuse_locked,
    };
    int result = gp_file_replace(&wanted, err);
    if (result == 0) result = settle(doc, &text, path, err);
    gp_buf_free(&text);
    return result;
}
