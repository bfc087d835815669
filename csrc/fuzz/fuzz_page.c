/* links: net
 *
 * Walking a tape that need not come from the decoder: the bytes are cells of any tag, key and type, well-formed as a
 * tree and nothing else (a token that is a number, a list instead of a name). Code that walks a tape looks at a cell's
 * tag before reading it as text: numbers here are wild as offsets, so that a sanitizer sees it when one does not. The
 * first byte chooses the method. A property path follows after a zero byte.
 */
#include "vim25/tape_check.h"
#include "vim25/tape_page.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CELLS = 512, DEEPEST = 12 };

static const char *const methods[] = {"RetrievePropertiesEx", "RetrieveProperties",   "WaitForUpdatesEx",
                                      "CurrentTime",          "CreateFilter",         "ListFilesInGuest",
                                      "SearchDatastore_Task", "ListProcessesInGuest", "FindByUuid"};
static const char *const keys[] = {"objects",   "token",      "obj",       "propSet", "name",
                                   "val",       "missingSet", "path",      "fault",   "filterSet",
                                   "objectSet", "version",    "changeSet", "op",      "kind",
                                   "filter",    "message",    "state",     "url",     "remaining"};
static const char *const types[] = {
    "ObjectContent",  "DynamicProperty", "RetrieveResult",  "UpdateSet",
    "ObjectUpdate",   "PropertyChange",  "MissingProperty", "PropertyFilterUpdate",
    "TaskInfo",       "MissingObject",   "string",          "int",
    "VirtualMachine", "anyType",         "FolderFileInfo",  "LocalizedMethodFault"};
/* Texts of the slab, each zero-terminated; strings and references point at their beginnings. */
static const char slab[] =
    "\0name\0VirtualMachine:vm-1\0config.hardware.device[\"a.b\"].key\0info\0Task:t\0token\0summary.vm";
static const uint8_t texts[] = {0, 1, 6, 26, 58, 63, 70, 76};

typedef struct source {
    const uint8_t *at, *end;
} source;

static uint8_t next(source *s)
{
    return s->at < s->end ? *s->at++ : 0;
}

static void must(int condition)
{
    if (!condition) abort();
}

static void build(gp_tape *tape, source *s, unsigned depth)
{
    if (tape->count >= CELLS) return;
    uint32_t at = tape->count++;
    gp_cell *cell = &tape->cells[at];
    uint8_t what = next(s), key = next(s), type = next(s);
    *cell = (gp_cell){.tag = (uint8_t)(what % (GP_TAG_NULL + 1)), .key = GP_KEY_NONE};
    if (key < sizeof keys / sizeof keys[0])
        cell->key = (uint16_t)gp_schema_name_find(keys[key], strlen(keys[key]));
    else if (key < 128)
        cell->key = GP_KEY_OWN;
    const char *name = types[type % (sizeof types / sizeof types[0])];
    cell->type = (gp_type_id)gp_schema_type_find(name, strlen(name));
    if (cell->tag <= GP_TAG_MANY) {
        uint32_t children = next(s) % 8, made = 0;
        for (; made < children && depth < DEEPEST && s->at < s->end && tape->count < CELLS; made++)
            build(tape, s, depth + 1);
        tape->cells[at].as.head.count = made;
        tape->cells[at].as.head.end = tape->count;
    } else if (cell->tag == GP_TAG_STRING || cell->tag == GP_TAG_BINARY || cell->tag == GP_TAG_MOREF) {
        uint8_t text = texts[cell->tag == GP_TAG_MOREF ? 2 : next(s) % sizeof texts];
        cell->as.text.offset = text;
        cell->as.text.length = (uint32_t)strlen(slab + text);
    } else {
        cell->as.integer = (int64_t)((uint64_t)0x7fff7ff0 << 32 | (uint64_t)next(s) << 24 | 0x00fffff0);
    }
}

static void read_text(const gp_tape *tape, const gp_cell *cell)
{
    uint64_t sum = 0;
    must((uint64_t)cell->as.text.offset + cell->as.text.length < tape->slab_length);
    for (uint32_t i = 0; i < cell->as.text.length; i++)
        sum += (unsigned char)gp_tape_text(tape, cell)[i];
    must(sum < UINT32_MAX);
}

static uint32_t walk_pairs(const gp_tape *tape, gp_pairs pairs)
{
    uint32_t count = 0;
    while (gp_pairs_next(&pairs)) {
        must(pairs.first < tape->count && pairs.second < tape->count);
        must(tape->cells[pairs.first].tag == GP_TAG_STRING);
        read_text(tape, &tape->cells[pairs.first]);
        must(++count <= tape->count);
    }
    return count;
}

static void walk_page(const gp_tape *tape)
{
    gp_error err;
    gp_page page;
    gp_page_object object;
    if (!gp_page_is(tape)) return;
    if (gp_page_open(&page, tape, &err) != 0) {
        must(strcmp(err.code, "EPROTOCOL") == 0 && err.message[0] != '\0');
        return;
    }
    if (page.token) read_text(tape, page.token);
    uint32_t objects = 0;
    while (gp_page_next(&page, &object)) {
        must(tape->cells[object.reference].tag == GP_TAG_MOREF);
        read_text(tape, &tape->cells[object.reference]);
        uint32_t properties = walk_pairs(tape, gp_page_properties(&page, &object));
        must(properties + walk_pairs(tape, gp_page_missing(&page, &object)) <= tape->count);
        must(++objects <= page.count);
    }
    must(objects == page.count);
}

static void read_fault(const gp_tape *tape)
{
    char code[96];
    gp_buf message = GP_BUF_EMPTY;
    must(gp_tape_fault_text(tape, &message, code, sizeof code) == 0 && message.length > 0);
    gp_buf_free(&message);
}

static void read_path(const uint8_t *bytes, size_t length)
{
    bool list;
    static const char *const owners[] = {"VirtualMachine", "Task", "HostSystem"};
    for (size_t i = 0; i < 3; i++) {
        int owner = gp_schema_type_find(owners[i], strlen(owners[i]));
        gp_type_id type = gp_tape_path_type((gp_type_id)owner, (const char *)bytes, length, &list);
        must(type < gp_schema_count.types);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    const uint8_t *zero = memchr(data + 1, 0, size - 1);
    if (zero) { /* a copy of its own size, so that reading beyond the path is seen */
        size_t length = size - (size_t)(zero + 1 - data);
        uint8_t *path = malloc(length ? length : 1);
        must(path != NULL);
        if (length) memcpy(path, zero + 1, length);
        read_path(path, length);
        free(path);
    }
    gp_error err;
    const char *name = methods[data[0] % (sizeof methods / sizeof methods[0])];
    uint32_t own_names[1] = {1};
    gp_tape tape = {
        .method = gp_schema_method_find(name, strlen(name)), .own_names = own_names, .own_count = 1};
    tape.kind = data[0] >= 128 ? GP_TAPE_FAULT : GP_TAPE_RESULT;
    tape.cells = malloc(CELLS * sizeof *tape.cells);
    tape.slab = malloc(sizeof slab);
    must(tape.method && tape.cells && tape.slab);
    memcpy(tape.slab, slab, sizeof slab);
    tape.slab_length = sizeof slab;
    source s = {data + 1, data + size};
    while (s.at < s.end && tape.count == 0)
        build(&tape, &s, 0);
    if (gp_tape_check(&tape, &err) != 0) must(strcmp(err.code, "EPROTOCOL") == 0);
    if (tape.kind == GP_TAPE_FAULT) read_fault(&tape);
    walk_page(&tape);
    free(tape.cells);
    free(tape.slab);
    return 0;
}
