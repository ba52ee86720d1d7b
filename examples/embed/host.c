/* host.c - a C program that hosts Lua, as a game or an editor does: it opens a state, runs a
 * script, calls a function of it and stays in charge when the script fails.
 *
 *   cc host.c $(pkg-config --cflags --libs lua5.1) -Wl,-E -o host
 *   ./host hero.lua lullaby.bin Lily
 *
 * The module is not linked in: the script requires "lull", which Lua finds through package.path and
 * package.cpath. -Wl,-E lets it find Lua's functions in this program. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include <stdio.h>
#include <stdlib.h>

/* Calls the script's global function tell(model, name), which returns a story. */
static int tell(lua_State *L, const char *model, const char *name)
{
    lua_getglobal(L, "tell");
    lua_pushstring(L, model);
    lua_pushstring(L, name);
    if (lua_pcall(L, 2, 1, 0) != 0) {
        fprintf(stderr, "host: the script failed, the host goes on: %s\n", lua_tostring(L, -1));
        lua_pop(L, 1);
        return 1;
    }
    printf("%s\n", lua_tostring(L, -1));
    lua_pop(L, 1);
    return 0;
}

int main(int argc, char **argv)
{
    lua_State *L;
    int result;

    if (argc != 4) {
        fputs("usage: host SCRIPT MODEL NAME\n", stderr);
        return 2;
    }
    L = luaL_newstate();
    if (L == NULL) return EXIT_FAILURE;
    luaL_openlibs(L);
    if (luaL_dofile(L, argv[1])) {
        fprintf(stderr, "host: %s\n", lua_tostring(L, -1));
        lua_close(L);
        return EXIT_FAILURE;
    }
    result = tell(L, argv[2], argv[3]);
    lua_close(L); /* closes models, contexts and threads too */
    return result == 0 && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
