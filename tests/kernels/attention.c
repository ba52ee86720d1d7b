/* attention.c - attention of one token and of several against its definition, with K and V in blocks. */
#include "check.h"
#include "reference.h"

#include <stdlib.h>

enum {
    SLOT_QUERY,
    SLOT_OUT,
    SLOT_SCORES,
    SLOT_SUMS,
    SLOT_BLOCKS,
    SLOT_K,
    SLOT_V,
    SLOT_EXPECTED,
    SLOT_WORK
};

#define POSITIONS  16
#define MAX_BLOCKS 16

static const int32_t dims[] = {2,  4,  6,  8,  10, 12, 14, 16,  18,
                               24, 32, 34, 48, 62, 64, 80, 128, 300};
static const int32_t lengths[] = {1, 2, 3, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 240, 250};
static const int32_t heads[][2] = {{1, 1}, {2, 1}, {4, 2}, {6, 3}, {8, 4}, {3, 3}};
#define COUNT(a) ((int)(sizeof(a) / sizeof(a)[0]))

typedef struct attention_case {
    int32_t n_heads, n_kv_heads, dim;
    int32_t n, queries; /* positions that the last query sees */
    int32_t spare;      /* rows of work beyond those of one kv head */
    int shape;          /* of query, K and V */
    int bf16;
} attention_case;

/* The first or second element of pair i (of 16 in a row) at p. */
static void put(unsigned char *p, size_t i, int second, float value, int bf16)
{
    if (bf16) {
        uint32_t word;
        memcpy(&word, p + 4 * i, 4);
        if (second)
            word = (word & 0xffff0000u) | lull_float_bits(value) >> 16;
        else
            word = (word & 0xffffu) | (lull_float_bits(value) & 0xffff0000u);
        memcpy(p + 4 * i, &word, 4);
    } else {
        memcpy(p + 4 * (i / 16 * 32 + (second ? 16 : 0) + i % 16), &value, 4);
    }
}

/* K (head_stride / 2, 16) or V (8, head_stride) pairs of one kv head, from (n, dim) to its place in
 * the blocks; all else there is NaN: it may change nothing. */
static void store(unsigned char **blocks, size_t offset, const attention_case *c, int32_t stride,
                  int32_t kv_head, const float *values, int is_k)
{
    const int32_t end = (c->n + POSITIONS - 1) / POSITIONS * POSITIONS;
    const size_t head = (size_t)(kv_head * POSITIONS * stride) * (c->bf16 ? 2 : 4);
    int32_t t, d;
    for (t = 0; t < end; t++)
        for (d = 0; d < stride; d++) {
            const int32_t slot = t % POSITIONS;
            const int32_t i = is_k ? d / 2 * POSITIONS + slot : slot / 2 * stride + d;
            float value = lull_bits_float(0x7fc00000u);
            if (t < c->n && d < c->dim) value = values[t * c->dim + d];
            put(blocks[t / POSITIONS] + offset + head, (size_t)i, (is_k ? d : slot) % 2, value,
                c->bf16);
        }
}

static void fill(float *x, size_t n, int shape, int bf16)
{
    size_t i;
    check_fill(x, n, shape);
    for (i = 0; i < n && bf16; i++) x[i] = lull_bits_float(lull_float_bits(x[i]) & 0xffff0000u);
}

/* Expected outputs of the heads that one kv head serves, for every query. */
static void expect(float *expected, const attention_case *c, const lull_attention *a,
                   int32_t kv_head, const float *k, const float *v)
{
    float *work = check_slot(SLOT_WORK, (size_t)c->n * 4);
    const int32_t per = c->n_heads / c->n_kv_heads;
    int32_t h, i;
    for (i = 0; i < c->queries; i++)
        for (h = kv_head * per; h < (kv_head + 1) * per; h++)
            ref_attention(expected + (size_t)(i * c->n_heads + h) * (size_t)c->dim, work,
                          a->query + (size_t)i * a->query_stride +
                              (size_t)h * (size_t)a->head_stride,
                          k, v, c->n - c->queries + 1 + i, c->dim, a->scale);
}

static lull_attention describe(const attention_case *c, size_t side)
{
    const int32_t stride = (int32_t)lull_round_up((size_t)c->dim, 16);
    lull_attention a;
    a.query_stride = (size_t)(c->n_heads * stride);
    a.out_stride = (size_t)(c->n_heads * c->dim + 3);
    a.scores_stride = lull_round_up((size_t)c->n, 16) + 16;
    a.rows = c->queries * (c->n_heads / c->n_kv_heads) + c->spare;
    a.k_offset = 64;
    a.v_offset = 64 + lull_round_up(side, 64);
    a.n_queries = c->queries;
    a.n_positions = c->n - c->queries + 1;
    a.n_heads = c->n_heads;
    a.n_kv_heads = c->n_kv_heads;
    a.head_dim = c->dim;
    a.head_stride = stride;
    a.scale = 1.0f / ref_sqrt((float)c->dim);
    a.out = check_slot(SLOT_OUT, (size_t)c->queries * a.out_stride * 4);
    a.scores = check_slot(SLOT_SCORES, (size_t)a.rows * a.scores_stride * 4);
    a.sums = check_slot(SLOT_SUMS, (size_t)(a.rows * stride) * 4);
    a.blocks = NULL;
    a.next = NULL;
    a.query = NULL;
    return a;
}

