/* test_kl.c - the Kullback-Leibler divergence against its definition: distributions far from each
 * other and very near, banned tokens, every length around a block, and the same bits everywhere. */
#include "lull.h"

#include <fenv.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define EXPECTED_DIGEST 0xedbd780121f432f1u /* of every_machine_gives_the_same_bits */

static uint64_t state = 7;

/* -1..1, from integers only: the same on every machine. */
static float number(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (float)((int32_t)(state >> 40) - (1 << 23)) * 0x1p-23f;
}

static double log_total(const float *v, size_t n)
{
    double total = 0;
    size_t i;
    for (i = 0; i < n; i++) total += exp((double)v[i]);
    return total > 0 ? log(total) : (double)-INFINITY;
}

/* sum(p log(p / q) - p + q), so that near ones are not lost in rounding. */
static double reference(const float *v, const float *w, size_t n)
{
    const double a = log_total(v, n), b = log_total(w, n);
    double sum = 0;
    size_t i;
    for (i = 0; i < n; i++) {
        const double p = exp(v[i] - a), x = (w[i] - b) - (v[i] - a);
        if (p > 0) sum += p * (expm1(x) - x);
        if (p == 0) sum += exp(w[i] - b);
    }
    return sum;
}

static const size_t lengths[] = {1, 2, 63, 64, 65, 127, 500, 2048};

static void is_its_definition(void **unused)
{
    static const float spread[] = {0.01f, 1, 8}, change[] = {1e-4f, 0.05f, 0.5f, 10};
    static float v[2048], w[2048];
    size_t l, s, c, i;
    (void)unused;
    for (l = 0; l < sizeof lengths / sizeof lengths[0]; l++) {
        for (s = 0; s < 3; s++) {
            for (c = 0; c < 4; c++) {
                const size_t n = lengths[l];
                double want, got;
                for (i = 0; i < n; i++) {
                    v[i] = number() * spread[s];
                    w[i] = v[i] + number() * change[c];
                    if (i % 5 == 3) v[i] = -INFINITY;
                    if (i % 10 == 3) w[i] = -INFINITY;
                }
                want = reference(v, w, n);
                got = lull_logits_kl(v, w, n);
                if (!(fabs(got - want) <= 1e-6 * want + 1e-10))
                    fail_msg("n %d: %g instead of %g", (int)n, got, want);
                assert_true(got >= 0);
                assert_true(lull_logits_kl(v, v, n) == 0);
            }
        }
    }
}

static void what_only_one_bans(void **unused)
{
    const float v[3] = {1, 2, 3}, w[3] = {1, -INFINITY, 3}, far[3] = {0, 0, -300};
    const float near[3] = {0, 0, -INFINITY};
    (void)unused;
    assert_true(lull_logits_kl(v, w, 3) == INFINITY);
    assert_true(lull_logits_kl(w, v, 3) > 0 && lull_logits_kl(w, v, 3) < 1);
    assert_true(lull_logits_kl(far, near, 3) == 0); /* a probability of nothing */
    assert_true(fabs(lull_logits_kl(near, v, 3) - reference(near, v, 3)) < 1e-7);
}

static void no_distribution_is_nan(void **unused)
{
    const float good[2] = {1, 2}, none[2] = {-INFINITY, -INFINITY}, bad[2] = {1, NAN};
    (void)unused;
    assert_true(isnan(lull_logits_kl(good, none, 2)) && isnan(lull_logits_kl(none, good, 2)));
    assert_true(isnan(lull_logits_kl(good, bad, 2)) && isnan(lull_logits_kl(bad, good, 2)));
    assert_true(isnan(lull_logits_kl(good, good, 0)));
}

static void every_machine_gives_the_same_bits(void **unused)
{
    static const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    static float v[1000], w[1000];
    int m, i, round;
    (void)unused;
    for (m = 0; m < 4; m++) {
        uint64_t digest = 0, u;
        state = 99;
        for (round = 0; round < 6; round++) {
            double kl;
            for (i = 0; i < 1000; i++) {
                v[i] = number() * 8;
                w[i] = v[i] + number() * (round % 2 ? 0.1f : 2);
            }
            fesetround(modes[m]);
            kl = lull_logits_kl(v, w, 1000);
            fesetround(FE_TONEAREST);
            memcpy(&u, &kl, sizeof u);
            digest = digest * 31 + u;
        }
        if (digest != EXPECTED_DIGEST)
            fail_msg("mode %d: 0x%08x%08x", m, (unsigned)(digest >> 32), (unsigned)digest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_its_definition),
        cmocka_unit_test(what_only_one_bans),
        cmocka_unit_test(no_distribution_is_nan),
        cmocka_unit_test(every_machine_gives_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
