/* portable.c - the kernels in plain C: the definition of correct for every other file here, and what
 * runs where no instruction set is known. */
#include "layers.h"

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

/* One block of 16 rows against one token: w (cols, 16). */
static void block_f32(float *y, const float *w, const float *x, int32_t cols)
{
    float lane[LANES] = {0};
    int32_t k, i;
    for (k = 0; k < cols; k++, w += LANES)
        for (i = 0; i < LANES; i++) lane[i] = MULTIPLY_ADD(w[i], x[k], lane[i]);
    for (i = 0; i < LANES; i++) y[i] = lane[i];
}

static void linear_f32(const lull_matrix *w, const float *x, size_t x_stride, int32_t n_tokens,
                       float *y, size_t y_stride, int32_t block0, int32_t block1)
{
    int32_t b, t;
    for (b = block0; b < block1; b++) {
        const void *block = w->data + (size_t)b * w->block_bytes;
        for (t = 0; t < n_tokens; t++)
            block_f32(y + (size_t)t * y_stride + (size_t)b * LANES, block, x + (size_t)t * x_stride,
                      w->cols);
    }
}

/* The 16 scales of a group. */
static void group_scales(float *scales, const lull_matrix *w, const unsigned char *block, int32_t g)
{
    int i;
    if (w->scales == LULL_SCALE_F32) {
        memcpy(scales, block + (size_t)g * (LANES * 4), LANES * 4);
    } else {
        const uint16_t *half = (const uint16_t *)(const void *)block + (size_t)g * LANES;
        for (i = 0; i < LANES; i++) scales[i] = lull_bf16_float(half[i]);
    }
}

/* One block of 16 rows against one token: q (n_groups, group_stride), scale and offset
 * (n_groups, 4).  A weight is stored as weight + 128, which offset takes out again. */
static void block_q8(float *y, const lull_matrix *w, const unsigned char *block, const int8_t *q,
                     size_t group_stride, const float *scale, const int32_t *offset)
{
    const unsigned char *unit = block + w->head_bytes; /* (16 rows, 4 columns) */
    float sum[LANES] = {0};
    int32_t g, u, i;

    for (g = 0; g < w->n_groups; g++, q += group_stride, scale += 4, offset += 4) {
        float scales[LANES];
        int32_t lane[LANES];
        for (i = 0; i < LANES; i++) lane[i] = offset[0];
        for (u = 0; u < w->group_units; u++, unit += LULL_UNIT_BYTES) {
            const int32_t q0 = q[4 * u], q1 = q[4 * u + 1], q2 = q[4 * u + 2], q3 = q[4 * u + 3];
            for (i = 0; i < LANES; i++)
                lane[i] += unit[4 * i] * q0 + unit[4 * i + 1] * q1 + unit[4 * i + 2] * q2 +
                           unit[4 * i + 3] * q3;
        }
        group_scales(scales, w, block, g);
        for (i = 0; i < LANES; i++) sum[i] += (float)lane[i] * (scales[i] * scale[0]);
    }
    for (i = 0; i < LANES; i++) y[i] = sum[i];
}

static void linear_q8(const lull_matrix *w, const lull_activations *x, int32_t n_tokens, float *y,
                      size_t y_stride, int32_t block0, int32_t block1)
{
    const size_t groups = (size_t)x->n_groups * 4;
    int32_t b, t;
    for (b = block0; b < block1; b++)
        for (t = 0; t < n_tokens; t++)
            block_q8(y + (size_t)t * y_stride + (size_t)b * LANES, w,
                     w->data + (size_t)b * w->block_bytes, x->q + (size_t)t * x->token_stride,
                     (size_t)x->group_stride, x->scale + (size_t)t * groups,
                     x->offset + (size_t)t * groups);
}

const lull_kernels lull_kernels_portable = {
    "portable", always, NULL,   NULL,   linear_f32,    linear_q8,     NULL,
    quantize,   rmsnorm, swiglu, add,    attention_f32, attention_bf16};
