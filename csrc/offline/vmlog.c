#define _GNU_SOURCE /* memrchr */
#include "offline/vmlog.h"

#include <stdlib.h>
#include <string.h>

#define WINDOW (256 * 1024)
#define RAW_STEP (64 * 1024)
#define BEFORE 512 /* of a long line: shown before a word */
#define AFTER 3584 /* and after its beginning; more than any message has */

struct gp_vmlog {
    const gp_vmlog_words *words;
    gp_vmlog_source *source;
    /* what gp_vmlog_whole read of a source that was longer: comes before the rest of it */
    gp_buf ahead;
    size_t ahead_at;
    /* window: [0, searched) is done with, [searched, filled) is not */
    char *window;
    size_t filled, searched, counted;
    uint64_t line; /* number of the line that has `counted` */
    bool ended;    /* nothing more will come */
    bool broken;   /* the window begins inside a line */
    bool failed;   /* the source said `error` */
    gp_error error;
    uint64_t bytes;
    uint64_t most; /* 0: without limit */
};

static gp_vmlog *make(gp_vmlog_source *source, const gp_vmlog_words *words, gp_error *err)
{
    if (!source) return NULL;
    gp_vmlog *log = calloc(1, sizeof *log);
    if (!log) goto fail;
    log->line = 1;
    log->words = words;
    log->window = malloc(WINDOW);
    if (!log->window) goto fail;
    log->source = source;
    return log;
fail:
    free(log);
    gp_vmlog_source_close(source);
    (void)gp_fail_memory(err);
    return NULL;
}

gp_vmlog *gp_vmlog_open(const char *path, const gp_vmlog_words *words, gp_error *err)
{
    return make(gp_vmlog_source_open(path, err), words, err);
}

gp_vmlog *gp_vmlog_open_descriptor(int fd, const gp_vmlog_words *words, gp_error *err)
{
    return make(gp_vmlog_source_descriptor(fd, err), words, err);
}

void gp_vmlog_limit(gp_vmlog *log, uint64_t most)
{
    log->most = most;
}

gp_vmlog *gp_vmlog_open_text(const char *bytes, size_t length, const gp_vmlog_words *words, gp_error *err)
{
    return make(gp_vmlog_source_text(bytes, length, err), words, err);
}

void gp_vmlog_close(gp_vmlog *log)
{
    if (!log) return;
    gp_vmlog_source_close(log->source);
    gp_buf_free(&log->ahead);
    free(log->window);
    free(log);
}

uint64_t gp_vmlog_bytes(const gp_vmlog *log)
{
    return log->bytes;
}

bool gp_vmlog_was_utf16(const gp_vmlog *log)
{
    return gp_vmlog_source_was_utf16(log->source);
}

int gp_vmlog_whole(gp_vmlog *log, size_t limit, gp_buf *out, gp_error *err)
{
    gp_buf_clear(out);
    if (log->most && log->most < limit) limit = (size_t)log->most;
    for (;;) {
        if (gp_buf_reserve(out, RAW_STEP) != 0) return gp_fail_memory(err);
        ssize_t got = gp_vmlog_source_read(log->source, out->data + out->length, RAW_STEP, err);
        if (got == 0) return 1;
        /* what came before the error is read as a stream, and the error comes again */
        if (got < 0 && out->length == 0) return -1;
        if (got > 0) out->length += (size_t)got;
        if (got < 0 || out->length > limit) {
            log->ahead = *out;
            *out = (gp_buf)GP_BUF_EMPTY;
            return 0;
        }
    }
}

static ssize_t pull(gp_vmlog *log, char *out, size_t size, gp_error *err)
{
    size_t left = log->ahead.length - log->ahead_at, n = left < size ? left : size;
    if (!n) return gp_vmlog_source_read(log->source, out, size, err);
    memcpy(out, log->ahead.data + log->ahead_at, n);
    log->ahead_at += n;
    if (n == left) {
        gp_buf_free(&log->ahead);
        log->ahead_at = 0;
    }
    return (ssize_t)n;
}

static void count_to(gp_vmlog *log, size_t place)
{
    if (place <= log->counted) return;
    log->line += gp_vmlog_count_newlines(log->words, log->window + log->counted, log->window + place);
    log->counted = place;
}

