#include "vim25/tape_check.h"

#include <pthread.h>
#include <string.h>

enum { TYPES_MOST = 1 << 16, FIELDS_MOST = 2 };

typedef struct rule {
    const char *type;
    const char *fields[FIELDS_MOST];
} rule;

enum { OBJECT_UPDATE, PROPERTY_CHANGE };
static const rule rules[] = {
    [OBJECT_UPDATE] = {"ObjectUpdate", {"kind", "obj"}},
    [PROPERTY_CHANGE] = {"PropertyChange", {"name", "op"}},
    {"UpdateSet", {"version"}},
    {"PropertyFilterUpdate", {"filter"}},
    {"MissingObject", {"obj", "fault"}},
    {"MissingProperty", {"path", "fault"}},
    {"TaskInfo", {"state"}},
    {"FileInfo", {"path"}},
    {"GuestFileInfo", {"path"}},
    {"GuestListFileInfo", {"remaining"}},
    {"GuestProcessInfo", {"pid"}},
    {"FileTransferInformation", {"url"}},
};
enum { RULES = sizeof rules / sizeof rules[0] };

/* By type: 1 + the rule that binds it, or SUBJECT (its properties follow) or PROPERTY. Filled once, only read after. */
enum { SUBJECT = 254, PROPERTY = 255 };
static uint8_t marks[TYPES_MOST];
static int rule_fields[RULES][FIELDS_MOST]; /* name numbers, -1: none */
static int key_obj, key_name, key_val;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int name_of(const char *text)
{
    return text ? gp_schema_name_find(text, strlen(text)) : -1;
}

static void prepare(void)
{
    for (size_t r = 0; r < RULES; r++) {
        int bound = gp_schema_type_find(rules[r].type, strlen(rules[r].type));
        for (size_t f = 0; f < FIELDS_MOST; f++)
            rule_fields[r][f] = name_of(rules[r].fields[f]);
        for (uint32_t t = GP_FIRST_NAMED; bound >= 0 && t < gp_schema_count.types; t++) {
            if (gp_schema_types[t].kind == GP_KIND_DATA && gp_schema_is_a((gp_type_id)t, (gp_type_id)bound))
                marks[t] = (uint8_t)(r + 1);
        }
    }
    marks[gp_schema_type_find("ObjectContent", 13)] = SUBJECT;
    marks[gp_schema_type_find("DynamicProperty", 15)] = PROPERTY;
    key_obj = name_of("obj");
    key_name = name_of("name");
    key_val = name_of("val");
}

/* The first child with that key which is not nil. */
static uint32_t child(const gp_tape *tape, uint32_t at, int key)
{
    const gp_cell *cells = tape->cells;
    for (uint32_t i = gp_tape_inside(tape, at); i < cells[at].as.head.end; i = gp_tape_after(tape, i))
        if (cells[i].key == key && cells[i].tag != GP_TAG_NULL) return i;
    return UINT32_MAX;
}

static int check_fields(const gp_tape *tape, uint32_t at, size_t r, gp_error *err)
{
    for (size_t f = 0; f < FIELDS_MOST && rule_fields[r][f] >= 0; f++) {
        if (child(tape, at, rule_fields[r][f]) != UINT32_MAX) continue;
        return gp_fail(err, "EPROTOCOL", "the response has %s without '%s'", gp_tape_type_name(tape, at),
                       gp_schema_name((uint16_t)rule_fields[r][f]));
    }
    return 0;
}

/* ---- property paths */

/* Behind "[key]" or "["a.b"]" at `at`; `length` when it does not end. */
static size_t behind_index(const char *path, size_t at, size_t length)
{
    bool quoted = false;
    for (at++; at < length; at++) {
        if (path[at] == '"') quoted = !quoted;
        if (path[at] == ']' && !quoted) return at + 1;
    }
    return length + 1;
}

