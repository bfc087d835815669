/* What Lua's own libraries cannot do safely: files that may hold secrets, and asking for one.
 *
 *   system.write(path, text)          replaces the file at once; 0600, through no link
 *   system.open(path, how) -> file    "new", "add" or "renew" (see file_private.h): an ordinary Lua file
 *   system.publish(file, from, to)    a complete file's mode and name
 *   system.secure(path)               the file's text when only we can access it; nil, message, code
 *   system.can_ask()  system.ask(prompt) -> text        without echo
 *   system.no_core()                  this process leaves no core file behind
 *   system.process()                  this process's pid, and the id of the namespace in which it is one
 *   system.keep_streams()             for a command: a closed or broken standard stream gives write errors, nothing worse
 *   system.clock()                    seconds since the computer was started, sleep included (base/clock.h)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/file_private.h"
#include "base/terminal.h"
#include "lua/bind.h"
#include "lua/offline/core.h"

static int done(lua_State *L, int failed, const gp_error *err)
{
    if (failed) return gp_bind_fail(L, err);
    lua_pushboolean(L, 1);
    return 1;
}

static int system_write(lua_State *L)
{
    gp_error err;
    size_t length;
    const char *path = luaL_checkstring(L, 1), *text = luaL_checklstring(L, 2, &length);
    gp_file_replacement wanted = {
        .path = path, .bytes = text, .length = length, .overwrite = true, .secret = true};
    return done(L, gp_file_replace(&wanted, &err), &err);
}

static int system_open(lua_State *L)
{
    static const char *const ways[] = {"new", "add", "renew", NULL};
    gp_error err;
    const char *path = luaL_checkstring(L, 1);
    gp_private_how how = (gp_private_how)luaL_checkoption(L, 2, NULL, ways);
    luaL_Stream *stream = gp_bind_stream(L);
    int fd = gp_private_open(path, how, &err);
    if (fd < 0) return gp_bind_fail(L, &err);
    if (gp_bind_stream_open(stream, fd, "a+", path, &err) != 0) return gp_bind_fail(L, &err);
    return 1;
}

static int system_publish(lua_State *L)
{
    gp_error err;
    luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
    luaL_argcheck(L, stream->closef != NULL, 1, "the file is closed");
    const char *from = luaL_checkstring(L, 2), *to = luaL_checkstring(L, 3);
    if (fflush(stream->f) != 0) {
        gp_fail_errno(&err, errno, "%s", from);
        return gp_bind_fail(L, &err);
    }
    return done(L, gp_private_publish(fileno(stream->f), from, to, &err), &err);
}

/* The text of an open file that no other user may read or write. */
static int read_secure(int fd, const char *path, gp_buf *out, gp_error *err)
{
    char chunk[4096];
    struct stat st;
    if (fstat(fd, &st) != 0) return gp_fail_errno(err, errno, "%s", path);
    if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode)) return gp_fail(err, "EINVAL", "%s: not a file", path);
    if (st.st_uid != geteuid()) {
        return gp_fail(err, "EACCES", "%s: belongs to another user; a file with secrets has to be yours",
                       path);
    }
    if ((st.st_mode & 0077) != 0) {
        return gp_fail(err, "EACCES", "%s: others may read or write it (mode %04o); run chmod 600 on it",
                       path, (unsigned)(st.st_mode & 07777));
    }
    for (;;) {
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return gp_fail_errno(err, errno, "%s", path);
        if (got == 0) break;
        if (out->length + (size_t)got > 1 << 20) return gp_fail(err, "EFBIG", "%s: larger than 1 MiB", path);
        gp_buf_append(out, chunk, (size_t)got);
        explicit_bzero(chunk, (size_t)got);
    }
    return out->failed ? gp_fail_memory(err) : 0;
}

static int system_secure(lua_State *L)
{
    gp_error err;
    const char *path = luaL_checkstring(L, 1);
    gp_buf *text = gp_bind_buf(L);
    text->secret = true;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        gp_fail_errno(&err, errno, "%s", path);
        return gp_bind_fail(L, &err);
    }
    int failed = read_secure(fd, path, text, &err);
    (void)close(fd);
    if (failed) return gp_bind_fail(L, &err);
    lua_pushlstring(L, text->data ? text->data : "", text->length);
    return 1;
}

static int system_can_ask(lua_State *L)
{
    lua_pushboolean(L, gp_terminal_can_ask());
    return 1;
}

static int system_ask(lua_State *L)
{
    gp_error err;
    const char *prompt = luaL_checkstring(L, 1);
    gp_buf *text = gp_bind_buf(L);
    if (gp_terminal_ask(prompt, text, &err) != 0) return gp_bind_fail(L, &err);
    lua_pushlstring(L, text->data ? text->data : "", text->length);
    return 1;
}

static int system_no_core(lua_State *L)
{
    const struct rlimit none = {0, 0};
    lua_pushboolean(L, setrlimit(RLIMIT_CORE, &none) == 0);
    return 1;
}

static int system_process(lua_State *L)
{
    struct stat st;
    lua_pushinteger(L, getpid());
    lua_pushinteger(L, stat("/proc/self/ns/pid", &st) == 0 ? (lua_Integer)st.st_ino : 0);
    return 2;
}

static void ignore(int number)
{
    (void)number;
}

/* A reader that leaves gives EPIPE instead of a signal that ends the process; the handler, unlike SIG_IGN, is not
 * inherited by the programs that are started. A standard stream that is closed is opened in the wrong direction: writing
 * to it fails, and no file or connection gets its number, into which output would be written. */
static int system_keep_streams(lua_State *L)
{
    struct sigaction now, wanted = {.sa_handler = ignore, .sa_flags = SA_RESTART};
    sigemptyset(&wanted.sa_mask);
    /* a file that reaches the limit of ulimit -f gives EFBIG, which ends a run in an orderly way, as a full disk does */
    const int signals[] = {SIGPIPE, SIGXFSZ};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        if (sigaction(signals[i], NULL, &now) == 0 && now.sa_handler == SIG_DFL)
            sigaction(signals[i], &wanted, NULL);
    }
    bool held = true;
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0) continue;
        held = open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) == fd && held;
    }
    lua_pushboolean(L, held);
    return 1;
}

static int system_clock(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)gp_clock_now() / 1e9);
    return 1;
}

void gp_open_system(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"write", system_write},
        {"open", system_open},
        {"publish", system_publish},
        {"secure", system_secure},
        {"can_ask", system_can_ask},
        {"ask", system_ask},
        {"no_core", system_no_core},
        {"process", system_process},
        {"keep_streams", system_keep_streams},
        {"clock", system_clock},
        {NULL, NULL},
    };
    luaL_newlib(L, functions);
}
