/* The frame around a value: envelope, body, response or fault. */
#include "vim25/decode_state.h"

#include <string.h>

static const char soap[] = "http://schemas.xmlsoap.org/soap/envelope/";

static bool is_soap(const xmlChar *uri)
{
    return uri && strcmp((const char *)uri, soap) == 0;
}

static bool is_name(const xmlChar *name, const char *text)
{
    return strcmp((const char *)name, text) == 0;
}

static bool is_body(const xmlChar *name, const xmlChar *uri)
{
    return is_name(name, "Body") && is_soap(uri);
}

static void open_in_body(gp_decode *d, const xmlChar *name, const xmlChar *uri)
{
    if (d->saw_body) {
        (void)gp_decode_push(d, FRAME_SKIP);
        return;
    }
    d->saw_body = true;
    if (is_name(name, "Fault") && is_soap(uri)) {
        d->tape->kind = GP_TAPE_FAULT;
        (void)gp_decode_push(d, FRAME_FAULT);
        return;
    }
    const char *method = gp_schema_text(d->tape->method->name);
    size_t length = strlen(method);
    if (strncmp((const char *)name, method, length) != 0 || !is_name(name + length, "Response")) {
        gp_decode_latch(d, "EPROTOCOL", "expected the response to %s, got <%.100s>", method,
                        (const char *)name);
        return;
    }
    (void)gp_decode_push(d, FRAME_RESPONSE);
}

static void open_result(gp_decode *d, const xmlChar *name, const claim *c)
{
    frame *f = &d->frames[d->depth - 1];
    const gp_schema_method *m = d->tape->method;
    bool array = m->result_flags & GP_FIELD_ARRAY;
    if (!is_name(name, "returnval") || m->result == GP_VOID || (!array && f->count > 0)) {
        (void)gp_decode_push(d, FRAME_SKIP);
        return;
    }
    if (array && f->list == GP_NO_CELL) {
        f->list = gp_decode_cell(d, GP_TAG_ARRAY, GP_KEY_NONE, m->result);
        if (f->list == GP_NO_CELL) return;
    }
    f->count++;
    f->list_count++;
    gp_decode_value(d, GP_KEY_NONE, m->result, c);
}

/* The fault's own element: xsi:type says what it is, else the element's name without "Fault" at its end. */
static void open_fault(gp_decode *d, const xmlChar *name, claim c)
{
    frame *f = &d->frames[d->depth - 1];
    if (f->count++ > 0) {
        (void)gp_decode_push(d, FRAME_SKIP);
        return;
    }
    if (!c.type) {
        size_t length = strlen((const char *)name);
        int whole = gp_schema_type_find((const char *)name, length);
        bool known = whole >= 0 && (gp_schema_types[whole].flags & GP_TYPE_FAULT);
        c.type = (const char *)name;
        c.type_length = length;
        /* <HostConfigFaultFault>, but also <HostConfigFault> */
        if (length > 5 && is_name(name + length - 5, "Fault")) {
            int cut = gp_schema_type_find((const char *)name, length - 5);
            if (!known || (cut >= 0 && (gp_schema_types[cut].flags & GP_TYPE_FAULT))) c.type_length -= 5;
        }
    }
    /* A type that is not a fault is read as a plain MethodFault: the server's messages still say what happened. */
    gp_type_id slot = (gp_type_id)gp_schema_type_find("MethodFault", 11);
    bool array = false;
    int type = gp_schema_type_find_any(c.type, c.type_length, &array);
    if (array || (type >= 0 && !gp_schema_is_a((gp_type_id)type, slot))) c.type = NULL;
    c.nil = false;
    gp_decode_value(d, GP_KEY_NONE, slot, &c);
}

static void open_fault_part(gp_decode *d, const xmlChar *name)
{
    frame_kind kind = is_name(name, "faultcode")     ? FRAME_FAULT_CODE
                      : is_name(name, "faultstring") ? FRAME_FAULT_STRING
                      : is_name(name, "detail")      ? FRAME_DETAIL
                                                     : FRAME_SKIP;
    frame *f = gp_decode_push(d, kind);
    if (f) f->text = d->tape->slab_length;
}

static void open_root(gp_decode *d, const xmlChar *name, const xmlChar *uri, const claim *c)
{
    if (!d->tape->method) {
        gp_decode_value(d, GP_KEY_NONE, GP_VOID, c);
    } else if (is_name(name, "Envelope") && is_soap(uri)) {
        (void)gp_decode_push(d, FRAME_ENVELOPE);
    } else {
        gp_decode_latch(d, "EPROTOCOL", "expected a SOAP envelope, got <%.100s>", (const char *)name);
    }
}

void gp_decode_outside(gp_decode *d, const xmlChar *name, const xmlChar *uri, const claim *c)
{
    if (d->depth == 0) {
        open_root(d, name, uri, c);
        return;
    }
    switch (d->frames[d->depth - 1].kind) {
    case FRAME_ENVELOPE:
        (void)gp_decode_push(d, is_body(name, uri) ? FRAME_BODY : FRAME_SKIP);
        break;
    case FRAME_BODY:
        open_in_body(d, name, uri);
        break;
    case FRAME_RESPONSE:
        open_result(d, name, c);
        break;
    case FRAME_FAULT:
        open_fault_part(d, name);
        break;
    case FRAME_DETAIL:
        open_fault(d, name, *c);
        break;
    default:
        (void)gp_decode_push(d, FRAME_SKIP);
        break;
    }
}
