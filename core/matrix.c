/* matrix.c - planning, packing and reading back the layout that matrix.h draws. */
#include "matrix.h"
#include "group.h"

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
    memset(b + m->head_bytes, m->precision == LULL_Q4 ? 0x88 : 0x80,
           m->block_bytes - m->head_bytes);
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

/* Spread n integers of one row over units that start at `unit`: 4 columns each for q8, 8 for q4. */
static void spread_q8(unsigned char *unit, int32_t row, const int8_t *q, int32_t n)
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

static void spread_q4(unsigned char *unit, int32_t row, const int8_t *q, int32_t n)
{
    unsigned char *to = unit + 4 * (size_t)row;
    int32_t i;
    for (i = 0; i < n; i++) {
        unsigned char *pair = to + (size_t)(i / 8) * LULL_UNIT_BYTES + (i & 3);
        if ((i & 4) == 0)
            *pair = (unsigned char)((*pair & 0xf0) | (q[i] + 8));
        else
            *pair = (unsigned char)((*pair & 0x0f) | (q[i] + 8) << 4);
    }
}

/* Columns from c on, a multiple of 8, of the group whose units begin at `units`. */
static void spread(const lull_matrix *m, unsigned char *units, int32_t c, int32_t row,
                   const int8_t *q, int32_t n)
{
    if (m->precision == LULL_Q4)
        spread_q4(units + (size_t)(c / 8) * LULL_UNIT_BYTES, row, q, n);
    else
        spread_q8(units + (size_t)(c / 4) * LULL_UNIT_BYTES, row, q, n);
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

/* Quantise row `row` of a cleared block from w (cols). */
static void pack_row(const lull_matrix *m, unsigned char *b, int32_t row, const float *w)
{
    unsigned char *units = b + m->head_bytes;
    int8_t q[CHUNK];
    int32_t g, i;

    for (g = 0; g < m->n_groups; g++) {
        const int32_t width = group_width(m, g);
        const lull_grid grid = lull_grid_choose(m->precision, w, (size_t)width);
        put_scale(m, b, g, row, grid.scale);
        for (i = 0; i < width; i += CHUNK) {
            const int32_t n = width - i < CHUNK ? width - i : CHUNK;
            lull_grid_apply(&grid, w + i, (size_t)n, q);
            spread(m, units, i, row, q, n);
        }
        w += width;
        units += group_bytes(m);
    }
}

void lull_matrix_pack_f32(lull_matrix *m, int32_t block, const float *w, int32_t n_rows)
{
    const size_t cols = (size_t)m->cols;
    size_t c, r;

    if (m->precision == LULL_F32) {
        float *to = (float *)(void *)block_of(m, block); /* (cols, 16) */
        for (c = 0; c < cols; c++, to += LULL_LANES) {
            for (r = 0; r < (size_t)n_rows; r++) to[r] = w[r * cols + c];
            for (; r < LULL_LANES; r++) to[r] = 0.0f;
        }
    } else {
        unsigned char *b = clear_block(m, block);
        for (r = 0; r < (size_t)n_rows; r++) pack_row(m, b, (int32_t)r, w + r * cols);
    }
}

void lull_matrix_pack_quantised(lull_matrix *m, int32_t block, const int8_t *w, const float *scales,
                                int32_t n_rows)
{
    unsigned char *b = clear_block(m, block);
    int32_t r, g;

    for (r = 0; r < n_rows; r++) {
        unsigned char *units = b + m->head_bytes;
        for (g = 0; g < m->n_groups; g++, units += group_bytes(m)) {
            const int32_t width = group_width(m, g);
            put_scale(m, b, g, r, *scales++);
            spread(m, units, 0, r, w, width);
            w += width;
        }
    }
}

/* The integer of column c in the group whose units begin at `units`. */
static int32_t weight_at(const lull_matrix *m, const unsigned char *units, int32_t lane, int32_t c)
{
    const unsigned char *four = units + 4 * (size_t)lane;
    if (m->precision == LULL_Q8)
        return four[(size_t)(c / 4) * LULL_UNIT_BYTES + (size_t)(c & 3)] - 128;
    four += (size_t)(c / 8) * LULL_UNIT_BYTES + (size_t)(c & 3);
    return ((c & 4) == 0 ? *four & 15 : *four >> 4) - 8;
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
        for (i = 0; i < width; i++) *out++ = (float)weight_at(m, units, lane, i) * scale;
    }
}
