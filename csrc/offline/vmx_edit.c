/* Edits: the changed line is appended after the original text, every other line keeps its bytes. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "offline/vmx_inside.h"

static void touched(gp_vmx *doc)
{
    doc->changed = true;
    free(doc->twins);
    doc->twins = NULL;
}

static bool is_edit(const gp_vmx *doc, const vmx_line *line)
{
    return line->start >= doc->original;
}

/* Throws away edited lines that were edited again, so that a document edited for ever stays small. */
static int compact(gp_vmx *doc, gp_error *err)
{
    gp_buf tail = GP_BUF_EMPTY;
    if (doc->text.length - doc->original < 2 * doc->live_edits + 65536) return 0;
    for (uint32_t i = 0; i < doc->count; i++) {
        const vmx_line *line = &doc->lines[i];
        if (line->start < doc->original) continue;
        (void)gp_buf_append(&tail, doc->text.data + line->start, line->length + vmx_eol_length(line->eol));
    }
    if (tail.failed) {
        gp_buf_free(&tail);
        return gp_fail_memory(err);
    }
    doc->text.length = doc->original;
    (void)gp_buf_append(&doc->text, tail.data, tail.length);
    uint32_t at = (uint32_t)doc->original;
    for (uint32_t i = 0; i < doc->count; i++) {
        vmx_line *line = &doc->lines[i];
        if (line->start < doc->original) continue;
        line->start = at;
        vmx_line_read(doc->text.data, line);
        at += line->length + (uint32_t)vmx_eol_length(line->eol);
    }
    gp_buf_free(&tail);
    return 0;
}

/* Puts `bytes` and the line's end behind the text and reads them as `line`. */
static int write_line(gp_vmx *doc, const gp_buf *bytes, uint8_t eol, vmx_line *line, gp_error *err)
{
    static const char *const ends[] = {"", "\n", "\r\n", "\r"};
    if (bytes->failed) return gp_fail_memory(err);
    if (doc->text.length + bytes->length > doc->original + doc->max_bytes)
        return gp_fail(err, "EFBIG", "the edits exceed the limit of %llu bytes",
                       (unsigned long long)doc->max_bytes);
    if (gp_buf_reserve(&doc->text, bytes->length + 2) != 0) {
        doc->text.failed = false; /* the document is whole and stays usable */
        return gp_fail_memory(err);
    }
    vmx_line fresh = {.start = (uint32_t)doc->text.length, .length = (uint32_t)bytes->length, .eol = eol};
    (void)gp_buf_append(&doc->text, bytes->data, bytes->length);
    (void)gp_buf_append(&doc->text, ends[eol], vmx_eol_length(eol));
    vmx_line_read(doc->text.data, &fresh);
    *line = fresh;
    doc->live_edits += fresh.length + 2;
    return 0;
}

static void forget(gp_vmx *doc, const vmx_line *line)
{
    if (is_edit(doc, line)) doc->live_edits -= line->length + 2;
}

/* The same line with another end. */
static int change_end(gp_vmx *doc, uint32_t at, uint8_t eol, gp_error *err)
{
    gp_buf bytes = GP_BUF_EMPTY;
    vmx_line fresh;
    const vmx_line *line = &doc->lines[at];
    (void)gp_buf_append(&bytes, doc->text.data + line->start, line->length);
    int result = write_line(doc, &bytes, eol, &fresh, err);
    if (result == 0) {
        fresh.opened = doc->lines[at].eol == EOL_NONE;
        forget(doc, &doc->lines[at]);
        doc->lines[at] = fresh;
    }
    gp_buf_free(&bytes);
    return result;
}

/* ---------------------------------------------------------------------------------------------------------
 * Where a new key goes: behind the last line of its nearest kin.
 *   4  same dotted parent              pciPassthru0.id            pciPassthru0.present
 *   3  parents share leading parts     ethernet0.a.b              ethernet0.c
 *   2  same family but for the number  pciPassthru.use64bitMMIO   pciPassthru0.present     scsi1:0.x  scsi0.y
 *   1  both without a dot              memsize                    numvcpus
 */
static size_t first_part(const char *name, size_t length)
{
    const char *dot = length > 1 ? memchr(name + 1, '.', length - 1) : NULL;
    return dot ? (size_t)(dot - name) : length;
}

static size_t parent_length(const char *name, size_t length)
{
    while (length > 0 && name[length - 1] != '.')
        length--;
    return length;
}

