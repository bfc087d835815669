/* Elements -> frames and opening cells: fields, lists, objects. */
#include "vim25/decode_state.h"

#include <stdlib.h>
#include <string.h>

static claim read_claim(const gp_decode *d, int attributes, const xmlChar **list)
{
    claim c = {0};
    for (int i = 0; i < attributes; i++, list += 5) {
        const xmlChar *name = list[0], *prefix = list[1], *uri = list[2];
        size_t length = (size_t)(list[4] - list[3]);
        bool instance = uri == d->xsi || (!uri && prefix == d->xsi_prefix);
        if (name == d->xsi_type) {
            if (instance) {
                c.type = (const char *)list[3];
                c.type_length = length;
                const char *colon = memchr(c.type, ':', length);
                if (colon) {
                    c.type_length -= (size_t)(colon + 1 - c.type);
                    c.type = colon + 1;
                }
            } else if (!uri) {
                c.moref = (const char *)list[3];
                c.moref_length = length;
            }
        } else if (name == d->xsi_nil && instance) {
            c.nil = length > 0 && (list[3][0] == 't' || list[3][0] == '1');
        }
    }
    return c;
}

static bool grow_frames(gp_decode *d)
{
    if (d->depth >= d->limits.depth) {
        gp_decode_latch(d, "ELIMIT", "the response is nested deeper than %u elements", d->limits.depth);
        return false;
    }
    uint32_t capacity = d->frame_capacity ? d->frame_capacity * 2 : 32;
    if (capacity > d->limits.depth) capacity = d->limits.depth;
    frame *frames = realloc(d->frames, capacity * sizeof *frames);
    if (!frames) {
        gp_decode_latch(d, "ENOMEM", "out of memory");
        return false;
    }
    d->frames = frames;
    d->frame_capacity = capacity;
    return true;
}

frame *gp_decode_push(gp_decode *d, frame_kind kind)
{
    if (d->depth == d->frame_capacity && !grow_frames(d)) return NULL;
    frame *f = &d->frames[d->depth++];
    *f = (frame){.kind = (uint8_t)kind,
                 .key = GP_KEY_NONE,
                 .list_key = GP_KEY_NONE,
                 .cell = GP_NO_CELL,
                 .list = GP_NO_CELL};
    return f;
}

/* The frame of a leaf is the most frequent one: it has no children, so only what its end reads is set. */
static frame *push_leaf(gp_decode *d, uint16_t key, gp_type_id type)
{
    if (d->depth == d->frame_capacity && !grow_frames(d)) return NULL;
    frame *f = &d->frames[d->depth++];
    f->kind = FRAME_LEAF;
    f->key = key;
    f->type = type;
    f->text = d->tape->slab_length;
    return f;
}

/* ---- names */
/* The key of a name that is not in the schema: its index in the tape's own list. */
static uint16_t own_key(gp_decode *d, const xmlChar *name)
{
    gp_tape *t = d->tape;
    if (!d->own_slots) {
        d->own_slots = calloc(GP_DECODE_OWN_SLOTS, sizeof *d->own_slots);
        d->own_pointers = calloc(GP_DECODE_OWN_MOST, sizeof *d->own_pointers);
        t->own_names = calloc(GP_DECODE_OWN_MOST, sizeof *t->own_names);
        if (!d->own_slots || !d->own_pointers || !t->own_names) {
            gp_decode_latch(d, "ENOMEM", "out of memory");
            return GP_KEY_NONE;
        }
    }
    uintptr_t hash = (uintptr_t)name;
    hash ^= hash >> 17 ^ hash >> 7;
    for (uintptr_t at = hash % GP_DECODE_OWN_SLOTS;; at = (at + 1) % GP_DECODE_OWN_SLOTS) {
        uint16_t slot = d->own_slots[at];
        if (slot != 0 && d->own_pointers[slot - 1] == name) return (uint16_t)(GP_KEY_OWN + slot - 1);
        if (slot != 0) continue;
        if (t->own_count == GP_DECODE_OWN_MOST) {
            gp_decode_latch(d, "ELIMIT", "the response has more than %d unknown element names",
                            GP_DECODE_OWN_MOST);
            return GP_KEY_NONE;
        }
        t->own_names[t->own_count] = t->slab_length;
        if (!gp_decode_slab(d, (const char *)name, strlen((const char *)name) + 1)) return GP_KEY_NONE;
        d->own_pointers[t->own_count++] = name;
        d->own_slots[at] = t->own_count;
        return (uint16_t)(GP_KEY_OWN + t->own_count - 1);
    }
}

