#include "offline/vmlog_match.h"

#include <stdlib.h>
#include <string.h>

#include "offline/vmlog_prints.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define HAVE_WIDE 1
#else
#define HAVE_WIDE 0
#endif

#define BUCKETS 8
#define PRINT GP_VMLOG_PRINT
#define SLOTS 2048 /* a power of two, several times the most prints */

typedef struct word {
    uint8_t length;
    char bytes[GP_VMLOG_WORD_MAX];
} word;

struct gp_vmlog_words {
    word words[GP_VMLOG_WORDS];
    size_t count;
    size_t deepest; /* the largest offset of a print in its word */
    bool wide;
    gp_vmlog_prints prints;
    uint16_t slot[SLOTS]; /* print + 1 by the hash of its bytes, open addressing; 0: free */
    uint8_t low[PRINT][16], high[PRINT][16];
    /* how far a print's end may be after the two bytes at a position; 0: a print may end with them */
    uint8_t shift[1 << 16];
};

/* How often a bucket with these halves of bytes would propose a wrong position, on an arbitrary scale. */
static double waste(uint16_t low[PRINT], uint16_t high[PRINT])
{
    double rate = 1;
    for (unsigned k = 0; k < PRINT; k++) {
        unsigned sum = 0;
        for (unsigned c = 32; c < 127; c++) {
            unsigned weight = gp_vmlog_commonness((unsigned char)c);
            if (low[k] >> (c & 15) & 1 && high[k] >> (c >> 4) & 1) sum += weight * weight;
        }
        rate *= sum;
    }
    return rate;
}

/* Each print goes where it adds least to the number of wrong proposals. */
static void fill_buckets(gp_vmlog_words *set)
{
    uint16_t low[BUCKETS][PRINT] = {{0}}, high[BUCKETS][PRINT] = {{0}};
    double rate[BUCKETS] = {0};
    for (size_t i = 0; i < set->prints.count; i++) {
        const unsigned char *print = (const unsigned char *)set->prints.list[i].bytes;
        unsigned chosen = 0;
        double least = -1, chosen_rate = 0;
        for (unsigned b = 0; b < BUCKETS; b++) {
            uint16_t more_low[PRINT], more_high[PRINT];
            for (unsigned k = 0; k < PRINT; k++) {
                more_low[k] = (uint16_t)(low[b][k] | 1u << (print[k] & 15));
                more_high[k] = (uint16_t)(high[b][k] | 1u << (print[k] >> 4));
            }
            double with = waste(more_low, more_high);
            if (least < 0 || with - rate[b] < least) {
                least = with - rate[b];
                chosen = b;
                chosen_rate = with;
            }
        }
        rate[chosen] = chosen_rate;
        for (unsigned k = 0; k < PRINT; k++) {
            low[chosen][k] = (uint16_t)(low[chosen][k] | 1u << (print[k] & 15));
            high[chosen][k] = (uint16_t)(high[chosen][k] | 1u << (print[k] >> 4));
            set->low[k][print[k] & 15] |= (uint8_t)(1u << chosen);
            set->high[k][print[k] >> 4] |= (uint8_t)(1u << chosen);
        }
    }
}

static unsigned pair(const char *at)
{
    return (unsigned)(unsigned char)at[0] | (unsigned)(unsigned char)at[1] << 8;
}

static void fill_shifts(gp_vmlog_words *set)
{
    memset(set->shift, PRINT - 1, sizeof set->shift);
    for (size_t i = 0; i < set->prints.count; i++) {
        const char *print = set->prints.list[i].bytes;
        for (unsigned k = 0; k + 2 <= PRINT; k++) {
            uint8_t *shift = &set->shift[pair(print + k)], left = (uint8_t)(PRINT - 2 - k);
            if (left < *shift) *shift = left;
        }
    }
}

static uint32_t load(const char *at)
{
    uint32_t v;
    memcpy(&v, at, sizeof v);
    return v;
}

static unsigned hash(uint32_t v)
{
    return (v * UINT32_C(2654435761)) >> 21; /* 11 bits */
}

