#define _DEFAULT_SOURCE /* fileno */
/* Binding of offline/vmlog.h. A log object pulls one line of interest at a time; lua/gpupt/vmlog.lua makes sense
 * of it. */
#include <stdio.h>
#include <string.h>

#include "offline/vmlog.h"
#include "offline/vmlog_settings.h"
#include "offline/vmlog_suspect.h"
#include "lua/offline/bar.h"
#include "lua/bind.h"
#include "lua/offline/core.h"

#define LOG "gpupt.vmlog.reader"

#define WORDS "gpupt.vmlog.words"

/* Words made ready once, for many logs. */
typedef struct word_list {
    gp_vmlog_words *words;
    size_t own;  /* how many of the words are the caller's */
    bool judged; /* behind them: DICT, the suspects' */
} word_list;

/* Its user values: the words, and the text that is read. */
typedef struct reader {
    const word_list *list;
    gp_vmlog *log;
    gp_vmlog_settings *settings; /* NULL: lines are handed over as they are */
} reader;

static int reader_close(lua_State *L)
{
    reader *r = luaL_checkudata(L, 1, LOG);
    gp_vmlog_close(r->log);
    gp_vmlog_settings_free(r->settings);
    r->log = NULL;
    r->settings = NULL;
    return 0;
}

static reader *open_reader(lua_State *L)
{
    reader *r = luaL_checkudata(L, 1, LOG);
    luaL_argcheck(L, r->log != NULL, 1, "the log is closed");
    return r;
}

static void push_text(lua_State *L, const char *name, gp_text text)
{
    if (!text.length) return;
    lua_pushlstring(L, text.data, text.length);
    lua_setfield(L, -2, name);
}

static bool has_any(const gp_vmlog_set *set, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        if (gp_vmlog_set_has(set, i)) return true;
    }
    return false;
}

/* Takes a setting, drops a line that the caller did not ask for: 1 when it is to be returned; -1 on failure. */
static int judge(reader *r, const gp_vmlog_line *line, gp_vmlog_suspect *suspect, gp_error *err)
{
    *suspect = (gp_vmlog_suspect){0};
    if (!r->settings) return 1;
    gp_text key, value;
    if (gp_vmlog_set_has(&line->words, r->list->own) && gp_vmlog_parse_setting(line->text, &key, &value))
        return gp_vmlog_settings_put(r->settings, key, value, line->number, err);
    bool suspicious = has_any(&line->words, r->list->own + 1, gp_vmlog_words_count(r->list->words)) &&
                      gp_vmlog_suspect_line(line->text, suspect);
    return suspicious || has_any(&line->words, 0, r->list->own);
}

/* next() -> text, number, cut, subject of a suspect or false, its address or false, whether only that, and
 * the index of each word in the line; nothing at the end; nil, message, code */
static int reader_next(lua_State *L)
{
    reader *r = open_reader(L);
    gp_vmlog_line line;
    gp_vmlog_suspect suspect;
    gp_error err;
    int got, wanted;
    do {
        got = gp_vmlog_next(r->log, &line, &err);
        if (got == 0) return 0;
        wanted = got < 0 ? -1 : judge(r, &line, &suspect, &err);
        if (wanted < 0) return gp_bind_fail(L, &err);
    } while (!wanted);
    lua_pushlstring(L, line.text.data, line.text.length);
    lua_pushinteger(L, (lua_Integer)line.number);
    lua_pushboolean(L, line.cut);
    if (suspect.subject.length) {
        lua_pushlstring(L, suspect.subject.data, suspect.subject.length);
    } else {
        lua_pushboolean(L, false);
    }
    if (suspect.address.length) {
        lua_pushlstring(L, suspect.address.data, suspect.address.length);
    } else {
        lua_pushboolean(L, false);
    }
    lua_pushboolean(L, suspect.only_address);
    int count = 6;
    for (size_t i = 0; i < r->list->own; i++) {
        if (!gp_vmlog_set_has(&line.words, i)) continue;
        luaL_checkstack(L, 2, NULL);
        lua_pushinteger(L, (lua_Integer)i + 1);
        count++;
    }
    return count;
}

/* settings() -> {key in lower case = {key=, value=, line=}...} since the last call, or nothing when there is
 * none */
