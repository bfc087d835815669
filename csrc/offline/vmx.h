/* A .vmx file as a lossless document.
 *
 * The text is kept as it was read, cut into lines that only point into it; an edit writes the new line behind
 * the original text and points there:
 *
 *   text  ->[ original bytes ........................ | edited lines ... ]
 *   lines ->  {start, length, eol, kind, name, value}  {...}  {...}  in document order
 *
 * Writing walks the lines, so whatever was not edited comes out byte for byte: comments, odd lines, spacing,
 * any mixture of LF, CRLF and CR, a byte order mark, a missing last newline. The grammar is the one of
 * VMware's own dictionary reader (open-vm-tools lib/dict/dictll.c): a line that does not fit it is kept as an
 * "odd" line. Keys compare without case (ASCII). The last of several equal keys is the one that counts here;
 * hosts refuse the file.
 *
 * A value is decoded on reading: |XX escapes first, then `.encoding` (UTF-8, or windows-1252 converted to
 * UTF-8).
 */
#ifndef GP_VMX_H
#define GP_VMX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

#define GP_VMX_MAX_BYTES ((uint64_t)16 << 20)
#define GP_VMX_MAX_LINES ((uint32_t)1 << 20)

typedef struct gp_vmx gp_vmx;

enum gp_vmx_kind { GP_VMX_BLANK, GP_VMX_COMMENT, GP_VMX_PAIR, GP_VMX_ODD };

enum gp_vmx_problem {
    GP_VMX_NO_PROBLEM,
    GP_VMX_UNBALANCED, /* a quoted value without its closing quote */
    GP_VMX_TRAILING,   /* text behind the value */
    GP_VMX_NO_NAME,    /* nothing before the = */
    GP_VMX_NO_EQUALS,  /* no = at all */
    GP_VMX_DUPLICATE,  /* the key is on an earlier line too */
    GP_VMX_ESCAPE,     /* a | that begins no |XX: it stays as it is */
    GP_VMX_UTF8,       /* the document is UTF-8, this line is not */
};

/* Copies and cuts up `text`. EFBIG above `max_bytes` (0: GP_VMX_MAX_BYTES) or GP_VMX_MAX_LINES lines, EPARSE
 * for binary content, EENCODING for an `.encoding` that cannot be read. Free with gp_vmx_free. */
gp_vmx *gp_vmx_parse(const char *text, size_t length, uint64_t max_bytes, gp_error *err);
/* The same from a file, which gp_vmx_save may then replace. */
gp_vmx *gp_vmx_open(const char *path, uint64_t max_bytes, gp_error *err);
void gp_vmx_free(gp_vmx *doc);

/* Where it was opened or last saved, or NULL. */
const char *gp_vmx_path(const gp_vmx *doc);

/* Bytes that the document holds. */
size_t gp_vmx_memory(const gp_vmx *doc);

uint32_t gp_vmx_line_count(const gp_vmx *doc);
enum gp_vmx_kind gp_vmx_line_kind(const gp_vmx *doc, uint32_t line);
/* Raw bytes of a line without its end; valid until the next edit. Lines count from 0 here. */
const char *gp_vmx_line(const gp_vmx *doc, uint32_t line, size_t *length);
/* Name (raw) of a pair line; valid until the next edit. */
const char *gp_vmx_line_name(const gp_vmx *doc, uint32_t line, size_t *length);

/* Appends the key or the decoded value of a pair line, as UTF-8 (bytes that are none are kept). */
int gp_vmx_line_key(const gp_vmx *doc, uint32_t line, gp_buf *out);
int gp_vmx_line_value(const gp_vmx *doc, uint32_t line, gp_buf *out);

/* The last line that defines `key`, or -1. */
int64_t gp_vmx_find(const gp_vmx *doc, const char *key, size_t length);

/* Gives `key` this value: on its last line when it has one (earlier ones are removed), else on a new line
 * beside its namespace. Nothing is touched when the value is the same already. EINVAL for what cannot be a
 * key, EENCODING for text that the document's encoding cannot hold. */
int gp_vmx_set(gp_vmx *doc, const char *key, size_t key_length, const char *value, size_t value_length,
               gp_error *err);
/* Removes every line of `key`; `removed` gets their number. */
int gp_vmx_unset(gp_vmx *doc, const char *key, size_t key_length, uint32_t *removed, gp_error *err);

/* Gives the document another text, as an edit of all its lines: it is saved like one. The document stays as
 * it was when this fails (EPARSE, EFBIG, EENCODING). */
int gp_vmx_replace_text(gp_vmx *doc, const char *text, size_t length, gp_error *err);

/* The whole document. */
int gp_vmx_write(const gp_vmx *doc, gp_buf *out);

/* True when the document differs from what was read. */
bool gp_vmx_changed(const gp_vmx *doc);

/* What is wrong with line `line` by its form alone; `first` gets the earlier line of a duplicate. Needs
 * gp_vmx_index_duplicates once after the last edit. */
int gp_vmx_index_duplicates(gp_vmx *doc, gp_error *err);
enum gp_vmx_problem gp_vmx_problem_at(const gp_vmx *doc, uint32_t line, uint32_t *first);

/* Writes to `path` (NULL: where it was read from). Its own file is replaced only when it still holds what was
 * read; another existing file only with `overwrite`. Refuses (ELOCKED) while a .lck says that the VM runs. */
int gp_vmx_save(gp_vmx *doc, const char *path, bool overwrite, gp_error *err);

#endif
