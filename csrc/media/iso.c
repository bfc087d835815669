#include "media/iso.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define NAME_MAX_JOLIET 64
#define DEPTH_MAX 7

static int check_label(const char *label, gp_error *err)
{
    size_t length = strlen(label);
    if (length == 0 || length > 16 || strspn(label, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != length) {
        return gp_fail(
            err, "EINVAL",
            "'%s' cannot be a volume label: 1 to 16 characters of A to Z, 0 to 9 and _ are allowed", label);
    }
    return 0;
}

static int check_path(const char *path, gp_error *err)
{
    const char *part = path;
    for (int depth = 1;; depth++) {
        size_t length = strcspn(part, "/");
        if (length == 0) {
            return gp_fail(err, "EINVAL", "'%s' is not a relative path", path);
        }
        if (length > NAME_MAX_JOLIET) {
            return gp_fail(err, "EINVAL", "'%s': a name on a medium has at most %d characters", path,
                           NAME_MAX_JOLIET);
        }
        if ((length == 1 && part[0] == '.') || (length == 2 && part[0] == '.' && part[1] == '.')) {
            return gp_fail(err, "EINVAL", "'%s' leads outside the medium", path);
        }
        if (depth > DEPTH_MAX) {
            return gp_fail(err, "EINVAL", "'%s' is more than %d folders deep", path, DEPTH_MAX);
        }
        for (size_t i = 0; i < length; i++) {
            if (part[i] < 0x20 || part[i] > 0x7e || strchr("*:;?\\", part[i])) {
                return gp_fail(err, "EINVAL",
                               "'%s': names on a medium must be printable ASCII without * : ; ? and \\",
                               path);
            }
        }
        if (part[length] == '\0') return 0;
        part += length + 1;
    }
}

/* A name that occurs twice, or that is a folder of another: Windows ignores case. */
static int check_pair(const char *a, const char *b, gp_error *err)
{
    size_t length = strlen(a);
    if (strncasecmp(a, b, length) != 0) return 0;
    if (b[length] == '\0') return gp_fail(err, "EINVAL", "'%s' and '%s' are the same name on a medium", a, b);
    if (b[length] == '/') return gp_fail(err, "EINVAL", "'%s' is both a file and a folder", a);
    return 0;
}

static la_ssize_t append(struct archive *archive, void *data, const void *bytes, size_t length)
{
    gp_buf *out = data;
    if (gp_buf_append(out, bytes, length) != 0) {
        archive_set_error(archive, ARCHIVE_FATAL, "out of memory");
        return -1;
    }
    return (la_ssize_t)length;
}

static int fail_archive(struct archive *archive, const gp_buf *out, gp_error *err)
{
    if (out->failed) return gp_fail_memory(err);
    const char *text = archive_error_string(archive);
    return gp_fail(err, "EISO", "the image could not be written: %s",
                   text ? text : "libarchive gave no reason");
}

static int write_file(struct archive *archive, struct archive_entry *entry, const gp_iso_file *file)
{
    archive_entry_clear(entry);
    archive_entry_set_pathname(entry, file->path);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0444);
    archive_entry_set_size(entry, (la_int64_t)file->length);
    /* Images of the same files should differ as little as possible. */
    archive_entry_set_mtime(entry, 946684800, 0);
    if (archive_write_header(archive, entry) != ARCHIVE_OK) return -1;
    size_t done = 0;
    while (done < file->length) {
        la_ssize_t n = archive_write_data(archive, file->bytes + done, file->length - done);
        if (n <= 0) return -1;
        done += (size_t)n;
    }
    return 0;
}

int gp_iso_write(const gp_iso_file *files, size_t count, const char *label, gp_buf *out, gp_error *err)
{
    struct archive *archive = NULL;
    struct archive_entry *entry = NULL;
    char options[96];
    int result = -1;

    out->secret = true;
    if (check_label(label, err) != 0) return -1;
    if (count == 0) return gp_fail(err, "EINVAL", "a medium needs at least one file");
    for (size_t i = 0; i < count; i++) {
        if (check_path(files[i].path, err) != 0) return -1;
        for (size_t j = 0; j < count; j++) {
            if (i != j && check_pair(files[i].path, files[j].path, err) != 0) return -1;
        }
    }

    (void)snprintf(options, sizeof options, "iso9660:volume-id=%s,joliet=1,rockridge=1,!zisofs", label);
    archive = archive_write_new();
    entry = archive_entry_new();
    if (!archive || !entry) {
        result = gp_fail_memory(err);
        goto out;
    }
    if (archive_write_set_format_iso9660(archive) != ARCHIVE_OK ||
        archive_write_set_bytes_per_block(archive, 32768) != ARCHIVE_OK ||
        archive_write_set_bytes_in_last_block(archive, 1) != ARCHIVE_OK ||
        archive_write_set_options(archive, options) != ARCHIVE_OK ||
        archive_write_open(archive, out, NULL, append, NULL) != ARCHIVE_OK) {
        result = fail_archive(archive, out, err);
        goto out;
    }
    for (size_t i = 0; i < count; i++) {
        if (write_file(archive, entry, &files[i]) != 0) {
            result = fail_archive(archive, out, err);
            goto out;
        }
    }
    if (archive_write_close(archive) != ARCHIVE_OK) {
        result = fail_archive(archive, out, err);
        goto out;
    }
    result = 0;
out:
    if (archive) (void)archive_write_free(archive);
    archive_entry_free(entry);
    return result;
}