static int reader_settings(lua_State *L)
{
    reader *r = open_reader(L);
    size_t count = r->settings ? gp_vmlog_settings_count(r->settings) : 0;
    if (!count) return 0;
    lua_createtable(L, 0, (int)count);
    for (size_t i = 0; i < count; i++) {
        gp_vmlog_setting one = gp_vmlog_settings_at(r->settings, i);
        lua_pushlstring(L, one.lower.data, one.lower.length);
        lua_createtable(L, 0, 3);
        lua_pushlstring(L, one.key.data, one.key.length);
        lua_setfield(L, -2, "key");
        lua_pushlstring(L, one.value.data, one.value.length);
        lua_setfield(L, -2, "value");
        lua_pushinteger(L, (lua_Integer)one.line);
        lua_setfield(L, -2, "line");
        lua_rawset(L, -3);
    }
    gp_vmlog_settings_clear(r->settings);
    return 1;
}

/* whole(limit) -> the text, whether it was UTF-16; false when it is longer than that: read on with next() */
static int reader_whole(lua_State *L)
{
    reader *r = open_reader(L);
    size_t limit = (size_t)gp_bind_check_u64(L, 2);
    gp_error err;
    gp_buf *text = gp_bind_buf(L);
    int got = gp_vmlog_whole(r->log, limit, text, &err);
    if (got < 0) return gp_bind_fail(L, &err);
    if (got == 0) {
        lua_pushboolean(L, false);
        return 1;
    }
    lua_pushlstring(L, text->data ? text->data : "", text->length);
    lua_pushboolean(L, gp_vmlog_was_utf16(r->log));
    return 2;
}

/* head() -> the first line */
static int reader_head(lua_State *L)
{
    reader *r = open_reader(L);
    gp_text head;
    gp_error err;
    if (gp_vmlog_head(r->log, &head, &err) != 0) return gp_bind_fail(L, &err);
    lua_pushlstring(L, head.data, head.length);
    return 1;
}

/* peek() -> the first lines, up to 64 KiB */
static int reader_peek(lua_State *L)
{
    reader *r = open_reader(L);
    gp_text head;
    gp_error err;
    if (gp_vmlog_peek(r->log, 64 * 1024, &head, &err) != 0) return gp_bind_fail(L, &err);
    lua_pushlstring(L, head.data, head.length);
    return 1;
}

/* read() -> bytes and lines read so far */
static int reader_read(lua_State *L)
{
    reader *r = open_reader(L);
    lua_pushinteger(L, (lua_Integer)gp_vmlog_bytes(r->log));
    lua_pushinteger(L, (lua_Integer)gp_vmlog_lines(r->log));
    return 2;
}

/* The words of the caller, and behind them the reader's own. */
static size_t words_of(lua_State *L, int index, bool judged, gp_text words[GP_VMLOG_WORDS], size_t *own)
{
    size_t count = 0, extra = judged ? GP_VMLOG_SUSPECT_WORDS + 1 : 0;
    lua_Integer given = luaL_len(L, index);
    luaL_argcheck(L, given >= 0 && (size_t)given + extra <= GP_VMLOG_WORDS, index, "too many words");
    for (lua_Integer i = 0; i < given; i++) {
        lua_rawgeti(L, index, i + 1);
        words[count].data = luaL_checklstring(L, -1, &words[count].length);
        count++;
        lua_pop(L, 1); /* the table still holds the string */
    }
    *own = count;
    if (judged) {
        words[count++] = GP_TEXT("DICT ");
        gp_vmlog_suspect_words(words + count);
        count += GP_VMLOG_SUSPECT_WORDS;
    }
    return count;
}

static int words_gc(lua_State *L)
{
    word_list *list = luaL_checkudata(L, 1, WORDS);
    gp_vmlog_words_free(list->words);
    list->words = NULL;
    return 0;
}

/* words(list, judged, plain) -> words made ready for open; `judged`: the reader keeps settings and drops what
 * is of no interest; `plain`: without wide instructions */
