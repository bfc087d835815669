/* YAML by libyaml. Its events become ours; an alias becomes a repetition of what it names, within the limit of
 * events. One document, as cloud-init reads it; tags of YAML's own types only. What depends on keys (duplicates,
 * merge keys) is left to the code that builds the tree. */
#define _DEFAULT_SOURCE
#include "media/media_tape.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define ANCHORS 512u
#define STANDARD "tag:yaml.org,2002:"

typedef struct anchor {
    char *name;
    uint32_t from, to; /* events; to is 0 while the node is open */
} anchor;

typedef struct reader {
    yaml_parser_t parser;
    gp_media_tape *tape;
    const char *name, *bytes;
    size_t length;
    gp_error *err;
    uint32_t depth, documents, anchor_count;
    int32_t open[GP_MEDIA_DEPTH]; /* the anchor of each open map or list, -1 for none */
    anchor anchors[ANCHORS];
} reader;

static uint32_t line_at(yaml_mark_t mark)
{
    return mark.line < UINT32_MAX ? (uint32_t)mark.line + 1 : 0;
}

static int refuse(reader *r, const char *code, uint32_t line, const char *message)
{
    return gp_media_fail(r->tape, r->err, code, r->name, line, "%s", message);
}

/* libyaml's message, worded for the author of the file. */
static int fail_parser(reader *r)
{
    const yaml_parser_t *p = &r->parser;
    if (p->error == YAML_MEMORY_ERROR) return gp_fail_memory(r->err);
    const char *problem = p->problem ? p->problem : "cannot be read";
    if (p->error == YAML_READER_ERROR) {
        uint32_t line = 1;
        for (size_t i = 0; i < p->problem_offset && i < r->length; i++)
            line += r->bytes[i] == '\n';
        return refuse(r, "EPARSE", line, problem);
    }
    uint32_t line = line_at(p->problem_mark);
    bool quoted = p->context && strcmp(p->context, "while scanning a quoted scalar") == 0;
    if (quoted && strstr(problem, "end of stream")) {
        return refuse(r, "EPARSE", line_at(p->context_mark), "a quoted value has no closing quote");
    }
    size_t at = p->problem_mark.index;
    if (strstr(problem, "cannot start any token") && at < r->length && r->bytes[at] == '\t') {
        return refuse(r, "EPARSE", line, "a tab is used for indentation; YAML allows spaces only");
    }
    if (strncmp(problem, "did not find expected", 21) == 0) {
        return gp_media_fail(r->tape, r->err, "EPARSE", r->name, line,
                             "%s: check the lines above for wrong indentation or a missing closing quote",
                             problem);
    }
    return refuse(r, "EPARSE", line, problem);
}

/* Adds an event, and the line to a limit's message. */
static int add(reader *r, gp_media_kind kind, uint32_t line, const void *text, size_t length)
{
    if (gp_media_add(r->tape, kind, line, text, length, r->err) == 0) return 0;
    gp_error why = *r->err;
    return refuse(r, why.code, line, why.message);
}

/* Records the anchor of the node whose first event comes next; its number, -1 for none, -2 when that failed. */
static int32_t note_anchor(reader *r, const yaml_char_t *name, uint32_t line)
{
    if (!name) return -1;
    if (r->anchor_count == ANCHORS) {
        (void)gp_media_fail(r->tape, r->err, "ELIMIT", r->name, line, "more than %u anchors", ANCHORS);
        return -2;
    }
    anchor *a = &r->anchors[r->anchor_count];
    a->name = strdup((const char *)name);
    if (!a->name) {
        (void)gp_fail_memory(r->err);
        return -2;
    }
    a->from = r->tape->count;
    a->to = 0;
    return (int32_t)r->anchor_count++;
}

static int on_alias(reader *r, const yaml_event_t *event)
{
    const char *name = (const char *)event->data.alias.anchor;
    uint32_t line = line_at(event->start_mark);
    for (uint32_t i = r->anchor_count; i > 0; i--) {
        const anchor *a = &r->anchors[i - 1];
        if (strcmp(a->name, name) != 0) continue;
        if (a->to == 0) {
            return gp_media_fail(r->tape, r->err, "EPARSE", r->name, line, "*%.60s contains itself", name);
        }
        if (gp_media_repeat(r->tape, a->from, a->to, r->err) == 0) return 0;
        gp_error why = *r->err;
        return refuse(r, why.code, line, why.message);
    }
    return gp_media_fail(r->tape, r->err, "EPARSE", r->name, line, "*%.60s refers to no anchor above it",
                         name);
}

