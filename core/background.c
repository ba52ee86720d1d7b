/* background.c - a context's step on a thread of its own, for hosts with an event loop.
 *
 * The thread is made at the first start and then sleeps between steps.  State is changed under a
 * mutex; the pipe holds one byte while a step has ended and was not waited for. */
#include "context.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

typedef enum background_state { IDLE, RUNNING, ENDED } background_state;

typedef struct lull_background {
    lull_context *context;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    pthread_t thread;
    pid_t owner;
    int busy; /* atomic: started and not waited for; only the caller's thread changes it */
    background_state state;
    int quit;
    int pipe[2]; /* read end, write end */
    size_t max_tokens;
    lull_status status;
    lull_error error;
} lull_background;

/* ---- the thread */

static void tell_end(lull_background *b)
{
    ssize_t done;
    do done = write(b->pipe[1], "", 1);
    while (done < 0 && errno == EINTR);
}

static void *work(void *argument)
{
    lull_background *b = argument;
    pthread_mutex_lock(&b->mutex);
    for (;;) {
        while (b->state != RUNNING && !b->quit) pthread_cond_wait(&b->changed, &b->mutex);
        if (b->state != RUNNING) break;
        pthread_mutex_unlock(&b->mutex);
        b->status = lull_context_run(b->context, NULL, b->max_tokens, &b->error);
        pthread_mutex_lock(&b->mutex);
        b->state = ENDED;
        tell_end(b);
        pthread_cond_broadcast(&b->changed);
    }
    pthread_mutex_unlock(&b->mutex);
    return NULL;
}

/* ---- making it */

static int set_flags(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) >= 0 &&
           fcntl(fd, F_SETFD, FD_CLOEXEC) >= 0;
}

static int open_pipe(lull_background *b)
{
    if (pipe(b->pipe) != 0) return errno;
    if (set_flags(b->pipe[0]) && set_flags(b->pipe[1])) return 0;
    close(b->pipe[0]);
    close(b->pipe[1]);
    return EBADF;
}

/* With all signals blocked: the host's handlers run in the host's threads. */
static int start_thread(lull_background *b)
{
    sigset_t all, before;
    int failed;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(&b->thread, NULL, work, b);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

/* *out = the context's thread, begun with its first background step; NULL after a failure. */
static lull_status open_background(lull_context *c, lull_background **out, lull_error *error)
{
    lull_background *b = c->background;
    int failed;
    *out = b;
    if (b != NULL) return LULL_OK;
    b = lull_memory_get_zeroed(&c->model->allocator, sizeof *b);
    if (b == NULL) return lull_memory_fail(error, "background step", sizeof *b);
    b->context = c;
    b->owner = getpid();
    failed = open_pipe(b);
    if (failed) {
        lull_memory_put(&c->model->allocator, b);
        return lull_fail(error, LULL_EIO, failed, 0, "background step: no pipe: %s",
                         strerror(failed));
    }
    failed = pthread_mutex_init(&b->mutex, NULL);
    if (failed) goto no_mutex;
    failed = pthread_cond_init(&b->changed, NULL);
    if (failed) goto no_condition;
    failed = start_thread(b);
    if (failed) goto no_thread;
    *out = c->background = b;
    return LULL_OK;
no_thread:
    pthread_cond_destroy(&b->changed);
no_condition:
    pthread_mutex_destroy(&b->mutex);
no_mutex:
    close(b->pipe[0]);
    close(b->pipe[1]);
    lull_memory_put(&c->model->allocator, b);
    return lull_fail(error, LULL_ENOMEM, failed, 0, "background step: no thread: %s",
                     strerror(failed));
}

/* ---- using it */

int lull_background_busy(const lull_context *c)
{
    return c->background != NULL && lull_atomic_get(&c->background->busy);
}

int lull_background_lost(const lull_context *c)
{
    return lull_background_busy(c) && c->background->owner != getpid();
}

lull_status lull_context_start(lull_context *c, size_t max_tokens, lull_error *error)
{
    lull_background *b;
    lull_status status;
    lull_error_clear(error);
    status = lull_context_check(c, error);
    if (status != LULL_OK) return status;
    if (!lull_pool_usable(c->pool) || (c->background != NULL && c->background->owner != getpid()))
        return lull_context_fail_forked(error);
    status = open_background(c, &b, error);
    if (b == NULL) return status;
    pthread_mutex_lock(&b->mutex);
    b->max_tokens = max_tokens;
    lull_error_clear(&b->error);
    b->state = RUNNING;
    lull_atomic_set(&b->busy, 1);
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->mutex);
    return LULL_OK;
}

int lull_context_running(const lull_context *c)
{
    lull_background *b = c->background;
    int running;
    if (!lull_background_busy(c) || lull_background_lost(c)) return 0;
    pthread_mutex_lock(&b->mutex);
    running = b->state == RUNNING;
    pthread_mutex_unlock(&b->mutex);
    return running;
}

/* Wait until the step has ended and empty the pipe. */
static void join_step(lull_background *b)
{
    char byte;
    ssize_t got;
    pthread_mutex_lock(&b->mutex);
    while (b->state == RUNNING) pthread_cond_wait(&b->changed, &b->mutex);
    b->state = IDLE;
    do got = read(b->pipe[0], &byte, 1);
    while (got < 0 && errno == EINTR);
    pthread_mutex_unlock(&b->mutex);
    lull_atomic_set(&b->busy, 0);
}

lull_status lull_context_wait(lull_context *c, size_t *remaining, lull_error *error)
{
    lull_background *b = c->background;
    lull_error_clear(error);
    if (remaining != NULL) *remaining = 0;
    if (c->closed) return lull_fail(error, LULL_ESTATE, 0, 0, "the context is closed");
    if (!lull_background_busy(c))
        return lull_fail(error, LULL_ESTATE, 0, 0, "no step was started in the background");
    if (lull_background_lost(c)) return lull_context_fail_forked(error);
    join_step(b);
    lull_context_settle(c);
    if (remaining != NULL) *remaining = lull_context_queued(c);
    if (b->status != LULL_OK && error != NULL) *error = b->error;
    return b->status;
}

int lull_context_fd(lull_context *c, lull_error *error)
{
    lull_background *b;
    lull_error_clear(error);
    if (c->closed) {
        lull_fail(error, LULL_ESTATE, 0, 0, "the context is closed");
        return -1;
    }
    open_background(c, &b, error);
    return b == NULL ? -1 : b->pipe[0];
}

void lull_background_close(lull_context *c)
{
    lull_background *b = c->background;
    if (b == NULL) return;
    if (b->owner == getpid()) {
        if (lull_background_busy(c)) {
            lull_context_cancel(c);
            join_step(b);
            lull_atomic_set(&c->cancel, 0);
        }
        pthread_mutex_lock(&b->mutex);
        b->quit = 1;
        pthread_cond_broadcast(&b->changed);
        pthread_mutex_unlock(&b->mutex);
        pthread_join(b->thread, NULL);
        pthread_cond_destroy(&b->changed);
        pthread_mutex_destroy(&b->mutex);
    }
    close(b->pipe[0]);
    close(b->pipe[1]);
    c->background = NULL;
    lull_memory_put(&c->model->allocator, b);
}
