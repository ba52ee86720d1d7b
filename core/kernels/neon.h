/* neon.h - Advanced SIMD of 64-bit ARM: a block's 16 rows are the lanes of four registers.
 *
 * The text of neon.c and dotprod.c, which differ in how they multiply bytes.  An including file
 * includes <arm_neon.h> and defines first
 *   dot4(sum, w, v)                  sum + w * v, in each of the four lanes of 32 bits the products
 *                                    of its four bytes; w in -128..127, v in -127..127
 *   dot8(sum, low, v, high, v_high)  sum + low * v + high * v_high; low and high in 0..15 */
#ifndef LULL_KERNELS_NEON_H
#define LULL_KERNELS_NEON_H

#include "lanes.h"

/* ---- 16 floats, for attention.h */

#define QUERIES 1

typedef struct sixteen {
    float32x4_t a, b, c, d;
} sixteen;

static ALWAYS_INLINE float32x4_t load_floats(const unsigned char *p)
{
    return vld1q_f32((const float *)(const void *)p);
}

/* Four bf16 numbers: the upper halves of floats. */
static ALWAYS_INLINE float32x4_t from_bf16(const unsigned char *p)
{
    const uint16x4_t half = vld1_u16((const uint16_t *)(const void *)p);
    return vreinterpretq_f32_u32(vshll_n_u16(half, 16));
}

/* Floats 4 * i .. 4 * i + 3 at p, in either type. */
static ALWAYS_INLINE float32x4_t load_four(const unsigned char *p, size_t i, const int bf16)
{
    return bf16 ? from_bf16(p + 8 * i) : load_floats(p + 16 * i);
}

static ALWAYS_INLINE sixteen sixteen_zero(void)
{
    sixteen s;
    s.a = s.b = s.c = s.d = vdupq_n_f32(0.0f);
    return s;
}

static ALWAYS_INLINE sixteen sixteen_load(const float *p)
{
    sixteen s;
    s.a = vld1q_f32(p);
    s.b = vld1q_f32(p + 4);
    s.c = vld1q_f32(p + 8);
    s.d = vld1q_f32(p + 12);
    return s;
}

static ALWAYS_INLINE void sixteen_store(float *p, sixteen s)
{
    vst1q_f32(p, s.a);
    vst1q_f32(p + 4, s.b);
    vst1q_f32(p + 8, s.c);
    vst1q_f32(p + 12, s.d);
}

typedef struct pair {
    sixteen first, second;
} pair;

/* The upper halves of four words as floats, and the lower ones. */
static ALWAYS_INLINE float32x4_t upper_halves(uint32x4_t w)
{
    return vreinterpretq_f32_u32(vandq_u32(w, vdupq_n_u32(0xffff0000u)));
}

static ALWAYS_INLINE float32x4_t lower_halves(uint32x4_t w)
{
    return vreinterpretq_f32_u32(vshlq_n_u32(w, 16));
}

/* 16 pairs of K or V at p. */
static ALWAYS_INLINE pair sixteen_pair(const unsigned char *p, const int bf16)
{
    pair kv;
    if (bf16) {
        const uint32_t *words = (const uint32_t *)(const void *)p;
        const uint32x4_t a = vld1q_u32(words), b = vld1q_u32(words + 4);
        const uint32x4_t c = vld1q_u32(words + 8), d = vld1q_u32(words + 12);
        kv.first.a = upper_halves(a);
        kv.first.b = upper_halves(b);
        kv.first.c = upper_halves(c);
        kv.first.d = upper_halves(d);
        kv.second.a = lower_halves(a);
        kv.second.b = lower_halves(b);
        kv.second.c = lower_halves(c);
        kv.second.d = lower_halves(d);
    } else {
        kv.first = sixteen_load((const float *)(const void *)p);
        kv.second = sixteen_load((const float *)(const void *)p + LANES);
    }
    return kv;
}

static ALWAYS_INLINE sixteen sixteen_add(sixteen a, sixteen b)
{
    a.a = vaddq_f32(a.a, b.a);
    a.b = vaddq_f32(a.b, b.b);
    a.c = vaddq_f32(a.c, b.c);
    a.d = vaddq_f32(a.d, b.d);
    return a;
}

/* Never vmlaq_f32: it is one rounding on some compilers and two on others. */
static ALWAYS_INLINE sixteen sixteen_times(sixteen a, const float *p)
{
    const float32x4_t v = vdupq_n_f32(*p);
    a.a = vmulq_f32(a.a, v);
    a.b = vmulq_f32(a.b, v);
    a.c = vmulq_f32(a.c, v);
    a.d = vmulq_f32(a.d, v);
    return a;
}

static ALWAYS_INLINE sixteen sixteen_weigh(sixteen a, sixteen kv, const float *w)
{
    return sixteen_add(a, sixteen_times(kv, w));
}

#include "attention.h"
#include "panel.h"

/* ---- linear layers */

#define STREAMS       4
#define BATCH_STREAMS 1
#define TOKENS        4
#define AHEAD         1024 /* bytes prefetched ahead in each stream */

/* Accumulators of a panel: STREAMS blocks of one token or one block of TOKENS tokens, four
 * registers each; register i is quarter i % 4 of block i / 4 % streams. */
#define SUMS 16

static ALWAYS_INLINE void prefetch(const unsigned char *p)
{
    __builtin_prefetch(p + AHEAD, 0, 3);
}

static ALWAYS_INLINE float *place(const panel *p, int i, int t)
{
    return p->y + (size_t)(i / 4) * p->y_step + (size_t)t * p->y_stride + 4 * (i % 4);
}

