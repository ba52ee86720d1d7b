/* test_bandwidth.c - lull_read_bandwidth: its arguments, its memory, and that it measures at all. */
#include "failing.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

static void gives_a_rate(void **unused)
{
    static const uint64_t sizes[] = {1, 64, 1000, 100000};
    size_t i;
    int32_t threads;
    (void)unused;
    for (i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (threads = 0; threads <= 3; threads++) {
            double rate = -1.0;
            lull_error error;
            assert_int_equal(lull_read_bandwidth(sizes[i], threads, 0.0, NULL, &rate, &error),
                             LULL_OK);
            assert_true(rate > 0.0 && rate < 1e15);
        }
}

static void refuses_what_is_out_of_range(void **unused)
{
    lull_error error;
    double rate = 1.0;
    (void)unused;
    assert_int_equal(lull_read_bandwidth(0, 1, 0.0, NULL, &rate, &error), LULL_EINVAL);
    assert_true(rate == 0.0);
    assert_int_equal(lull_read_bandwidth(UINT64_MAX, 1, 0.0, NULL, &rate, &error), LULL_EINVAL);
    assert_int_equal(lull_read_bandwidth(64, -1, 0.0, NULL, &rate, &error), LULL_EINVAL);
    assert_int_equal(lull_read_bandwidth(64, 257, 0.0, NULL, &rate, &error), LULL_EINVAL);
    assert_int_equal(lull_read_bandwidth(64, 1, -1.0, NULL, &rate, &error), LULL_EINVAL);
    assert_int_equal(lull_read_bandwidth(64, 1, nan(""), NULL, &rate, NULL), LULL_EINVAL);
}

static void gives_all_memory_back(void **unused)
{
    failing f;
    lull_error error;
    lull_status status = LULL_ENOMEM;
    double rate;
    long fail_at;
    (void)unused;
    for (fail_at = 1; status != LULL_OK; fail_at++) {
        failing_init(&f, fail_at, 0);
        status = lull_read_bandwidth(1000, 2, 0.0, &f.allocator, &rate, &error);
        assert_true(status == LULL_OK || status == LULL_ENOMEM);
        assert_true((rate > 0.0) == (status == LULL_OK));
        assert_int_equal(f.blocks, 0);
    }
    assert_true(fail_at > 3); /* the block, the sums and the pool failed once each */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_a_rate),
        cmocka_unit_test(refuses_what_is_out_of_range),
        cmocka_unit_test(gives_all_memory_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
