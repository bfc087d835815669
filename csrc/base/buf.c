#define _DEFAULT_SOURCE
#include "base/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int gp_buf_reserve(gp_buf *buf, size_t extra)
{
    if (buf->failed) return -1;
    if (extra > SIZE_MAX / 2 - buf->length) {
        buf->failed = true;
        return -1;
    }
    size_t need = buf->length + extra;
    if (need <= buf->capacity) return 0;
    size_t capacity = buf->capacity < 64 ? 64 : buf->capacity;
    while (capacity < need)
        capacity *= 2;
    char *data;
    if (buf->secret) {
        /* realloc may leave a copy of the secret in freed memory */
        data = malloc(capacity);
        if (data && buf->data) {
            memcpy(data, buf->data, buf->length);
            explicit_bzero(buf->data, buf->capacity);
            free(buf->data);
        }
    } else {
        data = realloc(buf->data, capacity);
    }
    if (!data) {
        buf->failed = true;
        return -1;
    }
    buf->data = data;
    buf->capacity = capacity;
    return 0;
}

int gp_buf_append(gp_buf *buf, const void *bytes, size_t length)
{
    if (gp_buf_reserve(buf, length) != 0) return -1;
    if (length) memcpy(buf->data + buf->length, bytes, length);
    buf->length += length;
    return 0;
}

int gp_buf_puts(gp_buf *buf, const char *text)
{
    return gp_buf_append(buf, text, strlen(text));
}

int gp_buf_putc(gp_buf *buf, char byte)
{
    return gp_buf_append(buf, &byte, 1);
}

int gp_buf_printf(gp_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0) {
        buf->failed = true;
        return -1;
    }
    if (gp_buf_reserve(buf, (size_t)length + 1) != 0) return -1;
    va_start(args, format);
    (void)vsnprintf(buf->data + buf->length, (size_t)length + 1, format, args);
    va_end(args);
    buf->length += (size_t)length;
    return 0;
}

const char *gp_buf_string(gp_buf *buf)
{
    if (gp_buf_reserve(buf, 1) != 0) return NULL;
    buf->data[buf->length] = '\0';
    return buf->data;
}

void gp_buf_clear(gp_buf *buf)
{
    if (buf->secret && buf->data) explicit_bzero(buf->data, buf->capacity);
    buf->length = 0;
    buf->failed = false;
}

void gp_buf_free(gp_buf *buf)
{
    if (buf->secret && buf->data) explicit_bzero(buf->data, buf->capacity);
    free(buf->data);
    *buf = (gp_buf)GP_BUF_EMPTY;
}

void gp_buf_wipe(gp_buf *buf)
{
    buf->secret = true;
    gp_buf_free(buf);
}
