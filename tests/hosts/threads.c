/* threads.c - several threads, each with a Lua state of its own, load the same files at the same
 * time, tell the same story, drop everything and begin again.  ThreadSanitizer finds nothing. */
#include "host.h"

#include <pthread.h>

#define THREADS 4
#define ROUNDS  4

static pthread_mutex_t start_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t start_now = PTHREAD_COND_INITIALIZER;
static int waiting;

/* All threads go on together. */
static void gather(int round)
{
    pthread_mutex_lock(&start_mutex);
    waiting++;
    pthread_cond_broadcast(&start_now);
    while (waiting < THREADS * (round + 1)) pthread_cond_wait(&start_now, &start_mutex);
    pthread_mutex_unlock(&start_mutex);
}

static const char churn[] =
    "local core = require 'lull.core'\n"
    "for i = 1, 20 do\n"
    "  local m = assert(core.load('" MODEL "', {max_memory_bytes = 2^30}))\n"
    "  local c = assert(m:context{length = 16})\n"
    "  if i % 2 == 0 then m:close() c:close() end\n"
    "  assert(core.load('" MODEL "', {precision = 'q8', group = 32}))\n"
    "  assert(not core.load('" MODEL "', {max_file_bytes = 10}))\n"
    "  assert(not core.load('no/such/file'))\n"
    "  if i % 5 == 0 then collectgarbage() end\n"
    "end\n";

static void *teller(void *user)
{
    char **text = user;
    int round;
    for (round = 0; round < ROUNDS; round++) {
        lua_State *L = host_open();
        gather(round);
        free(*text);
        *text = host_run(L, HOST_STORY);
        host_do(L, churn);
        lua_close(L);
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    char *text[THREADS] = {NULL};
    lua_State *L = host_open();
    char *expected = host_run(L, HOST_STORY);
    int i;
    lua_close(L);
    for (i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, teller, &text[i]) != 0)
            host_fail("host", "no thread");
    for (i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (i = 0; i < THREADS; i++) {
        host_expect(strcmp(text[i], expected) == 0, "every thread to tell the same story");
        free(text[i]);
    }
    free(expected);
    printf("%d threads with a Lua state each loaded the same model at once, %d times: same story\n",
           THREADS, ROUNDS);
    return 0;
}
