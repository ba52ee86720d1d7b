/* The pool: every part runs once a round, whatever the number of threads; opening and closing. */
#include "threads.h"
#include "fpenv.h"
#include "failing.h"

#include <fenv.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
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
        cmocka_unit_test(test_there_is_a_core),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
