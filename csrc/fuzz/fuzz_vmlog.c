/* links: core */
/* The log reader over arbitrary bytes. The first byte chooses wide or plain search, a file descriptor or
 * memory, and whether the head, or the whole, is asked for first; the rest is the source (gzip and UTF-16
 * included). Every line handed out must hold the words it claims and lie in order; prefix, BAR, setting and
 * suspect must lie in the line; what is read as a whole must be what is read line by line. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "offline/vmlog.h"
#include "offline/vmlog_settings.h"
#include "offline/vmlog_suspect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds, const char *what)
{
    if (holds) return;
    fprintf(stderr, "broken: %s\n", what);
    abort();
}

/* A few words of our own, then the suspects', then words that share their bytes: more than a 64-bit mask
 * holds. */
#define OWN 10
#define SHARED 80
#define WORDS (OWN + GP_VMLOG_SUSPECT_WORDS + SHARED)

static gp_text words[WORDS];
static char shared[SHARED][8];

static void make_words(void)
{
    static const gp_text own[OWN] = {GP_TEXT("PCIPassthru: "),  GP_TEXT("DICT "),  GP_TEXT("NVRM: "),
                                     GP_TEXT("Log for VMware"), GP_TEXT("aaaa"),   GP_TEXT("pages needed ("),
                                     GP_TEXT("abab"),           GP_TEXT("(Code "), GP_TEXT("NVRM: Xid"),
                                     GP_TEXT("babababa")};
    memcpy(words, own, sizeof own);
    gp_vmlog_suspect_words(words + OWN);
    for (size_t i = 0; i < SHARED; i++) {
        (void)snprintf(shared[i], sizeof shared[i], "ab%c%c%c", 'a' + (char)(i % 4), 'a' + (char)(i / 4 % 4),
                       'a' + (char)(i / 16));
        words[OWN + GP_VMLOG_SUSPECT_WORDS + i] = (gp_text){shared[i], strlen(shared[i])};
    }
}

static bool holds_word(gp_text text, gp_text word)
{
    return memmem(text.data, text.length, word.data, word.length) != NULL;
}

static void check_line(const gp_vmlog_line *line, const gp_vmlog_line *before)
{
    check(line->number >= 1 && line->number >= before->number, "lines in order");
    check(line->number > before->number || before->cut || line->cut, "a line twice");
    check(line->text.length <= 512 + 3584, "a line of bounded length");
    bool any = false;
    for (size_t i = 0; i < WORDS; i++) {
        bool claimed = gp_vmlog_set_has(&line->words, i);
        any = any || claimed;
        if (claimed)
            check(holds_word(line->text, words[i]), "a word that is not there");
        else if (!line->cut)
            check(!holds_word(line->text, words[i]), "a word that was missed");
    }
    check(any, "a line without a word");
    gp_vmlog_prefix prefix;
    gp_vmlog_parse_prefix(line->text, &prefix);
    const char *end = line->text.data + line->text.length;
    check(prefix.message.data >= line->text.data && prefix.message.data + prefix.message.length <= end,
          "the message lies in the line");
    gp_pci_address address;
    gp_bar bar;
    if (gp_vmlog_parse_bar(line->text, &address, &bar)) {
        check(bar.size && !(bar.size & (bar.size - 1)), "a BAR of a power of two");
        check(bar.index >= 0 && bar.index <= 5, "a BAR's index");
    }
}

static bool inside(gp_text part, gp_text whole)
{
    return part.data >= whole.data && part.data + part.length <= whole.data + whole.length;
}

static void check_meaning(const gp_vmlog_line *line, gp_vmlog_settings *settings)
{
    gp_vmlog_suspect suspect;
    if (gp_vmlog_suspect_line(line->text, &suspect)) {
        check(suspect.subject.length > 0 && inside(suspect.subject, line->text),
              "the subject lies in the line");
        check(inside(suspect.address, line->text), "the address is in the line");
        check(gp_vmlog_tells_trouble(line->text), "a suspect reports trouble");
    } else {
        check(suspect.subject.length == 0, "a line that is not a suspect has no subject");
    }
    gp_text key, value;
    gp_error err;
    if (!gp_vmlog_parse_setting(line->text, &key, &value)) return;
    check(key.length > 0 && inside(key, line->text) && inside(value, line->text),
          "a setting lies in the line");
    size_t before = gp_vmlog_settings_count(settings);
    if (gp_vmlog_settings_put(settings, key, value, line->number, &err) != 0) return;
    size_t after = gp_vmlog_settings_count(settings);
    check(after == before || after == before + 1, "one setting more at most");
    if (after == before || !gp_vmlog_settings_wanted(key)) return;
    gp_vmlog_setting last = gp_vmlog_settings_at(settings, after - 1);
    check(last.value.length == value.length && memcmp(last.value.data, value.data, value.length) == 0,
          "the value that was put");
}

