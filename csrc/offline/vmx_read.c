/* Cutting text into lines, lines into names and values; the way back; finding a key.
 *
 *   line    := ws* ( comment | pair ws* comment? )? EOL         ws  := SPACE | TAB
 *   pair    := name ws* '=' ws* value?                          EOL := LF | CRLF | CR | end of file
 *   name    := one or more bytes, none of NUL SPACE TAB '#' '='
 *   value   := '"' any byte but NUL and '"' ... '"'   |   any byte but NUL SPACE TAB '#' ...
 *
 * A value that begins with a quote must end with one: there is no way back to the bare form.
 */
#include <stdlib.h>
#include <string.h>

#include "offline/vmx_inside.h"

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    return at;
}

/* Most of the time of a parse goes by in a name, byte after byte: one look-up instead of four comparisons. */
static const bool ends_name[256] = {[' '] = true, ['\t'] = true, ['#'] = true, ['='] = true};

void vmx_line_read(const char *text, vmx_line *line)
{
    const char *at = text + line->start, *end = at + line->length;
    at = skip_blanks(at, end);
    line->name = line->name_length = line->value = line->value_length = 0;
    line->quoted = 0;
    line->fault = GP_VMX_NO_PROBLEM;
    if (at == end || *at == '#') {
        line->kind = at == end ? GP_VMX_BLANK : GP_VMX_COMMENT;
        return;
    }
    line->kind = GP_VMX_ODD;
    const char *name = at;
    while (at < end && !ends_name[(unsigned char)*at])
        at++;
    const char *name_end = at;
    at = skip_blanks(at, end);
    if (at == end || *at != '=') {
        line->fault = GP_VMX_NO_EQUALS;
        return;
    }
    if (name == name_end) {
        line->fault = GP_VMX_NO_NAME;
        return;
    }
    at = skip_blanks(at + 1, end);
    const char *value = at, *value_end;
    bool quoted = at < end && *at == '"';
    if (quoted) {
        value++;
        value_end = memchr(value, '"', (size_t)(end - value));
        if (!value_end) {
            line->fault = GP_VMX_UNBALANCED;
            return;
        }
        at = value_end + 1;
    } else {
        while (at < end && *at != ' ' && *at != '\t' && *at != '#')
            at++;
        value_end = at;
    }
    at = skip_blanks(at, end);
    if (at < end && *at != '#') {
        line->fault = GP_VMX_TRAILING;
        return;
    }
    line->kind = GP_VMX_PAIR;
    line->quoted = quoted;
    line->name = (uint32_t)(name - text);
    line->name_length = (uint32_t)(name_end - name);
    line->value = (uint32_t)(value - text);
    line->value_length = (uint32_t)(value_end - value);
}

int vmx_lines_reserve(gp_vmx *doc, uint32_t more, gp_error *err)
{
    if (more > GP_VMX_MAX_LINES - doc->count)
        return gp_fail(err, "EFBIG", "more than %u lines: this is no .vmx", (unsigned)GP_VMX_MAX_LINES);
    if (doc->count + more <= doc->capacity) return 0;
    uint32_t capacity = doc->capacity ? doc->capacity : 64;
    while (capacity < doc->count + more)
        capacity *= 2;
    vmx_line *lines = realloc(doc->lines, capacity * sizeof *lines);
    if (!lines) return gp_fail_memory(err);
    doc->lines = lines;
    doc->capacity = capacity;
    return 0;
}