static size_t family_length(const char *name, size_t length)
{
    length = first_part(name, length);
    while (length > 1 && ((name[length - 1] >= '0' && name[length - 1] <= '9') || name[length - 1] == ':'))
        length--;
    return length;
}

static int kinship(const char *a, size_t a_length, const char *b, size_t b_length)
{
    if (a[0] == '.' || b[0] == '.') return a[0] == b[0] ? 4 : 0;
    bool a_dotted = first_part(a, a_length) < a_length, b_dotted = first_part(b, b_length) < b_length;
    if (!a_dotted && !b_dotted) return 1;
    if (vmx_name_equal(a, family_length(a, a_length), b, family_length(b, b_length))) {
        if (a_dotted && b_dotted &&
            vmx_name_equal(a, parent_length(a, a_length), b, parent_length(b, b_length)))
            return 4;
        if (vmx_name_equal(a, first_part(a, a_length), b, first_part(b, b_length))) return 3;
        return 2;
    }
    return 0;
}

/* The index the new line gets. */
static uint32_t place_for(const gp_vmx *doc, const char *key, size_t length)
{
    const char *text = doc->text.data;
    int best = 0;
    uint32_t at = 0;
    for (uint32_t i = 0; i < doc->count; i++) {
        const vmx_line *line = &doc->lines[i];
        if (line->kind != GP_VMX_PAIR) continue;
        int kin = kinship(key, length, text + line->name, line->name_length);
        if (kin > 0 && kin >= best) {
            best = kin;
            at = i + 1;
        }
    }
    if (best > 1) return at;
    if (key[0] == '.') {
        /* hosts write dot-keys first; a shebang stays before them */
        bool shebang =
            doc->count > 0 && doc->lines[0].length >= 2 && memcmp(text + doc->lines[0].start, "#!", 2) == 0;
        return shebang ? 1 : 0;
    }
    if (best == 1) return at;
    /* at the end, but before trailing blank lines */
    at = doc->count;
    while (at > 0 && doc->lines[at - 1].kind == GP_VMX_BLANK)
        at--;
    return at;
}

static uint8_t usual_end(const gp_vmx *doc, uint32_t at)
{
    for (uint32_t i = at; i-- > 0;) {
        if (doc->lines[i].eol != EOL_NONE) return doc->lines[i].eol;
    }
    for (uint32_t i = at; i < doc->count; i++) {
        if (doc->lines[i].eol != EOL_NONE) return doc->lines[i].eol;
    }
    return EOL_LF;
}

static int insert_line(gp_vmx *doc, uint32_t at, const gp_buf *bytes, gp_error *err)
{
    uint8_t eol = usual_end(doc, at);
    vmx_line fresh;
    if (vmx_lines_reserve(doc, 1, err) != 0) return -1;
    bool behind_open_end = at > 0 && at == doc->count && doc->lines[at - 1].eol == EOL_NONE;
    if (behind_open_end && change_end(doc, at - 1, eol, err) != 0) return -1;
    /* a file whose last line had no end keeps that */
    if (write_line(doc, bytes, behind_open_end ? EOL_NONE : eol, &fresh, err) != 0) {
        if (behind_open_end) {
            gp_error ignored;
            (void)change_end(doc, at - 1, EOL_NONE, &ignored);
        }
        return -1;
    }
    memmove(&doc->lines[at + 1], &doc->lines[at], (doc->count - at) * sizeof *doc->lines);
    doc->lines[at] = fresh;
    doc->count++;
    touched(doc);
    return 0;
}

/* The line with another value: its name's spelling, its spacing and the comment behind it stay. */
static int replace_value(gp_vmx *doc, uint32_t at, const gp_buf *value, gp_error *err)
{
    gp_buf bytes = GP_BUF_EMPTY;
    vmx_line fresh;
    const vmx_line *line = &doc->lines[at];
    const char *text = doc->text.data;
    uint32_t from = line->value - line->quoted;
    uint32_t to = line->value + line->value_length + line->quoted, end = line->start + line->length;
    (void)gp_buf_append(&bytes, text + line->start, from - line->start);
    if (line->value_length == 0 && !line->quoted && text[from - 1] == '=' && text[from - 2] == ' ')
        (void)gp_buf_putc(&bytes, ' ');
    (void)gp_buf_putc(&bytes, '"');
    vmx_escape(value->data, value->length, &bytes);
    (void)gp_buf_putc(&bytes, '"');
    if (to < end && text[to] == '#') (void)gp_buf_putc(&bytes, ' ');
    (void)gp_buf_append(&bytes, text + to, end - to);
    int result = write_line(doc, &bytes, line->eol, &fresh, err);
    if (result == 0) {
        fresh.opened = doc->lines[at].opened;
        forget(doc, &doc->lines[at]);
        doc->lines[at] = fresh;
        touched(doc);
    }
    gp_buf_free(&bytes);
    return result;
}

