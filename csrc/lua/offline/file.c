/* Lua face of base/file: a whole file written at once, and the folders above it made. */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "lua/bind.h"
#include "lua/offline/core.h"

/* replace(path, bytes): atomic. A symbolic link is refused (ELINK): what is written here is named by the user
 * and is never meant to land in another file. */
static int file_replace(lua_State *L)
{
    gp_error err;
    size_t length;
    const char *path = luaL_checkstring(L, 1);
    const char *bytes = luaL_checklstring(L, 2, &length);
    struct stat st;
    if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode)) {
        gp_fail(&err, "ELINK", "%.300s is a symbolic link: name the file itself", path);
        return gp_bind_fail(L, &err);
    }
    gp_file_replacement wanted = {.path = path, .bytes = bytes, .length = length, .overwrite = true};
    if (gp_file_replace(&wanted, &err) != 0) return gp_bind_fail(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

/* folders(path): makes the folders above a file, for the user alone. */
static int file_folders(lua_State *L)
{
    gp_error err;
    size_t length;
    const char *path = luaL_checklstring(L, 1, &length);
    luaL_Buffer copy;
    char *text = luaL_buffinitsize(L, &copy, length + 1);
    memcpy(text, path, length + 1);
    for (size_t i = 1; i < length; i++) {
        if (text[i] != '/') continue;
        text[i] = '\0';
        if (mkdir(text, 0700) != 0 && errno != EEXIST && errno != EISDIR) {
            gp_fail(&err, errno == EACCES ? "EACCES" : "EIO", "%.300s: %s", text, strerror(errno));
            return gp_bind_fail(L, &err);
        }
        text[i] = '/';
    }
    lua_pushboolean(L, 1);
    return 1;
}

void gp_open_file(lua_State *L)
{
    static const luaL_Reg functions[] = {{"replace", file_replace}, {"folders", file_folders}, {NULL, NULL}};
    luaL_newlib(L, functions);
}
