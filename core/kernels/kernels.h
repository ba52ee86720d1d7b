/* kernels.h - the table of kernels and its contract.
 *
 * One file per instruction set fills one table; select.c lists them.  Every function of every table
 * gives the bits of portable.c (tests/kernels proves it), for any block range and token count, so
 * threads, batching and hardware cannot change a result.  float32 weights are the one exception:
 * equal bits wherever fused multiply-add exists, within rounding elsewhere.
 *
 * Alignment: weights, activations and every float vector given here start on 64 bytes and are
 * padded to a multiple of 16 elements that may be read and written; token strides are multiples of
 * 16.  Padding that is read never influences a result that is kept.  No aliasing unless said.
 *
 * All arithmetic is float32, each operation rounded once, never fused (float32 weights excepted);
 * reductions use 16 lanes: lane i takes k = i mod 16, ascending, from +0; lanes fold i+8, i+4, i+2,
 * i+1. */
#ifndef LULL_KERNELS_H
#define LULL_KERNELS_H

#include "../matrix.h"

/* Vectors quantised for multiplication with a matrix of `group`-column groups.  Group g of token t
 * starts at q + t * token_stride + g * group_stride; a group is padded with zeros to group_stride,
 * a multiple of 16.  scale and offset hold each number four times, so that a 4-lane machine loads
 * it whole. */
typedef struct lull_activations {
    int32_t group, n_groups;
    int32_t group_stride; /* bytes: group rounded up to 16 */
    size_t token_stride;  /* bytes: n_groups * group_stride rounded up to 64 */
    int8_t *q;            /* (n_tokens, n_groups, group_stride) in -127..127 */
    float *scale;         /* (n_tokens, n_groups, 4) */
    int32_t *offset;      /* (n_tokens, n_groups, 4): -128 * sum(q); / 16 exactly for 4 bit */
} lull_activations;

/* Attention of n_queries consecutive tokens of one sequence, in one layer: token i over positions
 * 0..n_positions-1+i, which the cache holds already.
 * A KV block holds 16 positions.  For one layer its K is (n_kv_heads, head_stride / 2, 16) pairs of
 * elements 2i and 2i + 1 of a position, positions innermost, so that a register holds the same
 * element of several positions and no sum crosses a register; its V is (n_kv_heads, 8, head_stride)
 * pairs of the same element of positions 2t and 2t + 1.  float32: a pair is two runs of 16, the
 * first elements of 16 pairs and then their second ones.  bf16: it is one 32-bit word, the first
 * element its upper half, so that a mask and a shift widen a register of pairs.
 * head_stride = head_dim rounded up to 16; what lies past head_dim or past the last position may be
 * anything. */
typedef struct lull_attention {
    const float *query;                 /* (n_queries, n_heads, head_stride), after RoPE */
    float *out;                         /* (n_queries, n_heads, head_dim) */
    size_t query_stride, out_stride;    /* floats from a token to the next */
    const unsigned char *const *blocks; /* the sequence's KV blocks */
    const unsigned char *next; /* the first block of who comes next, to be prefetched, or NULL */
    size_t k_offset, v_offset; /* bytes from a block to this layer's K and V */
    int32_t n_queries, n_positions;
    int32_t n_heads, n_kv_heads, head_dim, head_stride;
    float scale;   /* 1 / sqrt(head_dim) */
    float *scores; /* work: (rows, scores_stride), 16 more than the positions rounded up to 16 */
    float *sums;   /* work: (rows, head_stride) */
    size_t scores_stride;
    int32_t rows; /* at least n_queries * n_heads / n_kv_heads */
} lull_attention;

#define LULL_MAX_QUERIES 16 /* n_queries at most */

typedef struct lull_kernels {
    const char *name; /* as in lull_context_options.cpu */
    int (*available)(void);

    /* Floating-point state that only vector units have (AltiVec's VSCR: NJ off).  enter returns
     * what leave restores.  NULL where there is none. */
    uint32_t (*enter)(void);
    void (*leave)(uint32_t saved);

    /* y[t][r] = W (rows, cols) @ x[t] for the rows of blocks block0..block1-1.  y_stride >= 16 *
     * n_blocks: whole blocks are stored, lanes past the last row with unspecified values. */
    void (*linear_f32)(const lull_matrix *w, const float *x, size_t x_stride, int32_t n_tokens,
                       float *y, size_t y_stride, int32_t block0, int32_t block1);
    /* y = sum over g ascending of float(sum_k w*q) * (sw*sx), three roundings a group. */
    void (*linear_q8)(const lull_matrix *w, const lull_activations *x, int32_t n_tokens, float *y,
                      size_t y_stride, int32_t block0, int32_t block1);
    void (*linear_q4)(const lull_matrix *w, const lull_activations *x, int32_t n_tokens, float *y,
                      size_t y_stride, int32_t block0, int32_t block1);

    /* Quantise one token's x (cols) into slot `token`: per group m = max|x|, s = m/127, q =
     * rint(x * (127/m)) half to even; m < 1e-12 gives s = 0; a non-finite m gives s = NaN, q = 0. */
    void (*quantize)(lull_activations *xq, int32_t token, const float *x, int32_t cols);

    /* y = x / sqrt(mean(x^2) + 1e-5) * weight, all (dim).  y may be x.  Zhang & Sennrich 2019. */
    void (*rmsnorm)(float *y, const float *x, const float *weight, int32_t dim);

    /* gate = gate / (1 + exp(-gate)) * up, both (n).  Shazeer 2020, arXiv:2002.05202. */
    void (*swiglu)(float *gate, const float *up, int32_t n);

    /* x += y, both (n). */
    void (*add)(float *x, const float *y, int32_t n);

    /* The query heads of kv heads head0..head1-1: all scores, their maximum, exp, then (sum_t e_t *
     * v_t) * (1 / sum e).  Sum of e: 16 lanes over t.  v: t ascending.  Separate functions by kv type. */
    void (*attention_f32)(const lull_attention *a, int32_t head0, int32_t head1);
    void (*attention_bf16)(const lull_attention *a, int32_t head0, int32_t head1);

    /* log(sum(exp(values))) of n logits, wherever they are: lull_logits_logsumexp, bit for bit. */
    double (*log_sum)(const float *values, size_t n);
} lull_kernels;

/* The table of that name; NULL name = the best this machine runs.  EINVAL unknown (lists names),
 * EUNSUPPORTED here. */
lull_status lull_kernels_select(const char *name, const lull_kernels **out, lull_error *error);

/* All tables of this build, portable first, best last; *n gets their number. */
const lull_kernels *const *lull_kernels_all(int *n);

/* exp in float32 for the kernels above and the sampling primitives: within 2 ulp, x < -87.3 gives
 * 0 (softmax's tail), x > 88.7 gives +inf, NaN stays.  Written so that compilers vectorise it. */
/* static inline float lull_expf(float x) is in kernels/expf.h */

#endif
