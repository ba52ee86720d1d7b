/* everywhere.c - one hash over the results of all kernels for fixed inputs, equal on every machine.
 *
 * The numbers below were taken once from the portable kernels; a change of the arithmetic changes
 * them, and then changes every story told with one seed. */
#include "check.h"

#include <stdio.h>

#define EXPECTED               UINT32_C(0x1f9a244c)
#define EXPECTED_FLOAT_FUSED   UINT32_C(0x569402c3)
#define EXPECTED_FLOAT_UNFUSED UINT32_C(0x030498a3)

enum { SLOT_PACKED, SLOT_A, SLOT_B, SLOT_C, SLOT_Q, SLOT_SX, SLOT_OFFSET, SLOT_SCORES, SLOT_SUMS };

#define ROWS       75
#define COLS       172
#define GROUP      48
#define ROW_STRIDE 80
#define COL_STRIDE 176

static uint32_t mix(uint32_t hash, const float *x, size_t n)
{
    size_t i;
    for (i = 0; i < n; i++) {
        const uint32_t bits = x[i] != x[i] ? 0x7fc00000u : lull_float_bits(x[i]);
        hash = (hash ^ bits) * 16777619u;
        hash ^= hash >> 15;
    }
    return hash;
}

static void pack(lull_matrix *m, lull_precision precision)
{
    float w[16 * COLS];
    uint64_t bytes;
    int32_t b;
    lull_matrix_plan(m, precision, LULL_SCALE_BF16, ROWS, COLS, GROUP, &bytes);
    m->data = check_slot(SLOT_PACKED, (size_t)bytes);
    for (b = 0; b < m->n_blocks; b++) {
        check_fill(w, 16 * COLS, b == 1 ? SHAPE_WIDE : SHAPE_EVEN);
        lull_matrix_pack_f32(m, b, w, ROWS - b * 16 < 16 ? ROWS - b * 16 : 16);
    }
}

static uint32_t float_layers(const lull_kernels *k)
{
    float *x = check_slot(SLOT_A, COL_STRIDE * 4), *y = check_slot(SLOT_B, ROW_STRIDE * 4);
    lull_matrix m;
    pack(&m, LULL_F32);
    check_fill(x, COLS, SHAPE_EVEN);
    k->linear_f32(&m, x, COL_STRIDE, 1, y, ROW_STRIDE, 0, m.n_blocks);
    return mix(2166136261u, y, ROWS);
}

static uint32_t linear(const lull_kernels *k, uint32_t hash, int shape)
{
    float *x = check_slot(SLOT_A, COL_STRIDE * 4), *y = check_slot(SLOT_B, ROW_STRIDE * 4);
    lull_activations a;
    lull_matrix m;

    pack(&m, LULL_Q8);
    a.group = GROUP;
    a.n_groups = m.n_groups;
    a.group_stride = GROUP;
    a.token_stride = lull_round_up((size_t)m.n_groups * GROUP, 64);
    a.q = check_slot(SLOT_Q, a.token_stride);
    a.scale = check_slot(SLOT_SX, (size_t)m.n_groups * 16);
    a.offset = check_slot(SLOT_OFFSET, (size_t)m.n_groups * 16);
    check_fill(x, COLS, shape);
    k->quantize(&a, 0, x, COLS);
    k->linear_q8(&m, &a, 1, y, ROW_STRIDE, 0, m.n_blocks);
    return mix(mix(hash, a.scale, (size_t)m.n_groups * 4), y, ROWS);
}

static uint32_t between(const lull_kernels *k, uint32_t hash, int shape)
{
    float *x = check_slot(SLOT_A, COL_STRIDE * 4), *y = check_slot(SLOT_B, COL_STRIDE * 4);
    float *z = check_slot(SLOT_C, COL_STRIDE * 4);
    check_fill(x, COLS, shape);
    check_fill(y, COLS, SHAPE_EVEN);
    k->rmsnorm(z, x, y, COLS);
    hash = mix(hash, z, COLS);
    k->swiglu(x, y, COLS);
    hash = mix(hash, x, COLS);
    k->add(x, y, COLS);
    return mix(hash, x, COLS);
}

static uint32_t attend(const lull_kernels *k, uint32_t hash, int shape, int bf16)
{
    enum { HEADS = 4, DIM = 20, STRIDE = 32, N = 40, SIDE = 2 * 16 * STRIDE };
    const size_t element = bf16 ? 2 : 4, block = 2 * SIDE * element;
    unsigned char *memory = check_slot(SLOT_PACKED, 3 * block);
    const unsigned char *blocks[3];
    float *query = check_slot(SLOT_A, HEADS * STRIDE * 4);
    lull_attention a = {0};
    size_t i;

    memset(query, 0, HEADS * STRIDE * 4);
    for (i = 0; i < HEADS; i++) check_fill(query + i * STRIDE, DIM, shape);
    for (i = 0; i < 3; i++) blocks[i] = memory + i * block;
    for (i = 0; i < 6 * SIDE / (bf16 ? 2 : 1);
         i++) { /* as 32-bit words: pairs of bf16, or floats */
        const uint32_t high = lull_float_bits(check_float(1.0f)) & 0xffff0000u;
        const uint32_t word = high | lull_float_bits(check_float(1.0f)) >> 16;
        memcpy(memory + 4 * i, &word, 4);
    }
    a.query = query;
    a.out = check_slot(SLOT_B, HEADS * DIM * 4);
    a.scores = check_slot(SLOT_SCORES, HEADS * 64 * 4);
    a.scores_stride = 64;
    a.sums = check_slot(SLOT_SUMS, HEADS * STRIDE * 4);
    a.rows = HEADS;
    a.n_queries = 1;
    a.blocks = blocks;
    a.v_offset = SIDE * element;
    a.n_positions = N;
    a.n_heads = HEADS;
    a.n_kv_heads = 2;
    a.head_dim = DIM;
    a.head_stride = STRIDE;
    a.scale = 0.2236068f;
    (bf16 ? k->attention_bf16 : k->attention_f32)(&a, 0, 2);
    return mix(hash, a.out, HEADS * DIM);
}

void test_same_everywhere(const lull_kernels *k)
{
    uint32_t all = 2166136261u, floats;
    int shape;

    check_case("fixed inputs", 0, 0, 0, 0, 0, 0);
    check_seed(20260101);
    floats = float_layers(k);
    for (shape = 0; shape < N_SHAPES; shape++) {
        all = linear(k, all, shape);
        all = between(k, all, shape);
        all = attend(k, all, shape, 0);
        all = attend(k, all, shape, 1);
    }
    printf("    %s: hash %08lx, float32 layers %08lx\n", k->name, (unsigned long)all,
           (unsigned long)floats);
    check_true("the hash every machine has", all == EXPECTED);
    check_true("the hash of float32 layers",
               floats == EXPECTED_FLOAT_FUSED ||
                   (strcmp(k->name, "portable") == 0 && floats == EXPECTED_FLOAT_UNFUSED));
}
