/* test_logits.c - every primitive on logits against a reference that sorts, on many kinds of
 * vectors: random, flat, peaked, tied, banned, of every length around a block, with NaN and inf. */
#include "logits_cases.h"

#include <fenv.h>
#include <float.h>

#define EXPECTED_DIGEST 0xbc5c83dcd8d09243u /* of every_machine_gives_the_same_bits */

/* Is p = exp(value - max) / total?  The difference is rounded to float, and so counts with its size. */
static int is_probability(float p, double value, double max, double total)
{
    const double want = exp(value - max) / total;
    if (value == -INFINITY) return p == 0;
    return fabs(p - want) <= want * (5e-7 + 1e-7 * fabs(value - max)) + 1e-37;
}

/* ---- argmax, logsumexp, logprob, entropy, softmax */

static void check_sums(const float *v, size_t n)
{
    size_t count, i;
    lull_candidate *list = sorted(v, n, &count);
    const double log_sum = lull_logits_logsumexp(v, n);
    if (count == 0) {
        assert_int_equal(lull_logits_argmax(v, n), -1);
        assert_true(log_sum == -INFINITY);
        assert_true(isnan(lull_logits_entropy(v, n)));
    } else {
        const double max = list[0].value, total = reference_total(list, count);
        double entropy = log(total);
        for (i = 0; i < count; i++) {
            const double depth = list[i].value - max;
            if (depth > -700) entropy -= exp(depth) * depth / total;
        }
        assert_int_equal(lull_logits_argmax(v, n), list[0].id);
        if (!near(log_sum, max + log(total), 1e-6))
            fail_msg("log sum %g", log_sum - max - log(total));
        assert_true(near(lull_logits_entropy(v, n), entropy, 1e-5));
        for (i = 0; i < n; i += 1 + n / 7) {
            const double p = lull_logits_logprob(v, n, (int32_t)i);
            assert_true(p == (double)v[i] - log_sum);
        }
    }
    free(list);
}

static void check_softmax(const float *v, size_t n)
{
    size_t count, i;
    lull_candidate *list = sorted(v, n, &count);
    float *got = copy_of(v, n);
    lull_error error;
    if (count == 0) {
        assert_int_equal(lull_logits_softmax(got, n, &error), LULL_EINVAL);
        assert_string_equal(error.message, "no token is allowed");
        assert_memory_equal(got, v, n * sizeof *v);
    } else {
        const double total = reference_total(list, count);
        double sum = 0;
        assert_int_equal(lull_logits_softmax(got, n, &error), LULL_OK);
        for (i = 0; i < n; i++) {
            assert_true(is_probability(got[i], v[i], list[0].value, total));
            sum += got[i];
        }
        assert_true(near(sum, 1, 1e-6));
    }
    free(got);
    free(list);
}

static void sums_are_right(void **unused)
{
    (void)unused;
    on_all(check_sums);
}

static void softmax_is_right(void **unused)
{
    (void)unused;
    on_all(check_softmax);
}

static void logprob_outside_is_nan(void **unused)
{
    const float v[2] = {1, 2};
    (void)unused;
    assert_true(isnan(lull_logits_logprob(v, 2, -1)));
    assert_true(isnan(lull_logits_logprob(v, 2, 2)));
    assert_true(isnan(lull_logits_logprob(v, 2, INT32_MAX)));
    assert_true(lull_logits_logprob(v, 2, 1) < 0);
}

/* ---- top-k, candidates */

static void check_top_k(const float *v, size_t n)
{
    const size_t tries[] = {0, 1, 2, 5, 40, 64, 255, 256, 257, n / 2, n - 1, n, n + 1, SIZE_MAX};
    size_t count, i;
    lull_candidate *list = sorted(v, n, &count);
    for (i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        float *got = copy_of(v, n);
        lull_logits_top_k(got, n, tries[i]);
        check_kept("top_k", v, got, n, list, tries[i] < count ? tries[i] : count);
        free(got);
    }
    free(list);
}

