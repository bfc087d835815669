/* net.signals: a command that gets SIGTERM or SIGHUP ends as it does on Ctrl-C: everything open is closed, which
 * logs out. For programs only, not for users of the library: the `gpupt` command calls catch() when
 * it connects.
 *
 *   signals.catch()    the next such signal raises "interrupted!" in the main thread, as lua.c does for SIGINT;
 *                      a second one ends the process at once. One that is ignored (nohup) stays ignored.
 *   signals.caught()   its number, or nil
 *   signals.drain(on)  while on, the first SIGINT (Ctrl-C) raises nothing: the program asks signals.asked() and ends in
 *                      its own time. The second raises "interrupted!", and a third one ends the process at once.
 *   signals.asked()    whether that first one has come
 *
 * A handler has no argument for its state: hence the two variables, set once per process. */
#define _POSIX_C_SOURCE 200809L
#include <lauxlib.h>
#include <signal.h>

#include "lua/vim25/net.h"

static lua_State *volatile main_state;
static volatile sig_atomic_t caught, interrupts, draining;
static struct sigaction undrained;

static void stop(lua_State *L, lua_Debug *activation)
{
    (void)activation;
    lua_sethook(L, NULL, 0, 0);
    luaL_error(L, "interrupted!");
}

/* lua_sethook is what Lua allows a handler to call. SA_RESETHAND has made the next signal final. */
static void handle(int number)
{
    caught = number;
    lua_sethook(main_state, stop, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

static void handle_interrupt(int number)
{
    caught = number;
    interrupts = interrupts + 1;
    if (interrupts == 1) return;
    (void)signal(number, SIG_DFL);
    handle(number);
}

static void find_main(lua_State *L)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    main_state = lua_tothread(L, -1);
    lua_pop(L, 1);
}

static int signals_drain(lua_State *L)
{
    int on = lua_toboolean(L, 1);
    struct sigaction action = {.sa_handler = handle_interrupt};
    sigemptyset(&action.sa_mask);
    if (on && !draining) {
        find_main(L);
        interrupts = 0;
        draining = sigaction(SIGINT, &action, &undrained) == 0;
    } else if (!on && draining) {
        if (interrupts < 2) sigaction(SIGINT, &undrained, NULL);
        draining = 0;
    }
    return 0;
}

static int signals_asked(lua_State *L)
{
    lua_pushboolean(L, interrupts > 0);
    return 1;
}

static int signals_catch(lua_State *L)
{
    static const int numbers[] = {SIGTERM, SIGHUP};
    find_main(L);
    for (int i = 0; i < 2; i++) {
        struct sigaction action = {.sa_handler = handle, .sa_flags = (int)SA_RESETHAND}, before;
        sigemptyset(&action.sa_mask);
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL)
            sigaction(numbers[i], &action, NULL);
    }
    return 0;
}

static int signals_caught(lua_State *L)
{
    if (caught)
        lua_pushinteger(L, caught);
    else
        lua_pushnil(L);
    return 1;
}

void gp_open_signals(lua_State *L)
{
    static const luaL_Reg functions[] = {{"catch", signals_catch},
                                         {"caught", signals_caught},
                                         {"drain", signals_drain},
                                         {"asked", signals_asked},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
}
