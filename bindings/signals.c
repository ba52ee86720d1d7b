/* signals.c - requests to end, noticed between two steps instead of in the middle of a line.
 *
 * While a watch is open, SIGINT, SIGTERM and SIGHUP wait in the kernel and are asked for: there is no
 * handler and so no state of its own, and nothing is interrupted.  SIGXFSZ waits too, so that a write
 * beyond a limit of file size fails instead of ending the process.  Threads that the core starts
 * block all signals anyway. */
#include "objects.h"

#include <pthread.h>
#include <signal.h>

typedef struct lull_lua_signals {
    uint32_t magic;
    int open;
    sigset_t before; /* what was blocked */
} lull_lua_signals;

static const struct {
    int number;
    const char *name; /* NULL: only held back */
} watched[] = {{SIGINT, "INT"}, {SIGTERM, "TERM"}, {SIGHUP, "HUP"}, {SIGXFSZ, NULL}};

enum { N_WATCHED = (int)(sizeof watched / sizeof *watched) };

/* Take signal i out of those that wait, if it does. */
static int take(int i)
{
    sigset_t waiting, one;
    int number;
    if (sigpending(&waiting) != 0 || sigismember(&waiting, watched[i].number) != 1) return 0;
    sigemptyset(&one);
    sigaddset(&one, watched[i].number);
    return sigwait(&one, &number) == 0;
}

/* Was it started with nohup, say?  Linux keeps signals that are ignored too, once they are blocked. */
static int is_ignored(int number)
{
    struct sigaction now;
    return sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

/* core.signals() -> a watch over INT, TERM and HUP */
int lull_lua_signals_new(lua_State *L)
{
    lull_lua_signals *s;
    sigset_t set;
    int i;
    s = lull_object_new(L, &lull_signals_kind);
    sigemptyset(&set);
    for (i = 0; i < N_WATCHED; i++) sigaddset(&set, watched[i].number);
    if (pthread_sigmask(SIG_BLOCK, &set, &s->before) != 0)
        return luaL_error(L, "the signals cannot be watched");
    s->open = 1;
    return 1;
}

/* signals:poll() -> "INT", "TERM" or "HUP", each as often as it came since (at least once), or nil */
static int signals_poll(lua_State *L)
{
    const lull_lua_signals *s = lull_object_check(L, 1, &lull_signals_kind);
    int i;
    if (!s->open) luaL_error(L, "attempt to use a closed watch");
    for (i = 0; i < N_WATCHED; i++) {
        if (take(i) && watched[i].name != NULL && !is_ignored(watched[i].number)) {
            lua_pushstring(L, watched[i].name);
            return 1;
        }
    }
    lua_pushnil(L);
    return 1;
}

/* close, and __gc: what still waits comes through now, but for SIGXFSZ */
static int signals_close(lua_State *L)
{
    lull_lua_signals *s = lull_object_check(L, 1, &lull_signals_kind);
    if (s->open) {
        s->open = 0;
        (void)take(N_WATCHED - 1);
        (void)pthread_sigmask(SIG_SETMASK, &s->before, NULL);
    }
    lua_pushboolean(L, 1);
    return 1;
}

static int signals_tostring(lua_State *L)
{
    const lull_lua_signals *s = lull_object_check(L, 1, &lull_signals_kind);
    lua_pushstring(L, s->open ? "lull.signals" : "lull.signals (closed)");
    return 1;
}

const lull_kind lull_signals_kind = {"lull.signals", 0x4c534947u, sizeof(lull_lua_signals)};

void lull_register_signals(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"poll", signals_poll}, {"close", signals_close}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {
        {"__gc", signals_close}, {"__tostring", signals_tostring}, {NULL, NULL}};
    lull_kind_register(L, &lull_signals_kind, methods, metamethods);
}
