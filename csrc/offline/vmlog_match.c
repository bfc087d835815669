#include "offline/vmlog_match.h"

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define HAVE_WIDE 1
#else
#define HAVE_WIDE 0
#endif

#define BUCKETS 8
#define PRINT 4 /* bytes of a word's fingerprint */

typedef struct word {
    uint8_t length;
    uint8_t print; /* where the fingerprint begins in it */
    char bytes[GP_VMLOG_WORD_MAX];
} word;

struct gp_vmlog_words {
    word words[GP_VMLOG_WORDS];
    size_t count;
    size_t shortest, longest, deepest; /* deepest: the largest `print` */
    bool wide;
    uint64_t bucket[BUCKETS]; /* which words */
    uint8_t low[PRINT][16], high[PRINT][16];
    /* how far the window's end may move on for the two bytes at its end; 0: a word may end there */
    uint8_t shift[1 << 16];
    uint64_t tail[256]; /* words by the last byte of their first `shortest` bytes */
};

/* How common a byte is in logs, roughly: what is rare makes a good fingerprint. */
static unsigned commonness(unsigned char c)
{
    if (c == ' ' || c == '0' || c == 'e' || c == '-') return 10;
    if (c >= '0' && c <= '9') return 9;
    if (strchr("itnosra:.", c)) return 8;
    if (c >= 'a' && c <= 'z') return strchr("jqzxkwvyb", c) ? 2 : 5;
    if (c >= 'A' && c <= 'Z') return strchr("ISTEIV", c) ? 4 : 3;
    return 3;
}

static uint8_t best_print(const word *w)
{
    unsigned best = UINT32_MAX, at = 0;
    for (unsigned i = 0; i + PRINT <= w->length; i++) {
        unsigned sum = 0;
        for (unsigned k = 0; k < PRINT; k++)
            sum += commonness((unsigned char)w->bytes[i + k]);
        if (sum < best) {
            best = sum;
            at = i;
        }
    }
    return (uint8_t)at;
}

/* How often a bucket with these halves of bytes would propose a place in vain, on an arbitrary scale. */
static double vain(uint16_t low[PRINT], uint16_t high[PRINT])
{
    double rate = 1;
    for (unsigned k = 0; k < PRINT; k++) {
        unsigned sum = 0;
        for (unsigned c = 32; c < 127; c++) {
            unsigned weight = commonness((unsigned char)c);
            if (low[k] >> (c & 15) & 1 && high[k] >> (c >> 4) & 1) sum += weight * weight;
        }
        rate *= sum;
    }
    return rate;
}