static void fill_slots(gp_vmlog_words *set)
{
    for (size_t i = 0; i < set->prints.count; i++) {
        unsigned at = hash(load(set->prints.list[i].bytes));
        while (set->slot[at])
            at = (at + 1) % SLOTS;
        set->slot[at] = (uint16_t)(i + 1);
    }
}

/* The print at `place`, or NULL. */
static const gp_vmlog_print *print_at(const gp_vmlog_words *set, const char *place)
{
    uint32_t v = load(place);
    for (unsigned at = hash(v); set->slot[at]; at = (at + 1) % SLOTS) {
        const gp_vmlog_print *print = &set->prints.list[set->slot[at] - 1];
        if (load(print->bytes) == v) return print;
    }
    return NULL;
}

gp_vmlog_words *gp_vmlog_words_new(const gp_text *words, size_t count, gp_error *err)
{
    if (count == 0 || count > GP_VMLOG_WORDS) {
        return gp_fail_null(err, "EINVAL", "%zu words: 1 to %d can be sought at once", count, GP_VMLOG_WORDS);
    }
    for (size_t i = 0; i < count; i++) {
        size_t length = words[i].length;
        if (length < GP_VMLOG_WORD_MIN || length > GP_VMLOG_WORD_MAX || memchr(words[i].data, '\n', length))
            return gp_fail_null(err, "EINVAL", "word %zu: 4 to 64 bytes of one line", i + 1);
    }
    gp_vmlog_words *set = calloc(1, sizeof *set);
    if (!set) {
        (void)gp_fail_memory(err);
        return NULL;
    }
    set->count = count;
    for (size_t i = 0; i < count; i++) {
        set->words[i].length = (uint8_t)words[i].length;
        memcpy(set->words[i].bytes, words[i].data, words[i].length);
    }
    if (gp_vmlog_prints_choose(&set->prints, words, count, err) != 0) {
        free(set);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (set->prints.use[i].offset > set->deepest) set->deepest = set->prints.use[i].offset;
    }
    fill_buckets(set);
    fill_shifts(set);
    fill_slots(set);
#if HAVE_WIDE
    set->wide = __builtin_cpu_supports("avx2") != 0;
#endif
    return set;
}

void gp_vmlog_words_free(gp_vmlog_words *words)
{
    free(words);
}

size_t gp_vmlog_words_count(const gp_vmlog_words *words)
{
    return words->count;
}

void gp_vmlog_words_plain(gp_vmlog_words *words)
{
    words->wide = false;
}

/* Bytes of -1 per newline, summed before they can overflow. */
#if HAVE_WIDE
__attribute__((target("avx2"))) static uint64_t count_wide(const char **at, const char *end)
{
    const __m256i newline = _mm256_set1_epi8('\n'), zero = _mm256_setzero_si256();
    __m256i total = zero;
    while (end - *at >= 32) {
        size_t rounds = (size_t)(end - *at) / 32;
        if (rounds > 255) rounds = 255;
        __m256i sums = zero;
        for (size_t i = 0; i < rounds; i++, *at += 32) {
            __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)*at);
            sums = _mm256_sub_epi8(sums, _mm256_cmpeq_epi8(bytes, newline));
        }
        total = _mm256_add_epi64(total, _mm256_sad_epu8(sums, zero));
    }
    uint64_t parts[4];
    _mm256_storeu_si256((__m256i *)(void *)parts, total);
    return parts[0] + parts[1] + parts[2] + parts[3];
}
#endif

uint64_t gp_vmlog_count_newlines(const gp_vmlog_words *words, const char *at, const char *end)
{
    uint64_t total = 0;
#if HAVE_WIDE
    if (words->wide) total = count_wide(&at, end);
#endif
    /* eight bytes at a time: a newline becomes zero, and a zero byte sets its high bit (exactly) */
    const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f), newline = UINT64_C(0x0a0a0a0a0a0a0a0a);
    for (; end - at >= 8; at += 8) {
        uint64_t v;
        memcpy(&v, at, 8);
        v ^= newline;
        total += (uint64_t)__builtin_popcountll(~(((v & low) + low) | v | low));
    }
    for (; at < end; at++)
        total += *at == '\n';
    return total;
}

