/* linear.c - the linear layers against their definition: every width, group edge, token count, type
 * of scale and range of blocks. */
#include "check.h"
#include "reference.h"

enum { SLOT_W, SLOT_SCALES, SLOT_PACKED, SLOT_X, SLOT_Y, SLOT_EXPECTED, SLOT_SX, SLOT_OFFSET };

static const int32_t widths[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10,  11,  12,  13,  14,  15,
                                 16, 17, 31, 32, 33, 63, 64, 65, 96, 127, 128, 172, 255, 256, 257};
static const int32_t heights[] = {1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 81, 128, 131};
static const int32_t groups[] = {1, 3, 4, 12, 16, 20, 32, 44, 64, 100, 128, 300};
static const int32_t token_counts[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11,
                                       12, 13, 14, 15, 16, 17, 31, 32, 33, 64};
#define COUNT(a) ((int)(sizeof(a) / sizeof(a)[0]))

static float (*rule(const lull_kernels *k))(float, float, float)
{
#if !defined(__FP_FAST_FMAF) && !defined(__powerpc__) && !defined(__ppc__)
    if (strcmp(k->name, "portable") == 0) return ref_unfused;
#else
    (void)k;
#endif
    return ref_fused;
}

static size_t stride_of(int32_t n)
{
    return lull_round_up((size_t)n, 16);
}

/* Rows that were asked for are as expected, blocks that were not keep what they held. */
static void compare(const float *y, const float *expected, size_t stride, int32_t rows,
                    int32_t block0, int32_t block1)
{
    const int32_t first = block0 * 16, end = block1 * 16 < rows ? block1 * 16 : rows;
    int32_t r;
    check_floats("y", y + first, expected + first, (size_t)(end - first));
    for (r = 0; r < (int32_t)stride; r++)
        if ((r < first || r >= block1 * 16) && lull_float_bits(y[r]) != 0x7f7f7f7fu) {
            check_true("nothing written outside the range of blocks", 0);
            return;
        }
}

/* ---- float32 weights */

static void pack_f32(lull_matrix *m, int32_t rows, int32_t cols, const float *w)
{
    uint64_t bytes;
    int32_t b;
    check_true("planned", lull_matrix_plan(m, LULL_F32, LULL_SCALE_NONE, rows, cols, 0, &bytes));
    m->data = check_slot(SLOT_PACKED, (size_t)bytes);
    for (b = 0; b < m->n_blocks; b++)
        lull_matrix_pack_f32(m, b, w + (size_t)b * 16 * (size_t)cols,
                             rows - b * 16 < 16 ? rows - b * 16 : 16);
}

static void one_f32(const lull_kernels *k, int32_t rows, int32_t cols, int32_t tokens, int shape_w,
                    int shape_x, int all_ranges)
{
    const size_t xs = stride_of(cols), ys = stride_of(rows);
    float *w = check_slot(SLOT_W, (size_t)rows * (size_t)cols * 4);
    float *x = check_slot(SLOT_X, (size_t)tokens * xs * 4);
    float *expected = check_slot(SLOT_EXPECTED, (size_t)tokens * ys * 4);
    lull_matrix m;
    int32_t t, b0, b1;

    check_case("rows %d cols %d tokens %d shapes %d %d", rows, cols, tokens, shape_w, shape_x, 0);
    check_fill(w, (size_t)rows * (size_t)cols, shape_w);
    pack_f32(&m, rows, cols, w);
    for (t = 0; t < tokens; t++) {
        check_fill(x + (size_t)t * xs, (size_t)cols, shape_x);
        ref_linear_f32(expected + (size_t)t * ys, w, x + (size_t)t * xs, rows, cols, rule(k));
    }
    for (b0 = 0; b0 < m.n_blocks; b0++)
        for (b1 = m.n_blocks; b1 > b0; b1--) {
            float *y;
            if (!all_ranges && (b0 > 0 || b1 < m.n_blocks)) continue;
            y = check_slot(SLOT_Y, (size_t)tokens * ys * 4);
            k->linear_f32(&m, x, xs, tokens, y, ys, b0, b1);
            for (t = 0; t < tokens; t++)
                compare(y + (size_t)t * ys, expected + (size_t)t * ys, ys, rows, b0, b1);
        }
}

void test_linear_f32(const lull_kernels *k)
{
    int r, c, t, shape;
    for (c = 0; c < COUNT(widths); c++)
        for (r = 0; r < COUNT(heights); r++)
            if (check_chosen(8)) one_f32(k, heights[r], widths[c], 1, SHAPE_EVEN, SHAPE_EVEN, 0);
    for (shape = 0; shape < N_SHAPES; shape++) {
        one_f32(k, 80, 33, 1, shape, SHAPE_EVEN, 0);
        one_f32(k, 33, 80, 2, SHAPE_EVEN, shape, 0);
        one_f32(k, 17, 65, 1, shape, shape, 0);
    }
    for (t = 0; t < COUNT(token_counts); t++)
        if (token_counts[t] < 6 || check_chosen(4))
            one_f32(k, 131, 17, token_counts[t], SHAPE_WIDE, SHAPE_EVEN, token_counts[t] < 6);
}