/* A field's position on the wire: the depth of its declaring type, then its index there. */
static uint16_t field_order(gp_type_id owner, const gp_schema_field *field)
{
    uint32_t level = 0;
    for (gp_type_id up = gp_schema_types[owner].base; up != 0; up = gp_schema_types[up].base)
        level++;
    return (uint16_t)(level << 10 | (uint32_t)(field - &gp_schema_fields[gp_schema_types[owner].first] + 1));
}

/* A type whose value is text and nothing else. */
static bool is_plain(gp_type_id type)
{
    return (type >= GP_BOOLEAN && type < GP_MOREF) || gp_schema_types[type].kind == GP_KIND_ENUM;
}

static const field_slot *find_field(gp_decode *d, gp_type_id type, const xmlChar *name)
{
    uint64_t hash = ((uint64_t)(uintptr_t)name + ((uint64_t)type << 40)) * UINT64_C(0x9e3779b97f4a7c15) >> 48;
    field_slot *slot = &d->cache[hash % GP_DECODE_CACHE],
               *neighbour = &d->cache[(hash % GP_DECODE_CACHE) ^ 1];
    if (slot->name == name && slot->type == type) return slot;
    if (neighbour->name == name && neighbour->type == type) return neighbour;
    *neighbour = *slot;
    gp_type_id owner = 0;
    int known = gp_schema_name_find((const char *)name, strlen((const char *)name));
    const gp_schema_field *field = known < 0 ? NULL : gp_schema_field_find(type, (uint16_t)known, &owner);
    slot->value = field ? field->type : GP_VOID;
    slot->order = field ? field_order(owner, field) : 0;
    if (field && (field->flags & GP_FIELD_ARRAY)) slot->order |= SLOT_LIST;
    if (field && is_plain(field->type)) slot->order |= SLOT_LEAF;
    slot->key = known < 0 ? own_key(d, name) : (uint16_t)known;
    slot->type = type;
    slot->name = name;
    return slot;
}

/* The type that an xsi:type names, -1 when it is not in the schema. */
static int find_type(gp_decode *d, const char *text, size_t length, bool *array)
{
    bool list = length > 7 && memcmp(text, "ArrayOf", 7) == 0;
    const char *name = list ? text + 7 : text;
    size_t left = list ? length - 7 : length;
    if (left == 0) return -1;
    uint32_t hash = (uint32_t)left * 5 + (unsigned char)name[left - 1] * 11u +
                    (unsigned char)name[left / 2] * 37u + (unsigned char)name[left / 4] * 3u +
                    (unsigned char)name[0] * 17u + list;
    type_slot *slot = &d->types[hash % GP_DECODE_TYPES];
    if (slot->type != 0 && slot->length == left && slot->array == list &&
        memcmp(gp_schema_type_name(slot->type), name, left) == 0) {
        *array = list;
        return slot->type;
    }
    int type = gp_schema_type_find_any(text, length, array);
    /* ArrayOfString holds string: the cache compares names literally */
    if (type > 0 && *array == list && left < 256 && !(list && type < GP_FIRST_NAMED)) {
        *slot = (type_slot){(gp_type_id)type, (uint8_t)left, list};
    }
    return type;
}

