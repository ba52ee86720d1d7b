/* threads.c - a pool of POSIX threads that run one task together.
 *
 * A task of a step lasts tens of microseconds, and waking a thread that sleeps takes as long.  So a
 * thread that has finished spins for a while before it sleeps: the next task usually comes within that
 * time.  An idle context costs nothing after it.  Where there are more threads than cores nobody
 * spins, because whoever is waited for needs the core. */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* sched_getaffinity */
#endif
#include "threads.h"
#include "fpenv.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__APPLE__)
#include <sys/sysctl.h>
#include <sys/types.h>
#endif

#define SPIN_SECONDS 200e-6
#define SPINS        64 /* between two looks at the clock */
#define LINE         64 /* bytes that caches hand from core to core */

typedef struct worker {
    pthread_t thread;
    lull_pool *pool;
    int part;
} worker;

struct lull_pool {
    lull_allocator allocator;
    pthread_mutex_t mutex;
    pthread_cond_t start, finished;
    int n_threads; /* the caller's included */
    int n_started;
    int spins; /* 0: whoever waits sleeps at once */
    pid_t owner;
    lull_task task;
    void *argument;
    int quit; /* atomic */
    /* Lines of their own: what the caller writes, and what the workers do. */
    char before[LINE];
    int round;    /* atomic: counts tasks given out; a worker waits for it to change */
    int sleepers; /* atomic: workers that sleep, or are about to */
    char between[LINE];
    int running; /* atomic: workers still at the current task */
    int waiting; /* atomic: the caller sleeps until they are done, or is about to */
    char after[LINE];
    worker workers[1]; /* (n_threads - 1) */
};

/* Spin until *value is (or, with `change`, is no longer) `number`, at most SPIN_SECONDS.  1 = it is. */
static int spin(const lull_pool *pool, const int *value, int number, int change)
{
    double end = 0.0;
    int i;
    if (!pool->spins) return 0;
    for (;;) {
        for (i = 0; i < SPINS; i++) {
            if ((lull_atomic_get(value) == number) != change) return 1;
            lull_relax();
        }
        if (end == 0.0)
            end = lull_clock() + SPIN_SECONDS;
        else if (lull_clock() > end)
            return 0;
    }
}

/* Who goes to sleep says so first and looks once more; who ends the wait changes the number first and
 * then looks for sleepers.  One of the two sees the other. */
static int wait_for_round(lull_pool *pool, int seen)
{
    if (!spin(pool, &pool->round, seen, 1)) {
        pthread_mutex_lock(&pool->mutex);
        lull_atomic_add(&pool->sleepers, 1);
        while (lull_atomic_get(&pool->round) == seen) pthread_cond_wait(&pool->start, &pool->mutex);
        lull_atomic_add(&pool->sleepers, -1);
        pthread_mutex_unlock(&pool->mutex);
    }
    return lull_atomic_get(&pool->round);
}

static void next_round(lull_pool *pool)
{
    lull_atomic_add(&pool->round, 1);
    if (lull_atomic_get(&pool->sleepers) == 0) return;
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_broadcast(&pool->start);
    pthread_mutex_unlock(&pool->mutex);
}

static void *work(void *argument)
{
    worker *w = argument;
    lull_pool *pool = w->pool;
    lull_fpenv env;
    int seen = 0;
    lull_fpenv_enter(&env);
    for (;;) {
        seen = wait_for_round(pool, seen);
        if (lull_atomic_get(&pool->quit)) return NULL;
        pool->task(pool->argument, w->part, pool->n_threads);
        if (lull_atomic_add(&pool->running, -1) > 0 || !lull_atomic_get(&pool->waiting)) continue;
        pthread_mutex_lock(&pool->mutex);
        pthread_cond_signal(&pool->finished);
        pthread_mutex_unlock(&pool->mutex);
    }
}

