#include "vim25/encode_state.h"

#include "vim25/encode_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

const char *gp_encode_hint(char *out, size_t size, const char *nearest)
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
    gp_encode_hint(text, sizeof text, gp_schema_nearest_field(type, name, near));
    return gp_encode_fail(e, err, "EARGUMENT", "%s has no field '%.100s'%s", gp_schema_type_name(type), name,
                          text);
}

int gp_encode_missing(const gp_encode *e, const char *name, gp_type_id type, gp_error *err)
{
    return gp_encode_fail(e, err, "EARGUMENT", "required %s '%s' is missing",
                          type == GP_VOID ? "argument" : "field", name);
}

/* Begins a secret at the end of the body. */
static int open_secret(gp_encode *e, const char *name, gp_error *err)
{
    if (e->secret_count == e->secret_capacity) {
        size_t capacity = e->secret_capacity ? e->secret_capacity * 2 : 4;
        span *secrets = realloc(e->secrets, capacity * sizeof *secrets);
        if (!secrets) return gp_fail_memory(err);
        e->secrets = secrets;
        e->secret_capacity = capacity;
    }
    e->body.secret = true;
    e->secrets[e->secret_count++] = (span){e->body.length, e->body.length, name};
    return 0;
}

/* ---- the frame */
void gp_encode_security(gp_encode *e, const char *xml, size_t length, const char *body_id)
{
    e->security = xml;
    e->security_length = length;
    e->body_id = body_id;
}

static int write_header(gp_encode *e, const char *operation_id, gp_error *err)
{
    gp_buf *b = &e->body;
    if (!operation_id && !e->security) return 0;
    gp_buf_puts(b, "<soapenv:Header>");
    if (operation_id) {
        gp_buf_puts(b, "<operationID>");
        gp_encode_text_escape(b, operation_id, strlen(operation_id));
        gp_buf_puts(b, "</operationID>");
    }
    if (e->security) {
        if (open_secret(e, "wsse:Security", err) != 0) return -1;
        gp_buf_append(b, e->security, e->security_length);
        e->secrets[e->secret_count - 1].end = b->length;
    }
    gp_buf_puts(b, "</soapenv:Header>");
    return 0;
}

/* The name space is that of WS-Security; the names must be as the signature's canonical form has them. */
static void open_body(gp_encode *e)
{
    gp_buf_puts(&e->body, "<soapenv:Body");
    if (e->body_id) {
        gp_buf_puts(&e->body, " xmlns:wsu=\"http://docs.oasis-open.org/wss/2004/01/"
                              "oasis-200401-wss-wssecurity-utility-1.0.xsd\" wsu:Id=\"");
        gp_encode_text_escape(&e->body, e->body_id, strlen(e->body_id));
        gp_buf_putc(&e->body, '"');
    }
    gp_buf_putc(&e->body, '>');
}

int gp_encode_begin(gp_encode *e, const gp_schema_method *method, const char *this_type,
                    const char *this_value, const char *operation_id, gp_error *err)
{
    size_t at;
    const char *name = gp_schema_text(method->name);
    if (!gp_schema_knows(e->server, method->version)) {
        return gp_fail(err, "EVERSION", "%s requires vSphere API version %s; this server supports %s", name,
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
    if (write_header(e, operation_id, err) != 0) return -1;
    open_body(e);
    e->security = e->body_id = NULL;
    gp_buf_printf(b, "<%s xmlns=\"urn:vim25\"><_this type=\"", name);
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
        return gp_encode_fail(e, err, "EVERSION", "requires vSphere API version %s; this server supports %s",
                              gp_schema_since(field->version), gp_schema_version_name(e->server));
    }
    if ((field->flags & GP_FIELD_SECRET) && e->secret_depth == 0) {
        if (open_secret(e, e->path[e->depth - 1].name, err) != 0) return -1;
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
        gp_buf_printf(out, "<%s missing=\"secret\"/>", s->name); /* no text can look like it: < is escaped */
        at = s->end;
    }
    return gp_buf_append(out, e->body.data + at, e->body.length - at);
}

/* ---- elements */
void gp_encode_open_tag(gp_encode *e, const char *prefix, const char *type)
{
    gp_buf_putc(&e->body, '<');
    gp_buf_puts(&e->body, gp_encode_tag(e));
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
    gp_buf_puts(&e->body, gp_encode_tag(e));
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
    return gp_encode_fail(e, err, "EARGUMENT", "%s is abstract: set _type to a concrete type (%s...)",
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
            return gp_encode_fail(e, err, "EARGUMENT", "a table in an anyType field needs _type");
        if (declared->flags & GP_TYPE_ABSTRACT) return abstract(e, slot, err);
        actual = slot;
    }
    if (gp_schema_types[actual].kind != GP_KIND_DATA || !gp_schema_is_a(actual, slot)) {
        return gp_encode_fail(e, err, "EARGUMENT", "expects %s, got %s", gp_schema_type_name(slot),
                              gp_schema_type_name(actual));
    }
    if (!gp_schema_knows(e->server, gp_schema_types[actual].version)) {
        return gp_encode_fail(e, err, "EVERSION",
                              "%s requires vSphere API version %s; this server supports %s",
                              gp_schema_type_name(actual), gp_schema_since(gp_schema_types[actual].version),
                              gp_schema_version_name(e->server));
    }
    bool say = actual != slot || gp_schema_polymorphic(slot);
    gp_encode_open_tag(e, "", say ? gp_schema_type_name(actual) : NULL);
    if (type) *type = actual;
    return memory(e, err);
}

int gp_encode_array(gp_encode *e, gp_type_id element, gp_error *err)
{
    char name[96];
    if (!gp_schema_knows(e->server, gp_schema_types[element].version)) {
        return gp_encode_fail(e, err, "EVERSION", "%s requires vSphere API version %s",
                              gp_schema_type_name(element),
                              gp_schema_since(gp_schema_types[element].version));
    }
    gp_schema_array_name(element, name, sizeof name);
    gp_encode_open_tag(e, "", name);
    e->any_array = true;
    return memory(e, err);
}

const char *gp_encode_element_name(gp_type_id element)
{
    return gp_schema_type_name(gp_schema_types[element].kind == GP_KIND_MANAGED ? GP_MOREF : element);
}
