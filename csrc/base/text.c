#include "base/text.h"

/* Length of the well-formed sequence at `at`, or 0; *bad is then how many bytes the malformed prefix has. */
static size_t sequence(const unsigned char *at, size_t left, size_t *bad)
{
    unsigned char lead = at[0], low = 0x80, high = 0xBF;
    size_t tail;
    *bad = 1;
    if (lead < 0x80) return 1;
    if (lead >= 0xC2 && lead <= 0xDF) {
        tail = 1;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        tail = 2;
        if (lead == 0xE0) low = 0xA0;
        if (lead == 0xED) high = 0x9F;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        tail = 3;
        if (lead == 0xF0) low = 0x90;
        if (lead == 0xF4) high = 0x8F;
    } else {
        return 0;
    }
    for (size_t i = 1; i <= tail; i++) {
        if (i >= left || at[i] < low || at[i] > high) {
            *bad = i;
            return 0;
        }
        low = 0x80;
        high = 0xBF;
    }
    return tail + 1;
}

bool gp_text_utf8_valid(const char *bytes, size_t length)
{
    const unsigned char *at = (const unsigned char *)bytes;
    for (size_t i = 0, bad; i < length;) {
        size_t step = sequence(at + i, length - i, &bad);
        if (step == 0) return false;
        i += step;
    }
    return true;
}

void gp_text_utf8_clean(gp_buf *out, const char *bytes, size_t length)
{
    const unsigned char *at = (const unsigned char *)bytes;
    for (size_t i = 0, bad; i < length;) {
        size_t step = sequence(at + i, length - i, &bad);
        if (step) {
            (void)gp_buf_append(out, bytes + i, step);
        } else {
            (void)gp_buf_append(out, "\xEF\xBF\xBD", 3);
            step = bad;
        }
        i += step;
    }
}
