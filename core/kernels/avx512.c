/* avx512.c - AVX-512 with VNNI: a block's 16 rows are the 16 lanes of one register. */
#include "lanes.h"

#include <immintrin.h>

/* ---- 16 floats, for attention.h */

#define QUERIES 4

typedef __m512 sixteen;

static ALWAYS_INLINE sixteen sixteen_zero(void)
{
    return _mm512_setzero_ps();
}

static ALWAYS_INLINE sixteen sixteen_load(const float *p)
{
    return _mm512_load_ps(p);
}

static ALWAYS_INLINE void sixteen_store(float *p, sixteen s)
{
    _mm512_store_ps(p, s);
}

static ALWAYS_INLINE sixteen from_bf16(const unsigned char *p)
{
    const __m256i half = _mm256_load_si256((const __m256i *)(const void *)p);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

typedef struct pair {
    sixteen first, second;
} pair;

/* 16 pairs of K or V at p. */
static ALWAYS_INLINE pair sixteen_pair(const unsigned char *p, const int bf16)
{
    pair kv;
    if (bf16) {
        __m512i words = _mm512_load_si512(p);
        __asm__("" : "+v"(words)); /* read once, not once for each half */
        kv.first = _mm512_castsi512_ps(_mm512_and_si512(words, _mm512_set1_epi32(-65536)));
        kv.second = _mm512_castsi512_ps(_mm512_slli_epi32(words, 16));
    } else {
        kv.first = _mm512_load_ps(p);
        kv.second = _mm512_load_ps(p + 64);
    }
    return kv;
}

static ALWAYS_INLINE sixteen sixteen_add(sixteen a, sixteen b)
{
    return _mm512_add_ps(a, b);
}

static ALWAYS_INLINE sixteen sixteen_times(sixteen a, const float *p)
{
    return _mm512_mul_ps(a, _mm512_set1_ps(*p));
}

static ALWAYS_INLINE sixteen sixteen_weigh(sixteen a, sixteen kv, const float *w)
{
    return sixteen_add(a, sixteen_times(kv, w));
}

#include "attention.h"
#include "panel.h"

/* ---- linear layers */

#define STREAMS       2
#define BATCH_STREAMS 4
#define TOKENS        4
#define SUMS          (BATCH_STREAMS * TOKENS) /* accumulators of a panel, at most */
#define AHEAD         4096                     /* bytes prefetched ahead in each stream */

static ALWAYS_INLINE void prefetch(const unsigned char *p)
{
    _mm_prefetch((const char *)p, _MM_HINT_T0);
}

/* One number for all lanes. */
static ALWAYS_INLINE __m512i four_columns(const int8_t *q)
{
    int32_t four;
    memcpy(&four, q, 4);
    return _mm512_set1_epi32(four);
}

/* The 16 scales of group g in the head of a block. */
static ALWAYS_INLINE __m512 group_scales(const unsigned char *block, size_t g, const int bf16)
{
    return bf16 ? from_bf16(block + g * 32) : _mm512_load_ps(block + g * 64);
}

static ALWAYS_INLINE float *place(const panel *p, int s, int t)
{
    return p->y + (size_t)s * p->y_step + (size_t)t * p->y_stride;
}

/* The sums so far. */
static ALWAYS_INLINE void start(__m512 *sum, const panel *p, const int streams, const int tokens)
{
    int s, t;
    UNROLL
    for (t = 0; t < tokens; t++) {
        UNROLL
        for (s = 0; s < streams; s++)
            sum[t * streams + s] =
                p->from == 0 ? _mm512_setzero_ps() : _mm512_load_ps(place(p, s, t));
    }
}

static ALWAYS_INLINE void store(const panel *p, const __m512 *sum, const int streams,
                                const int tokens)
{
    int s, t;
    UNROLL
    for (t = 0; t < tokens; t++) {
        UNROLL
        for (s = 0; s < streams; s++) _mm512_store_ps(place(p, s, t), sum[t * streams + s]);
    }
}

static ALWAYS_INLINE void panel_f32(const panel *p, const int streams, const int tokens)
{
    __m512 sum[SUMS];
    const unsigned char *unit = p->block + (size_t)p->from * LULL_UNIT_BYTES;
    int32_t k;
    int s, t;

    start(sum, p, streams, tokens);
    for (k = p->from; k < p->to; k++, unit += LULL_UNIT_BYTES) {
        __m512 w[BATCH_STREAMS];
        UNROLL
        for (s = 0; s < streams; s++) {
            w[s] = _mm512_load_ps(unit + (size_t)s * p->step);
            prefetch(unit + (size_t)s * p->step + AHEAD);
        }
        UNROLL
        for (t = 0; t < tokens; t++) {
            const __m512 v = _mm512_set1_ps(p->x[(size_t)t * p->x_stride + (size_t)k]);
            UNROLL
            for (s = 0; s < streams; s++)
                sum[t * streams + s] = _mm512_fmadd_ps(w[s], v, sum[t * streams + s]);
        }
    }
    store(p, sum, streams, tokens);
}

/* dot[t][s] += w[s] times four columns of each token. */
static ALWAYS_INLINE void multiply(__m512i *dot, const __m512i *w, const int8_t *q, size_t q_stride,
                                   const int streams, const int tokens)
{
    int s, t;
    UNROLL
    for (t = 0; t < tokens; t++) {
        const __m512i v = four_columns(q + (size_t)t * q_stride);
        UNROLL
        for (s = 0; s < streams; s++)
            __asm__("vpdpbusd %2, %1, %0" : "+v"(dot[t * streams + s]) : "v"(w[s]), "v"(v));
    }
}

static ALWAYS_INLINE void panel_quantised(const panel *p, const int streams, const int tokens,
                                          const int bits, const int bf16)
{
    const __m512i low_nibbles = _mm512_set1_epi8(15);
    const unsigned char *unit = panel_units(p);
    const size_t step = p->step, q_stride = p->q_stride;
    size_t ahead = AHEAD - p->w->head_bytes; /* the head's lines come in between the groups */
    __m512 sum[SUMS];
    size_t g;
    int32_t u;
    int s, t;

    start(sum, p, streams, tokens);
    for (g = (size_t)p->from; g < (size_t)p->to; g++) {
        const int8_t *q = p->q + g * p->q_group;
        __m512i dot[SUMS];
        UNROLL
        for (t = 0; t < tokens; t++) {
            const int32_t offset = p->offset[(size_t)t * p->s_stride + 4 * g];
            UNROLL
            for (s = 0; s < streams; s++)
                dot[t * streams + s] = _mm512_set1_epi32(bits == 8 ? offset : offset / 16);
        }
        for (u = 0; u < p->w->group_units; u++, q += 32 / bits, unit += LULL_UNIT_BYTES) {
            __m512i w[BATCH_STREAMS], high[BATCH_STREAMS];
            UNROLL
            for (s = 0; s < streams; s++) {
                w[s] = _mm512_load_si512(unit + (size_t)s * step);
                prefetch(unit + (size_t)s * step + ahead);
                if (bits == 8) continue;
                high[s] = _mm512_and_si512(_mm512_srli_epi16(w[s], 4), low_nibbles);
                w[s] = _mm512_and_si512(w[s], low_nibbles);
            }
            multiply(dot, w, q, q_stride, streams, tokens);
            if (bits == 4) multiply(dot, high, q + 4, q_stride, streams, tokens);
        }
        if (!bf16 || g % 2 == 0) {
            UNROLL
            for (s = 0; s < streams; s++) prefetch(unit + (size_t)s * step + ahead);
            ahead += LULL_UNIT_BYTES;
        }
        UNROLL
        for (s = 0; s < streams; s++) {
            const __m512 scales = group_scales(p->block + (size_t)s * step, g, bf16);
            UNROLL
            for (t = 0; t < tokens; t++) {
                const int i = t * streams + s;
                const __m512 scale = _mm512_set1_ps(p->scale[(size_t)t * p->s_stride + 4 * g]);
                const __m512 product = _mm512_mul_ps(scales, scale);
                sum[i] = _mm512_add_ps(sum[i], _mm512_mul_ps(_mm512_cvtepi32_ps(dot[i]), product));
            }
        }
    }
    store(p, sum, streams, tokens);
}

#include "linear.h"

const lull_kernels lull_kernels_avx512 = {
    "avx512", lull_has_avx512, NULL,   NULL, linear_f32,    linear_q8,      linear_q4,
    quantize, rmsnorm,         swiglu, add,  attention_f32, attention_bf16, log_sum};
