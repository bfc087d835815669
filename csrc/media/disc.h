/* Reading the image of an installation DVD in pieces: where a file of it lies, without the whole image.
 *
 * An image is gigabytes and is on a datastore; what is needed of it is a few sectors. So nothing here reads: each
 * function takes the bytes that the caller has fetched, and gives what they say and where to go on.
 *
 *   sector 16...       gp_disc_volume     the volume: its label, its ISO 9660 (or Joliet) root; whether UDF is there
 *   sector 256         gp_udf_anchor      -> where the volume descriptors of UDF are
 *   these sectors      gp_udf_volume      -> the label, where the partition begins, the block of the file set
 *   that block         gp_udf_root        -> the block of the root's entry
 *   an entry's block   gp_udf_entry       -> the file's size and where its bytes lie
 *   a folder's bytes   gp_iso_next, gp_udf_next  -> one name after the other
 *   a .wim's header    gp_wim_header      -> where its XML is, which lists the editions
 *
 * Windows media have their files in UDF 1.02 only; Linux media in ISO 9660, with Rock Ridge. Not read: UDF with a metadata, virtual or
 * sparable partition (2.50; packet writing), files in more than GP_DISC_PIECES pieces, and El Torito.
 * Sources: ECMA-119, the Joliet specification, ECMA-167 with OSTA UDF 1.02; Microsoft, "Windows Imaging File Format".
 *
 * Everything is checked: an image comes from anywhere. EPARSE is what contradicts the format, ENOTSUP what it allows
 * and this does not read.
 */
#ifndef GP_DISC_H
#define GP_DISC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define GP_DISC_SECTOR 2048u
#define GP_DISC_PIECES 64u
#define GP_DISC_NAME 800u /* 255 characters of UCS-2 in UTF-8, and more */

typedef struct gp_disc_piece {
    uint64_t at, length; /* bytes of the image */
} gp_disc_piece;

typedef struct gp_disc_file {
    uint64_t size;
    uint32_t count;
    gp_disc_piece pieces[GP_DISC_PIECES];
    const unsigned char *bytes; /* a file that is in its entry: within the caller's bytes; else NULL */
    bool folder;
} gp_disc_file;

typedef struct gp_disc_volume {
    char label[GP_DISC_NAME];
    gp_disc_piece root; /* of ISO 9660; length 0 where there is none */
    bool joliet, udf;
} gp_disc_volume;

typedef struct gp_disc_name {
    char name[GP_DISC_NAME];
    bool folder, more;  /* more: the next entry of the same name continues the file */
    gp_disc_piece data; /* ISO 9660 */
    uint32_t block;     /* UDF: of its entry, within the partition */
} gp_disc_name;

typedef struct gp_udf {
    char label[GP_DISC_NAME];
    uint64_t partition; /* bytes: where block 0 is */
    uint32_t fileset;   /* block */
} gp_udf;

typedef struct gp_wim {
    uint64_t xml_at, xml_length; /* bytes of the .wim */
    uint32_t images;
    uint16_t part, parts;
} gp_wim;

/* From sector 16 on: at least 32 sectors, or up to the end of a smaller image. */
int gp_disc_read_volume(const unsigned char *bytes, size_t length, gp_disc_volume *volume, gp_error *err);

/* Sector 256. */
int gp_udf_anchor(const unsigned char *bytes, size_t length, gp_disc_piece *descriptors, gp_error *err);
int gp_udf_volume(const unsigned char *bytes, size_t length, gp_udf *udf, gp_error *err);
int gp_udf_root(const unsigned char *bytes, size_t length, uint32_t *block, gp_error *err);
int gp_udf_entry(const unsigned char *bytes, size_t length, uint64_t partition, gp_disc_file *file,
                 gp_error *err);

/* The entry of a folder at *at, which moves on: 1, 0 at the end, -1. The folder's own and its parent's entry are left
 * out. */
int gp_iso_next(const unsigned char *bytes, size_t length, size_t *at, bool joliet, gp_disc_name *name,
                gp_error *err);
int gp_udf_next(const unsigned char *bytes, size_t length, size_t *at, gp_disc_name *name, gp_error *err);

/* The first 208 bytes of a .wim, .esd or the first .swm. */
int gp_wim_header(const unsigned char *bytes, size_t length, gp_wim *wim, gp_error *err);

#endif
