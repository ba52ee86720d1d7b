/* states.c - a C program with several Lua states, as a server has one for each user: each on a thread
 * of its own and with an allocator that keeps it within a budget.  The weights are in memory once;
 * they, and the contexts, are lull's and not in a state's budget (limit those with
 * max_memory_bytes).
 *
 *   cc states.c $(pkg-config --cflags --libs lua5.1) -Wl,-E -pthread -o states
 *   ./states hero.lua lullaby.bin Lily Tom Mia
 *
 * A script that wants more than its budget fails with "not enough memory"; the others go on. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_USERS = 16, BUDGET = 4 << 20 };

typedef struct user {
    const char *script, *model, *name;
    size_t bytes; /* of its Lua state */
    char *answer; /* what it told, or why not */
    int failed;
} user;

/* lua_Alloc within a budget. */
static void *budgeted(void *argument, void *ptr, size_t old_bytes, size_t new_bytes)
{
    user *u = argument;
    void *moved;
    if (ptr == NULL) old_bytes = 0; /* from Lua 5.2 on it is a type */
    if (new_bytes == 0) {
        free(ptr);
        u->bytes -= old_bytes;
        return NULL;
    }
    if (new_bytes > old_bytes && u->bytes + (new_bytes - old_bytes) > BUDGET) return NULL;
    moved = realloc(ptr, new_bytes);
    if (moved == NULL) return NULL;
    u->bytes = u->bytes - old_bytes + new_bytes;
    return moved;
}

/* All that a script's state does is in here, so that running out of memory ends in lua_pcall. */
static int run_script(lua_State *L)
{
    user *u = lua_touserdata(L, 1);
    luaL_openlibs(L);
    if (luaL_loadfile(L, u->script) != 0) return lua_error(L);
    lua_call(L, 0, 0);
    lua_getglobal(L, "tell");
    lua_pushstring(L, u->model);
    lua_pushstring(L, u->name);
    lua_call(L, 2, 1);
    return 1;
}

static void *serve(void *argument)
{
    user *u = argument;
    const char *text;
    size_t bytes = 0;
    lua_State *L = lua_newstate(budgeted, u);
    if (L == NULL) return NULL;
    lua_pushcfunction(L, run_script);
    lua_pushlightuserdata(L, u);
    u->failed = lua_pcall(L, 1, 1, 0) != 0;
    text = lua_tolstring(L, -1, &bytes);
    u->answer = malloc(bytes + 1);
    if (u->answer != NULL) {
        if (bytes > 0) memcpy(u->answer, text, bytes);
        u->answer[bytes] = '\0';
    }
    lua_close(L); /* closes models, contexts and threads too */
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[MAX_USERS];
    user users[MAX_USERS];
    int i, n = argc - 3, failed = 0;

    if (n < 1 || n > MAX_USERS) {
        fprintf(stderr, "usage: states SCRIPT MODEL NAME...      (at most %d)\n", MAX_USERS);
        return 2;
    }
    memset(users, 0, sizeof users);
    for (i = 0; i < n; i++) {
        users[i].script = argv[1];
        users[i].model = argv[2];
        users[i].name = argv[3 + i];
        if (pthread_create(&threads[i], NULL, serve, &users[i]) != 0) return EXIT_FAILURE;
    }
    for (i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
        printf("%s: %s\n", users[i].name, users[i].answer != NULL ? users[i].answer : "no memory");
        failed |= users[i].failed || users[i].answer == NULL;
        free(users[i].answer);
    }
    return !failed && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
