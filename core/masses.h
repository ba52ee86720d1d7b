/* masses.h - the two passes over all values that everything begins with, as text: mass.c compiles it
 * for every machine, and each instruction set's kernels for theirs (log_sum in kernels.h).  Maxima
 * and sums of masses are exact, so all give the same bits; see logits.h. */
#ifndef LULL_MASSES_H
#define LULL_MASSES_H

#include "logits.h"

static inline lull_range lull_range_of(const float *values, size_t n)
{
    float pad[LULL_BLOCK], max[16], min[16];
    int odd[16], j;
    size_t i;
    lull_range r;
    for (j = 0; j < 16; j++) {
        max[j] = -INFINITY;
        min[j] = INFINITY;
        odd[j] = 0;
    }
    for (i = 0; i < n; i += LULL_BLOCK) {
        const float *v = lull_block(values, n, i, pad);
        int k;
        for (k = 0; k < LULL_BLOCK; k += 16) {
            for (j = 0; j < 16; j++) {
                const float x = v[k + j], above = x > -INFINITY ? x : INFINITY;
                max[j] = x > max[j] ? x : max[j];
                min[j] = above < min[j] ? above : min[j];
                odd[j] |= !(x < INFINITY);
            }
        }
    }
    r.max = max[0];
    r.min = min[0];
    r.sound = !odd[0];
    for (j = 1; j < 16; j++) {
        if (max[j] > r.max) r.max = max[j];
        if (min[j] < r.min) r.min = min[j];
        r.sound &= !odd[j];
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
