#define _GNU_SOURCE
#include "offline/vmlog_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define RAW (64 * 1024)
#define HEAD 64 /* unpacked bytes that tell UTF-16 */

typedef enum encoding { ENCODING_UNKNOWN, ENCODING_BYTES, ENCODING_UTF16_LE, ENCODING_UTF16_BE } encoding;

struct gp_vmlog_source {
    int fd; /* -1: memory */
    bool close_fd;
    gp_text memory;
    size_t taken; /* of memory */
    /* raw bytes that were read to recognise gzip, or are being unpacked */
    unsigned char *raw;
    size_t raw_at, raw_filled;
    bool recognised;
    bool packed, stream_open, stream_ended;
    z_stream stream;
    /* unpacked bytes that were read to recognise the encoding */
    unsigned char head[HEAD];
    size_t head_at, head_filled;
    encoding encoding;
    unsigned char carry[4]; /* the beginning of a character whose rest is still to come */
    size_t carried;
};

static gp_vmlog_source *make(gp_error *err)
{
    gp_vmlog_source *source = calloc(1, sizeof *source);
    if (!source) goto fail;
    source->fd = -1;
    source->raw = malloc(RAW);
    if (!source->raw) goto fail;
    return source;
fail:
    free(source);
    (void)gp_fail_memory(err);
    return NULL;
}

gp_vmlog_source *gp_vmlog_source_open(const char *path, gp_error *err)
{
    gp_vmlog_source *source = make(err);
    if (!source) return NULL;
    if (strcmp(path, "-") == 0) {
        source->fd = STDIN_FILENO;
        return source;
    }
    source->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    source->close_fd = source->fd >= 0;
    struct stat status;
    if (source->fd < 0 || fstat(source->fd, &status) != 0) {
        (void)gp_fail_errno(err, errno, "%s", path);
        goto fail;
    }
    if (S_ISDIR(status.st_mode)) {
        (void)gp_fail_errno(err, EISDIR, "%s", path);
        goto fail;
    }
    (void)posix_fadvise(source->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return source;
fail:
    gp_vmlog_source_close(source);
    return NULL;
}

gp_vmlog_source *gp_vmlog_source_descriptor(int fd, gp_error *err)
{
    gp_vmlog_source *source = make(err);
    if (!source) return NULL;
    source->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    source->close_fd = source->fd >= 0;
    if (source->fd < 0) {
        (void)gp_fail_errno(err, errno, "the log cannot be read");
        gp_vmlog_source_close(source);
        return NULL;
    }
    return source;
}

gp_vmlog_source *gp_vmlog_source_text(const char *bytes, size_t length, gp_error *err)
{
    gp_vmlog_source *source = make(err);
    if (source) source->memory = (gp_text){bytes, length};
    return source;
}

void gp_vmlog_source_close(gp_vmlog_source *source)
{
    if (!source) return;
    if (source->stream_open) (void)inflateEnd(&source->stream);
    if (source->close_fd) (void)close(source->fd);
    free(source->raw);
    free(source);
}

bool gp_vmlog_source_was_utf16(const gp_vmlog_source *source)
{
    return source->encoding == ENCODING_UTF16_LE || source->encoding == ENCODING_UTF16_BE;
}

/* Bytes from the descriptor or the memory: > 0, 0 at the end, -1. */
static ssize_t take(gp_vmlog_source *source, void *out, size_t size, gp_error *err)
{
    if (source->fd < 0) {
        size_t left = source->memory.length - source->taken, n = left < size ? left : size;
        if (n) memcpy(out, source->memory.data + source->taken, n);
        source->taken += n;
        return (ssize_t)n;
    }
    for (;;) {
        ssize_t got = read(source->fd, out, size);
        if (got >= 0) return got;
        if (errno != EINTR) return gp_fail_errno(err, errno, "reading the log");
    }
}

static int recognise_gzip(gp_vmlog_source *source, gp_error *err)
{
    while (source->raw_filled < 2) {
        ssize_t got = take(source, source->raw + source->raw_filled, RAW - source->raw_filled, err);
        if (got < 0) return -1;
        if (got == 0) break;
        source->raw_filled += (size_t)got;
    }
    source->recognised = true;
    if (source->raw_filled < 2 || source->raw[0] != 0x1f || source->raw[1] != 0x8b) return 0;
    source->stream.next_in = source->raw;
    source->stream.avail_in = (uInt)source->raw_filled;
    if (inflateInit2(&source->stream, 16 + MAX_WBITS) != Z_OK) return gp_fail_memory(err);
    source->stream_open = source->packed = true;
    return 0;
}

static ssize_t unpack(gp_vmlog_source *source, void *out, size_t size, gp_error *err)
{
    z_stream *z = &source->stream;
    z->next_out = out;
    z->avail_out = (uInt)size;
    while (z->avail_out == size) {
        if (z->avail_in == 0) {
            ssize_t got = take(source, source->raw, RAW, err);
            if (got < 0) return -1;
            if (got == 0) {
                if (source->stream_ended) return 0;
                return gp_fail(err, "ETRUNCATED", "the gzip file ends too early");
            }
            z->next_in = source->raw;
            z->avail_in = (uInt)got;
        }
        if (source->stream_ended) {
            /* gzip files may be joined; anything else behind the end is padding */
            if (z->next_in[0] != 0x1f) return 0;
            if (inflateReset(z) != Z_OK) return gp_fail_memory(err);
            source->stream_ended = false;
        }
        int status = inflate(z, Z_NO_FLUSH);
        if (status == Z_STREAM_END) {
            source->stream_ended = true;
        } else if (status != Z_OK && status != Z_BUF_ERROR) {
            size_t have = size - z->avail_out;
            if (have) return (ssize_t)have; /* the error comes again with the next call */
            if (status == Z_MEM_ERROR) return gp_fail_memory(err);
            return gp_fail(err, "EPARSE", "the gzip file is damaged: %s", z->msg ? z->msg : "bad data");
        }
    }
    return (ssize_t)(size - z->avail_out);
}

/* Unpacked bytes: > 0, 0 at the end, -1. */
static ssize_t unpacked(gp_vmlog_source *source, void *out, size_t size, gp_error *err)
{
    if (!source->recognised && recognise_gzip(source, err) != 0) return -1;
    if (source->packed) return unpack(source, out, size, err);
    if (source->raw_at < source->raw_filled) {
        size_t left = source->raw_filled - source->raw_at, n = left < size ? left : size;
        memcpy(out, source->raw + source->raw_at, n);
        source->raw_at += n;
        return (ssize_t)n;
    }
    return take(source, out, size, err);
}

/* Without a byte order mark: every second byte of the first ones is zero, and none of the others. */
static bool looks_utf16(const unsigned char *b, size_t n, unsigned zero_at)
{
    if (n < 8) return false;
    for (size_t i = 0; i + 2 <= n; i += 2) {
        if (b[i + zero_at] != 0 || b[i + 1 - zero_at] == 0) return false;
    }
    return true;
}

static int recognise_encoding(gp_vmlog_source *source, gp_error *err)
{
    while (source->head_filled < HEAD) {
        ssize_t got = unpacked(source, source->head + source->head_filled, HEAD - source->head_filled, err);
        if (got < 0) {
            if (source->head_filled == 0) return -1;
            break; /* what is there first; the error comes again */
        }
        if (got == 0) break;
        source->head_filled += (size_t)got;
    }
    const unsigned char *b = source->head;
    size_t n = source->head_filled;
    source->encoding = ENCODING_BYTES;
    if (n >= 2 && ((b[0] == 0xff && b[1] == 0xfe) || (b[0] == 0xfe && b[1] == 0xff))) {
        source->encoding = b[0] == 0xff ? ENCODING_UTF16_LE : ENCODING_UTF16_BE;
        source->head_at = 2;
    } else if (looks_utf16(b, n, 1)) {
        source->encoding = ENCODING_UTF16_LE;
    } else if (looks_utf16(b, n, 0)) {
        source->encoding = ENCODING_UTF16_BE;
    }
    return 0;
}

static ssize_t recognised(gp_vmlog_source *source, void *out, size_t size, gp_error *err)
{
    if (source->head_at == source->head_filled) return unpacked(source, out, size, err);
    size_t left = source->head_filled - source->head_at, n = left < size ? left : size;
    memcpy(out, source->head + source->head_at, n);
    source->head_at += n;
    return (ssize_t)n;
}

static char *put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        *out++ = (char)c;
    } else if (c < 0x800) {
        *out++ = (char)(0xc0 | c >> 6);
        *out++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *out++ = (char)(0xe0 | c >> 12);
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    } else {
        *out++ = (char)(0xf0 | c >> 18);
        *out++ = (char)(0x80 | (c >> 12 & 0x3f));
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    }
    return out;
}

