/* links: iso
 *
 * The readers of images of DVDs, each with any bytes: they end, a refusal has a message, names are UTF-8 without control
 * characters, the pieces of a file are as long as the file, and one that is in its entry lies within the bytes. The first
 * byte chooses the reader. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "media/disc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
    if (!holds) abort();
}

static void check_text(const char *text)
{
    must(memchr(text, 0, GP_DISC_NAME) != NULL);
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        uint32_t c = *at++;
        int more = c < 0x80 ? 0 : c < 0xe0 ? 1 : 2;
        must(c >= 0x20 && c != 0x7f && (c < 0x80 || (c >= 0xc2 && c < 0xf0)));
        for (; more > 0; more--, at++)
            must((*at & 0xc0) == 0x80);
    }
}

static void check_error(const gp_error *err)
{
    must(err->message[0] != '\0' && err->code[0] == 'E');
}

static void folder(const uint8_t *data, size_t size, int kind)
{
    gp_disc_name *name = malloc(sizeof *name);
    gp_error err;
    size_t at = 0, before = 0;
    int found;
    must(name != NULL);
    while ((found = kind == 2 ? gp_udf_next(data, size, &at, name, &err)
                              : gp_iso_next(data, size, &at, kind == 1, name, &err)) == 1) {
        must(at > before && at <= size);
        before = at;
        check_text(name->name);
    }
    if (found < 0) check_error(&err);
    free(name);
}

static void entry(const uint8_t *data, size_t size)
{
    gp_disc_file file;
    gp_error err;
    if (gp_udf_entry(data, size, 1u << 20, &file, &err) != 0) {
        check_error(&err);
        return;
    }
    uint64_t sum = 0;
    must(file.count <= GP_DISC_PIECES);
    for (uint32_t i = 0; i < file.count; i++)
        sum += file.pieces[i].length;
    if (file.bytes) {
        must(file.bytes >= data && file.size <= (size_t)(data + size - file.bytes) && file.count == 0);
    } else {
        must(sum == file.size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    int kind = data[0] & 7;
    /* a copy of exactly this size, so that reading beyond its end is seen */
    size--;
    uint8_t *bytes = malloc(size ? size : 1);
    must(bytes != NULL);
    if (size) memcpy(bytes, data + 1, size);
    gp_error err = {{0}, {0}};
    gp_disc_volume volume;
    gp_disc_piece piece;
    gp_udf udf;
    gp_wim wim;
    uint32_t block;
    int failed = 0;
    switch (kind) {
    case 0:
    case 1:
    case 2:
        folder(bytes, size, kind);
        break;
    case 3:
        entry(bytes, size);
        break;
    case 4:
        failed = gp_disc_read_volume(bytes, size, &volume, &err);
        check_text(volume.label);
        break;
    case 5:
        failed = gp_udf_volume(bytes, size, &udf, &err);
        check_text(udf.label);
        break;
    case 6:
        failed = gp_wim_header(bytes, size, &wim, &err);
        break;
    default:
        failed = gp_udf_anchor(bytes, size, &piece, &err) | gp_udf_root(bytes, size, &block, &err);
        break;
    }
    if (failed) check_error(&err);
    free(bytes);
    return 0;
}
