/* amx.c - AMX: quantised linear layers of several tokens; everything else is avx512.c's.
 *
 * A step is one tile of the result: up to 16 tokens x 16 rows over one group, in int32.  Its
 * factors are a tile of activations (tokens x 64 columns, as they lie) and a tile of weights: 16
 * units, each one of its rows, read from the matrix where they are 8 bit, unpacked to signed bytes
 * where they are 4 bit.  Groups of more than 64 columns are several such products in one result.
 *
 * The tile unit, the stores of its results and the vector unit, which scales them, must work side
 * by side: while the result of step i is scaled, that of step i + 1 is stored, step i + 3 is
 * multiplied and the factors of step i + 4 are loaded, into the registers of the same parity.  So
 * it runs on from one block of rows to the next. */
#include "lanes.h"

#include <immintrin.h>

#ifndef LULL_TILES
#define LULL_TILES "tiles.h" /* tests put an emulation in its place */
#endif
#include LULL_TILES

#define MIN_TOKENS   4  /* fewer are faster with vpdpbusd */
#define MIN_COLUMNS  32 /* and so are shorter groups: each costs a whole step */
#define TILE_TOKENS  16
#define TILE_COLUMNS 64
#define TILE_BYTES   1024

#define PASS_COLUMNS 2048 /* of 16 tokens: 32 KB, which stay in L1 */
#define PASS_GROUPS  (PASS_COLUMNS / MIN_COLUMNS)
#define PASS_BYTES   131072 /* of weights, about: they stay in L2 while all tokens pass */
#define PASS_BLOCKS  4 /* but at least so many blocks, or filling the pipeline costs too much */

#define AHEAD        2 /* slices from the load of one to the prefetch of another */
#define UNPACK_AHEAD 6 /* slices from the load of one to the unpacking of another */
#define UNPACKED     8 /* slices in the ring, a power of two */

/* Blocks x groups against one block of tokens.  A slice is what one product takes from a group: its
 * columns, or 64 of them. */
typedef struct pass {
    const lull_matrix *w;
    const lull_activations *x;
    float *y;
    size_t y_stride;
    int32_t token, tokens; /* the first, and how many: the rows of a tile */
    int32_t block, blocks;
    int32_t group, groups;
    int32_t group_slices;
    int32_t slice_units; /* units of packed weights in a slice */
    size_t slice_bytes;
    size_t q_stride, q_step; /* from a token's activations to the next's; from slice to slice */
    /* The weights that come after these blocks are fetched into L2 by all token blocks together: by
     * this one, units share0..share1-1 of every slice that is `next` bytes further. */
    size_t next;
    int32_t share0, share1;
} pass;

/* A place in the weights of a pass, which goes from slice to slice and from block to block.  After
 * the last block it begins that one again: what runs ahead must not leave the matrix. */
typedef struct cursor {
    const unsigned char *at;
    int32_t slices, blocks; /* left in this block, and blocks after it */
} cursor;

typedef union number {
    float scale;
    int32_t offset;
} number;

#define OFFSETS     64  /* numbers from a scale to its offset */
#define FOUR_GROUPS 128 /* numbers of four groups */

/* What changes within a pass.  All of it is in memory, where it costs little, because the sums and
 * their addresses need the registers. */
typedef struct work {
    int32_t product[2][TILE_TOKENS * LANES]; /* results of an even and an odd step, stored */
    int8_t unpacked[UNPACKED][TILE_BYTES];   /* a ring of slices of 4-bit weights */
    /* Of the activations: per four groups their scales (tokens / 4, 4 groups, 4 tokens), then their
     * offsets likewise. */
    number of_tokens[PASS_GROUPS / 4 * FOUR_GROUPS];
    const int8_t *q, *q_first;  /* activations of the next slice, and of the first in a block */
    cursor load, fetch, unpack; /* weights that are loaded next, prefetched, and unpacked */
    unsigned n_loaded, n_unpacked;
} __attribute__((aligned(64))) work;

/* ---- scales and offsets of the activations, tokens side by side */

/* The numbers of four groups from `from` (tokens, stride), where each is there four times: so four
 * tokens are one blend. */
static void gather(number *to, const void *from, size_t stride, int32_t tokens, int32_t groups)
{
    const unsigned there = groups >= 4 ? 0xffffu : (1u << 4 * groups) - 1;
    const int32_t *x = from;
    int32_t t, i;
    for (t = 0; t < TILE_TOKENS; t += 4, to += LANES) {
        __m512i four = _mm512_setzero_si512();
        for (i = t; i < t + 4 && i < tokens; i++)
            four = _mm512_mask_loadu_epi32(four, (__mmask16)(there & (0x1111u << i % 4)),
                                           x + (size_t)i * stride);
        _mm512_store_si512(to, four);
    }
}

