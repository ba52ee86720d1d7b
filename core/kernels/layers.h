/* layers.h - the kernels between the linear layers.
 *
 * Every instruction set's file includes this text and compiles it with its own flags, so that there
 * is one source, one order of operations, and vector code for each; all sums follow the order
 * kernels.h lays down.  It is plain C whose loops over 16 lanes compilers turn into whole registers. */
#ifndef LULL_KERNELS_LAYERS_H
#define LULL_KERNELS_LAYERS_H

#include "../masses.h"
#include "expf.h"
#include "lanes.h"

/* i + 8, i + 4, i + 2, i + 1: one number from 16 lanes. */
static ALWAYS_INLINE float fold(float *lane)
{
    int i;
    for (i = 0; i < 8; i++) lane[i] += lane[i + 8];
    for (i = 0; i < 4; i++) lane[i] += lane[i + 4];
    return (lane[0] + lane[2]) + (lane[1] + lane[3]);
}

/* sqrt of x >= 1e-5, correctly rounded (inf and NaN stay), in integers: not every machine has the
 * instruction, and not every libm that stands in for it runs on every machine. */
static float square_root(float x)
{
    const uint32_t bits = lull_float_bits(x);
    const uint32_t odd = ~(bits >> 23) & 1u; /* is the exponent less its bias odd? */
    uint64_t left = (uint64_t)((bits & 0x7fffffu) | 0x800000u) << (25 + odd);
    uint64_t bit = (uint64_t)1 << 48, root = 0;

    if (bits >= 0x7f800000u) return x;
    for (; bit != 0; bit >>= 2) { /* digit by digit: 25 bits, the last one for rounding */
        if (left >= root + bit) {
            left -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    return lull_bits_float((((bits >> 23) - odd + 127u) / 2u << 23) + (uint32_t)((root + 1) >> 1) -
                           0x800000u);
}

static void rmsnorm(float *y, const float *x, const float *weight, int32_t dim)
{
    float lane[LANES] = {0};
    float scale;
    int32_t i, k;

    for (k = 0; k + LANES <= dim; k += LANES)
        for (i = 0; i < LANES; i++) lane[i] += x[k + i] * x[k + i];
    for (i = 0; k + i < dim; i++) lane[i] += x[k + i] * x[k + i];
    scale = 1.0f / square_root(fold(lane) / (float)dim + 1e-5f);
    for (k = 0; k < dim; k += LANES)
        for (i = 0; i < LANES; i++) y[k + i] = (x[k + i] * scale) * weight[k + i];
}

static void swiglu(float *restrict gate, const float *restrict up, int32_t n)
{
    const int32_t padded = (n + LANES - 1) / LANES * LANES;
    int32_t k;
    for (k = 0; k < padded; k++) gate[k] = gate[k] / (1.0f + lull_expf(-gate[k])) * up[k];
}

static void add(float *x, const float *y, int32_t n)
{
    int32_t i, k;
    for (k = 0; k < n; k += LANES)
        for (i = 0; i < LANES; i++) x[k + i] += y[k + i];
}

static double log_sum(const float *values, size_t n)
{
    return lull_log_sum_of(values, n);
}

/* ---- quantising activations */

/* One group of n columns into q, padded with zeros to `padded`. Returns sum(q). */
static ALWAYS_INLINE int32_t quantize_group(int8_t *q, int32_t padded, const float *x, int32_t n,
                                            float *scale)
{
    const float rounder = 12582912.0f; /* 1.5 * 2^23: rounds to an integer, left in the low bits */
    int32_t most = 0, sum = 0, k;      /* bits of |x| order as integers do, NaN above infinity */
    float m, inverse;

    for (k = 0; k < n; k++) {
        const int32_t bits = (int32_t)(lull_float_bits(x[k]) & 0x7fffffffu);
        most = bits > most ? bits : most;
    }
    m = lull_bits_float((uint32_t)most);
    if (most >= 0x7f800000 || m < 1e-12f) {
        *scale = m < 1e-12f ? 0.0f : lull_bits_float(0x7fc00000u);
        memset(q, 0, (size_t)padded);
        return 0;
    }
    *scale = m / 127.0f;
    inverse = 127.0f / m;
    for (k = 0; k < n; k++) {
        const int32_t v = (int32_t)lull_float_bits(x[k] * inverse + rounder) - 0x4b400000;
        q[k] = (int8_t)v;
        sum += v;
    }
    for (; k < padded; k++) q[k] = 0;
    return sum;
}

static void quantize(lull_activations *xq, int32_t token, const float *x, int32_t cols)
{
    const size_t slot = (size_t)token * (size_t)xq->n_groups * 4;
    int8_t *q = xq->q + (size_t)token * xq->token_stride;
    float *scale = xq->scale + slot;
    int32_t *offset = xq->offset + slot;
    int32_t g, i;

    for (g = 0; g < xq->n_groups; g++) {
        const int32_t n = cols < xq->group ? cols : xq->group;
        float s;
        const int32_t sum = quantize_group(q, xq->group_stride, x, n, &s);
        for (i = 0; i < 4; i++) scale[i] = s;
        for (i = 0; i < 4; i++) offset[i] = -128 * sum;
        q += xq->group_stride;
        scale += 4;
        offset += 4;
        x += n;
        cols -= n;
    }
}

#endif
