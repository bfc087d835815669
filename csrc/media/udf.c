/* UDF 1.02 of a DVD. See disc.h. */
#include <string.h>

#include "media/disc.h"
#include "media/disc_bytes.h"

enum {
    TAG = 16,
    ANCHOR = 2,
    PARTITION = 5,
    LOGICAL_VOLUME = 6,
    TERMINATOR = 8,
    FILE_SET = 256,
    FILE_NAME = 257,
    FILE_ENTRY = 261,
    EXTENDED_ENTRY = 266,
};

/* Whether a descriptor with this tag begins here. */
static bool tagged(const unsigned char *at, size_t length, unsigned id)
{
    if (length < TAG || gp_le16(at) != id) return false;
    unsigned sum = 0;
    for (size_t i = 0; i < TAG; i++)
        sum += i == 4 ? 0 : at[i];
    return (sum & 0xff) == at[4];
}

int gp_udf_anchor(const unsigned char *bytes, size_t length, gp_disc_piece *descriptors, gp_error *err)
{
    if (length < 32 || !tagged(bytes, length, ANCHOR)) return gp_fail(err, "EPARSE", "its UDF has no anchor");
    descriptors->length = gp_le32(bytes + 16);
    descriptors->at = (uint64_t)gp_le32(bytes + 20) * GP_DISC_SECTOR;
    return 0;
}

/* A text with its length in the last byte of its field, and the width of its characters in the first. */
static void dstring(const unsigned char *field, size_t size, char *out)
{
    size_t used = field[size - 1];
    out[0] = '\0';
    if (used > 1 && used < size) gp_disc_text(field + 1, used - 1, field[0] == 16, out);
}

int gp_udf_volume(const unsigned char *bytes, size_t length, gp_udf *udf, gp_error *err)
{
    memset(udf, 0, sizeof *udf);
    bool volume = false, partition = false;
    uint16_t wanted = 0, number = 0;
    for (size_t at = 0; at + 512 <= length; at += GP_DISC_SECTOR) {
        const unsigned char *d = bytes + at;
        if (tagged(d, length - at, TERMINATOR)) break;
        if (tagged(d, length - at, LOGICAL_VOLUME)) {
            volume = true;
            dstring(d + 84, 128, udf->label);
            if (gp_le32(d + 212) != GP_DISC_SECTOR) {
                return gp_fail(err, "ENOTSUP", "the blocks of its UDF have %u bytes instead of %u",
                               gp_le32(d + 212), GP_DISC_SECTOR);
            }
            udf->fileset = gp_le32(d + 252);
            if (gp_le32(d + 268) != 1 || d[440] != 1 || d[441] != 6) {
                return gp_fail(err, "ENOTSUP", "its UDF has other partitions than a DVD has");
            }
            wanted = gp_le16(d + 444);
        } else if (!partition && tagged(d, length - at, PARTITION)) {
            partition = true;
            number = gp_le16(d + 22);
            udf->partition = (uint64_t)gp_le32(d + 188) * GP_DISC_SECTOR;
        }
    }
    if (!volume || !partition || wanted != number) return gp_fail(err, "EPARSE", "its UDF has no volume");
    return 0;
}

int gp_udf_root(const unsigned char *bytes, size_t length, uint32_t *block, gp_error *err)
{
    if (length < 416 || !tagged(bytes, length, FILE_SET)) {
        return gp_fail(err, "EPARSE", "its UDF has no file set");
    }
    *block = gp_le32(bytes + 404);
    return 0;
}

/* Adds the pieces that the allocation descriptors list. */
static int add_pieces(const unsigned char *list, size_t length, size_t each, uint64_t partition,
                      gp_disc_file *file, gp_error *err)
{
    uint64_t left = file->size;
    for (size_t at = 0; at + each <= length && left > 0; at += each) {
        uint32_t word = gp_le32(list + at);
        uint64_t bytes = word & 0x3fffffff;
        if (word >> 30 == 3) return gp_fail(err, "ENOTSUP", "a file of it is in too many pieces");
        if (bytes == 0) break;
        if (word >> 30 != 0) return gp_fail(err, "ENOTSUP", "a file of it has parts that are not recorded");
        if (file->count == GP_DISC_PIECES)
            return gp_fail(err, "ENOTSUP", "a file of it is in too many pieces");
        gp_disc_piece *piece = &file->pieces[file->count++];
        piece->at = partition + (uint64_t)gp_le32(list + at + 4) * GP_DISC_SECTOR;
        piece->length = bytes < left ? bytes : left;
        left -= piece->length;
    }
    return left == 0 ? 0 : gp_fail(err, "EPARSE", "a file of it is shorter than its entry says");
}

int gp_udf_entry(const unsigned char *bytes, size_t length, uint64_t partition, gp_disc_file *file,
                 gp_error *err)
{
    memset(file, 0, sizeof *file);
    bool extended = tagged(bytes, length, EXTENDED_ENTRY);
    size_t head = extended ? 216 : 176;
    if (length < head || !(extended || tagged(bytes, length, FILE_ENTRY))) {
        return gp_fail(err, "EPARSE", "its UDF has no file where an entry says so");
    }
    file->folder = bytes[27] == 4;
    file->size = gp_le64(bytes + 56);
    size_t attributes = gp_le32(bytes + head - 8), descriptors = gp_le32(bytes + head - 4);
    if (attributes > length - head || descriptors > length - head - attributes) {
        return gp_fail(err, "EPARSE", "an entry of its UDF is damaged");
    }
    const unsigned char *list = bytes + head + attributes;
    switch (gp_le16(bytes + 34) & 7) {
    case 0:
        return add_pieces(list, descriptors, 8, partition, file, err);
    case 1:
        return add_pieces(list, descriptors, 16, partition, file, err);
    case 3:
        if (file->size > descriptors) return gp_fail(err, "EPARSE", "an entry of its UDF is damaged");
        file->bytes = list;
        return 0;
    default:
        return gp_fail(err, "ENOTSUP", "a file of it is stored in a way that no DVD uses");
    }
}

int gp_udf_next(const unsigned char *bytes, size_t length, size_t *at, gp_disc_name *name, gp_error *err)
{
    while (*at < length) {
        const unsigned char *d = bytes + *at;
        size_t left = length - *at;
        if (left < 38 || !tagged(d, left, FILE_NAME))
            return gp_fail(err, "EPARSE", "a folder of its UDF is damaged");
        size_t used = (size_t)gp_le16(d + 36), count = d[19];
        size_t size = (38 + used + count + 3) & ~(size_t)3;
        if (38 + used + count > left) return gp_fail(err, "EPARSE", "a folder of its UDF is damaged");
        *at += size < left ? size : left;
        if ((d[18] & 0x0c) != 0 || count < 2) continue; /* the parent, or deleted */
        memset(name, 0, sizeof *name);
        name->folder = (d[18] & 2) != 0;
        name->block = gp_le32(d + 24);
        gp_disc_text(d + 38 + used + 1, count - 1, d[38 + used] == 16, name->name);
        return 1;
    }
    return 0;
}
