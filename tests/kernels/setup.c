/* setup.c - choosing a table, memory, packing, and the state of the floating-point unit. */
#include "check.h"
#include "fpenv.h"
#include "group.h"
#include "memory.h"
#include "reference.h"

#include <stdlib.h>

enum { SLOT_W, SLOT_PACKED, SLOT_OTHER, SLOT_ROW, SLOT_SCALES, SLOT_Q };

/* ---- the tables and the choice */

void test_select(const lull_kernels *portable)
{
    const lull_kernels *const *all, *found, *best = NULL;
    lull_error error;
    int n, i;

    check_case("the tables", 0, 0, 0, 0, 0, 0);
    all = lull_kernels_all(&n);
    check_true("portable is the first", n > 0 && strcmp(all[0]->name, "portable") == 0);
    check_true("portable is available", all[0] == portable && portable->available());
    for (i = 0; i < n; i++) {
        const lull_kernels *k = all[i];
        lull_status status;
        check_case("table %d", i, 0, 0, 0, 0, 0);
        if (!k->name || !k->available || !k->linear_f32 || !k->linear_q8 || !k->linear_q4 ||
            !k->quantize || !k->rmsnorm || !k->swiglu || !k->add || !k->attention_f32 ||
            !k->attention_bf16 || !k->log_sum) {
            check_true("no empty entry", 0);
            continue;
        }
        check_true("enter and leave come together", (k->enter == NULL) == (k->leave == NULL));
        status = lull_kernels_select(k->name, &found, &error);
        if (k->available()) {
            best = k;
            check_true("selected by its name", status == LULL_OK && found == k);
        } else {
            check_true("refused here", status == LULL_EUNSUPPORTED && found == NULL);
            check_true("says which", strstr(error.message, k->name) != NULL);
        }
    }
    check_true("the last available is the default",
               lull_kernels_select(NULL, &found, NULL) == LULL_OK && found == best);
    check_true("an unknown name is EINVAL",
               lull_kernels_select("8087", &found, &error) == LULL_EINVAL && found == NULL);
    check_true("and lists the known", strstr(error.message, "portable") != NULL);
    check_true("a name is not a prefix",
               lull_kernels_select("port", &found, &error) == LULL_EINVAL &&
                   lull_kernels_select("", &found, &error) == LULL_EINVAL);
}

/* ---- memory */

static size_t held, refuse_over;

/* Counts, refuses what is large, aligns nothing, and watches 64 bytes behind each block. */
static void *counting(void *user, void *block, size_t old_bytes, size_t new_bytes)
{
    unsigned char *p = block;
    size_t i;

    check_true("the hook's own pointer", user == &held);
    if (new_bytes > refuse_over) return NULL;
    held += new_bytes;
    held -= old_bytes;
    if (p != NULL) {
        for (i = 0; i < 64; i++) check_true("written inside the block", p[old_bytes + i] == 0xc3);
        free(p - 1);
        return NULL;
    }
    p = malloc(new_bytes + 65);
    if (p == NULL) return NULL;
    memset(p, 0xc3, new_bytes + 65);
    return p + 1;
}

static void memory_tests(void)
{
    lull_allocator hook;
    size_t bytes, i;

    hook.realloc = counting;
    hook.user = &held;
    held = 0;
    refuse_over = 100000;
    for (bytes = 0; bytes < 300; bytes += 7) {
        unsigned char *a = lull_memory_get(&hook, bytes), *b = lull_memory_get_zeroed(NULL, bytes);
        check_case("memory of %d bytes", (int)bytes, 0, 0, 0, 0, 0);
        check_true("aligned", (uintptr_t)a % 64 == 0 && (uintptr_t)b % 64 == 0);
        check_true("taken from the hook", held >= bytes && held > 0);
        for (i = 0; i < bytes; i++) check_true("zeroed", b[i] == 0);
        memset(a, 1, bytes);
        lull_memory_put(&hook, a);
        lull_memory_put(NULL, b);
        check_true("given back whole", held == 0);
    }
    lull_memory_put(&hook, NULL);
    check_true("a refusal is NULL", lull_memory_get(&hook, 200000) == NULL &&
                                        lull_memory_get_zeroed(&hook, 200000) == NULL);
    check_true("no overflow near the end", lull_memory_get(NULL, SIZE_MAX) == NULL &&
                                               lull_memory_get(NULL, SIZE_MAX - 70) == NULL);
}

/* ---- packing */

/* The scale of one group, and its integers. */
static float quantise(lull_precision precision, const float *w, size_t n, int8_t *q)
{
    const lull_grid grid = lull_grid_choose(precision, w, n);
    lull_grid_apply(&grid, w, n, q);
    return grid.scale;
}

