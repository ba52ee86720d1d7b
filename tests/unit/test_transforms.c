/* test_transforms.c - what bends, sums and compares logits, against the formulas of lull.h, on vectors of
 * many kinds: see logits_cases.h. */
#include "logits_cases.h"

#include <float.h>

/* ---- curves */

static void check_smooth(const float *v, size_t n)
{
    static const double curves[] = {1, 1.5, 3, 6};
    const lull_range r = lull_find_range(v, n);
    size_t c, i;
    for (c = 0; c < 4; c++) {
        const double k = (3 - curves[c]) / 2, s = (curves[c] - 1) / 2;
        float *got = copy_of(v, n);
        lull_logits_smooth(got, n, 0.23, curves[c]);
        for (i = 0; i < n; i++) {
            const double d = (double)v[i] - (double)r.max;
            const double want = r.max + 0.23 * d * d * (s * d - k);
            if (v[i] == -INFINITY || r.max == -INFINITY)
                assert_true(got[i] == v[i]);
            else if (v[i] == r.max)
                assert_true(got[i] == v[i]);
            else if (fabs(want) < 1e37)
                assert_true(near(got[i], want, 1e-5 * (1 + fabs(d))));
            else
                assert_true(got[i] == got[i]);
        }
        memcpy(got, v, n * sizeof *v);
        lull_logits_smooth(got, n, 0, curves[c]);
        assert_memory_equal(got, v, n * sizeof *v);
        free(got);
    }
}

static void smooth_is_its_formula(void **unused)
{
    (void)unused;
    on_all(check_smooth);
}

static void check_dynamic(const float *v, size_t n)
{
    static const double tries[][3] = {{0.5, 1.5, 1}, {0, 2, 0.5}, {1.5, 0.5, 2}, {0.7, 0.7, 0}};
    size_t count, i, j;
    lull_candidate *list = sorted(v, n, &count);
    for (i = 0; i < 4; i++) {
        const double low = tries[i][0], high = tries[i][1];
        float *got = copy_of(v, n), *want = copy_of(v, n);
        const double t = lull_logits_dynamic_temperature(got, n, low, high, tries[i][2]);
        if (count == 0) {
            assert_true(isnan(t));
        } else {
            const double even = count > 1 ? facts_of(list, count).entropy / log((double)count) : 0;
            assert_true(near(t, low + (high - low) * pow(fmax(even, 0), tries[i][2]), 2e-4));
            lull_logits_temperature(want, n, t);
        }
        for (j = 0; j < n; j++) assert_true(got[j] == want[j]);
        free(got);
        free(want);
    }
    free(list);
}

static void dynamic_temperature_follows_the_entropy(void **unused)
{
    (void)unused;
    on_all(check_dynamic);
}

static void check_toward(const float *v, size_t n)
{
    static const double targets[] = {0, 0.3, 1};
    size_t count, i, t;
    lull_candidate *list = sorted(v, n, &count);
    const double total = count > 0 ? reference_total(list, count) : 1;
    for (t = 0; t < 3; t++) {
        float *got = copy_of(v, n);
        lull_logits_toward(got, n, targets[t]);
        for (i = 0; i < n; i++) {
            if (v[i] == -INFINITY) {
                assert_true(got[i] == v[i]);
            } else {
                const double p = exp((double)v[i] - list[0].value) / total;
                const double d = fabs(p - targets[t]) / 0.3;
                assert_true(near(got[i], 5 - 10 * d * d / (1 + d), 2e-5));
            }
        }
        free(got);
    }
    free(list);
}

static void toward_is_its_formula(void **unused)
{
    (void)unused;
    on_all(check_toward);
}

/* ---- log-softmax, moments */

static void check_sums(const float *v, size_t n)
{
    size_t count, i;
    lull_candidate *list = sorted(v, n, &count);
    float *got = copy_of(v, n);
    double mean, deviation;
    lull_logits_moments(v, n, &mean, &deviation);
    if (count == 0) {
        assert_true(isnan(mean) && isnan(deviation));
        assert_int_equal(lull_logits_log_softmax(got, n, NULL), LULL_EINVAL);
        assert_memory_equal(got, v, n * sizeof *v);
    } else {
        const facts f = facts_of(list, count);
        const double log_sum = lull_logits_logsumexp(v, n);
        assert_true(fabs(mean - f.mean) <= 1e-12 * (fabs(f.mean) + f.deviation + 1e-40));
        assert_true(fabs(deviation - f.deviation) <=
                    1e-7 * f.deviation + 1e-13 * fabs(f.mean) + 1e-47);
        assert_int_equal(lull_logits_log_softmax(got, n, NULL), LULL_OK);
        for (i = 0; i < n; i++) assert_true(got[i] == (float)(v[i] - log_sum));
    }
    free(got);
    free(list);
}

static void sums_of_a_whole_vocabulary(void **unused)
{
    static const int kinds[] = {NORMAL, FLAT, TIED, PEAKED, BANNED};
    size_t k;
    (void)unused;
    for (k = 0; k < 5; k++) {
        float *v = make(kinds[k], 32000);
        check_sums(v, 32000);
        free(v);
    }
}

static void sums_are_right(void **unused)
{
    (void)unused;
    on_all(check_sums);
}

/* ---- two vectors */

