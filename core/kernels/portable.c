/* portable.c - the kernels in plain C: the definition of correct for every other file here, and
 * what runs where no instruction set is known. */
#include "lanes.h"

#define STREAMS 1

/* ---- 16 floats, for attention (layers.h) */

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

static ALWAYS_INLINE sixteen sixteen_weigh(sixteen a, const unsigned char *p, int32_t i, int bf16,
                                           const float *w)
{
    const float *whole = (const float *)(const void *)p + i;
    const uint16_t *half = (const uint16_t *)(const void *)p + i;
    int k;
    if (bf16)
        for (k = 0; k < LANES; k++) a.lane[k] += lull_bits_float((uint32_t)half[k] << 16) * *w;
    else
        for (k = 0; k < LANES; k++) a.lane[k] += whole[k] * *w;
    return a;
}

#include "layers.h"

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

/* One block of 16 rows against one token: units (cols, 16), x (cols). */
static void panel_f32(float *y, size_t y_step, const lull_matrix *w, const unsigned char *block,
                      size_t step, const float *x, int streams)
{
    const float *unit = (const float *)(const void *)block;
    float lane[LANES] = {0};
    int32_t k, i;

    for (k = 0; k < w->cols; k++, unit += LANES)
        for (i = 0; i < LANES; i++) lane[i] = MULTIPLY_ADD(unit[i], x[k], lane[i]);
    for (i = 0; i < LANES; i++) y[i] = lane[i];
    (void)y_step, (void)step, (void)streams; /* always one */
}

/* The 16 scales of a group. */
static void group_scales(float *scales, const lull_matrix *w, const unsigned char *block, size_t g)
{
    int i;
    if (w->scales == LULL_SCALE_F32) {
        memcpy(scales, block + g * sizeof(float[LANES]), sizeof(float[LANES]));
    } else {
        const uint16_t *half = (const uint16_t *)(const void *)block + g * LANES;
        for (i = 0; i < LANES; i++) scales[i] = lull_bf16_float(half[i]);
    }
}

/* One block of 16 rows against one token.  A weight is stored as weight + 128, which starting at
 * offset = -128 * sum(q) takes out again. */
static void panel_q8(float *y, size_t y_step, const lull_matrix *w, const unsigned char *block,
                     size_t step, const quantized *x, int streams)
{
    const unsigned char *unit = block + w->head_bytes; /* (16 rows, 4 columns) */
    float sum[LANES] = {0};
    size_t g, i;
    int32_t u;

    for (g = 0; g < (size_t)w->n_groups; g++) {
        const int8_t *q = x->q + g * x->group_stride;
        float scales[LANES];
        int32_t lane[LANES];
        for (i = 0; i < LANES; i++) lane[i] = x->offset[4 * g];
        for (u = 0; u < w->group_units; u++, unit += LULL_UNIT_BYTES, q += 4)
            for (i = 0; i < LANES; i++)
                lane[i] += unit[4 * i] * q[0] + unit[4 * i + 1] * q[1] + unit[4 * i + 2] * q[2] +
                           unit[4 * i + 3] * q[3];
        group_scales(scales, w, block, g);
        for (i = 0; i < LANES; i++) sum[i] += (float)lane[i] * (scales[i] * x->scale[4 * g]);
    }
    for (i = 0; i < LANES; i++) y[i] = sum[i];
    (void)y_step, (void)step, (void)streams;
}

#include "linear.h"

const lull_kernels lull_kernels_portable = {
    "portable", always,  NULL,   NULL, linear_f32,    linear_q8,     NULL,
    quantize,   rmsnorm, swiglu, add,  attention_f32, attention_bf16};
