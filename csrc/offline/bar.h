/* BAR arithmetic: which 64-bit MMIO window a VM needs for its cards.
 *
 * A card maps base address registers (BARs). Those of 64 bits must be inside the window that
 * pciPassthru.64bitMMIOSizeGB opens, which is a power of two; W is the sum of one card's 64-bit BARs.
 *
 *   min   next power of two >= sum of W              necessary; enough when BARs are placed by falling size
 *   safe  next power of two >= sum of pow2(W)        every card behind its own root port
 *   seed  next power of two >  sum of count x largest BAR      a common rule of thumb, strictly greater
 *
 * 32-bit BARs are below 4 GiB and take no space in the window, but count for the 3.5 GiB that a VM may map in all when
 * use64bitMMIO is off. All arithmetic is checked: a sum beyond 64 bits is an error, never a small number.
 */
#ifndef GP_BAR_H
#define GP_BAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef enum gp_bar_kind { GP_BAR_IO, GP_BAR_MEM32, GP_BAR_MEM64 } gp_bar_kind;

typedef struct gp_bar {
    int index; /* 0 to 5; -1 when not known */
    gp_bar_kind kind;
    bool prefetchable;
    uint64_t size;
    uint64_t address; /* 0 when not assigned or not known */
} gp_bar;

/* Equal cards, reduced to what the rules need. */
typedef struct gp_bar_cards {
    uint64_t count;
    uint64_t window;  /* W: the 64-bit BARs of one card */
    uint64_t total;   /* all memory BARs of one card */
    uint64_t largest; /* the largest memory BAR */
} gp_bar_cards;

typedef struct gp_bar_window {
    uint64_t min, safe, seed; /* in GiB, at least 1 */
    uint64_t bytes;           /* all memory BARs of all cards */
    bool needs_64bit;         /* bytes > 3.5 GiB: the VM does not start without use64bitMMIO */
    bool high_end;            /* a card maps more than 16 GiB */
} gp_bar_window;

#define GP_BAR_GIB (UINT64_C(1) << 30)
/* 917504 pages, the limit that a VM without the 64-bit window is held to. */
#define GP_BAR_LIMIT (UINT64_C(917504) * 4096)
#define GP_BAR_HIGH_END (16 * GP_BAR_GIB)

/* The smallest power of two that is not below `value`; 0 when it does not fit 64 bits. */
uint64_t gp_bar_round(uint64_t value);

/* Adds one BAR to a card; refuses a size that is not a power of two or is too large for its kind. */
int gp_bar_add(gp_bar_cards *card, const gp_bar *bar, gp_error *err);

int gp_bar_compute(const gp_bar_cards *cards, size_t count, gp_bar_window *result, gp_error *err);

/* "32G", "32 GiB", "33587200 KB", "16777216", "0x1000000" -> bytes. Binary units throughout. */
int gp_bar_parse_size(const char *text, size_t length, uint64_t *bytes, gp_error *err);

#endif
