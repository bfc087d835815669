/* net.http: clients and operations for Lua.
 *
 *   client = http.client(engine, { ca_file=, thumbprint=, insecure=, proxy=, connections= })
 *   op = client:request{ url=, method=, headers={...}, body=string|body userdata, file=, offset=, length=,
 *                        answer="soap"|"bytes"|"file", into=file, range=, max_bytes= (64 MiB of bytes), take=,
 *                        any_status=true (bytes of an error too), timeout=, ... }
 *   op:start()  op:done()  op:result()  op:cancel(code, message)
 *   op:kept()   the XML of a "soap" answer that was requested with keep=true, as it arrived; nil for another answer
 *
 * The userdata is created first, empty; then the core's operation. What curl reads while it works
 * (the body, files, the tape slot) is in the user values of the operation, so it lives as long as the operation. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vim25/http_answer.h"
#include "lua/vim25/net_engine.h"
#include "lua/vim25/net.h"
#include "lua/vim25/net_value.h"

#define CLIENT "gpupt.http"
#define OP "gpupt.op"

enum { HEADERS_MAX = 24, BYTES_MAX = 64 << 20 };
enum { OF_CLIENT = 1, OF_BODY, OF_TAPE, OF_UPLOAD, OF_DOWNLOAD, USER_VALUES = OF_DOWNLOAD };

typedef struct client_handle {
    gp_http *http;
    gp_decode *idle; /* used again for the next answer */
} client_handle;

typedef struct op_handle {
    gp_op *op;
    gp_answer answer;
    gp_buf body; /* a view of bytes that Lua owns */
    gp_tape **tape;
} op_handle;

static gp_http *client_arg(lua_State *L, int arg)
{
    client_handle *handle = luaL_checkudata(L, arg, CLIENT);
    luaL_argcheck(L, handle->http, arg, "this client is closed");
    return handle->http;
}

static const char *text_field(lua_State *L, int table, const char *name)
{
    lua_getfield(L, table, name);
    const char *text = lua_isnil(L, -1) ? NULL : lua_tostring(L, -1);
    lua_pop(L, 1); /* the table still holds it */
    return text;
}

static bool flag_field(lua_State *L, int table, const char *name)
{
    lua_getfield(L, table, name);
    bool flag = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return flag;
}

static uint64_t whole_field(lua_State *L, int table, const char *name, uint64_t otherwise)
{
    int whole = 1;
    lua_getfield(L, table, name);
    lua_Integer value = lua_isnil(L, -1) ? 0 : lua_tointegerx(L, -1, &whole);
    bool absent = lua_isnil(L, -1);
    lua_pop(L, 1);
    if (!absent && (!whole || value < 0)) luaL_error(L, "http: field '%s' must be a whole number", name);
    return absent ? otherwise : (uint64_t)value;
}

static int64_t seconds_field(lua_State *L, int table, const char *name)
{
    lua_getfield(L, table, name);
    lua_Number seconds = lua_tonumber(L, -1);
    lua_pop(L, 1);
    if (!(seconds > 0)) return 0;
    if (seconds > 1e9) seconds = 1e9;
    return (int64_t)(seconds * 1000) + 1;
}

/* ---- the client */

/* Everything is read from Lua first: a Lua error must not leave a copy behind. */
static int read_trust(lua_State *L, int options, gp_trust *trust, gp_error *err)
{
    size_t length = 0;
    const char *thumbprint = text_field(L, options, "thumbprint");
    const char *file = text_field(L, options, "ca_file");
    bool insecure = flag_field(L, options, "insecure");
    lua_getfield(L, options, "ca_bytes");
    const char *bytes = lua_tolstring(L, -1, &length);
    if (insecure) trust->mode = GP_TRUST_ANYBODY;
    if (thumbprint && gp_trust_thumbprint(trust, thumbprint, err) < 0) return -1;
    if (file && !(trust->ca_file = strdup(file))) return gp_fail_memory(err);
    if (!bytes) return 0;
    trust->ca_bytes = malloc(length ? length : 1);
    if (!trust->ca_bytes) return gp_fail_memory(err);
    memcpy(trust->ca_bytes, bytes, length);
    trust->ca_length = length;
    return 0;
}

