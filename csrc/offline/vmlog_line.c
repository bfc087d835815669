/* What a single line of a vmware.log says: its prefix by era, and the line of a BAR. */
#include "offline/vmlog.h"

#include <string.h>

static const char *find(gp_text text, const char *needle)
{
    size_t n = strlen(needle);
    if (n > text.length) return NULL;
    for (size_t i = 0; i + n <= text.length; i++) {
        if (text.data[i] == needle[0] && memcmp(text.data + i, needle, n) == 0) return text.data + i;
    }
    return NULL;
}

typedef struct cursor {
    const char *at, *end;
    bool ok;
} cursor;

static void expect(cursor *c, const char *literal)
{
    size_t n = strlen(literal);
    if (c->ok && (size_t)(c->end - c->at) >= n && memcmp(c->at, literal, n) == 0) {
        c->at += n;
    } else {
        c->ok = false;
    }
}

/* Unsigned number of base 10 or 16; refuses what does not fit. */
static uint64_t number(cursor *c, unsigned base)
{
    uint64_t value = 0;
    const char *first = c->at;
    for (; c->ok && c->at < c->end; c->at++) {
        char k = *c->at;
        unsigned digit = k >= '0' && k <= '9' ? (unsigned)(k - '0')
                         : base == 16 && (k | 0x20) >= 'a' && (k | 0x20) <= 'f'
                             ? (unsigned)((k | 0x20) - 'a') + 10
                             : 99;
        if (digit == 99) break;
        if (__builtin_mul_overflow(value, base, &value) || __builtin_add_overflow(value, digit, &value))
            c->ok = false;
    }
    if (c->at == first) c->ok = false;
    return value;
}

bool gp_vmlog_parse_bar(gp_text text, gp_pci_address *address, gp_bar *bar)
{
    static const char lead[] = "PCIPassthru: Device ";
    const char *at = find(text, lead);
    if (!at) return false;
    cursor c = {at + sizeof lead - 1, text.data + text.length, true};
    const char *space = memchr(c.at, ' ', (size_t)(c.end - c.at));
    gp_error ignored;
    if (!space || gp_pci_parse_address(c.at, (size_t)(space - c.at), GP_PCI_HEX, address, &ignored) != 0)
        return false;
    c.at = space;
    expect(&c, " barIndex ");
    uint64_t index = number(&c, 10);
    expect(&c, " type ");
    uint64_t type = number(&c, 10);
    expect(&c, " realaddr 0x");
    uint64_t base = number(&c, 16);
    expect(&c, " size ");
    uint64_t size = number(&c, 10);
    if (!c.ok || index > 5 || type < 1 || type > 3 || size == 0 || (size & (size - 1)) || size > INT64_MAX)
        return false;
    uint64_t flags = 0;
    cursor before_flags = c;
    expect(&c, " flags ");
    if (c.ok) flags = number(&c, 10);
    /* a line cut after the size still has the BAR */
    if (!c.ok && before_flags.at < before_flags.end && *before_flags.at >= '0' && *before_flags.at <= '9')
        return false;
    *bar = (gp_bar){
        .index = (int)index,
        .kind = type == 1   ? GP_BAR_IO
                : type == 2 ? GP_BAR_MEM32
                            : GP_BAR_MEM64,
        /* type 3 always came with flags 12 = 64-bit, prefetchable */
        .prefetchable = c.ok ? (flags & 8) != 0 : type == 3,
        .size = size,
        .address = base > INT64_MAX ? 0 : base,
    };
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool gp_vmlog_parse_setting(gp_text text, gp_text *key, gp_text *value)
{
    static const char lead[] = "DICT ";
    const char *at = find(text, lead), *end = text.data + text.length;
    if (!at) return false;
    at += sizeof lead - 1;
    while (at < end && is_blank(*at))
        at++;
    key->data = at;
    while (at < end && !is_blank(*at) && *at != '=')
        at++;
    key->length = (size_t)(at - key->data);
    while (at < end && is_blank(*at))
        at++;
    if (!key->length || at == end || *at != '=') return false;
    at++;
    while (at < end && is_blank(*at))
        at++;
    while (end > at && (is_blank(end[-1]) || end[-1] == '\r'))
        end--;
    if (end - at >= 2 && *at == '"' && end[-1] == '"') at++, end--;
    *value = (gp_text){at, (size_t)(end - at)};
    return true;
}

static bool digits(const char *at, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (at[i] < '0' || at[i] > '9') return false;
    }
    return true;
}

/* Length of "2023-07-21T09:40:52.413Z" (or +03:00, or without the fraction) at the beginning; 0 if it is
 * none. */
static size_t iso_time(gp_text t)
{
    const char *s = t.data;
    if (t.length < 19 || !digits(s, 4) || s[4] != '-' || !digits(s + 5, 2) || s[7] != '-' ||
        !digits(s + 8, 2) || s[10] != 'T' || !digits(s + 11, 2) || s[13] != ':' || !digits(s + 14, 2) ||
        s[16] != ':' || !digits(s + 17, 2)) {
        return 0;
    }
    size_t n = 19;
    if (n < t.length && s[n] == '.') {
        n++;
        while (n < t.length && s[n] >= '0' && s[n] <= '9')
            n++;
    }
    if (n < t.length && s[n] == 'Z') return n + 1;
    if (n + 6 <= t.length && (s[n] == '+' || s[n] == '-') && digits(s + n + 1, 2) && s[n + 3] == ':' &&
        digits(s + n + 4, 2)) {
        return n + 6;
    }
    return n;
}