/* What is read as a whole, and what is read in steps, are the same bytes. */
static void check_whole(gp_vmlog *log, const uint8_t *data, size_t size)
{
    gp_error err;
    gp_buf whole = GP_BUF_EMPTY, steps = GP_BUF_EMPTY;
    if (gp_vmlog_whole(log, size * 64 + 4096, &whole, &err) == 1) {
        gp_vmlog_source *source = gp_vmlog_source_text((const char *)data, size, &err);
        char piece[97];
        ssize_t got;
        while (source && (got = gp_vmlog_source_read(source, piece, sizeof piece, &err)) > 0)
            (void)gp_buf_append(&steps, piece, (size_t)got);
        check(!source || steps.failed ||
                  (steps.length == whole.length &&
                   (whole.length == 0 || memcmp(steps.data, whole.data, whole.length) == 0)),
              "the whole is what the steps give");
        gp_vmlog_source_close(source);
    }
    gp_buf_free(&whole);
    gp_buf_free(&steps);
}

static int descriptor_of(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0) abort();
    for (size_t done = 0; done < size;) {
        ssize_t n = write(fd, data + done, size - done);
        if (n <= 0) abort();
        done += (size_t)n;
    }
    return fd;
}

/* Words from the input itself (parted by zero bytes), sought in the rest of it (behind the last zero byte).
 */
static void check_words(const char *data, size_t size, bool plain)
{
    gp_text own[24];
    size_t count = 0;
    const char *at = data, *end = data + size;
    for (const char *zero; count < 24 && (zero = memchr(at, 0, (size_t)(end - at))); at = zero + 1)
        own[count++] = (gp_text){at, (size_t)(zero - at)};
    bool valid = count > 0;
    for (size_t i = 0; i < count; i++) {
        valid = valid && own[i].length >= GP_VMLOG_WORD_MIN && own[i].length <= GP_VMLOG_WORD_MAX &&
                !memchr(own[i].data, '\n', own[i].length);
    }
    gp_error err;
    gp_vmlog_words *set = gp_vmlog_words_new(own, count, &err);
    if (!set) {
        check(!valid, "valid words were refused");
        return;
    }
    check(valid, "words that cannot be sought were taken");
    check(gp_vmlog_words_count(set) == count, "a word was lost");
    if (plain) gp_vmlog_words_plain(set);
    gp_vmlog_set found = {{0}};
    gp_vmlog_words_in(set, at, end, &found);
    const char *first = NULL;
    for (size_t i = 0; i < count; i++) {
        const char *here = memmem(at, (size_t)(end - at), own[i].data, own[i].length);
        check(gp_vmlog_set_has(&found, i) == (here != NULL), "a word is found exactly where it is");
        if (here && (!first || here < first)) first = here;
    }
    check(gp_vmlog_find(set, at, end, end) == first, "the first word is found first");
    gp_vmlog_words_free(set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    if (!words[0].length) make_words();
    unsigned mode = data[0];
    data++, size--;
    if (mode & 32) {
        check_words((const char *)data, size, mode & 1);
        return 0;
    }
    gp_error err;
    static gp_vmlog_words *sets[2]; /* made once: choosing their prints is slow */
    gp_vmlog_words *set = sets[mode & 1] ? sets[mode & 1] : gp_vmlog_words_new(words, WORDS, &err);
    if (!set) return 0;
    sets[mode & 1] = set;
    if (mode & 1) gp_vmlog_words_plain(set);
    gp_vmlog_settings *settings = gp_vmlog_settings_new(&err);
    gp_vmlog *log;
    int fd = -1;
    if (mode & 2) {
        char path[64];
        fd = descriptor_of(data, size);
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        log = gp_vmlog_open(path, set, &err);
    } else {
        log = gp_vmlog_open_text((const char *)data, size, set, &err);
    }
    if (log && settings && mode & 8) {
        check_whole(log, data, size);
    } else if (log && settings) {
        gp_vmlog_line line = {0}, before = {0};
        gp_text head;
        gp_buf ahead = GP_BUF_EMPTY;
        int got = mode & 4 ? gp_vmlog_head(log, &head, &err) : 0;
        /* too small a limit: what was read ahead comes again */
        if (mode & 16 && !(mode & 4)) got = gp_vmlog_whole(log, 1, &ahead, &err);
        while (got >= 0 && (got = gp_vmlog_next(log, &line, &err)) > 0) {
            check_line(&line, &before);
            check_meaning(&line, settings);
            before = line;
        }
        check(got < 0 || before.number <= gp_vmlog_lines(log), "no line behind the last");
        gp_buf_free(&ahead);
    }
    gp_vmlog_close(log);
    gp_vmlog_settings_free(settings);
    if (fd >= 0) (void)close(fd);
    return 0;
}
