#include "vim25/tape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void gp_tape_free(gp_tape *tape)
{
    if (!tape) return;
    free(tape->cells);
    free(tape->slab);
    free(tape->own_names);
    free(tape);
}

const char *gp_tape_key(const gp_tape *tape, const gp_cell *cell)
{
    if (cell->key == GP_KEY_NONE) return NULL;
    if (cell->key < GP_KEY_OWN) return gp_schema_name(cell->key);
    return tape->slab + tape->own_names[cell->key - GP_KEY_OWN];
}

uint32_t gp_tape_after(const gp_tape *tape, uint32_t at)
{
    return tape->cells[at].tag <= GP_TAG_MANY ? tape->cells[at].as.head.end : at + 1;
}

const char *gp_tape_type_name(const gp_tape *tape, uint32_t at)
{
    const gp_cell *cell = &tape->cells[at];
    if (cell->flags & GP_CELL_NAMED) return gp_tape_text(tape, cell + 1);
    return gp_schema_type_name(cell->type);
}

/* A fault's sentences are looked for in what is there already, so their number and length are bounded. */
enum { MESSAGE_MOST = 16384, SENTENCES_MOST = 200 };

/* The bytes of a text that fit, without the first half of a UTF-8 character at their end. */
static size_t cut(const char *text, size_t length, size_t most)
{
    if (length <= most) return length;
    while (most > 0 && ((unsigned char)text[most] & 0xc0) == 0x80)
        most--;
    return most;
}

/* Adds a sentence unless the message has it already. */
static void add_sentence(gp_buf *message, const char *text, size_t length)
{
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\n'))
        length--;
    while (length > 0 && (text[0] == ' ' || text[0] == '\n'))
        text++, length--;
    if (length == 0) return;
    const char *whole = gp_buf_string(message);
    for (const char *p = whole; p && (p = strchr(p, text[0])) != NULL; p++) {
        if (strncmp(p, text, length) == 0) return;
    }
    if (message->length >= MESSAGE_MOST) return;
    if (message->length > 0) gp_buf_puts(message, "; ");
    size_t kept = cut(text, length, MESSAGE_MOST);
    gp_buf_append(message, text, kept);
    if (kept < length) gp_buf_puts(message, "...");
}

int gp_tape_fault_text(const gp_tape *tape, gp_buf *message, char *code, size_t code_size)
{
    (void)snprintf(code, code_size, "%s", "SoapFault");
    add_sentence(message, tape->slab + tape->fault_string, strlen(tape->slab + tape->fault_string));
    if (tape->count > 0 && tape->cells[0].tag == GP_TAG_OBJECT) {
        (void)snprintf(code, code_size, "%s", gp_tape_type_name(tape, 0));
    }
    /* Every `message` of a LocalizableMessage and every localizedMessage, wherever in the tree. */
    int said = gp_schema_name_find("message", 7), localized = gp_schema_name_find("localizedMessage", 16);
    int sentences = 0;
    for (uint32_t i = 0; i < tape->count && sentences < SENTENCES_MOST; i++) {
        const gp_cell *cell = &tape->cells[i];
        if (cell->tag == GP_TAG_STRING && (cell->key == said || cell->key == localized)) {
            add_sentence(message, gp_tape_text(tape, cell), cell->as.text.length);
            sentences++;
        }
    }
    if (message->length == 0) {
        const char *reason = tape->slab + tape->fault_code;
        add_sentence(message, code, strlen(code));
        if (strcmp(code, "SoapFault") == 0) add_sentence(message, reason, strlen(reason));
    }
    return message->failed ? -1 : 0;
}
