#define _GNU_SOURCE /* memrchr */
#include "offline/vmlog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define WINDOW (256 * 1024)
#define PACKED (64 * 1024)
#define BEFORE 512 /* of a long line: shown before a word */
#define AFTER 3584 /* and after its beginning; more than any message has */

struct gp_vmlog {
    const gp_vmlog_words *words;
    int fd; /* -1: memory */
    bool close_fd;
    gp_text memory;
    size_t taken; /* of memory */
    /* gzip */
    bool packed, stream_open, stream_ended;
    z_stream stream;
    unsigned char *packed_bytes;
    /* window: [0, searched) is done with, [searched, filled) is not */
    char *window;
    size_t filled, searched, counted;
    uint64_t line; /* number of the line in which `counted` stands */
    bool ended;    /* nothing more will come */
    bool started;
    bool broken; /* the window begins inside a line */
    uint64_t bytes;
    uint64_t most; /* 0: without limit */
};

static gp_vmlog *make(const gp_vmlog_words *words, gp_error *err)
{
    gp_vmlog *log = calloc(1, sizeof *log);
    if (!log) goto fail;
    log->fd = -1;
    log->line = 1;
    log->words = words;
    log->window = malloc(WINDOW);
    if (!log->window) goto fail;
    return log;
fail:
    free(log);
    (void)gp_fail_memory(err);
    return NULL;
}

gp_vmlog *gp_vmlog_open(const char *path, const gp_vmlog_words *words, gp_error *err)
{
    gp_vmlog *log = make(words, err);
    if (!log) return NULL;
    if (strcmp(path, "-") == 0) {
        log->fd = STDIN_FILENO;
        return log;
    }
    log->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct stat status;
    if (log->fd < 0 || fstat(log->fd, &status) != 0) {
        (void)gp_fail_errno(err, errno, "%s", path);
        goto fail;
    }
    log->close_fd = true;
    if (S_ISDIR(status.st_mode)) {
        (void)gp_fail_errno(err, EISDIR, "%s", path);
        goto fail;
    }
    (void)posix_fadvise(log->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return log;
fail:
    log->close_fd = log->fd >= 0;
    gp_vmlog_close(log);
    return NULL;
}

gp_vmlog *gp_vmlog_open_descriptor(int fd, const gp_vmlog_words *words, gp_error *err)
{
    gp_vmlog *log = make(words, err);
    if (!log) return NULL;
    log->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    log->close_fd = log->fd >= 0;
    if (log->fd < 0) {
        (void)gp_fail_errno(err, errno, "the log cannot be read");
        gp_vmlog_close(log);
        return NULL;
    }
    return log;
}

void gp_vmlog_limit(gp_vmlog *log, uint64_t most)
{
    log->most = most;
}

gp_vmlog *gp_vmlog_open_text(const char *bytes, size_t length, const gp_vmlog_words *words, gp_error *err)
{
    gp_vmlog *log = make(words, err);
    if (log) log->memory = (gp_text){bytes, length};
    return log;
}

void gp_vmlog_close(gp_vmlog *log)
{
    if (!log) return;
    if (log->stream_open) (void)inflateEnd(&log->stream);
    if (log->close_fd) (void)close(log->fd);
    free(log->packed_bytes);
    free(log->window);
    free(log);
}

uint64_t gp_vmlog_bytes(const gp_vmlog *log)
{
    return log->bytes;
}

/* Raw bytes from the source: > 0, 0 at the end, -1. */
static ssize_t take(gp_vmlog *log, void *out, size_t size, gp_error *err)
{
    if (log->fd < 0) {
        size_t left = log->memory.length - log->taken, n = left < size ? left : size;
        if (n) memcpy(out, log->memory.data + log->taken, n);
        log->taken += n;
        return (ssize_t)n;
    }
    for (;;) {
        ssize_t got = read(log->fd, out, size);
        if (got >= 0) return got;
        if (errno != EINTR) return gp_fail_errno(err, errno, "reading the log");
    }
}

static int begin_unpacking(gp_vmlog *log, gp_error *err)
{
    log->packed_bytes = malloc(PACKED);
    if (!log->packed_bytes) return gp_fail_memory(err);
    /* what was read to recognise the file is the beginning of the packed bytes */
    size_t n = log->filled < PACKED ? log->filled : PACKED;
    memcpy(log->packed_bytes, log->window, n);
    log->stream.next_in = log->packed_bytes;
    log->stream.avail_in = (uInt)n;
    if (inflateInit2(&log->stream, 16 + MAX_WBITS) != Z_OK) return gp_fail_memory(err);
    log->stream_open = true;
    log->packed = true;
    log->filled = 0;
    return 0;
}

/* Unpacked bytes: > 0, 0 at the end, -1. */
static ssize_t unpack(gp_vmlog *log, char *out, size_t size, gp_error *err)
{
    z_stream *z = &log->stream;
    z->next_out = (unsigned char *)out;
    z->avail_out = (uInt)size;
    while (z->avail_out == size) {
        if (z->avail_in == 0) {
            ssize_t got = take(log, log->packed_bytes, PACKED, err);
            if (got < 0) return -1;
            if (got == 0) {
                if (log->stream_ended) return 0;
                return gp_fail(err, "ETRUNCATED", "the gzip file ends too early");
            }
            z->next_in = log->packed_bytes;
            z->avail_in = (uInt)got;
        }
        if (log->stream_ended) {
            /* gzip files may be joined; anything else behind the end is padding */
            if (z->next_in[0] != 0x1f) return 0;
            if (inflateReset(z) != Z_OK) return gp_fail_memory(err);
            log->stream_ended = false;
        }
        int status = inflate(z, Z_NO_FLUSH);
        if (status == Z_STREAM_END) {
            log->stream_ended = true;
        } else if (status != Z_OK && status != Z_BUF_ERROR) {
            size_t have = size - z->avail_out;
            if (have) return (ssize_t)have; /* the error comes again with the next call */
            return gp_fail(err, "EPARSE", "the gzip file is damaged: %s", z->msg ? z->msg : "bad data");
        }
    }
    return (ssize_t)(size - z->avail_out);
}

/* Recognises what the source is from its first bytes. */
static int start(gp_vmlog *log, gp_error *err)
{
    log->started = true;
    while (log->filled < 2) {
        ssize_t got = take(log, log->window + log->filled, PACKED - log->filled, err);
        if (got < 0) return -1;
        if (got == 0) break;
        log->filled += (size_t)got;
    }
    if (log->filled < 2) {
        log->bytes = log->filled;
        return 0;
    }
    const unsigned char *b = (const unsigned char *)log->window;
    if ((b[0] == 0xff && b[1] == 0xfe) || (b[0] == 0xfe && b[1] == 0xff)) {
        return gp_fail(err, "EENCODING",
                       "the text is UTF-16 (PowerShell's > writes it): convert it to UTF-8");
    }
    if (b[0] == 0x1f && b[1] == 0x8b) return begin_unpacking(log, err);
    log->bytes = log->filled;
    return 0;
}

static void count_to(gp_vmlog *log, size_t place)
{
    if (place <= log->counted) return;
    log->line += gp_vmlog_count_newlines(log->words, log->window + log->counted, log->window + place);
    log->counted = place;
}

/* Drops what is done with (keeping `context` bytes of it) and reads on. */
static int refill(gp_vmlog *log, size_t context, gp_error *err)
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
    ssize_t got = log->packed ? unpack(log, log->window + log->filled, WINDOW - log->filled, err)
                              : take(log, log->window + log->filled, WINDOW - log->filled, err);
    if (got < 0) {
        log->ended = true;
        return -1;
    }
    if (got == 0) log->ended = true;
    log->filled += (size_t)got;
    log->bytes += (size_t)got;
    if (log->most && log->bytes > log->most) {
        log->ended = true;
        return gp_fail(err, "EFBIG", "more than %llu bytes, which is where reading ends",
                       (unsigned long long)log->most);
    }
    return 0;
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

static void hand_out(gp_vmlog *log, const char *hit, uint64_t found, gp_vmlog_line *line)
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
    /* the other words of the same line */
    uint64_t more;
    line->words = found;
    for (const char *at = hit + 1; (at = gp_vmlog_find(log->words, at, stop, stop, &more)); at++)
        line->words |= more;
    count_to(log, (size_t)(hit - first));
    line->number = log->line;
    if (stop > start && stop[-1] == '\r') stop--;
    line->text = (gp_text){start, (size_t)(stop - start)};
    log->searched = (size_t)(next - first);
}