static void quantize_group_tests(void)
{
    static const float sizes[] = {1.0f,  0.01f, 3.0e-3f, 1.0e-4f, 2.0e-5f, 1.0e-6f, 1.0e-7f,
                                  1e-8f, 0.0f,  300.0f,  1e7f,    1e30f,   3.4e38f};
    const float least = 1.0f / 16777216;
    float w[40];
    int8_t q[40];
    int s, n, i;

    for (s = 0; s < (int)(sizeof sizes / sizeof sizes[0]); s++)
        for (n = 1; n <= 40; n++) {
            float most = 0.0f, scale, below;
            check_case("group of %d, size %d", n, s, 0, 0, 0, 0);
            for (i = 0; i < n; i++) {
                w[i] = check_float(sizes[s]);
                if (w[i] > most || -w[i] > most) most = w[i] < 0 ? -w[i] : w[i];
            }
            scale = quantise(LULL_Q8, w, (size_t)n, q);
            below = scale > least * 128 ? lull_bits_float(lull_float_bits(scale) - 0x10000u)
                                        : scale - least;
            check_true("exact in bf16", (lull_float_bits(scale) & 0xffffu) == 0);
            check_true("no bits below 2^-24",
                       scale > 1.0f || scale / least == (float)(int32_t)(scale / least));
            check_true("not less than the largest / 127", scale == 0.0f || scale >= most / 127.0f);
            check_true("the smallest such", scale == 0.0f || below < most / 127.0f);
            check_true("0 only where all are tiny", scale != 0.0f || most <= least / 2);
            for (i = 0; i < n; i++) {
                const float ideal = scale == 0.0f ? 0.0f : w[i] / scale;
                check_true("q is the nearest",
                           ideal - (float)q[i] <= 0.50002f && (float)q[i] - ideal <= 0.50002f);
                check_true("q is in range", q[i] >= -127);
            }
        }
    for (i = 0; i < 6; i++) {
        float scale;
        check_case("not finite, kind %d", i, 0, 0, 0, 0, 0);
        check_fill(w, 40, SHAPE_EVEN);
        w[17] = lull_bits_float(i / 2 == 0 ? 0x7fc00000u : i / 2 == 1 ? 0x7f800000u : 0xff800000u);
        scale = quantise(i & 1 ? LULL_Q4 : LULL_Q8, w, 40, q);
        check_true("scale is NaN", scale != scale);
        for (n = 0; n < 40; n++) check_true("q is 0", q[n] == 0);
    }
}

static void expected_block(unsigned char *to, const lull_matrix *m, const int8_t *w,
                           const float *scales, int32_t n_rows)
{
    int32_t r, c;
    memset(to, 0, m->head_bytes);
    memset(to + m->head_bytes, m->precision == LULL_Q4 ? 0x88 : 128,
           m->block_bytes - m->head_bytes);
    for (r = 0; r < n_rows; r++)
        for (c = 0; c < m->cols; c++) {
            const int32_t g = c / m->group, in = c % m->group;
            const int32_t unit_columns = m->precision == LULL_Q4 ? 8 : 4;
            const size_t unit = (size_t)g * (size_t)m->group_units + (size_t)(in / unit_columns);
            unsigned char *byte = to + m->head_bytes + unit * 64 + (size_t)(4 * r + in % 4);
            const int stored = w[r * m->cols + c] + (m->precision == LULL_Q4 ? 8 : 128);
            const float scale = scales[r * m->n_groups + g];
            const uint16_t half = (uint16_t)(lull_float_bits(scale) >> 16);
            if (m->precision == LULL_Q8)
                *byte = (unsigned char)stored;
            else if (in % 8 < 4)
                *byte = (unsigned char)((*byte & 0xf0) + stored);
            else
                *byte = (unsigned char)((*byte & 0x0f) + 16 * stored);
            if (m->scales == LULL_SCALE_F32)
                memcpy(to + 4 * (g * 16 + r), &scale, 4);
            else
                memcpy(to + 2 * (g * 16 + r), &half, 2);
        }
}

