/* logits_cases.h - what the tests of primitives on logits share: vectors of many kinds and of every
 * length around a block, and a reference that sorts. */
#ifndef LOGITS_CASES_H
#define LOGITS_CASES_H

#include "logits.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- vectors */

static LULL_UNUSED uint64_t state = 1;

static LULL_UNUSED double uniform(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (double)(state * 0x2545f4914f6cdd1du >> 11) * 0x1p-53;
}

static LULL_UNUSED double normal(void)
{
    return sqrt(-2 * log(uniform() + 1e-300)) * cos(6.283185307179586 * uniform());
}

enum { NORMAL, WIDE, FLAT, TIED, PEAKED, BANNED, ZEROS, TINY, HUGE_VALUES, STEPS, KINDS };

static LULL_UNUSED float one_value(int kind, double spread)
{
    switch (kind) {
    case WIDE: return (float)(normal() * 200);
    case FLAT: return 1.5f;
    case TIED: return (float)floor(normal() * 2);
    case PEAKED: return (float)(uniform() < 0.01 ? 12 + normal() : normal());
    case BANNED: return uniform() < 0.9 ? -INFINITY : (float)normal();
    case ZEROS: return uniform() < 0.5 ? 0.0f : uniform() < 0.5 ? -0.0f : (float)normal();
    case TINY: return (float)(normal() * 0x1p-140);
    case HUGE_VALUES: return (float)(normal() * 1e38 / 4);
    case STEPS: return (float)(floor(uniform() * 4) * 30);
    default: return (float)(normal() * spread);
    }
}

static LULL_UNUSED float *make(int kind, size_t n)
{
    const double spread = 0.5 + 4 * uniform();
    float *v = malloc((n ? n : 1) * sizeof *v); /* the exact size: one read too many is seen */
    size_t i;
    assert_non_null(v);
    for (i = 0; i < n; i++) v[i] = one_value(kind, spread);
    return v;
}

static LULL_UNUSED float *copy_of(const float *v, size_t n)
{
    float *c = malloc((n ? n : 1) * sizeof *c);
    assert_non_null(c);
    memcpy(c, v, n * sizeof *c);
    return c;
}

static LULL_UNUSED const size_t lengths[] = {1,   2,   3,   15,  16,  17,  63,   64,  65,
                                             127, 128, 129, 255, 256, 257, 1025, 2100};
#define LENGTHS (sizeof lengths / sizeof lengths[0])

/* f(values, n) for all kinds and lengths. */
static LULL_UNUSED void on_all(void (*f)(const float *v, size_t n))
{
    size_t i;
    int kind, round;
    for (kind = 0; kind < KINDS; kind++) {
        for (i = 0; i < LENGTHS; i++) {
            for (round = 0; round < (lengths[i] < 200 ? 3 : 1); round++) {
                float *v = make(kind, lengths[i]);
                f(v, lengths[i]);
                free(v);
            }
        }
    }
}

/* ---- the reference: sort, and then do as the words say */

static LULL_UNUSED int sorted_before(const void *a, const void *b)
{
    const lull_candidate *x = a, *y = b;
    if (x->value != y->value) return x->value > y->value ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* All that is neither banned nor NaN, the largest first, of equal ones the lowest id. */
static LULL_UNUSED lull_candidate *sorted(const float *v, size_t n, size_t *count)
{
    lull_candidate *list = malloc((n ? n : 1) * sizeof *list);
    size_t i;
    assert_non_null(list);
    *count = 0;
    for (i = 0; i < n; i++) {
        if (v[i] > -INFINITY) {
            list[*count].id = (int32_t)i;
            list[(*count)++].value = v[i];
        }
    }
    qsort(list, *count, sizeof *list, sorted_before);
    return list;
}

static LULL_UNUSED double reference_total(const lull_candidate *list, size_t n)
{
    double total = 0;
    size_t i;
    for (i = n; i > 0; i--) total += exp((double)list[i - 1].value - (double)list[0].value);
    return total;
}

/* got is v with all but the first `keep` of the list banned. */
static LULL_UNUSED void check_kept(const char *what, const float *v, const float *got, size_t n,
                                   const lull_candidate *list, size_t keep)
{
    float *want = malloc((n ? n : 1) * sizeof *want);
    size_t i;
    assert_non_null(want);
    for (i = 0; i < n; i++) want[i] = v[i] != v[i] ? v[i] : -INFINITY;
    for (i = 0; i < keep; i++) want[list[i].id] = v[list[i].id];
    for (i = 0; i < n; i++) {
        if (lull_float_bits(want[i]) != lull_float_bits(got[i])) {
            fail_msg("%s: value %d of %d is %g, was %g, expected %g", what, (int)i, (int)n, got[i],
                     v[i], want[i]);
        }
    }
    free(want);
}

static LULL_UNUSED int near(double a, double b, double tolerance)
{
    return a == b || fabs(a - b) <= tolerance * (1 + fabs(b));
}

/* ---- what the rules go by */

typedef struct facts {
    double total, entropy, mean, deviation;
} facts;

static LULL_UNUSED facts facts_of(const lull_candidate *list, size_t count)
{
    facts f = {0, 0, 0, 0};
    double squares = 0;
    size_t i;
    f.total = reference_total(list, count);
    f.entropy = log(f.total);
    for (i = 0; i < count; i++) {
        const double depth = (double)list[i].value - (double)list[0].value;
        if (depth > -700) f.entropy -= exp(depth) * depth / f.total;
        f.mean += list[i].value / (double)count;
    }
    for (i = 0; i < count; i++) squares += pow(list[i].value - f.mean, 2) / (double)count;
    f.deviation = sqrt(squares);
    return f;
}

#endif