/* ---- 8-bit and 4-bit weights */

typedef struct quantised_case {
    lull_precision precision;
    int32_t rows, cols, group, tokens;
    lull_scale_type scales;
    int shape_w;     /* of the weights, below */
    int shape_scale; /* of scales on both sides */
} quantised_case;

enum { W_ANY, W_LEAST, W_MOST, W_EXTREMES, W_ONE_HOT, N_W };

static void fill_weights(int8_t *w, size_t n, int shape, int least, int most)
{
    const size_t special = check_random() % n;
    size_t i;
    for (i = 0; i < n; i++) {
        switch (shape) {
        case W_LEAST: w[i] = (int8_t)least; break;
        case W_MOST: w[i] = (int8_t)most; break;
        case W_EXTREMES: w[i] = (int8_t)(i & 1 ? least : most); break;
        case W_ONE_HOT: w[i] = (int8_t)(i == special ? 1 : 0); break;
        default: w[i] = (int8_t)check_range(least, most);
        }
    }
}

static void fill_scales(float *s, size_t n, int shape, lull_scale_type type)
{
    size_t i;
    check_fill(s, n, shape);
    for (i = 0; i < n && type == LULL_SCALE_BF16; i++)
        s[i] = lull_bits_float(lull_float_bits(s[i]) & 0xffff0000u);
}

static void pack_quantised(lull_matrix *m, const quantised_case *c, const int8_t *w,
                           const float *scales)
{
    uint64_t bytes;
    int32_t b;
    check_true("planned",
               lull_matrix_plan(m, c->precision, c->scales, c->rows, c->cols, c->group, &bytes));
    m->data = check_slot(SLOT_PACKED, (size_t)bytes);
    for (b = 0; b < m->n_blocks; b++)
        lull_matrix_pack_quantised(m, b, w + (size_t)b * 16 * (size_t)c->cols,
                                   scales + (size_t)b * 16 * (size_t)m->n_groups,
                                   c->rows - b * 16 < 16 ? c->rows - b * 16 : 16);
}

/* Activations of every token, made without the kernel that quantises. */
static void fill_activations(lull_activations *x, const quantised_case *c, const lull_matrix *m)
{
    const size_t n = (size_t)c->tokens * (size_t)m->n_groups;
    int32_t t, g, i;

    x->group = c->group;
    x->n_groups = m->n_groups;
    x->group_stride = (int32_t)stride_of(c->group);
    x->token_stride = lull_round_up((size_t)m->n_groups * (size_t)x->group_stride, 64);
    x->q = check_slot(SLOT_X, (size_t)c->tokens * x->token_stride);
    x->scale = check_slot(SLOT_SX, n * 16);
    x->offset = check_slot(SLOT_OFFSET, n * 16);
    for (t = 0; t < c->tokens; t++)
        for (g = 0; g < m->n_groups; g++) {
            const size_t slot = 4 * ((size_t)t * (size_t)m->n_groups + (size_t)g);
            const int32_t left = c->cols - g * c->group, width = left < c->group ? left : c->group;
            int8_t *q = x->q + (size_t)t * x->token_stride + (size_t)g * (size_t)x->group_stride;
            int32_t sum = 0;
            memset(q, 0, (size_t)x->group_stride);
            fill_weights(q, (size_t)width, (int)(check_random() % N_W), -127, 127);
            for (i = 0; i < width; i++) sum += q[i];
            check_fill(x->scale + slot, 1, c->shape_scale);
            for (i = 0; i < 4; i++) x->scale[slot + (size_t)i] = x->scale[slot];
            for (i = 0; i < 4; i++) x->offset[slot + (size_t)i] = -128 * sum;
        }
}

