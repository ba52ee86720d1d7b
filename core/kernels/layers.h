/* layers.h - the kernels between the linear layers.
 *
 * Every instruction set's file includes this text and compiles it with its own flags, so that there
 * is one source, one order of operations, and vector code for each; all sums follow the order
 * kernels.h lays down.  Most of it is plain C whose loops over 16 lanes compilers turn into whole
 * registers.  For attention an including file defines first what 16 floats are to it:
 *   sixteen               the type
 *   sixteen_zero()        all +0
 *   sixteen_load(p)       16 floats at p, aligned to 64 bytes; sixteen_store(p, s) puts them back
 *   sixteen_add(a, b)     a + b; sixteen_times(a, p) is a * *p
 *   sixteen_weigh(a, p, i, bf16, w)
 *                         a + *w * elements i..i+15 of K or V at p, a product rounded and a sum
 *                         rounded; i is a multiple of 16 */
#ifndef LULL_KERNELS_LAYERS_H
#define LULL_KERNELS_LAYERS_H

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

/* ---- attention */

#define POSITIONS 16  /* in a KV block */
#define TILE      256 /* columns of the output summed at a time */

/* Four lanes of the dot products of query and 16 positions, folded: lane, lane + 8, lane + 4 and
 * lane + 12.  k (head_dim, 16): a register holds one element of several positions. */
static ALWAYS_INLINE sixteen four_lanes(const float *query, const unsigned char *k, int32_t lane,
                                        int32_t head_dim, int bf16)
{
    sixteen s0 = sixteen_zero(), s4 = s0, s8 = s0, s12 = s0;
    int32_t d;

#define ADD(sum, d) sum = sixteen_weigh(sum, k, LANES * (d), bf16, query + (d))
    for (d = lane; d + 12 < head_dim; d += LANES) {
        ADD(s0, d);
        ADD(s4, d + 4);
        ADD(s8, d + 8);
        ADD(s12, d + 12);
    }
    if (d < head_dim) ADD(s0, d);
    if (d + 4 < head_dim) ADD(s4, d + 4);
    if (d + 8 < head_dim) ADD(s8, d + 8);
#undef ADD
    return sixteen_add(sixteen_add(s0, s8), sixteen_add(s4, s12));
}

/* scores[t] = (query . k[t]) * scale for the 16 positions of a block. */
static ALWAYS_INLINE void score_block(float *scores, const float *query, const unsigned char *k,
                                      int32_t head_dim, const float *scale, int bf16)
{
    const sixteen s0 = four_lanes(query, k, 0, head_dim, bf16);
    const sixteen s2 = four_lanes(query, k, 2, head_dim, bf16);
    const sixteen even = sixteen_add(s0, s2);
    const sixteen s1 = four_lanes(query, k, 1, head_dim, bf16);
    const sixteen s3 = four_lanes(query, k, 3, head_dim, bf16);
    const sixteen odd = sixteen_add(s1, s3);
    sixteen_store(scores, sixteen_times(sixteen_add(even, odd), scale));
}

/* Scores of n positions to exp(score - maximum), in place, and 0 up to a whole number of lanes.
 * Returns 1 / their sum. */
static ALWAYS_INLINE float softmax(float *scores, int32_t n)
{
    const float low = lull_bits_float(0xff800000u); /* -inf: exp gives 0 */
    float best[LANES], sum[LANES] = {0}, most;
    int32_t t, i;

    for (t = n; t % LANES != 0; t++) scores[t] = low;
    for (i = 0; i < LANES; i++) best[i] = low;
    for (t = 0; t < n; t += LANES)
        for (i = 0; i < LANES; i++) best[i] = scores[t + i] > best[i] ? scores[t + i] : best[i];
    most = low; /* a NaN is never larger: it passes through exp and the sum instead */
    for (i = 0; i < LANES; i++) most = best[i] > most ? best[i] : most;
    for (t = 0; t < n; t += LANES)
        for (i = 0; i < LANES; i++) {
            const float e = lull_expf(scores[t + i] - most);
            scores[t + i] = e;
            sum[i] += e;
        }
    return 1.0f / fold(sum);
}