/* Splits the text from `from` on into lines. */
static int cut_lines(gp_vmx *doc, uint32_t from, gp_error *err)
{
    const char *text = doc->text.data;
    uint32_t end = (uint32_t)doc->text.length, at = from;
    /* the next CR and LF are searched only when the last ones were passed: most files have no CR at all */
    uint32_t lf = at, cr = at;
    bool look_lf = true, look_cr = true;
    /* a line has some 30 bytes: the table of an ordinary document is made in one go */
    if (vmx_lines_reserve(doc, end < 30000 ? 8 + end / 30 : 1024, err) != 0) return -1;
    while (at < end) {
        if (look_lf && (lf <= at)) {
            const char *found = memchr(text + at, '\n', end - at);
            lf = found ? (uint32_t)(found - text) : end;
        }
        if (look_cr && (cr <= at)) {
            const char *found = memchr(text + at, '\r', end - at);
            cr = found ? (uint32_t)(found - text) : end;
        }
        uint32_t stop = lf < cr ? lf : cr;
        if (doc->count == doc->capacity && vmx_lines_reserve(doc, 1, err) != 0) return -1;
        vmx_line *line = &doc->lines[doc->count++];
        line->start = at;
        line->length = stop - at;
        line->opened = 0;
        bool crlf = stop == cr && lf < end && lf == cr + 1;
        line->eol = stop == end ? EOL_NONE : stop == lf ? EOL_LF : crlf ? EOL_CRLF : EOL_CR;
        vmx_line_read(text, line);
        at = stop + (uint32_t)vmx_eol_length(line->eol);
        look_lf = lf < end;
        look_cr = cr < end;
    }
    return 0;
}

static int refuse_binary(const char *text, size_t length, gp_error *err)
{
    const char *nul = length ? memchr(text, 0, length) : NULL;
    if (!nul) return 0;
    if (length >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0))
        return gp_fail(err, "EENCODING",
                       "the text is UTF-16, which no host reads: convert it (iconv -f UTF-16 -t UTF-8)");
    unsigned long line = 1;
    for (const char *at = text; (at = memchr(at, '\n', (size_t)(nul - at))) != NULL; at++)
        line++;
    return gp_fail(err, "EPARSE", "line %lu holds a zero byte: this is not a .vmx but a binary file", line);
}

/* The length of what a page or a mail program put in place of a quote or a blank, at the beginning of `text`;
 * 0 for anything else. A pasted `.encoding` must not keep the file from being read, and then from being
 * repaired. */
static size_t pasted_length(const char *text, size_t length)
{
    static const char *const pasted[] = {
        "\xe2\x80\x98", "\xe2\x80\x99", "\xe2\x80\x9a", "\xe2\x80\x9b", "\xe2\x80\x9c",
        "\xe2\x80\x9d", "\xe2\x80\x9e", "\xe2\x80\x9f", "\xe2\x80\xb3", "\xe2\x80\x8b",
        "\xe2\x80\xaf", "\xef\xbb\xbf", "\xc2\xab",     "\xc2\xbb",     "\xc2\xa0",
        "\x93",         "\x94",         "\x84",         "\xa0",         "&quot;",
        "&#34;",        "&ldquo;",      "&rdquo;",      "&nbsp;",       "'",
        "\\\"",         "\"",
    };
    for (size_t i = 0; i < sizeof pasted / sizeof *pasted; i++) {
        size_t one = strlen(pasted[i]);
        if (one <= length && memcmp(text, pasted[i], one) == 0) return one;
    }
    return 0;
}

/* `name` without pasted quotes and blanks around it. */
static void strip_pasted(const char **name, size_t *length)
{
    for (size_t cut; (cut = pasted_length(*name, *length)) > 0;) {
        *name += cut;
        *length -= cut;
    }
    for (size_t i = 0; i < *length; i++) {
        if (pasted_length(*name + i, *length - i) > 0) *length = i;
    }
}

static int settle_encoding(gp_vmx *doc, gp_error *err)
{
    gp_buf name = GP_BUF_EMPTY;
    int64_t line = vmx_find_raw(doc, ".encoding", 9);
    doc->encoding = ENCODING_UTF8;
    if (line < 0) return 0;
    const vmx_line *l = &doc->lines[line];
    vmx_unescape(doc->text.data + l->value, l->value_length, &name);
    if (name.failed) return gp_fail_memory(err);
    const char *plain = name.data ? name.data : "";
    size_t plain_length = name.length;
    strip_pasted(&plain, &plain_length);
    int result = vmx_encoding_named(plain, plain_length, &doc->encoding);
    if (result == 0 && doc->encoding == ENCODING_ASCII && !vmx_is_ascii(doc->text.data, doc->text.length))
        result = -1;
    if (result != 0) {
        int shown = name.length < 40 ? (int)name.length : 40;
        gp_fail(
            err, "EENCODING",
            "line %lld: .encoding is \"%.*s\": only UTF-8 and windows-1252 are read; convert the file first",
            (long long)line + 1, shown, name.data ? name.data : "");
    }
    gp_buf_free(&name);
    return result;
}

