/* Little-endian numbers and the texts of disc.h's formats. */
#ifndef GP_DISC_BYTES_H
#define GP_DISC_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline uint16_t gp_le16(const unsigned char *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static inline uint32_t gp_le32(const unsigned char *at)
{
    return (uint32_t)gp_le16(at) | (uint32_t)gp_le16(at + 2) << 16;
}

static inline uint64_t gp_le64(const unsigned char *at)
{
    return (uint64_t)gp_le32(at) | (uint64_t)gp_le32(at + 4) << 32;
}

/* Text of 8-bit or big-endian 16-bit characters as UTF-8, without blanks at its end. `out` has GP_DISC_NAME bytes. */
void gp_disc_text(const unsigned char *bytes, size_t length, bool wide, char *out);

#endif
