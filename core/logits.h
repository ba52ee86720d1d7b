/* logits.h - what the files that work on a vector of logits share: logits.c reads and changes it,
 * filters.c bans by a rule, choosing.c picks from it, mass.c and cut.c are below them all.
 *
 * Mass.  The weight of a token is m = exp(v - max), rounded to a multiple of a unit so coarse that
 * the sum of n of them is exact in a double: 2^-52 times n rounded up to a power of two (2^-37 for
 * 32,000 tokens, so the whole vocabulary's rounding stays below the 24 bits a draw has).  Exact sums
 * have no order, so loops may run in lanes, histograms may add in any order, and "the shortest
 * prefix of the sorted tokens whose mass reaches p" is found without sorting, on every machine the
 * same.
 *
 * Order.  Values are compared as numbers (-0 equals 0), equal ones by id, the lower first.  A NaN is
 * in no range and so is never chosen; what bans leaves it in place, so that drawing reports it.
 *
 * Everything works on blocks of 64 values, loops of known length that compilers vectorise; blocks
 * in which nothing matters are passed over.  All functions here but lull_logits_check compute in the
 * floating-point environment of their caller. */
#ifndef LULL_LOGITS_H
#define LULL_LOGITS_H

#include "base.h"
#include "kernels/expf.h"

#include <math.h> /* INFINITY, NAN */

#define LULL_BLOCK   64
#define LULL_DEEPEST 88.0f /* below max - 88 the mass is 0 */

/* A block of values from index i on; the last one is copied to pad and filled up with banned ones. */
static inline const float *lull_block(const float *values, size_t n, size_t i, float *pad)
{
    size_t j;
    if (n - i >= LULL_BLOCK) return values + i;
    for (j = 0; j < LULL_BLOCK; j++) pad[j] = j < n - i ? values[i + j] : -INFINITY;
    return pad;
}

static inline size_t lull_block_length(size_t n, size_t i)
{
    return n - i < LULL_BLOCK ? n - i : LULL_BLOCK;
}

/* All bits set, or none: gathered with |, the form in which compilers compare a block fastest. */
#define LULL_MASK(condition) (0u - (uint32_t)(condition))

/* Is any of the block's values >= low? */
static inline int lull_reaches(const float *v, float low)
{
    uint32_t any = 0;
    int j;
    for (j = 0; j < LULL_BLOCK; j++) any |= LULL_MASK(v[j] >= low);
    return any != 0;
}

/* Ban what is below low.  Called with a known n for all but the last block, it is vectorised. */
static inline void lull_ban_some(float *v, size_t n, float low)
{
    size_t j;
    for (j = 0; j < n; j++) v[j] = v[j] < low ? -INFINITY : v[j];
}

/* ---- the range of the values, and masses (mass.c) */

typedef struct lull_range {
    float max; /* -INFINITY where everything is banned */
    int sound; /* neither a NaN nor +INFINITY among them */
    size_t at; /* where the first block that has max begins */
} lull_range;

lull_range lull_find_range(const float *values, size_t n);

/* Can a distribution be made of values in this range? */
static inline int lull_is_usable(const lull_range *r)
{
    return r->sound && r->max > -INFINITY;
}

typedef struct lull_scale {
    float max;
    double grid; /* adding and subtracting it rounds to a multiple of the unit */
} lull_scale;

lull_scale lull_find_scale(size_t n, float max);

/* exp(v - max) of a block. */
static inline void lull_exp_block(const float *v, float max, float *e)
{
    int j;
    for (j = 0; j < LULL_BLOCK; j++) e[j] = lull_expf(v[j] - max);
}

/* The masses of a block. */
static inline void lull_weigh(const float *v, const lull_scale *s, double *mass)
{
    const double grid = s->grid;
    float e[LULL_BLOCK];
    int j;
    lull_exp_block(v, s->max, e);
    for (j = 0; j < LULL_BLOCK; j++) mass[j] = ((double)e[j] + grid) - grid;
}

double lull_sum_block(const double *mass);

/* The masses of values from..to-1 (from a multiple of LULL_BLOCK) together, and of all n. */
double lull_sum_mass(const float *values, size_t from, size_t to, const lull_scale *s);
double lull_total_mass(const float *values, size_t n, const lull_scale *s);

/* The masses of all together, and the mean of v - max under softmax, 0 or less.  The entropy is
 * log(total) - depth, as -log p = log(total) - (v - max).  The sum behind depth is not exact and has
 * a fixed order: 16 lanes, lane j takes i = j mod 16 ascending. */
typedef struct lull_spread {
    double total, depth;
} lull_spread;

lull_spread lull_find_spread(const float *values, size_t n, const lull_scale *s);

/* log(sum(exp)), and the entropy, as lull_logits.h has them. */
double lull_log_sum(const float *values, size_t n);
double lull_find_entropy(const float *values, size_t n);

/* How many are not banned, their mean and population standard deviation; of usable values only.  As the
 * largest is at depth 0, what cancels in mean(depth^2) - mean(depth)^2 costs no more than
 * log2(count) + 1 of the 53 bits. */
typedef struct lull_moments {
    size_t count;
    double mean, deviation;
} lull_moments;

lull_moments lull_find_moments(const float *values, size_t n, float max);

/* ---- selection (cut.c): the rank at which a descending sum of weights reaches what is needed */

/* What is ranked and weighed.  Ranks are the values or, with a center, -|v - center|; -INFINITY where
 * a value is banned.  Weights are masses, or 1 each where scale is NULL. */
typedef struct lull_ranking {
    const float *values;
    size_t n;
    const lull_scale *scale;
    const float *center;
} lull_ranking;

typedef struct lull_cut {
    float rank;   /* the largest with which the sum of all from the top reaches the need */
    double above; /* the sum of all above it */
    double need;
} lull_cut;

/* Among the ranks in low..high; above is the sum of those above high.  Where the sum of all does not
 * reach the need, the cut is at low. */
lull_cut lull_find_cut(const lull_ranking *by, float low, float high, double above, double need);

/* The cut for a share of all mass, more than nothing; no rank is above high. */
lull_cut lull_find_share(const lull_ranking *by, float high, double share);

/* Ban what ranks below the cut, and of what ranks at the cut all after the need is met.  values are
 * those of the ranking. */
void lull_ban_after(float *values, const lull_ranking *by, const lull_cut *c);

/* ---- largest.c */

/* The cut above which, with ties, the k largest values are; -INFINITY where there are no more. */
lull_cut lull_find_largest(const float *values, size_t n, size_t k);

/* lull_logits_largest, in the environment of the caller. */
size_t lull_find_candidates(const float *values, size_t n, size_t k, lull_candidate *out,
                            int *sound);

/* ---- choosing.c */

/* Largest value first, of equal ones the lowest id.  In place. */
void lull_candidates_sort(lull_candidate *list, size_t n);

/* ---- logits.c */

/* Can a distribution be made of values?  EINVAL: a NaN or +INFINITY (the first is named), or
 * everything is banned. */
lull_status lull_logits_check(const float *values, size_t n, lull_error *error);

/* The same, the range known; says why not. */
lull_status lull_logits_refuse(const float *values, size_t n, const lull_range *r,
                               lull_error *error);

#endif