/* ---------------------------------------------------------------------------------------------------------
 */

static int check_key(const char *key, size_t length, gp_error *err)
{
    static const char forbidden[] = " \t#=\r\n"; /* its zero byte counts too */
    if (length == 0) return gp_fail(err, "EINVAL", "a key cannot be empty");
    for (size_t i = 0; i < length; i++) {
        if (memchr(forbidden, key[i], sizeof forbidden))
            return gp_fail(err, "EINVAL",
                           "a key cannot hold blanks, '#', '=', line ends or zero bytes: \"%.*s\"",
                           length < 60 ? (int)length : 60, key);
    }
    if (length >= 3 && memcmp(key, "\xef\xbb\xbf", 3) == 0)
        return gp_fail(err, "EINVAL", "a key cannot begin with a byte order mark");
    return 0;
}

/* UTF-8 from the caller to the document's bytes. */
static int encode(const gp_vmx *doc, const char *what, const char *text, size_t length, gp_buf *out,
                  gp_error *err)
{
    size_t bad = 0;
    if (doc->encoding == ENCODING_UTF8 || vmx_is_ascii(text, length)) {
        (void)gp_buf_append(out, text, length);
    } else if (doc->encoding == ENCODING_ASCII) {
        return gp_fail(err, "EENCODING",
                       "%s is not plain ASCII, and gpupt cannot write this file's .encoding", what);
    } else if (vmx_to_1252(text, length, out, &bad) != 0) {
        return gp_fail(err, "EENCODING", "%s: byte %zu has no place in windows-1252, this file's .encoding",
                       what, bad + 1);
    }
    return out->failed ? gp_fail_memory(err) : 0;
}

static int check_encoding_change(const gp_vmx *doc, const char *key, size_t key_length, const char *value,
                                 size_t value_length, gp_error *err)
{
    enum vmx_encoding wanted;
    if (!vmx_name_equal(key, key_length, ".encoding", 9)) return 0;
    int known = value ? vmx_encoding_named(value, value_length, &wanted) : (wanted = ENCODING_UTF8, 0);
    if (known != 0 || (wanted == ENCODING_ASCII && !vmx_is_ascii(value, value_length)))
        return gp_fail(err, "EENCODING", "a .vmx cannot be written in that .encoding");
    if (wanted == doc->encoding) return 0;
    gp_buf all = GP_BUF_EMPTY;
    int result = 0;
    if (gp_vmx_write(doc, &all) != 0) {
        result = gp_fail_memory(err);
    } else if (!vmx_is_ascii(all.data ? all.data : "", all.length)) {
        result = gp_fail(
            err, "EENCODING",
            "the file holds text beyond ASCII: changing .encoding alone would garble it; convert it first");
    }
    gp_buf_free(&all);
    return result;
}

/* Whether the kept line `at` and the line that now follows it would run together: a lone CR before a line
 * that is only LF is read as one line's end. */
static bool would_merge(const vmx_line *before, const vmx_line *after)
{
    return before->eol == EOL_CR && after->length == 0 && after->eol == EOL_LF;
}

static bool has_key(const gp_vmx *doc, const vmx_line *line, const char *key, size_t length)
{
    return line->name_length == length && line->kind == GP_VMX_PAIR &&
           vmx_name_equal(doc->text.data + line->name, length, key, length);
}

/* Removes the lines of a key but for line `keep` (UINT32_MAX: all). When memory runs out in the
 * middle the rest stays, and the document is whole. */
