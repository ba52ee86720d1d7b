/* matrix.c - planning, quantising, packing and reading back the layout that matrix.h draws. */
#include "matrix.h"

/* 1.5 * 2^23: adding it to |v| < 2^22 rounds v to an integer, half to even, and leaves that integer
 * in the low bits of the sum. */
#define ROUNDER      12582912.0f
#define ROUNDER_BITS 0x4b400000

#define CHUNK 256 /* columns quantised at a time while packing */

int lull_matrix_plan(lull_matrix *m, lull_precision precision, lull_scale_type scales, int32_t rows,
                     int32_t cols, int32_t group, uint64_t *bytes)
{
    const uint64_t scale_bytes = scales == LULL_SCALE_F32 ? 64 : 32; /* of a group's 16 rows */
    const int32_t unit_columns = precision == LULL_Q4 ? 8 : 4;
    uint64_t head = 0, units, block;

    if (precision == LULL_F32) {
        m->scales = LULL_SCALE_NONE;
        m->group = m->n_groups = 0;
        m->group_units = cols;
        units = (uint64_t)cols;
    } else {
        m->scales = scales;
        m->group = group;
        m->n_groups = cols / group + (cols % group != 0);
        m->group_units = group / unit_columns + (group % unit_columns != 0);
        head = ((uint64_t)m->n_groups * scale_bytes + LULL_UNIT_BYTES - 1) / LULL_UNIT_BYTES *
               LULL_UNIT_BYTES;
        units = (uint64_t)m->n_groups * (uint64_t)m->group_units;
    }
    block = head + units * LULL_UNIT_BYTES; /* below 2^48: no overflow up to here */
    m->precision = precision;
    m->rows = rows;
    m->cols = cols;
    m->n_blocks = rows / LULL_LANES + (rows % LULL_LANES != 0);
    m->head_bytes = (size_t)head;
    m->block_bytes = (size_t)block; /* a host that cannot hold this cannot hold *bytes either */
    m->data = NULL;
    return lull_u64_mul((uint64_t)m->n_blocks, block, bytes);
}

/* ---- quantising */

/* The smallest float >= largest / 127 that bf16 and f16 hold exactly: 8 bits of mantissa, none of
 * them worth less than 2^-24.  Beyond f16's largest number it is exact in bf16 only. */
static float scale_for(float largest)
{
    const float least = 1.0f / 16777216; /* 2^-24, f16's smallest */
    float s = largest / 127.0f;

    if (largest <= 0.5f * least) return 0.0f; /* every weight would round to 0 */
    if (s >= 128.0f * least) return lull_bits_float((lull_float_bits(s) + 0xffffu) & 0xffff0000u);
    s /= least; /* below 128: round up to an integer */
    {
        const float whole = (float)(int32_t)s;
        return (whole < s ? whole + 1.0f : whole) * least;
    }
}

/* The scale of one group; *inverse is what its weights are multiplied with, 0 where q is 0. */
static float choose_scale(const float *w, size_t n, float *inverse)
{
    int32_t most = 0; /* bits of |w| order as integers do, NaN above infinity above all numbers */
    float scale;
    size_t i;

    for (i = 0; i < n; i++) {
        const int32_t bits = (int32_t)(lull_float_bits(w[i]) & 0x7fffffffu);
        most = bits > most ? bits : most;
    }
    *inverse = 0.0f;
    if (most >= 0x7f800000) return lull_bits_float(0x7fc00000u);
    scale = scale_for(lull_bits_float((uint32_t)most));
    if (scale > 0.0f) *inverse = 1.0f / scale;
    return scale;
}

/* q[i] = w[i] * inverse, rounded half to even. */
static void quantise(const float *w, size_t n, float inverse, int8_t *q)
{
    size_t i;
    if (inverse == 0.0f) {
        memset(q, 0, n); /* w may be NaN or infinite */
        return;
    }
    for (i = 0; i < n; i++) {
        const float rounded = w[i] * inverse + ROUNDER;
        q[i] = (int8_t)((int32_t)lull_float_bits(rounded) - ROUNDER_BITS);
    }
}

float lull_quantize_group(const float *w, size_t n, int8_t *q)
{
    float inverse;
    const float scale = choose_scale(w, n, &inverse);
    quantise(w, n, inverse, q);
    return scale;
}

/* ---- packing */

static unsigned char *block_of(const lull_matrix *m, int32_t block)
{
    return m->data + (size_t)block * m->block_bytes;
}

/* An empty block: scales 0, weights 0. */
static unsigned char *clear_block(lull_matrix *m, int32_t block)
{
    unsigned char *b = block_of(m, block);
    memset(b, 0, m->head_bytes);
    memset(b + m->head_bytes, 128, m->block_bytes - m->head_bytes);
    return b;
}

