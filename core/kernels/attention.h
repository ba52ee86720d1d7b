/* attention.h - attention over the blocks of a KV cache, the same for every instruction set.
 *
 * An including file defines first:
 *   sixteen                what 16 floats are to it
 *   sixteen_zero()         all +0
 *   sixteen_load(p)        16 floats at p, aligned to 64 bytes; sixteen_store(p, s) puts them back
 *   sixteen_add(a, b)      a + b; sixteen_times(a, p) is a * *p
 *   sixteen_pair(p, bf16)  16 pairs of K or V at p: a struct pair
 *   sixteen_weigh(a, kv, w)  a + kv * *w: a product rounded and a sum rounded
 *   QUERIES                queries that share what was read of K and V, at most: 4 or 1
 *
 * All heads are taken through a block before the next block: its K, and then its V, is one piece of
 * memory that is read from end to end. */
#ifndef LULL_KERNELS_ATTENTION_H
#define LULL_KERNELS_ATTENTION_H

#include "layers.h"

#define POSITIONS 16 /* in a KV block */
#define AT_ONCE   4  /* registers of an output that are summed at a time */

#define PAIRS_BYTES(bf16) ((size_t)((bf16) ? 64 : 128)) /* of 16 pairs */

/* Ask for 16 pairs: blocks lie far apart, and what they hold was last read a token ago.  One at a time,
 * between computations: many at once would fill the queue that all loads pass through. */
static ALWAYS_INLINE void fetch(const unsigned char *p, const int bf16)
{
#if defined(__GNUC__)
    __builtin_prefetch(p);
    if (!bf16) __builtin_prefetch(p + LULL_UNIT_BYTES);
#else
    (void)p, (void)bf16;
#endif
}

/* ---- scores */

/* Of each query, lanes `lane` and lane + 8 of the dot products with 16 positions, folded, and those of
 * the lanes after them.  k (head_dim / 2, 16) pairs: a register holds one element of several
 * positions. */
static ALWAYS_INLINE void lanes_and_next(sixteen *even, sixteen *odd, const float *const *query,
                                         const unsigned char *k, ptrdiff_t ahead, int32_t lane,
                                         int32_t head_dim, const int queries, const int bf16)
{
    const unsigned char *at = k + (size_t)lane / 2 * PAIRS_BYTES(bf16);
    sixteen even8[QUERIES], odd8[QUERIES];
    int32_t d;
    int q;
    UNROLL
    for (q = 0; q < queries; q++) even[q] = odd[q] = even8[q] = odd8[q] = sixteen_zero();
    for (d = lane; d + 8 < head_dim; d += LANES, at += LANES / 2 * PAIRS_BYTES(bf16)) {
        const pair low = sixteen_pair(at, bf16);
        const pair high = sixteen_pair(at + 4 * PAIRS_BYTES(bf16), bf16);
        fetch(at + ahead, bf16);
        fetch(at + 4 * PAIRS_BYTES(bf16) + ahead, bf16);
        UNROLL
        for (q = 0; q < queries; q++) {
            even[q] = sixteen_weigh(even[q], low.first, query[q] + d);
            odd[q] = sixteen_weigh(odd[q], low.second, query[q] + d + 1);
            even8[q] = sixteen_weigh(even8[q], high.first, query[q] + d + 8);
            odd8[q] = sixteen_weigh(odd8[q], high.second, query[q] + d + 9);
        }
    }
    if (d < head_dim) {
        const pair low = sixteen_pair(at, bf16);
        fetch(at + ahead, bf16);
        UNROLL
        for (q = 0; q < queries; q++) {
            even[q] = sixteen_weigh(even[q], low.first, query[q] + d);
            odd[q] = sixteen_weigh(odd[q], low.second, query[q] + d + 1);
        }
    }
    UNROLL
    for (q = 0; q < queries; q++) {
        even[q] = sixteen_add(even[q], even8[q]);
        odd[q] = sixteen_add(odd[q], odd8[q]);
    }
}

