/* The document's inside, shared by the vmx_*.c files only. */
#ifndef GP_VMX_INSIDE_H
#define GP_VMX_INSIDE_H

#include "offline/vmx.h"

enum vmx_eol { EOL_NONE, EOL_LF, EOL_CRLF, EOL_CR };

enum vmx_encoding { ENCODING_UTF8, ENCODING_1252, ENCODING_ASCII };

/* All offsets point into doc->text; the line's end follows its bytes directly. */
typedef struct vmx_line {
    uint32_t start, length;
    uint32_t name, name_length;
    uint32_t value, value_length; /* between the quotes, when quoted */
    uint8_t kind, eol, quoted, fault;
    uint8_t opened; /* had no end, being the last; got one because a line was put behind it */
} vmx_line;

struct gp_vmx {
    gp_buf text;
    size_t original; /* the first bytes of text, as they were read */
    vmx_line *lines;
    uint32_t count, capacity;
    uint32_t *twins; /* per line: 1 + the earlier line with the same key; NULL until indexed */
    uint64_t max_bytes;
    size_t live_edits; /* bytes of edited lines still in use */
    char *path;
    enum vmx_encoding encoding;
    bool bom, changed;
};

static inline size_t vmx_eol_length(uint8_t eol)
{
    return eol == EOL_NONE ? 0 : eol == EOL_CRLF ? 2 : 1;
}

/* Takes over `text` (emptied), success or not. */
gp_vmx *vmx_parse_owned(gp_buf *text, uint64_t max_bytes, gp_error *err);
/* 0 is the default; never more than offsets of 32 bits and room for edits allow. */
uint64_t vmx_byte_limit(uint64_t max_bytes);

/* Reads one line's parts by the grammar: fills kind, name, value, quoted, fault from start and length. */
void vmx_line_read(const char *text, vmx_line *line);

/* Makes room for one more line; -1 when memory or the limit is reached. */
int vmx_lines_reserve(gp_vmx *doc, uint32_t more, gp_error *err);

bool vmx_name_equal(const char *a, size_t a_length, const char *b, size_t b_length);

/* gp_vmx_find for a key in the document's own encoding. */
int64_t vmx_find_raw(const gp_vmx *doc, const char *key, size_t length);

/* vmx_text.c */
void vmx_unescape(const char *raw, size_t length, gp_buf *out);
void vmx_escape(const char *value, size_t length, gp_buf *out);
bool vmx_escape_is_bad(const char *raw, size_t length);
bool vmx_is_ascii(const char *bytes, size_t length);
/* Position of the first byte that is not UTF-8, or length. */
size_t vmx_utf8_valid(const char *bytes, size_t length);
void vmx_from_1252(const char *bytes, size_t length, gp_buf *out);
/* -1 when a character has no place in windows-1252 (its offset in *bad) or is not UTF-8. */
int vmx_to_1252(const char *utf8, size_t length, gp_buf *out, size_t *bad);
/* Which encoding a value of `.encoding` names; -1 for one that is not ASCII below 0x80 at all. */
int vmx_encoding_named(const char *name, size_t length, enum vmx_encoding *encoding);

#endif
