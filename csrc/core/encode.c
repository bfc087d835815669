#include "encode.h"

#include "base64.h"
#include "encode_text.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct step {
    const char *name;
    uint32_t index; /* 0: not a list element */
    bool item;      /* an element of an ArrayOfX: in a path its name is left out */
} step;

/* Where a secret field stands in the body. */
typedef struct span {
    size_t start, end;
    const char *name;
} span;

struct gp_encode {
    gp_buf body;
    span *secrets;
    size_t secret_count, secret_capacity;
    uint32_t secret_depth; /* the path's length inside the secret being written, 0 when outside */
    const gp_schema_method *method;
    int server;
    bool any_array; /* the innermost path element is an ArrayOfX */
    uint32_t depth;
    step path[GP_ENCODE_DEPTH];
    char action[48];
};

gp_encode *gp_encode_new(int server, gp_error *err)
{
    gp_encode *e = calloc(1, sizeof *e);
    if (!e) {
        gp_fail_memory(err);
        return NULL;
    }
    e->server = server;
    (void)snprintf(e->action, sizeof e->action, "urn:vim25/%s", gp_schema_version_name(server));
    return e;
}

void gp_encode_free(gp_encode *e)
{
    if (!e) return;
    gp_buf_free(&e->body); /* wipes by itself when secret */
    free(e->secrets);
    free(e);
}

gp_buf *gp_encode_body(gp_encode *e)
{
    return &e->body;
}

bool gp_encode_secret(const gp_encode *e)
{
    return e->body.secret;
}

const char *gp_encode_action(const gp_encode *e)
{
    return e->action;
}

const gp_schema_method *gp_encode_method(const gp_encode *e)
{
    return e->method;
}

/* ---- errors with their path */
static void write_path(const gp_encode *e, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < e->depth; i++) {
        const step *s = &e->path[i];
        if (e->depth > 24 && i == 12) { /* a cycle: its middle says nothing new */
            i = e->depth - 4;
            s = &e->path[i];
            used += (size_t)snprintf(out + used, size - used, "%s", "...");
            if (used >= size) return;
        }
        if (!s->item) {
            used += (size_t)snprintf(out + used, size - used, "%s%s", i > 0 ? "." : "", s->name);
            if (used >= size) return;
        }
        if (s->index > 0) {
            used += (size_t)snprintf(out + used, size - used, "[%u]", s->index);
            if (used >= size) return;
        }
    }
}

int gp_encode_fail(const gp_encode *e, gp_error *err, const char *code, const char *format, ...)
{
    char path[480], message[480];
    write_path(e, path, sizeof path);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (path[0] == '\0') return gp_fail(err, code, "%s", message);
    return gp_fail(err, code, "%s: %s", path, message);
}

static int memory(const gp_encode *e, gp_error *err)
{
    return e->body.failed ? gp_fail_memory(err) : 0;
}

static const char *hint(char *out, size_t size, const char *nearest)
{
    if (nearest[0] != '\0')
        (void)snprintf(out, size, " (did you mean '%s'?)", nearest);
    else
        out[0] = '\0';
    return out;
}

int gp_encode_unknown_field(const gp_encode *e, gp_type_id type, const char *name, gp_error *err)
{
    char near[GP_NEAREST_SIZE], text[GP_NEAREST_SIZE + 24];
    hint(text, sizeof text, gp_schema_nearest_field(type, name, near));
    return gp_encode_fail(e, err, "EARGUMENT", "%s has no field '%.100s'%s", gp_schema_type_name(type), name,
                          text);
}

int gp_encode_missing(const gp_encode *e, const char *name, gp_type_id type, gp_error *err)
{
    return gp_encode_fail(e, err, "EARGUMENT", "required %s '%s' is missing",
                          type == GP_VOID ? "argument" : "field", name);
}

