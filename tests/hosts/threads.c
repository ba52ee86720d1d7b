/* threads.c - several threads, each with a Lua state of its own, load the same files at the same
 * time, tell the same story, drop everything and begin again.  ThreadSanitizer finds nothing. */
#include "host.h"

#include <pthread.h>

#define THREADS 4
#define ROUNDS  4

static pthread_mutex_t start_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t start_now = PTHREAD_COND_INITIALIZER;
static int arrived, met;
static size_t held;

/* All threads go on together, told how many bytes the process holds at this moment. */
static size_t gather(void)
{
    size_t bytes;
    int meeting;
    pthread_mutex_lock(&start_mutex);
    meeting = met;
    if (++arrived == THREADS) {
        held = host_bytes();
        arrived = 0;
        met++;
        pthread_cond_broadcast(&start_now);
    }
    while (met == meeting) pthread_cond_wait(&start_now, &start_mutex);
    bytes = held; /* stays until all are here again */
    pthread_mutex_unlock(&start_mutex);
    return bytes;
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
        size_t before, after;
        host_do(L, "core = require 'lull.core'");
        before = gather();
        host_do(L, "model = assert(core.load('" MODEL "'))");
        after = gather();
        /* A copy has 1.6 MB. */
        host_expect(after <= before + 2500000, "one copy of the model for all threads");
        host_expect(after == 0 || after >= before + 1000000, "the model to be counted at all");
        gather();
        free(*text);
        *text = host_run(L, HOST_STORY);
        host_do(L, churn);
        lua_close(L);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS];
    char *text[THREADS] = {NULL};
    lua_State *L;
    char *expected;
    int i;
    (void)argc;
    host_count_exactly(argv);
    L = host_open();
    expected = host_run(L, HOST_STORY);
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
