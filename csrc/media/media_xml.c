/* XML by libxml2. Document types, and so custom entities, are refused; nothing is loaded from elsewhere; the
 * error handler is used by this parser only. */
#include "media/media_tape.h"

#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <pthread.h>
#include <string.h>

typedef struct reader {
    xmlParserCtxtPtr parser;
    gp_media_tape *tape;
    const char *name;
    gp_error *err;
    uint32_t depth;
    bool failed, any;
} reader;

static uint32_t line_of(const reader *r)
{
    int line = r->parser && r->parser->input ? r->parser->input->line : 0;
    return line > 0 ? (uint32_t)line : 0;
}

static void stop(reader *r)
{
    r->failed = true;
    xmlStopParser(r->parser);
}

static void refuse(reader *r, const char *code, uint32_t line, const char *message)
{
    if (r->failed) return;
    (void)gp_media_fail(r->tape, r->err, code, r->name, line, "%s", message);
    stop(r);
}

static void add(reader *r, gp_media_kind kind, const void *text, size_t length)
{
    if (r->failed) return;
    if (gp_media_add(r->tape, kind, line_of(r), text, length, r->err) != 0) {
        gp_error why = *r->err;
        refuse(r, why.code, line_of(r), why.message);
    }
}

static void add_name(reader *r, gp_media_kind kind, const xmlChar *name)
{
    add(r, kind, name ? (const char *)name : "", name ? strlen((const char *)name) : 0);
}

static void on_start(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int namespaces, const xmlChar **declared, int attributes, int defaulted,
                     const xmlChar **list)
{
    (void)prefix;
    (void)namespaces;
    (void)declared;
    (void)defaulted;
    reader *r = data;
    if (r->failed) return;
    if (++r->depth > GP_MEDIA_DEPTH) {
        refuse(r, "ELIMIT", line_of(r), "the elements are nested too deeply");
        return;
    }
    r->any = true;
    add_name(r, GP_MEDIA_OPEN, name);
    if (uri) add_name(r, GP_MEDIA_NAMESPACE, uri);
    for (int i = 0; i < attributes; i++, list += 5) {
        add_name(r, GP_MEDIA_ATTRIBUTE, list[0]);
        add(r, GP_MEDIA_VALUE, list[3], (size_t)(list[4] - list[3]));
    }
}

static void on_end(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    (void)name;
    (void)prefix;
    (void)uri;
    reader *r = data;
    if (r->failed) return;
    r->depth--;
    add(r, GP_MEDIA_CLOSE, "", 0);
}

static void on_text(void *data, const xmlChar *text, int length)
{
    reader *r = data;
    if (r->failed || length <= 0 || r->depth == 0) return;
    gp_media_tape *tape = r->tape;
    gp_media_event *last = tape->count ? &tape->events[tape->count - 1] : NULL;
    /* the parser delivers long texts in pieces, and a file may be all entities */
    if (last && last->kind == GP_MEDIA_TEXT && (size_t)last->at + last->length == tape->text.length &&
        tape->text.length < 4 * (size_t)GP_MEDIA_BYTES) {
        if (gp_buf_append(&tape->text, text, (size_t)length) != 0) {
            refuse(r, "ENOMEM", 0, "out of memory");
            return;
        }
        last->length += (uint32_t)length;
        return;
    }
    add(r, GP_MEDIA_TEXT, text, (size_t)length);
}

static void on_document_type(void *data, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
    (void)name;
    (void)external;
    (void)system;
    reader *r = data;
    refuse(r, "EPARSE", line_of(r), "document types are not accepted: remove the <!DOCTYPE ...>");
}

static void on_error(void *data, xmlErrorPtr e)
{
    reader *r = data;
    if (r->failed || e->level < XML_ERR_ERROR) return;
    if (e->code == XML_ERR_NO_MEMORY) {
        refuse(r, "ENOMEM", 0, "out of memory");
        return;
    }
    /* some messages of libxml2 quote a name from the file; a message may end in a newline */
    char text[300];
    (void)snprintf(text, sizeof text, "%s", e->message ? e->message : "not well-formed");
    text[strcspn(text, "\r\n")] = '\0';
    for (char *at = text; *at; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f) *at = '?';
    }
    refuse(r, "EPARSE", e->line > 0 ? (uint32_t)e->line : line_of(r), text);
}

static void initialise(void)
{
    xmlInitParser();
}

int gp_media_read_xml(const char *bytes, size_t length, const char *name, gp_media_tape *tape, gp_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (pthread_once(&once, initialise) != 0) return gp_fail(err, "ENOMEM", "libxml2 cannot be initialised");
    if (length > GP_MEDIA_BYTES) {
        return gp_media_fail(tape, err, "ELIMIT", name, 0, "larger than the limit of %u bytes",
                             GP_MEDIA_BYTES);
    }
    if (length == 0) return gp_media_fail(tape, err, "EPARSE", name, 1, "the file is empty");
    reader r = {.tape = tape, .name = name, .err = err};
    xmlParserCtxtPtr parser = xmlCreateMemoryParserCtxt(bytes, (int)length);
    if (!parser) return gp_fail_memory(err);
    memset(parser->sax, 0, sizeof *parser->sax);
    parser->sax->initialized = XML_SAX2_MAGIC;
    parser->sax->startElementNs = on_start;
    parser->sax->endElementNs = on_end;
    parser->sax->characters = on_text;
    parser->sax->ignorableWhitespace = on_text;
    parser->sax->cdataBlock = on_text;
    parser->sax->internalSubset = on_document_type;
    parser->sax->serror = on_error;
    parser->userData = &r;
    /* NOENT: only XML's own five entities are left, and attributes should hold what they mean */
    (void)xmlCtxtUseOptions(parser, XML_PARSE_NONET | XML_PARSE_NOENT);
    r.parser = parser;
    (void)xmlParseDocument(parser);
    if (!r.failed && !parser->wellFormed) refuse(&r, "EPARSE", line_of(&r), "not well-formed XML");
    if (!r.failed && (!r.any || r.depth != 0)) refuse(&r, "EPARSE", 1, "there is no element");
    if (parser->myDoc) xmlFreeDoc(parser->myDoc);
    parser->myDoc = NULL;
    xmlFreeParserCtxt(parser);
    xmlResetLastError(); /* the thread's: it may quote the file */
    return r.failed ? -1 : 0;
}
