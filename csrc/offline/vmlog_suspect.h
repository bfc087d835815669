/* A line that may report trouble with a card, whether or not its message is known.
 *
 *   2020-05-03T08:12:40Z cpu7:2100020)WARNING: PCI: 471: Dev 0000:0d:00.3 is unresponsive after reset
 *                                     ~~~~~~~  trouble       ~~~~~~~~~~~~  subject
 *
 * Two signs together: a *subject* (passthrough, a reset, interrupt vectors, the IOMMU, hot-plug, a GPU's
 * driver, the address of a PCI device) and *trouble* (the level of the line, or what its words say: failed,
 * cannot, timed out...). The reader seeks the words of the subjects; only then is the line looked at here.
 * What the catalogue does not know of such lines is reported as not understood, so neither sign may be too
 * eager: short names count where a driver's name precedes a message, and resets of disks and networks
 * are none of a card.
 */
#ifndef GP_VMLOG_SUSPECT_H
#define GP_VMLOG_SUSPECT_H

#include <stdbool.h>

#include "base/text.h"

#define GP_VMLOG_SUSPECT_WORDS 29

typedef struct gp_vmlog_suspect {
    gp_text subject;   /* the word as written in the line */
    gp_text address;   /* a PCI address of the line; may be empty */
    bool only_address; /* nothing but the address makes it one: whose it is decides */
} gp_vmlog_suspect;

/* The words to seek. */
void gp_vmlog_suspect_words(gp_text words[GP_VMLOG_SUSPECT_WORDS]);
/* Whether the line is one; fills `suspect`. */
bool gp_vmlog_suspect_line(gp_text line, gp_vmlog_suspect *suspect);
/* Only the second sign: its level, or what its words say. */
bool gp_vmlog_tells_trouble(gp_text line);

#endif