gp_vmx *vmx_parse_owned(gp_buf *text, uint64_t max_bytes, gp_error *err)
{
    gp_vmx *doc = calloc(1, sizeof *doc);
    if (!doc) {
        gp_buf_free(text);
        gp_fail_memory(err);
        return NULL;
    }
    doc->text = *text;
    *text = (gp_buf)GP_BUF_EMPTY;
    doc->original = doc->text.length;
    doc->max_bytes = max_bytes;
    doc->bom = doc->text.length >= 3 && memcmp(doc->text.data, "\xef\xbb\xbf", 3) == 0;
    if (refuse_binary(doc->text.data, doc->text.length, err) != 0 ||
        cut_lines(doc, doc->bom ? 3 : 0, err) != 0 || settle_encoding(doc, err) != 0) {
        gp_vmx_free(doc);
        return NULL;
    }
    return doc;
}

int gp_vmx_replace_text(gp_vmx *doc, const char *text, size_t length, gp_error *err)
{
    gp_vmx before = *doc;
    while (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        length -= 3;
    }
    if (refuse_binary(text, length, err) != 0) return -1;
    if (length > doc->max_bytes || doc->text.length - doc->original > doc->max_bytes)
        return gp_fail(err, "EFBIG", "the edits exceed the limit of %llu bytes",
                       (unsigned long long)doc->max_bytes);
    if (gp_buf_reserve(&doc->text, length + 2) != 0) {
        doc->text.failed = false;
        return gp_fail_memory(err);
    }
    before.text = doc->text; /* it may have moved; its length is the old one */
    (void)gp_buf_append(&doc->text, text, length);
    doc->lines = NULL;
    doc->count = doc->capacity = 0;
    if (cut_lines(doc, (uint32_t)before.text.length, err) != 0 || settle_encoding(doc, err) != 0) {
        free(doc->lines);
        *doc = before;
        return -1;
    }
    free(before.lines);
    free(doc->twins);
    doc->twins = NULL;
    doc->live_edits = 0;
    for (uint32_t i = 0; i < doc->count; i++)
        doc->live_edits += doc->lines[i].length + 2;
    doc->changed = true;
    return 0;
}

uint64_t vmx_byte_limit(uint64_t max_bytes)
{
    const uint64_t ceiling = (uint64_t)1 << 30; /* offsets have 32 bits, edits need room behind */
    if (max_bytes == 0) max_bytes = GP_VMX_MAX_BYTES;
    return max_bytes < ceiling ? max_bytes : ceiling;
}

gp_vmx *gp_vmx_parse(const char *text, size_t length, uint64_t max_bytes, gp_error *err)
{
    gp_buf copy = GP_BUF_EMPTY;
    uint64_t limit = vmx_byte_limit(max_bytes);
    if (length > limit)
        return gp_fail_null(err, "EFBIG", "%llu bytes: larger than the limit of %llu; this is no .vmx",
                            (unsigned long long)length, (unsigned long long)limit);
    if (gp_buf_append(&copy, text, length) != 0) {
        gp_fail_memory(err);
        return NULL;
    }
    return vmx_parse_owned(&copy, limit, err);
}

void gp_vmx_free(gp_vmx *doc)
{
    if (!doc) return;
    gp_buf_free(&doc->text);
    free(doc->lines);
    free(doc->twins);
    free(doc->path);
    free(doc);
}