/* acc (columns) += e[t] * v[t], t ascending, for the n positions of one block; v (16, stride), from
 * column d on; columns a multiple of 16. */
static ALWAYS_INLINE void add_block(float *acc, int32_t columns, const float *e,
                                    const unsigned char *v, int32_t n, int32_t stride, int32_t d,
                                    int bf16)
{
    int32_t c, t;
    for (c = 0; c < columns; c += LANES) {
        sixteen sum = sixteen_load(acc + c);
        for (t = 0; t < n; t++) sum = sixteen_weigh(sum, v, t * stride + d + c, bf16, e + t);
        sixteen_store(acc + c, sum);
    }
}

/* Ask for a head's K or V of the block of position t: blocks lie far apart, and what they hold was
 * last read a token ago. */
static ALWAYS_INLINE void fetch(const lull_attention *a, int32_t t, size_t offset, size_t bytes)
{
#if defined(__GNUC__)
    const unsigned char *p;
    size_t i;
    if (t >= a->n_positions) return;
    p = a->blocks[t / POSITIONS] + offset;
    for (i = 0; i < bytes; i += LULL_UNIT_BYTES) __builtin_prefetch(p + i, 0, 2);
#else
    (void)a, (void)t, (void)offset, (void)bytes;
#endif
}

static ALWAYS_INLINE void attention_head(const lull_attention *a, int32_t head, int bf16)
{
    const int32_t stride = a->head_stride, n = a->n_positions;
    const size_t kv = (size_t)(head / (a->n_heads / a->n_kv_heads)) * POSITIONS * (size_t)stride *
                      (bf16 ? 2 : 4); /* bytes to the K and V of this head */
    const size_t bytes = POSITIONS * (size_t)stride * (bf16 ? 2 : 4); /* of K or V in a block */
    const float *query = a->query + (size_t)head * (size_t)stride;
    float *scores = a->scores + (size_t)head * a->scores_stride;
    float *out = a->out + (size_t)head * (size_t)a->head_dim;
    float space[TILE + LANES], *acc = space, one_over_sum;
    int32_t t, d, i;

    while ((uintptr_t)acc % LULL_UNIT_BYTES != 0) acc++;
    for (t = 0; t < n; t += POSITIONS) {
        fetch(a, t + 2 * POSITIONS, a->k_offset + kv, bytes);
        score_block(scores + t, query, a->blocks[t / POSITIONS] + a->k_offset + kv, a->head_dim,
                    &a->scale, bf16);
    }
    fetch(a, 0, a->v_offset + kv, bytes);
    fetch(a, POSITIONS, a->v_offset + kv, bytes);
    one_over_sum = softmax(scores, n);
    for (d = 0; d < stride; d += TILE) {
        const int32_t columns = stride - d < TILE ? stride - d : TILE;
        for (i = 0; i < columns; i++) acc[i] = 0.0f;
        for (t = 0; t < n; t += POSITIONS) {
            if (d == 0) fetch(a, t + 2 * POSITIONS, a->v_offset + kv, bytes);
            add_block(acc, columns, scores + t, a->blocks[t / POSITIONS] + a->v_offset + kv,
                      n - t < POSITIONS ? n - t : POSITIONS, stride, d, bf16);
        }
        for (i = 0; i < columns && d + i < a->head_dim; i++) out[d + i] = acc[i] * one_over_sum;
    }
}

static void attention_f32(const lull_attention *a, int32_t head0, int32_t head1)
{
    for (; head0 < head1; head0++) attention_head(a, head0, 0);
}

static void attention_bf16(const lull_attention *a, int32_t head0, int32_t head1)
{
    for (; head0 < head1; head0++) attention_head(a, head0, 1);
}

#endif