/* "Mar 04 11:22:33.444" of ESX 4 and 5.0 */
static size_t old_time(gp_text t)
{
    const char *s = t.data;
    if (t.length < 19 || s[3] != ' ' || !digits(s + 4, 2) || s[6] != ' ' || !digits(s + 7, 2) ||
        s[9] != ':' || !digits(s + 10, 2) || s[12] != ':' || !digits(s + 13, 2)) {
        return 0;
    }
    size_t n = 15;
    if (s[n] == '.') {
        n++;
        while (n < t.length && s[n] >= '0' && s[n] <= '9')
            n++;
    }
    return n;
}

static gp_text skip_blanks(gp_text t)
{
    while (t.length && t.data[0] == ' ')
        t.data++, t.length--;
    return t;
}

static gp_text cut_word(gp_text *t)
{
    *t = skip_blanks(*t);
    size_t n = 0;
    while (n < t->length && t->data[n] != ' ')
        n++;
    gp_text word = {t->data, n};
    *t = skip_blanks((gp_text){t->data + n, t->length - n});
    return word;
}

/* Up to the next '|', which is taken as well; false when there is none near. */
static bool cut_column(gp_text *t, gp_text *column)
{
    size_t reach = t->length < 96 ? t->length : 96;
    const char *bar = memchr(t->data, '|', reach);
    if (!bar) return false;
    *column = skip_blanks((gp_text){t->data, (size_t)(bar - t->data)});
    while (column->length && column->data[column->length - 1] == ' ')
        column->length--;
    size_t used = (size_t)(bar - t->data) + 1;
    *t = (gp_text){t->data + used, t->length - used};
    return true;
}

/* "I125: " = info on ESXi 5.x to 6.7 (120 + level), "I005: " later */
static bool cut_tag(gp_text *t, int *level)
{
    gp_text at = skip_blanks(*t);
    if (at.length < 5 || at.data[0] < 'A' || at.data[0] > 'Z' || !digits(at.data + 1, 3) ||
        at.data[4] != ':') {
        return false;
    }
    int code = (at.data[1] - '0') * 100 + (at.data[2] - '0') * 10 + at.data[3] - '0';
    *level = code >= 120 ? code - 120 : code;
    *t = skip_blanks((gp_text){at.data + 5, at.length - 5});
    return true;
}

/* Thread names: vmx, vcpu-0, mks, host-1, worker-123, svga, vthread-5... */
static bool is_thread(gp_text word)
{
    static const char *const names[] = {"vmx",      "vcpu", "mks",  "host", "worker", "svga",  "vthread",
                                        "vmkernel", "vmm",  "pool", "poll", "main",   "Thread"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t n = strlen(names[i]);
        if (word.length >= n && memcmp(word.data, names[i], n) == 0 &&
            (word.length == n || word.data[n] == '-' || word.data[n] == ':' || word.data[n] == 'P' ||
             word.data[n] == 'T')) {
            return true;
        }
    }
    return false;
}

/* "In(05) vmx - message", "In(05) vmx vim-cmd-09-a45d message", "In(05) vmx message" */
static void parse_modern(gp_text rest, gp_vmlog_prefix *p)
{
    gp_text tag = cut_word(&rest);
    size_t open = 0;
    while (open < tag.length && tag.data[open] != '(')
        open++;
    size_t count = tag.length > open + 2 ? tag.length - open - 2 : 0;
    if (open != 2 || count < 2 || count > 3 || tag.data[tag.length - 1] != ')' ||
        !digits(tag.data + open + 1, count)) {
        return;
    }
    int code = 0;
    for (size_t i = 0; i < count; i++)
        code = code * 10 + tag.data[open + 1 + i] - '0';
    p->level = code < 100 ? code : -1; /* vmkernel.log: the syslog number */
    p->message = rest;
    gp_text after = rest, word = cut_word(&after);
    if (!is_thread(word)) return;
    if (word.data[word.length - 1] == ':') word.length--;
    p->thread = word;
    p->message = after;
    gp_text next = after, operation = cut_word(&next);
    if (operation.length == 1 && operation.data[0] == '-') {
        p->message = next;
    } else if (operation.length > 6 && memchr(operation.data, '-', operation.length) &&
               operation.data[operation.length - 1] != ':' &&
               !memchr(operation.data, '.', operation.length) &&
               (digits(operation.data + operation.length - 1, 1) ||
                (operation.data[operation.length - 1] >= 'a' &&
                 operation.data[operation.length - 1] <= 'f'))) {
        p->operation = operation;
        p->message = next;
    }
}

void gp_vmlog_parse_prefix(gp_text text, gp_vmlog_prefix *p)
{
    *p = (gp_vmlog_prefix){.level = -1, .message = text};
    size_t n = iso_time(text);
    if (!n) n = old_time(text);
    if (!n || n >= text.length) return;
    p->time = (gp_text){text.data, n};
    gp_text rest = {text.data + n, text.length - n};
    if (rest.data[0] == '|' || rest.data[0] == ':') {
        rest.data++, rest.length--;
        gp_text column;
        if (!cut_column(&rest, &column)) return;
        p->thread = column;
        p->message = skip_blanks(rest);
        int level = -1;
        if (cut_tag(&rest, &level)) {
            p->level = level;
        } else {
            gp_text after = rest;
            if (!cut_column(&after, &column) || !cut_tag(&after, &level)) return;
            p->operation = column;
            p->level = level;
            rest = after;
        }
        p->message = rest;
        return;
    }
    if (rest.data[0] == ' ') {
        p->message = skip_blanks(rest);
        parse_modern(rest, p);
    }
}
