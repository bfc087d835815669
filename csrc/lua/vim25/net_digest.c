/* gpupt.net.digest: sha256(bytes), hmac(key, bytes) -> 64 hexadecimal digits; random(count) -> bytes;
 * sha256_file(an open Lua file) -> those of what it has from its position on;
 * crypt(password, setting) -> hash; sign(pem, bytes) -> RSA signature with SHA-256; base64(bytes) -> text. */
#define _DEFAULT_SOURCE
#include "vim25/digest.h"
#include "lua/bind.h"
#include "lua/vim25/net.h"
#include "vim25/base64.h"
#include "vim25/digest_sign.h"

#include <string.h>

static int push_hexadecimal(lua_State *L, const uint8_t digest[GP_DIGEST_SHA256])
{
    char text[2 * GP_DIGEST_SHA256];
    for (size_t i = 0; i < GP_DIGEST_SHA256; i++) {
        text[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        text[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    lua_pushlstring(L, text, sizeof text);
    return 1;
}

static int digest_sha256(lua_State *L)
{
    size_t length;
    const char *bytes = luaL_checklstring(L, 1, &length);
    uint8_t digest[GP_DIGEST_SHA256];
    gp_error err;
    if (gp_digest_sha256(bytes, length, digest, &err) != 0) return gp_bind_fail(L, &err);
    return push_hexadecimal(L, digest);
}

static int digest_sha256_file(lua_State *L)
{
    const luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
    luaL_argcheck(L, stream->closef, 1, "the file is closed");
    uint8_t digest[GP_DIGEST_SHA256];
    gp_error err;
    if (gp_digest_sha256_file(stream->f, digest, &err) != 0) return gp_bind_fail(L, &err);
    return push_hexadecimal(L, digest);
}

static int digest_hmac(lua_State *L)
{
    size_t key_length, length;
    const char *key = luaL_checklstring(L, 1, &key_length);
    const char *bytes = luaL_checklstring(L, 2, &length);
    uint8_t digest[GP_DIGEST_SHA256];
    gp_error err;
    if (gp_digest_hmac_sha256(key, key_length, bytes, length, digest, &err) != 0)
        return gp_bind_fail(L, &err);
    return push_hexadecimal(L, digest);
}

static int digest_random(lua_State *L)
{
    enum { MOST = 1024 };
    lua_Integer count = luaL_checkinteger(L, 1);
    luaL_argcheck(L, count >= 1 && count <= MOST, 1, "1 to 1024 bytes");
    unsigned char bytes[MOST];
    gp_error err;
    if (gp_digest_random(bytes, (size_t)count, &err) != 0) return gp_bind_fail(L, &err);
    lua_pushlstring(L, (const char *)bytes, (size_t)count);
    return 1;
}

static int digest_crypt(lua_State *L)
{
    size_t length;
    const char *password = luaL_checklstring(L, 1, &length);
    const char *setting = luaL_checkstring(L, 2);
    gp_error err;
    if (memchr(password, '\0', length)) {
        (void)gp_fail(&err, "EINVAL", "a password must not contain a NUL byte");
        return gp_bind_fail(L, &err);
    }
    char hash[GP_DIGEST_CRYPT];
    if (gp_digest_crypt(password, setting, hash, &err) != 0) return gp_bind_fail(L, &err);
    lua_pushstring(L, hash);
    return 1;
}

static int digest_sign(lua_State *L)
{
    size_t key_length, length;
    const char *key = luaL_checklstring(L, 1, &key_length);
    const char *bytes = luaL_checklstring(L, 2, &length);
    gp_error err;
    gp_buf *out = gp_bind_buf(L);
    if (gp_digest_sign(key, key_length, bytes, length, out, &err) != 0) return gp_bind_fail(L, &err);
    lua_pushlstring(L, out->data, out->length);
    return 1;
}

static int digest_base64(lua_State *L)
{
    size_t length;
    const char *bytes = luaL_checklstring(L, 1, &length);
    gp_buf *out = gp_bind_buf(L);
    if (gp_base64_encode(out, bytes, length) != 0) return luaL_error(L, "out of memory");
    lua_pushlstring(L, out->data ? out->data : "", out->length);
    return 1;
}

void gp_open_digest(lua_State *L)
{
    static const luaL_Reg functions[] = {{"sha256", digest_sha256}, {"sha256_file", digest_sha256_file},
                                         {"hmac", digest_hmac},     {"random", digest_random},
                                         {"crypt", digest_crypt},   {"sign", digest_sign},
                                         {"base64", digest_base64}, {NULL, NULL}};
    luaL_newlib(L, functions);
}