/* The sums so far. */
static ALWAYS_INLINE void start(float32x4_t *sum, const panel *p, const int streams,
                                const int tokens)
{
    int i, t;
    UNROLL
    for (t = 0; t < tokens; t++) {
        UNROLL
        for (i = 0; i < 4 * streams; i++)
            sum[t * 4 * streams + i] = p->from == 0 ? vdupq_n_f32(0.0f) : vld1q_f32(place(p, i, t));
    }
}

static ALWAYS_INLINE void store(const panel *p, const float32x4_t *sum, const int streams,
                                const int tokens)
{
    int i, t;
    UNROLL
    for (t = 0; t < tokens; t++) {
        UNROLL
        for (i = 0; i < 4 * streams; i++) vst1q_f32(place(p, i, t), sum[t * 4 * streams + i]);
    }
}

static ALWAYS_INLINE void panel_f32(const panel *p, const int streams, const int tokens)
{
    float32x4_t sum[SUMS];
    const unsigned char *unit = p->block + (size_t)p->from * LULL_UNIT_BYTES;
    int32_t k;
    int i, t;

    start(sum, p, streams, tokens);
    for (k = p->from; k < p->to; k++, unit += LULL_UNIT_BYTES) {
        float32x4_t v[TOKENS];
        UNROLL
        for (t = 0; t < tokens; t++) v[t] = vdupq_n_f32(p->x[(size_t)t * p->x_stride + k]);
        UNROLL
        for (i = 0; i < 4 * streams; i++) {
            const unsigned char *quarter = unit + (size_t)(i / 4) * p->step + 16 * (i % 4);
            const float32x4_t w = load_floats(quarter);
            if (i % 4 == 0) prefetch(quarter);
            UNROLL
            for (t = 0; t < tokens; t++) {
                const int at = t * 4 * streams + i;
                sum[at] = vfmaq_f32(sum[at], w, v[t]);
            }
        }
    }
    store(p, sum, streams, tokens);
}

static ALWAYS_INLINE int8x16_t four_columns(const int8_t *q)
{
    int32_t four;
    memcpy(&four, q, 4);
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

/* A quarter of a unit, against the columns of each token: four of 8 bits v, or v and v_high. */
static ALWAYS_INLINE void multiply(int32x4_t *dot, const unsigned char *quarter, const int8x16_t *v,
                                   const int8x16_t *v_high, const int streams, const int tokens,
                                   const int bits)
{
    const uint8x16_t stored = vld1q_u8(quarter);
    int t;
    if (bits == 8) { /* weight + 128 to weight */
        const int8x16_t w = vreinterpretq_s8_u8(veorq_u8(stored, vdupq_n_u8(128)));
        UNROLL
        for (t = 0; t < tokens; t++) dot[t * 4 * streams] = dot4(dot[t * 4 * streams], w, v[t]);
    } else {
        const int8x16_t low = vreinterpretq_s8_u8(vandq_u8(stored, vdupq_n_u8(15)));
        const int8x16_t high = vreinterpretq_s8_u8(vshrq_n_u8(stored, 4));
        UNROLL
        for (t = 0; t < tokens; t++)
            dot[t * 4 * streams] = dot8(dot[t * 4 * streams], low, v[t], high, v_high[t]);
    }
}

static ALWAYS_INLINE void panel_quantised(const panel *p, const int streams, const int tokens,
                                          const int bits, const int bf16)
{
    const unsigned char *unit = panel_units(p);
    float32x4_t sum[SUMS];
    size_t g;
    int32_t u;
    int i, t;

    start(sum, p, streams, tokens);
    for (g = (size_t)p->from; g < (size_t)p->to; g++) {
        const int8_t *q = p->q + g * p->q_group;
        int32x4_t dot[SUMS];
        UNROLL
        for (t = 0; t < tokens; t++) {
            const int32_t offset = bits == 8 ? 0 : p->offset[(size_t)t * p->s_stride + 4 * g] / 16;
            UNROLL
            for (i = 0; i < 4 * streams; i++) dot[t * 4 * streams + i] = vdupq_n_s32(offset);
        }
        for (u = 0; u < p->w->group_units; u++, q += 32 / bits, unit += LULL_UNIT_BYTES) {
            int8x16_t v[TOKENS], v_high[TOKENS];
            UNROLL
            for (t = 0; t < tokens; t++) {
                v[t] = four_columns(q + (size_t)t * p->q_stride);
                if (bits == 4) v_high[t] = four_columns(q + (size_t)t * p->q_stride + 4);
            }
            UNROLL
            for (i = 0; i < 4 * streams; i++) {
                const unsigned char *quarter = unit + (size_t)(i / 4) * p->step + 16 * (i % 4);
                if (i % 4 == 0) prefetch(quarter);
                multiply(dot + i, quarter, v, v_high, streams, tokens, bits);
            }
        }
        UNROLL
        for (i = 0; i < 4 * streams; i++) {
            const float32x4_t scales =
                load_four(p->block + (size_t)(i / 4) * p->step, 4 * g + (size_t)(i % 4), bf16);
            UNROLL
            for (t = 0; t < tokens; t++) {
                const int at = t * 4 * streams + i;
                const float32x4_t product =
                    vmulq_f32(scales, vld1q_f32(p->scale + (size_t)t * p->s_stride + 4 * g));
                sum[at] = vaddq_f32(sum[at], vmulq_f32(vcvtq_f32_s32(dot[at]), product));
            }
        }
    }
    store(p, sum, streams, tokens);
}

#include "linear.h"

#endif
