#include "vim25/tape_page.h"

#include <string.h>

static uint16_t key(const char *name)
{
    return (uint16_t)gp_schema_name_find(name, strlen(name)); /* -1 is GP_KEY_NONE: no child has it */
}

static gp_page_keys keys_of_pages(void)
{
    return (gp_page_keys){key("objects"), key("token"),      key("obj"),  key("propSet"), key("name"),
                          key("val"),     key("missingSet"), key("path"), key("fault")};
}

/* The child of the object at `at` with that key, or UINT32_MAX. */
static uint32_t child(const gp_tape *tape, uint32_t at, uint16_t wanted)
{
    if (tape->cells[at].tag != GP_TAG_OBJECT) return UINT32_MAX;
    for (uint32_t i = gp_tape_inside(tape, at); i < tape->cells[at].as.head.end; i = gp_tape_after(tape, i))
        if (tape->cells[i].key == wanted) return i;
    return UINT32_MAX;
}

/* ---- pairs */
static gp_pairs pairs_of(const gp_page *page, uint32_t object, uint16_t list, uint16_t first, uint16_t second)
{
    return (gp_pairs){.tape = page->tape,
                      .list = list,
                      .first_key = first,
                      .second_key = second,
                      .run = gp_tape_inside(page->tape, object),
                      .runs_end = page->tape->cells[object].as.head.end};
}

gp_pairs gp_page_properties(const gp_page *page, const gp_page_object *object)
{
    return pairs_of(page, object->cell, page->keys.properties, page->keys.name, page->keys.value);
}

gp_pairs gp_page_missing(const gp_page *page, const gp_page_object *object)
{
    return pairs_of(page, object->cell, page->keys.missing, page->keys.path, page->keys.fault);
}

/* The list may come in several pieces, between other children of the object. */
static bool next_run(gp_pairs *p)
{
    while (p->run < p->runs_end) {
        uint32_t at = p->run;
        const gp_cell *cell = &p->tape->cells[at];
        p->run = gp_tape_after(p->tape, at);
        if (cell->key != p->list || cell->tag != GP_TAG_ARRAY) continue;
        p->at = at + 1;
        p->end = cell->as.head.end;
        return true;
    }
    return false;
}

/* The next element, whatever it has. */
static bool next_element(gp_pairs *p)
{
    while (p->at >= p->end)
        if (!next_run(p)) return false;
    p->first = child(p->tape, p->at, p->first_key);
    p->second = child(p->tape, p->at, p->second_key);
    p->at = gp_tape_after(p->tape, p->at);
    return true;
}

static bool is_text(const gp_tape *tape, uint32_t at)
{
    return at != UINT32_MAX && tape->cells[at].tag == GP_TAG_STRING;
}

bool gp_pairs_next(gp_pairs *pairs)
{
    while (next_element(pairs))
        if (is_text(pairs->tape, pairs->first) && pairs->second != UINT32_MAX) return true;
    return false;
}

static int check_pairs(gp_pairs pairs, gp_error *err)
{
    while (next_element(&pairs)) {
        if (is_text(pairs.tape, pairs.first)) continue;
        return gp_fail(err, "EPROTOCOL", "the response has an element of %s without a %s",
                       gp_schema_name(pairs.list), gp_schema_name(pairs.first_key));
    }
    return 0;
}

/* ---- the page */
bool gp_page_is(const gp_tape *tape)
{
    if (tape->kind != GP_TAPE_RESULT || !tape->method) return false;
    return tape->method->result == gp_schema_type_find("ObjectContent", 13) ||
           tape->method->result == gp_schema_type_find("RetrieveResult", 14);
}

enum { TOKEN_MOST = 4096 }; /* it is sent back for the next page */

/* Where the objects are: the result itself, or its field `objects`. */
static int find_list(gp_page *page, gp_error *err)
{
    const gp_tape *tape = page->tape;
    uint32_t list = UINT32_MAX;
    if (tape->cells[0].tag == GP_TAG_ARRAY) {
        list = 0;
    } else if (tape->cells[0].tag == GP_TAG_OBJECT) {
        list = child(tape, 0, page->keys.objects);
        uint32_t token = child(tape, 0, page->keys.token);
        if (token != UINT32_MAX && !is_text(tape, token))
            return gp_fail(err, "EPROTOCOL", "the response has a token that is not text");
        if (token != UINT32_MAX) page->token = &tape->cells[token];
        if (page->token && page->token->as.text.length > TOKEN_MOST)
            return gp_fail(err, "EPROTOCOL", "the response has a token of more than %d bytes", TOKEN_MOST);
    } else if (tape->cells[0].tag != GP_TAG_NULL) {
        return gp_fail(err, "EPROTOCOL", "the response is not a page of objects");
    }
    if (list == UINT32_MAX) return 0;
    if (tape->cells[list].tag != GP_TAG_ARRAY)
        return gp_fail(err, "EPROTOCOL",
                       "the response has something other than objects in its list of objects");
    page->count = tape->cells[list].as.head.count;
    page->at = list + 1;
    page->end = tape->cells[list].as.head.end;
    return 0;
}

int gp_page_open(gp_page *page, const gp_tape *tape, gp_error *err)
{
    *page = (gp_page){.tape = tape, .keys = keys_of_pages()};
    if (tape->count == 0) return 0;
    if (find_list(page, err) != 0) return -1;
    for (uint32_t at = page->at; at < page->end; at = gp_tape_after(tape, at)) {
        uint32_t reference = child(tape, at, page->keys.obj);
        if (reference == UINT32_MAX || tape->cells[reference].tag != GP_TAG_MOREF)
            return gp_fail(err, "EPROTOCOL", "the response has an object without its reference (obj)");
        gp_page_object object = {at, reference, 0};
        if (check_pairs(gp_page_properties(page, &object), err) != 0 ||
            check_pairs(gp_page_missing(page, &object), err) != 0)
            return -1;
    }
    return 0;
}

bool gp_page_next(gp_page *page, gp_page_object *object)
{
    if (page->at >= page->end) return false;
    uint32_t list = child(page->tape, page->at, page->keys.properties);
    bool some = list != UINT32_MAX && page->tape->cells[list].tag == GP_TAG_ARRAY;
    *object = (gp_page_object){page->at, child(page->tape, page->at, page->keys.obj),
                               some ? page->tape->cells[list].as.head.count : 0};
    page->at = gp_tape_after(page->tape, page->at);
    return true;
}