static int client_new(lua_State *L)
{
    gp_error err;
    gp_trust trust = {0};
    gp_engine *engine = gp_engine_arg(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    gp_http_options options = {.max_connections = (long)whole_field(L, 2, "connections", 8),
                               .proxy = text_field(L, 2, "proxy")};
    client_handle *handle = lua_newuserdatauv(L, sizeof *handle, 0);
    *handle = (client_handle){0};
    luaL_setmetatable(L, CLIENT);
    luaL_checkstack(L, 4, NULL);
    if (read_trust(L, 2, &trust, &err) < 0)
        gp_trust_clear(&trust);
    else
        handle->http = gp_http_new(engine, &trust, &options, &err);
    if (!handle->http) return gp_bind_fail(L, &err);
    lua_settop(L, 3);
    return 1;
}

static int client_close(lua_State *L)
{
    client_handle *handle = luaL_checkudata(L, 1, CLIENT);
    gp_http *http = handle->http;
    handle->http = NULL;
    gp_http_release(http);
    gp_decode_free(handle->idle);
    handle->idle = NULL;
    return 0;
}

/* ---- operations */

static op_handle *op_arg(lua_State *L, int arg)
{
    op_handle *handle = luaL_checkudata(L, arg, OP);
    luaL_argcheck(L, handle->op, arg, "this operation is closed");
    return handle;
}

static int descriptor(lua_State *L, int index, const char *name)
{
    luaL_Stream *stream = luaL_testudata(L, index, LUA_FILEHANDLE);
    if (!stream || !stream->closef) return luaL_error(L, "http: '%s' must be an open file", name);
    if (fflush(stream->f) != 0) return luaL_error(L, "http: '%s' cannot be written", name);
    return fileno(stream->f);
}

/* The body: a string, or the result of net.encode. Kept as a user value of the operation at `self`. */
static const gp_buf *read_body(lua_State *L, int options, int self, op_handle *handle)
{
    size_t length = 0;
    lua_getfield(L, options, "body");
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        return NULL;
    }
    const gp_buf *body = &handle->body;
    if (lua_isstring(L, -1)) {
        /* curl only reads it; gp_buf has no read-only form */
        union {
            const char *in;
            char *out;
        } bytes = {.in = lua_tolstring(L, -1, &length)};
        handle->body.data = bytes.out;
        handle->body.length = length;
    } else {
        body = gp_encode_body(gp_value_check_body(L, lua_gettop(L)));
    }
    lua_setiuservalue(L, self, OF_BODY);
    return body;
}

