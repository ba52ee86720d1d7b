/* test_token_set.c - sets of tokens against a flag per token, for vocabularies of every size around a
 * word. */
#include "base.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define MOST 2048

static const size_t sizes[] = {1, 2, 31, 32, 33, 63, 64, 65, 300, MOST};
#define SIZES (sizeof sizes / sizeof sizes[0])

static uint32_t draws;

static double uniform(void)
{
    return lull_random(3, 4, draws++, 0, 0);
}

/* A set of the exact size in memory, and the same as flags. */
typedef struct both {
    size_t n;
    uint32_t *set;
    unsigned char has[MOST];
} both;

static void make(both *b, size_t n, double share)
{
    size_t i;
    b->n = n;
    b->set = calloc(LULL_TOKEN_SET_WORDS(n), sizeof *b->set);
    assert_non_null(b->set);
    for (i = 0; i < n; i++) {
        const int32_t id = (int32_t)i;
        b->has[i] = uniform() < share;
        if (b->has[i]) lull_token_set_add(b->set, &id, 1);
    }
}

static void check(const both *b)
{
    int32_t ids[MOST];
    size_t i, count = 0, listed = lull_token_set_ids(b->set, b->n, ids);
    for (i = 0; i < b->n; i++) {
        assert_int_equal(lull_token_set_has(b->set, (int32_t)i), b->has[i]);
        if (b->has[i]) assert_int_equal(ids[count++], i);
    }
    assert_int_equal(listed, count);
    assert_int_equal(lull_token_set_count(b->set, b->n), count);
    if (b->n % 32 != 0) assert_int_equal(b->set[b->n / 32] >> b->n % 32, 0);
}

static void sets_are_sets(void **unused)
{
    static const double shares[] = {0, 0.03, 0.5, 0.97, 1};
    size_t k, s, i;
    (void)unused;
    for (k = 0; k < SIZES; k++) {
        for (s = 0; s < 5; s++) {
            both a, b;
            make(&a, sizes[k], 0.5);
            make(&b, sizes[k], shares[s]);
            check(&a);
            check(&b);
            lull_token_set_complement(a.set, a.n);
            for (i = 0; i < a.n; i++) a.has[i] = !a.has[i];
            check(&a);
            lull_token_set_subtract(a.set, b.set, a.n);
            for (i = 0; i < a.n; i++) a.has[i] = a.has[i] && !b.has[i];
            check(&a);
            lull_token_set_complement(b.set, b.n);
            for (i = 0; i < a.n; i++) b.has[i] = !b.has[i];
            lull_token_set_intersect(b.set, a.set, a.n);
            for (i = 0; i < a.n; i++) b.has[i] = b.has[i] && a.has[i];
            check(&b);
            lull_token_set_complement(b.set, b.n);
            for (i = 0; i < a.n; i++) b.has[i] = !b.has[i];
            lull_token_set_union(a.set, b.set, a.n);
            for (i = 0; i < a.n; i++) a.has[i] = a.has[i] || b.has[i];
            check(&a);
            free(a.set);
            free(b.set);
        }
    }
}

static void ids_come_and_go(void **unused)
{
    size_t k;
    (void)unused;
    for (k = 0; k < SIZES; k++) {
        const int32_t last = (int32_t)sizes[k] - 1;
        int32_t ends[3];
        both b;
        ends[0] = ends[2] = last; /* twice is once */
        ends[1] = 0;
        make(&b, sizes[k], 0);
        lull_token_set_add(b.set, ends, 3);
        b.has[0] = b.has[last] = 1;
        check(&b);
        lull_token_set_remove(b.set, ends, 1);
        b.has[last] = 0;
        check(&b);
        lull_token_set_remove(b.set, ends, 3);
        b.has[0] = 0;
        check(&b);
        free(b.set);
    }
}

static int same(float a, float b)
{
    return lull_float_bits(a) == lull_float_bits(b) || (a != a && b != b);
}

/* Ban, allow and add in fresh logits that have a NaN, an infinity and what is banned among them. */
static void logits_change_where_the_set_says(void **unused)
{
    static const double shares[] = {0, 0.02, 0.5, 0.98, 1};
    size_t k, s, i;
    (void)unused;
    for (k = 0; k < SIZES; k++) {
        const size_t n = sizes[k];
        for (s = 0; s < 5; s++) {
            float *v = malloc(3 * n * sizeof *v), *banned = v + n, *allowed = v + 2 * n;
            float *added = malloc(n * sizeof *added); /* the end is the end of its memory */
            both b;
            assert_non_null(v);
            assert_non_null(added);
            make(&b, n, shares[s]);
            for (i = 0; i < n; i++) {
                const double kind = uniform();
                v[i] = kind < 0.1   ? (float)NAN
                       : kind < 0.2 ? -INFINITY
                                    : (float)(20 * uniform() - 10);
            }
            memcpy(banned, v, n * sizeof *v);
            memcpy(allowed, v, n * sizeof *v);
            memcpy(added, v, n * sizeof *v);
            lull_logits_ban(banned, n, b.set);
            lull_logits_allow(allowed, n, b.set);
            lull_logits_add(added, n, b.set, 1.25f);
            for (i = 0; i < n; i++) {
                assert_true(same(banned[i], b.has[i] ? -INFINITY : v[i]));
                assert_true(same(allowed[i], b.has[i] ? v[i] : -INFINITY));
                assert_true(same(added[i], b.has[i] ? v[i] + 1.25f : v[i]));
            }
            free(b.set);
            free(v);
            free(added);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_are_sets),
        cmocka_unit_test(ids_come_and_go),
        cmocka_unit_test(logits_change_where_the_set_says),
    };
    return cmocka_run_group_tests_name("token_set", tests, NULL, NULL);
}