static void gather_all(work *k, const pass *p)
{
    const size_t stride = 4 * (size_t)p->x->n_groups;
    const size_t first = (size_t)p->token * stride + 4 * (size_t)p->group;
    number *to = k->of_tokens;
    int32_t g;
    for (g = 0; g < p->groups; g += 4, to += FOUR_GROUPS) {
        const size_t at = first + 4 * (size_t)g;
        gather(to, p->x->scale + at, stride, p->tokens, p->groups - g);
        gather(to + OFFSETS, p->x->offset + at, stride, p->tokens, p->groups - g);
    }
}

/* ---- where the weights are */

static ALWAYS_INLINE cursor cursor_of(const pass *p)
{
    const lull_matrix *w = p->w;
    cursor c;
    c.at = w->data + (size_t)p->block * w->block_bytes + w->head_bytes +
           (size_t)p->group * (size_t)w->group_units * LULL_UNIT_BYTES;
    c.slices = p->groups * p->group_slices;
    c.blocks = p->blocks - 1;
    return c;
}

/* 1 = another block begins. */
static ALWAYS_INLINE int advance(cursor *c, const pass *p)
{
    c->at += p->slice_bytes;
    if (--c->slices > 0) return 0;
    c->slices = p->groups * p->group_slices;
    c->at -= (size_t)c->slices * p->slice_bytes;
    if (c->blocks == 0) return 1;
    c->blocks--;
    c->at += p->w->block_bytes;
    return 1;
}

static ALWAYS_INLINE size_t scale_bytes(const lull_matrix *w) /* of a group, in the head */
{
    return w->scales == LULL_SCALE_BF16 ? 32 : 64;
}

/* The cursor is at the first slice of a block: its scales come too. */
static void prefetch_head(const unsigned char *slice, const pass *p)
{
    const size_t group = (size_t)p->group, bytes = scale_bytes(p->w);
    const unsigned char *head = slice - group * (size_t)p->w->group_units * LULL_UNIT_BYTES -
                                p->w->head_bytes + group * bytes;
    size_t i;
    for (i = 0; i < (size_t)p->groups * bytes; i += LULL_UNIT_BYTES) {
        _mm_prefetch((const char *)head + i, _MM_HINT_T0);
        if (p->share0 < p->share1) _mm_prefetch((const char *)head + p->next + i, _MM_HINT_T1);
    }
}

static ALWAYS_INLINE void prefetch(const pass *p, work *k)
{
    const char *at = (const char *)k->fetch.at;
    int32_t i;
    for (i = 0; i < p->slice_units; i++)
        _mm_prefetch(at + (size_t)i * LULL_UNIT_BYTES, _MM_HINT_T0);
    for (i = p->share0; i < p->share1; i++)
        _mm_prefetch(at + p->next + (size_t)i * LULL_UNIT_BYTES, _MM_HINT_T1);
    if (advance(&k->fetch, p)) prefetch_head(k->fetch.at, p);
}

/* ---- loading and multiplying tiles: even steps use tiles 0, 2 and 4, odd ones 1, 3 and 5 */

/* All tiles of a call have these shapes: results, activations, weights. */
static void configure(int32_t tokens, int32_t columns)
{
    unsigned char config[64] = {1}; /* palette 1; bytes per row from 16, rows from 48 */
    int i;
    for (i = 0; i < 6; i++) {
        config[16 + 2 * i] = (unsigned char)(i / 2 == 1 ? columns : 64);
        config[48 + i] = (unsigned char)(i / 2 == 2 ? columns / 4 : tokens);
    }
    TILES_CONFIGURE(config);
}

/* Nibbles n to signed bytes n - 8, by an affine transformation of each byte's bits: bits 7 to 3 are
 * the nibble's bit 3 inverted. */
static ALWAYS_INLINE void unpack_units(int8_t *to, const unsigned char *from, const int32_t units)
{
    const __m512i low = _mm512_set1_epi64(0x0102040808080808), high = _mm512_slli_epi64(low, 4);
    int32_t u;
    for (u = 0; u < units; u++, from += LULL_UNIT_BYTES, to += (size_t)2 * LULL_UNIT_BYTES) {
        const __m512i unit = _mm512_load_si512(from);
        _mm512_store_si512(to, _mm512_gf2p8affine_epi64_epi8(unit, low, 0xf8));
        _mm512_store_si512(to + 64, _mm512_gf2p8affine_epi64_epi8(unit, high, 0xf8));
    }
}