gp_type_id gp_tape_path_type(gp_type_id owner, const char *path, size_t length, bool *list)
{
    size_t at = 0;
    *list = false;
    for (;;) {
        size_t from = at;
        while (at < length && path[at] != '.' && path[at] != '[')
            at++;
        int name = gp_schema_name_find(path + from, at - from);
        const gp_schema_field *field = name < 0 ? NULL : gp_schema_field_find(owner, (uint16_t)name, NULL);
        if (!field) return GP_VOID;
        *list = field->flags & GP_FIELD_ARRAY;
        if (at < length && path[at] == '[') {
            if (!*list) return GP_VOID;
            *list = false;
            at = behind_index(path, at, length);
        }
        if (at == length) return field->type;
        if (at > length || path[at] != '.' || *list) return GP_VOID;
        at++;
        owner = field->type;
    }
}

typedef enum shape { TEXT, NUMBER, BOOLEAN, REFERENCE, OBJECT } shape;

static shape shape_of_type(gp_type_id type)
{
    uint8_t kind = gp_schema_types[type].kind;
    if (kind == GP_KIND_DATA) return OBJECT;
    if (kind == GP_KIND_MANAGED || type == GP_MOREF) return REFERENCE;
    if (kind == GP_KIND_ENUM) return TEXT;
    return type == GP_BOOLEAN ? BOOLEAN : type >= GP_BYTE && type <= GP_DOUBLE ? NUMBER : TEXT;
}

static shape shape_of_tag(uint8_t tag)
{
    switch ((gp_tag)tag) {
    case GP_TAG_INTEGER:
    case GP_TAG_DOUBLE:
        return NUMBER;
    case GP_TAG_BOOLEAN:
        return BOOLEAN;
    case GP_TAG_MOREF:
        return REFERENCE;
    case GP_TAG_STRING:
    case GP_TAG_BINARY:
        return TEXT;
    default:
        return OBJECT;
    }
}

/* An object of a type that is not in the schema may be of a newer one that extends `slot`. */
static bool object_fits(const gp_cell *cell, gp_type_id slot)
{
    return cell->type == GP_VOID || (cell->flags & GP_CELL_NAMED) || gp_schema_is_a(cell->type, slot);
}

static bool fits(const gp_tape *tape, uint32_t at, gp_type_id slot, bool list)
{
    const gp_cell *cell = &tape->cells[at];
    if (slot <= GP_ANY) return true;
    if (cell->tag == GP_TAG_BINARY && list) return slot == GP_BYTE; /* bytes may come in one piece */
    if (list != (cell->tag == GP_TAG_ARRAY)) return false;
    if (!list) {
        shape wanted = shape_of_type(slot);
        return shape_of_tag(cell->tag) == wanted && (wanted != OBJECT || object_fits(cell, slot));
    }
    for (uint32_t i = at + 1; i < cell->as.head.end; i = gp_tape_after(tape, i))
        if (tape->cells[i].tag != GP_TAG_NULL && !fits(tape, i, slot, false)) return false;
    return true;
}

/* The paths of a page are few and come again for each object: their texts share bytes in the slab. */
typedef struct known_path {
    gp_type_id owner, type;
    bool list;
    uint32_t offset; /* 0: free */
} known_path;
enum { PATHS = 64 };

typedef struct check {
    const gp_tape *tape;
    gp_type_id subject; /* whose properties follow; GP_VOID: of no known type */
    known_path paths[PATHS];
} check;

/* The managed type that a reference names; -1 when the schema has no such type. */
static int referred(const gp_tape *tape, uint32_t at)
{
    const char *text = gp_tape_text(tape, &tape->cells[at]);
    const char *colon = memchr(text, ':', tape->cells[at].as.text.length);
    int type = colon ? gp_schema_type_find(text, (size_t)(colon - text)) : -1;
    return type > 0 && gp_schema_types[type].kind == GP_KIND_MANAGED ? type : -1;
}

