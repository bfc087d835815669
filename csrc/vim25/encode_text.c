#define _GNU_SOURCE
#include "vim25/encode_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The length of the UTF-8 sequence at `s`, 0 when it is none (overlong, surrogate, beyond U+10FFFF, cut
 * short). */
static size_t sequence(const unsigned char *s, size_t left)
{
    if (s[0] < 0x80) return 1;
    size_t length = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || left < length) return 0;
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80) return 0;
    }
    if (s[0] == 0xe0 && s[1] < 0xa0) return 0;
    if (s[0] == 0xed && s[1] > 0x9f) return 0;
    if (s[0] == 0xf0 && s[1] < 0x90) return 0;
    if (s[0] == 0xf4 && s[1] > 0x8f) return 0;
    return length;
}

const char *gp_encode_text_fault(const char *text, size_t length, size_t *at)
{
    const unsigned char *s = (const unsigned char *)text;
    for (size_t i = 0, step; i < length; i += step) {
        *at = i;
        step = sequence(s + i, length - i);
        if (step == 0) return "is not valid UTF-8";
        if (s[i] < 0x20 && s[i] != '\t' && s[i] != '\n' && s[i] != '\r') {
            return "has a control character, which XML does not allow";
        }
        if (step == 3 && s[i] == 0xef && s[i + 1] == 0xbf && s[i + 2] >= 0xbe) {
            return "has a character (U+FFFE or U+FFFF) that XML does not allow";
        }
    }
    return NULL;
}

int gp_encode_text_escape(gp_buf *out, const char *text, size_t length)
{
    size_t plain = 0;
    for (size_t i = 0; i < length; i++) {
        const char *entity;
        switch (text[i]) {
        case '&':
            entity = "&amp;";
            break;
        case '<':
            entity = "&lt;";
            break;
        case '>':
            entity = "&gt;";
            break;
        case '"':
            entity = "&quot;";
            break;
        case '\r':
            entity = "&#13;";
            break; /* a parser would turn a bare one into a newline */
        default:
            continue;
        }
        gp_buf_append(out, text + plain, i - plain);
        gp_buf_puts(out, entity);
        plain = i + 1;
    }
    return gp_buf_append(out, text + plain, length - plain);
}

/* printf writes the locale's decimal separator, of whatever length: make it a point. */
static void neutral(char *text)
{
    char *to = text;
    int in_separator = 0;
    for (const char *from = text; *from != '\0'; from++) {
        int part =
            (*from >= '0' && *from <= '9') || *from == '-' || *from == '+' || *from == 'e' || *from == 'E';
        if (part)
            *to++ = *from;
        else if (!in_separator)
            *to++ = '.';
        in_separator = !part;
    }
    *to = '\0';
}

void gp_encode_text_number(char out[40], double number, int single)
{
    int least = single ? 6 : 15, most = single ? 9 : 17;
    for (int digits = least; digits <= most; digits++) {
        (void)snprintf(out, 40, "%.*g", digits, number);
        double back = strtod(out, NULL); /* the same locale as printf's */
        if (single ? (float)back == (float)number : back == number) break;
    }
    neutral(out);
}