static void one_quantised(const lull_kernels *k, const quantised_case *c, int all_ranges)
{
    const size_t ys = stride_of(c->rows), weights = (size_t)c->rows * (size_t)c->cols;
    int8_t *w = check_slot(SLOT_W, weights);
    float *expected = check_slot(SLOT_EXPECTED, (size_t)c->tokens * ys * 4), *scales;
    lull_activations x;
    lull_matrix m;
    uint64_t bytes;
    int32_t t, b0, b1;

    check_case(c->precision == LULL_Q8
                   ? "q8: rows %d cols %d group %d tokens %d scales %d weights %d"
                   : "q4: rows %d cols %d group %d tokens %d scales %d weights %d",
               c->rows, c->cols, c->group, c->tokens, (int)c->scales, c->shape_w);
    check_true("planned",
               lull_matrix_plan(&m, c->precision, c->scales, c->rows, c->cols, c->group, &bytes));
    scales = check_slot(SLOT_SCALES, (size_t)c->rows * (size_t)m.n_groups * 4);
    if (c->precision == LULL_Q8)
        fill_weights(w, weights, c->shape_w, -128, 127);
    else
        fill_weights(w, weights, c->shape_w, -8, 7);
    fill_scales(scales, (size_t)c->rows * (size_t)m.n_groups, c->shape_scale, c->scales);
    pack_quantised(&m, c, w, scales);
    fill_activations(&x, c, &m);
    for (t = 0; t < c->tokens; t++)
        ref_linear_quantised(expected + (size_t)t * ys, w, scales, x.q + (size_t)t * x.token_stride,
                             (size_t)x.group_stride, x.scale + 4 * (size_t)t * (size_t)m.n_groups,
                             c->rows, c->cols, c->group);
    for (b0 = 0; b0 < m.n_blocks; b0++)
        for (b1 = m.n_blocks; b1 > b0; b1--) {
            float *y;
            if (!all_ranges && (b0 > 0 || b1 < m.n_blocks)) continue;
            y = check_slot(SLOT_Y, (size_t)c->tokens * ys * 4);
            if (c->precision == LULL_Q8)
                k->linear_q8(&m, &x, c->tokens, y, ys, b0, b1);
            else
                k->linear_q4(&m, &x, c->tokens, y, ys, b0, b1);
            for (t = 0; t < c->tokens; t++)
                compare(y + (size_t)t * ys, expected + (size_t)t * ys, ys, c->rows, b0, b1);
        }
}

static void shapes_and_groups(const lull_kernels *k, lull_precision precision)
{
    quantised_case c = {precision, 0, 0, 0, 1, LULL_SCALE_BF16, W_ANY, SHAPE_EVEN};
    int r, w, g;

    for (w = 0; w < COUNT(widths); w++)
        for (g = 0; g < COUNT(groups); g++)
            for (r = 0; r < COUNT(heights); r++) {
                if (!check_chosen(24)) continue;
                c.rows = heights[r], c.cols = widths[w], c.group = groups[g];
                c.scales = check_random() & 1 ? LULL_SCALE_BF16 : LULL_SCALE_F32;
                one_quantised(k, &c, 0);
            }
    c.rows = 65, c.cols = 257;
    for (g = 0; g < COUNT(groups); g++)
        for (w = 0; w < N_W; w++)
            for (r = 0; r < N_SHAPES; r++) {
                if (!check_chosen(16)) continue;
                c.group = groups[g], c.shape_w = w, c.shape_scale = r;
                c.scales = check_random() & 1 ? LULL_SCALE_BF16 : LULL_SCALE_F32;
                one_quantised(k, &c, 0);
            }
    c.rows = 1, c.cols = c.group = LULL_MAX_GROUP; /* the largest sum an int32 lane must hold */
    c.shape_scale = SHAPE_EVEN;
    for (c.tokens = 1; c.tokens <= 5; c.tokens += 4)
        for (c.shape_w = W_LEAST; c.shape_w <= W_EXTREMES; c.shape_w++) one_quantised(k, &c, 0);
}

void test_linear_q8(const lull_kernels *k)
{
    shapes_and_groups(k, LULL_Q8);
}

void test_linear_q4(const lull_kernels *k)
{
    shapes_and_groups(k, LULL_Q4);
}

/* Every number of tokens: a whole matrix, and for a few of them every range of its blocks; groups
 * that are whole tiles or units, and two that are neither; few and many blocks; and a matrix that is
 * too large to be taken in one piece. */
static void token_counts_of(const lull_kernels *k, lull_precision precision)
{
    static const int32_t some_groups[] = {64, 32, 128, 12, 44};
    quantised_case c = {precision, 131, 200, 0, 1, LULL_SCALE_BF16, W_ANY, SHAPE_WIDE};
    int t, g, f32;
    for (f32 = 0; f32 < 2; f32++)
        for (g = 0; g < COUNT(some_groups); g++)
            for (t = 0; t < COUNT(token_counts); t++) {
                if (!check_chosen(6)) continue;
                c.scales = f32 ? LULL_SCALE_F32 : LULL_SCALE_BF16;
                c.group = some_groups[g];
                c.tokens = token_counts[t];
                c.rows = t & 1 ? 131 : 40;
                one_quantised(k, &c, c.tokens == 3 || c.tokens == 17);
            }
    c.rows = 163, c.cols = 4210;
    for (g = 0; g < COUNT(some_groups); g++) {
        if (!check_chosen(3)) continue;
        c.scales = check_random() & 1 ? LULL_SCALE_BF16 : LULL_SCALE_F32;
        c.group = some_groups[g];
        c.tokens = check_range(4, 21);
        one_quantised(k, &c, 0);
    }
}

void test_linear_q8_tokens(const lull_kernels *k)
{
    token_counts_of(k, LULL_Q8);
}

void test_linear_q4_tokens(const lull_kernels *k)
{
    token_counts_of(k, LULL_Q4);
}
