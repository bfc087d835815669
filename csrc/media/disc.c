/* ISO 9660 and Joliet, and the header of a .wim. See disc.h. */
#include "media/disc.h"

#include <string.h>

#include "media/disc_bytes.h"

/* Appends a character as UTF-8. A name that does not fit is cut: nothing looks for names that long. */
static void put(char *out, size_t *used, uint32_t c)
{
    unsigned char bytes[3];
    size_t count = 1;
    if (c < 0x80) {
        bytes[0] = (unsigned char)c;
    } else if (c < 0x800) {
        bytes[0] = (unsigned char)(0xc0 | c >> 6);
        bytes[1] = (unsigned char)(0x80 | (c & 0x3f));
        count = 2;
    } else {
        bytes[0] = (unsigned char)(0xe0 | c >> 12);
        bytes[1] = (unsigned char)(0x80 | (c >> 6 & 0x3f));
        bytes[2] = (unsigned char)(0x80 | (c & 0x3f));
        count = 3;
    }
    if (*used + count >= GP_DISC_NAME) return;
    memcpy(out + *used, bytes, count);
    *used += count;
}

void gp_disc_text(const unsigned char *bytes, size_t length, bool wide, char *out)
{
    size_t used = 0;
    for (size_t i = 0; i + (wide ? 1 : 0) < length; i += wide ? 2 : 1) {
        uint32_t c = wide ? (uint32_t)bytes[i] << 8 | bytes[i + 1] : bytes[i];
        if (c == 0) break;
        /* no control characters, and no halves of surrogate pairs: the result is shown to users */
        if (c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0xd800 && c < 0xe000) || c >= 0xfffe) c = '?';
        put(out, &used, c);
    }
    while (used > 0 && out[used - 1] == ' ')
        used--;
    out[used] = '\0';
}

static gp_disc_piece root_of(const unsigned char *descriptor)
{
    const unsigned char *record = descriptor + 156;
    gp_disc_piece piece = {(uint64_t)gp_le32(record + 2) * GP_DISC_SECTOR, gp_le32(record + 10)};
    return piece;
}

int gp_disc_read_volume(const unsigned char *bytes, size_t length, gp_disc_volume *volume, gp_error *err)
{
    memset(volume, 0, sizeof *volume);
    bool primary = false, ended = false;
    for (size_t at = 0; at + GP_DISC_SECTOR <= length; at += GP_DISC_SECTOR) {
        const unsigned char *sector = bytes + at;
        if (memcmp(sector + 1, "NSR02", 5) == 0 || memcmp(sector + 1, "NSR03", 5) == 0) volume->udf = true;
        if (ended || memcmp(sector + 1, "CD001", 5) != 0) continue;
        if (sector[0] == 255) {
            ended = true;
        } else if (sector[0] == 1 && !primary) {
            primary = true;
            gp_disc_text(sector + 40, 32, false, volume->label);
            volume->root = root_of(sector);
        } else if (sector[0] == 2 && primary && !volume->joliet && sector[88] == '%' && sector[89] == '/' &&
                   (sector[90] == '@' || sector[90] == 'C' || sector[90] == 'E')) {
            char label[GP_DISC_NAME];
            gp_disc_text(sector + 40, 32, true, label);
            if (label[0]) memcpy(volume->label, label, sizeof label);
            volume->root = root_of(sector);
            volume->joliet = true;
        }
    }
    if (!primary && !volume->udf) return gp_fail(err, "EPARSE", "it is not an image of a CD or DVD");
    return 0;
}

/* The name of Rock Ridge, which Linux shows instead of the plain one: the NM entries after the record's name. */
static void rock_ridge(const unsigned char *at, size_t left, char *out)
{
    unsigned char text[256];
    size_t used = 0;
    while (left >= 4 && at[2] >= 4 && at[2] <= left) {
        if (memcmp(at, "NM", 2) == 0 && at[2] > 5 && (at[4] & 6) == 0) { /* neither "." nor ".." */
            size_t count = at[2] - 5u;
            if (count > sizeof text - used) break;
            memcpy(text + used, at + 5, count);
            used += count;
            if (!(at[4] & 1)) break; /* not continued */
        }
        left -= at[2];
        at += at[2];
    }
    if (used > 0) gp_disc_text(text, used, false, out);
}

int gp_iso_next(const unsigned char *bytes, size_t length, size_t *at, bool joliet, gp_disc_name *name,
                gp_error *err)
{
    while (*at < length) {
        const unsigned char *record = bytes + *at;
        size_t size = record[0];
        if (size == 0) { /* records do not cross sectors: the rest of this one is empty */
            *at = (*at / GP_DISC_SECTOR + 1) * GP_DISC_SECTOR;
            continue;
        }
        if (size < 34 || size > length - *at || 33u + record[32] > size) {
            return gp_fail(err, "EPARSE", "an entry of a folder is damaged");
        }
        *at += size;
        size_t count = record[32];
        if (count == 1 && record[33] <= 1) continue; /* the folder itself, and its parent */
        memset(name, 0, sizeof *name);
        gp_disc_text(record + 33, count, joliet, name->name);
        char *version = strrchr(name->name, ';');
        if (version) *version = '\0';
        size_t used = strlen(name->name);
        if (used > 1 && name->name[used - 1] == '.') name->name[used - 1] = '\0'; /* "CASPER." */
        size_t head = 33 + count + (count % 2 == 0 ? 1 : 0);
        if (!joliet && head < size) rock_ridge(record + head, size - head, name->name);
        name->folder = (record[25] & 2) != 0;
        name->more = (record[25] & 0x80) != 0;
        /* the extended attributes of the file come before its bytes */
        name->data.at = ((uint64_t)gp_le32(record + 2) + record[1]) * GP_DISC_SECTOR;
        name->data.length = gp_le32(record + 10);
        return 1;
    }
    return 0;
}

enum { WIM_HEADER = 208, WIM_COMPRESSED = 4 };

int gp_wim_header(const unsigned char *bytes, size_t length, gp_wim *wim, gp_error *err)
{
    memset(wim, 0, sizeof *wim);
    if (length < WIM_HEADER || memcmp(bytes, "MSWIM\0\0\0", 8) != 0 || gp_le32(bytes + 8) < WIM_HEADER) {
        return gp_fail(err, "EPARSE", "it is not a Windows image (.wim)");
    }
    wim->part = gp_le16(bytes + 40);
    wim->parts = gp_le16(bytes + 42);
    wim->images = gp_le32(bytes + 44);
    const unsigned char *resource = bytes + 72; /* 7 bytes of size, flags, offset, original size */
    wim->xml_length = gp_le64(resource) & 0xffffffffffffffu;
    wim->xml_at = gp_le64(resource + 8);
    if (resource[7] & WIM_COMPRESSED) return gp_fail(err, "ENOTSUP", "its list of editions is compressed");
    if (wim->xml_length == 0) return gp_fail(err, "EPARSE", "it has no list of editions");
    return 0;
}
