/* masses.h - the two passes over all values that everything begins with, as text: mass.c compiles it
 * for every machine, and each instruction set's kernels for theirs (log_sum in kernels.h).  Maxima
 * and sums of masses are exact, so all give the same bits; see logits.h. */
#ifndef LULL_MASSES_H
#define LULL_MASSES_H

#include "logits.h"

/* A block whose values are all at most the largest so far, which a NaN is not, takes no more than that
 * comparison. */
static inline lull_range lull_range_of(const float *values, size_t n)
{
    float pad[LULL_BLOCK];
    lull_range r = {-INFINITY, 1, 0};
    size_t i;
    int j;
    for (i = 0; i < n; i += LULL_BLOCK) {
        const float *v = lull_block(values, n, i, pad);
        const float max = r.max;
        uint32_t more = 0;
        for (j = 0; j < LULL_BLOCK; j++) more |= LULL_MASK(!(v[j] <= max));
        if (more == 0) continue;
        for (j = 0; j < LULL_BLOCK; j++) {
            if (v[j] > r.max) r.max = v[j];
            r.sound &= v[j] < INFINITY;
        }
        if (r.max > max) r.at = i;
    }
    return r;
}

static inline double lull_block_sum(const double *mass)
{
    double lane[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    int i, j;
    for (i = 0; i < LULL_BLOCK; i += 8) {
        for (j = 0; j < 8; j++) lane[j] += mass[i + j];
    }
    return ((lane[0] + lane[1]) + (lane[2] + lane[3])) +
           ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

/* The masses of values from..to-1 (from a multiple of LULL_BLOCK) together. */
static inline double lull_mass_of(const float *values, size_t from, size_t to, const lull_scale *s)
{
    float pad[LULL_BLOCK];
    double mass[LULL_BLOCK], total = 0;
    size_t i;
    for (i = from; i < to; i += LULL_BLOCK) {
        const float *v = lull_block(values, to, i, pad);
        if (!lull_reaches(v, s->max - LULL_DEEPEST)) continue;
        lull_weigh(v, s, mass);
        total += lull_block_sum(mass);
    }
    return total;
}

/* log(sum(exp)): what lull_logits_logsumexp is. */
static inline double lull_log_sum_of(const float *values, size_t n)
{
    const lull_range r = lull_range_of(values, n);
    lull_scale s;
    if (!r.sound) return (double)NAN;
    if (r.max == -INFINITY) return (double)-INFINITY;
    s = lull_find_scale(n, r.max);
    return (double)r.max + lull_log(lull_mass_of(values, 0, n, &s));
}

#endif
