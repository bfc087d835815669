/* Leaves of a request: scalars, enums, times and references, each held against its slot and written. */
#include "vim25/encode_state.h"

#include "vim25/base64.h"
#include "vim25/encode_text.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

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
    /* 2^63 is no int64_t: what rounds to it would not come back */
    if (value->given == GP_GIVEN_INTEGER &&
        (number >= 9223372036854775808.0 || (int64_t)number != value->integer)) {
        return gp_encode_fail(e, err, "ERANGE", "%lld does not fit %s, which would change it",
                              (long long)value->integer, gp_schema_type_name(slot));
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
        gp_encode_hint(text, sizeof text, gp_schema_nearest_value(slot, name, near));
        return gp_encode_fail(e, err, "ERANGE", "'%s' is not a %s%s", name, gp_schema_type_name(slot), text);
    }
    gp_buf_append(&e->body, value->text, value->length);
    return 0;
}

static int write_time(gp_encode *e, const gp_scalar_value *value, gp_error *err)
{
    char text[40];
    if (value->given == GP_GIVEN_TEXT) {
        if (!gp_encode_text_is_time(value->text, value->length)) {
            return gp_encode_fail(e, err, "ERANGE", "'%.40s' is not a dateTime (2026-01-31T23:59:59Z)",
                                  value->text);
        }
        gp_buf_append(&e->body, value->text, value->length);
        return 0;
    }
    if (value->given == GP_GIVEN_BOOLEAN) return wrong(e, GP_DATETIME, value, err);
    double seconds = value->given == GP_GIVEN_INTEGER ? (double)value->integer : value->number;
    if (gp_encode_text_time(text, seconds) != 0) {
        return gp_encode_fail(e, err, "ERANGE", "%g seconds is not a time between the years 1 and 9999",
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
    long long n = e->secret_depth == 0 ? (long long)value->integer : 0; /* messages show no secret */
    return gp_encode_fail(e, err, "EARGUMENT",
                          "an integer in an anyType field needs a type: vim.int(%lld), vim.long(%lld), "
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
        if (!gp_schema_knows(e->server, gp_schema_types[type].version)) {
            return gp_encode_fail(e, err, "EVERSION",
                                  "%s requires vSphere API version %s; this server supports %s",
                                  gp_schema_type_name(type), gp_schema_since(gp_schema_types[type].version),
                                  gp_schema_version_name(e->server));
        }
        say = gp_schema_type_name(type);
    }
    gp_encode_open_tag(e, prefix, say);
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
    if (type_length == 0 || value_length == 0)
        return gp_encode_fail(e, err, "ERANGE", "the reference is empty");
    int known = gp_schema_type_find(type, type_length);
    if (known >= 0 && kind == GP_KIND_MANAGED && !gp_schema_is_a((gp_type_id)known, slot)) {
        return gp_encode_fail(e, err, "EARGUMENT", "expects a %s, got a %s", gp_schema_type_name(slot),
                              gp_schema_type_name((gp_type_id)known));
    }
    gp_buf *b = &e->body;
    gp_buf_putc(b, '<');
    gp_buf_puts(b, gp_encode_tag(e));
    if (slot == GP_ANY) gp_buf_puts(b, " xsi:type=\"ManagedObjectReference\"");
    gp_buf_puts(b, " type=\"");
    gp_encode_text_escape(b, type, type_length);
    gp_buf_puts(b, "\">");
    gp_encode_text_escape(b, value, value_length);
    return gp_encode_close(e, err);
}
