/* How values are spelled: |XX escapes, and the encodings that `.encoding` names. */
#include <string.h>

#include "offline/vmx_inside.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* A | behind a | is the non-hex character that ends the first: it begins no escape of its own (||22 stays).
 */
void vmx_unescape(const char *raw, size_t length, gp_buf *out)
{
    for (size_t i = 0; i < length;) {
        const char *bar = memchr(raw + i, '|', length - i);
        size_t plain = bar ? (size_t)(bar - raw) - i : length - i;
        (void)gp_buf_append(out, raw + i, plain);
        i += plain;
        if (!bar) break;
        int high = i + 1 < length ? hex_digit(raw[i + 1]) : -1;
        int low = high >= 0 && i + 2 < length ? hex_digit(raw[i + 2]) : -1;
        if (low >= 0) {
            (void)gp_buf_putc(out, (char)(high * 16 + low));
            i += 3;
        } else {
            /* the | and what was looked at before it went wrong: ||22 and |4|22 keep their second | */
            size_t seen = high >= 0 ? 3 : 2;
            if (seen > length - i) seen = length - i;
            (void)gp_buf_append(out, raw + i, seen);
            i += seen;
        }
    }
}

bool vmx_escape_is_bad(const char *raw, size_t length)
{
    for (size_t i = 0; i < length;) {
        const char *bar = memchr(raw + i, '|', length - i);
        if (!bar) return false;
        i = (size_t)(bar - raw);
        if (i + 2 >= length || hex_digit(raw[i + 1]) < 0 || hex_digit(raw[i + 2]) < 0) return true;
        i += 3;
    }
    return false;
}

void vmx_escape(const char *value, size_t length, gp_buf *out)
{
    static const char digits[] = "0123456789ABCDEF";
    if (length == 0) return; /* value may be NULL then */
    size_t from = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)value[i];
        if (byte != '"' && byte != '|' && byte != 0x7f && (byte >= 0x20 || byte == '\t')) continue;
        (void)gp_buf_append(out, value + from, i - from);
        char escape[3] = {'|', digits[byte >> 4], digits[byte & 15]};
        (void)gp_buf_append(out, escape, sizeof escape);
        from = i + 1;
    }
    (void)gp_buf_append(out, value + from, length - from);
}

bool vmx_is_ascii(const char *bytes, size_t length)
{
    size_t i = 0;
    for (; i + 8 <= length; i += 8) {
        uint64_t eight;
        memcpy(&eight, bytes + i, 8);
        if (eight & UINT64_C(0x8080808080808080)) return false;
    }
    for (; i < length; i++) {
        if ((unsigned char)bytes[i] >= 0x80) return false;
    }
    return true;
}

/* Decodes one UTF-8 character (no surrogates, no overlong forms); its length, or 0. */
static size_t utf8_read(const char *bytes, size_t length, uint32_t *code)
{
    const unsigned char *b = (const unsigned char *)bytes;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t need = b[0] < 0x80                   ? 1
                  : b[0] >= 0xc2 && b[0] < 0xe0 ? 2
                  : b[0] >= 0xe0 && b[0] < 0xf0 ? 3
                  : b[0] >= 0xf0 && b[0] < 0xf5 ? 4
                                                : 0;
    if (need == 0 || need > length) return 0;
    uint32_t value = need == 1 ? b[0] : b[0] & (0x7fU >> need);
    for (size_t i = 1; i < need; i++) {
        if ((b[i] & 0xc0) != 0x80) return 0;
        value = value << 6 | (b[i] & 0x3f);
    }
    if (value < least[need] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) return 0;
    *code = value;
    return need;
}

size_t vmx_utf8_valid(const char *bytes, size_t length)
{
    uint32_t code;
    for (size_t i = 0; i < length;) {
        size_t used = utf8_read(bytes + i, length - i, &code);
        if (used == 0) return i;
        i += used;
    }
    return length;
}

/* 0x80 to 0x9F; the five holes keep their number, as the WHATWG encoding standard has it, so that every byte
 * survives both ways. */
static const uint16_t cp1252_high[32] = {
    0x20ac, 0x0081, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x008d, 0x017d, 0x008f, 0x0090, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
    0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x009d, 0x017e, 0x0178,
};

void vmx_from_1252(const char *bytes, size_t length, gp_buf *out)
{
    for (size_t i = 0; i < length; i++) {
        uint32_t code = (unsigned char)bytes[i];
        if (code >= 0x80 && code < 0xa0) code = cp1252_high[code - 0x80];
        if (code < 0x80) {
            (void)gp_buf_putc(out, (char)code);
        } else if (code < 0x800) {
            (void)gp_buf_putc(out, (char)(0xc0 | code >> 6));
            (void)gp_buf_putc(out, (char)(0x80 | (code & 0x3f)));
        } else {
            (void)gp_buf_putc(out, (char)(0xe0 | code >> 12));
            (void)gp_buf_putc(out, (char)(0x80 | (code >> 6 & 0x3f)));
            (void)gp_buf_putc(out, (char)(0x80 | (code & 0x3f)));
        }
    }
}

int vmx_to_1252(const char *utf8, size_t length, gp_buf *out, size_t *bad)
{
    uint32_t code;
    for (size_t i = 0; i < length;) {
        size_t used = utf8_read(utf8 + i, length - i, &code);
        uint32_t byte = 256;
        if (used > 0 && (code < 0x80 || (code >= 0xa0 && code < 0x100))) {
            byte = code;
        } else if (used > 0) {
            for (uint32_t high = 0; high < 32; high++) {
                if (cp1252_high[high] == code) byte = 0x80 + high;
            }
        }
        if (byte > 255) {
            *bad = i;
            return -1;
        }
        (void)gp_buf_putc(out, (char)byte);
        i += used;
    }
    return 0;
}

/* Names compare without case and without - and _ (utf8, UTF-8, Windows_1252). */
static bool encoding_is(const char *name, size_t length, const char *wanted)
{
    size_t j = 0;
    for (size_t i = 0; i < length; i++) {
        char c = name[i];
        if (c == '-' || c == '_' || c == ' ') continue;
        if (c >= 'A' && c <= 'Z') c = (char)(c - 'A' + 'a');
        if (wanted[j] != c) return false;
        j++;
    }
    return wanted[j] == '\0';
}

int vmx_encoding_named(const char *name, size_t length, enum vmx_encoding *encoding)
{
    if (encoding_is(name, length, "utf8")) {
        *encoding = ENCODING_UTF8;
    } else if (encoding_is(name, length, "windows1252") || encoding_is(name, length, "cp1252")) {
        *encoding = ENCODING_1252;
    } else if (encoding_is(name, length, "utf16") || encoding_is(name, length, "utf32") ||
               encoding_is(name, length, "utf16le") || encoding_is(name, length, "utf16be") ||
               encoding_is(name, length, "utf7")) {
        return -1;
    } else {
        *encoding = ENCODING_ASCII;
    }
    return 0;
}
