/* The pool: every part runs once a round, whatever the number of threads; opening and closing. */
#include "threads.h"
#include "fpenv.h"
#include "failing.h"

#include <fenv.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static volatile float one = 1.0f, tiny = 1e-9f; /* their sum is 1, unless rounded upward */

typedef struct tally {
    int runs[256];
    int parts;
    int rounding_was_wrong;
} tally;

static void count(void *argument, int part, int n_parts)
{
    tally *t = argument;
    t->runs[part]++;
    if (part == 0) t->parts = n_parts;
    if (one + tiny != one) t->rounding_was_wrong = 1;
}

static lull_pool *open_pool(int n, const lull_allocator *allocator)
{
    lull_pool *pool;
    assert_int_equal(lull_pool_open(&pool, n, allocator, NULL), LULL_OK);
    return pool;
}

static void test_each_part_runs_once_a_round(void **state)
{
    static const int threads[] = {1, 2, 3, 7, 16};
    failing f;
    size_t i;
    (void)state;
    failing_init(&f, 0, 0);
    for (i = 0; i < sizeof threads / sizeof threads[0]; i++) {
        lull_pool *pool = open_pool(threads[i], &f.allocator);
        tally t;
        int round, part;
        memset(&t, 0, sizeof t);
        for (round = 0; round < 500; round++) lull_pool_run(pool, count, &t);
        assert_int_equal(t.parts, threads[i]);
        for (part = 0; part < 256; part++)
            assert_int_equal(t.runs[part], part < threads[i] ? 500 : 0);
        lull_pool_close(pool);
    }
    assert_int_equal(f.blocks, 0);
}

static void test_without_a_pool_the_caller_works(void **state)
{
    tally t;
    (void)state;
    memset(&t, 0, sizeof t);
    lull_pool_run(NULL, count, &t);
    assert_int_equal(t.parts, 1);
    assert_int_equal(t.runs[0], 1);
    assert_true(lull_pool_usable(NULL));
    lull_pool_close(NULL);
}

static void test_pools_open_and_close_many_times(void **state)
{
    failing f;
    int i;
    (void)state;
    failing_init(&f, 0, 0);
    for (i = 0; i < 1000; i++) {
        lull_pool *pool = open_pool(3, &f.allocator);
        tally t;
        memset(&t, 0, sizeof t);
        if (i % 2) lull_pool_run(pool, count, &t);
        lull_pool_close(pool);
    }
    assert_int_equal(f.blocks, 0);
}

static void test_workers_round_to_nearest_whatever_the_host_does(void **state)
{
    failing f;
    lull_pool *pool;
    lull_fpenv env;
    tally t;
    (void)state;
    memset(&t, 0, sizeof t);
    failing_init(&f, 0, 0);
    fesetround(FE_UPWARD); /* inherited by new threads */
    pool = open_pool(4, &f.allocator);
    lull_fpenv_enter(&env);
    lull_pool_run(pool, count, &t);
    lull_fpenv_leave(&env);
    assert_true(one + tiny > one);
    fesetround(FE_TONEAREST);
    assert_false(t.rounding_was_wrong);
    lull_pool_close(pool);
}

static void test_a_refused_allocation_is_reported(void **state)
{
    failing f;
    lull_pool *pool;
    lull_error error;
    (void)state;
    failing_init(&f, 1, 1);
    assert_int_equal(lull_pool_open(&pool, 2, &f.allocator, &error), LULL_ENOMEM);
    assert_null(pool);
    assert_int_equal(f.blocks, 0);
}

/* An address space with no room for another stack: threads cannot be made. */
static int leave_no_room(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    struct rlimit limit;
    unsigned long pages;
    int read = file != NULL && fscanf(file, "%lu", &pages) == 1;
    if (file != NULL) fclose(file);
    if (!read) return 0;
    limit.rlim_cur = limit.rlim_max = (rlim_t)pages * 4096 + (1 << 20);
    return setrlimit(RLIMIT_AS, &limit) == 0;
}

static void test_threads_that_cannot_be_made_are_reported(void **state)
{
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    pid_t pid;
    int result;
    (void)state;
    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        failing f;
        lull_pool *pool;
        lull_error error;
        lull_status status;
        failing_init(&f, 0, 0);
        if (!leave_no_room()) _exit(77);
        status = lull_pool_open(&pool, 200, &f.allocator, &error); /* some have a stack left over */
        _exit(status == LULL_ENOMEM && pool == NULL && f.blocks == 0 &&
                      strstr(error.message, "threads: started ") != NULL
                  ? 0
                  : 1);
    }
    assert_int_equal(waitpid(pid, &result, 0), pid);
    assert_true(WIFEXITED(result));
    if (WEXITSTATUS(result) == 77) skip();
    assert_int_equal(WEXITSTATUS(result), 0);
#else
    (void)state;
    (void)leave_no_room;
    skip(); /* emulators and sanitizers need address space themselves */
#endif
}

static void test_there_is_a_core(void **state)
{
    (void)state;
    assert_in_range(lull_cpu_count(), 1, 1 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_part_runs_once_a_round),
        cmocka_unit_test(test_without_a_pool_the_caller_works),
        cmocka_unit_test(test_pools_open_and_close_many_times),
        cmocka_unit_test(test_workers_round_to_nearest_whatever_the_host_does),
        cmocka_unit_test(test_a_refused_allocation_is_reported),
        cmocka_unit_test(test_threads_that_cannot_be_made_are_reported),
        cmocka_unit_test(test_there_is_a_core),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
