/* fork.c - a host that forks: with models and contexts open, a step running, and while other threads
 * load models.  The child may use the models, open contexts of its own and close everything; the
 * parent goes on. */
#include "host.h"

#if !defined(__SANITIZE_THREAD__)

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

/* A child that hangs ends all the same. */
#define CHILD_SECONDS 60
#define THREADS       3
#define FORKS         40

static const char inherited[] =
    "core = require 'lull.core'\n"
    "model = assert(core.load('" MODEL "'))\n"
    "context = assert(model:context{length = 300, threads = 2, batch = 1})\n"
    "seq = assert(context:sequence():feed('Once'))\n"
    "assert(context:step())\n"
    "local ids = {}\n"
    "for i = 1, 250 do ids[i] = i end\n"
    "assert(seq:feed(ids))\n"
    "assert(context:start())\n";

static const char in_child[] =
    "local ok, message, code = context:step()\n"
    "assert(not ok and code == 'ESTATE' and message:find('fork'), message)\n"
    "ok, message, code = context:wait()\n"
    "assert(not ok and code == 'ESTATE' and message:find('fork'), message)\n"
    "local shared, why = core.load('" MODEL "', {max_file_bytes = 10})\n"
    "assert(not shared and why:find('the file is'), 'the model is shared')\n"
    "local new = assert(assert(model:context{length = 8, threads = 2}):sequence():feed('Once'))\n"
    "assert(new:context():start())\n"
    "assert(new:context():wait())\n";

static void expect_child(pid_t pid, const char *what)
{
    int status;
    host_expect(pid > 0, "a child");
    host_expect(waitpid(pid, &status, 0) == pid, "the child to end");
    host_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, what);
}

/* Everything is open, and a step runs. */
static void fork_in_the_middle(const char *expected)
{
    lua_State *L = host_open();
    pid_t pid;
    host_do(L, inherited);
    pid = fork();
    if (pid == 0) {
        char *text;
        alarm(CHILD_SECONDS);
        host_do(L, in_child);
        text = host_run(L, HOST_STORY);
        host_expect(strcmp(text, expected) == 0, "the child to tell the same story");
        free(text);
        lua_close(L);
        _exit(0);
    }
    expect_child(pid, "the child to close everything");
    host_do(L, "assert(context:wait()) assert(#seq == 252) assert(seq:logits())");
    lua_close(L);
}

static int stop; /* under mutex */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static int stopped(void)
{
    int answer;
    pthread_mutex_lock(&mutex);
    answer = stop;
    pthread_mutex_unlock(&mutex);
    return answer;
}

/* Another thread is in the middle of loading most of the time. */
static void *load_again_and_again(void *user)
{
    lua_State *L = host_open();
    (void)user;
    while (!stopped())
        host_do(L, "local core = require 'lull.core'\n"
                   "assert(core.load('" MODEL "')):close()\n"
                   "assert(core.load('" MODEL "', {precision = 'f32'})):close()\n");
    lua_close(L);
    return NULL;
}

static void fork_beside_threads(const char *expected)
{
    pthread_t threads[THREADS];
    int i;
    for (i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, load_again_and_again, NULL) != 0)
            host_fail("host", "no thread");
    for (i = 0; i < FORKS; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            lua_State *L;
            char *text;
            alarm(CHILD_SECONDS);
            L = host_open();
            text = host_run(L, HOST_STORY);
            host_expect(strcmp(text, expected) == 0, "the child to tell the same story");
            host_do(L, "assert(require('lull.core').load('" MODEL "', {precision = 'f32'}))");
            free(text);
            lua_close(L);
            _exit(0);
        }
        expect_child(pid, "a child of a process that loads");
    }
    pthread_mutex_lock(&mutex);
    stop = 1;
    pthread_mutex_unlock(&mutex);
    for (i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
}

int main(void)
{
    lua_State *L = host_open();
    char *expected = host_run(L, HOST_STORY);
    int i;
    lua_close(L);
    for (i = 0; i < 5; i++) fork_in_the_middle(expected);
    fork_beside_threads(expected);
    free(expected);
    printf("5 children of a process with a step running, %d of one that loads: same story\n",
           FORKS);
    return 0;
}

#else

int main(void)
{
    puts("ThreadSanitizer allows no threads in the child of a process that has some");
    return 77;
}

#endif
