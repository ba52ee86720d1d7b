/* avx2.c - AVX2 and FMA: a block's 16 rows are the lanes of two registers. */
#include "lanes.h"

#include <immintrin.h>

/* ---- 16 floats, for attention (layers.h) */

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

/* Elements i..i+15 of K or V at p. */
static ALWAYS_INLINE sixteen sixteen_kv(const unsigned char *p, int32_t i, const int bf16)
{
    sixteen s;
    p += (size_t)i * (bf16 ? 2 : 4);
    s.low = bf16 ? from_bf16(p) : load_floats(p);
    s.high = bf16 ? from_bf16(p + 16) : load_floats(p + 32);
    return s;
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

static ALWAYS_INLINE sixteen sixteen_weigh(sixteen a, const unsigned char *p, int32_t i,
                                           const int bf16, const float *w)
{
    return sixteen_add(a, sixteen_times(sixteen_kv(p, i, bf16), w));
}

#include "layers.h"

/* ---- linear layers */

#define STREAMS 4
#define AHEAD   1024 /* bytes prefetched ahead in each stream */

/* Into the second cache: further ahead, or into the first, costs Zen 4 a quarter of its
 * bandwidth. */
static ALWAYS_INLINE void prefetch(const unsigned char *p)
{
    _mm_prefetch((const char *)p + AHEAD, _MM_HINT_T1);
}

static ALWAYS_INLINE __m256i load(const unsigned char *p)
{
    return _mm256_load_si256((const __m256i *)(const void *)p);
}

static ALWAYS_INLINE void panel_f32(float *y, size_t y_step, const lull_matrix *w,
                                    const unsigned char *block, size_t step, const float *x,
                                    const int streams)
{
    __m256 sum[2 * STREAMS];
    const size_t n = (size_t)streams;
    int32_t k;
    size_t s;

    for (s = 0; s < 2 * n; s++) sum[s] = _mm256_setzero_ps();
    for (k = 0; k < w->cols; k++, block += LULL_UNIT_BYTES) {
        const __m256 v = _mm256_broadcast_ss(x + k);
        for (s = 0; s < n; s++) {
            const float *unit = (const float *)(const void *)(block + s * step);
            prefetch((const unsigned char *)unit);
            sum[2 * s] = _mm256_fmadd_ps(_mm256_load_ps(unit), v, sum[2 * s]);
            sum[2 * s + 1] = _mm256_fmadd_ps(_mm256_load_ps(unit + 8), v, sum[2 * s + 1]);
        }
    }
    for (s = 0; s < n; s++) {
        _mm256_store_ps(y + s * y_step, sum[2 * s]);
        _mm256_store_ps(y + s * y_step + 8, sum[2 * s + 1]);
    }
}

/* 8 of the 16 scales of group g in the head of a block: rows 0..7 for half 0, 8..15 for half 1. */
static ALWAYS_INLINE __m256 group_scales(const unsigned char *block, size_t g, size_t half,
                                         const int bf16)
{
    const size_t i = g * 2 + half;
    return bf16 ? from_bf16(block + i * 16) : load_floats(block + i * 32);
}

/* dot + the products of 8 rows with four columns v.  vpmaddubsw adds two u8 x s8 products in 16
 * bits and saturates: |w| <= 128 and |v| <= 127 cannot reach that, weight + 128 would. */
static ALWAYS_INLINE __m256i multiply(__m256i dot, __m256i stored, __m256i v)
{
    const __m256i w = _mm256_xor_si256(stored, _mm256_set1_epi8(-128));
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(v, w));
    return _mm256_add_epi32(dot, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

static ALWAYS_INLINE __m256i four_columns(const int8_t *q)
{
    int32_t four;
    memcpy(&four, q, 4);
    return _mm256_set1_epi32(four);
}

static ALWAYS_INLINE void panel_of(float *y, size_t y_step, const lull_matrix *w,
                                   const unsigned char *block, size_t step, const quantized *x,
                                   const int streams, const int bf16)
{
    const unsigned char *units = block + w->head_bytes;
    __m256 sum[2 * STREAMS];
    const size_t n_groups = (size_t)w->n_groups;
    size_t g;
    const size_t n = (size_t)streams;
    int32_t u;
    size_t s;

    for (s = 0; s < 2 * n; s++) sum[s] = _mm256_setzero_ps();
    for (g = 0; g < n_groups; g++) {
        const int8_t *q = x->q + g * x->group_stride;
        const __m256 scale = _mm256_set1_ps(x->scale[4 * g]);
        __m256i dot[2 * STREAMS];
        for (s = 0; s < 2 * n; s++) dot[s] = _mm256_setzero_si256();
        for (u = 0; u < w->group_units; u++, q += 4, units += LULL_UNIT_BYTES) {
            const __m256i v = four_columns(q);
            for (s = 0; s < n; s++) {
                const unsigned char *unit = units + s * step;
                prefetch(unit);
                dot[2 * s] = multiply(dot[2 * s], load(unit), v);
                dot[2 * s + 1] = multiply(dot[2 * s + 1], load(unit + 32), v);
            }
        }
        for (s = 0; s < 2 * n; s++) {
            const unsigned char *head = block + s / 2 * step;
            const __m256 product = _mm256_mul_ps(group_scales(head, g, s % 2, bf16), scale);
            sum[s] = _mm256_add_ps(sum[s], _mm256_mul_ps(_mm256_cvtepi32_ps(dot[s]), product));
        }
    }
    for (s = 0; s < n; s++) {
        _mm256_store_ps(y + s * y_step, sum[2 * s]);
        _mm256_store_ps(y + s * y_step + 8, sum[2 * s + 1]);
    }
}

static ALWAYS_INLINE void panel_q8(float *y, size_t y_step, const lull_matrix *w,
                                   const unsigned char *block, size_t step, const quantized *x,
                                   const int streams)
{
    if (w->scales == LULL_SCALE_BF16)
        panel_of(y, y_step, w, block, step, x, streams, 1);
    else
        panel_of(y, y_step, w, block, step, x, streams, 0);
}

#include "linear.h"

const lull_kernels lull_kernels_avx2 = {
    "avx2",   lull_has_avx2, NULL,   NULL, linear_f32,    linear_q8,     NULL,
    quantize, rmsnorm,       swiglu, add,  attention_f32, attention_bf16};
