#define _GNU_SOURCE /* memmem */
#include "offline/vmlog_suspect.h"

#include <string.h>

#include "offline/vmlog.h"

typedef enum where {
    ANYWHERE,
    DRIVER,  /* where a driver's name precedes a message */
    RESET,   /* a word that begins there, in a line about no disk and no network */
    VECTOR,  /* beside the word interrupt */
    HOTPLUG, /* beside PCI */
    ADDRESS  /* a PCI address begins there */
} where;

typedef struct subject {
    const char *text;
    size_t length;
    where place;
} subject;

#define WORD(text) text, sizeof(text) - 1

static const subject subjects[GP_VMLOG_SUSPECT_WORDS] = {
    {WORD("assthru"), ANYWHERE},    {WORD("assthrough"), ANYWHERE},
    {WORD("NVRM"), ANYWHERE},       {WORD("nvidia"), ANYWHERE},
    {WORD("NVIDIA"), ANYWHERE},     {WORD("nouveau"), ANYWHERE},
    {WORD("amdgpu"), ANYWHERE},     {WORD("vmiop"), ANYWHERE},
    {WORD("kfd: "), DRIVER},        {WORD("kfd kfd"), DRIVER},
    {WORD("i915"), ANYWHERE},       {WORD("xe 0000:"), DRIVER},
    {WORD("Xid ("), DRIVER},        {WORD("IOMMU"), ANYWHERE},
    {WORD("iommu"), ANYWHERE},      {WORD("Iommu"), ANYWHERE},
    {WORD("VTD: "), ANYWHERE},      {WORD("AMD-Vi"), ANYWHERE},
    {WORD("DMAR"), ANYWHERE},       {WORD("PCIEHP"), ANYWHERE},
    {WORD("pciehp"), ANYWHERE},     {WORD("abricmanager"), ANYWHERE},
    {WORD("IntrVector"), ANYWHERE}, {WORD("vector"), VECTOR},
    {WORD("eset"), RESET},          {WORD("ot-plug"), HOTPLUG},
    {WORD("otplug"), HOTPLUG},      {WORD("0000:"), ADDRESS},
    {WORD(" 000:"), ADDRESS},
};

void gp_vmlog_suspect_words(gp_text words[GP_VMLOG_SUSPECT_WORDS])
{
    for (size_t i = 0; i < GP_VMLOG_SUSPECT_WORDS; i++)
        words[i] = (gp_text){subjects[i].text, subjects[i].length};
}

static bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool hex(char c)
{
    return digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool named(char c)
{
    return letter(c) || digit(c) || c == '_';
}

static bool holds(gp_text line, const char *word)
{
    return memmem(line.data, line.length, word, strlen(word)) != NULL;
}

static char low(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* `word`, in lower case, begins at `at`. */
static bool begins(const char *at, const char *end, const char *word)
{
    for (; *word; at++, word++) {
        if (at == end || low(*at) != *word) return false;
    }
    return true;
}

static bool holds_any(gp_text line, const char *const *words, size_t count)
{
    const char *end = line.data + line.length;
    for (const char *at = line.data; at < end; at++) {
        for (size_t i = 0; i < count; i++) {
            if (begins(at, end, words[i])) return true;
        }
    }
    return false;
}

#define COUNT(list) (sizeof(list) / sizeof *(list))

/* What makes a line one of a disk, a network or the like. */
static const char *const elsewhere[] = {
    "scsi",      "naa.",     "mpx.",    "t10.",     "eui.",   "vmhba",      "vmnic",    "iscsi",  "nfs",
    "usb",       "xhci",     "session", "password", " peer",  "connection", " tcp",     "http",   "counter",
    "heartbeat", " lun ",    "audio",   "keyboard", "mouse",  "cdrom",      "ide0",     "floppy", "ethernet",
    "vmxnet",    "e1000",    "nvme",    "ahci",     "ata",    "lpfc",       "qlnative", "mpt3",   "smartpqi",
    "lsi_",      "megaraid", "ixgb",    "i40en",    "igbn",   "nmlx",       "bnxt",     "qed",    "ne1000",
    "iavmd",     "icen",     "ntg3",    "brcm",     "elxnet", "qfle",       "sfvmk",    "hpsa",   "fnic",
    "snapshot",  "vmwgfx",   "piix",    "shpchp",   "snd_",   "mptsas",     "mptspi",   "pvscsi", "virtio",
    "agpgart",   "vmci",
};

static bool is_elsewhere(gp_text line)
{
    return holds_any(line, elsewhere, COUNT(elsewhere));
}

/* Length of 0000:0d:00.3 (or the 000:008:00.0 of older hosts) at `at`; 0: none. */
static size_t address_length(const char *at, const char *end)
{
    const char *first = at;
    while (at < end && hex(*at))
        at++;
    size_t segment = (size_t)(at - first);
    if (segment < 3 || segment > 8 || at == end || *at != ':') return 0;
    const char *bus = ++at;
    while (at < end && hex(*at))
        at++;
    size_t bus_length = (size_t)(at - bus);
    if (bus_length < 2 || bus_length > 3 || end - at < 5 || at[0] != ':' || !hex(at[1]) || !hex(at[2]) ||
        at[3] != '.' || at[4] < '0' || at[4] > '7' || (end - at > 5 && named(at[5])))
        return 0;
    return (size_t)(at - first) + 5;
}

static gp_text find_address(gp_text line)
{
    const char *end = line.data + line.length;
    for (const char *at = line.data; at < end; at++) {
        if (at > line.data && (named(at[-1]) || at[-1] == ':')) continue;
        size_t n = hex(*at) ? address_length(at, end) : 0;
        if (n) return (gp_text){at, n};
    }
    return (gp_text){line.data, 0};
}

/* The name that the place is in, letters, digits and _. */
static gp_text name_around(gp_text line, const char *at)
{
    const char *first = at, *end = line.data + line.length;
    while (at < end && !named(*at))
        at++, first++;
    while (first > line.data && named(first[-1]))
        first--;
    while (at < end && named(*at))
        at++;
    return (gp_text){first, (size_t)(at - first)};
}

/* At the beginning of the message: nothing before it, or "kernel: ", "[   4.1] ", "cpu9:1234)". */
static bool at_driver_place(gp_text line, const char *at)
{
    size_t before = (size_t)(at - line.data);
    if (before == 0) return true;
    if (at[-1] == ')') return true;
    return before >= 2 && at[-1] == ' ' && strchr("]:>-", at[-2]) != NULL && at[-2];
}

static bool place_fits(gp_text line, const char *at, where place)
{
    const char *end = line.data + line.length;
    switch (place) {
    case ANYWHERE:
        return true;
    case DRIVER:
        return at_driver_place(line, at);
    case RESET:
        /* reset, Reset, resets, resetting, but no preset */
        return at > line.data && low(at[-1]) == 'r' &&
               (at - 1 == line.data || !letter(at[-2]) || at[-1] == 'R') &&
               (holds(line, "PCI") || holds(line, "evice") || holds(line, "Dev ") || holds(line, "unction") ||
                holds(line, "FLR") || holds(line, "GPU") || holds(line, "pci")) &&
               !is_elsewhere(line);
    case VECTOR:
        return (holds(line, "nterrupt") || holds(line, "MSI") || holds(line, "Intr")) && !is_elsewhere(line);
    case HOTPLUG:
        return holds(line, "PCI") || holds(line, "pci");
    case ADDRESS: {
        const char *first = *at == ' ' ? at + 1 : at;
        return (first == line.data || (!named(first[-1]) && first[-1] != ':')) &&
               address_length(first, end) && !is_elsewhere(line);
    }
    }
    return false;
}

static bool says_zero(const char *at, const char *end)
{
    while (at < end && (letter(*at) || *at == '_'))
        at++;
    while (at < end && (*at == ' ' || *at == '=' || *at == ':'))
        at++;
    if (at == end || *at != '0') return false;
    at++;
    if (at < end && *at == 'x') {
        at++;
        while (at < end && *at == '0')
            at++;
        return at == end || !hex(*at);
    }
    return at == end || !(digit(*at) || *at == '.' || *at == ':');
}

static bool denied(const char *first, const char *at)
{
    while (at > first && at[-1] == ' ')
        at--;
    const char *stop = at;
    while (at > first && named(at[-1]))
        at--;
    size_t n = (size_t)(stop - at);
    return (n == 2 && begins(at, stop, "no")) || (n == 1 && *at == '0') ||
           (n == 7 && begins(at, stop, "without")) || (n == 3 && begins(at, stop, "any")) ||
           (n == 2 && begins(at, stop, "on")) || (n == 2 && begins(at, stop, "if"));
}

static const char *const stems[] = {
    "error",         "fail",       "cannot",       "can't",     "couldn't",   "could not",    "unable",
    "invalid",       "timed out",  "timeout",      "denied",    "refuse",     "reject",       "unsupported",
    "not supported", "exhaust",    "out of",       "panic",     "fault",      "unresponsive", "not respond",
    "hung",          "hang",       "stuck",        "lost",      "fallen",     "corrupt",      "abort",
    "illegal",       "unexpected", "missing",      "not found", "bug:",       "oops",         "unavailable",
    "mismatch",      "broken",     "insufficient", "exceed",    "violation",  "no space",     "not allowed",
    "did not",       "does not",   "incompatible", "link down", "should not", "is down",      "required",
    "requires",      "not ready",
};

static bool words_tell(gp_text message)
{
    const char *first = message.data, *end = message.data + message.length;
    for (const char *at = first; at < end; at++) {
        if (!letter(*at) || (at > first && (letter(at[-1]) && !(low(*at) != *at && low(at[-1]) == at[-1]))))
            continue;
        for (size_t i = 0; i < COUNT(stems); i++) {
            if (begins(at, end, stems[i]) && !says_zero(at, end) && !denied(first, at)) return true;
        }
    }
    return false;
}

/* "| W110: " or "| E105: " behind the columns of ESXi 5 to 7 and Workstation: the letter says the level. */
static bool letter_tells(gp_text line)
{
    size_t reach = line.length < 120 ? line.length : 120;
    for (size_t i = 0; i + 7 <= reach; i++) {
        const char *at = line.data + i;
        if (at[0] == '|' && at[1] == ' ' && (at[2] == 'W' || at[2] == 'E' || at[2] == 'P') && digit(at[3]) &&
            digit(at[4]) && digit(at[5]) && at[6] == ':')
            return true;
    }
    return false;
}

/* "Wa(180)", "Er(02)", "Al(177)" behind the time; "<3>" before it. */
static bool level_tells(gp_text line, const gp_vmlog_prefix *prefix)
{
    if (prefix->level >= 1 && prefix->level <= 3) return true;
    if (line.length > 2 && line.data[0] == '<' && line.data[1] >= '0' && line.data[1] <= '4' &&
        line.data[2] == '>')
        return true;
    size_t after = prefix->time.length; /* the time is at the beginning of the line */
    const char *tag = line.data + after;
    if (after && line.length - after > 5 && tag[0] == ' ' && tag[3] == '(') {
        static const char tags[][3] = {"Wa", "Er", "Cr", "Al", "Em", "Pa"};
        for (size_t i = 0; i < COUNT(tags); i++) {
            if (memcmp(tag + 1, tags[i], 2) == 0) return true;
        }
    }
    return letter_tells(line) || holds(line, "WARNING:") || holds(line, "ALERT:") || holds(line, "*ERROR*") ||
           holds(line, "ERROR:");
}

bool gp_vmlog_tells_trouble(gp_text line)
{
    gp_vmlog_prefix prefix;
    gp_vmlog_parse_prefix(line, &prefix);
    return level_tells(line, &prefix) || words_tell(prefix.message);
}

bool gp_vmlog_suspect_line(gp_text line, gp_vmlog_suspect *suspect)
{
    *suspect = (gp_vmlog_suspect){{line.data, 0}, {line.data, 0}, false};
    const char *end = line.data + line.length;
    bool found = false;
    for (size_t i = 0; i < GP_VMLOG_SUSPECT_WORDS && !(found && !suspect->only_address); i++) {
        const char *at = line.data;
        for (; (at = memmem(at, (size_t)(end - at), subjects[i].text, subjects[i].length)); at++) {
            if (!place_fits(line, at, subjects[i].place)) continue;
            found = true;
            suspect->only_address = subjects[i].place == ADDRESS;
            suspect->subject = name_around(line, at);
            break;
        }
    }
    if (!found || !gp_vmlog_tells_trouble(line)) {
        suspect->subject.length = 0;
        return false;
    }
    suspect->address = find_address(line);
    if (suspect->only_address) suspect->subject = suspect->address;
    return true;
}
