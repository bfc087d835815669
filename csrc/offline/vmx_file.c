/* A document and its file. It is never saved while the VM runs, nor over another program's change. */
#define _DEFAULT_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "offline/vmx_inside.h"

gp_vmx *gp_vmx_open(const char *path, uint64_t max_bytes, gp_error *err)
{
    gp_buf text = GP_BUF_EMPTY;
    uint64_t limit = vmx_byte_limit(max_bytes);
    if (gp_file_read(path, limit, &text, err) != 0) {
        gp_buf_free(&text);
        return NULL;
    }
    gp_vmx *doc = vmx_parse_owned(&text, limit, err);
    if (!doc) {
        gp_error why = *err;
        gp_fail(err, why.code, "%.200s: %.700s", path, why.message);
        return NULL;
    }
    doc->path = strdup(path);
    if (!doc->path) {
        gp_vmx_free(doc);
        gp_fail_memory(err);
        return NULL;
    }
    return doc;
}

const char *gp_vmx_path(const gp_vmx *doc)
{
    return doc->path;
}

static int fail_locked(const char *lock, gp_error *err)
{
    return gp_fail(
        err, "ELOCKED",
        "%s exists: the VM runs, or another program has it open; power it off first (edits under a running "
        "VM are lost at best)",
        lock);
}

/* NAME.vmx.lck is a file on VMFS and a folder under Workstation. On NFS, ESXi makes .lck-<file id>: 16
 * hexadecimal digits, the lowest byte first. */
static int refuse_locked(int folder, const char *name, const struct stat *old, gp_error *err)
{
    char lock[NAME_MAX + 1];
    struct stat st;
    int length = snprintf(lock, sizeof lock, "%s.lck", name);
    /* a name too long to have a lock beside it has none */
    bool fits = length > 0 && (size_t)length < sizeof lock;
    if (fits && fstatat(folder, lock, &st, AT_SYMLINK_NOFOLLOW) == 0) return fail_locked(lock, err);
    if (!old) return 0;
    (void)snprintf(lock, sizeof lock, ".lck-%016" PRIx64, __builtin_bswap64((uint64_t)old->st_ino));
    if (fstatat(folder, lock, &st, AT_SYMLINK_NOFOLLOW) == 0) return fail_locked(lock, err);
    return 0;
}

/* What is on disk now is what the document was read from: the written text becomes the original, the lines
 * move with it. Nothing here can fail, since the file is replaced already. */
static void settle(gp_vmx *doc, gp_buf *text)
{
    uint32_t at = doc->bom ? 3 : 0;
    for (uint32_t i = 0; i < doc->count; i++) {
        vmx_line *line = &doc->lines[i];
        uint32_t moved = at - line->start; /* wraps round, and back when it is added */
        line->start = at;
        if (line->kind == GP_VMX_PAIR) {
            line->name += moved;
            line->value += moved;
        }
        line->opened = 0;
        at += line->length + (uint32_t)vmx_eol_length(line->eol);
    }
    gp_buf_free(&doc->text);
    doc->text = *text;
    *text = (gp_buf)GP_BUF_EMPTY;
    doc->original = doc->text.length;
    doc->live_edits = 0;
    doc->changed = false;
}

int gp_vmx_save(gp_vmx *doc, const char *path, bool overwrite, gp_error *err)
{
    gp_buf text = GP_BUF_EMPTY;
    bool own = doc->path && (!path || strcmp(path, doc->path) == 0);
    if (!path) path = doc->path;
    if (!path) return gp_fail(err, "EINVAL", "this document came from a text: give save a path");
    if (own && !doc->changed) return 0;
    char *name = own ? NULL : strdup(path);
    if ((!own && !name) || gp_vmx_write(doc, &text) != 0) {
        free(name);
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
    if (result == 0) {
        settle(doc, &text);
        if (name) {
            free(doc->path);
            doc->path = name;
            name = NULL;
        }
    }
    free(name);
    gp_buf_free(&text);
    return result;
}