size_t gp_vmx_memory(const gp_vmx *doc)
{
    return sizeof *doc + doc->text.capacity + doc->capacity * sizeof *doc->lines;
}

uint32_t gp_vmx_line_count(const gp_vmx *doc)
{
    return doc->count;
}

enum gp_vmx_kind gp_vmx_line_kind(const gp_vmx *doc, uint32_t line)
{
    return (enum gp_vmx_kind)doc->lines[line].kind;
}

const char *gp_vmx_line(const gp_vmx *doc, uint32_t line, size_t *length)
{
    *length = doc->lines[line].length;
    return doc->text.data + doc->lines[line].start;
}

const char *gp_vmx_line_name(const gp_vmx *doc, uint32_t line, size_t *length)
{
    *length = doc->lines[line].name_length;
    return doc->text.data + doc->lines[line].name;
}

int gp_vmx_line_key(const gp_vmx *doc, uint32_t line, gp_buf *out)
{
    const vmx_line *l = &doc->lines[line];
    const char *name = doc->text.data + l->name;
    if (doc->encoding == ENCODING_1252) {
        vmx_from_1252(name, l->name_length, out);
    } else {
        (void)gp_buf_append(out, name, l->name_length);
    }
    return out->failed ? -1 : 0;
}

int gp_vmx_line_value(const gp_vmx *doc, uint32_t line, gp_buf *out)
{
    const vmx_line *l = &doc->lines[line];
    const char *raw = doc->text.data + l->value;
    if (doc->encoding == ENCODING_1252) {
        gp_buf bytes = GP_BUF_EMPTY;
        vmx_unescape(raw, l->value_length, &bytes);
        vmx_from_1252(bytes.data, bytes.length, out);
        if (bytes.failed) out->failed = true;
        gp_buf_free(&bytes);
    } else {
        vmx_unescape(raw, l->value_length, out);
    }
    return out->failed ? -1 : 0;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool vmx_name_equal(const char *a, size_t a_length, const char *b, size_t b_length)
{
    if (a_length != b_length) return false;
    for (size_t i = 0; i < a_length; i++) {
        if (a[i] != b[i] && lower(a[i]) != lower(b[i])) return false;
    }
    return true;
}

int64_t vmx_find_raw(const gp_vmx *doc, const char *key, size_t length)
{
    for (uint32_t i = doc->count; i-- > 0;) {
        const vmx_line *l = &doc->lines[i];
        if (l->name_length == length && l->kind == GP_VMX_PAIR &&
            vmx_name_equal(doc->text.data + l->name, length, key, length))
            return i;
    }
    return -1;
}

int64_t gp_vmx_find(const gp_vmx *doc, const char *key, size_t length)
{
    if (doc->encoding != ENCODING_1252 || vmx_is_ascii(key, length)) return vmx_find_raw(doc, key, length);
    gp_buf raw = GP_BUF_EMPTY;
    size_t bad;
    int64_t line = -1;
    if (vmx_to_1252(key, length, &raw, &bad) == 0 && !raw.failed)
        line = vmx_find_raw(doc, raw.data, raw.length);
    gp_buf_free(&raw);
    return line;
}

int gp_vmx_write(const gp_vmx *doc, gp_buf *out)
{
    if (!doc->changed) return gp_buf_append(out, doc->text.data, doc->original);
    (void)gp_buf_reserve(out, doc->text.length);
    const char *text = doc->text.data;
    if (doc->bom) (void)gp_buf_append(out, text, 3);
    /* neighbours in the text go out in one piece */
    for (uint32_t i = 0; i < doc->count;) {
        size_t from = doc->lines[i].start, to = from;
        for (; i < doc->count && doc->lines[i].start == to; i++)
            to += doc->lines[i].length + vmx_eol_length(doc->lines[i].eol);
        (void)gp_buf_append(out, text + from, to - from);
    }
    return out->failed ? -1 : 0;
}

bool gp_vmx_changed(const gp_vmx *doc)
{
    return doc->changed;
}
