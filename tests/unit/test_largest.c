/* The k largest logits against a reference that sorts: of every kind of vector, length and k, and in
 * the arrangements that are worst for a search with a bound. */
#include "logits_cases.h"

static int by_id(const void *a, const void *b)
{
    const lull_candidate *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static void check(const float *v, size_t n, size_t k)
{
    size_t count, want, got, i;
    lull_candidate *list = sorted(v, n, &count);
    lull_candidate *out = malloc((k ? k : 1) * sizeof *out);
    int sound = -1;
    assert_non_null(out);
    want = k < count ? k : count;
    qsort(list, want, sizeof *list, by_id);
    got = lull_logits_largest(v, n, k, out, &sound);
    assert_int_equal(got, want);
    assert_int_equal(sound, 1);
    for (i = 0; i < want; i++) {
        assert_int_equal(out[i].id, list[i].id);
        assert_int_equal(lull_float_bits(out[i].value), lull_float_bits(v[out[i].id]));
    }
    free(out);
    free(list);
}

static void check_all_k(const float *v, size_t n)
{
    static const size_t tries[] = {0, 1, 2, 5, 40, 64, 128, 255, 256, 511, 512, 513, 800};
    size_t i;
    for (i = 0; i < sizeof tries / sizeof tries[0] && tries[i] <= n; i++) check(v, n, tries[i]);
    check(v, n, n);
}

static void the_first_of_the_sorted(void **unused)
{
    (void)unused;
    on_all(check_all_k);
}

static int descending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return x > y ? -1 : x < y;
}

static void swap(float *v, size_t i, size_t j)
{
    const float x = v[i];
    v[i] = v[j];
    v[j] = x;
}

/* Sorted either way, the largest in one run, the largest in one lane. */
static void in_any_arrangement(void **unused)
{
    static const size_t n_values[] = {512, 2048, 5003, 32000};
    size_t l, i;
    int kind;
    (void)unused;
    for (l = 0; l < 4; l++) {
        for (kind = 0; kind < KINDS; kind++) {
            const size_t n = n_values[l];
            float *v = make(kind, n);
            qsort(v, n, sizeof *v, descending);
            check_all_k(v, n);
            for (i = 0; i < n / 2; i++) swap(v, i, n - 1 - i);
            check_all_k(v, n);
            for (i = 0; i < 300 && i < n / 4; i++) swap(v, n / 2 + i, n - 1 - i);
            check_all_k(v, n);
            for (i = 0; i * 16 + 5 < n / 4; i++) swap(v, i * 16 + 5, n - 1 - i);
            check_all_k(v, n);
            free(v);
        }
    }
}

static void what_is_not_finite_is_told(void **unused)
{
    static const float bad[] = {NAN, INFINITY};
    static const size_t ks[] = {0, 1, 40, 512, 600};
    size_t l, b, k;
    (void)unused;
    for (l = 0; l < LENGTHS; l++) {
        const size_t n = lengths[l];
        lull_candidate *out = malloc(600 * sizeof *out);
        assert_non_null(out);
        for (b = 0; b < 2; b++) {
            for (k = 0; k < 5; k++) {
                const size_t places[] = {0, n / 2, n - 1};
                size_t p;
                for (p = 0; p < 3; p++) {
                    float *v = make(NORMAL, n);
                    size_t count, i;
                    int sound = -1;
                    v[places[p]] = bad[b];
                    count = lull_logits_largest(v, n, ks[k], out, &sound);
                    assert_int_equal(sound, 0);
                    assert_true(count <= ks[k]);
                    for (i = 0; i < count; i++) {
                        assert_true(out[i].id >= 0 && (size_t)out[i].id < n);
                        assert_true(out[i].value == out[i].value);
                    }
                    free(v);
                }
            }
        }
        free(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_of_the_sorted),
        cmocka_unit_test(in_any_arrangement),
        cmocka_unit_test(what_is_not_finite_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
