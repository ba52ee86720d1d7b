/* avx512.c - AVX-512 with VNNI: a block's 16 rows are the 16 lanes of one register. */
#include "lanes.h"

#include <immintrin.h>

/* ---- 16 floats, for attention (layers.h) */

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

/* Elements i..i+15 of K or V at p. */
static ALWAYS_INLINE sixteen sixteen_kv(const unsigned char *p, int32_t i, const int bf16)
{
    return bf16 ? from_bf16(p + 2 * (size_t)i) : _mm512_load_ps(p + 4 * (size_t)i);
}

static ALWAYS_INLINE sixteen sixteen_add(sixteen a, sixteen b)
{
    return _mm512_add_ps(a, b);
}

static ALWAYS_INLINE sixteen sixteen_times(sixteen a, const float *p)
{
    return _mm512_mul_ps(a, _mm512_set1_ps(*p));
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

static ALWAYS_INLINE void panel_f32(float *y, size_t y_step, const lull_matrix *w,
                                    const unsigned char *block, size_t step, const float *x,
                                    const int streams)
{
    __m512 sum[STREAMS];
    int32_t k;
    int s;

    for (s = 0; s < streams; s++) sum[s] = _mm512_setzero_ps();
    for (k = 0; k < w->cols; k++, block += LULL_UNIT_BYTES) {
        const __m512 v = _mm512_set1_ps(x[k]);
        for (s = 0; s < streams; s++) {
            const unsigned char *unit = block + (size_t)s * step;
            prefetch(unit);
            sum[s] = _mm512_fmadd_ps(_mm512_load_ps(unit), v, sum[s]);
        }
    }
    for (s = 0; s < streams; s++) _mm512_store_ps(y + (size_t)s * y_step, sum[s]);
}

/* The 16 scales of group g in the head of a block. */
static ALWAYS_INLINE __m512 group_scales(const unsigned char *block, size_t g, const int bf16)
{
    return bf16 ? from_bf16(block + g * 32) : _mm512_load_ps(block + g * 64);
}

static ALWAYS_INLINE __m512i four_columns(const int8_t *q)
{
    int32_t four;
    memcpy(&four, q, 4);
    return _mm512_set1_epi32(four);
}

static ALWAYS_INLINE void panel_of(float *y, size_t y_step, const lull_matrix *w,
                                   const unsigned char *block, size_t step, const quantized *x,
                                   const int streams, const int bf16)
{
    const unsigned char *units = block + w->head_bytes;
    __m512 sum[STREAMS];
    const size_t n_groups = (size_t)w->n_groups;
    size_t g;
    int32_t u;
    int s;

    for (s = 0; s < streams; s++) sum[s] = _mm512_setzero_ps();
    for (g = 0; g < n_groups; g++) {
        const int8_t *q = x->q + g * x->group_stride;
        const __m512 scale = _mm512_set1_ps(x->scale[4 * g]);
        __m512i dot[STREAMS];
        for (s = 0; s < streams; s++) dot[s] = _mm512_set1_epi32(x->offset[4 * g]);
        for (u = 0; u < w->group_units; u++, q += 4, units += LULL_UNIT_BYTES) {
            const __m512i v = four_columns(q);
            for (s = 0; s < streams; s++) {
                const unsigned char *unit = units + (size_t)s * step;
                prefetch(unit);
                dot[s] = _mm512_dpbusd_epi32(dot[s], _mm512_load_si512(unit), v);
            }
        }
        for (s = 0; s < streams; s++) {
            const __m512 scales = group_scales(block + (size_t)s * step, g, bf16);
            const __m512 product = _mm512_mul_ps(scales, scale);
            sum[s] = _mm512_add_ps(sum[s], _mm512_mul_ps(_mm512_cvtepi32_ps(dot[s]), product));
        }
    }
    for (s = 0; s < streams; s++) _mm512_store_ps(y + (size_t)s * y_step, sum[s]);
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

const lull_kernels lull_kernels_avx512 = {
    "avx512", lull_has_avx512, NULL,   NULL, linear_f32,    linear_q8,     NULL,
    quantize, rmsnorm,         swiglu, add,  attention_f32, attention_bf16};