static ALWAYS_INLINE void unpack(const pass *p, work *k)
{
    int8_t *to = k->unpacked[k->n_unpacked++ % UNPACKED];
    if (p->slice_units == TILE_COLUMNS / 8)
        unpack_units(to, k->unpack.at, TILE_COLUMNS / 8);
    else
        unpack_units(to, k->unpack.at, p->slice_units);
    advance(&k->unpack, p);
}

static ALWAYS_INLINE void load_activations(const pass *p, const work *k, const int odd)
{
    if (odd)
        TILE_LOAD(3, k->q, p->q_stride);
    else
        TILE_LOAD(2, k->q, p->q_stride);
}

/* And on to the next slice. */
static ALWAYS_INLINE void load_weights(const pass *p, work *k, const int odd, const int bits)
{
    const void *at = k->load.at;
    if (bits == 4) at = k->unpacked[k->n_loaded++ % UNPACKED];
    if (odd)
        TILE_LOAD(5, at, LULL_UNIT_BYTES);
    else
        TILE_LOAD(4, at, LULL_UNIT_BYTES);
    k->q += p->q_step;
    if (advance(&k->load, p)) k->q = k->q_first;
    prefetch(p, k);
    if (bits == 4) unpack(p, k);
}

static ALWAYS_INLINE void load(const pass *p, work *k, const int odd, const int bits)
{
    load_activations(p, k, odd);
    load_weights(p, k, odd, bits);
}

static ALWAYS_INLINE void multiply_slice(const int odd, const int bits)
{
    if (bits == 8) {
        if (odd)
            TILE_MULTIPLY_UNSIGNED(1, 3, 5);
        else
            TILE_MULTIPLY_UNSIGNED(0, 2, 4);
    } else {
        if (odd)
            TILE_MULTIPLY_SIGNED(1, 3, 5);
        else
            TILE_MULTIPLY_SIGNED(0, 2, 4);
    }
}

/* A whole group, of which the first slice is loaded. */
static ALWAYS_INLINE void multiply(const pass *p, work *k, const int odd, const int bits)
{
    int32_t i;
    if (odd)
        TILE_ZERO(1);
    else
        TILE_ZERO(0);
    multiply_slice(odd, bits);
    for (i = 1; i < p->group_slices; i++) {
        load(p, k, odd, bits);
        multiply_slice(odd, bits);
    }
}

static ALWAYS_INLINE void store_product(work *k, const int odd)
{
    if (odd)
        TILE_STORE(1, k->product[1], LANES * sizeof(int32_t));
    else
        TILE_STORE(0, k->product[0], LANES * sizeof(int32_t));
}

/* ---- scaling them */

/* One group of a block of rows: scales of the rows, and numbers of the tokens. */
typedef struct scaling {
    __m512 rows;
    const number *tokens; /* in work */
} scaling;

static ALWAYS_INLINE __m512 row_scales(const unsigned char *head, const int bf16)
{
    if (bf16) {
        const __m256i half = _mm256_load_si256((const __m256i *)(const void *)head);
        return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
    }
    return _mm512_load_ps(head);
}

/* Tokens from..to-1. */
static ALWAYS_INLINE void scale(__m512 *sum, const work *k, const scaling *g, const int odd,
                                const int from, const int to, const int bits)
{
    int t;
    UNROLL
    for (t = from; t < to; t++) {
        const number *n = g->tokens + (size_t)t / 4 * LANES + (size_t)t % 4;
        const __m512 factor = _mm512_mul_ps(g->rows, _mm512_set1_ps(n->scale));
        __m512i dot = _mm512_load_si512(k->product[odd] + (size_t)t * LANES);
        if (bits == 8) dot = _mm512_add_epi32(dot, _mm512_set1_epi32(n[OFFSETS].offset));
        sum[t] = _mm512_add_ps(sum[t], _mm512_mul_ps(_mm512_cvtepi32_ps(dot), factor));
    }
}

static ALWAYS_INLINE void step(const pass *p, work *k, __m512 *sum, const scaling *g, const int odd,
                               const int bits, const int tokens)
{
    const int quarter = tokens / 4;
    scale(sum, k, g, odd, 0, quarter, bits);
    store_product(k, !odd);
    scale(sum, k, g, odd, quarter, 2 * quarter, bits);
    multiply(p, k, !odd, bits);
    load_activations(p, k, odd);
    scale(sum, k, g, odd, 2 * quarter, 3 * quarter, bits);
    load_weights(p, k, odd, bits);
    scale(sum, k, g, odd, 3 * quarter, tokens, bits);
}

/* ---- a pass */

