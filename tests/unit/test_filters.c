/* test_filters.c - what bans by a rule, against references that sort and do as lull_logits.h says, on vectors of
 * many kinds (see logits_cases.h); and, of these and of test_transforms.c's, what no verb may do: choose
 * what is not finite, depend on addresses or on the machine. */
#include "logits_cases.h"

#include <fenv.h>
#include <float.h>

#define EXPECTED_DIGEST 0x06bc0285c678b842u /* of every_machine_gives_the_same_bits */

typedef void (*rule)(float *values, size_t n, double x);

/* ---- bounds: what is kept is all from some value up */

/* got is v without what is below bound; what is within rounding of it may be either. */
static void check_bound(const char *what, const float *v, const float *got, size_t n,
                        const lull_candidate *list, size_t count, double bound)
{
    const double slack = 1e-6 * (1 + fabs(bound)) + 1e-5 / (1 + fabs(bound));
    size_t keep;
    for (keep = 0; keep < count && got[list[keep].id] > -INFINITY; keep++) {
    }
    check_kept(what, v, got, n, list, keep);
    if (keep < 1) fail_msg("%s keeps nothing of %d", what, (int)n);
    if (keep < count && list[keep].value >= bound + slack)
        fail_msg("%s bans %g, bound %g", what, list[keep].value, bound);
    if (keep > 1 && list[keep - 1].value < bound - slack)
        fail_msg("%s keeps %g, bound %g", what, list[keep - 1].value, bound);
}

/* The logit below which each of the rules bans. */
static double top_a_bound(double max, const facts *f, double a)
{
    return max + log(a / f->total);
}

static double epsilon_bound(double max, const facts *f, double p)
{
    return max + log(p * f->total);
}

static double eta_bound(double max, const facts *f, double e)
{
    return max + log(fmin(e, sqrt(e) * exp(-f->entropy)) * f->total);
}

static double sigma_bound(double max, const facts *f, double n)
{
    return max - n * f->deviation;
}

static const struct {
    const char *name;
    rule apply;
    double (*bound)(double max, const facts *f, double x);
    double idle; /* with which nothing is changed, as with anything below */
} bounded[] = {
    {"top_a", lull_logits_top_a, top_a_bound, 0},
    {"epsilon", lull_logits_epsilon, epsilon_bound, 0},
    {"eta", lull_logits_eta, eta_bound, 0},
    {"top_n_sigma", lull_logits_top_n_sigma, sigma_bound, -1e-9},
};
#define BOUNDED (sizeof bounded / sizeof bounded[0])

static void check_bounded(const float *v, size_t n)
{
    static const double tries[] = {1e-30, 1e-6, 1e-3, 0.01, 0.1, 0.3, 0.5, 1, 1.5, 3};
    size_t count, i, r;
    lull_candidate *list = sorted(v, n, &count);
    for (r = 0; r < BOUNDED && count > 0; r++) {
        const facts f = facts_of(list, count);
        float *got = copy_of(v, n);
        bounded[r].apply(got, n, bounded[r].idle);
        bounded[r].apply(got, n, -1);
        bounded[r].apply(got, n, NAN);
        assert_memory_equal(got, v, n * sizeof *v);
        for (i = 0; i < sizeof tries / sizeof tries[0]; i++) {
            const double max = list[0].value, bound = bounded[r].bound(max, &f, tries[i]);
            memcpy(got, v, n * sizeof *v);
            bounded[r].apply(got, n, tries[i]);
            check_bound(bounded[r].name, v, got, n, list, count, fmin(bound, max));
        }
        free(got);
    }
    free(list);
}

static void bounds_are_where_the_rules_say(void **unused)
{
    (void)unused;
    on_all(check_bounded);
}

