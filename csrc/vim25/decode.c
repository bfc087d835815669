#include "vim25/decode_state.h"

#include "vim25/tape_check.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const gp_decode_limits gp_decode_default_limits = {
    .bytes = UINT64_C(1) << 30,
    .cells = UINT64_C(1) << 26,
    .text = UINT64_C(64) << 20,
    .depth = 200,
    .attributes = 64,
};

/* ---- call-backs of the parser */
static void on_error(void *data, xmlErrorPtr e)
{
    gp_decode *d = data;
    /* Old servers write an undeclared prefix in a fault's detail; the names are enough there. libxml2 also reports
     * an unbound prefix, and continues, when its dictionary runs out of memory.
     */
    if (e->level < XML_ERR_ERROR) return;
    if (e->domain == XML_FROM_NAMESPACE && e->code != XML_NS_ERR_XML_NAMESPACE) return;
    if (e->code == XML_ERR_NO_MEMORY) {
        gp_decode_latch(d, "ENOMEM", "out of memory");
        return;
    }
    char text[200];
    (void)snprintf(text, sizeof text, "%s", e->message ? e->message : "not well-formed");
    text[strcspn(text, "\r\n")] = '\0';
    gp_decode_latch(d, "EXML", "the response is not well-formed XML (line %d): %s", e->line, text);
}

static void on_document_type(void *data, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
    (void)name;
    (void)external;
    (void)system;
    gp_decode_latch(data, "EENTITY", "the response contains a document type, which is not accepted");
}

static void on_text(void *data, const xmlChar *text, int length)
{
    gp_decode *d = data;
    if (d->failed || d->depth == 0 || length <= 0) return;
    const frame *f = &d->frames[d->depth - 1];
    switch (f->kind) {
    case FRAME_LEAF:
    case FRAME_UNSURE:
    case FRAME_FAULT_CODE:
    case FRAME_FAULT_STRING:
        break;
    default:
        return;
    }
    if ((uint64_t)(d->tape->slab_length - f->text) + (uint64_t)length > d->limits.text) {
        gp_decode_latch(d, "ELIMIT", "a string in the response is longer than %llu bytes",
                        (unsigned long long)d->limits.text);
        return;
    }
    gp_decode_slab(d, (const char *)text, (size_t)length);
}

/* ---- life */
static void initialise(void)
{
    xmlInitParser();
}

static int make_parser(gp_decode *d, gp_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (pthread_once(&once, initialise) != 0) return gp_fail(err, "ENOMEM", "libxml2 cannot be initialised");
    xmlSAXHandler sax;
    memset(&sax, 0, sizeof sax);
    sax.initialized = XML_SAX2_MAGIC;
    sax.startElementNs = gp_decode_start;
    sax.endElementNs = gp_decode_end;
    sax.characters = on_text;
    sax.ignorableWhitespace = on_text; /* the same as characters: spares the parser's guess */
    sax.cdataBlock = on_text;
    sax.internalSubset = on_document_type;
    sax.serror = on_error;
    d->parser = xmlCreatePushParserCtxt(&sax, d, NULL, 0, NULL);
    if (!d->parser) return gp_fail_memory(err);
    (void)xmlCtxtUseOptions(d->parser, XML_PARSE_NONET);
    const struct {
        const xmlChar **to;
        const char *text;
    } interned[] = {{&d->xsi, "http://www.w3.org/2001/XMLSchema-instance"},
                    {&d->xsi_type, "type"},
                    {&d->xsi_nil, "nil"},
                    {&d->xsi_prefix, "xsi"}};
    for (size_t i = 0; i < sizeof interned / sizeof interned[0]; i++) {
        *interned[i].to = xmlDictLookup(d->parser->dict, (const xmlChar *)interned[i].text, -1);
        if (!*interned[i].to) return gp_fail_memory(err);
    }
    return 0;
}

/* The document that comes next. false: out of memory. */
static bool expect(gp_decode *d, const gp_schema_method *method, const gp_decode_limits *limits)
{
    d->limits = limits ? *limits : gp_decode_default_limits;
    if (d->limits.depth > GP_DECODE_DEPTH_MOST) d->limits.depth = GP_DECODE_DEPTH_MOST;
    if (d->limits.attributes > GP_DECODE_ATTRIBUTES_MOST) d->limits.attributes = GP_DECODE_ATTRIBUTES_MOST;
    d->tape = calloc(1, sizeof *d->tape);
    if (!d->tape) return false;
    d->tape->method = method;
    d->tape->kind = method ? GP_TAPE_RESULT : GP_TAPE_DOCUMENT;
    return gp_decode_slab(d, "", 1); /* offset 0 is the empty string */
}

