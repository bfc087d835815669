/* The floor for bench/decode.lua: libxml2's SAX2 push parser with empty handlers over a text, in pieces of 16
 * KiB as libcurl hands them out. A Lua module of the benchmark only: floor(text, passes) -> seconds of the
 * fastest pass, the median. */
#include <lauxlib.h>
#include <libxml/parser.h>
#include <lua.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int luaopen_floor(lua_State *L);

static void start(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri, int namespaces,
                  const xmlChar **list, int attributes, int defaulted, const xmlChar **values)
{
    (void)data, (void)name, (void)prefix, (void)uri, (void)namespaces, (void)list, (void)attributes;
    (void)defaulted, (void)values;
}

static void end(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    (void)data, (void)name, (void)prefix, (void)uri;
}

static void text(void *data, const xmlChar *bytes, int length)
{
    (void)data, (void)bytes, (void)length;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static int measure(lua_State *L)
{
    size_t length;
    const char *bytes = luaL_checklstring(L, 1, &length);
    int passes = (int)luaL_checkinteger(L, 2);
    xmlSAXHandler sax;
    double seconds[256];
    luaL_argcheck(L, passes > 0 && passes <= 256, 2, "1 to 256");
    memset(&sax, 0, sizeof sax);
    sax.initialized = XML_SAX2_MAGIC;
    sax.startElementNs = start;
    sax.endElementNs = end;
    sax.characters = sax.ignorableWhitespace = sax.cdataBlock = text;
    for (int i = 0; i < passes; i++) {
        double from = now();
        xmlParserCtxtPtr parser = xmlCreatePushParserCtxt(&sax, NULL, NULL, 0, NULL);
        if (!parser) return luaL_error(L, "out of memory");
        int bad = 0;
        for (size_t at = 0; at < length && !bad; at += 16384) {
            bad = xmlParseChunk(parser, bytes + at, (int)(length - at < 16384 ? length - at : 16384), 0);
        }
        bad = bad || xmlParseChunk(parser, "", 0, 1);
        xmlFreeParserCtxt(parser);
        if (bad) return luaL_error(L, "the text is not well-formed");
        seconds[i] = now() - from;
    }
    qsort(seconds, (size_t)passes, sizeof seconds[0], compare);
    lua_pushnumber(L, seconds[0]);
    lua_pushnumber(L, seconds[passes / 2]);
    return 2;
}

int luaopen_floor(lua_State *L)
{
    lua_pushcfunction(L, measure);
    return 1;
}
