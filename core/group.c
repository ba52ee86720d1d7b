/* group.c - see group.h. */
#include "group.h"

/* 1.5 * 2^23: adding it to |v| < 2^22 rounds v to an integer, half to even, and leaves that integer
 * in the low bits of the sum. */
#define ROUNDER      12582912.0f
#define ROUNDER_BITS 0x4b400000

#define LANES 16

static const float LEAST_SCALE = 1.0f / 16777216; /* 2^-24, the smallest that f16 holds */

static int32_t rounded(float v)
{
    return (int32_t)lull_float_bits(v + ROUNDER) - ROUNDER_BITS;
}

/* The scales that bf16 and f16 both hold are the numbers of 8 bits mantissa, and below 128 *
 * LEAST_SCALE its multiples: the smallest of them that is not below s >= 0. */
static float scale_above(float s)
{
    if (s >= 128.0f * LEAST_SCALE)
        return lull_bits_float((lull_float_bits(s) + 0xffffu) & 0xffff0000u);
    s /= LEAST_SCALE;
    {
        const float whole = (float)(int32_t)s;
        return (whole < s ? whole + 1.0f : whole) * LEAST_SCALE;
    }
}

/* The nearest of them to s, of either sign. */
static float scale_near(float s)
{
    const uint32_t bits = lull_float_bits(s), even = bits >> 16 & 1u;
    const float size = lull_bits_float(bits & 0x7fffffffu);
    if (size >= 128.0f * LEAST_SCALE) return lull_bits_float((bits + 0x7fffu + even) & 0xffff0000u);
    return (float)rounded(s / LEAST_SCALE) * LEAST_SCALE;
}

/* ---- 4 bits */

/* For v = w * inverse and its integers q, the sums of v * q and of q * q so far, in 16 lanes.
 * Integers are clamped rather than floats: compilers vectorise that. */
static inline void add_lanes(float *vq, float *qq, const float *w, size_t n, float inverse)
{
    size_t i;
    for (i = 0; i < n; i++) {
        const float v = w[i] * inverse; /* within 10 */
        int32_t whole = rounded(v);
        float q;
        whole = whole > 7 ? 7 : whole;
        whole = whole < -8 ? -8 : whole;
        q = (float)whole;
        vq[i] += v * q;
        qq[i] += q * q;
    }
}

/* Those sums over a group. */
static void correlate(const float *w, size_t n, float inverse, float *vq, float *qq)
{
    float a[LANES] = {0}, b[LANES] = {0};
    size_t k, i;
    for (k = 0; k + LANES <= n; k += LANES) add_lanes(a, b, w + k, LANES, inverse);
    add_lanes(a, b, w + k, n - k, inverse);
    *vq = *qq = 0.0f;
    for (i = 0; i < LANES; i++) {
        *vq += a[i];
        *qq += b[i];
    }
}

/* For given integers q the best scale is sum(wq) / sum(qq), and the squared error it leaves is
 * sum(ww) - sum(wq)^2 / sum(qq).  Grids that put the largest weight w0 at -6.4 ... -9.6 are tried: a
 * little clipping costs less than coarse steps for all others, and the other way round. */
static float search_scale(const float *w, size_t n, float w0)
{
    float best = -1.0f, scale = w0 / -8.0f;
    int step;
    for (step = -4; step <= 4; step++) {
        const float end = 8.0f + 0.4f * (float)step; /* what w0 becomes, but for its sign */
        float vq, qq, fit, gain;
        correlate(w, n, -end / w0, &vq, &qq);
        if (!(qq > 0.0f)) continue;
        fit = vq / qq;
        gain = fit * vq / (end * end); /* in units of w0 squared */
        if (!(gain > best)) continue;
        best = gain;
        scale = fit * (-w0 / end);
    }
    return scale;
}

/* ---- the grid */

/* The weight of largest |w|, the first of equals, and the bits of that |w|: they order as integers
 * do, NaN above infinity above all numbers. */
static float largest(const float *w, size_t n, int32_t *bits)
{
    int32_t most = 0;
    size_t i;
    for (i = 0; i < n; i++) {
        const int32_t b = (int32_t)(lull_float_bits(w[i]) & 0x7fffffffu);
        most = b > most ? b : most;
    }
    *bits = most;
    for (i = 0; i < n; i++)
        if ((int32_t)(lull_float_bits(w[i]) & 0x7fffffffu) == most) return w[i];
    return 0.0f;
}

lull_grid lull_grid_choose(lull_precision precision, const float *w, size_t n)
{
    lull_grid grid = {0.0f, 0.0f, -127, 127};
    int32_t bits;
    const float w0 = largest(w, n, &bits), size = lull_bits_float((uint32_t)bits);

    if (precision == LULL_Q4) grid.least = -8, grid.most = 7;
    if (bits >= 0x7f800000) {
        grid.scale = lull_bits_float(0x7fc00000u);
        return grid;
    }
    if (size <= 0.5f * LEAST_SCALE) return grid; /* every weight would round to 0 */
    if (precision == LULL_Q4)
        grid.scale = scale_near(search_scale(w, n, w0));
    else
        grid.scale = scale_above(size / 127.0f);
    if (grid.scale != 0.0f) grid.inverse = 1.0f / grid.scale;
    return grid;
}

void lull_grid_apply(const lull_grid *grid, const float *w, size_t n, int8_t *q)
{
    size_t i;
    if (grid->inverse == 0.0f) {
        memset(q, 0, n); /* w may be NaN or infinite */
        return;
    }
    for (i = 0; i < n; i++) {
        int32_t v = rounded(w[i] * grid->inverse);
        v = v > grid->most ? grid->most : v;
        v = v < grid->least ? grid->least : v;
        q[i] = (int8_t)v;
    }
}
