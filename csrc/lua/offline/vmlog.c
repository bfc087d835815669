#define _DEFAULT_SOURCE /* fileno */
/* Binding of offline/vmlog.h. A log object pulls one line of interest at a time; lua/gpupt/vmlog.lua makes sense
 * of it. */
#include <stdio.h>
#include <string.h>

#include "offline/vmlog.h"
#include "lua/offline/bar.h"
#include "lua/bind.h"
#include "lua/offline/core.h"

#define LOG "gpupt.vmlog.reader"

typedef struct reader {
    gp_vmlog_words *words;
    gp_vmlog *log;
} reader;

static int reader_close(lua_State *L)
{
    reader *r = luaL_checkudata(L, 1, LOG);
    gp_vmlog_close(r->log);
    gp_vmlog_words_free(r->words);
    r->log = NULL;
    r->words = NULL;
    return 0;
}

static void push_text(lua_State *L, const char *name, gp_text text)
{
    if (!text.length) return;
    lua_pushlstring(L, text.data, text.length);
    lua_setfield(L, -2, name);
}

/* next() -> text, number, mask of words, cut; nothing at the end; nil, message, code */
static int reader_next(lua_State *L)
{
    reader *r = luaL_checkudata(L, 1, LOG);
    luaL_argcheck(L, r->log != NULL, 1, "the log is closed");
    gp_vmlog_line line;
    gp_error err;
    int got = gp_vmlog_next(r->log, &line, &err);
    if (got < 0) return gp_bind_fail(L, &err);
    if (got == 0) return 0;
    lua_pushlstring(L, line.text.data, line.text.length);
    lua_pushinteger(L, (lua_Integer)line.number);
    lua_pushinteger(L, (lua_Integer)line.words);
    lua_pushboolean(L, line.cut);
    return 4;
}

/* head() -> the first line */
static int reader_head(lua_State *L)
{
    reader *r = luaL_checkudata(L, 1, LOG);
    luaL_argcheck(L, r->log != NULL, 1, "the log is closed");
    gp_text head;
    gp_error err;
    if (gp_vmlog_head(r->log, &head, &err) != 0) return gp_bind_fail(L, &err);
    lua_pushlstring(L, head.data, head.length);
    return 1;
}

/* read() -> bytes and lines read so far */
static int reader_read(lua_State *L)
{
    reader *r = luaL_checkudata(L, 1, LOG);
    luaL_argcheck(L, r->log != NULL, 1, "the log is closed");
    lua_pushinteger(L, (lua_Integer)gp_vmlog_bytes(r->log));
    lua_pushinteger(L, (lua_Integer)gp_vmlog_lines(r->log));
    return 2;
}

/* open(path, open file or nil, text or nil, words, plain, most bytes or nil) */
static int vmlog_open(lua_State *L)
{
    size_t length;
    luaL_Stream *file = luaL_testudata(L, 1, LUA_FILEHANDLE);
    luaL_argcheck(L, !file || file->closef, 1, "the file is closed");
    const char *path = file ? "" : luaL_optstring(L, 1, NULL);
    const char *text = luaL_optlstring(L, 2, NULL, &length);
    luaL_checktype(L, 3, LUA_TTABLE);
    luaL_argcheck(L, path || text, 1, "a path or a text is needed");
    bool plain = lua_toboolean(L, 4);
    uint64_t most = lua_isnoneornil(L, 5) ? 0 : gp_bind_check_u64(L, 5);
    lua_settop(L, 3);
    static const luaL_Reg methods[] = {{"next", reader_next},
                                       {"head", reader_head},
                                       {"read", reader_read},
                                       {"close", reader_close},
                                       {NULL, NULL}};
    static const luaL_Reg meta[] = {{"__gc", reader_close}, {"__close", reader_close}, {NULL, NULL}};
    gp_text words[GP_VMLOG_WORDS];
    lua_Integer count = luaL_len(L, 3);
    luaL_argcheck(L, count <= GP_VMLOG_WORDS, 3, "too many words");
    luaL_checkstack(L, (int)count + 4, NULL);
    reader *r = lua_newuserdatauv(L, sizeof *r, 1);
    *r = (reader){NULL, NULL};
    gp_bind_class(L, LOG, methods, meta);
    lua_setmetatable(L, -2);
    for (lua_Integer i = 0; i < count; i++) {
        lua_rawgeti(L, 3, i + 1);
        words[i].data = luaL_checklstring(L, -1, &words[i].length);
        lua_pop(L, 1); /* the table still holds the string */
    }
    gp_error err;
    r->words = gp_vmlog_words_new(words, (size_t)count, &err);
    if (!r->words) return gp_bind_fail(L, &err);
    if (plain) gp_vmlog_words_plain(r->words);
    if (text) {
        lua_pushvalue(L, 2);
        lua_setiuservalue(L, -2, 1); /* keeps the text alive */
        r->log = gp_vmlog_open_text(text, length, r->words, &err);
    } else if (file) {
        r->log = gp_vmlog_open_descriptor(fileno(file->f), r->words, &err);
    } else {
        r->log = gp_vmlog_open(path, r->words, &err);
    }
    if (!r->log) return gp_bind_fail(L, &err);
    gp_vmlog_limit(r->log, most);
    return 1;
}

/* bar(text) -> address, {index=...}; nothing for another line */
static int vmlog_bar(lua_State *L)
{
    gp_text text;
    gp_pci_address address;
    gp_bar bar;
    char name[GP_PCI_ADDRESS_SIZE];
    text.data = luaL_checklstring(L, 1, &text.length);
    if (!gp_vmlog_parse_bar(text, &address, &bar)) return 0;
    gp_pci_format_address(&address, name);
    lua_pushstring(L, name);
    gp_bar_push(L, &bar);
    return 2;
}

/* prefix(text) -> {time=, thread=, operation=, level=, message=} */
static int vmlog_prefix(lua_State *L)
{
    gp_text text;
    gp_vmlog_prefix prefix;
    text.data = luaL_checklstring(L, 1, &text.length);
    gp_vmlog_parse_prefix(text, &prefix);
    lua_createtable(L, 0, 5);
    push_text(L, "time", prefix.time);
    push_text(L, "thread", prefix.thread);
    push_text(L, "operation", prefix.operation);
    lua_pushlstring(L, prefix.message.data, prefix.message.length);
    lua_setfield(L, -2, "message");
    if (prefix.level >= 0) {
        lua_pushinteger(L, prefix.level);
        lua_setfield(L, -2, "level");
    }
    return 1;
}

void gp_open_vmlog(lua_State *L)
{
    static const luaL_Reg functions[] = {{"open", vmlog_open},
                                         {"bar", vmlog_bar},
                                         {"prefix", vmlog_prefix},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    lua_pushinteger(L, GP_VMLOG_WORDS);
    lua_setfield(L, -2, "words");
}
