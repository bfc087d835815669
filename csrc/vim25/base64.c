#include "vim25/base64.h"

#include <stdint.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int gp_base64_encode(gp_buf *out, const void *bytes, size_t length)
{
    const uint8_t *in = bytes;
    for (size_t i = 0; i < length; i += 3) {
        size_t left = length - i;
        uint32_t group = (uint32_t)in[i] << 16;
        if (left > 1) group |= (uint32_t)in[i + 1] << 8;
        if (left > 2) group |= in[i + 2];
        char quad[4] = {digits[group >> 18], digits[group >> 12 & 63],
                        left > 1 ? digits[group >> 6 & 63] : '=', left > 2 ? digits[group & 63] : '='};
        if (gp_buf_append(out, quad, 4) != 0) return -1;
    }
    return out->failed ? -1 : 0;
}

static int digit(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+') return 62;
    if (c == '/') return 63;
    return -1;
}

int gp_base64_decode(char *text, size_t *length)
{
    uint32_t group = 0;
    size_t out = 0, have = 0, padding = 0;
    for (size_t i = 0; i < *length; i++) {
        char c = text[i];
        if (c == ' ' || c == '\n' || c == '\r' || c == '\t') continue;
        if (c == '=') {
            padding++;
            continue;
        }
        int value = digit(c);
        if (value < 0 || padding > 0) return -1;
        group = group << 6 | (uint32_t)value;
        if (++have % 4 == 0) { /* the write never passes the read: 3 bytes for 4 characters */
            text[out++] = (char)(group >> 16 & 0xff);
            text[out++] = (char)(group >> 8 & 0xff);
            text[out++] = (char)(group & 0xff);
            group = 0;
        }
    }
    if (padding > 2 || (have + padding) % 4 != 0) return -1;
    if (have % 4 == 3) {
        text[out++] = (char)(group >> 10 & 0xff);
        text[out++] = (char)(group >> 2 & 0xff);
    } else if (have % 4 == 2) {
        text[out++] = (char)(group >> 4 & 0xff);
    } else if (have % 4 == 1) {
        return -1;
    }
    *length = out;
    return 0;
}