/* ---- the frame */
int gp_encode_begin(gp_encode *e, const gp_schema_method *method, const char *this_type,
                    const char *this_value, const char *operation_id, gp_error *err)
{
    size_t at;
    const char *name = gp_schema_text(method->name);
    if (!gp_schema_knows(e->server, method->version)) {
        return gp_fail(err, "EVERSION", "%s needs a server of version %s, this one speaks %s", name,
                       gp_schema_since(method->version), gp_schema_version_name(e->server));
    }
    const char *checked[] = {this_type, this_value, operation_id ? operation_id : ""};
    for (size_t i = 0; i < 3; i++) {
        const char *fault = gp_encode_text_fault(checked[i], strlen(checked[i]), &at);
        if (fault) return gp_fail(err, "ERANGE", "%s: the text of _this or operationID %s", name, fault);
    }
    int managed = gp_schema_type_find(this_type, strlen(this_type));
    if (managed >= 0 && !gp_schema_is_a((gp_type_id)managed, method->owner)) {
        return gp_fail(err, "EARGUMENT", "%s is a method of %s, not of %s", name,
                       gp_schema_type_name(method->owner), this_type);
    }
    gp_buf_clear(&e->body);
    e->method = method;
    e->depth = e->secret_depth = 0;
    e->secret_count = 0;
    gp_buf *b = &e->body;
    gp_buf_puts(b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                   "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" "
                   "xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" "
                   "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">");
    if (operation_id) {
        gp_buf_puts(b, "<soapenv:Header><operationID>");
        gp_encode_text_escape(b, operation_id, strlen(operation_id));
        gp_buf_puts(b, "</operationID></soapenv:Header>");
    }
    gp_buf_printf(b, "<soapenv:Body><%s xmlns=\"urn:vim25\"><_this type=\"", name);
    gp_encode_text_escape(b, this_type, strlen(this_type));
    gp_buf_puts(b, "\">");
    gp_encode_text_escape(b, this_value, strlen(this_value));
    gp_buf_puts(b, "</_this>");
    return memory(e, err);
}

int gp_encode_end(gp_encode *e, gp_error *err)
{
    gp_buf_printf(&e->body, "</%s></soapenv:Body></soapenv:Envelope>", gp_schema_text(e->method->name));
    return memory(e, err);
}

/* ---- the path */
int gp_encode_enter(gp_encode *e, const char *name, uint32_t index, gp_error *err)
{
    if (e->depth == GP_ENCODE_DEPTH) {
        return gp_encode_fail(e, err, "EARGUMENT",
                              "nested deeper than %d levels: does a table contain itself?", GP_ENCODE_DEPTH);
    }
    e->path[e->depth++] = (step){name, index, e->any_array};
    e->any_array = false;
    return 0;
}

void gp_encode_leave(gp_encode *e)
{
    if (e->secret_depth == e->depth) {
        e->secrets[e->secret_count - 1].end = e->body.length;
        e->secret_depth = 0;
    }
    step *s = &e->path[--e->depth];
    e->any_array = s->item;
}

int gp_encode_field(gp_encode *e, const gp_schema_field *field, gp_error *err)
{
    if (!gp_schema_knows(e->server, field->version)) {
        return gp_encode_fail(e, err, "EVERSION", "needs a server of version %s, this one speaks %s",
                              gp_schema_since(field->version), gp_schema_version_name(e->server));
    }
    if ((field->flags & GP_FIELD_SECRET) && e->secret_depth == 0) {
        if (e->secret_count == e->secret_capacity) {
            size_t capacity = e->secret_capacity ? e->secret_capacity * 2 : 4;
            span *secrets = realloc(e->secrets, capacity * sizeof *secrets);
            if (!secrets) return gp_fail_memory(err);
            e->secrets = secrets;
            e->secret_capacity = capacity;
        }
        e->body.secret = true;
        e->secrets[e->secret_count++] = (span){e->body.length, e->body.length, e->path[e->depth - 1].name};
        e->secret_depth = e->depth;
    }
    return 0;
}

int gp_encode_redacted(const gp_encode *e, gp_buf *out)
{
    size_t at = 0;
    for (size_t i = 0; i < e->secret_count; i++) {
        const span *s = &e->secrets[i];
        gp_buf_append(out, e->body.data + at, s->start - at);
        gp_buf_printf(out, "<%s>(secret)</%s>", s->name, s->name);
        at = s->end;
    }
    return gp_buf_append(out, e->body.data + at, e->body.length - at);
}

/* ---- elements */
static const char *tag(const gp_encode *e)
{
    return e->path[e->depth - 1].name;
}

static void open_tag(gp_encode *e, const char *prefix, const char *type)
{
    gp_buf_putc(&e->body, '<');
    gp_buf_puts(&e->body, tag(e));
    if (type) {
        gp_buf_puts(&e->body, " xsi:type=\"");
        gp_buf_puts(&e->body, prefix);
        gp_buf_puts(&e->body, type);
        gp_buf_putc(&e->body, '"');
    }
    gp_buf_putc(&e->body, '>');
}

int gp_encode_close(gp_encode *e, gp_error *err)
{
    gp_buf_append(&e->body, "</", 2);
    gp_buf_puts(&e->body, tag(e));
    gp_buf_putc(&e->body, '>');
    return memory(e, err);
}

static int abstract(const gp_encode *e, gp_type_id slot, gp_error *err)
{
    char some[200] = "";
    size_t used = 0;
    int shown = 0;
    for (uint32_t i = GP_FIRST_NAMED; i < gp_schema_count.types && shown < 3; i++) {
        gp_type_id type = (gp_type_id)i;
        if (type == slot || !gp_schema_is_a(type, slot) || (gp_schema_types[i].flags & GP_TYPE_ABSTRACT))
            continue;
        used += (size_t)snprintf(some + used, sizeof some - used, "%s%s", shown > 0 ? ", " : "",
                                 gp_schema_type_name(type));
        if (used >= sizeof some) break;
        shown++;
    }
    return gp_encode_fail(e, err, "EARGUMENT", "%s is abstract: say which one by _type (%s...)",
                          gp_schema_type_name(slot), some);
}

int gp_encode_object(gp_encode *e, gp_type_id slot, gp_type_id actual, gp_type_id *type, gp_error *err)
{
    const gp_schema_type *declared = &gp_schema_types[slot];
    if (slot != GP_ANY && declared->kind != GP_KIND_DATA) {
        return gp_encode_fail(e, err, "EARGUMENT", "expects %s, got an object",
                              declared->kind == GP_KIND_MANAGED ? "a managed object"
                                                                : gp_schema_type_name(slot));
    }
    if (actual == GP_VOID) {
        if (slot == GP_ANY)
            return gp_encode_fail(e, err, "EARGUMENT", "a table in an anyType slot needs _type");
        if (declared->flags & GP_TYPE_ABSTRACT) return abstract(e, slot, err);
        actual = slot;
    }
    if (gp_schema_types[actual].kind != GP_KIND_DATA || !gp_schema_is_a(actual, slot)) {
        return gp_encode_fail(e, err, "EARGUMENT", "expects %s, and %s is none", gp_schema_type_name(slot),
                              gp_schema_type_name(actual));
    }
    if (!gp_schema_knows(e->server, gp_schema_types[actual].version)) {
        return gp_encode_fail(e, err, "EVERSION", "%s needs a server of version %s, this one speaks %s",
                              gp_schema_type_name(actual), gp_schema_since(gp_schema_types[actual].version),
                              gp_schema_version_name(e->server));
    }
    bool say = actual != slot || gp_schema_polymorphic(slot);
    open_tag(e, "", say ? gp_schema_type_name(actual) : NULL);
    if (type) *type = actual;
    return memory(e, err);
}

int gp_encode_array(gp_encode *e, gp_type_id element, gp_error *err)
{
    char name[96];
    if (!gp_schema_knows(e->server, gp_schema_types[element].version)) {
        return gp_encode_fail(e, err, "EVERSION", "%s needs a server of version %s",
                              gp_schema_type_name(element),
                              gp_schema_since(gp_schema_types[element].version));
    }
    gp_schema_array_name(element, name, sizeof name);
    open_tag(e, "", name);
    e->any_array = true;
    return memory(e, err);
}

const char *gp_encode_element_name(gp_type_id element)
{
    return gp_schema_type_name(gp_schema_types[element].kind == GP_KIND_MANAGED ? GP_MOREF : element);
}

/* ---- leaves */
static const char *given_name(const gp_scalar_value *value)
{
    static const char *const names[] = {"a boolean", "an integer", "a number", "a string"};
    return names[value->given];
}

static int wrong(const gp_encode *e, gp_type_id slot, const gp_scalar_value *value, gp_error *err)
{
    const char *name = gp_schema_type_name(slot);
    switch (gp_schema_types[slot].kind) {
    case GP_KIND_DATA:
        return gp_encode_fail(e, err, "EARGUMENT", "expects an object of type %s, got %s", name,
                              given_name(value));
    case GP_KIND_MANAGED:
        return gp_encode_fail(e, err, "EARGUMENT", "expects a managed object (%s), got %s", name,
                              given_name(value));
    case GP_KIND_ENUM:
        return gp_encode_fail(e, err, "EARGUMENT", "expects a value of %s, got %s", name, given_name(value));
    default:
        return gp_encode_fail(e, err, "EARGUMENT", "expects %s, got %s", name, given_name(value));
    }
}

static int write_integer(gp_encode *e, gp_type_id slot, const gp_scalar_value *value, gp_error *err)
{
    int64_t integer = value->integer;
    if (value->given == GP_GIVEN_NUMBER) {
        if (!(value->number >= -9223372036854775808.0 && value->number < 9223372036854775808.0)) {
            return gp_encode_fail(e, err, "ERANGE", "%.17g does not fit %s", value->number,
                                  gp_schema_type_name(slot));
        }
        integer = (int64_t)value->number;
        if ((double)integer != value->number) {
            return gp_encode_fail(e, err, "ERANGE", "%.17g is not a whole number", value->number);
        }
    } else if (value->given != GP_GIVEN_INTEGER) {
        return wrong(e, slot, value, err);
    }
    static const int64_t low[] = {INT8_MIN, INT16_MIN, INT32_MIN, INT64_MIN};
    static const int64_t high[] = {INT8_MAX, INT16_MAX, INT32_MAX, INT64_MAX};
    if (integer < low[slot - GP_BYTE] || integer > high[slot - GP_BYTE]) {
        return gp_encode_fail(e, err, "ERANGE", "%lld does not fit %s (%lld to %lld)", (long long)integer,
                              gp_schema_type_name(slot), (long long)low[slot - GP_BYTE],
                              (long long)high[slot - GP_BYTE]);
    }
    gp_buf_printf(&e->body, "%lld", (long long)integer);
    return 0;
}

static int write_number(gp_encode *e, gp_type_id slot, const gp_scalar_value *value, gp_error *err)
{
    if (value->given != GP_GIVEN_INTEGER && value->given != GP_GIVEN_NUMBER)
        return wrong(e, slot, value, err);
    double number = value->given == GP_GIVEN_INTEGER ? (double)value->integer : value->number;
    if (!isfinite(number) || (slot == GP_FLOAT && fabs(number) > (double)FLT_MAX)) {
        return gp_encode_fail(e, err, "ERANGE", "%g does not fit %s", number, gp_schema_type_name(slot));
    }
    char text[40];
    gp_encode_text_number(text, number, slot == GP_FLOAT);
    gp_buf_puts(&e->body, text);
    return 0;
}

static int write_text(gp_encode *e, const gp_scalar_value *value, gp_error *err)
{
    size_t at = 0;
    const char *fault = gp_encode_text_fault(value->text, value->length, &at);
    if (fault) return gp_encode_fail(e, err, "ERANGE", "the text %s (at byte %zu)", fault, at + 1);
    gp_encode_text_escape(&e->body, value->text, value->length);
    return 0;
}

static int write_enum(gp_encode *e, gp_type_id slot, const gp_scalar_value *value, gp_error *err)
{
    if (!gp_schema_enum_has(slot, value->text, value->length)) {
        char near[GP_NEAREST_SIZE], text[GP_NEAREST_SIZE + 24], name[64];
        (void)snprintf(name, sizeof name, "%.*s", (int)(value->length < 60 ? value->length : 60),
                       value->text);
        hint(text, sizeof text, gp_schema_nearest_value(slot, name, near));
        return gp_encode_fail(e, err, "ERANGE", "'%s' is no %s%s", name, gp_schema_type_name(slot), text);
    }
    gp_buf_append(&e->body, value->text, value->length);
    return 0;
}

static int write_time(gp_encode *e, const gp_scalar_value *value, gp_error *err)
{
    char text[40];
    if (value->given == GP_GIVEN_TEXT) {
        if (!gp_encode_text_is_time(value->text, value->length)) {
            return gp_encode_fail(e, err, "ERANGE", "'%.40s' is no dateTime (2026-01-31T23:59:59Z)",
                                  value->text);
        }
        gp_buf_append(&e->body, value->text, value->length);
        return 0;
    }
    if (value->given == GP_GIVEN_BOOLEAN) return wrong(e, GP_DATETIME, value, err);
    double seconds = value->given == GP_GIVEN_INTEGER ? (double)value->integer : value->number;
    if (gp_encode_text_time(text, seconds) != 0) {
        return gp_encode_fail(e, err, "ERANGE", "%g seconds is no time between the years 1 and 9999",
                              seconds);
    }
    gp_buf_puts(&e->body, text);
    return 0;
}

static int write_leaf(gp_encode *e, gp_type_id type, const gp_scalar_value *value, gp_error *err)
{
    switch (type) {
    case GP_BYTE:
    case GP_SHORT:
    case GP_INT:
    case GP_LONG:
        return write_integer(e, type, value, err);
    case GP_FLOAT:
    case GP_DOUBLE:
        return write_number(e, type, value, err);
    case GP_DATETIME:
        return write_time(e, value, err);
    case GP_BOOLEAN:
        if (value->given != GP_GIVEN_BOOLEAN) return wrong(e, type, value, err);
        gp_buf_puts(&e->body, value->integer ? "true" : "false");
        return 0;
    default:
        break;
    }
    if (value->given != GP_GIVEN_TEXT) return wrong(e, type, value, err);
    if (gp_schema_types[type].kind == GP_KIND_ENUM) return write_enum(e, type, value, err);
    if (type == GP_STRING || type == GP_URI) return write_text(e, value, err);
    if (type == GP_BINARY) {
        gp_base64_encode(&e->body, value->text, value->length);
        return 0;
    }
    return wrong(e, type, value, err);
}

/* What a plain value is in an anyType slot. */
static int any_type(const gp_encode *e, const gp_scalar_value *value, gp_type_id *type, gp_error *err)
{
    static const gp_type_id of[] = {GP_BOOLEAN, GP_VOID, GP_DOUBLE, GP_STRING};
    *type = of[value->given];
    if (*type != GP_VOID) return 0;
    long long n = (long long)value->integer;
    return gp_encode_fail(e, err, "EARGUMENT",
                          "an integer in an anyType slot has to say which: vim.int(%lld), vim.long(%lld), "
                          "vim.short(%lld) or vim.byte(%lld)",
                          n, n, n, n);
}

int gp_encode_scalar(gp_encode *e, gp_type_id slot, gp_type_id as, const gp_scalar_value *value,
                     gp_error *err)
{
    gp_type_id type = slot;
    const char *prefix = "xsd:", *say = NULL;
    if (slot == GP_ANY) {
        type = as;
        if (as == GP_VOID && any_type(e, value, &type, err) != 0) return -1;
        if (gp_schema_types[type].kind == GP_KIND_ENUM) prefix = "";
        say = gp_schema_type_name(type);
    }
    open_tag(e, prefix, say);
    if (write_leaf(e, type, value, err) != 0) return -1;
    return gp_encode_close(e, err);
}

int gp_encode_moref(gp_encode *e, gp_type_id slot, const char *type, size_t type_length, const char *value,
                    size_t value_length, gp_error *err)
{
    size_t at;
    uint8_t kind = gp_schema_types[slot].kind;
    if (slot != GP_ANY && slot != GP_MOREF && kind != GP_KIND_MANAGED) {
        return gp_encode_fail(e, err, "EARGUMENT", "expects %s, got a managed object",
                              gp_schema_type_name(slot));
    }
    const char *fault = gp_encode_text_fault(type, type_length, &at);
    if (!fault) fault = gp_encode_text_fault(value, value_length, &at);
    if (fault) return gp_encode_fail(e, err, "ERANGE", "the reference's text %s", fault);
    if (type_length == 0 || value_length == 0) return gp_encode_fail(e, err, "ERANGE", "an empty reference");
    int known = gp_schema_type_find(type, type_length);
    if (known >= 0 && kind == GP_KIND_MANAGED && !gp_schema_is_a((gp_type_id)known, slot)) {
        return gp_encode_fail(e, err, "EARGUMENT", "expects a %s, got a %s", gp_schema_type_name(slot),
                              gp_schema_type_name((gp_type_id)known));
    }
    gp_buf *b = &e->body;
    gp_buf_putc(b, '<');
    gp_buf_puts(b, tag(e));
    if (slot == GP_ANY) gp_buf_puts(b, " xsi:type=\"ManagedObjectReference\"");
    gp_buf_puts(b, " type=\"");
    gp_encode_text_escape(b, type, type_length);
    gp_buf_puts(b, "\">");
    gp_encode_text_escape(b, value, value_length);
    return gp_encode_close(e, err);
}