/* The first position from `at` on of a print that ends by `end`. */
static const char *next_plain(const gp_vmlog_words *set, const char *at, const char *end,
                              const gp_vmlog_print **print)
{
    if (end - at < PRINT) return NULL;
    const char *last = at + PRINT - 2, *stop = end - 1; /* `last`: the second last byte of a print */
    while (last < stop) {
        unsigned shift = set->shift[pair(last)];
        if (!shift) {
            *print = print_at(set, last - (PRINT - 2));
            if (*print) return last - (PRINT - 2);
            shift = 1;
        }
        last += shift;
    }
    return NULL;
}

#if HAVE_WIDE
__attribute__((target("avx2"))) static const char *next_wide(const gp_vmlog_words *set, const char *at,
                                                             const char *end, const gp_vmlog_print **print)
{
    const __m256i nibble = _mm256_set1_epi8(15), zero = _mm256_setzero_si256();
    __m256i low[PRINT], high[PRINT];
    for (int k = 0; k < PRINT; k++) {
        low[k] = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)set->low[k]));
        high[k] = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)set->high[k]));
    }
    for (; end - at >= 32 + PRINT - 1; at += 32) {
        __m256i possible = _mm256_set1_epi8(-1);
        for (int k = 0; k < PRINT; k++) {
            __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)(at + k));
            __m256i by_low = _mm256_shuffle_epi8(low[k], _mm256_and_si256(bytes, nibble));
            __m256i by_high =
                _mm256_shuffle_epi8(high[k], _mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble));
            possible = _mm256_and_si256(possible, _mm256_and_si256(by_low, by_high));
        }
        uint32_t places = ~(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(possible, zero));
        for (; places; places &= places - 1) {
            const char *place = at + __builtin_ctz(places);
            *print = print_at(set, place);
            if (*print) return place;
        }
    }
    return next_plain(set, at, end, print);
}
#endif

static const char *next_print(const gp_vmlog_words *set, const char *at, const char *end,
                              const gp_vmlog_print **print)
{
#if HAVE_WIDE
    if (set->wide) return next_wide(set, at, end, print);
#endif
    return next_plain(set, at, end, print);
}

const char *gp_vmlog_find(const gp_vmlog_words *set, const char *at, const char *limit, const char *end)
{
    const char *best = NULL, *place = at;
    while (at < limit) {
        /* A print belongs to a word that began up to `deepest` before it: nothing beyond can begin early
         * enough. */
        const char *bound = best ? best : limit;
        const char *stop = (size_t)(end - bound) > set->deepest + PRINT ? bound + set->deepest + PRINT : end;
        const gp_vmlog_print *print;
        place = stop - place < PRINT ? NULL : next_print(set, place, stop, &print);
        if (!place) break;
        for (size_t i = print->first; i < print->first + print->words; i++) {
            gp_vmlog_print_use use = set->prints.use[i];
            const word *w = &set->words[use.word];
            if ((size_t)(place - at) < use.offset) continue;
            const char *start = place - use.offset;
            if (start >= limit || (size_t)(end - start) < w->length || (best && start >= best)) continue;
            if (memcmp(start, w->bytes, w->length) == 0) best = start;
        }
        place++;
    }
    return best;
}

void gp_vmlog_words_in(const gp_vmlog_words *set, const char *at, const char *end, gp_vmlog_set *found)
{
    const gp_vmlog_print *print;
    for (const char *place = at; end - place >= PRINT && (place = next_print(set, place, end, &print));
         place++) {
        for (size_t i = print->first; i < print->first + print->words; i++) {
            gp_vmlog_print_use use = set->prints.use[i];
            const word *w = &set->words[use.word];
            if ((size_t)(place - at) < use.offset) continue;
            const char *start = place - use.offset;
            if ((size_t)(end - start) >= w->length && memcmp(start, w->bytes, w->length) == 0)
                found->bits[use.word / 64] |= UINT64_C(1) << (use.word % 64);
        }
    }
}
