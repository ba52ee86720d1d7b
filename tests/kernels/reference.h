/* reference.h - each kernel's definition, said in the plainest way: one element at a time, no lanes
 * but those the definition has, weights as rows of numbers instead of packed. */
#ifndef REFERENCE_H
#define REFERENCE_H

#include "kernels/kernels.h"

/* a * b + c rounded once, from double arithmetic; and rounded twice. */
float ref_fused(float a, float b, float c);
float ref_unfused(float a, float b, float c);

/* The correctly rounded square root of a number >= 1e-20; inf and NaN stay. */
float ref_sqrt(float x);

/* exp in double, to 1e-14 of its value, without libm. */
double ref_exp(double x);

/* y[r] for w (rows, cols), x (cols), each step by the function given. */
void ref_linear_f32(float *y, const float *w, const float *x, int32_t rows, int32_t cols,
                    float (*multiply_add)(float, float, float));

/* w (rows, cols), sw (rows, n_groups), q (n_groups, q_stride), sx (n_groups, 4). */
void ref_linear_quantised(float *y, const int8_t *w, const float *sw, const int8_t *q,
                          size_t q_stride, const float *sx, int32_t rows, int32_t cols,
                          int32_t group);

/* One group: q (n), *scale, and the sum of q. */
int32_t ref_quantize(int8_t *q, float *scale, const float *x, int32_t n);

void ref_rmsnorm(float *y, const float *x, const float *weight, int32_t dim);
void ref_swiglu(float *gate, const float *up, int32_t n);

/* One head: query (dim), k and v (n, dim) -> out (dim); scores (n) is work. */
void ref_attention(float *out, float *scores, const float *query, const float *k, const float *v,
                   int32_t n, int32_t dim, float scale);

#endif
