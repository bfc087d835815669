/* Many fixed words sought in one pass.
 *
 * A log of hundreds of megabytes has a handful of lines of interest, so nearly all time goes into seeing that
 * a stretch holds no word. Each word is known by the four bytes of it that are rarest in logs. With AVX2, 32
 * places are tested at once: two 16-entry tables per byte (low and high half) say which of eight buckets of
 * words could have that byte there, and the AND over four bytes is nearly always zero ("Teddy", as in
 * Hyperscan). Elsewhere a shift table over byte pairs skips ahead (Wu-Manber). Both only propose places; the
 * same comparison decides.
 */
#ifndef GP_VMLOG_MATCH_H
#define GP_VMLOG_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

#define GP_VMLOG_WORDS 64 /* so that a set of words is one 64-bit mask */
#define GP_VMLOG_WORD_MIN 4
#define GP_VMLOG_WORD_MAX 64

typedef struct gp_vmlog_words gp_vmlog_words;

/* Copies the words. NULL: too many, too short or too long (EINVAL), or out of memory. */
gp_vmlog_words *gp_vmlog_words_new(const gp_text *words, size_t count, gp_error *err);
void gp_vmlog_words_free(gp_vmlog_words *words);

/* The first place in [at, limit) where a word begins, which must end by `end`; NULL if there is none. *found
 * is the set of words beginning there. */
const char *gp_vmlog_find(const gp_vmlog_words *words, const char *at, const char *limit, const char *end,
                          uint64_t *found);

uint64_t gp_vmlog_count_newlines(const gp_vmlog_words *words, const char *at, const char *end);

/* For tests and measurements: never use the wide instructions. */
void gp_vmlog_words_plain(gp_vmlog_words *words);
bool gp_vmlog_words_wide(const gp_vmlog_words *words);

#endif