static void check_candidates(const float *v, size_t n)
{
    const size_t tries[] = {0, 1, 3, 8, 64, 300, n};
    size_t count, i, j;
    lull_candidate *list = sorted(v, n, &count);
    const double total = count ? reference_total(list, count) : 0;
    for (i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        const size_t k = tries[i] < n ? tries[i] : n, want = k < count ? k : count;
        lull_candidate *got = malloc((k ? k : 1) * sizeof *got);
        assert_non_null(got);
        assert_int_equal(lull_logits_candidates(v, n, k, got), want);
        for (j = 0; j < want; j++) {
            assert_int_equal(got[j].id, list[j].id);
            assert_true(is_probability(got[j].value, list[j].value, list[0].value, total));
        }
        free(got);
    }
    free(list);
}

static void top_k_keeps_the_first_of_the_sorted(void **unused)
{
    (void)unused;
    on_all(check_top_k);
}

static void candidates_are_the_first_of_the_sorted(void **unused)
{
    (void)unused;
    on_all(check_candidates);
}

/* A range of keys that ends just below 0 must not let 0 in: 2^20 below it, and 1 above, make one. */
static void top_k_just_below_zero(void **unused)
{
    const float least = -0x1p-149f * ((1 << 20) - 1);
    float v[100];
    size_t i, kept = 0;
    (void)unused;
    for (i = 0; i < 100; i++) v[i] = i % 10 == 0 ? 1.0f : i % 2 ? 0.0f : -0x1p-149f * (float)i;
    v[2] = least;
    lull_logits_top_k(v, 100, 75);
    for (i = 0; i < 100; i++) {
        kept += v[i] > -INFINITY;
        if (i % 10 == 0 || i % 2) assert_true(v[i] >= 0);
    }
    assert_int_equal(kept, 75);
    assert_true(v[2] == -INFINITY && v[4] < 0 && v[98] == -INFINITY);
}

/* ---- top-p, min-p */

/* The number kept, and the double sums of the masses kept, with and without the last one. */
static void check_top_p(const float *v, size_t n)
{
    static const float tries[] = {-1,    0,      1e-6f,      0.1f, 0.5f, 0.9f,
                                  0.95f, 0.999f, 0.9999999f, 1,    2,    NAN};
    size_t count, i, keep;
    lull_candidate *list = sorted(v, n, &count);
    for (i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        float *got = copy_of(v, n);
        lull_logits_top_p(got, n, tries[i]);
        if (!(tries[i] < 1) || count == 0) {
            assert_memory_equal(got, v, n * sizeof *v);
        } else {
            const double need = (double)tries[i] * reference_total(list, count);
            double before = 0, last = 1;
            for (keep = 0; keep < count && got[list[keep].id] > -INFINITY; keep++) {
                last = exp((double)list[keep].value - (double)list[0].value);
                before += last;
            }
            before -= last;
            assert_true(keep >= 1);
            check_kept("top_p", v, got, n, list, keep);
            /* The shortest prefix that reaches, to within the rounding of exp in float. */
            if (keep > 1) assert_true(before < need * (1 + 1e-6));
            if (keep < count) assert_true(before + last >= need * (1 - 1e-6));
        }
        free(got);
    }
    free(list);
}

static void check_min_p(const float *v, size_t n)
{
    static const float tries[] = {-1, 0, 1e-30f, 0.01f, 0.1f, 0.5f, 0.999f, 1, 1.5f, INFINITY, NAN};
    size_t count, i, keep;
    lull_candidate *list = sorted(v, n, &count);
    for (i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        float *got = copy_of(v, n);
        lull_logits_min_p(got, n, tries[i]);
        if (!(tries[i] > 0)) {
            assert_memory_equal(got, v, n * sizeof *v);
        } else if (count > 0) {
            const double max = list[0].value, p = tries[i] < 1 ? tries[i] : 1;
            const double bound = (float)(max + log(p)); /* as a float: what can be told apart */
            for (keep = 0; keep < count && got[list[keep].id] > -INFINITY; keep++) {
            }
            check_kept("min_p", v, got, n, list, keep);
            assert_true(keep >= 1);
            if (keep < count) assert_true(list[keep].value < bound + 1e-6 * fabs(bound));
            assert_true(list[keep - 1].value >= bound - 1e-6 * fabs(bound));
        }
        free(got);
    }
    free(list);
}

static void top_p_keeps_the_shortest_prefix(void **unused)
{
    (void)unused;
    on_all(check_top_p);
}

