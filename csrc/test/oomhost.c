/* A Lua host whose memory runs out on command: oomhost SCRIPT
 *
 * The script returns a table of functions by name. Each is run again and again: with the n-th allocation of
 * Lua failing (and all after it), then with the n-th malloc of C code failing (alone, then with all after
 * it), for n = 1, 2, 3... until the function ends without meeting a failure. After every run it must work
 * again unharmed. A function reports a wrong result by an error with WRONG in it; any other error under failing
 * memory is fine. At the end, with everything collected and the state closed, no C block may be left. Output
 * is TAP.
 *
 * malloc is this program's own (the libraries are bound to it), so failing and counting need no cooperation.
 * The blocks that gpupt's own libraries ask for (found by the caller's address) are counted separately: what libcurl's
 * threads and OpenSSL's tables still hold does not blur that number.
 */
#define _GNU_SOURCE
#include <lauxlib.h>
#include <link.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void __libc_free(void *block);

typedef struct fuse {
    long left;    /* allocations until it blows; 0: not armed */
    bool lasting; /* everything after it fails too */
    bool blown;
} fuse;

static fuse lua_fuse, c_fuse;
static atomic_long live; /* libraries have threads of their own */

static bool blows(fuse *f)
{
    if (f->blown && f->lasting) return true;
    if (f->left == 0 || --f->left > 0) return false;
    f->blown = true;
    return true;
}

/* ---- the blocks of gpupt's own libraries, in a table with open addressing */
enum { OWN_SLOTS = 1 << 16, LIBRARIES = 4 };
static void *own[OWN_SLOTS];
static atomic_long own_live;
static pthread_mutex_t own_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    uintptr_t from, to;
} libraries[LIBRARIES];
static int library_count; /* 0 until everything was loaded and run once */

static bool is_own(const void *caller)
{
    for (int i = 0; i < library_count; i++)
        if ((uintptr_t)caller >= libraries[i].from && (uintptr_t)caller < libraries[i].to) return true;
    return false;
}

static size_t slot_of(const void *block)
{
    return (size_t)(((uintptr_t)block >> 4) * 2654435761u) % OWN_SLOTS;
}

static void own_add(void *block)
{
    pthread_mutex_lock(&own_lock);
    size_t at = slot_of(block);
    if (own_live == OWN_SLOTS - 1) abort();
    while (own[at])
        at = (at + 1) % OWN_SLOTS;
    own[at] = block;
    own_live++;
    pthread_mutex_unlock(&own_lock);
}

/* Whether it was one of them. The entries after it move up. */
static bool own_remove(const void *block)
{
    if (own_live == 0) return false;
    pthread_mutex_lock(&own_lock);
    size_t at = slot_of(block);
    while (own[at] && own[at] != block)
        at = (at + 1) % OWN_SLOTS;
    bool found = own[at] != NULL;
    if (found) {
        own_live--;
        own[at] = NULL;
        for (size_t next = (at + 1) % OWN_SLOTS; own[next]; next = (next + 1) % OWN_SLOTS) {
            void *moved = own[next];
            own[next] = NULL;
            size_t to = slot_of(moved);
            while (own[to])
                to = (to + 1) % OWN_SLOTS;
            own[to] = moved;
        }
    }
    pthread_mutex_unlock(&own_lock);
    return found;
}

static int note_library(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size, (void)data;
    if (!strstr(info->dlpi_name, "/gpupt/") || library_count == LIBRARIES) return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X)) continue;
        libraries[library_count].from = info->dlpi_addr + part->p_vaddr;
        libraries[library_count].to = info->dlpi_addr + part->p_vaddr + part->p_memsz;
        library_count++;
        return 0;
    }
    return 0;
}

static void *counted(void *block, const void *caller)
{
    if (!block) return NULL;
    live++;
    if (is_own(caller)) own_add(block);
    return block;
}

void *malloc(size_t size)
{
    if (blows(&c_fuse)) return NULL;
    return counted(__libc_malloc(size), __builtin_return_address(0));
}

void *calloc(size_t count, size_t size)
{
    if (blows(&c_fuse)) return NULL;
    return counted(__libc_calloc(count, size), __builtin_return_address(0));
}

void *realloc(void *old, size_t size)
{
    if (size > 0 && blows(&c_fuse)) return NULL;
    bool mine = old && own_remove(old);
    void *block = __libc_realloc(old, size);
    if (!old) return counted(block, __builtin_return_address(0));
    if (!block && size == 0) live--;
    if (mine && (block || size > 0)) own_add(block ? block : old);
    return block;
}

/* the C library's own would call malloc itself, and look like its block */
char *strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    if (blows(&c_fuse)) return NULL;
    char *copy = counted(__libc_malloc(size), __builtin_return_address(0));
    return copy ? memcpy(copy, text, size) : NULL;
}

void free(void *block)
{
    if (block) {
        live--;
        own_remove(block);
    }
    __libc_free(block);
}