static void one(const lull_kernels *k, const attention_case *c, int32_t split)
{
    const int32_t stride = (int32_t)lull_round_up((size_t)c->dim, 16);
    const int32_t n_blocks = (c->n + POSITIONS - 1) / POSITIONS, per = c->n_heads / c->n_kv_heads;
    const size_t side = (size_t)(c->n_kv_heads * POSITIONS * stride) * (c->bf16 ? 2 : 4);
    const size_t block_bytes = 64 + 2 * lull_round_up(side, 64), held = (size_t)(c->n * c->dim);
    const size_t out_floats = (size_t)(c->n_heads * c->dim);
    void (*run)(const lull_attention *, int32_t, int32_t) =
        c->bf16 ? k->attention_bf16 : k->attention_f32;
    unsigned char *memory = check_slot(SLOT_BLOCKS, (size_t)n_blocks * block_bytes);
    unsigned char *blocks[MAX_BLOCKS];
    float *query = check_slot(SLOT_QUERY, (size_t)(c->queries * c->n_heads * stride) * 4);
    float *expected = check_slot(SLOT_EXPECTED, (size_t)c->queries * out_floats * 4);
    float *keys = check_slot(SLOT_K, held * 4), *values = check_slot(SLOT_V, held * 4);
    lull_attention a = describe(c, side);
    int32_t i, h;

    check_case("heads %d/%d head_dim %d positions %d queries %d shape %d", c->n_heads,
               c->n_kv_heads, c->dim, c->n, c->queries, c->shape);
    for (i = 0; i < n_blocks; i++) /* the last block first in memory */
        blocks[i] = memory + (size_t)(n_blocks - 1 - i) * block_bytes;
    check_fill(query, (size_t)(c->queries * c->n_heads * stride), SHAPE_EVEN); /* padding too */
    for (h = 0; h < c->queries * c->n_heads; h++)
        check_fill(query + h * stride, (size_t)c->dim, c->shape);
    a.query = query;
    a.blocks = (const unsigned char *const *)blocks;
    for (h = 0; h < c->n_kv_heads; h++) {
        fill(keys, held, c->shape, c->bf16);
        fill(values, held, c->shape, c->bf16);
        store(blocks, a.k_offset, c, stride, h, keys, 1);
        store(blocks, a.v_offset, c, stride, h, values, 0);
        expect(expected, c, &a, h, keys, values);
    }
    run(&a, split, c->n_kv_heads);
    for (i = 0; i < split * per * c->dim; i++)
        check_true("other heads' outputs untouched", lull_float_bits(a.out[i]) == 0x7f7f7f7fu);
    run(&a, 0, split);
    for (i = 0; i < c->queries; i++)
        check_floats("out", a.out + (size_t)i * a.out_stride, expected + (size_t)i * out_floats,
                     out_floats);
}

static void all(const lull_kernels *k, int bf16)
{
    attention_case c = {1, 1, 0, 0, 1, 0, SHAPE_EVEN, 0};
    int d, l, h, shape;

    c.bf16 = bf16;
    for (d = 0; d < COUNT(dims); d++)
        for (l = 0; l < COUNT(lengths); l++) {
            if (!check_chosen(6)) continue;
            c.dim = dims[d], c.n = lengths[l];
            one(k, &c, 0);
        }
    for (h = 0; h < COUNT(heads); h++)
        for (shape = 0; shape < N_SHAPES; shape++) {
            c.n_heads = heads[h][0], c.n_kv_heads = heads[h][1];
            c.dim = dims[check_range(0, COUNT(dims) - 2)];
            c.n = check_range(1, 70);
            c.shape = shape;
            c.spare = check_range(0, 2) * c.n_heads;
            one(k, &c, check_range(0, c.n_kv_heads));
        }
    for (c.queries = 1; c.queries <= LULL_MAX_QUERIES; c.queries++)
        for (h = 0; h < COUNT(heads); h++) {
            if (!check_chosen(4)) continue;
            c.n_heads = heads[h][0], c.n_kv_heads = heads[h][1];
            c.dim = dims[check_range(0, COUNT(dims) - 2)];
            c.n = c.queries + check_range(0, 60);
            c.shape = check_range(0, 3) == 0 ? SHAPE_NAN : SHAPE_EVEN;
            c.spare = check_range(0, 2) * c.n_heads * c.queries;
            one(k, &c, check_range(0, c.n_kv_heads));
        }
}

void test_attention_f32(const lull_kernels *k)
{
    all(k, 0);
}

void test_attention_bf16(const lull_kernels *k)
{
    all(k, 1);
}