static void min_p_keeps_what_is_near_the_best(void **unused)
{
    (void)unused;
    on_all(check_min_p);
}

/* Where sums are exact the rule can be checked exactly: equal values, p = k / n. */
static void top_p_of_equals_keeps_the_lowest_ids(void **unused)
{
    size_t n, k, i;
    (void)unused;
    for (n = 64; n <= 4096; n *= 8) {
        for (k = 0; k <= n; k += n / 64) {
            float *v = make(FLAT, n);
            lull_logits_top_p(v, n, (float)k / (float)n);
            for (i = 0; i < n; i++) assert_true((v[i] > -INFINITY) == (i < (k ? k : 1)));
            free(v);
        }
    }
}

/* The order of the tokens decides nothing but ties: a permutation keeps the same values. */
static void top_p_does_not_depend_on_the_order(void **unused)
{
    const size_t n = 3001;
    int round;
    (void)unused;
    for (round = 0; round < 30; round++) {
        float *v = make(NORMAL, n), *w = copy_of(v, n);
        size_t i;
        for (i = 0; i < n; i++) w[i * 1000 % n] = v[i];
        lull_logits_top_p(v, n, 0.9f);
        lull_logits_top_p(w, n, 0.9f);
        for (i = 0; i < n; i++) assert_true(v[i] == w[i * 1000 % n]);
        free(v);
        free(w);
    }
}

/* ---- scale */

static void check_scale(const float *v, size_t n)
{
    static const float factors[] = {1, 2, 0.1f, 0, -1, INFINITY};
    size_t f, i;
    for (f = 0; f < sizeof factors / sizeof factors[0]; f++) {
        float *got = copy_of(v, n);
        lull_logits_scale(got, n, factors[f]);
        for (i = 0; i < n; i++) {
            const float want = v[i] == -INFINITY ? v[i] : v[i] * factors[f];
            assert_true(got[i] == want || (got[i] != got[i] && want != want));
        }
        free(got);
    }
}

static void scale_spares_the_banned(void **unused)
{
    (void)unused;
    on_all(check_scale);
}

/* ---- drawing */

/* The id is the first, ascending, at which the cumulated probability exceeds u. */
static void check_sample(const float *v, size_t n)
{
    static const double us[] = {0, 0x1p-24, 0.1, 0.25, 0.5, 0.75, 0.999, 1 - 0x1p-24, 1 - 0x1p-53};
    size_t count, i, j;
    lull_candidate *list = sorted(v, n, &count);
    for (i = 0; i < sizeof us / sizeof us[0]; i++) {
        int32_t id = -7;
        lull_error error;
        const lull_status status = lull_logits_sample(v, n, us[i], &id, &error);
        if (count == 0) {
            assert_int_equal(status, LULL_EINVAL);
            assert_string_equal(error.message, "no token is allowed");
        } else {
            const double goal = us[i] * reference_total(list, count);
            double before = 0, own;
            assert_int_equal(status, LULL_OK);
            assert_in_range(id, 0, n - 1);
            assert_true(v[id] > -INFINITY);
            for (j = 0; j < (size_t)id; j++) before += exp((double)v[j] - (double)list[0].value);
            own = exp((double)v[id] - (double)list[0].value);
            assert_true(before <= goal + 1e-6 * (double)n);
            assert_true(before + own >= goal - 1e-6 * (double)n);
        }
    }
    free(list);
}

static void sample_is_where_the_cumulated_passes_u(void **unused)
{
    (void)unused;
    on_all(check_sample);
}

/* Exactly, where everything is exact: n equal values, u at and just below k / n. */
static void sample_of_equals_is_exact(void **unused)
{
    size_t n, k;
    (void)unused;
    for (n = 1; n <= 4096; n *= 8) {
        float *v = make(FLAT, n), *p = make(FLAT, n);
        for (k = 0; k < n; k += 1 + n / 64) {
            const double u = (double)k / (double)n;
            int32_t id;
            assert_int_equal(lull_logits_sample(v, n, u, &id, NULL), LULL_OK);
            assert_int_equal(id, k);
            assert_int_equal(lull_probabilities_sample(p, n, u, &id, NULL), LULL_OK);
            assert_int_equal(id, k);
            if (k == 0) continue;
            assert_int_equal(lull_logits_sample(v, n, u - 0x1p-40, &id, NULL), LULL_OK);
            assert_int_equal(id, k - 1);
            assert_int_equal(lull_probabilities_sample(p, n, u - 0x1p-40, &id, NULL), LULL_OK);
            assert_int_equal(id, k - 1);
        }
        free(v);
        free(p);
    }
}