static int vmlog_words(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    bool judged = lua_toboolean(L, 2), plain = lua_toboolean(L, 3);
    lua_settop(L, 1);
    static const luaL_Reg meta[] = {{"__gc", words_gc}, {NULL, NULL}};
    gp_text words[GP_VMLOG_WORDS];
    word_list *list = lua_newuserdatauv(L, sizeof *list, 0);
    *list = (word_list){.judged = judged};
    gp_bind_class(L, WORDS, NULL, meta);
    lua_setmetatable(L, -2);
    size_t count = words_of(L, 1, judged, words, &list->own);
    gp_error err;
    list->words = gp_vmlog_words_new(words, count, &err);
    if (!list->words) return gp_bind_fail(L, &err);
    if (plain) gp_vmlog_words_plain(list->words);
    return 1;
}

/* open(path, open file or nil, text or nil, words, most bytes or nil) */
static int vmlog_open(lua_State *L)
{
    size_t length;
    luaL_Stream *file = luaL_testudata(L, 1, LUA_FILEHANDLE);
    luaL_argcheck(L, !file || file->closef, 1, "the file is closed");
    const char *path = file ? "" : luaL_optstring(L, 1, NULL);
    const char *text = luaL_optlstring(L, 2, NULL, &length);
    uint64_t most = lua_isnoneornil(L, 4) ? 0 : gp_bind_check_u64(L, 4);
    const word_list *list = luaL_checkudata(L, 3, WORDS);
    luaL_argcheck(L, path || text, 1, "a path or a text is needed");
    luaL_argcheck(L, list->words != NULL, 3, "words that are not there");
    lua_settop(L, 3);
    static const luaL_Reg methods[] = {{"next", reader_next},         {"head", reader_head},
                                       {"read", reader_read},         {"whole", reader_whole},
                                       {"settings", reader_settings}, {"peek", reader_peek},
                                       {"close", reader_close},       {NULL, NULL}};
    static const luaL_Reg meta[] = {{"__gc", reader_close}, {"__close", reader_close}, {NULL, NULL}};
    reader *r = lua_newuserdatauv(L, sizeof *r, 2);
    *r = (reader){.list = list};
    gp_bind_class(L, LOG, methods, meta);
    lua_setmetatable(L, -2);
    lua_pushvalue(L, 3);
    lua_setiuservalue(L, -2, 1);
    gp_error err;
    if (list->judged && !(r->settings = gp_vmlog_settings_new(&err))) return gp_bind_fail(L, &err);
    if (text) {
        lua_pushvalue(L, 2);
        lua_setiuservalue(L, -2, 2); /* keeps the text alive */
        r->log = gp_vmlog_open_text(text, length, list->words, &err);
    } else if (file) {
        r->log = gp_vmlog_open_descriptor(fileno(file->f), list->words, &err);
    } else {
        r->log = gp_vmlog_open(path, list->words, &err);
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

/* suspects() -> the words by which lines that may tell of trouble are sought */
static int vmlog_suspects(lua_State *L)
{
    gp_text words[GP_VMLOG_SUSPECT_WORDS];
    gp_vmlog_suspect_words(words);
    lua_createtable(L, GP_VMLOG_SUSPECT_WORDS, 0);
    for (int i = 0; i < GP_VMLOG_SUSPECT_WORDS; i++) {
        lua_pushlstring(L, words[i].data, words[i].length);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* suspect(text) -> the subject of a line that reports trouble, its address or false, whether only that;
 * nothing for another line */
static int vmlog_suspect(lua_State *L)
{
    gp_text text;
    gp_vmlog_suspect suspect;
    text.data = luaL_checklstring(L, 1, &text.length);
    if (!gp_vmlog_suspect_line(text, &suspect)) return 0;
    lua_pushlstring(L, suspect.subject.data, suspect.subject.length);
    if (suspect.address.length) {
        lua_pushlstring(L, suspect.address.data, suspect.address.length);
    } else {
        lua_pushboolean(L, false);
    }
    lua_pushboolean(L, suspect.only_address);
    return 3;
}

void gp_open_vmlog(lua_State *L)
{
    static const luaL_Reg functions[] = {{"open", vmlog_open},
                                         {"words", vmlog_words},
                                         {"bar", vmlog_bar},
                                         {"prefix", vmlog_prefix},
                                         {"suspect", vmlog_suspect},
                                         {"suspects", vmlog_suspects},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    lua_pushinteger(L, GP_VMLOG_WORDS);
    lua_setfield(L, -2, "most_words");
}