static void check_add(const float *v, size_t n)
{
    static const double tries[] = {0, 1, -0.5, 1.75, -3};
    size_t i, t;
    for (t = 0; t < 5; t++) {
        float *other = make(t % 2 ? BANNED : NORMAL, n), *got = copy_of(v, n);
        const double a = tries[t];
        lull_logits_add_scaled(got, other, n, a);
        for (i = 0; i < n; i++) {
            float want = (float)(v[i] + a * other[i]);
            if (other[i] == -INFINITY) want = a > 0 ? -INFINITY : v[i];
            if (v[i] == -INFINITY) want = v[i];
            assert_true(got[i] == want);
        }
        memcpy(got, v, n * sizeof *v);
        lull_logits_add_scaled(got, got, n, a);
        for (i = 0; i < n; i++)
            assert_true(got[i] == (v[i] == -INFINITY ? v[i] : (float)(v[i] + a * v[i])));
        free(other);
        free(got);
    }
}

static void add_scaled_adds_once_rounded(void **unused)
{
    (void)unused;
    on_all(check_add);
}

static double reference_divergence(const float *v, const float *w, size_t n)
{
    size_t i, nv, nw;
    lull_candidate *a = sorted(v, n, &nv), *b = sorted(w, n, &nw);
    const double tv = reference_total(a, nv), tw = reference_total(b, nw);
    double sum = 0;
    for (i = 0; i < n; i++) {
        const double p = exp((double)v[i] - a[0].value) / tv,
                     q = exp((double)w[i] - b[0].value) / tw;
        if (p > 0) sum += p * log(2 * p / (p + q)) / 2;
        if (q > 0) sum += q * log(2 * q / (p + q)) / 2;
    }
    free(a);
    free(b);
    return sum;
}

static void check_divergence(const float *v, size_t n)
{
    float *w = make(NORMAL, n);
    if (lull_logits_argmax(v, n) < 0) {
        assert_true(isnan(lull_logits_divergence(v, w, n)));
        assert_true(isnan(lull_logits_divergence(w, v, n)));
    } else {
        const double d = lull_logits_divergence(v, w, n);
        assert_true(fabs(d - reference_divergence(v, w, n)) < 1e-6);
        assert_true(d == lull_logits_divergence(w, v, n));
        assert_true(d >= 0 && d <= log(2) + 1e-12);
        assert_true(lull_logits_divergence(v, v, n) == 0);
    }
    free(w);
}

static void divergence_is_its_definition(void **unused)
{
    float a[3] = {0, -INFINITY, -200}, b[3] = {-INFINITY, 3, -INFINITY};
    (void)unused;
    assert_true(near(lull_logits_divergence(a, b, 3), log(2), 1e-15));
    on_all(check_divergence);
}

/* ---- the watermark */

static void green_is_a_part_gamma(void **unused)
{
    static const double gammas[] = {0.1, 0.25, 0.5, 0.9};
    static const uint64_t keys[] = {0, 1, 0x100000000u, 0xfedcba9876543210u};
    int g, k, i, together = 0;
    (void)unused;
    for (k = 0; k < 4; k++) {
        for (g = 0; g < 4; g++) {
            const double want = 32000 * gammas[g], sigma = sqrt(want * (1 - gammas[g]));
            int count = 0;
            for (i = 0; i < 32000; i++) {
                count += lull_green(keys[k], i, gammas[g]);
                assert_true(lull_green(keys[k], i, gammas[g]) <= lull_green(keys[k], i, 0.95));
            }
            if (fabs(count - want) > 4 * sigma) fail_msg("key %d: %d of %g", k, count, want);
        }
        assert_false(lull_green(keys[k], k, 0));
        assert_true(lull_green(keys[k], k, 1));
    }
    /* Keys are independent of each other, in either half. */
    for (k = 1; k < 3; k++) {
        for (i = 0; i < 32000; i++)
            together += lull_green(0, i, 0.5) == lull_green(keys[k], i, 0.5);
    }
    assert_in_range(together, 32000 - 900, 32000 + 900);
}

static void check_green(const float *v, size_t n)
{
    float *got = copy_of(v, n), *some = copy_of(v, n);
    int32_t *ids = malloc(n * sizeof *ids);
    size_t i;
    assert_non_null(ids);
    lull_logits_green(got, NULL, n, 99, 0.4, 1.5);
    for (i = 0; i < n; i++) {
        assert_true(got[i] == (lull_green(99, (int32_t)i, 0.4) ? v[i] + 1.5f : v[i]));
        ids[i] = (int32_t)(7 * i + 3);
    }
    lull_logits_green(some, ids, n, 99, 0.4, 1.5);
    for (i = 0; i < n; i++)
        assert_true(some[i] == (lull_green(99, ids[i], 0.4) ? v[i] + 1.5f : v[i]));
    free(got);
    free(some);
    free(ids);
}

static void green_raises_what_is_green(void **unused)
{
    (void)unused;
    on_all(check_green);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(smooth_is_its_formula),
        cmocka_unit_test(dynamic_temperature_follows_the_entropy),
        cmocka_unit_test(toward_is_its_formula),
        cmocka_unit_test(sums_are_right),
        cmocka_unit_test(sums_of_a_whole_vocabulary),
        cmocka_unit_test(add_scaled_adds_once_rounded),
        cmocka_unit_test(divergence_is_its_definition),
        cmocka_unit_test(green_is_a_part_gamma),
        cmocka_unit_test(green_raises_what_is_green),
    };
    return cmocka_run_group_tests_name("transforms", tests, NULL, NULL);
}