/* Whether the tag is one of YAML's own; `string` when it makes a string of anything. */
static int check_tag(reader *r, const yaml_char_t *tag, uint32_t line, bool *string)
{
    static const char *const known[] = {"str",    "int",       "float", "bool",  "null", "map",  "seq",
                                        "binary", "timestamp", "omap",  "pairs", "set",  "merge"};
    const char *text = (const char *)tag;
    *string = false;
    if (!text) return 0;
    if (strcmp(text, "!") == 0) {
        *string = true;
        return 0;
    }
    if (strncmp(text, STANDARD, sizeof STANDARD - 1) == 0) {
        const char *kind = text + sizeof STANDARD - 1;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            if (strcmp(kind, known[i]) != 0) continue;
            *string = i == 0 || strcmp(kind, "binary") == 0;
            return 0;
        }
    }
    return gp_media_fail(r->tape, r->err, "EPARSE", r->name, line,
                         "the tag '%.60s' is unknown to cloud-init, which refuses the file", text);
}

static int on_scalar(reader *r, const yaml_event_t *event)
{
    uint32_t line = line_at(event->start_mark);
    bool string;
    if (check_tag(r, event->data.scalar.tag, line, &string) != 0) return -1;
    int32_t mark = note_anchor(r, event->data.scalar.anchor, line);
    if (mark == -2) return -1;
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !string;
    if (add(r, plain ? GP_MEDIA_SCALAR : GP_MEDIA_QUOTED, line, event->data.scalar.value,
            event->data.scalar.length) != 0) {
        return -1;
    }
    if (mark >= 0) r->anchors[mark].to = r->tape->count;
    return 0;
}

static int on_open(reader *r, gp_media_kind kind, const yaml_char_t *tag, const yaml_char_t *name,
                   uint32_t line)
{
    bool string;
    if (r->depth == GP_MEDIA_DEPTH) return refuse(r, "ELIMIT", line, "nested too deeply");
    if (check_tag(r, tag, line, &string) != 0) return -1;
    int32_t mark = note_anchor(r, name, line);
    if (mark == -2) return -1;
    r->open[r->depth++] = mark;
    return add(r, kind, line, "", 0);
}

static int on_close(reader *r, const yaml_event_t *event)
{
    if (add(r, GP_MEDIA_END, line_at(event->start_mark), "", 0) != 0) return -1;
    int32_t mark = r->open[--r->depth];
    if (mark >= 0) r->anchors[mark].to = r->tape->count;
    return 0;
}

static int on_event(reader *r, const yaml_event_t *event)
{
    uint32_t line = line_at(event->start_mark);
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (r->documents++ == 0) return 0;
        return refuse(r, "EPARSE", line, "a second document starts here: cloud-init accepts only one");
    case YAML_ALIAS_EVENT:
        return on_alias(r, event);
    case YAML_SCALAR_EVENT:
        return on_scalar(r, event);
    case YAML_MAPPING_START_EVENT:
        return on_open(r, GP_MEDIA_MAP, event->data.mapping_start.tag, event->data.mapping_start.anchor,
                       line);
    case YAML_SEQUENCE_START_EVENT:
        return on_open(r, GP_MEDIA_LIST, event->data.sequence_start.tag, event->data.sequence_start.anchor,
                       line);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        return on_close(r, event);
    default:
        return 0;
    }
}

/* An alias repeats nodes at a depth of its own: the output is never deeper than the limit. */
static int check_depth(reader *r)
{
    uint32_t depth = 0;
    for (uint32_t i = 0; i < r->tape->count; i++) {
        const gp_media_event *e = &r->tape->events[i];
        if (e->kind == GP_MEDIA_MAP || e->kind == GP_MEDIA_LIST) {
            if (++depth > GP_MEDIA_DEPTH) return refuse(r, "ELIMIT", e->line, "nested too deeply");
        } else if (e->kind == GP_MEDIA_END) {
            depth--;
        }
    }
    return 0;
}

int gp_media_read_yaml(const char *bytes, size_t length, const char *name, gp_media_tape *tape, gp_error *err)
{
    if (length > GP_MEDIA_BYTES) {
        return gp_media_fail(tape, err, "ELIMIT", name, 0, "larger than the limit of %u bytes",
                             GP_MEDIA_BYTES);
    }
    reader *r = calloc(1, sizeof *r);
    if (!r) return gp_fail_memory(err);
    *r = (reader){.tape = tape, .name = name, .bytes = bytes, .length = length, .err = err};
    int result = -1;
    if (!yaml_parser_initialize(&r->parser)) {
        (void)gp_fail_memory(err);
        free(r);
        return -1;
    }
    yaml_parser_set_input_string(&r->parser, (const unsigned char *)bytes, length);
    for (bool done = false; !done;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&r->parser, &event)) {
            (void)fail_parser(r);
            goto out;
        }
        done = event.type == YAML_STREAM_END_EVENT;
        int status = on_event(r, &event);
        yaml_event_delete(&event);
        if (status != 0) goto out;
    }
    result = check_depth(r);
out:
    for (uint32_t i = 0; i < r->anchor_count; i++)
        free(r->anchors[i].name);
    yaml_parser_delete(&r->parser);
    free(r);
    return result;
}