/* The even lanes of each query folded to one, and the odd ones: i + 8, i + 4, i + 2. */
static ALWAYS_INLINE void even_and_odd(sixteen *even, sixteen *odd, const float *const *query,
                                       const unsigned char *k, ptrdiff_t ahead, int32_t head_dim,
                                       const int queries, const int bf16)
{
    sixteen e[QUERIES], o[QUERIES], e2[QUERIES], o2[QUERIES];
    int q;
    lanes_and_next(even, odd, query, k, ahead, 0, head_dim, queries, bf16);
    lanes_and_next(e, o, query, k, ahead, 4, head_dim, queries, bf16);
    UNROLL
    for (q = 0; q < queries; q++) {
        even[q] = sixteen_add(even[q], e[q]);
        odd[q] = sixteen_add(odd[q], o[q]);
    }
    lanes_and_next(e2, o2, query, k, ahead, 2, head_dim, queries, bf16);
    lanes_and_next(e, o, query, k, ahead, 6, head_dim, queries, bf16);
    UNROLL
    for (q = 0; q < queries; q++) {
        even[q] = sixteen_add(even[q], sixteen_add(e2[q], e[q]));
        odd[q] = sixteen_add(odd[q], sixteen_add(o2[q], o[q]));
    }
}

/* scores[q][t] = (query[q] . k[t]) * scale for the 16 positions of a block. */
static ALWAYS_INLINE void score_block(float *scores, size_t scores_stride,
                                      const float *const *query, const unsigned char *k,
                                      ptrdiff_t ahead, int32_t head_dim, const float *scale,
                                      const int queries, const int bf16)
{
    sixteen even[QUERIES], odd[QUERIES];
    int q;
    even_and_odd(even, odd, query, k, ahead, head_dim, queries, bf16);
    UNROLL
    for (q = 0; q < queries; q++)
        sixteen_store(scores + (size_t)q * scores_stride,
                      sixteen_times(sixteen_add(even[q], odd[q]), scale));
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

/* ---- values */

/* acc[q] (registers * 16) += e[q][t] * v[t], t ascending, for n positions of a block; v (8, stride)
 * pairs of positions, from the column on where these registers begin. */
static ALWAYS_INLINE void add_columns(float *acc, size_t acc_stride, const float *e,
                                      size_t e_stride, const unsigned char *v, ptrdiff_t ahead,
                                      int32_t column, int32_t n, int32_t stride,
                                      const int registers, const int queries, const int bf16)
{
    const size_t step = (size_t)stride / LANES * PAIRS_BYTES(bf16);
    const unsigned char *at = v + (size_t)column / LANES * PAIRS_BYTES(bf16);
    sixteen sum[QUERIES][AT_ONCE];
    int32_t t;
    int c, q;
    UNROLL
    for (q = 0; q < queries; q++) {
        const float *from = acc + (size_t)q * acc_stride;
        UNROLL
        for (c = 0; c < registers; c++) sum[q][c] = sixteen_load(from + (size_t)c * LANES);
    }
    for (t = 0; t + 1 < n; t += 2, e += 2, at += step) {
        UNROLL
        for (c = 0; c < registers; c++) {
            const pair kv = sixteen_pair(at + (size_t)c * PAIRS_BYTES(bf16), bf16);
            fetch(at + (size_t)c * PAIRS_BYTES(bf16) + ahead, bf16);
            UNROLL
            for (q = 0; q < queries; q++) {
                sum[q][c] = sixteen_weigh(sum[q][c], kv.first, e + (size_t)q * e_stride);
                sum[q][c] = sixteen_weigh(sum[q][c], kv.second, e + (size_t)q * e_stride + 1);
            }
        }
    }
    if (t < n) {
        UNROLL
        for (c = 0; c < registers; c++) {
            const pair kv = sixteen_pair(at + (size_t)c * PAIRS_BYTES(bf16), bf16);
            UNROLL
            for (q = 0; q < queries; q++)
                sum[q][c] = sixteen_weigh(sum[q][c], kv.first, e + (size_t)q * e_stride);
        }
    }
    UNROLL
    for (q = 0; q < queries; q++) {
        float *to = acc + (size_t)q * acc_stride;
        UNROLL
        for (c = 0; c < registers; c++) sixteen_store(to + (size_t)c * LANES, sum[q][c]);
    }
}

static ALWAYS_INLINE void add_block(float *acc, size_t acc_stride, const float *e, size_t e_stride,
                                    const unsigned char *v, ptrdiff_t ahead, int32_t n,
                                    int32_t stride, const int queries, const int bf16)
{
    int32_t d = 0;
    for (; d + AT_ONCE * LANES <= stride; d += AT_ONCE * LANES)
        add_columns(acc + d, acc_stride, e, e_stride, v, ahead, d, n, stride, AT_ONCE, queries,
                    bf16);
    for (; d < stride; d += LANES)
        add_columns(acc + d, acc_stride, e, e_stride, v, ahead, d, n, stride, 1, queries, bf16);
}

/* ---- heads */

/* One kv head of one block: everything the loops below need of it. */
typedef struct head_block {
    const lull_attention *a;
    int32_t head, t; /* kv head; first position */
    int32_t row;     /* of scores and sums: its first query's */
    const unsigned char *k, *v;
    ptrdiff_t ahead; /* bytes from this K or V to the one that is read next */
} head_block;

/* Query r of a kv head is head r % group of token r / group; what it sees ends at: */
static ALWAYS_INLINE int32_t positions_of(const lull_attention *a, int32_t r)
{
    return a->n_positions + r / (a->n_heads / a->n_kv_heads);
}

static ALWAYS_INLINE const float *query_of(const lull_attention *a, int32_t kv_head, int32_t r)
{
    const int32_t group = a->n_heads / a->n_kv_heads;
    return a->query + (size_t)(r / group) * a->query_stride +
           (size_t)(kv_head * group + r % group) * (size_t)a->head_stride;
}

/* The first queries of a head fetch what comes next; for the others it is what they read anyway. */
static ALWAYS_INLINE void score_queries(const head_block *b, int32_t r, const int queries,
                                        const int bf16)
{
    const lull_attention *a = b->a;
    const float *query[QUERIES];
    int q;
    if (b->t >= positions_of(a, r + queries - 1)) return; /* all of it is in their future */
    UNROLL
    for (q = 0; q < queries; q++) query[q] = query_of(a, b->head, r + q);
    score_block(a->scores + (size_t)(b->row + r) * a->scores_stride + b->t, a->scores_stride, query,
                b->k, r == 0 ? b->ahead : 0, a->head_dim, &a->scale, queries, bf16);
}

static ALWAYS_INLINE void add_queries(const head_block *b, int32_t r, const int queries,
                                      const int bf16)
{
    const lull_attention *a = b->a;
    const size_t stride = (size_t)a->head_stride;
    const int32_t left = positions_of(a, r) - b->t; /* of the first of these queries */
    if (left <= 0) return;
    add_block(a->sums + (size_t)(b->row + r) * stride, stride,
              a->scores + (size_t)(b->row + r) * a->scores_stride + b->t, a->scores_stride, b->v,
              r == 0 ? b->ahead : 0, left < POSITIONS ? left : POSITIONS, a->head_stride, queries,
              bf16);
}

#define PAIR (QUERIES >= 2 ? 2 : 1)

static ALWAYS_INLINE void score_head(const head_block *b, int32_t n, const int bf16)
{
    int32_t r = 0;
    for (; r + QUERIES <= n; r += QUERIES) score_queries(b, r, QUERIES, bf16);
    for (; r + PAIR <= n; r += PAIR) score_queries(b, r, PAIR, bf16);
    for (; r < n; r++) score_queries(b, r, 1, bf16);
}

/* Queries go together where they see equally much of the block. */
static ALWAYS_INLINE void add_head(const head_block *b, int32_t n, const int bf16)
{
    int32_t r = 0;
    while (r < n) {
        const int32_t first = positions_of(b->a, r) - b->t;
        const int whole = first >= POSITIONS;
        if (r + QUERIES <= n && (whole || positions_of(b->a, r + QUERIES - 1) - b->t == first)) {
            add_queries(b, r, QUERIES, bf16);
            r += QUERIES;
        } else if (r + PAIR <= n && (whole || positions_of(b->a, r + PAIR - 1) - b->t == first)) {
            add_queries(b, r, PAIR, bf16);
            r += PAIR;
        } else {
            add_queries(b, r++, 1, bf16);
        }
    }
}

/* All queries of kv heads head0..head1-1, which scores and sums have room for. */
static ALWAYS_INLINE void attend(const lull_attention *a, int32_t head0, int32_t head1,
                                 const int bf16)
{
    const int32_t group = a->n_heads / a->n_kv_heads, n = group * a->n_queries;
    const int32_t end = a->n_positions + a->n_queries - 1, stride = a->head_stride;
    const size_t bytes = POSITIONS * (size_t)stride * (bf16 ? 2 : 4); /* of K or V of a head */
    const int32_t rows = (head1 - head0) * n;
    head_block b;
    int32_t r, i;

    b.a = a;
    for (b.t = 0; b.t < end; b.t += POSITIONS)
        for (b.head = head0, b.row = 0; b.head < head1; b.head++, b.row += n) {
            const size_t head = (size_t)b.head * bytes;
            const unsigned char *const *block = a->blocks + b.t / POSITIONS;
            b.k = *block + a->k_offset + head;
            b.ahead = (b.t + POSITIONS < end ? block[1] + a->k_offset + head
                                             : a->blocks[0] + a->v_offset + head) -
                      b.k;
            score_head(&b, n, bf16);
        }
    for (r = 0; r < rows; r++) {
        float *scores = a->scores + (size_t)r * a->scores_stride;
        scores[a->scores_stride - 1] = softmax(scores, positions_of(a, r % n));
    }
    for (i = 0; i < rows * stride; i++) a->sums[i] = 0.0f;
    for (b.t = 0; b.t < end; b.t += POSITIONS)
        for (b.head = head0, b.row = 0; b.head < head1; b.head++, b.row += n) {
            const size_t head = (size_t)b.head * bytes;
            const unsigned char *const *block = a->blocks + b.t / POSITIONS;
            b.v = *block + a->v_offset + head;
            b.ahead = 0;
            if (b.t + POSITIONS < end)
                b.ahead = block[1] + a->v_offset + head - b.v;
            else if (a->next != NULL)
                b.ahead = a->next + a->k_offset + head - b.v;
            add_head(&b, n, bf16);
        }
    for (r = 0; r < rows; r++) {
        const float one_over_sum = a->scores[(size_t)(r + 1) * a->scores_stride - 1];
        const float *sum = a->sums + (size_t)r * (size_t)stride;
        const int32_t token = r % n / group, head = (head0 + r / n) * group + r % group;
        float *out = a->out + (size_t)token * a->out_stride + (size_t)head * (size_t)a->head_dim;
        for (i = 0; i < a->head_dim; i++) out[i] = sum[i] * one_over_sum;
    }
}

static ALWAYS_INLINE void attention(const lull_attention *a, int32_t head0, int32_t head1,
                                    const int bf16)
{
    const int32_t n = a->n_heads / a->n_kv_heads * a->n_queries;
    const int32_t at_once = a->rows > n ? a->rows / n : 1;
    for (; head0 < head1; head0 += at_once)
        attend(a, head0, head1 - head0 < at_once ? head1 : head0 + at_once, bf16);
}

static void attention_f32(const lull_attention *a, int32_t head0, int32_t head1)
{
    attention(a, head0, head1, 0);
}

static void attention_bf16(const lull_attention *a, int32_t head0, int32_t head1)
{
    attention(a, head0, head1, 1);
}

#endif