/* ---- values */
static void close_list(gp_decode *d, frame *f)
{
    if (f->list == GP_NO_CELL || d->failed) return;
    gp_cell *cell = &d->tape->cells[f->list];
    cell->as.head.count = f->list_count;
    cell->as.head.end = d->tape->count;
    f->list = GP_NO_CELL;
    f->list_key = GP_KEY_NONE;
}

/* The name of a type that is not in the schema: a cell of its own, right after the opening one. */
static bool keep_name(gp_decode *d, uint32_t cell, const claim *c)
{
    uint32_t name = gp_decode_cell(d, GP_TAG_STRING, GP_KEY_NONE, GP_STRING), start = d->tape->slab_length;
    if (name == GP_NO_CELL || !gp_decode_slab(d, c->type ? c->type : "", c->type_length)) return false;
    gp_decode_string(d, &d->tape->cells[name], start);
    d->tape->cells[cell].flags |= GP_CELL_NAMED | GP_CELL_TYPED;
    return true;
}

/* `unknown`: the server named a type that is not in the schema, in a slot of `type`: its inherited fields are read by
 * the slot's type. */
static void open_object(gp_decode *d, uint16_t key, gp_type_id type, uint8_t flags, const claim *unknown)
{
    uint32_t cell = gp_decode_cell(d, GP_TAG_OBJECT, key, type);
    if (cell == GP_NO_CELL) return;
    d->tape->cells[cell].flags = flags;
    if (unknown && !keep_name(d, cell, unknown)) return;
    frame *f = gp_decode_push(d, FRAME_OBJECT);
    if (!f) return;
    f->cell = cell;
    f->key = key;
    f->type = type;
}

static void open_array(gp_decode *d, uint16_t key, gp_type_id element)
{
    uint32_t cell = gp_decode_cell(d, GP_TAG_ARRAY, key, element);
    if (cell == GP_NO_CELL) return;
    d->tape->cells[cell].flags = GP_CELL_ANY;
    frame *f = gp_decode_push(d, FRAME_ARRAY);
    if (!f) return;
    f->cell = cell;
    f->type = element;
}

static void open_unsure(gp_decode *d, uint16_t key, const claim *c)
{
    uint32_t cell = gp_decode_cell(d, GP_TAG_OBJECT, key, GP_VOID);
    if (cell == GP_NO_CELL) return;
    if (c->type_length > 0 && !keep_name(d, cell, c)) return;
    frame *f = gp_decode_push(d, FRAME_UNSURE);
    if (!f) return;
    f->cell = cell;
    f->key = key;
    f->type = GP_VOID;
    f->text = d->tape->slab_length;
}

static void open_leaf(gp_decode *d, uint16_t key, gp_type_id type, const claim *c)
{
    frame *f = push_leaf(d, key, type);
    if (!f || (type != GP_MOREF && gp_schema_types[type].kind != GP_KIND_MANAGED)) return;
    /* A moref's text is "Type:value": its type first. */
    const char *name = c->moref;
    size_t length = c->moref_length;
    if (!name) {
        name = gp_schema_type_name(type);
        length = strlen(name);
    }
    f->type = GP_MOREF;
    if (gp_decode_slab(d, name, length)) gp_decode_slab(d, ":", 1);
}

/* Latches EPROTOCOL: the value in the slot `key` is `got` where the schema has a `slot`. */
static void misfit(gp_decode *d, uint16_t key, gp_type_id slot, const char *got, size_t length)
{
    const char *name = key == GP_KEY_NONE ? "a value"
                       : key < GP_KEY_OWN ? gp_schema_name(key)
                                          : d->tape->slab + d->tape->own_names[key - GP_KEY_OWN];
    gp_decode_latch(d, "EPROTOCOL", "in the response, %s is %.*s, but the schema requires %s", name,
                    (int)(length < 60 ? length : 60), got, gp_schema_type_name(slot));
}

static bool is_number(gp_type_id type)
{
    return type >= GP_BYTE && type <= GP_DOUBLE;
}

