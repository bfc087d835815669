/* links: net
 *
 * The input's bytes as a program for the request writer: the method, the server's version and the
 * operationID, then for every slot of the schema what is put there: nothing, one value or several, of the
 * slot's own type or of any other. What is accepted must be well-formed XML, with the method, its arguments
 * in the schema's order and every text unchanged; what is refused must say why, with a code. A secret must
 * not be in what a trace may show.
 */
#define _GNU_SOURCE
#include "vim25/encode.h"

#include <libxml/parser.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_SIZE = 64, VALUES = 4000 };
#define SECRET "hidden-7f3a"

typedef struct input {
    const uint8_t *at, *end;
    gp_encode *e;
    gp_error err;
    unsigned values, texts, secrets; /* written so far */
    bool in_secret;
} input;

static void must(int condition)
{
    if (!condition) abort();
}

static unsigned byte(input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

static gp_type_id any_type(input *in)
{
    unsigned low = byte(in),
             type = low < 128 ? low % (GP_MOREF + 1) : (low << 8 | byte(in)) % gp_schema_count.types;
    return (gp_type_id)(type > GP_MOREF && type < GP_FIRST_NAMED ? GP_STRING : type);
}

/* A text of the input's bytes, or one of the enum's values when the slot is an enum; NUL-terminated as Lua's
 * are. */
static size_t text(input *in, gp_type_id type, char *out)
{
    unsigned how = byte(in);
    const char *value = NULL;
    size_t length = 0;
    if (gp_schema_types[type].kind == GP_KIND_ENUM && how < 200) value = gp_schema_enum_value(type, how % 8);
    if (type == GP_DATETIME && how < 128) value = "2026-01-31T23:59:59.25+02:00";
    if (value) length = strlen(value) < TEXT_SIZE ? strlen(value) : TEXT_SIZE - 1;
    if (value) memcpy(out, value, length);
    for (how %= 24; !value && length < how && in->at < in->end;)
        out[length++] = (char)byte(in);
    out[length] = '\0';
    return length;
}

static int scalar(input *in, gp_type_id slot, gp_type_id as)
{
    char bytes[TEXT_SIZE];
    gp_scalar_value value = {.given = GP_GIVEN_TEXT};
    unsigned how = byte(in);
    uint64_t number = 0;
    if (in->in_secret && how < 128) {
        value.text = SECRET;
        value.length = strlen(SECRET);
    } else if (how % 4 == 0) {
        value.given = GP_GIVEN_BOOLEAN;
        value.integer = byte(in) & 1;
    } else if (how % 4 == 3) {
        value.text = bytes;
        value.length = text(in, slot == GP_ANY ? as : slot, bytes);
    } else {
        for (unsigned i = byte(in) % 9; i > 0; i--)
            number = number << 8 | byte(in);
        value.given = how % 4 == 1 ? GP_GIVEN_INTEGER : GP_GIVEN_NUMBER;
        memcpy(&value.integer, &number, sizeof number);
        memcpy(&value.number, &number, sizeof number);
    }
    if (gp_encode_scalar(in->e, slot, as, &value, &in->err) != 0) return -1;
    if (in->in_secret && value.text && strcmp(value.text, SECRET) == 0) in->secrets++;
    return 0;
}

static int write_value(input *in, gp_type_id slot);

static int write_fields(input *in, const gp_schema_field *field, gp_type_id owner, uint8_t declarer)
{
    const char *name = gp_schema_name(field->name);
    unsigned how = byte(in), count = 1;
    bool list = field->flags & GP_FIELD_ARRAY, inside = in->in_secret;
    if (how < 96 && !(how & 1 && gp_schema_required(field, declarer))) {
        if (gp_schema_required(field, declarer)) return gp_encode_missing(in->e, name, owner, &in->err);
        return 0;
    }
    if (list) count = how % 3 + 1;
    for (unsigned i = 1; i <= count; i++) {
        if (gp_encode_enter(in->e, name, list ? i : 0, &in->err) != 0) return -1;
        if (gp_encode_field(in->e, field, &in->err) != 0) return -1;
        in->in_secret = inside || field->flags & GP_FIELD_SECRET;
        if (write_value(in, field->type) != 0) return -1;
        in->in_secret = inside;
        gp_encode_leave(in->e);
    }
    return 0;
}

static int write_object(input *in, gp_type_id slot, gp_type_id actual)
{
    gp_type_id type;
    if (gp_encode_object(in->e, slot, actual, &type, &in->err) != 0) return -1;
    for (gp_schema_walk w = gp_schema_fields_of(type); gp_schema_next(&w);)
        if (write_fields(in, w.field, w.owner, gp_schema_types[w.owner].version) != 0) return -1;
    return gp_encode_close(in->e, &in->err);
}

static int write_array(input *in)
{
    gp_type_id element = any_type(in);
    if (element == GP_VOID) element = GP_STRING;
    if (gp_encode_array(in->e, element, &in->err) != 0) return -1;
    for (unsigned i = 1, count = byte(in) % 4; i <= count; i++) {
        if (gp_encode_enter(in->e, gp_encode_element_name(element), i, &in->err) != 0) return -1;
        if (write_value(in, element) != 0) return -1;
        gp_encode_leave(in->e);
    }
    return gp_encode_close(in->e, &in->err);
}

static int moref(input *in, gp_type_id slot)
{
    char type[TEXT_SIZE], value[TEXT_SIZE];
    size_t type_length = text(in, GP_STRING, type), value_length = text(in, GP_STRING, value);
    if (gp_schema_types[slot].kind == GP_KIND_MANAGED && (byte(in) & 3)) {
        type_length = strlen(gp_schema_type_name(slot));
        return gp_encode_moref(in->e, slot, gp_schema_type_name(slot), type_length, value, value_length,
                               &in->err);
    }
    return gp_encode_moref(in->e, slot, type, type_length, value, value_length, &in->err);
}

static int write_value(input *in, gp_type_id slot)
{
    if (++in->values > VALUES) return gp_fail(&in->err, "ELIMIT", "enough");
    unsigned how = byte(in), kind = gp_schema_types[slot].kind;
    if (how < 8) return gp_encode_unknown_field(in->e, slot, "nmae", &in->err); /* any type may be asked */
    if (how < 24) return write_object(in, slot, any_type(in));
    if (how < 32) return moref(in, slot);
    if (how < 40) return scalar(in, slot, slot == GP_ANY ? any_type(in) : GP_VOID);
    if (slot == GP_ANY) {
        gp_type_id as = any_type(in);
        if (how < 96) return write_array(in);
        if (how < 128) return moref(in, slot);
        if (as != GP_VOID && gp_schema_types[as].kind == GP_KIND_DATA) return write_object(in, slot, as);
        return scalar(in, slot, as == GP_ANY ? GP_VOID : as);
    }
    if (kind == GP_KIND_MANAGED || slot == GP_MOREF) return moref(in, slot);
    if (kind != GP_KIND_DATA) return scalar(in, slot, GP_VOID);
    if (how < 128) { /* one of those that extend it */
        for (unsigned type = (unsigned)slot, left = byte(in) % 32; type < gp_schema_count.types; type++)
            if (gp_schema_is_a((gp_type_id)type, slot) && left-- == 0)
                return write_object(in, slot, (gp_type_id)type);
    }
    return write_object(in, slot, GP_VOID);
}

static int write_request(input *in, const gp_schema_method *method)
{
    char operation[TEXT_SIZE], value[TEXT_SIZE];
    size_t operation_length = text(in, GP_STRING, operation), value_length = text(in, GP_STRING, value);
    (void)value_length;
    if (gp_encode_begin(in->e, method, gp_schema_type_name(method->owner), value,
                        operation_length ? operation : NULL, &in->err) != 0)
        return -1;
    for (int i = 0; i < method->params; i++)
        if (write_fields(in, &gp_schema_params(method)[i], GP_VOID, method->version) != 0) return -1;
    return gp_encode_end(in->e, &in->err);
}

static bool contains(const gp_buf *buf, const char *text_in)
{
    return buf->length > 0 && memmem(buf->data, buf->length, text_in, strlen(text_in)) != NULL;
}

static xmlNode *child(const xmlNode *node, const char *name)
{
    for (xmlNode *c = node->children; c; c = c->next)
        if (c->type == XML_ELEMENT_NODE && strcmp((const char *)c->name, name) == 0) return c;
    return NULL;
}

/* The method's arguments follow the schema's order. */
static void check_order(const xmlNode *call, const gp_schema_method *method)
{
    int at = -1;
    for (const xmlNode *c = call->children; c; c = c->next) {
        must(c->type == XML_ELEMENT_NODE);
        if (at == -1) {
            must(strcmp((const char *)c->name, "_this") == 0);
            at = 0;
            continue;
        }
        while (at < method->params &&
               strcmp(gp_schema_name(gp_schema_params(method)[at].name), (const char *)c->name))
            at++;
        must(at < method->params);
    }
    must(at >= 0);
}

static void check(input *in, const gp_schema_method *method)
{
    const gp_buf *body = gp_encode_body(in->e);
    gp_buf shown = GP_BUF_EMPTY;
    must(body->data[body->length] == '\0');
    xmlDoc *doc = xmlReadMemory(body->data, (int)body->length, NULL, NULL,
                                XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    must(doc != NULL);
    const xmlNode *part = child(xmlDocGetRootElement(doc), "Body");
    must(part != NULL && child(part, gp_schema_text(method->name)) != NULL);
    check_order(child(part, gp_schema_text(method->name)), method);
    xmlFreeDoc(doc);
    must(gp_encode_redacted(in->e, &shown) == 0);
    must(!contains(&shown, SECRET));
    must(in->secrets == 0 || gp_encode_secret(in->e));
    doc = xmlReadMemory(shown.data, (int)shown.length, NULL, NULL,
                        XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    must(doc != NULL);
    xmlFreeDoc(doc);
    gp_buf_free(&shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input in = {.at = data, .end = data + size};
    if (size < 4 || memmem(data, size, SECRET, strlen(SECRET)))
        return 0; /* the secret is only ours to give */
    unsigned number = byte(&in) << 8;
    number |= byte(&in);
    const gp_schema_method *method = &gp_schema_methods[number % gp_schema_count.methods];
    in.e = gp_encode_new((int)(byte(&in) % gp_schema_count.versions), &in.err);
    must(in.e != NULL);
    for (int i = 0; i < 2; i++) { /* it can be used again, also after a refusal */
        const uint8_t *from = in.at;
        in.err.code[0] = in.err.message[0] = '\0';
        in.in_secret = false;
        in.values = in.secrets = 0;
        if (write_request(&in, method) == 0)
            check(&in, method);
        else
            must(in.err.code[0] != '\0' && in.err.message[0] != '\0');
        if (i == 0) in.at = from + (in.at - from) / 2;
    }
    gp_encode_free(in.e);
    return 0;
}
