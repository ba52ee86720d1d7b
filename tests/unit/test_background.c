/* Steps in the background: results, the descriptor, refusals while one runs, closing, signals. */
#include "context.h"
#include "failing.h"
#include "tiny.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static failing memory;

static lull_context *open_context(int32_t threads)
{
    lull_load_options options;
    lull_context_options context_options;
    lull_model *model;
    lull_context *c;
    size_t bytes;
    unsigned char *file = tiny_checkpoint(tiny_find("gqa"), 2, LULL_LITTLE_ENDIAN, &bytes);
    if (memory.blocks == 0) failing_init(&memory, 0, 0);
    lull_load_options_init(&options);
    options.no_tokenizer = 1;
    options.allocator = memory.allocator;
    assert_int_equal(lull_model_load_memory(&model, file, bytes, NULL, 0, &options, NULL), LULL_OK);
    free(file);
    lull_context_options_init(&context_options);
    context_options.sequences = 4;
    context_options.threads = threads;
    context_options.batch = 1;
    assert_int_equal(lull_context_open(&c, model, &context_options, NULL), LULL_OK);
    lull_model_release(model);
    return c;
}

static lull_sequence *open_fed(lull_context *c, int32_t n)
{
    lull_sequence *s;
    int32_t i;
    assert_int_equal(lull_sequence_open(&s, c, NULL), LULL_OK);
    for (i = 0; i < n; i++) assert_int_equal(lull_sequence_feed(s, &i, 1, 0, NULL), LULL_OK);
    return s;
}

static int readable(lull_context *c, int timeout)
{
    struct pollfd p = {0, POLLIN, 0};
    p.fd = lull_context_fd(c, NULL);
    assert_true(p.fd >= 0);
    return poll(&p, 1, timeout) == 1;
}

static void test_it_gives_what_a_step_gives(void **state)
{
    lull_context *c = open_context(2), *plain = open_context(1);
    lull_sequence *s = open_fed(c, 40), *t = open_fed(plain, 40);
    const float *a, *b;
    size_t remaining = 99;
    int round;
    (void)state;
    for (round = 0; round < 20; round++) {
        int32_t id = 7 + round;
        assert_int_equal(lull_context_start(c, 0, NULL), LULL_OK);
        assert_true(readable(c, -1));
        assert_false(lull_context_running(c));
        assert_int_equal(lull_context_wait(c, &remaining, NULL), LULL_OK);
        assert_int_equal(remaining, 0);
        assert_false(readable(c, 0));
        assert_int_equal(lull_context_step(plain, 0, NULL, NULL), LULL_OK);
        assert_int_equal(lull_sequence_logits(s, &a, NULL), LULL_OK);
        assert_int_equal(lull_sequence_logits(t, &b, NULL), LULL_OK);
        assert_memory_equal(a, b, (size_t)c->model->config.vocab_size * sizeof(float));
        assert_int_equal(lull_sequence_feed(s, &id, 1, 0, NULL), LULL_OK);
        assert_int_equal(lull_sequence_feed(t, &id, 1, 0, NULL), LULL_OK);
    }
    assert_int_equal(lull_context_start(c, 0, NULL), LULL_OK);
    assert_int_equal(lull_context_wait(c, NULL, NULL), LULL_OK);
    lull_sequence_close(s);
    lull_sequence_close(t);
    lull_context_close(c);
    lull_context_close(plain);
    assert_int_equal(memory.blocks, 0);
}

static void test_max_tokens(void **state)
{
    lull_context *c = open_context(1);
    lull_sequence *s = open_fed(c, 30);
    size_t remaining;
    (void)state;
    assert_int_equal(lull_context_start(c, 12, NULL), LULL_OK);
    assert_int_equal(lull_context_wait(c, &remaining, NULL), LULL_OK);
    assert_int_equal(remaining, 18);
    assert_int_equal(lull_sequence_pending(s), 18);
    lull_sequence_close(s);
    lull_context_close(c);
}

static void refused(lull_status status, const lull_error *error, const char *text)
{
    assert_int_equal(status, LULL_ESTATE);
    if (strstr(error->message, text) == NULL) fail_msg("\"%s\" lacks \"%s\"", error->message, text);
}