static void packing_case(lull_precision precision, int32_t cols, int32_t group, int32_t n_rows,
                         lull_scale_type type)
{
    const size_t n = (size_t)n_rows * (size_t)cols;
    float *w = check_slot(SLOT_W, n * 4), *row = check_slot(SLOT_ROW, (size_t)cols * 4), *scales;
    int8_t *q = check_slot(SLOT_Q, n);
    unsigned char *other;
    lull_matrix m;
    uint64_t bytes;
    int32_t r, g, c;

    check_case("cols %d group %d rows %d scales %d", cols, group, n_rows, (int)type, 0, 0);
    check_true("planned", lull_matrix_plan(&m, precision, type, 16 + n_rows, cols, group, &bytes));
    check_true("two blocks", m.n_blocks == 2 && bytes == 2 * m.block_bytes &&
                                 m.block_bytes % 64 == 0 && m.head_bytes % 64 == 0);
    scales = check_slot(SLOT_SCALES, (size_t)(n_rows * m.n_groups) * 4);
    m.data = check_slot(SLOT_PACKED, (size_t)bytes);
    other = check_slot(SLOT_OTHER, m.block_bytes);
    check_fill(w, n, SHAPE_EVEN);
    for (r = 0; r < n_rows; r++)
        for (g = 0; g < m.n_groups; g++) {
            const size_t at = (size_t)r * (size_t)cols + (size_t)g * (size_t)group;
            const int32_t left = cols - g * group;
            scales[r * m.n_groups + g] =
                quantise(precision, w + at, (size_t)(left < group ? left : group), q + at);
        }
    expected_block(other, &m, q, scales, n_rows);
    lull_matrix_pack_f32(&m, 1, w, n_rows);
    check_bytes("packed from floats", m.data + m.block_bytes, other, m.block_bytes);
    check_true("the other block untouched", m.data[0] == 0x7f && m.data[m.block_bytes - 1] == 0x7f);
    memset(m.data, 0, (size_t)bytes);
    lull_matrix_pack_quantised(&m, 1, q, scales, n_rows);
    check_bytes("packed from integers", m.data + m.block_bytes, other, m.block_bytes);
    for (r = 0; r < n_rows; r++) {
        lull_matrix_row(&m, 16 + r, row);
        for (c = 0; c < cols; c++) {
            const float value = (float)q[r * cols + c] * scales[r * m.n_groups + c / group];
            check_floats("row", row + c, &value, 1);
        }
    }
}

/* 4 bits: what the search finds is no worse than the scale that puts the largest weight at -8, and the
 * integers are those nearest to the weights. */
static void least_squares_tests(void)
{
    float w[200];
    int8_t q[200];
    int n, i, shape, round;

    for (round = 0; round < 300; round++) {
        double error = 0.0, plain_error = 0.0, squares = 0.0;
        float most = 0.0f, scale, plain;
        n = 1 + (int)(check_random() % 200);
        shape = round % 3;
        check_case("4 bits, group of %d, shape %d", n, shape, 0, 0, 0, 0);
        for (i = 0; i < n; i++) {
            w[i] = check_float(1.0f) * (shape > 0 ? check_float(1.0f) : 1.0f);
            if (shape == 2) w[i] *= check_float(0.01f);
            if ((w[i] < 0 ? -w[i] : w[i]) > (most < 0 ? -most : most)) most = w[i];
        }
        scale = quantise(LULL_Q4, w, (size_t)n, q);
        check_true("exact in bf16", (lull_float_bits(scale) & 0xffffu) == 0);
        plain = most / -8.0f;
        for (i = 0; i < n; i++) {
            double off = (double)q[i] * scale - w[i], nearest = w[i] / plain;
            nearest = (double)(int)(nearest + (nearest < 0 ? -0.5 : 0.5));
            if (nearest > 7) nearest = 7;
            check_true("in range", q[i] >= -8 && q[i] <= 7);
            if (q[i] > -8 && q[i] < 7)
                check_true("the nearest", off * off <= 0.2501 * (double)scale * (double)scale);
            error += off * off;
            squares += (double)w[i] * (double)w[i];
            off = nearest * plain - w[i];
            plain_error += off * off;
        }
        /* Rounding the scale to 8 bits can cost 2^-8 of each weight; below 2^-17 it is rounded to a
         * multiple of 2^-24, which can cost 8 * 2^-25. */
        check_true("no worse than absmax",
                   error <= plain_error * 1.01 + squares / 65536 + n / 17592186044416.0);
    }
}

void test_packing(const lull_kernels *k)
{
    static const int32_t groups[] = {1, 3, 4, 12, 32, 64, 300};
    const int32_t large = INT32_MAX;
    lull_matrix m;
    uint64_t bytes;
    int32_t cols, rows;
    int g;

    (void)k;
    memory_tests();
    quantize_group_tests();
    least_squares_tests();
    for (g = 0; g < 7; g++)
        for (cols = 1; cols < 140; cols += cols < 40 ? 1 : 13)
            for (rows = 1; rows <= 16; rows += 5)
                if (check_chosen(4))
                    packing_case(cols & 1 ? LULL_Q8 : LULL_Q4, cols, groups[g], rows,
                                 rows & 2 ? LULL_SCALE_F32 : LULL_SCALE_BF16);
    packing_case(LULL_Q8, 300, 300, 2, LULL_SCALE_BF16);
    packing_case(LULL_Q4, 1000, 1000, 2, LULL_SCALE_F32);
    check_case("sizes that overflow", 0, 0, 0, 0, 0, 0);
    check_true("2^64 bytes are refused",
               !lull_matrix_plan(&m, LULL_Q8, LULL_SCALE_F32, large, large, 1, &bytes));
    check_true("2^62 bytes are planned",
               lull_matrix_plan(&m, LULL_F32, LULL_SCALE_NONE, large / 4, large, 0, &bytes) &&
                   bytes == UINT64_C(0x2000000) * 64 * (uint64_t)large);
}