static int number_at(const char *text, size_t length, size_t at, size_t digits)
{
    int value = 0;
    if (at + digits > length) return -1;
    for (size_t i = at; i < at + digits; i++) {
        if (text[i] < '0' || text[i] > '9') return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

static int between(int value, int low, int high)
{
    return value >= low && value <= high;
}

int gp_encode_text_is_time(const char *text, size_t length)
{
    if (length < 19 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' ||
        text[16] != ':') {
        return 0;
    }
    if (number_at(text, length, 0, 4) < 1 || !between(number_at(text, length, 5, 2), 1, 12) ||
        !between(number_at(text, length, 8, 2), 1, 31) || !between(number_at(text, length, 11, 2), 0, 23) ||
        !between(number_at(text, length, 14, 2), 0, 59) || !between(number_at(text, length, 17, 2), 0, 59)) {
        return 0;
    }
    static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = number_at(text, length, 0, 4), month = number_at(text, length, 5, 2);
    int leap = month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (number_at(text, length, 8, 2) > month_days[month - 1] + leap) return 0;
    size_t at = 19;
    if (at < length && text[at] == '.') {
        size_t start = ++at;
        while (at < length && text[at] >= '0' && text[at] <= '9')
            at++;
        if (at == start) return 0;
    }
    if (at == length) return 1;
    if (text[at] == 'Z') return at + 1 == length;
    return (text[at] == '+' || text[at] == '-') && length - at == 6 && text[at + 3] == ':' &&
           between(number_at(text, length, at + 1, 2), 0, 14) &&
           between(number_at(text, length, at + 4, 2), 0, 59);
}

int gp_encode_text_time(char out[40], double seconds)
{
    /* years 1 to 9999 */
    if (!(seconds >= -62135596800.0 && seconds < 253402300800.0)) return -1;
    double whole = floor(seconds);
    int64_t days = (int64_t)floor(whole / 86400.0);
    int64_t rest = (int64_t)whole - days * 86400;
    int milli = (int)((seconds - whole) * 1000.0);
    /* civil date from days since 1970-01-01, in eras of 400 years that begin on 1 March */
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    int day = (int)(doy - (153 * mp + 2) / 5 + 1), month = (int)(mp < 10 ? mp + 3 : mp - 9);
    int year = (int)(yoe + era * 400 + (month <= 2));
    int used = snprintf(out, 40, "%04d-%02d-%02dT%02d:%02d:%02d", year, month, day, (int)(rest / 3600),
                        (int)(rest / 60 % 60), (int)(rest % 60));
    if (milli > 0) used += snprintf(out + used, 40 - (size_t)used, ".%03d", milli);
    (void)snprintf(out + used, 40 - (size_t)used, "Z");
    return 0;
}

int gp_encode_text_read_time(const char *text, size_t length, int64_t *seconds, int64_t *nanoseconds)
{
    if (!gp_encode_text_is_time(text, length)) return -1;
    int64_t year = number_at(text, length, 0, 4), month = number_at(text, length, 5, 2);
    int64_t day = number_at(text, length, 8, 2);
    /* days since 1970-01-01: the inverse of gp_encode_text_time */
    int64_t y = year - (month <= 2), era = y / 400, yoe = y - era * 400;
    int64_t doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t days = era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
    *seconds = days * 86400 + number_at(text, length, 11, 2) * 3600 + number_at(text, length, 14, 2) * 60 +
               number_at(text, length, 17, 2);
    *nanoseconds = 0;
    size_t at = 19;
    if (at < length && text[at] == '.') {
        int64_t unit = 100000000;
        for (at++; at < length && text[at] >= '0' && text[at] <= '9'; at++, unit /= 10) {
            *nanoseconds += (text[at] - '0') * unit;
        }
    }
    if (at < length && text[at] != 'Z') {
        int64_t offset = number_at(text, length, at + 1, 2) * 3600 + number_at(text, length, at + 4, 2) * 60;
        *seconds += text[at] == '-' ? offset : -offset;
    }
    return 0;
}

int gp_encode_text_secret_key(const char *key)
{
    /* cloud-init's data holds password hashes and whatever a site puts there; so may anything else of guestinfo */
    static const char *const words[] = {"password",   "passwd",      "passphrase",  "secret",  "token",
                                        "credential", "privatekey",  "private_key", "vnc.key", "userdata",
                                        "vendordata", "ovfenv",      "cookie",      "ticket",  "product_key",
                                        "productkey", "license_key", "licensekey"};
    if (strncasecmp(key, "guestinfo.", 10) == 0) return 1;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcasestr(key, words[i])) return 1;
    }
    return 0;
}
