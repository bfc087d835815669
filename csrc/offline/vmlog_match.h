/* Searches a text for many fixed words at once.
 *
 * A log of hundreds of megabytes has few lines of interest, so nearly all time goes into seeing that a
 * stretch holds no word. Words are known by prints: four bytes of each word, chosen so that few prints serve
 * all words and so that each is rare in logs. Two hundred words of a catalogue need some fifty prints:
 *
 *   words                      prints            where in the word
 *   "pciPassthru"     ----->   "ssth"   <-----   at 6
 *   "PCIPassthru: "   -------/     |             at 6
 *   "NVRM: Xid"       ----->   "VRM:"            at 1
 *
 *   text   . . . P C I P a s s t h r u : _ D e v . . .
 *                      |     |
 *                      |     1. 32 positions at once: two 16-entry tables for each of the four bytes (low
 *                      |        and high half) say which of eight buckets of prints could be here; the AND
 *                      |        of all is nearly always zero ("Teddy", as in Hyperscan, with AVX2). Without
 *                      |        AVX2 a shift table over byte pairs skips ahead (Wu-Manber).
 *                      |     2. a hash of the four bytes: exactly a print, or on with the search.
 *                      3. the words of that print are compared where they would have to begin.
 *
 * Steps 1 and 2 only propose: step 3 decides, and is the same with and without AVX2. Because a wrong
 * proposal costs one look into a small table, more words cost little: the set may hold GP_VMLOG_WORDS of them.
 */
#ifndef GP_VMLOG_MATCH_H
#define GP_VMLOG_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

#define GP_VMLOG_WORDS 512
#define GP_VMLOG_WORD_MIN 4
#define GP_VMLOG_WORD_MAX 64

typedef struct gp_vmlog_words gp_vmlog_words;

/* Which words: bit i of the set is the i-th word. */
typedef struct gp_vmlog_set {
    uint64_t bits[GP_VMLOG_WORDS / 64];
} gp_vmlog_set;

static inline bool gp_vmlog_set_has(const gp_vmlog_set *set, size_t word)
{
    return set->bits[word / 64] >> (word % 64) & 1;
}

/* Copies the words. NULL: too many, too short or too long (EINVAL), or out of memory. */
gp_vmlog_words *gp_vmlog_words_new(const gp_text *words, size_t count, gp_error *err);
void gp_vmlog_words_free(gp_vmlog_words *words);
size_t gp_vmlog_words_count(const gp_vmlog_words *words);

/* The first place in [at, limit) where a word begins, which must end by `end`; NULL if there is none. */
const char *gp_vmlog_find(const gp_vmlog_words *words, const char *at, const char *limit, const char *end);
/* Adds to `found` every word that lies in [at, end). */
void gp_vmlog_words_in(const gp_vmlog_words *words, const char *at, const char *end, gp_vmlog_set *found);

uint64_t gp_vmlog_count_newlines(const gp_vmlog_words *words, const char *at, const char *end);

/* For tests and measurements: never use the wide instructions. */
void gp_vmlog_words_plain(gp_vmlog_words *words);

#endif