void lull_pool_run(lull_pool *pool, lull_task task, void *argument)
{
    if (pool == NULL || pool->n_threads == 1) {
        task(argument, 0, 1);
        return;
    }
    pool->task = task;
    pool->argument = argument;
    lull_atomic_set(&pool->running, pool->n_threads - 1);
    next_round(pool);
    task(argument, 0, pool->n_threads);
    if (spin(pool, &pool->running, 0, 0)) return;
    pthread_mutex_lock(&pool->mutex);
    lull_atomic_set(&pool->waiting, 1);
    while (lull_atomic_get(&pool->running) != 0) pthread_cond_wait(&pool->finished, &pool->mutex);
    lull_atomic_set(&pool->waiting, 0);
    pthread_mutex_unlock(&pool->mutex);
}

/* Start the workers with all signals blocked: the host's handlers run in the host's threads. */
static int start_workers(lull_pool *pool)
{
    sigset_t all, before;
    int i, failed = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (i = 0; i < pool->n_threads - 1 && !failed; i++) {
        pool->workers[i].pool = pool;
        pool->workers[i].part = i + 1;
        failed = pthread_create(&pool->workers[i].thread, NULL, work, &pool->workers[i]);
        if (!failed) pool->n_started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

lull_status lull_pool_open(lull_pool **out, int n_threads, const lull_allocator *allocator,
                           lull_error *error)
{
    size_t bytes = sizeof(lull_pool) + (size_t)n_threads * sizeof(worker);
    lull_pool *pool;
    int failed;
    *out = NULL;
    pool = lull_memory_get_zeroed(allocator, bytes);
    if (pool == NULL) return lull_memory_fail(error, "thread pool", bytes);
    pool->allocator = *allocator;
    pool->n_threads = n_threads;
    pool->spins = n_threads <= lull_cpu_count();
    pool->owner = getpid();
    if (pthread_mutex_init(&pool->mutex, NULL) != 0) goto no_mutex;
    if (pthread_cond_init(&pool->start, NULL) != 0) goto no_start;
    if (pthread_cond_init(&pool->finished, NULL) != 0) goto no_finished;
    failed = start_workers(pool);
    if (failed) {
        lull_fail(error, LULL_ENOMEM, failed, 0, "threads: started %d of %d: %s",
                  pool->n_started + 1, n_threads, strerror(failed));
        lull_pool_close(pool);
        return LULL_ENOMEM;
    }
    *out = pool;
    return LULL_OK;
no_finished:
    pthread_cond_destroy(&pool->start);
no_start:
    pthread_mutex_destroy(&pool->mutex);
no_mutex:
    lull_memory_put(allocator, pool);
    return lull_fail(error, LULL_ENOMEM, 0, 0, "thread pool: no mutex or condition variable left");
}

void lull_pool_close(lull_pool *pool)
{
    lull_allocator allocator;
    int i;
    if (pool == NULL) return;
    if (lull_pool_usable(pool)) {
        lull_atomic_set(&pool->quit, 1);
        next_round(pool);
        for (i = 0; i < pool->n_started; i++) pthread_join(pool->workers[i].thread, NULL);
        pthread_cond_destroy(&pool->finished);
        pthread_cond_destroy(&pool->start);
        pthread_mutex_destroy(&pool->mutex);
    }
    allocator = pool->allocator;
    lull_memory_put(&allocator, pool);
}

int lull_pool_usable(const lull_pool *pool)
{
    return pool == NULL || pool->n_threads == 1 || pool->owner == getpid();
}

int lull_cpu_count(void)
{
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        int i, n = 0;
        for (i = 0; i < CPU_SETSIZE; i++) n += CPU_ISSET(i, &set) != 0;
        if (n > 0) return n;
    }
#endif
#if defined(__APPLE__)
    {
        int n = 0;
        size_t bytes = sizeof n;
        if (sysctlbyname("hw.ncpu", &n, &bytes, NULL, 0) == 0 && n > 0) return n;
    }
#elif defined(_SC_NPROCESSORS_ONLN)
    {
        long n = sysconf(_SC_NPROCESSORS_ONLN);
        if (n > 0) return n > 256 ? 256 : (int)n;
    }
#endif
    return 1;
}