static void *lua_memory(void *data, void *old, size_t old_size, size_t size)
{
    (void)data;
    if (size == 0) {
        __libc_free(old);
        return NULL;
    }
    /* shrinking may not fail */
    if ((!old || size > old_size) && blows(&lua_fuse)) return NULL;
    return __libc_realloc(old, size);
}

static int number;

static int report(bool good, const char *name, const char *how, const char *detail)
{
    printf("%sok %d - %s: %s%s%s\n", good ? "" : "not ", ++number, name, how, detail[0] ? ": " : "", detail);
    return good ? 0 : 1;
}

/* Calls the function on top of the stack (it stays there); false when its result is wrong. */
static bool call(lua_State *L, bool failing, char *detail, size_t size)
{
    lua_pushvalue(L, -1);
    int status = lua_pcall(L, 0, 0, 0);
    lua_fuse = c_fuse = (fuse){0};
    if (status == LUA_OK) return true;
    const char *text = lua_tostring(L, -1);
    bool good = failing && !(text && strstr(text, "WRONG"));
    if (!good) (void)snprintf(detail, size, "%s", text ? text : "an error that is not text");
    lua_pop(L, 1);
    return good;
}

static int sweep(lua_State *L, const char *name, fuse *which, bool lasting, const char *how)
{
    char detail[300] = "";
    for (long n = 1; n < 1000000; n++) {
        *which = (fuse){n, lasting, false};
        lua_pushvalue(L, -1);
        int status = lua_pcall(L, 0, 0, 0);
        bool met = which->blown;
        lua_fuse = c_fuse = (fuse){0};
        if (status != LUA_OK) {
            const char *text = lua_tostring(L, -1);
            if (!met || (text && strstr(text, "WRONG"))) {
                (void)snprintf(detail, sizeof detail, "at allocation %ld: %s", n, text ? text : "?");
            }
            lua_pop(L, 1);
        }
        if (detail[0] == '\0' && !call(L, false, detail, sizeof detail)) {
            size_t used = strlen(detail);
            (void)snprintf(detail + used, sizeof detail - used, " (in the run after allocation %ld failed)",
                           n);
        }
        if (detail[0] != '\0') return report(false, name, how, detail);
        if (!met) {
            (void)snprintf(detail, sizeof detail, "%ld failed, one by one", n - 1);
            return report(n > 1 || which == &c_fuse, name, how, detail);
        }
    }
    return report(false, name, how, "it never ends");
}

static lua_State *load(const char *script)
{
    lua_State *L = lua_newstate(lua_memory, NULL);
    if (!L) return NULL;
    luaL_openlibs(L);
    if (luaL_dofile(L, script) == LUA_OK && lua_istable(L, -1)) return L;
    fprintf(stderr, "%s\n", lua_tostring(L, -1) ? lua_tostring(L, -1) : "the script returns no table");
    lua_close(L);
    return NULL;
}

/* Run everything once, so that permanent allocations of libraries exist before counting. */
static int warm_up(const char *script)
{
    char detail[300] = "";
    lua_State *L = load(script);
    if (!L) return 1;
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        if (!call(L, false, detail, sizeof detail)) {
            fprintf(stderr, "%s: %s\n", lua_tostring(L, -2), detail);
            lua_close(L);
            return 1;
        }
    }
    lua_close(L);
    return 0;
}

int main(int argc, char **argv)
{
    char detail[100];
    int failures = 0;
    static char lines[4096];
    setvbuf(stdout, lines, _IOLBF, sizeof lines); /* its own buffer would count as a block left */
    if (argc != 2) {
        fprintf(stderr, "usage: oomhost SCRIPT\n");
        return 2;
    }
    if (warm_up(argv[1]) != 0) return 1;
    dl_iterate_phdr(note_library, NULL);
    long before = live;
    lua_State *L = load(argv[1]);
    if (!L) return 1;
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        const char *name = lua_tostring(L, -2);
        failures += sweep(L, name, &lua_fuse, true, "the n-th allocation of Lua fails");
        failures += sweep(L, name, &c_fuse, false, "the n-th malloc fails");
        failures += sweep(L, name, &c_fuse, true, "the n-th malloc and all after it fail");
    }
    lua_close(L);
    /* a detached thread (libcurl's name lookup) frees its blocks when it ends */
    for (int i = 0; i < 50 && live != before; i++)
        (void)nanosleep(&(struct timespec){0, 10000000}, NULL);
    (void)snprintf(detail, sizeof detail, "%ld blocks left", live - before);
    failures += report(live == before, "the end", "every C block was given back", detail);
    (void)snprintf(detail, sizeof detail, "%ld blocks left", (long)own_live);
    failures +=
        report(library_count > 0 && own_live == 0, "the end", "every block of gpupt's own was given back",
               library_count > 0 ? detail : "none of its libraries was loaded");
    printf("1..%d\n", number);
    return failures ? 1 : 0;
}
