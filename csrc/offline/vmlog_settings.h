/* The settings that a log lists (DICT lines), the last value of each.
 *
 * A log lists hundreds of settings at every power-on, and a log of many power-ons is mostly that; which of
 * them are about cards is decided here, so that nothing is made in Lua for the others, nor for a value that
 * comes again. Bounded: GP_VMLOG_SETTINGS keys, further ones are dropped.
 *
 *   slots, by hash of the key in lower case      entries, in the order of their first line
 *   [ . | 2 | . | . | 1 | . ... ]  ------------> 1: memsize = 16384, line 812
 *                                                2: pciPassthru0.id = 00000:066:00.0, line 815
 */
#ifndef GP_VMLOG_SETTINGS_H
#define GP_VMLOG_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

#define GP_VMLOG_SETTINGS 1024
#define GP_VMLOG_SETTING_KEY 128 /* longest key that is kept */

typedef struct gp_vmlog_settings gp_vmlog_settings;

typedef struct gp_vmlog_setting {
    gp_text key, lower, value; /* live until the next put or clear */
    uint64_t line;
} gp_vmlog_setting;

gp_vmlog_settings *gp_vmlog_settings_new(gp_error *err);
void gp_vmlog_settings_free(gp_vmlog_settings *settings);

/* Whether a setting says something about cards or the VM they are given to. */
bool gp_vmlog_settings_wanted(gp_text key);
/* Keeps it if it is wanted. -1: out of memory. */
int gp_vmlog_settings_put(gp_vmlog_settings *settings, gp_text key, gp_text value, uint64_t line,
                          gp_error *err);
size_t gp_vmlog_settings_count(const gp_vmlog_settings *settings);
gp_vmlog_setting gp_vmlog_settings_at(const gp_vmlog_settings *settings, size_t index);
void gp_vmlog_settings_clear(gp_vmlog_settings *settings);

#endif