/* Drawing from softmax(v) is drawing from v, but for u within rounding of a border. */
static void check_probabilities(const float *v, size_t n)
{
    float *p = copy_of(v, n);
    int i, same = 0;
    if (lull_logits_softmax(p, n, NULL) == LULL_OK) {
        for (i = 0; i < 12; i++) {
            const double u = lull_random(1, (uint64_t)i, 0, 0, 0);
            int32_t a, b;
            assert_int_equal(lull_logits_sample(v, n, u, &a, NULL), LULL_OK);
            assert_int_equal(lull_probabilities_sample(p, n, u, &b, NULL), LULL_OK);
            same += a == b;
        }
        assert_true(same >= 11);
    }
    free(p);
}

static void probabilities_draw_as_logits(void **unused)
{
    (void)unused;
    on_all(check_probabilities);
}

/* 20,000 draws with the numbers of one seed.  chi^2 with 15 degrees of freedom is below 37.7 in
 * 99.9 % of cases. */
static void draws_follow_the_distribution(void **unused)
{
    const int draws = 20000;
    float v[16];
    double p[16], total = 0, chi2 = 0;
    int count[16] = {0}, i;
    (void)unused;
    for (i = 0; i < 16; i++) {
        v[i] = (float)(i * 7 % 16) * 0.2f;
        total += p[i] = exp((double)v[i]);
    }
    for (i = 0; i < draws; i++) {
        int32_t id;
        assert_int_equal(lull_logits_sample(v, 16, lull_random(7, 1, (uint32_t)i, 0, 0), &id, NULL),
                         LULL_OK);
        count[id]++;
    }
    for (i = 0; i < 16; i++) {
        const double want = draws * p[i] / total;
        chi2 += (count[i] - want) * (count[i] - want) / want;
    }
    if (!(chi2 < 37.7)) fail_msg("chi^2 is %g", chi2);
}

static void bad_random_numbers_are_refused(void **unused)
{
    static const double bad[] = {-0x1p-60, 1, 2, INFINITY, -INFINITY, NAN};
    const float v[2] = {1, 2};
    size_t i;
    (void)unused;
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int32_t id;
        lull_error error;
        assert_int_equal(lull_logits_sample(v, 2, bad[i], &id, &error), LULL_EINVAL);
        assert_string_equal(error.message, "the random number is outside [0, 1)");
        assert_int_equal(lull_probabilities_sample(v, 2, bad[i], &id, &error), LULL_EINVAL);
    }
}

/* ---- NaN and infinity */

/* values with one bad number at place i */
static void check_bad(const float *good, size_t n, size_t i, float bad)
{
    float *v = copy_of(good, n), *w;
    char expected[80];
    int32_t id = lull_logits_argmax(v, n);
    lull_candidate list[4];
    lull_error error;
    size_t k, count;
    v[i] = bad;
    w = copy_of(v, n);
    snprintf(expected, sizeof expected, "logits are not finite (first at token %d)", (int)i);
    assert_int_equal(lull_logits_sample(v, n, 0.5, &id, &error), LULL_EINVAL);
    assert_string_equal(error.message, expected);
    assert_int_equal(lull_logits_softmax(v, n, &error), LULL_EINVAL);
    assert_string_equal(error.message, expected);
    assert_true(isnan(lull_logits_logsumexp(v, n)));
    assert_true(isnan(lull_logits_entropy(v, n)));
    assert_true(isnan(lull_logits_logprob(v, n, 0)));
    lull_logits_top_p(v, n, 0.5f);
    lull_logits_min_p(v, n, 0.5f);
    assert_memory_equal(v, w, n * sizeof *v);
    id = lull_logits_argmax(v, n);
    if (bad > 0)
        assert_int_equal(id, i);
    else if (n > 1)
        assert_int_not_equal(id, i);
    else
        assert_int_equal(id, -1);
    count = lull_logits_candidates(v, n, 4, list);
    for (k = 0; k < count; k++) assert_true(isnan(list[k].value));
    if (count > 0) assert_int_equal(list[0].id, id);
    lull_logits_top_k(v, n, 1);
    for (k = 0; k < n; k++) {
        assert_true(k == i && bad != bad ? v[k] != v[k]
                                         : (v[k] > -INFINITY) == ((int32_t)k == id || n == 1));
    }
    free(v);
    free(w);
}

