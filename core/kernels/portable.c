/* portable.c - the kernels in plain C: the definition of correct for every other file here, and
 * what runs where no instruction set is known. */
#include "lanes.h"

#define STREAMS       1
#define BATCH_STREAMS 1
#define TOKENS        1

/* ---- 16 floats, for attention.h */

#define QUERIES 1

typedef struct sixteen {
    float lane[LANES];
} sixteen;

static ALWAYS_INLINE sixteen sixteen_load(const float *p)
{
    sixteen s;
    int i;
    for (i = 0; i < LANES; i++) s.lane[i] = p[i];
    return s;
}

static ALWAYS_INLINE void sixteen_store(float *p, sixteen s)
{
    int i;
    for (i = 0; i < LANES; i++) p[i] = s.lane[i];
}

static ALWAYS_INLINE sixteen sixteen_zero(void)
{
    sixteen s;
    int i;
    for (i = 0; i < LANES; i++) s.lane[i] = 0.0f;
    return s;
}

static ALWAYS_INLINE sixteen sixteen_add(sixteen a, sixteen b)
{
    int i;
    for (i = 0; i < LANES; i++) a.lane[i] += b.lane[i];
    return a;
}

static ALWAYS_INLINE sixteen sixteen_times(sixteen a, const float *p)
{
    int i;
    for (i = 0; i < LANES; i++) a.lane[i] *= *p;
    return a;
}

typedef struct pair {
    sixteen first, second;
} pair;

/* 16 pairs of K or V at p. */
static ALWAYS_INLINE pair sixteen_pair(const unsigned char *p, int bf16)
{
    const float *whole = (const float *)(const void *)p;
    const uint32_t *words = (const uint32_t *)(const void *)p;
    pair kv;
    int k;
    if (bf16)
        for (k = 0; k < LANES; k++) {
            kv.first.lane[k] = lull_bits_float(words[k] & 0xffff0000u);
            kv.second.lane[k] = lull_bits_float(words[k] << 16);
        }
    else
        for (k = 0; k < LANES; k++) {
            kv.first.lane[k] = whole[k];
            kv.second.lane[k] = whole[LANES + k];
        }
    return kv;
}

static ALWAYS_INLINE sixteen sixteen_weigh(sixteen a, sixteen kv, const float *w)
{
    int k;
    for (k = 0; k < LANES; k++) a.lane[k] += kv.lane[k] * *w;
    return a;
}

#include "attention.h"
#include "panel.h"

/* ---- linear layers */

/* float32 weights take a fused multiply-add where the machine has one; elsewhere a libm would have
 * to emulate it, and two roundings are taken instead. */
#if defined(__FP_FAST_FMAF)
#include <math.h>
#define MULTIPLY_ADD(a, b, c) fmaf(a, b, c)
#elif (defined(__powerpc__) || defined(__ppc__)) && !defined(_SOFT_FLOAT)
static ALWAYS_INLINE float multiply_add(float a, float b, float c)
{
    float r;
    __asm__("fmadds %0,%1,%2,%3" : "=f"(r) : "f"(a), "f"(b), "f"(c));
    return r;
}
#define MULTIPLY_ADD(a, b, c) multiply_add(a, b, c)
#else
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
#endif

static int always(void)
{
    return 1;
}

/* The sums of a block's rows so far. */
static ALWAYS_INLINE void start(float *sum, const panel *p)
{
    int32_t i;
    for (i = 0; i < LANES; i++) sum[i] = p->from == 0 ? 0.0f : p->y[i];
}

/* One block of 16 rows against one token: units (cols, 16), x (cols). */
static ALWAYS_INLINE void panel_f32(const panel *p, int streams, int tokens)
{
    const float *unit = (const float *)(const void *)p->block + (size_t)p->from * LANES;
    float lane[LANES];
    int32_t k, i;

    start(lane, p);
    for (k = p->from; k < p->to; k++, unit += LANES)
        for (i = 0; i < LANES; i++) lane[i] = MULTIPLY_ADD(unit[i], p->x[k], lane[i]);
    for (i = 0; i < LANES; i++) p->y[i] = lane[i];
    (void)streams, (void)tokens; /* always one */
}

/* lane[i] += row i of a unit times its columns: 4 of 8 bits, or 8 of 4 bits. */
static ALWAYS_INLINE void add_unit_q8(int32_t *lane, const unsigned char *unit, const int8_t *q)
{
    size_t i;
    for (i = 0; i < LANES; i++)
        lane[i] += unit[4 * i] * q[0] + unit[4 * i + 1] * q[1] + unit[4 * i + 2] * q[2] +
                   unit[4 * i + 3] * q[3];
}

static ALWAYS_INLINE void add_unit_q4(int32_t *lane, const unsigned char *unit, const int8_t *q)
{
    size_t i, k;
    for (i = 0; i < LANES; i++)
        for (k = 0; k < 4; k++)
            lane[i] += (unit[4 * i + k] & 15) * q[k] + (unit[4 * i + k] >> 4) * q[k + 4];
}

/* The 16 scales of a group. */
static ALWAYS_INLINE void group_scales(float *scales, const panel *p, size_t g, int bf16)
{
    const uint16_t *half = (const uint16_t *)(const void *)p->block + g * LANES;
    int i;
    if (!bf16)
        memcpy(scales, p->block + g * sizeof(float[LANES]), sizeof(float[LANES]));
    else
        for (i = 0; i < LANES; i++) scales[i] = lull_bf16_float(half[i]);
}

/* One block of 16 rows against one token.  A weight is stored as weight + 128, or weight + 8, which
 * starting at -128 * sum(q), or -8 * sum(q), takes out again. */
static ALWAYS_INLINE void panel_quantised(const panel *p, int streams, int tokens, int bits,
                                          int bf16)
{
    const unsigned char *unit = panel_units(p);
    float sum[LANES];
    size_t g, i;
    int32_t u;

    start(sum, p);
    for (g = (size_t)p->from; g < (size_t)p->to; g++) {
        const int8_t *q = p->q + g * p->q_group;
        const int32_t offset = bits == 8 ? p->offset[4 * g] : p->offset[4 * g] / 16;
        float scales[LANES];
        int32_t lane[LANES];
        for (i = 0; i < LANES; i++) lane[i] = offset;
        for (u = 0; u < p->w->group_units; u++, unit += LULL_UNIT_BYTES, q += 32 / bits)
            if (bits == 8)
                add_unit_q8(lane, unit, q);
            else
                add_unit_q4(lane, unit, q);
        group_scales(scales, p, g, bf16);
        for (i = 0; i < LANES; i++) sum[i] += (float)lane[i] * (scales[i] * p->scale[4 * g]);
    }
    for (i = 0; i < LANES; i++) p->y[i] = sum[i];
    (void)streams, (void)tokens; /* always one */
}

#include "linear.h"

const lull_kernels lull_kernels_portable = {
    "portable", always,  NULL,   NULL, linear_f32,    linear_q8,      linear_q4,
    quantize,   rmsnorm, swiglu, add,  attention_f32, attention_bf16, log_sum};
