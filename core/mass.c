/* mass.c - the range of a vector of logits, and what its tokens weigh: see logits.h. */
#include "masses.h"

lull_range lull_find_range(const float *values, size_t n)
{
    return lull_range_of(values, n);
}

lull_scale lull_find_scale(size_t n, float max)
{
    lull_scale s = {0, 1};
    size_t m;
    for (m = 1; m < n && m <= SIZE_MAX / 2; m *= 2) s.grid *= 2;
    s.max = max;
    return s;
}

double lull_sum_block(const double *mass)
{
    return lull_block_sum(mass);
}

double lull_sum_mass(const float *values, size_t from, size_t to, const lull_scale *s)
{
    return lull_mass_of(values, from, to, s);
}

double lull_total_mass(const float *values, size_t n, const lull_scale *s)
{
    return lull_sum_mass(values, 0, n, s);
}

/* In the environment of the caller. */
double lull_log_sum(const float *values, size_t n)
{
    return lull_log_sum_of(values, n);
}

lull_spread lull_find_spread(const float *values, size_t n, const lull_scale *s)
{
    float pad[LULL_BLOCK];
    double lane[16], mass[LULL_BLOCK];
    lull_spread d = {0, 0};
    size_t i;
    int j, k;
    for (j = 0; j < 16; j++) lane[j] = 0;
    for (i = 0; i < n; i += LULL_BLOCK) {
        const float *v = lull_block(values, n, i, pad);
        if (!lull_reaches(v, s->max - LULL_DEEPEST)) continue;
        lull_weigh(v, s, mass);
        d.total += lull_sum_block(mass);
        for (k = 0; k < LULL_BLOCK; k += 16) {
            for (j = 0; j < 16; j++) {
                const float depth = v[k + j] - s->max;
                lane[j] += mass[k + j] * (double)(depth > -LULL_DEEPEST ? depth : -LULL_DEEPEST);
            }
        }
    }
    for (j = 0; j < 16; j++) d.depth += lane[j];
    d.depth /= d.total;
    return d;
}

double lull_find_entropy(const float *values, size_t n)
{
    const lull_range r = lull_find_range(values, n);
    lull_scale s;
    lull_spread d;
    if (!lull_is_usable(&r)) return (double)NAN;
    s = lull_find_scale(n, r.max);
    d = lull_find_spread(values, n, &s);
    return lull_log(d.total) - d.depth;
}

/* With 8 lanes as in lull_sum_block. */
lull_moments lull_find_moments(const float *values, size_t n, float max)
{
    float pad[LULL_BLOCK], x[LULL_BLOCK];
    double depth[LULL_BLOCK], square[LULL_BLOCK], sum = 0, squares = 0, mean, variance;
    lull_moments m = {0, 0, 0};
    size_t i;
    int j;
    for (i = 0; i < n; i += LULL_BLOCK) {
        const float *v = lull_block(values, n, i, pad);
        int allowed = 0;
        for (j = 0; j < LULL_BLOCK; j++) {
            allowed += v[j] > -INFINITY;
            x[j] = v[j] > -INFINITY ? v[j] : max; /* at depth 0 the banned add nothing */
        }
        for (j = 0; j < LULL_BLOCK; j++) {
            depth[j] = (double)x[j] - (double)max;
            square[j] = depth[j] * depth[j];
        }
        m.count += (size_t)allowed;
        sum += lull_sum_block(depth);
        squares += lull_sum_block(square);
    }
    mean = sum / (double)m.count;
    variance = squares / (double)m.count - mean * mean;
    m.mean = (double)max + mean;
    m.deviation = variance > 0 ? lull_pow(variance, 0.5) : 0;
    return m;
}