static void what_is_not_finite_is_named_and_never_chosen(void **unused)
{
    size_t l;
    (void)unused;
    for (l = 0; l < LENGTHS; l++) {
        const size_t n = lengths[l];
        float *v = make(NORMAL, n);
        size_t places[4], i;
        places[0] = 0;
        places[1] = n / 2;
        places[2] = n - 1;
        places[3] = n > 17 ? 17 : 0;
        for (i = 0; i < 4; i++) {
            check_bad(v, n, places[i], NAN);
            check_bad(v, n, places[i], INFINITY);
        }
        free(v);
    }
}

static void all_nan(void **unused)
{
    float v[100], w[100];
    lull_candidate list[3];
    int32_t id;
    int i;
    (void)unused;
    for (i = 0; i < 100; i++) v[i] = w[i] = NAN;
    assert_int_equal(lull_logits_argmax(v, 100), -1);
    assert_int_equal(lull_logits_candidates(v, 100, 3, list), 0);
    lull_logits_top_k(v, 100, 3);
    lull_logits_top_p(v, 100, 0.5f);
    lull_logits_min_p(v, 100, 0.5f);
    lull_logits_scale(v, 100, 2);
    for (i = 0; i < 100; i++) assert_true(v[i] != v[i]);
    assert_int_equal(lull_logits_sample(v, 100, 0.5, &id, NULL), LULL_EINVAL);
}

static void probabilities_must_be_weights(void **unused)
{
    static const float bad[] = {-1, -FLT_MIN, NAN, INFINITY};
    float v[20];
    int32_t id;
    lull_error error;
    size_t i;
    (void)unused;
    for (i = 0; i < 20; i++) v[i] = 0;
    assert_int_equal(lull_probabilities_sample(v, 20, 0.5, &id, &error), LULL_EINVAL);
    assert_string_equal(error.message, "no token is allowed");
    v[3] = FLT_MAX;
    v[5] = -INFINITY; /* banned */
    v[6] = -0.0f;
    v[19] = FLT_MAX;
    assert_int_equal(lull_probabilities_sample(v, 20, 0, &id, &error), LULL_OK);
    assert_int_equal(id, 3);
    assert_int_equal(lull_probabilities_sample(v, 20, 1 - 0x1p-53, &id, &error), LULL_OK);
    assert_int_equal(id, 19);
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        v[17] = bad[i];
        assert_int_equal(lull_probabilities_sample(v, 20, 0.5, &id, &error), LULL_EINVAL);
        assert_string_equal(error.message,
                            "probabilities are negative or not finite (first at token 17)");
    }
}

static void nothing_at_all(void **unused)
{
    lull_candidate list[1];
    int32_t id;
    (void)unused;
    assert_int_equal(lull_logits_argmax(NULL, 0), -1);
    assert_true(lull_logits_logsumexp(NULL, 0) == -INFINITY);
    assert_int_equal(lull_logits_candidates(NULL, 0, 1, list), 0);
    assert_int_equal(lull_logits_softmax(NULL, 0, NULL), LULL_EINVAL);
    assert_int_equal(lull_logits_sample(NULL, 0, 0.5, &id, NULL), LULL_EINVAL);
    assert_int_equal(lull_probabilities_sample(NULL, 0, 0.5, &id, NULL), LULL_EINVAL);
    lull_logits_scale(NULL, 0, 2);
    lull_logits_top_k(NULL, 0, 0);
    lull_logits_top_p(NULL, 0, 0.5f);
    lull_logits_min_p(NULL, 0, 0.5f);
}

/* ---- the same bits everywhere, whatever the host's rounding mode */

