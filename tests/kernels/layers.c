/* layers.c - what stands between the linear layers against its definition. */
#include "check.h"
#include "kernels/expf.h"
#include "reference.h"

enum {
    SLOT_X,
    SLOT_Y,
    SLOT_WEIGHT,
    SLOT_EXPECTED,
    SLOT_Q,
    SLOT_SCALE,
    SLOT_OFFSET,
    SLOT_EXPECTED_Q
};

static const int32_t sizes[] = {1,  2,  3,   4,   5,   7,   8,   9,   12,  15, 16,
                                17, 24, 31,  32,  33,  47,  48,  49,  63,  64, 65,
                                72, 96, 127, 128, 129, 172, 255, 256, 257, 768};
static const int32_t groups[] = {1, 2, 3, 4, 5, 12, 16, 17, 31, 32, 33, 64, 100, 128, 1000};
#define COUNT(a) ((int)(sizeof(a) / sizeof(a)[0]))

/* n floats of a shape, and other numbers in the padding: they may change nothing. */
static float *vector(int slot, int32_t n, int shape)
{
    float *x = check_slot(slot, (size_t)n * 4);
    check_fill(x, (size_t)n, shape);
    return x;
}

/* ---- quantize */

static void one_quantize(const lull_kernels *k, int32_t cols, int32_t group, int shape)
{
    const int32_t n_groups = (cols + group - 1) / group;
    const float *x = vector(SLOT_X, cols, shape);
    lull_activations a;
    int32_t token, g, i;

    check_case("cols %d group %d shape %d", cols, group, shape, 0, 0, 0);
    a.group = group;
    a.n_groups = n_groups;
    a.group_stride = (int32_t)lull_round_up((size_t)group, 16);
    a.token_stride = lull_round_up((size_t)n_groups * (size_t)a.group_stride, 64);
    for (token = 0; token < 2; token++) {
        const size_t slot = (size_t)token * (size_t)n_groups * 4;
        int8_t *expected = check_slot(SLOT_EXPECTED_Q, (size_t)a.group_stride);
        a.q = check_slot(SLOT_Q, 2 * a.token_stride);
        a.scale = check_slot(SLOT_SCALE, (size_t)n_groups * 32);
        a.offset = check_slot(SLOT_OFFSET, (size_t)n_groups * 32);
        k->quantize(&a, token, x, cols);
        for (g = 0; g < n_groups; g++) {
            const int32_t left = cols - g * group, width = left < group ? left : group;
            float scale[4];
            int32_t offset[4];
            memset(expected, 0, (size_t)a.group_stride);
            offset[0] = -128 * ref_quantize(expected, scale, x + (size_t)g * (size_t)group, width);
            for (i = 1; i < 4; i++) scale[i] = scale[0], offset[i] = offset[0];
            check_bytes("q", a.q + (size_t)token * a.token_stride + (size_t)(g * a.group_stride),
                        expected, (size_t)a.group_stride);
            check_floats("scale", a.scale + slot + 4 * g, scale, 4);
            check_ints("offset", a.offset + slot + 4 * g, offset, 4);
        }
        check_true("the other token untouched",
                   a.q[(size_t)(1 - token) * a.token_stride] == 0x7f &&
                       a.offset[(size_t)(1 - token) * (size_t)n_groups * 4] == 0x7f7f7f7f);
    }
}

void test_quantize(const lull_kernels *k)
{
    int s, g, shape;
    for (s = 0; s < COUNT(sizes); s++)
        for (g = 0; g < COUNT(groups); g++)
            for (shape = 0; shape < N_SHAPES; shape++)
                if (check_chosen(8)) one_quantize(k, sizes[s], groups[g], shape);
}

/* ---- rmsnorm, swiglu, add */