/* Drops what is done with (keeping `context` bytes of it) and reads on. */
static void refill(gp_vmlog *log, size_t context)
{
    count_to(log, log->searched);
    size_t drop = log->searched > context ? log->searched - context : 0;
    if (drop) {
        log->broken = log->window[drop - 1] != '\n';
        memmove(log->window, log->window + drop, log->filled - drop);
        log->filled -= drop;
        log->searched -= drop;
        log->counted -= drop;
    }
    ssize_t got = pull(log, log->window + log->filled, WINDOW - log->filled, &log->error);
    if (got <= 0) log->ended = true;
    if (got < 0) log->failed = true; /* said once the lines before it were handed out */
    if (got <= 0) return;
    log->filled += (size_t)got;
    log->bytes += (size_t)got;
    if (log->most && log->bytes > log->most) {
        log->ended = log->failed = true;
        (void)gp_fail(&log->error, "EFBIG", "more than %llu bytes, which is where reading ends",
                      (unsigned long long)log->most);
    }
}

/* How far words may begin now: whole lines; of a line that fills the window, all but what may go on. */
static size_t searchable(const gp_vmlog *log)
{
    if (log->ended) return log->filled;
    const char *from = log->window + log->searched;
    const char *newline = memrchr(from, '\n', log->filled - log->searched);
    if (newline) return (size_t)(newline - log->window) + 1;
    if (log->filled - log->searched > 2 * AFTER) return log->filled - AFTER;
    return log->searched;
}

static void hand_out(gp_vmlog *log, const char *hit, gp_vmlog_line *line)
{
    const char *first = log->window, *end = log->window + log->filled;
    const char *before = memrchr(first, '\n', (size_t)(hit - first));
    const char *start = before ? before + 1 : first;
    const char *newline = memchr(hit, '\n', (size_t)(end - hit));
    const char *stop = newline ? newline : end;
    line->cut = !before && log->broken;
    if ((size_t)(hit - start) > BEFORE) {
        start = hit - BEFORE;
        line->cut = true;
    }
    const char *next = newline ? newline + 1 : end;
    if ((size_t)(stop - hit) > AFTER) {
        next = stop = hit + AFTER;
        line->cut = true;
    }
    line->words = (gp_vmlog_set){{0}};
    gp_vmlog_words_in(log->words, hit, stop, &line->words);
    count_to(log, (size_t)(hit - first));
    line->number = log->line;
    if (stop > start && stop[-1] == '\r') stop--;
    line->text = (gp_text){start, (size_t)(stop - start)};
    log->searched = (size_t)(next - first);
}

static int fail_again(const gp_vmlog *log, gp_error *err)
{
    *err = log->error;
    return -1;
}

int gp_vmlog_peek(gp_vmlog *log, size_t size, gp_text *head, gp_error *err)
{
    *head = (gp_text){log->window, 0};
    while (log->filled < size && !log->ended)
        refill(log, BEFORE);
    if (log->failed && log->filled == 0) return fail_again(log, err);
    head->length = log->filled < size ? log->filled : size;
    return 0;
}

int gp_vmlog_head(gp_vmlog *log, gp_text *head, gp_error *err)
{
    if (gp_vmlog_peek(log, BEFORE, head, err) != 0) return -1;
    const char *newline = memchr(head->data, '\n', head->length);
    if (newline) head->length = (size_t)(newline - head->data);
    return 0;
}

uint64_t gp_vmlog_lines(const gp_vmlog *log)
{
    bool open = log->filled > 0 && log->window[log->filled - 1] != '\n';
    return log->bytes == 0 ? 0 : open ? log->line : log->line - 1;
}

int gp_vmlog_next(gp_vmlog *log, gp_vmlog_line *line, gp_error *err)
{
    for (;;) {
        size_t limit = searchable(log);
        if (limit > log->searched) {
            const char *hit = gp_vmlog_find(log->words, log->window + log->searched, log->window + limit,
                                            log->window + log->filled);
            if (hit) {
                hand_out(log, hit, line);
                return 1;
            }
            log->searched = limit;
        }
        if (log->ended) {
            count_to(log, log->filled);
            return log->failed ? fail_again(log, err) : 0;
        }
        refill(log, BEFORE);
    }
}