static void test_other_calls_are_refused_until_it_is_waited_for(void **state)
{
    lull_context *c = open_context(1);
    lull_sequence *s = open_fed(c, 60), *other = open_fed(c, 0), *none;
    const float *logits;
    lull_error error;
    uint64_t serial = lull_sequence_serial(s);
    int32_t id = 1;
    (void)state;
    refused(lull_context_wait(c, NULL, &error), &error, "no step was started");
    assert_int_equal(lull_context_start(c, 0, &error), LULL_OK);
    /* Refused whether it still runs or has ended and was not waited for. */
    refused(lull_context_start(c, 0, &error), &error, "runs in the background");
    refused(lull_context_step(c, 0, NULL, &error), &error, "runs in the background");
    refused(lull_sequence_feed(other, &id, 1, 0, &error), &error, "runs in the background");
    refused(lull_sequence_rewind(s, 1, &error), &error, "runs in the background");
    refused(lull_sequence_fork(&none, s, &error), &error, "runs in the background");
    refused(lull_sequence_open(&none, c, &error), &error, "runs in the background");
    refused(lull_sequence_logits(s, &logits, &error), &error, "runs in the background");
    assert_int_equal(lull_sequence_pending(s), 60); /* the state before the start */
    assert_true(lull_sequence_serial(s) != serial); /* but nobody may trust old logits */
    assert_true(readable(c, -1));
    refused(lull_context_step(c, 0, NULL, &error), &error, "runs in the background");
    assert_int_equal(lull_context_wait(c, NULL, &error), LULL_OK);
    assert_int_equal(lull_sequence_pending(s), 0);
    assert_int_equal(lull_sequence_logits(s, &logits, &error), LULL_OK);
    lull_sequence_close(s);
    lull_sequence_close(other);
    lull_context_close(c);
    assert_int_equal(memory.blocks, 0);
}

static void test_cancel(void **state)
{
    lull_context *c = open_context(1);
    lull_sequence *s = open_fed(c, 64);
    lull_error error;
    size_t remaining;
    (void)state;
    assert_int_equal(lull_context_start(c, 0, &error), LULL_OK);
    lull_context_cancel(c);
    if (lull_context_wait(c, &remaining, &error) == LULL_ECANCELED) {
        assert_true(remaining > 0);
        assert_int_equal(lull_sequence_pending(s), remaining);
        assert_int_equal(lull_context_step(c, 0, &remaining, &error), LULL_OK);
    }
    assert_int_equal(lull_sequence_pending(s), 0);
    lull_sequence_close(s);
    lull_context_close(c);
}

static void test_closing_while_it_runs(void **state)
{
    int round;
    (void)state;
    for (round = 0; round < 60; round++) {
        lull_context *c = open_context(1 + round % 2);
        lull_sequence *a = open_fed(c, 40), *b = open_fed(c, 10);
        assert_int_equal(lull_context_start(c, 0, NULL), LULL_OK);
        if (round % 3 != 0) lull_sequence_close(a); /* put off */
        if (round % 3 == 1) assert_int_equal(lull_context_wait(c, NULL, NULL), LULL_OK);
        lull_context_close(c); /* cancels and waits */
        if (round % 3 == 0) lull_sequence_close(a);
        lull_sequence_close(b);
        assert_int_equal(memory.blocks, 0);
    }
}

static volatile sig_atomic_t handled_in_host;
static pthread_t host;

static void handle(int number)
{
    (void)number;
    handled_in_host += pthread_equal(pthread_self(), host) ? 1 : 1000;
}

static void test_signals_go_to_the_host(void **state)
{
    lull_context *c = open_context(2);
    lull_sequence *s = open_fed(c, 64);
    struct sigaction action, before;
    (void)state;
    memset(&action, 0, sizeof action);
    action.sa_handler = handle;
    host = pthread_self();
    sigaction(SIGUSR1, &action, &before);
    assert_int_equal(lull_context_start(c, 0, NULL), LULL_OK);
    kill(getpid(), SIGUSR1);
    assert_int_equal(lull_context_wait(c, NULL, NULL), LULL_OK);
    sigaction(SIGUSR1, &before, NULL);
    assert_int_equal(handled_in_host, 1);
    lull_sequence_close(s);
    lull_context_close(c);
}

static void test_a_forked_child_neither_waits_nor_hangs(void **state)
{
    lull_context *c = open_context(1);
    lull_sequence *s = open_fed(c, 5);
    int result;
    pid_t pid;
    (void)state;
    assert_int_equal(lull_context_start(c, 0, NULL), LULL_OK);
    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        lull_error error;
        int right = lull_context_wait(c, NULL, &error) == LULL_ESTATE &&
                    strstr(error.message, "fork") != NULL && !lull_context_running(c);
        lull_sequence_close(s);
        lull_context_close(c);
        _exit(right ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &result, 0), pid);
    assert_true(WIFEXITED(result) && WEXITSTATUS(result) == 0);
    assert_int_equal(lull_context_wait(c, NULL, NULL), LULL_OK);
    lull_sequence_close(s);
    lull_context_close(c);
}

static void test_the_descriptor_is_made_once_and_not_inherited(void **state)
{
    lull_context *c = open_context(1);
    int fd = lull_context_fd(c, NULL);
    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(lull_context_fd(c, NULL), fd);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_false(readable(c, 0));
    lull_context_close(c);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_gives_what_a_step_gives),
        cmocka_unit_test(test_max_tokens),
        cmocka_unit_test(test_other_calls_are_refused_until_it_is_waited_for),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_closing_while_it_runs),
        cmocka_unit_test(test_signals_go_to_the_host),
        cmocka_unit_test(test_a_forked_child_neither_waits_nor_hangs),
        cmocka_unit_test(test_the_descriptor_is_made_once_and_not_inherited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