static void take_subject(check *c, uint32_t at)
{
    uint32_t obj = child(c->tape, at, key_obj);
    c->subject = GP_VOID;
    if (obj == UINT32_MAX || c->tape->cells[obj].tag != GP_TAG_MOREF) return;
    int type = referred(c->tape, obj);
    if (type > 0) c->subject = (gp_type_id)type;
}

static int check_property(check *c, uint32_t at, gp_error *err)
{
    const gp_tape *tape = c->tape;
    uint32_t name = child(tape, at, key_name), value = child(tape, at, key_val);
    if (c->subject == GP_VOID || name == UINT32_MAX || value == UINT32_MAX) return 0;
    const gp_cell *path = &tape->cells[name];
    if (path->tag != GP_TAG_STRING) return 0;
    known_path *known = &c->paths[(path->as.text.offset * UINT32_C(2654435761) >> 16 ^ c->subject) % PATHS];
    if (known->offset != path->as.text.offset || known->offset == 0 || known->owner != c->subject) {
        known->type =
            gp_tape_path_type(c->subject, gp_tape_text(tape, path), path->as.text.length, &known->list);
        known->owner = c->subject;
        known->offset = path->as.text.offset;
    }
    if (known->type == GP_VOID || fits(tape, value, known->type, known->list)) return 0;
    return gp_fail(err, "EPROTOCOL", "the response has a value for '%.100s' of %s that is not a %s%s",
                   gp_tape_text(tape, path), gp_schema_type_name(c->subject), known->list ? "list of " : "",
                   gp_schema_type_name(known->type));
}

static bool has_heirs(gp_type_id type)
{
    for (uint32_t t = GP_FIRST_NAMED; t < gp_schema_count.types; t++)
        if (gp_schema_types[t].base == type) return true;
    return false;
}

/* A method that starts a task returns a Task. For a type with subtypes there may be a newer server's subtype. */
static int check_reference(const gp_tape *tape, gp_error *err)
{
    gp_type_id slot = tape->method->result;
    if (gp_schema_types[slot].kind != GP_KIND_MANAGED || tape->cells[0].tag != GP_TAG_MOREF) return 0;
    int type = referred(tape, 0);
    if (type < 0 ? has_heirs(slot) : gp_schema_is_a((gp_type_id)type, slot)) return 0;
    return gp_fail(err, "EPROTOCOL", "the response to %s is not a %s", gp_schema_text(tape->method->name),
                   gp_schema_type_name(slot));
}

static int check_result(const gp_tape *tape, gp_error *err)
{
    const gp_schema_method *m = tape->method;
    if (tape->count > 0 && tape->cells[0].tag != GP_TAG_NULL) return check_reference(tape, err);
    if (m->result == GP_VOID || (m->result_flags & (GP_FIELD_ARRAY | GP_FIELD_OPTIONAL))) return 0;
    return gp_fail(err, "EPROTOCOL", "the response to %s has no result", gp_schema_text(m->name));
}

int gp_tape_check(const gp_tape *tape, gp_error *err)
{
    (void)pthread_once(&once, prepare);
    if (tape->kind == GP_TAPE_RESULT && check_result(tape, err) != 0) return -1;
    check c = {.tape = tape, .subject = GP_VOID};
    for (uint32_t i = 0; i < tape->count; i++) {
        const gp_cell *cell = &tape->cells[i];
        uint8_t mark = cell->tag == GP_TAG_OBJECT ? marks[cell->type] : 0;
        if (mark == 0) continue;
        if (mark < SUBJECT && check_fields(tape, i, (size_t)mark - 1, err) != 0) return -1;
        if (mark == SUBJECT || mark == OBJECT_UPDATE + 1) take_subject(&c, i);
        if ((mark == PROPERTY || mark == PROPERTY_CHANGE + 1) && check_property(&c, i, err) != 0) return -1;
    }
    return 0;
}
