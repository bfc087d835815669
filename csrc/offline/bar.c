#include "offline/bar.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

uint64_t gp_bar_round(uint64_t value)
{
    if (value <= 1) return 1;
    if (value > UINT64_C(1) << 63) return 0;
    return UINT64_C(1) << (64 - __builtin_clzll(value - 1));
}

int gp_bar_add(gp_bar_cards *card, const gp_bar *bar, gp_error *err)
{
    if (bar->size == 0 || (bar->size & (bar->size - 1))) {
        return gp_fail(err, "EINVAL", "a BAR of %" PRIu64 " bytes: BAR sizes are powers of two", bar->size);
    }
    if (bar->kind == GP_BAR_IO) return 0;
    if (bar->kind == GP_BAR_MEM32 && bar->size > UINT64_C(1) << 31) {
        return gp_fail(err, "EINVAL", "a 32-bit BAR of %" PRIu64 " bytes: it can have 2 GiB at most",
                       bar->size);
    }
    if (__builtin_add_overflow(card->total, bar->size, &card->total)) {
        return gp_fail(err, "ERANGE", "the BARs of one card do not fit 64 bits");
    }
    if (bar->kind == GP_BAR_MEM64) card->window += bar->size; /* never above total */
    if (bar->size > card->largest) card->largest = bar->size;
    return 0;
}

/* sum += count * each, false on overflow */
static bool accumulate(uint64_t *sum, uint64_t count, uint64_t each)
{
    uint64_t product;
    return !__builtin_mul_overflow(count, each, &product) && !__builtin_add_overflow(*sum, product, sum);
}

static uint64_t in_gib(uint64_t bytes)
{
    return bytes <= GP_BAR_GIB ? 1 : bytes / GP_BAR_GIB;
}

int gp_bar_compute(const gp_bar_cards *cards, size_t count, gp_bar_window *result, gp_error *err)
{
    uint64_t exact = 0, ports = 0, largest = 0, total = 0;
    bool high_end = false, fits = true;
    for (size_t i = 0; i < count && fits; i++) {
        const gp_bar_cards *card = &cards[i];
        uint64_t port = card->window ? gp_bar_round(card->window) : 0;
        fits = (port || !card->window) && accumulate(&exact, card->count, card->window) &&
               accumulate(&ports, card->count, port) && accumulate(&largest, card->count, card->largest) &&
               accumulate(&total, card->count, card->total);
        high_end = high_end || card->total > GP_BAR_HIGH_END;
    }
    uint64_t min = gp_bar_round(exact), safe = gp_bar_round(ports);
    /* strictly greater, and never below 1 GiB */
    uint64_t seed = largest < GP_BAR_GIB ? GP_BAR_GIB : gp_bar_round(largest + 1);
    if (!fits || !min || !safe || !seed) {
        return gp_fail(err, "ERANGE", "the BARs of all cards together do not fit 64 bits");
    }
    result->min = in_gib(min);
    result->safe = in_gib(safe);
    result->seed = in_gib(seed);
    result->bytes = total;
    result->needs_64bit = total > GP_BAR_LIMIT;
    result->high_end = high_end;
    return 0;
}

static int unit_shift(const char *unit, size_t length)
{
    static const struct {
        const char *name;
        int shift;
    } units[] = {{"", 0},     {"b", 0},  {"k", 10},  {"kb", 10},  {"kib", 10}, {"m", 20},  {"mb", 20},
                 {"mib", 20}, {"g", 30}, {"gb", 30}, {"gib", 30}, {"t", 40},   {"tb", 40}, {"tib", 40}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strlen(units[i].name) != length) continue;
        size_t k = 0;
        while (k < length && (unit[k] | 0x20) == units[i].name[k])
            k++;
        if (k == length) return units[i].shift;
    }
    return -1;
}

static int digit_of(char c, unsigned base)
{
    int value = c >= '0' && c <= '9'                     ? c - '0'
                : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                         : -1;
    return value >= 0 && (unsigned)value < base ? value : -1;
}

int gp_bar_parse_size(const char *text, size_t length, uint64_t *bytes, gp_error *err)
{
    size_t at = 0;
    unsigned base = 10;
    int shown = length > 60 ? 60 : (int)length;
    if (length > 2 && text[0] == '0' && (text[1] | 0x20) == 'x') {
        base = 16;
        at = 2;
    }
    uint64_t value = 0;
    size_t first = at;
    for (int digit; at < length && (digit = digit_of(text[at], base)) >= 0; at++) {
        if (__builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, (uint64_t)digit, &value)) {
            return gp_fail(err, "ERANGE", "'%.*s' does not fit 64 bits", shown, text);
        }
    }
    size_t digits = at - first;
    while (at < length && text[at] == ' ')
        at++;
    int shift = unit_shift(text + at, length - at);
    if (digits == 0 || shift < 0 || (base == 16 && shift > 0)) {
        return gp_fail(err, "EINVAL", "'%.*s' is not a size: give bytes, or a number with K, M, G or T",
                       shown, text);
    }
    if (shift && value >> (64 - shift))
        return gp_fail(err, "ERANGE", "'%.*s' does not fit 64 bits", shown, text);
    *bytes = value << shift;
    return 0;
}
