/* avx2.c - AVX2 and FMA: a block's 16 rows are the lanes of two registers. */
#include "lanes.h"

#include <immintrin.h>

/* ---- 16 floats, for attention.h */

#define QUERIES 1

typedef struct sixteen {
    __m256 low, high;
} sixteen;

static ALWAYS_INLINE __m256 load_floats(const unsigned char *p)
{
    return _mm256_load_ps((const float *)(const void *)p);
}

/* 8 bf16 numbers. */
static ALWAYS_INLINE __m256 from_bf16(const unsigned char *p)
{
    const __m128i half = _mm_load_si128((const __m128i *)(const void *)p);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

static ALWAYS_INLINE sixteen sixteen_zero(void)
{
    sixteen s;
    s.low = s.high = _mm256_setzero_ps();
    return s;
}

static ALWAYS_INLINE sixteen sixteen_load(const float *p)
{
    sixteen s;
    s.low = _mm256_load_ps(p);
    s.high = _mm256_load_ps(p + 8);
    return s;
}

static ALWAYS_INLINE void sixteen_store(float *p, sixteen s)
{
    _mm256_store_ps(p, s.low);
    _mm256_store_ps(p + 8, s.high);
}

typedef struct pair {
    sixteen first, second;
} pair;

/* The first elements of 8 pairs of bf16, and the second ones. */
static ALWAYS_INLINE __m256 upper_halves(const unsigned char *p)
{
    const __m256i words = _mm256_load_si256((const __m256i *)(const void *)p);
    return _mm256_castsi256_ps(_mm256_and_si256(words, _mm256_set1_epi32(-65536)));
}

static ALWAYS_INLINE __m256 lower_halves(const unsigned char *p)
{
    const __m256i words = _mm256_load_si256((const __m256i *)(const void *)p);
    return _mm256_castsi256_ps(_mm256_slli_epi32(words, 16));
}

/* 16 pairs of K or V at p. */
static ALWAYS_INLINE pair sixteen_pair(const unsigned char *p, const int bf16)
{
    pair kv;
    if (bf16) {
        kv.first.low = upper_halves(p);
        kv.first.high = upper_halves(p + 32);
        kv.second.low = lower_halves(p);
        kv.second.high = lower_halves(p + 32);
    } else {
        kv.first.low = load_floats(p);
        kv.first.high = load_floats(p + 32);
        kv.second.low = load_floats(p + 64);
        kv.second.high = load_floats(p + 96);
    }
    return kv;
}

static ALWAYS_INLINE sixteen sixteen_add(sixteen a, sixteen b)
{
    a.low = _mm256_add_ps(a.low, b.low);
    a.high = _mm256_add_ps(a.high, b.high);
    return a;
}

static ALWAYS_INLINE sixteen sixteen_times(sixteen a, const float *p)
{
    const __m256 v = _mm256_broadcast_ss(p);
    a.low = _mm256_mul_ps(a.low, v);
    a.high = _mm256_mul_ps(a.high, v);
    return a;
}

static ALWAYS_INLINE sixteen sixteen_weigh(sixteen a, sixteen kv, const float *w)
{
    return sixteen_add(a, sixteen_times(kv, w));
}

#include "attention.h"
#include "panel.h"

/* ---- linear layers */

#define STREAMS       2
#define BATCH_STREAMS 1
#define TOKENS        4
#define AHEAD         4096 /* bytes prefetched ahead in each stream */

static ALWAYS_INLINE void prefetch(const unsigned char *p)
{
    _mm_prefetch((const char *)p, _MM_HINT_T0);
}

static ALWAYS_INLINE __m256i load(const unsigned char *p)
{
    return _mm256_load_si256((const __m256i *)(const void *)p);
}

/* Accumulators of a panel, at most: two registers for a block of a token; register i is half i % 2 of block i / 2 % streams. */
#define SUMS 8

static ALWAYS_INLINE float *place(const panel *p, int i, int t)
{
    return p->y + (size_t)(i / 2) * p->y_step + (size_t)t * p->y_stride + (size_t)(i % 2) * 8;
}

/* The sums so far. */
static ALWAYS_INLINE void start(__m256 *sum, const panel *p, const int streams, const int tokens)
{
    int i, t;
    UNROLL
    for (t = 0; t < tokens; t++) {
        UNROLL
        for (i = 0; i < 2 * streams; i++)
            sum[t * 2 * streams + i] =
                p->from == 0 ? _mm256_setzero_ps() : _mm256_load_ps(place(p, i, t));
    }
}

static ALWAYS_INLINE void store(const panel *p, const __m256 *sum, const int streams,
                                const int tokens)
{
    int i, t;
    UNROLL
    for (t = 0; t < tokens; t++) {
        UNROLL
        for (i = 0; i < 2 * streams; i++) _mm256_store_ps(place(p, i, t), sum[t * 2 * streams + i]);
    }
}

static ALWAYS_INLINE void panel_f32(const panel *p, const int streams, const int tokens)
{
    __m256 sum[SUMS];
    const unsigned char *unit = p->block + (size_t)p->from * LULL_UNIT_BYTES;
    int32_t k;
    int i, t;

    start(sum, p, streams, tokens);
    for (k = p->from; k < p->to; k++, unit += LULL_UNIT_BYTES) {
        __m256 v[TOKENS];
        UNROLL
        for (t = 0; t < tokens; t++) v[t] = _mm256_broadcast_ss(p->x + (size_t)t * p->x_stride + k);
        UNROLL
        for (i = 0; i < 2 * streams; i++) {
            const unsigned char *half = unit + (size_t)(i / 2) * p->step + (size_t)(i % 2) * 32;
            const __m256 w = load_floats(half);
            if (i % 2 == 0) prefetch(half + AHEAD);
            UNROLL
            for (t = 0; t < tokens; t++) {
                const int at = t * 2 * streams + i;
                sum[at] = _mm256_fmadd_ps(w, v[t], sum[at]);
            }
        }
    }
    store(p, sum, streams, tokens);
}

/* 8 of the 16 scales of group g in the head of a block: rows 0..7 for half 0, 8..15 for half 1. */
static ALWAYS_INLINE __m256 group_scales(const unsigned char *block, size_t g, size_t half,
                                         const int bf16)
{
    const size_t i = g * 2 + half;
    return bf16 ? from_bf16(block + i * 16) : load_floats(block + i * 32);
}

static ALWAYS_INLINE __m256i four_columns(const int8_t *q)
{
    int32_t four;
    memcpy(&four, q, 4);
    return _mm256_set1_epi32(four);
}

/* dot + the products of 8 rows with four columns v.  vpmaddubsw adds two u8 x s8 products in 16
 * bits and saturates: |w| <= 128 and |v| <= 127 cannot reach that, weight + 128 would. */
static ALWAYS_INLINE __m256i multiply_q8(__m256i dot, __m256i w, __m256i size, const int8_t *q)
{
    const __m256i pairs = _mm256_maddubs_epi16(size, _mm256_sign_epi8(four_columns(q), w));
    return _mm256_add_epi32(dot, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

/* The same with eight columns.  weight + 8 is at most 15, and four products of it fit 16 bits. */
static ALWAYS_INLINE __m256i multiply_q4(__m256i dot, __m256i low, __m256i high, const int8_t *q)
{
    const __m256i pairs = _mm256_add_epi16(_mm256_maddubs_epi16(low, four_columns(q)),
                                           _mm256_maddubs_epi16(high, four_columns(q + 4)));
    return _mm256_add_epi32(dot, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

/* Half a unit against the columns q of each token. */
static ALWAYS_INLINE void multiply(__m256i *dot, const unsigned char *half, const int8_t *q,
                                   size_t q_stride, const int streams, const int tokens,
                                   const int bits)
{
    const __m256i stored = load(half);
    const size_t step = 2 * (size_t)streams; /* from a token's registers to the next's */
    int t;
    if (bits == 8) {
        const __m256i w = _mm256_xor_si256(stored, _mm256_set1_epi8(-128));
        const __m256i size = _mm256_abs_epi8(w);
        UNROLL
        for (t = 0; t < tokens; t++)
            dot[(size_t)t * step] =
                multiply_q8(dot[(size_t)t * step], w, size, q + (size_t)t * q_stride);
    } else {
        const __m256i mask = _mm256_set1_epi8(15), low = _mm256_and_si256(stored, mask);
        const __m256i high = _mm256_and_si256(_mm256_srli_epi16(stored, 4), mask);
        UNROLL
        for (t = 0; t < tokens; t++)
            dot[(size_t)t * step] =
                multiply_q4(dot[(size_t)t * step], low, high, q + (size_t)t * q_stride);
    }
}

static ALWAYS_INLINE void panel_quantised(const panel *p, const int streams, const int tokens,
                                          const int bits, const int bf16)
{
    const unsigned char *unit = panel_units(p);
    size_t ahead = AHEAD - p->w->head_bytes; /* the head's lines come in between the groups */
    __m256 sum[SUMS];
    size_t g;
    int32_t u;
    int i, t;

    start(sum, p, streams, tokens);
    for (g = (size_t)p->from; g < (size_t)p->to; g++) {
        const int8_t *q = p->q + g * p->q_group;
        __m256i dot[SUMS];
        UNROLL
        for (t = 0; t < tokens; t++) {
            const int32_t offset = bits == 8 ? 0 : p->offset[(size_t)t * p->s_stride + 4 * g] / 16;
            UNROLL
            for (i = 0; i < 2 * streams; i++) dot[t * 2 * streams + i] = _mm256_set1_epi32(offset);
        }
        for (u = 0; u < p->w->group_units; u++, q += 32 / bits, unit += LULL_UNIT_BYTES) {
            UNROLL
            for (i = 0; i < 2 * streams; i++) {
                const unsigned char *half = unit + (size_t)(i / 2) * p->step + (size_t)(i % 2) * 32;
                if (i % 2 == 0) prefetch(half + ahead);
                multiply(dot + i, half, q, p->q_stride, streams, tokens, bits);
            }
        }
        if (!bf16 || g % 2 == 0) {
            UNROLL
            for (i = 0; i < streams; i++) prefetch(unit + (size_t)i * p->step + ahead);
            ahead += LULL_UNIT_BYTES;
        }
        UNROLL
        for (i = 0; i < 2 * streams; i++) {
            const __m256 scales =
                group_scales(p->block + (size_t)(i / 2) * p->step, g, (size_t)(i % 2), bf16);
            UNROLL
            for (t = 0; t < tokens; t++) {
                const int at = t * 2 * streams + i;
                const __m256 scale = _mm256_set1_ps(p->scale[(size_t)t * p->s_stride + 4 * g]);
                const __m256 product = _mm256_mul_ps(scales, scale);
                sum[at] =
                    _mm256_add_ps(sum[at], _mm256_mul_ps(_mm256_cvtepi32_ps(dot[at]), product));
            }
        }
    }
    store(p, sum, streams, tokens);
}

#include "linear.h"

const lull_kernels lull_kernels_avx2 = {
    "avx2",   lull_has_avx2, NULL,   NULL, linear_f32,    linear_q8,      linear_q4,
    quantize, rmsnorm,       swiglu, add,  attention_f32, attention_bf16, log_sum};