static bool is_text(gp_type_id type)
{
    return type == GP_STRING || type == GP_DATETIME || type == GP_URI ||
           gp_schema_types[type].kind == GP_KIND_ENUM;
}

/* The type to read a value by, whose type the server names as `type`: GP_VOID when it does not fit the slot. Numbers
 * are read by the slot's type, whatever their own, so that a slot's cell always has the slot's tag. */
static gp_type_id fit(gp_type_id slot, gp_type_id type)
{
    uint8_t kind = gp_schema_types[slot].kind;
    if (kind == GP_KIND_DATA)
        return gp_schema_types[type].kind == GP_KIND_DATA && gp_schema_is_a(type, slot) ? type : GP_VOID;
    if (slot == GP_MOREF || kind == GP_KIND_MANAGED) {
        if (type == GP_MOREF) return slot;
        return gp_schema_types[type].kind == GP_KIND_MANAGED ? type : GP_VOID;
    }
    if (slot == type || (is_number(slot) && is_number(type)) || (is_text(slot) && is_text(type))) return slot;
    return GP_VOID;
}

void gp_decode_value(gp_decode *d, uint16_t key, gp_type_id slot, const claim *c)
{
    if (c->nil) {
        (void)gp_decode_cell(d, GP_TAG_NULL, key, slot);
        (void)gp_decode_push(d, FRAME_SKIP);
        return;
    }
    bool array = false;
    int type = slot;
    if (c->type) {
        type = find_type(d, c->type, c->type_length, &array);
        if (array) {
            if (slot > GP_ANY) {
                misfit(d, key, slot, c->type, c->type_length);
                return;
            }
            open_array(d, key, type < 0 ? GP_VOID : (gp_type_id)type);
            return;
        }
    }
    if (slot > GP_ANY) { /* the schema declares this slot */
        if (type < 0 && gp_schema_types[slot].kind == GP_KIND_DATA) {
            open_object(d, key, slot, 0, c);
            return;
        }
        type = type <= GP_ANY ? slot : fit(slot, (gp_type_id)type);
        if (type == GP_VOID) {
            misfit(d, key, slot, c->type, c->type_length);
            return;
        }
    }
    if (type <= GP_ANY) { /* of unknown type */
        open_unsure(d, key, c);
        return;
    }
    gp_type_id actual = (gp_type_id)type;
    if (gp_schema_types[actual].kind == GP_KIND_DATA) {
        bool typed = actual != slot || gp_schema_polymorphic(slot);
        open_object(d, key, actual, typed ? GP_CELL_TYPED : 0, NULL);
    } else {
        open_leaf(d, key, actual, c);
    }
}

static void mark_merge(gp_decode *d, const frame *f)
{
    if (f->cell != GP_NO_CELL) d->tape->cells[f->cell].flags |= GP_CELL_MERGE;
}

/* A child of an object: a field, or one element of a list that the schema declares there. */
static void open_field(gp_decode *d, const xmlChar *name, const claim *c)
{
    frame *f = &d->frames[d->depth - 1];
    const field_slot *slot = find_field(d, f->type, name);
    if (d->failed) return;
    uint16_t order = slot->order & SLOT_ORDER, key = slot->key;
    bool plain = (slot->order & SLOT_LEAF) && !c->type && !c->nil;
    if (order != 0 && !(slot->order & SLOT_LIST)) {
        if (f->list != GP_NO_CELL) close_list(d, f);
        f->count++;
        if (order <= f->order) mark_merge(d, f);
        f->order = order;
    } else {
        if (f->list == GP_NO_CELL || f->list_key != key) {
            close_list(d, f);
            uint32_t list = gp_decode_cell(d, order ? GP_TAG_ARRAY : GP_TAG_MANY, key, slot->value);
            if (list == GP_NO_CELL) return;
            f->list = list;
            f->list_key = key;
            f->list_count = 0;
            f->count++;
            if (order <= f->order) mark_merge(d, f); /* unknown fields too: their order is 0 */
            if (order != 0) f->order = order;
        }
        f->list_count++;
        key = GP_KEY_NONE;
    }
    if (plain)
        (void)push_leaf(d, key, slot->value);
    else
        gp_decode_value(d, key, slot->value, c);
}