static int remove_all(gp_vmx *doc, const char *key, size_t length, uint32_t keep, uint32_t *removed,
                      gp_error *err)
{
    int result = 0;
    uint32_t kept = 0;
    bool gap = false; /* something was removed directly before this line */
    while (kept < doc->count && (kept == keep || !has_key(doc, &doc->lines[kept], key, length)))
        kept++;
    for (uint32_t i = kept; i < doc->count; i++) {
        vmx_line line = doc->lines[i];
        bool doomed = result == 0 && i != keep && has_key(doc, &line, key, length);
        if (doomed && i + 1 == doc->count && line.eol == EOL_NONE && kept > 0 &&
            doc->lines[kept - 1].opened) {
            /* what was put behind a last line without an end goes: that line is the last again */
            result = change_end(doc, kept - 1, EOL_NONE, err);
            doomed = result == 0;
        }
        if (doomed) {
            forget(doc, &line);
            (*removed)++;
            gap = true;
            continue;
        }
        if (gap && kept > 0 && result == 0 && would_merge(&doc->lines[kept - 1], &line))
            result = change_end(doc, kept - 1, EOL_CRLF, err);
        gap = false;
        doc->lines[kept++] = line;
    }
    doc->count = kept;
    if (*removed > 0) touched(doc);
    return result;
}

static int same_value(const gp_vmx *doc, uint32_t at, const gp_buf *value)
{
    gp_buf now = GP_BUF_EMPTY;
    const vmx_line *line = &doc->lines[at];
    vmx_unescape(doc->text.data + line->value, line->value_length, &now);
    int same = now.failed ? -1
                          : now.length == value->length &&
                                (now.length == 0 || memcmp(now.data, value->data, now.length) == 0);
    gp_buf_free(&now);
    return same;
}

int gp_vmx_set(gp_vmx *doc, const char *key, size_t key_length, const char *value, size_t value_length,
               gp_error *err)
{
    int result = -1;
    uint32_t removed = 0;
    gp_buf name = GP_BUF_EMPTY, bytes = GP_BUF_EMPTY, line = GP_BUF_EMPTY;
    if (check_key(key, key_length, err) != 0 ||
        check_encoding_change(doc, key, key_length, value, value_length, err) != 0 ||
        compact(doc, err) != 0 || encode(doc, "the key", key, key_length, &name, err) != 0 ||
        encode(doc, "the value", value, value_length, &bytes, err) != 0)
        goto out;
    const char *raw = gp_buf_string(&name);
    if (!raw) {
        gp_fail_memory(err);
        goto out;
    }
    int64_t at = vmx_find_raw(doc, raw, name.length);
    if (at >= 0) {
        int same = same_value(doc, (uint32_t)at, &bytes);
        if (same < 0) {
            gp_fail_memory(err);
            goto out;
        }
        if (!same && replace_value(doc, (uint32_t)at, &bytes, err) != 0) goto out;
        if (remove_all(doc, raw, name.length, (uint32_t)at, &removed, err) != 0) goto out;
    } else {
        (void)gp_buf_append(&line, raw, name.length);
        (void)gp_buf_puts(&line, " = \"");
        vmx_escape(bytes.data, bytes.length, &line);
        (void)gp_buf_putc(&line, '"');
        if (insert_line(doc, place_for(doc, raw, name.length), &line, err) != 0) goto out;
    }
    if (vmx_name_equal(key, key_length, ".encoding", 9))
        (void)vmx_encoding_named(value, value_length, &doc->encoding);
    result = 0;
out:
    gp_buf_free(&name);
    gp_buf_free(&bytes);
    gp_buf_free(&line);
    return result;
}

int gp_vmx_unset(gp_vmx *doc, const char *key, size_t key_length, uint32_t *removed, gp_error *err)
{
    gp_buf name = GP_BUF_EMPTY;
    *removed = 0;
    if (doc->encoding == ENCODING_1252 && !vmx_is_ascii(key, key_length)) {
        size_t bad;
        if (vmx_to_1252(key, key_length, &name, &bad) != 0) {
            gp_buf_free(&name);
            return 0; /* a key that the file cannot hold is not in it */
        }
    } else {
        (void)gp_buf_append(&name, key, key_length);
    }
    int result = -1;
    if (name.failed) {
        gp_fail_memory(err);
        goto out;
    }
    if (name.length == 0 || vmx_find_raw(doc, name.data, name.length) < 0) {
        result = 0;
        goto out;
    }
    if (check_encoding_change(doc, key, key_length, NULL, 0, err) != 0 || compact(doc, err) != 0 ||
        remove_all(doc, name.data, name.length, UINT32_MAX, removed, err) != 0)
        goto out;
    if (vmx_name_equal(key, key_length, ".encoding", 9)) doc->encoding = ENCODING_UTF8;
    result = 0;
out:
    gp_buf_free(&name);
    return result;
}