int gp_vmlog_head(gp_vmlog *log, gp_text *head, gp_error *err)
{
    *head = (gp_text){log->window, 0};
    if (!log->started && start(log, err) != 0) return -1;
    while (log->filled < BEFORE && !log->ended) {
        if (refill(log, BEFORE, err) != 0) return -1;
    }
    const char *newline = memchr(log->window, '\n', log->filled);
    head->length = newline ? (size_t)(newline - log->window) : log->filled < BEFORE ? log->filled : BEFORE;
    return 0;
}

uint64_t gp_vmlog_lines(const gp_vmlog *log)
{
    bool open = log->filled > 0 && log->window[log->filled - 1] != '\n';
    return log->bytes == 0 ? 0 : open ? log->line : log->line - 1;
}

int gp_vmlog_next(gp_vmlog *log, gp_vmlog_line *line, gp_error *err)
{
    if (!log->started && start(log, err) != 0) {
        log->ended = true;
        log->filled = log->searched = 0;
        return -1;
    }
    for (;;) {
        size_t limit = searchable(log);
        if (limit > log->searched) {
            uint64_t found;
            const char *hit = gp_vmlog_find(log->words, log->window + log->searched, log->window + limit,
                                            log->window + log->filled, &found);
            if (hit) {
                hand_out(log, hit, found, line);
                return 1;
            }
            log->searched = limit;
        }
        if (log->ended) {
            count_to(log, log->filled);
            return 0;
        }
        if (refill(log, BEFORE, err) != 0) return -1;
    }
}