void gp_decode_start(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int namespaces, const xmlChar **namespace_list, int attributes, int defaulted,
                     const xmlChar **list)
{
    (void)prefix;
    (void)namespace_list;
    (void)defaulted;
    gp_decode *d = data;
    if (d->failed) return;
    if ((uint32_t)attributes + (uint32_t)namespaces > d->limits.attributes) {
        gp_decode_latch(d, "ELIMIT", "an element in the response has more than %u attributes",
                        d->limits.attributes);
        return;
    }
    if (namespaces > 0 && d->parser->nsNr > 2 * GP_DECODE_NAMESPACES_MOST) { /* pairs of prefix and URI */
        gp_decode_latch(d, "ELIMIT", "the response has more than %d namespaces in scope",
                        GP_DECODE_NAMESPACES_MOST);
        return;
    }
    static const claim nothing;
    claim said;
    const claim *c = &nothing;
    if (attributes > 0) {
        said = read_claim(d, attributes, list);
        c = &said;
    }
    if (d->depth == 0) {
        d->outside(d, name, uri, c);
        return;
    }
    frame *f = &d->frames[d->depth - 1];
    switch (f->kind) {
    case FRAME_UNSURE: /* it has a child: an object, and the text so far was white space between elements */
        f->kind = FRAME_OBJECT;
        d->tape->slab_length = f->text;
        open_field(d, name, c);
        break;
    case FRAME_OBJECT:
        open_field(d, name, c);
        break;
    case FRAME_ARRAY: {
        f->count++;
        gp_decode_value(d, GP_KEY_NONE, f->type, c);
        break;
    }
    default:
        d->outside(d, name, uri, c);
        break;
    }
}

/* ---- the end of an element */
static void close_object(gp_decode *d, frame *f)
{
    close_list(d, f);
    gp_cell *cell = &d->tape->cells[f->cell];
    cell->as.head.count = f->count;
    cell->as.head.end = d->tape->count;
}

/* Without children: text, unless it is an empty object of a type that was named. */
static void close_unsure(gp_decode *d, frame *f)
{
    gp_tape *t = d->tape;
    gp_cell *cell = &t->cells[f->cell];
    if ((cell->flags & GP_CELL_NAMED) && t->slab_length == f->text) {
        close_object(d, f);
        return;
    }
    t->count = f->cell + 1;
    cell->tag = GP_TAG_STRING;
    cell->type = GP_STRING;
    cell->flags = 0;
    gp_decode_string(d, cell, f->text);
}

static uint32_t keep_text(gp_decode *d, const frame *f)
{
    uint32_t start = f->text;
    return gp_decode_slab(d, "", 1) ? start : 0;
}

void gp_decode_end(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    (void)name;
    (void)prefix;
    (void)uri;
    gp_decode *d = data;
    if (d->failed || d->depth == 0) return;
    frame *f = &d->frames[d->depth - 1];
    switch (f->kind) {
    case FRAME_LEAF:
        gp_decode_leaf(d, f);
        break;
    case FRAME_OBJECT:
    case FRAME_ARRAY:
        close_object(d, f);
        break;
    case FRAME_UNSURE:
        close_unsure(d, f);
        break;
    case FRAME_RESPONSE:
        close_list(d, f);
        break;
    case FRAME_FAULT_CODE:
        d->tape->fault_code = keep_text(d, f);
        break;
    case FRAME_FAULT_STRING:
        d->tape->fault_string = keep_text(d, f);
        break;
    case FRAME_ENVELOPE:
        if (!d->saw_body) gp_decode_latch(d, "EPROTOCOL", "the SOAP envelope is empty");
        break;
    default:
        break;
    }
    d->depth--;
    if (d->depth == 0) d->done = true;
}
