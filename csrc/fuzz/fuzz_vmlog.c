/* links: core */
/* The log reader over arbitrary bytes: first byte chooses wide or plain search and whether the rest comes as
 * it is or through a file descriptor (gzip included). Every line handed out must hold the words it claims,
 * lie in order, and survive the parsers of its prefix and its BAR. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "offline/vmlog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds, const char *what)
{
    if (holds) return;
    fprintf(stderr, "broken: %s\n", what);
    abort();
}

static const gp_text words[] = {
    GP_TEXT("PCIPassthru: "), GP_TEXT("DICT "),          GP_TEXT("NVRM: "), GP_TEXT("Log for VMware"),
    GP_TEXT("aaaa"),          GP_TEXT("pages needed ("), GP_TEXT("abab"),   GP_TEXT("(Code "),
};
#define WORDS (sizeof words / sizeof *words)

static bool holds_word(gp_text text, gp_text word)
{
    return memmem(text.data, text.length, word.data, word.length) != NULL;
}

static void check_line(const gp_vmlog_line *line, const gp_vmlog_line *before)
{
    check(line->words != 0, "a line without a word");
    check(line->number >= 1 && line->number >= before->number, "lines in order");
    check(line->number > before->number || before->cut || line->cut, "a line twice");
    check(line->text.length <= 512 + 3584, "a line of bounded length");
    for (size_t i = 0; i < WORDS; i++) {
        bool claimed = line->words >> i & 1;
        if (claimed)
            check(holds_word(line->text, words[i]), "a word that is not there");
        else if (!line->cut)
            check(!holds_word(line->text, words[i]), "a word that was missed");
    }
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    unsigned mode = data[0];
    data++, size--;
    gp_error err;
    gp_vmlog_words *set = gp_vmlog_words_new(words, WORDS, &err);
    if (!set) return 0;
    if (mode & 1) gp_vmlog_words_plain(set);
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
    if (log) {
        gp_vmlog_line line = {0}, before = {0};
        gp_text head;
        int got = mode & 4 ? gp_vmlog_head(log, &head, &err) : 0;
        while (got >= 0 && (got = gp_vmlog_next(log, &line, &err)) > 0) {
            check_line(&line, &before);
            before = line;
        }
        check(got < 0 || before.number <= gp_vmlog_lines(log), "no line behind the last");
        gp_vmlog_close(log);
    }
    if (fd >= 0) (void)close(fd);
    gp_vmlog_words_free(set);
    return 0;
}