/* Each word goes where it adds least to what is proposed in vain. */
static void fill_buckets(gp_vmlog_words *set)
{
    uint16_t low[BUCKETS][PRINT] = {{0}}, high[BUCKETS][PRINT] = {{0}};
    double rate[BUCKETS] = {0};
    for (size_t i = 0; i < set->count; i++) {
        const unsigned char *print = (const unsigned char *)set->words[i].bytes + set->words[i].print;
        unsigned chosen = 0;
        double least = -1, chosen_rate = 0;
        for (unsigned b = 0; b < BUCKETS; b++) {
            uint16_t more_low[PRINT], more_high[PRINT];
            for (unsigned k = 0; k < PRINT; k++) {
                more_low[k] = (uint16_t)(low[b][k] | 1u << (print[k] & 15));
                more_high[k] = (uint16_t)(high[b][k] | 1u << (print[k] >> 4));
            }
            double with = vain(more_low, more_high);
            if (least < 0 || with - rate[b] < least) {
                least = with - rate[b];
                chosen = b;
                chosen_rate = with;
            }
        }
        rate[chosen] = chosen_rate;
        set->bucket[chosen] |= UINT64_C(1) << i;
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
    memset(set->shift, (int)set->shortest - 1, sizeof set->shift);
    for (size_t i = 0; i < set->count; i++) {
        const word *w = &set->words[i];
        for (size_t k = 0; k + 2 <= set->shortest; k++) {
            uint8_t *shift = &set->shift[pair(w->bytes + k)];
            uint8_t left = (uint8_t)(set->shortest - 2 - k);
            if (left < *shift) *shift = left;
        }
        set->tail[(unsigned char)w->bytes[set->shortest - 1]] |= UINT64_C(1) << i;
    }
}

gp_vmlog_words *gp_vmlog_words_new(const gp_text *words, size_t count, gp_error *err)
{
    if (count == 0 || count > GP_VMLOG_WORDS) {
        return gp_fail_null(err, "EINVAL", "%zu words: 1 to %d can be sought at once", count, GP_VMLOG_WORDS);
    }
    gp_vmlog_words *set = calloc(1, sizeof *set);
    if (!set) {
        (void)gp_fail_memory(err);
        return NULL;
    }
    set->count = count;
    set->shortest = GP_VMLOG_WORD_MAX;
    for (size_t i = 0; i < count; i++) {
        size_t length = words[i].length;
        if (length < GP_VMLOG_WORD_MIN || length > GP_VMLOG_WORD_MAX || memchr(words[i].data, '\n', length)) {
            free(set);
            return gp_fail_null(err, "EINVAL", "word %zu: 4 to 64 bytes of one line", i + 1);
        }
        word *w = &set->words[i];
        w->length = (uint8_t)length;
        memcpy(w->bytes, words[i].data, length);
        w->print = best_print(w);
        if (length < set->shortest) set->shortest = length;
        if (length > set->longest) set->longest = length;
        if (w->print > set->deepest) set->deepest = w->print;
    }
    fill_buckets(set);
    fill_shifts(set);
#if HAVE_WIDE
    set->wide = __builtin_cpu_supports("avx2") != 0;
#endif
    return set;
}

void gp_vmlog_words_free(gp_vmlog_words *words)
{
    free(words);
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

bool gp_vmlog_words_wide(const gp_vmlog_words *words)
{
    return words->wide;
}

/* Which of the words in `set_of` begin at `at`. */
static uint64_t words_at(const gp_vmlog_words *set, uint64_t set_of, const char *at, const char *end)
{
    uint64_t found = 0;
    size_t left = (size_t)(end - at);
    for (; set_of; set_of &= set_of - 1) {
        unsigned i = (unsigned)__builtin_ctzll(set_of);
        const word *w = &set->words[i];
        if (w->length <= left && memcmp(at, w->bytes, w->length) == 0) found |= UINT64_C(1) << i;
    }
    return found;
}

static const char *find_plain(const gp_vmlog_words *set, const char *at, const char *limit, const char *end,
                              uint64_t *found)
{
    /* `last` is the place of a window's second last byte; a window begins at last - (shortest - 2) */
    size_t back = set->shortest - 2;
    if ((size_t)(end - at) < set->shortest) return NULL;
    const char *last = at + back, *stop = end - 1;
    while (last < stop) {
        unsigned shift = set->shift[pair(last)];
        if (shift) {
            last += shift;
            continue;
        }
        const char *start = last - back;
        if (start >= limit) return NULL;
        uint64_t here = words_at(set, set->tail[(unsigned char)last[1]], start, end);
        if (here) {
            *found = here;
            return start;
        }
        last++;
    }
    return NULL;
}

#if HAVE_WIDE
/* The words whose fingerprint may stand at `place`: the earliest beginning in [at, limit) wins; NULL if none.
 */
static const char *check_place(const gp_vmlog_words *set, unsigned buckets, const char *place, const char *at,
                               const char *limit, const char *end)
{
    const char *best = NULL;
    uint64_t candidates = 0;
    for (; buckets; buckets &= buckets - 1)
        candidates |= set->bucket[__builtin_ctz(buckets)];
    for (; candidates; candidates &= candidates - 1) {
        const word *w = &set->words[__builtin_ctzll(candidates)];
        if (memcmp(place, w->bytes + w->print, PRINT) != 0 || (size_t)(place - at) < w->print) continue;
        const char *start = place - w->print;
        if (start >= limit || (size_t)(end - start) < w->length || (best && start >= best)) continue;
        if (memcmp(start, w->bytes, w->length) == 0) best = start;
    }
    return best;
}

__attribute__((target("avx2"))) static const char *
find_wide(const gp_vmlog_words *set, const char *at, const char *limit, const char *end, uint64_t *found)
{
    const __m256i nibble = _mm256_set1_epi8(15);
    __m256i low[PRINT], high[PRINT];
    for (int k = 0; k < PRINT; k++) {
        low[k] = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)set->low[k]));
        high[k] = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)set->high[k]));
    }
    const char *place = at, *best = NULL;
    /* A fingerprint at `place` belongs to a word that began up to `deepest` before: a word found can only be
     * beaten by places up to best + deepest. */
    while ((size_t)(end - place) >= 32 + PRINT - 1) {
        if (best && place > best + set->deepest) break;
        if (!best && place >= limit + set->deepest) return NULL;
        __m256i possible = _mm256_set1_epi8(-1);
        for (int k = 0; k < PRINT; k++) {
            __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)(place + k));
            __m256i by_low = _mm256_shuffle_epi8(low[k], _mm256_and_si256(bytes, nibble));
            __m256i by_high =
                _mm256_shuffle_epi8(high[k], _mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble));
            possible = _mm256_and_si256(possible, _mm256_and_si256(by_low, by_high));
        }
        __m256i none = _mm256_cmpeq_epi8(possible, _mm256_setzero_si256());
        uint32_t places = ~(uint32_t)_mm256_movemask_epi8(none);
        if (places) {
            uint8_t buckets[32];
            _mm256_storeu_si256((__m256i *)(void *)buckets, possible);
            for (; places; places &= places - 1) {
                unsigned i = (unsigned)__builtin_ctz(places);
                const char *start = check_place(set, buckets[i], place + i, at, best ? best : limit, end);
                if (start) best = start;
            }
        }
        place += 32;
    }
    if (!best || place <= best + set->deepest) {
        /* what is left of the stretch, and what its places may still say about words that began before */
        const char *from = (size_t)(place - at) > set->deepest ? place - set->deepest : at;
        uint64_t ignored;
        const char *start = find_plain(set, from, best ? best : limit, end, &ignored);
        if (start) best = start;
    }
    if (best) *found = words_at(set, UINT64_MAX >> (64 - set->count), best, end);
    return best;
}
#endif

const char *gp_vmlog_find(const gp_vmlog_words *words, const char *at, const char *limit, const char *end,
                          uint64_t *found)
{
    if (at >= limit) return NULL;
#if HAVE_WIDE
    if (words->wide) return find_wide(words, at, limit, end, found);
#endif
    return find_plain(words, at, limit, end, found);
}