void test_rmsnorm(const lull_kernels *k)
{
    int s, shape, in_place;
    for (s = 0; s < COUNT(sizes); s++)
        for (shape = 0; shape < N_SHAPES; shape++)
            for (in_place = 0; in_place < 2; in_place++) {
                const int32_t n = sizes[s];
                const float *weight = vector(SLOT_WEIGHT, n, SHAPE_EVEN);
                float *x = vector(SLOT_X, n, shape), *expected = vector(SLOT_EXPECTED, n, 0);
                float *y = in_place ? x : (float *)check_slot(SLOT_Y, (size_t)n * 4);
                check_case("dim %d shape %d in place %d", n, shape, in_place, 0, 0, 0);
                ref_rmsnorm(expected, x, weight, n);
                k->rmsnorm(y, x, weight, n);
                check_floats("y", y, expected, (size_t)n);
            }
}

void test_swiglu(const lull_kernels *k)
{
    int s, shape, i;
    for (s = 0; s < COUNT(sizes); s++)
        for (shape = 0; shape < 2 * N_SHAPES; shape++) {
            const int32_t n = sizes[s];
            const float *up = vector(SLOT_X, n, shape < N_SHAPES ? SHAPE_EVEN : shape - N_SHAPES);
            float *gate = vector(SLOT_Y, n, shape % N_SHAPES);
            float *expected = check_slot(SLOT_EXPECTED, (size_t)n * 4);
            check_case("n %d shape %d", n, shape, 0, 0, 0, 0);
            for (i = 0; i < n && shape == SHAPE_EVEN; i++) gate[i] *= 100.0f; /* over exp's ends */
            memcpy(expected, gate, (size_t)n * 4);
            ref_swiglu(expected, up, n);
            k->swiglu(gate, up, n);
            check_floats("gate", gate, expected, (size_t)n);
        }
}

void test_log_sum(const lull_kernels *k)
{
    int s, shape;
    for (s = 0; s < COUNT(sizes); s++)
        for (shape = 0; shape < N_SHAPES; shape++) {
            const int32_t n = sizes[s];
            const float *x = vector(SLOT_X, n, shape);
            const double expected = lull_logits_logsumexp(x, (size_t)n);
            const double got = k->log_sum(x, (size_t)n);
            check_case("n %d shape %d", n, shape, 0, 0, 0, 0);
            check_true("the same",
                       got <= expected ? got >= expected : (got != got && expected != expected));
        }
}

void test_add(const lull_kernels *k)
{
    int s, shape, i;
    for (s = 0; s < COUNT(sizes); s++)
        for (shape = 0; shape < N_SHAPES; shape++) {
            const int32_t n = sizes[s];
            const float *y = vector(SLOT_Y, n, shape);
            float *x = vector(SLOT_X, n, shape),
                  *expected = check_slot(SLOT_EXPECTED, (size_t)n * 4);
            check_case("n %d shape %d", n, shape, 0, 0, 0, 0);
            for (i = 0; i < n; i++) expected[i] = x[i] + y[i];
            k->add(x, y, n);
            check_floats("x", x, expected, (size_t)n);
        }
}

/* ---- exp: its own text, once */

void test_expf(const lull_kernels *k)
{
    const uint32_t step = check_thorough ? 4099 : 262147;
    const float infinite = lull_bits_float(0x7f800000u);
    double worst = 0.0;
    uint32_t u;

    (void)k;
    check_case("from -87.3 to 88.7", 0, 0, 0, 0, 0, 0);
    for (u = step; u >= step; u += step) { /* until it wraps */
        const float x = lull_bits_float(u), y = lull_expf(x);
        double exact, error;
        uint32_t ulp;
        if (x != x) {
            check_true("exp(NaN) is NaN", y != y);
        } else if (x < -87.3f || x > 88.7f) {
            const float end = x < 0.0f ? 0.0f : infinite;
            check_floats("exp beyond its ends", &y, &end, 1);
        } else {
            exact = ref_exp(x);
            ulp = lull_float_bits((float)exact) >> 23; /* the exponent; then the bits of 1 ulp */
            ulp = ulp > 23 ? (ulp - 23) << 23 : 1u << (ulp - 1);
            error = (y - exact) / lull_bits_float(ulp);
            if (error < 0) error = -error;
            if (error > worst) worst = error;
        }
    }
    check_true("exp is within 2 ulp", worst <= 2.0);
    {
        const float zero = lull_expf(0.0f), one = 1.0f;
        check_floats("exp(0)", &zero, &one, 1);
    }
}
