/* Which four bytes represent a word in the search of vmlog_match.h.
 *
 * A print that many words share and that logs rarely hold is best. Chosen greedily: again and again the print
 * with the most words not yet served for its commonness, until every word has one. Words of one family
 * ("NVRM: ", "NVRM: Xid", "NVRM: GPU") so cost one print, not three.
 */
#ifndef GP_VMLOG_PRINTS_H
#define GP_VMLOG_PRINTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

#define GP_VMLOG_PRINT 4
#define GP_VMLOG_PRINTS 512 /* no more than words */

typedef struct gp_vmlog_print_use {
    uint16_t word;
    uint8_t offset; /* of the print in the word */
} gp_vmlog_print_use;

typedef struct gp_vmlog_print {
    char bytes[GP_VMLOG_PRINT];
    uint16_t first, words; /* its words: use[first] to use[first + words - 1] */
} gp_vmlog_print;

typedef struct gp_vmlog_prints {
    gp_vmlog_print list[GP_VMLOG_PRINTS];
    gp_vmlog_print_use use[GP_VMLOG_PRINTS];
    size_t count;
} gp_vmlog_prints;

/* At most GP_VMLOG_PRINTS words of 4 to 64 bytes. -1: out of memory. */
int gp_vmlog_prints_choose(gp_vmlog_prints *prints, const gp_text *words, size_t count, gp_error *err);

/* How common a byte is in logs, roughly: 2 (rare) to 10. */
unsigned gp_vmlog_commonness(unsigned char byte);

#endif