/* ---- the host's floating-point state */

/* Set the state a careless host leaves: denormals flushed, rounding upwards.  Returns the old. */
static uint64_t disturb(void)
{
#if defined(__SSE__)
    const uint32_t careless = 0x1f80u | 0x8040u | 0x4000u; /* masks; FTZ, DAZ; round up */
    const uint32_t old = __builtin_ia32_stmxcsr();
    __builtin_ia32_ldmxcsr(careless);
    return old;
#elif defined(__aarch64__)
    const uint64_t careless = UINT64_C(1) << 24 | UINT64_C(1) << 22; /* FZ, round up */
    uint64_t old;
    __asm__ volatile("mrs %0, fpcr" : "=r"(old));
    __asm__ volatile("msr fpcr, %0" : : "r"(careless));
    return old;
#else
    return 0;
#endif
}

static int disturbed(void)
{
#if defined(__SSE__)
    return (__builtin_ia32_stmxcsr() & 0xe040u) == 0xc040u;
#elif defined(__aarch64__)
    uint64_t now;
    __asm__ volatile("mrs %0, fpcr" : "=r"(now));
    return now == (UINT64_C(1) << 24 | UINT64_C(1) << 22);
#else
    return 1;
#endif
}

static void restore(uint64_t state)
{
#if defined(__SSE__)
    __builtin_ia32_ldmxcsr((uint32_t)state);
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"(state));
#else
    (void)state;
#endif
}

/* A hash of what kernels give for x and y, under whatever state is set. */
static uint32_t run_all(const lull_kernels *k, const lull_matrix *m, const float *x, const float *y)
{
    float *out = check_slot(SLOT_Q, 48 * 4), *more = check_slot(SLOT_SCALES, 48 * 4);
    uint32_t hash = 2166136261u;
    int i, pass;

    for (pass = 0; pass < 4; pass++) {
        memcpy(out, x, 48 * 4);
        memcpy(more, x, 48 * 4);
        if (pass == 0) k->linear_f32(m, x, 48, 1, out, 48, 0, 3);
        if (pass == 1) k->rmsnorm(out, y, x, 48);
        if (pass == 2) k->swiglu(out, more, 48);
        if (pass == 3) k->add(out, more, 48);
        for (i = 0; i < 48; i++) hash = (hash ^ lull_float_bits(out[i])) * 16777619u;
    }
    return hash;
}

#define ENTERED 0x10000u /* AltiVec's NJ, as enter() of that table returns it */

void test_environment(const lull_kernels *k)
{
    float *w = check_slot(SLOT_W, 48 * 48 * 4), *x = check_slot(SLOT_ROW, 48 * 4);
    float *y = check_slot(SLOT_OTHER, 48 * 4);
    lull_matrix m;
    uint64_t bytes, state;
    uint32_t saved = 0, calm, after;
    lull_fpenv env;
    int b, still;

    check_case("denormals and rounding", 0, 0, 0, 0, 0, 0);
    lull_matrix_plan(&m, LULL_F32, LULL_SCALE_NONE, 48, 48, 0, &bytes);
    m.data = check_slot(SLOT_PACKED, (size_t)bytes);
    check_fill(w, 48 * 48, SHAPE_EVEN);
    for (b = 0; b < 3; b++) lull_matrix_pack_f32(&m, b, w + b * 16 * 48, 16);
    check_fill(x, 48, SHAPE_DENORMAL);
    check_fill(y, 48, SHAPE_EVEN);
    calm = run_all(k, &m, x, y); /* main.c has entered both */
    state = disturb();
    if (k->enter != NULL) k->leave(ENTERED); /* the host's NJ is 1 */
    lull_fpenv_enter(&env);
    if (k->enter != NULL) saved = k->enter();
    after = run_all(k, &m, x, y);
    if (k->enter != NULL) k->leave(saved);
    lull_fpenv_leave(&env);
    still = disturbed();
    restore(state);
    check_true("the host's state changes no result", calm == after);
    check_true("the host's state is given back", still);
    if (k->enter != NULL) {
        check_true("enter tells the vector unit's state", saved == ENTERED);
        check_true("leave gives it back", k->enter() == ENTERED);
        k->leave(0);
        check_true("and also when it was calm", k->enter() == 0);
    }
}