static uint32_t unit(const gp_vmlog_source *source, const unsigned char *b)
{
    return source->encoding == ENCODING_UTF16_LE ? (uint32_t)b[0] | (uint32_t)b[1] << 8
                                                 : (uint32_t)b[1] | (uint32_t)b[0] << 8;
}

/* Two bytes become three at most; half a pair of surrogates becomes U+FFFD. */
static ssize_t decode(gp_vmlog_source *source, char *out, size_t size, gp_error *err)
{
    unsigned char units[4096];
    for (;;) {
        size_t room = size / 3 * 2, most = room < sizeof units ? room : sizeof units;
        memcpy(units, source->carry, source->carried);
        ssize_t got = recognised(source, units + source->carried, most - source->carried, err);
        if (got < 0) return -1;
        size_t n = source->carried + (size_t)got, at = 0;
        source->carried = 0;
        char *to = out;
        while (n - at >= 2) {
            uint32_t c = unit(source, units + at);
            if (c >= 0xd800 && c < 0xdc00) {
                if (n - at < 4) {
                    if (got == 0) to = put_utf8(to, 0xfffd);
                    if (got == 0) at += 2;
                    break;
                }
                uint32_t low = unit(source, units + at + 2);
                bool whole = low >= 0xdc00 && low < 0xe000;
                to = put_utf8(to, whole ? 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00) : 0xfffd);
                at += whole ? 4 : 2;
                continue;
            }
            to = put_utf8(to, c >= 0xdc00 && c < 0xe000 ? 0xfffd : c);
            at += 2;
        }
        if (got > 0) {
            source->carried = n - at;
            memcpy(source->carry, units + at, source->carried);
        }
        if (to > out || got == 0) return to - out;
    }
}

ssize_t gp_vmlog_source_read(gp_vmlog_source *source, char *out, size_t size, gp_error *err)
{
    if (source->encoding == ENCODING_UNKNOWN && recognise_encoding(source, err) != 0) return -1;
    return source->encoding == ENCODING_BYTES ? recognised(source, out, size, err)
                                              : decode(source, out, size, err);
}
