#include "offline/vmlog_settings.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS (4 * GP_VMLOG_SETTINGS)

typedef struct entry {
    char key[GP_VMLOG_SETTING_KEY], lower[GP_VMLOG_SETTING_KEY];
    size_t key_length;
    gp_buf value;
    uint64_t line;
} entry;

struct gp_vmlog_settings {
    entry *entries; /* grows by doubling */
    size_t count, room;
    uint16_t slot[SLOTS]; /* entry + 1; 0: free */
};

gp_vmlog_settings *gp_vmlog_settings_new(gp_error *err)
{
    gp_vmlog_settings *settings = calloc(1, sizeof *settings);
    if (!settings) (void)gp_fail_memory(err);
    return settings;
}

void gp_vmlog_settings_clear(gp_vmlog_settings *settings)
{
    for (size_t i = 0; i < settings->count; i++)
        gp_buf_free(&settings->entries[i].value);
    if (settings->count) memset(settings->slot, 0, sizeof settings->slot);
    settings->count = 0;
}

void gp_vmlog_settings_free(gp_vmlog_settings *settings)
{
    if (!settings) return;
    gp_vmlog_settings_clear(settings);
    free(settings->entries);
    free(settings);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

typedef struct wanted {
    const char *text;
    size_t length;
    bool whole; /* the key itself, not its beginning */
} wanted;

#define BEGINS(text)                                                                                         \
    {                                                                                                        \
        text, sizeof(text) - 1, false                                                                        \
    }
#define IS(text)                                                                                             \
    {                                                                                                        \
        text, sizeof(text) - 1, true                                                                         \
    }

static const wanted list[] = {
    BEGINS("pcipassthru"),
    IS("firmware"),
    IS("memsize"),
    BEGINS("sched.mem."),
    IS("hypervisor.cpuid.v0"),
    IS("vhv.enable"),
    IS("vvtd.enable"),
    IS("windows.vbs.enabled"),
    IS("uefi.secureboot.enabled"),
    BEGINS("svga."),
    BEGINS("mks."),
    IS("virtualhw.version"),
    IS("guestos"),
    BEGINS("pcihole."),
    IS("displayname"),
    BEGINS("pcibridge"),
    IS("vcpu.hotadd"),
    IS("mem.hotadd"),
    IS("numvcpus"),
};

bool gp_vmlog_settings_wanted(gp_text key)
{
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        const wanted *w = &list[i];
        if (w->whole ? key.length != w->length : key.length < w->length) continue;
        size_t k = 0;
        while (k < w->length && lower(key.data[k]) == w->text[k])
            k++;
        if (k == w->length) return true;
    }
    return false;
}

static unsigned hash(const char *key, size_t length)
{
    uint32_t h = UINT32_C(2166136261);
    for (size_t i = 0; i < length; i++)
        h = (h ^ (unsigned char)key[i]) * UINT32_C(16777619);
    return h % SLOTS;
}

static int add(gp_vmlog_settings *settings, unsigned slot, gp_text key, const char *low, gp_error *err)
{
    if (settings->count == settings->room) {
        size_t room = settings->room ? 2 * settings->room : 32;
        entry *grown = realloc(settings->entries, room * sizeof *grown);
        if (!grown) return gp_fail_memory(err);
        settings->entries = grown;
        settings->room = room;
    }
    entry *e = &settings->entries[settings->count++];
    *e = (entry){.key_length = key.length};
    memcpy(e->key, key.data, key.length);
    memcpy(e->lower, low, key.length);
    settings->slot[slot] = (uint16_t)settings->count;
    return 0;
}

int gp_vmlog_settings_put(gp_vmlog_settings *settings, gp_text key, gp_text value, uint64_t line,
                          gp_error *err)
{
    char low[GP_VMLOG_SETTING_KEY];
    if (key.length > sizeof low || !gp_vmlog_settings_wanted(key)) return 0;
    for (size_t i = 0; i < key.length; i++)
        low[i] = lower(key.data[i]);
    unsigned slot = hash(low, key.length);
    for (; settings->slot[slot]; slot = (slot + 1) % SLOTS) {
        const entry *known = &settings->entries[settings->slot[slot] - 1];
        if (known->key_length == key.length && memcmp(known->lower, low, key.length) == 0) break;
    }
    if (!settings->slot[slot]) {
        if (settings->count == GP_VMLOG_SETTINGS) return 0;
        if (add(settings, slot, key, low, err) != 0) return -1;
    }
    entry *e = &settings->entries[settings->slot[slot] - 1];
    e->line = line;
    memcpy(e->key, key.data, key.length);
    gp_buf_clear(&e->value);
    (void)gp_buf_append(&e->value, value.data, value.length);
    return e->value.failed ? gp_fail_memory(err) : 0;
}

size_t gp_vmlog_settings_count(const gp_vmlog_settings *settings)
{
    return settings->count;
}

gp_vmlog_setting gp_vmlog_settings_at(const gp_vmlog_settings *settings, size_t index)
{
    const entry *e = &settings->entries[index];
    return (gp_vmlog_setting){{e->key, e->key_length},
                              {e->lower, e->key_length},
                              {e->value.data ? e->value.data : "", e->value.length},
                              e->line};
}