static void read_headers(lua_State *L, int options, const char **headers)
{
    int count = 0;
    lua_getfield(L, options, "headers");
    for (lua_Integer i = 1; lua_istable(L, -1); i++) {
        if (lua_rawgeti(L, -1, i) != LUA_TSTRING) {
            lua_pop(L, 1);
            break;
        }
        if (count == HEADERS_MAX) luaL_error(L, "http: more than %d headers", HEADERS_MAX);
        headers[count++] = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    headers[count] = NULL;
    lua_pop(L, 1);
}

static void read_answer(lua_State *L, int options, int self, op_handle *handle)
{
    static const char *const kinds[] = {"soap", "bytes", "file", NULL};
    gp_answer *answer = &handle->answer;
    lua_getfield(L, options, "answer");
    answer->kind = (gp_answer_kind)luaL_checkoption(L, lua_gettop(L), "bytes", kinds);
    lua_pop(L, 1);
    answer->limits = gp_decode_default_limits;
    answer->take = whole_field(L, options, "take", 0);
    answer->keep = flag_field(L, options, "keep");
    answer->any_status = flag_field(L, options, "any_status");
    if (answer->kind == GP_ANSWER_SOAP) {
        lua_getfield(L, options, "body");
        if (lua_isuserdata(L, -1)) answer->method = gp_encode_method(gp_value_check_body(L, lua_gettop(L)));
        lua_pop(L, 1);
        lua_getfield(L, options, "limits");
        if (lua_istable(L, -1)) {
            int limits = lua_gettop(L);
            answer->limits.bytes = whole_field(L, limits, "bytes", answer->limits.bytes);
            answer->limits.cells = whole_field(L, limits, "cells", answer->limits.cells);
            answer->limits.text = whole_field(L, limits, "text", answer->limits.text);
            answer->limits.depth = (uint32_t)whole_field(L, limits, "depth", answer->limits.depth);
            answer->limits.attributes =
                (uint32_t)whole_field(L, limits, "attributes", answer->limits.attributes);
        }
        lua_pop(L, 1);
        handle->tape = gp_value_tape(L);
        lua_setiuservalue(L, self, OF_TAPE);
    } else if (answer->kind == GP_ANSWER_FILE) {
        lua_getfield(L, options, "into");
        answer->fd = descriptor(L, lua_gettop(L), "into");
        lua_setiuservalue(L, self, OF_DOWNLOAD);
    }
}

static int client_request(lua_State *L)
{
    gp_error err;
    const char *headers[HEADERS_MAX + 1];
    gp_http *http = client_arg(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    op_handle *handle = lua_newuserdatauv(L, sizeof *handle, USER_VALUES);
    memset(handle, 0, sizeof *handle);
    luaL_setmetatable(L, OP);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, 3, OF_CLIENT);
    gp_request request = {
        .method = text_field(L, 2, "method"), .url = text_field(L, 2, "url"), .upload_fd = -1};
    if (!request.url) return luaL_error(L, "http: field 'url' is required");
    request.body = read_body(L, 2, 3, handle);
    if (!request.method) request.method = request.body ? "POST" : "GET";
    read_headers(L, 2, headers);
    request.headers = headers;
    read_answer(L, 2, 3, handle);
    /* the client is a user value: it lives as long as the operation */
    handle->answer.idle = &((client_handle *)lua_touserdata(L, 1))->idle;
    request.sink = gp_answer_sink(&handle->answer);
    lua_getfield(L, 2, "file");
    if (!lua_isnil(L, -1)) {
        request.upload_fd = descriptor(L, lua_gettop(L), "file");
        request.upload_offset = whole_field(L, 2, "offset", 0);
        request.upload_length = whole_field(L, 2, "length", 0);
    }
    lua_setiuservalue(L, 3, OF_UPLOAD);
    request.range = text_field(L, 2, "range");
    bool kept = handle->answer.kind == GP_ANSWER_BYTES && handle->answer.take == 0;
    request.max_bytes = whole_field(L, 2, "max_bytes", kept ? BYTES_MAX : 0);
    request.timeout = seconds_field(L, 2, "timeout");
    request.connect_timeout = seconds_field(L, 2, "connect_timeout");
    request.stall_timeout = seconds_field(L, 2, "stall_timeout");
    request.once = flag_field(L, 2, "once");
    request.identity = flag_field(L, 2, "identity");
    request.fresh = flag_field(L, 2, "fresh");
    handle->op = gp_op_new(http, &request, &err);
    return handle->op ? 1 : gp_bind_fail(L, &err);
}

static int op_close(lua_State *L)
{
    op_handle *handle = luaL_checkudata(L, 1, OP);
    gp_op *op = handle->op;
    handle->op = NULL;
    gp_op_free(op);
    gp_answer_clear(&handle->answer);
    for (int i = 1; i <= USER_VALUES; i++) {
        lua_pushnil(L);
        lua_setiuservalue(L, 1, i);
    }
    return 0;
}

static int op_start(lua_State *L)
{
    gp_error err;
    if (gp_op_start(op_arg(L, 1)->op, &err) < 0) return gp_bind_fail(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

static int op_id(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)gp_op_id(op_arg(L, 1)->op));
    return 1;
}

static int op_done(lua_State *L)
{
    lua_pushboolean(L, gp_op_done(op_arg(L, 1)->op));
    return 1;
}

/* result(): a tape, a string or a count of bytes; or nil, message, code. */
static int op_result(lua_State *L)
{
    gp_error err;
    op_handle *handle = op_arg(L, 1);
    gp_answer *answer = &handle->answer;
    if (!gp_op_done(handle->op)) return luaL_error(L, "this operation has not finished");
    if (gp_op_error(handle->op, &err) < 0) return gp_bind_fail(L, &err);
    if (answer->kind == GP_ANSWER_SOAP) {
        if (!*handle->tape && !(*handle->tape = gp_answer_tape(answer, &err))) return gp_bind_fail(L, &err);
        lua_getiuservalue(L, 1, OF_TAPE);
        return 1;
    }
    if (gp_answer_check(answer, &err) < 0) return gp_bind_fail(L, &err);
    if (answer->kind == GP_ANSWER_FILE)
        lua_pushinteger(L, (lua_Integer)answer->written);
    else
        lua_pushlstring(L, answer->bytes.data ? answer->bytes.data : "", answer->bytes.length);
    return 1;
}

static int op_kept(lua_State *L)
{
    const gp_answer *answer = &op_arg(L, 1)->answer;
    if (!answer->keep || answer->foreign || answer->kind != GP_ANSWER_SOAP) return 0;
    lua_pushlstring(L, answer->bytes.data ? answer->bytes.data : "", answer->bytes.length);
    return 1;
}

static int op_status(lua_State *L)
{
    lua_pushinteger(L, gp_op_status(op_arg(L, 1)->op));
    return 1;
}

/* header(name[, n]) */
static int op_header(lua_State *L)
{
    op_handle *handle = op_arg(L, 1);
    lua_Integer n = luaL_optinteger(L, 3, 1);
    luaL_argcheck(L, n > 0, 3, "headers are counted from 1");
    lua_pushstring(L, gp_op_header(handle->op, luaL_checkstring(L, 2), (size_t)(n - 1)));
    return 1;
}

static int op_sent(lua_State *L)
{
    lua_pushboolean(L, gp_op_sent(op_arg(L, 1)->op));
    return 1;
}

static int op_progress(lua_State *L)
{
    uint64_t sent, received;
    gp_op_progress(op_arg(L, 1)->op, &sent, &received);
    lua_pushinteger(L, (lua_Integer)sent);
    lua_pushinteger(L, (lua_Integer)received);
    return 2;
}

static int op_seconds(lua_State *L)
{
    op_handle *handle = op_arg(L, 1);
    lua_pushnumber(L, gp_op_seconds(handle->op));
    lua_pushboolean(L, gp_op_reused(handle->op));
    return 2;
}

static int op_cancel(lua_State *L)
{
    op_handle *handle = op_arg(L, 1);
    gp_op_cancel(handle->op, luaL_optstring(L, 2, "ECANCELLED"), luaL_optstring(L, 3, "cancelled"));
    return 0;
}

void gp_open_http(lua_State *L)
{
    static const luaL_Reg client_methods[] = {
        {"request", client_request}, {"close", client_close}, {NULL, NULL}};
    static const luaL_Reg client_meta[] = {{"__gc", client_close}, {"__close", client_close}, {NULL, NULL}};
    static const luaL_Reg op_methods[] = {
        {"start", op_start},   {"id", op_id},           {"done", op_done},   {"result", op_result},
        {"status", op_status}, {"header", op_header},   {"sent", op_sent},   {"progress", op_progress},
        {"cancel", op_cancel}, {"seconds", op_seconds}, {"close", op_close}, {"kept", op_kept},
        {NULL, NULL},
    };
    static const luaL_Reg op_meta[] = {{"__gc", op_close}, {"__close", op_close}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"client", client_new}, {NULL, NULL}};
    gp_bind_class(L, CLIENT, client_methods, client_meta);
    gp_bind_class(L, OP, op_methods, op_meta);
    lua_pop(L, 2);
    luaL_newlib(L, functions);
}