gp_decode *gp_decode_new(const gp_schema_method *method, const gp_decode_limits *limits, gp_error *err)
{
    gp_decode *d = calloc(1, sizeof *d);
    if (!d) goto memory;
    d->outside = gp_decode_outside;
    if (!expect(d, method, limits)) goto memory;
    if (make_parser(d, err) != 0) {
        gp_decode_free(d);
        return NULL;
    }
    return d;
memory:
    gp_decode_free(d);
    gp_fail_memory(err);
    return NULL;
}

/* The parser's unprocessed input is one unfinished tag, comment or instruction. CDATA, which is text, is processed a
 * few hundred bytes at a time. */
static void check_backlog(gp_decode *d)
{
    const xmlParserInput *input = d->parser->input;
    uint64_t most = d->parser->instate == XML_PARSER_CDATA_SECTION ? d->limits.text : GP_DECODE_TAG_MOST;
    if (input && (uint64_t)(input->end - input->cur) > most) {
        gp_decode_latch(d, "ELIMIT", "a tag or comment in the response is longer than %d bytes",
                        GP_DECODE_TAG_MOST);
    }
}

int gp_decode_feed(gp_decode *d, const char *bytes, size_t length, gp_error *err)
{
    while (length > 0 && !d->failed) {
        int piece = length > GP_DECODE_TAG_MOST ? GP_DECODE_TAG_MOST : (int)length;
        d->fed += (uint64_t)piece;
        if (d->fed > d->limits.bytes) {
            gp_decode_latch(d, "ELIMIT", "the response is larger than %llu bytes",
                            (unsigned long long)d->limits.bytes);
            break;
        }
        int code = xmlParseChunk(d->parser, bytes, piece, 0);
        /* libxml2 may fail without calling the error handler */
        if (code == XML_ERR_NO_MEMORY) gp_decode_latch(d, "ENOMEM", "out of memory");
        if (code != 0 && !d->parser->wellFormed)
            gp_decode_latch(d, "EXML", "the response is not well-formed XML");
        if (!d->failed) check_backlog(d);
        bytes += piece;
        length -= (size_t)piece;
    }
    return gp_decode_failed(d, err) ? -1 : 0;
}

gp_tape *gp_decode_finish(gp_decode *d, gp_error *err)
{
    if (!d->failed && !d->done) {
        gp_decode_latch(d, "ETRUNCATED", "the response ends before it is complete (after %llu bytes)",
                        (unsigned long long)d->fed);
    }
    if (!d->failed && xmlParseChunk(d->parser, "", 0, 1) != 0 && !d->parser->wellFormed) {
        gp_decode_latch(d, "EXML", "there is data after the end of the response");
    }
    gp_error fault;
    if (!d->failed && d->tape->method && gp_tape_check(d->tape, &fault) != 0) {
        gp_decode_latch(d, fault.code, "%s", fault.message);
    }
    if (gp_decode_failed(d, err)) return NULL;
    gp_tape *tape = d->tape;
    tape->bytes = d->fed;
    d->tape = NULL;
    d->taken = true;
    gp_fail(&d->error, "EINVAL", "the tape has already been taken");
    d->failed = true;
    return tape;
}

int gp_decode_again(gp_decode *d, const gp_schema_method *method, const gp_decode_limits *limits,
                    gp_error *err)
{
    xmlParserCtxtPtr parser = d->parser;
    /* libxml2 resets these only in part; after a complete document they are as at the beginning */
    if (!d->taken || d->own_slots || parser->myDoc || parser->nsNr != 0 || parser->nameNr != 0 ||
        parser->nodeNr != 0 || xmlDictSize(parser->dict) > GP_DECODE_NAMES_KEPT ||
        d->frame_capacity > GP_DECODE_FRAMES_KEPT)
        return -1;
    if (xmlCtxtResetPush(parser, NULL, 0, NULL, NULL) != 0) return gp_fail_memory(err);
    parser->progressive = 0;
    parser->checkIndex = 0;
    d->failed = d->done = d->saw_body = d->taken = false;
    d->fed = 0;
    d->depth = d->cell_capacity = d->slab_capacity = 0;
    return expect(d, method, limits) ? 0 : gp_fail_memory(err);
}

bool gp_decode_failed(const gp_decode *d, gp_error *err)
{
    if (d->failed && err) *err = d->error;
    return d->failed;
}

void gp_decode_free(gp_decode *d)
{
    if (!d) return;
    if (d->parser) {
        /* a refused document type may have left a document */
        if (d->parser->myDoc) xmlFreeDoc(d->parser->myDoc);
        d->parser->myDoc = NULL;
        xmlFreeParserCtxt(d->parser);
    }
    gp_tape_free(d->tape);
    free(d->frames);
    free(d->own_slots);
    free(d->own_pointers);
    free(d);
}