/* Scaling all deviations alike keeps the same tokens: what the rule was made for. */
static void n_sigma_does_not_depend_on_temperature(void **unused)
{
    const size_t n = 3000;
    float *v = make(NORMAL, n), *hot = copy_of(v, n);
    size_t i;
    (void)unused;
    lull_logits_top_n_sigma(v, n, 1.5);
    lull_logits_scale(hot, n, 0.25f);
    lull_logits_top_n_sigma(hot, n, 1.5);
    for (i = 0; i < n; i++) assert_true((v[i] > -INFINITY) == (hot[i] > -INFINITY));
    free(v);
    free(hot);
}

/* ---- masses as the core has them: exact, so that its sums are known to the last bit */

static double unit_of(size_t n)
{
    double unit = 0x1p-52;
    size_t m;
    for (m = 1; m < n; m *= 2) unit *= 2;
    return unit;
}

static double mass_of(float value, float max, size_t n)
{
    const double grid = unit_of(n) * 0x1p52;
    return ((double)lull_expf(value - max) + grid) - grid;
}

/* ---- typical */

typedef struct placed {
    float distance;
    int32_t id;
    double mass;
} placed;

static int nearer(const void *a, const void *b)
{
    const placed *x = a, *y = b;
    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static void check_typical_at(const float *v, size_t n, const lull_candidate *list, size_t count,
                             double p)
{
    const float max = list[0].value;
    placed *order = malloc(count * sizeof *order);
    float *got = copy_of(v, n), center, *want = copy_of(v, n);
    double total = 0, depth = 0, sum = 0, need;
    size_t i;
    assert_non_null(order);
    for (i = 0; i < count; i++) {
        const double mass = mass_of(list[i].value, max, n);
        total += mass;
        if (mass > 0) depth += mass * (double)(list[i].value - max);
    }
    center = (float)((double)max + depth / total);
    for (i = 0; i < count; i++) {
        order[i].distance = fabsf(list[i].value - center);
        order[i].id = list[i].id;
        order[i].mass = mass_of(list[i].value, max, n);
    }
    qsort(order, count, sizeof *order, nearer);
    need = p * total > unit_of(n) ? p * total : unit_of(n);
    for (i = 0; i < count && sum < need; i++) sum += order[i].mass;
    for (; i < count; i++) want[order[i].id] = -INFINITY;
    lull_logits_typical(got, n, p);
    for (i = 0; i < n; i++) {
        if (lull_float_bits(got[i]) != lull_float_bits(want[i]))
            fail_msg("typical(%g): value %d of %d is %g, was %g, center %g", p, (int)i, (int)n,
                     got[i], v[i], center);
    }
    free(order);
    free(got);
    free(want);
}

static void check_typical(const float *v, size_t n)
{
    static const double tries[] = {-1, 0, 1e-9, 0.1, 0.5, 0.9, 0.95, 0.999, 0.9999999};
    size_t count, i;
    lull_candidate *list = sorted(v, n, &count);
    float *same = copy_of(v, n);
    for (i = 0; i < sizeof tries / sizeof tries[0] && count > 0; i++)
        check_typical_at(v, n, list, count, tries[i]);
    lull_logits_typical(same, n, 1);
    lull_logits_typical(same, n, 2);
    lull_logits_typical(same, n, NAN);
    assert_memory_equal(same, v, n * sizeof *v);
    free(same);
    free(list);
}

static void typical_keeps_the_nearest_to_the_entropy(void **unused)
{
    (void)unused;
    on_all(check_typical);
}

/* By hand: of 0.5, 0.25, 0.125 and 0.125 the entropy is 1.75 bits; the surprises are 1, 2, 3, 3. */
static void typical_by_hand(void **unused)
{
    const float two = 0.6931472f, v[4] = {-3 * two, -two, -2 * two, -3 * two};
    float w[4];
    (void)unused;
    memcpy(w, v, sizeof w);
    lull_logits_typical(w, 4, 0.2); /* 2 bits are nearest */
    assert_true(w[2] > -INFINITY && w[0] == -INFINITY && w[1] == -INFINITY && w[3] == -INFINITY);
    memcpy(w, v, sizeof w);
    lull_logits_typical(w, 4, 0.7); /* then 1 bit */
    assert_true(w[2] > -INFINITY && w[0] == -INFINITY && w[1] > -INFINITY && w[3] == -INFINITY);
    memcpy(w, v, sizeof w);
    lull_logits_typical(w, 4, 0.8); /* then the first of the equal ones */
    assert_true(w[0] > -INFINITY && w[1] > -INFINITY && w[2] > -INFINITY && w[3] == -INFINITY);
}

/* ---- tail free */

static void check_tail_free_at(const float *v, size_t n, const lull_candidate *list, size_t count,
                               double z)
{
    uint32_t *scratch = malloc(2 * n * sizeof *scratch);
    double *p = malloc((count + 2) * sizeof *p), total = 0, sum = 0;
    float *got = copy_of(v, n);
    size_t i, keep = count;
    assert_non_null(scratch);
    assert_non_null(p);
    for (i = 0; i < count; i++) p[i] = mass_of(list[i].value, list[0].value, n);
    for (i = 0; i + 2 < count; i++) total += fabs((p[i] - p[i + 1]) - (p[i + 1] - p[i + 2]));
    for (i = 0; i + 2 < count && keep == count; i++) {
        sum += fabs((p[i] - p[i + 1]) - (p[i + 1] - p[i + 2]));
        if (sum > z * total) keep = i > 0 ? i : 1;
    }
    lull_logits_tail_free(got, n, z, scratch);
    check_kept("tail_free", v, got, n, list, keep);
    free(scratch);
    free(p);
    free(got);
}

static void check_tail_free(const float *v, size_t n)
{
    static const double tries[] = {0, 0.1, 0.5, 0.9, 0.95, 0.99, 1};
    size_t count, i;
    lull_candidate *list = sorted(v, n, &count);
    for (i = 0; i < sizeof tries / sizeof tries[0] && count > 0; i++)
        check_tail_free_at(v, n, list, count, tries[i]);
    free(list);
}

static void tail_free_cuts_where_the_curve_ends(void **unused)
{
    (void)unused;
    on_all(check_tail_free);
}

/* ---- xtc */

/* Where no token is within rounding of the threshold, by the words. */
static void check_xtc_at(const float *v, size_t n, const lull_candidate *list, size_t count,
                         double threshold)
{
    const double bound = list[0].value + log(threshold * reference_total(list, count));
    float *got = copy_of(v, n), *want = copy_of(v, n);
    size_t above, i;
    for (above = 0; above < count && list[above].value > bound; above++) {
    }
    if ((above == 0 || list[above - 1].value > bound + 1e-5 * (1 + fabs(bound))) &&
        (above == count || list[above].value < bound - 1e-5 * (1 + fabs(bound)))) {
        size_t least = above;
        while (least > 1 && list[least - 2].value == list[above - 1].value) least--;
        for (i = 0; above > 1 && i < above; i++) {
            if (i != least - 1) want[list[i].id] = -INFINITY;
        }
        lull_logits_xtc(got, n, threshold);
        assert_memory_equal(got, want, n * sizeof *v);
    }
    free(got);
    free(want);
}

static void check_xtc(const float *v, size_t n)
{
    static const double tries[] = {1e-6, 1e-3, 0.01, 0.05, 0.1, 0.2, 0.49};
    size_t count, i;
    lull_candidate *list = sorted(v, n, &count);
    for (i = 0; i < sizeof tries / sizeof tries[0] && count > 0; i++)
        check_xtc_at(v, n, list, count, tries[i]);
    free(list);
}

static void xtc_leaves_the_least_of_the_likely(void **unused)
{
    (void)unused;
    on_all(check_xtc);
}

/* Exactly half is not more than half; of equal ones the first stays. */
static void xtc_by_hand(void **unused)
{
    const float v[5] = {-200, 1, 1, -INFINITY, -200};
    float w[5];
    (void)unused;
    memcpy(w, v, sizeof w);
    lull_logits_xtc(w, 5, 0.5);
    assert_memory_equal(w, v, sizeof w);
    lull_logits_xtc(w, 5, 0);
    lull_logits_xtc(w, 5, NAN);
    assert_memory_equal(w, v, sizeof w);
    lull_logits_xtc(w, 5, 0.4999);
    assert_true(w[1] == 1 && w[2] == -INFINITY && w[0] == -200 && w[4] == -200);
}

/* ---- the support */

static void check_support(const float *v, size_t n)
{
    const size_t capacities[] = {0, 1, 63, 512, n};
    float *bad = copy_of(v, n);
    size_t c, i, k;
    bad[n / 2] = NAN;
    for (c = 0; c < 5; c++) {
        int32_t *ids = malloc((capacities[c] + 1) * sizeof *ids);
        size_t count = 0, got;
        assert_non_null(ids);
        got = lull_logits_support(bad, n, ids, capacities[c]);
        for (i = 0, k = 0; i < n; i++) {
            if (bad[i] == -INFINITY) continue;
            if (count++ < capacities[c]) assert_int_equal(ids[k++], i);
        }
        assert_int_equal(got, count <= capacities[c] ? count : capacities[c] + 1);
        free(ids);
    }
    free(bad);
}

static void support_is_what_is_left(void **unused)
{
    (void)unused;
    on_all(check_support);
}

/* ---- all of them: bad numbers, odd addresses, whole vocabularies, every machine */

static uint32_t work[2 * 32000];

static void tail_free(float *values, size_t n, double z)
{
    lull_logits_tail_free(values, n, z, work);
}

static void smooth(float *values, size_t n, double factor)
{
    lull_logits_smooth(values, n, factor, 1.5);
}

static void dynamic(float *values, size_t n, double high)
{
    lull_logits_dynamic_temperature(values, n, 0.3, high, 1.5);
}

static void log_softmax(float *values, size_t n, double unused)
{
    (void)unused;
    lull_logits_log_softmax(values, n, NULL);
}

static void green(float *values, size_t n, double delta)
{
    lull_logits_green(values, NULL, n, 17, 0.5, delta);
}

static const struct {
    rule apply;
    double x;
} all[] = {
    {lull_logits_top_a, 0.2},
    {lull_logits_top_n_sigma, 1},
    {lull_logits_typical, 0.9},
    {tail_free, 0.95},
    {lull_logits_epsilon, 1e-3},
    {lull_logits_eta, 1e-3},
    {lull_logits_xtc, 0.001},
    {smooth, 0.2},
    {dynamic, 1.7},
    {lull_logits_toward, 0.05},
    {log_softmax, 0},
    {green, 2},
};
#define ALL (sizeof all / sizeof all[0])

/* Nothing is changed, but by what only adds. */
static void what_is_not_finite_stays(void **unused)
{
    const size_t n = 200;
    float *good = make(NORMAL, n);
    size_t r, i;
    (void)unused;
    for (r = 0; r + 1 < ALL; r++) {
        for (i = 0; i < n; i += 66) {
            float *v = copy_of(good, n), *w;
            int32_t id;
            lull_error error;
            v[i] = i % 2 ? NAN : INFINITY;
            w = copy_of(v, n);
            all[r].apply(w, n, all[r].x);
            assert_memory_equal(v, w, n * sizeof *v);
            assert_int_equal(lull_logits_sample(w, n, 0.5, &id, &error), LULL_EINVAL);
            free(v);
            free(w);
        }
    }
    free(good);
}

static void nothing_at_all(void **unused)
{
    double mean, deviation;
    float banned[3] = {-INFINITY, -INFINITY, -INFINITY};
    size_t r, i;
    (void)unused;
    for (r = 0; r < ALL; r++) {
        all[r].apply(NULL, 0, all[r].x);
        all[r].apply(banned, 3, all[r].x);
        for (i = 0; i < 3; i++) assert_true(banned[i] == -INFINITY);
    }
    lull_logits_add_scaled(NULL, NULL, 0, 1);
    lull_logits_moments(NULL, 0, &mean, &deviation);
    assert_true(isnan(mean) && isnan(lull_logits_divergence(NULL, NULL, 0)));
    assert_int_equal(lull_logits_support(NULL, 0, NULL, 0), 0);
}

static void addresses_do_not_matter(void **unused)
{
    const size_t n = 1000;
    float *v = make(NORMAL, n), *room = malloc((n + 16) * sizeof *room);
    size_t r, shift;
    (void)unused;
    assert_non_null(room);
    for (r = 0; r < ALL; r++) {
        float *want = copy_of(v, n);
        all[r].apply(want, n, all[r].x);
        for (shift = 0; shift < 16; shift++) {
            memcpy(room + shift, v, n * sizeof *v);
            all[r].apply(room + shift, n, all[r].x);
            assert_memory_equal(room + shift, want, n * sizeof *v);
        }
        free(want);
    }
    free(v);
    free(room);
}

static void whole_vocabularies(void **unused)
{
    static const int kinds[] = {NORMAL, FLAT, TIED, PEAKED, BANNED};
    size_t k;
    (void)unused;
    for (k = 0; k < 5; k++) {
        float *v = make(kinds[k], 32000);
        size_t count;
        lull_candidate *list = sorted(v, 32000, &count);
        check_bounded(v, 32000);
        check_typical_at(v, 32000, list, count, 0.9);
        check_tail_free_at(v, 32000, list, count, 0.97);
        check_xtc_at(v, 32000, list, count, 0.001);
        free(list);
        free(v);
    }
}

static uint64_t digest;

static void add_value(double d) /* as a number: the order of bytes is the machine's */
{
    uint64_t u;
    memcpy(&u, &d, sizeof u);
    digest = digest * 31 + (d != d ? 1 : u);
}

/* Integers only, so that the vectors are the same everywhere. */
static void digest_all(int mode)
{
    static float v[3000], w[3000];
    double mean, deviation;
    size_t r;
    int i, round;
    state = 99;
    digest = 0;
    for (round = 0; round < 4; round++) {
        for (i = 0; i < 3000; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            v[i] = (float)((int32_t)(state >> 40) - (1 << 23)) * (round % 2 ? 0x1p-21f : 0x1p-19f);
        }
        for (r = 0; r < ALL; r++) {
            memcpy(w, v, sizeof v);
            fesetround(mode);
            all[r].apply(w, 3000, all[r].x);
            lull_logits_add_scaled(w, v, 3000, 0.7);
            add_value(lull_logits_divergence(v, w, 3000));
            lull_logits_moments(w, 3000, &mean, &deviation);
            fesetround(FE_TONEAREST);
            add_value(mean);
            add_value(deviation);
            for (i = 0; i < 3000; i++) add_value((double)w[i]);
        }
    }
}

static void every_machine_gives_the_same_bits(void **unused)
{
    static const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    int i;
    (void)unused;
    for (i = 0; i < 4; i++) {
        digest_all(modes[i]);
        if (digest != EXPECTED_DIGEST)
            fail_msg("mode %d: 0x%08x%08x", i, (unsigned)(digest >> 32), (unsigned)digest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_are_where_the_rules_say),
        cmocka_unit_test(n_sigma_does_not_depend_on_temperature),
        cmocka_unit_test(typical_keeps_the_nearest_to_the_entropy),
        cmocka_unit_test(typical_by_hand),
        cmocka_unit_test(tail_free_cuts_where_the_curve_ends),
        cmocka_unit_test(xtc_leaves_the_least_of_the_likely),
        cmocka_unit_test(xtc_by_hand),
        cmocka_unit_test(support_is_what_is_left),
        cmocka_unit_test(what_is_not_finite_stays),
        cmocka_unit_test(nothing_at_all),
        cmocka_unit_test(addresses_do_not_matter),
        cmocka_unit_test(whole_vocabularies),
        cmocka_unit_test(every_machine_gives_the_same_bits),
    };
    return cmocka_run_group_tests_name("filters", tests, NULL, NULL);
}