static uint64_t digest;

static void add_value(double d) /* as a number: the order of bytes is the machine's */
{
    uint64_t u;
    memcpy(&u, &d, sizeof u);
    digest = digest * 31 + (d != d ? 1 : u);
}

static void add_values(const float *v, size_t n)
{
    size_t i;
    for (i = 0; i < n; i++) add_value((double)v[i]);
}

/* Integers only, so that the vector is the same everywhere. */
static void digest_all(int mode)
{
    static float v[3000], w[3000];
    int i, round;
    state = 99;
    digest = 0;
    for (round = 0; round < 6; round++) {
        int32_t id = 0;
        for (i = 0; i < 3000; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            v[i] = (float)((int32_t)(state >> 40) - (1 << 23)) * (round % 2 ? 0x1p-21f : 0x1p-19f);
        }
        fesetround(mode);
        add_value(lull_logits_logsumexp(v, 3000));
        add_value(lull_logits_entropy(v, 3000));
        add_value(lull_logits_logprob(v, 3000, 17));
        lull_logits_sample(v, 3000, lull_random(1, 2, (uint32_t)round, 0, 0), &id, NULL);
        add_value(id);
        memcpy(w, v, sizeof v);
        lull_logits_top_p(w, 3000, 0.9f);
        add_values(w, 3000);
        lull_logits_scale(w, 3000, 1.25f);
        lull_logits_min_p(w, 3000, 0.05f);
        lull_logits_top_k(w, 3000, 77);
        add_values(w, 3000);
        lull_logits_softmax(w, 3000, NULL);
        add_values(w, 3000);
        fesetround(FE_TONEAREST);
    }
}

static void every_machine_gives_the_same_bits(void **unused)
{
    static const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    int i;
    (void)unused;
    for (i = 0; i < 4; i++) {
        digest_all(modes[i]);
        if (digest != EXPECTED_DIGEST) {
            fail_msg("mode %d: 0x%08x%08x", i, (unsigned)(digest >> 32), (unsigned)digest);
        }
    }
}

/* Against the definition, in another rounding mode of the host. */
static void temperature_divides(void **unused)
{
    float hot[8] = {1.5f, -2.25f, 0.0f, 4.125f, 5.0f, -INFINITY, 7.0f, -0.5f};
    (void)unused;
    fesetround(FE_UPWARD);
    lull_logits_temperature(hot, 8, 0.7);
    fesetround(FE_TONEAREST);
    assert_true(hot[3] == 4.125f * (float)(1.0 / 0.7) && hot[5] == -INFINITY);
    lull_logits_temperature(hot, 8, 0);
    assert_int_equal(lull_logits_argmax(hot, 8), 6);
    assert_true(hot[4] == -INFINITY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_right),
        cmocka_unit_test(softmax_is_right),
        cmocka_unit_test(logprob_outside_is_nan),
        cmocka_unit_test(top_k_keeps_the_first_of_the_sorted),
        cmocka_unit_test(top_k_just_below_zero),
        cmocka_unit_test(candidates_are_the_first_of_the_sorted),
        cmocka_unit_test(top_p_keeps_the_shortest_prefix),
        cmocka_unit_test(min_p_keeps_what_is_near_the_best),
        cmocka_unit_test(top_p_of_equals_keeps_the_lowest_ids),
        cmocka_unit_test(top_p_does_not_depend_on_the_order),
        cmocka_unit_test(scale_spares_the_banned),
        cmocka_unit_test(sample_is_where_the_cumulated_passes_u),
        cmocka_unit_test(sample_of_equals_is_exact),
        cmocka_unit_test(probabilities_draw_as_logits),
        cmocka_unit_test(draws_follow_the_distribution),
        cmocka_unit_test(bad_random_numbers_are_refused),
        cmocka_unit_test(what_is_not_finite_is_named_and_never_chosen),
        cmocka_unit_test(all_nan),
        cmocka_unit_test(probabilities_must_be_weights),
        cmocka_unit_test(nothing_at_all),
        cmocka_unit_test(temperature_divides),
        cmocka_unit_test(every_machine_gives_the_same_bits),
    };
    return cmocka_run_group_tests_name("logits", tests, NULL, NULL);
}