static void put_scale(const lull_matrix *m, unsigned char *b, int32_t g, int32_t row, float scale)
{
    const size_t i = (size_t)g * LULL_LANES + (size_t)row;
    if (m->scales == LULL_SCALE_F32) {
        memcpy(b + 4 * i, &scale, 4);
    } else {
        const uint16_t half = lull_float_bf16(scale);
        memcpy(b + 2 * i, &half, 2);
    }
}

static float get_scale(const lull_matrix *m, const unsigned char *b, int32_t g, int32_t row)
{
    const size_t i = (size_t)g * LULL_LANES + (size_t)row;
    if (m->scales == LULL_SCALE_F32) {
        float scale;
        memcpy(&scale, b + 4 * i, 4);
        return scale;
    } else {
        uint16_t half;
        memcpy(&half, b + 2 * i, 2);
        return lull_bf16_float(half);
    }
}

/* Spread n 8-bit weights of one row over units that start at `unit`, 4 columns each. */
static void spread(unsigned char *unit, int32_t row, const int8_t *q, int32_t n)
{
    unsigned char *to = unit + 4 * (size_t)row;
    int32_t i;
    for (i = 0; i + 4 <= n; i += 4, to += LULL_UNIT_BYTES) {
        uint32_t four;
        memcpy(&four, q + i, 4);
        four ^= 0x80808080u; /* + 128 in each byte */
        memcpy(to, &four, 4);
    }
    for (; i < n; i++) to[i & 3] = (unsigned char)(q[i] + 128);
}

static size_t group_bytes(const lull_matrix *m)
{
    return (size_t)m->group_units * LULL_UNIT_BYTES;
}

static int32_t group_width(const lull_matrix *m, int32_t g)
{
    const int32_t left = m->cols - g * m->group;
    return left < m->group ? left : m->group;
}

/* Quantise row `row` of a cleared 8-bit block from w (cols). */
static void pack_row_q8(const lull_matrix *m, unsigned char *b, int32_t row, const float *w)
{
    unsigned char *units = b + m->head_bytes;
    int8_t q[CHUNK];
    int32_t g, i;

    for (g = 0; g < m->n_groups; g++) {
        const int32_t width = group_width(m, g);
        float inverse;
        put_scale(m, b, g, row, choose_scale(w, (size_t)width, &inverse));
        for (i = 0; i < width; i += CHUNK) {
            const int32_t n = width - i < CHUNK ? width - i : CHUNK;
            quantise(w + i, (size_t)n, inverse, q);
            spread(units + (size_t)(i / 4) * LULL_UNIT_BYTES, row, q, n);
        }
        w += width;
        units += group_bytes(m);
    }
}

void lull_matrix_pack_f32(lull_matrix *m, int32_t block, const float *w, int32_t n_rows)
{
    const size_t cols = (size_t)m->cols;
    size_t c, r;

    if (m->precision == LULL_Q8) {
        unsigned char *b = clear_block(m, block);
        for (r = 0; r < (size_t)n_rows; r++) pack_row_q8(m, b, (int32_t)r, w + r * cols);
        return;
    }
    if (m->precision == LULL_F32) {
        float *to = (float *)(void *)block_of(m, block); /* (cols, 16) */
        for (c = 0; c < cols; c++, to += LULL_LANES) {
            for (r = 0; r < (size_t)n_rows; r++) to[r] = w[r * cols + c];
            for (; r < LULL_LANES; r++) to[r] = 0.0f;
        }
    }
}

void lull_matrix_pack_q8(lull_matrix *m, int32_t block, const int8_t *w, const float *scales,
                         int32_t n_rows)
{
    unsigned char *b = clear_block(m, block);
    int32_t r, g;

    for (r = 0; r < n_rows; r++) {
        unsigned char *units = b + m->head_bytes;
        for (g = 0; g < m->n_groups; g++, units += group_bytes(m)) {
            const int32_t width = group_width(m, g);
            put_scale(m, b, g, r, *scales++);
            spread(units, r, w, width);
            w += width;
        }
    }
}

void lull_matrix_row(const lull_matrix *m, int32_t row, float *out)
{
    const unsigned char *b = block_of(m, row / LULL_LANES);
    const unsigned char *units = b + m->head_bytes;
    const int32_t lane = row % LULL_LANES;
    int32_t g, i;

    if (m->precision == LULL_F32) {
        for (i = 0; i < m->cols; i++)
            memcpy(out + i, units + (size_t)i * LULL_UNIT_BYTES + 4 * (size_t)lane, 4);
        return;
    }
    for (g = 0; g < m->n_groups; g++, units += group_bytes(m)) {
        const int32_t width = group_width(m, g);
        const float scale = get_scale(m, b, g, lane);
        for (i = 0; i < width; i++) {
            const unsigned char *unit = units + (size_t)(i / 4) * LULL_UNIT_BYTES;
            *out++ = (float)(unit[4 * lane + i % 4] - 128) * scale;
        }
    }
}