/* Of the last four tokens, some may be none. */
static ALWAYS_INLINE void start(__m512 *sum, const float *y, const pass *p, const int tokens)
{
    int t;
    UNROLL
    for (t = 0; t < tokens; t++)
        sum[t] = p->group == 0 || t >= p->tokens ? _mm512_setzero_ps()
                                                 : _mm512_load_ps(y + (size_t)t * p->y_stride);
}

static ALWAYS_INLINE void finish(const __m512 *sum, float *y, const pass *p, const int tokens)
{
    int t;
    UNROLL
    for (t = 0; t < tokens; t++)
        if (t < p->tokens) _mm512_store_ps(y + (size_t)t * p->y_stride, sum[t]);
}

/* Up to the first step. */
static ALWAYS_INLINE void fill_pipeline(const pass *p, work *k, const int bits)
{
    const lull_activations *x = p->x;
    int i;
    k->q_first = x->q + (size_t)p->token * x->token_stride;
    k->q_first += (size_t)p->group * (size_t)x->group_stride;
    k->q = k->q_first;
    k->load = k->fetch = k->unpack = cursor_of(p);
    k->n_loaded = k->n_unpacked = 0;
    for (i = 0; i < (bits == 4 ? UNPACK_AHEAD : 0) + AHEAD; i++) prefetch(p, k);
    for (i = 0; i < (bits == 4 ? UNPACK_AHEAD : 0); i++) unpack(p, k);
    for (i = 0; i < 3; i++) {
        load(p, k, i & 1, bits);
        multiply(p, k, i & 1, bits);
        if (i == 0) store_product(k, 0);
    }
    load(p, k, 1, bits);
}

static ALWAYS_INLINE void run(const pass *p, work *k, const int bits, const int tokens)
{
    const int bf16 = p->w->scales == LULL_SCALE_BF16;
    const size_t head_step = scale_bytes(p->w);
    float *y = p->y + (size_t)p->token * p->y_stride + (size_t)p->block * LANES;
    int odd = 0;
    int32_t b, g;

    for (b = 0; b < p->blocks; b++, y += LANES) {
        const unsigned char *head =
            p->w->data + (size_t)(p->block + b) * p->w->block_bytes + (size_t)p->group * head_step;
        __m512 sum[TILE_TOKENS];
        start(sum, y, p, tokens);
        for (g = 0; g < p->groups; g++, head += head_step, odd = !odd) {
            scaling now;
            now.rows = row_scales(head, bf16);
            now.tokens = k->of_tokens + (size_t)g / 4 * FOUR_GROUPS + (size_t)g % 4 * 4;
            if (odd)
                step(p, k, sum, &now, 1, bits, tokens);
            else
                step(p, k, sum, &now, 0, bits, tokens);
        }
        finish(sum, y, p, tokens);
    }
}

static void run_q8(const pass *p, work *k)
{
    fill_pipeline(p, k, 8);
    switch ((p->tokens + 3) / 4) {
    case 1: run(p, k, 8, 4); break;
    case 2: run(p, k, 8, 8); break;
    case 3: run(p, k, 8, 12); break;
    default: run(p, k, 8, 16); break;
    }
}

static void run_q4(const pass *p, work *k)
{
    fill_pipeline(p, k, 4);
    switch ((p->tokens + 3) / 4) {
    case 1: run(p, k, 4, 4); break;
    case 2: run(p, k, 4, 8); break;
    case 3: run(p, k, 4, 12); break;
    default: run(p, k, 4, 16); break;
    }
}

/* ---- the walk: blocks outside, so that weights come from memory once, tokens inside */

/* Columns that tiles see of a group: whole units, which are zero past its end. */
static int32_t columns_of(const lull_matrix *w)
{
    return w->group_units * (w->precision == LULL_Q8 ? 4 : 8);
}

static int suits(const lull_matrix *w, int32_t n_tokens)
{
    const int32_t columns = columns_of(w);
    return n_tokens >= MIN_TOKENS && columns >= MIN_COLUMNS &&
           (columns <= TILE_COLUMNS || columns % TILE_COLUMNS == 0);
}

/* The blocks and tokens of p, a few groups at a time; the sums so far wait in y. */
static void run_groups(pass *p, work *k)
{
    const int32_t n = p->w->n_groups, fit = PASS_COLUMNS / columns_of(p->w);
    const int32_t most = fit > 1 ? fit : 1;
    for (p->group = 0; p->group < n; p->group += most) {
        p->groups = n - p->group < most ? n - p->group : most;
        gather_all(k, p);
        if (p->w->precision == LULL_Q8)
            run_q8(p, k);
        else
            run_q4(p, k);
    }
}

/* All tokens in n equal parts: the last begins early enough to be as long as the others, and what
 * it shares with the one before comes out the same twice. */
static void run_tokens(pass *p, work *k, int32_t n_tokens, int32_t n, int more_blocks)
{
    int32_t i;
    for (i = 0; i < n; i++) {
        p->token = i < n - 1 ? i * p->tokens : n_tokens - p->tokens;
        p->share0 = more_blocks ? p->slice_units * i / n : 0;
        p->share1 = more_blocks ? p->slice_units * (i + 1) / n : 0;
        run_groups(p, k);
    }
}

static void linear(const lull_matrix *w, const lull_activations *x, int32_t n_tokens, float *y,
                   size_t y_stride, int32_t block0, int32_t block1)
{
    const int32_t columns = columns_of(w), n = (n_tokens + TILE_TOKENS - 1) / TILE_TOKENS;
    const size_t fit = PASS_BYTES / w->block_bytes;
    const int32_t most = n == 1 ? block1 - block0 : fit > PASS_BLOCKS ? (int32_t)fit : PASS_BLOCKS;
    work k;
    pass p;

    memset(k.product, 0, sizeof k.product); /* rows that no token has stay so */
    p.w = w;
    p.x = x;
    p.y = y;
    p.y_stride = y_stride;
    p.tokens = (n_tokens + n - 1) / n;
    p.group_slices = columns > TILE_COLUMNS ? columns / TILE_COLUMNS : 1;
    p.slice_units = w->group_units / p.group_slices;
    p.slice_bytes = (size_t)p.slice_units * LULL_UNIT_BYTES;
    p.q_stride = x->token_stride;
    p.q_step = p.group_slices == 1 ? (size_t)x->group_stride : TILE_COLUMNS;
    configure(p.tokens, columns / p.group_slices);
    for (p.block = block0; p.block < block1; p.block += p.blocks) {
        p.blocks = block1 - p.block < most ? block1 - p.block : most;
        p.next = (size_t)p.blocks * w->block_bytes;
        run_tokens(&p, &k, n_tokens, n, p.block + p.blocks < block1);
    }
    TILES_RELEASE();
}

/* ---- the table */

static void linear_q8(const lull_matrix *w, const lull_activations *x, int32_t n_tokens, float *y,
                      size_t y_stride, int32_t block0, int32_t block1)
{
    if (suits(w, n_tokens))
        linear(w, x, n_tokens, y, y_stride, block0, block1);
    else
        lull_kernels_avx512.linear_q8(w, x, n_tokens, y, y_stride, block0, block1);
}

static void linear_q4(const lull_matrix *w, const lull_activations *x, int32_t n_tokens, float *y,
                      size_t y_stride, int32_t block0, int32_t block1)
{
    if (suits(w, n_tokens))
        linear(w, x, n_tokens, y, y_stride, block0, block1);
    else
        lull_kernels_avx512.linear_q4(w, x, n_tokens, y, y_stride, block0, block1);
}

static void linear_f32(const lull_matrix *w, const float *x, size_t x_stride, int32_t n_tokens,
                       float *y, size_t y_stride, int32_t block0, int32_t block1)
{
    lull_kernels_avx512.linear_f32(w, x, x_stride, n_tokens, y, y_stride, block0, block1);
}

static void quantize(lull_activations *xq, int32_t token, const float *x, int32_t cols)
{
    lull_kernels_avx512.quantize(xq, token, x, cols);
}

static void rmsnorm(float *y, const float *x, const float *weight, int32_t dim)
{
    lull_kernels_avx512.rmsnorm(y, x, weight, dim);
}

static double log_sum(const float *values, size_t n)
{
    return lull_kernels_avx512.log_sum(values, n);
}

static void swiglu(float *gate, const float *up, int32_t n)
{
    lull_kernels_avx512.swiglu(gate, up, n);
}

static void add(float *x, const float *y, int32_t n)
{
    lull_kernels_avx512.add(x, y, n);
}

static void attention_f32(const lull_attention *a, int32_t head0, int32_t head1)
{
    lull_kernels_avx512.attention_f32(a, head0, head1);
}

static void attention_bf16(const lull_attention *a, int32_t head0, int32_t head1)
{
    lull_kernels_avx512.attention_bf16(a, head0, head1);
}

const lull_kernels lull_kernels_amx = {
    "amx",    lull_has_amx, NULL,   NULL, linear_f32,    linear_q8,      linear_q4,
    quantize, rmsnorm,      swiglu, add,  attention_f32, attention_bf16, log_sum};
