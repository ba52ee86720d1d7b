/* linear.h - the walk of a linear layer over blocks and tokens, the same for every instruction set.
 *
 * A panel is a few blocks of 16 rows against a few tokens: its weights are loaded once and used for
 * all its tokens.  An including file defines first:
 *   STREAMS        blocks of a panel of one token, an equal part of the range apart, so that this
 *                  many sequential reads run side by side: one alone does not fill the memory bus
 *   BATCH_STREAMS  blocks of a panel of several tokens
 *   TOKENS         most tokens of a panel: 1 or 4
 *   panel_f32(p, streams, tokens)
 *   panel_quantised(p, streams, tokens, bits, bf16)
 *                  one panel; all but p are constants wherever these are called, so that what
 *                  depends on them is decided by the compiler; bits of a weight: 8 or 4; bf16 or
 *                  float32 scales
 * Tokens are the inner loop: a panel's weights are still in the nearest cache for the next ones, and
 * come from memory once a step.  Where there are many tokens, a panel is cut along its columns for
 * that, and the sums so far wait in y. */
#ifndef LULL_KERNELS_LINEAR_H
#define LULL_KERNELS_LINEAR_H

#include "panel.h"

static ALWAYS_INLINE void panel_q8(const panel *p, const int streams, const int tokens)
{
    if (p->w->scales == LULL_SCALE_BF16)
        panel_quantised(p, streams, tokens, 8, 1);
    else
        panel_quantised(p, streams, tokens, 8, 0);
}

static ALWAYS_INLINE void panel_q4(const panel *p, const int streams, const int tokens)
{
    if (p->w->scales == LULL_SCALE_BF16)
        panel_quantised(p, streams, tokens, 4, 1);
    else
        panel_quantised(p, streams, tokens, 4, 0);
}

/* A function that runs panels of one kind, of `streams` blocks: STREAMS for a single token,
 * BATCH_STREAMS for some of several, or 1 for the blocks that are left. */
#if TOKENS >= 4
#define BY_TOKENS(panel_kind, p, streams, tokens)                                                  \
    switch (tokens) {                                                                              \
    case 1: panel_kind(p, streams, 1); break;                                                      \
    case 2: panel_kind(p, streams, 2); break;                                                      \
    case 3: panel_kind(p, streams, 3); break;                                                      \
    default: panel_kind(p, streams, 4); break;                                                     \
    }
#else
#define BY_TOKENS(panel_kind, p, streams, tokens) panel_kind(p, streams, 1);
#endif

#define DEFINE_RUN(name, panel_kind)                                                               \
    static void name(const panel *p, int streams, int32_t tokens)                                  \
    {                                                                                              \
        if (streams == 1)                                                                          \
            BY_TOKENS(panel_kind, p, 1, tokens)                                                    \
        else if (streams == BATCH_STREAMS)                                                         \
            BY_TOKENS(panel_kind, p, BATCH_STREAMS, tokens)                                        \
        else                                                                                       \
            panel_kind(p, STREAMS, 1);                                                             \
        (void)tokens;                                                                              \
    }

/* NOLINTBEGIN(bugprone-branch-clone): the same where a machine has one kind of panel only */
DEFINE_RUN(run_f32, panel_f32)
DEFINE_RUN(run_q8, panel_q8)
DEFINE_RUN(run_q4, panel_q4)
/* NOLINTEND(bugprone-branch-clone) */

typedef void (*run_panel)(const panel *p, int streams, int32_t tokens);

/* Of weights that stay in the nearest cache beside the rest; a power of two, so that float32 panels
 * begin at a whole number of registers of x. */
#define NEAR_BYTES 16384

/* `streams` blocks from b on, `apart` blocks apart, against all tokens; steps are columns or groups, of
 * step_bytes each. */
static void run_blocks(const panel *all, run_panel run, int streams, int32_t b, size_t apart,
                       int32_t n_tokens, int32_t steps, size_t step_bytes)
{
    const size_t fit = NEAR_BYTES / (step_bytes * (size_t)streams);
    const int32_t most = n_tokens <= TOKENS ? steps : fit > 1 ? (int32_t)fit : 1;
    int32_t t, from;
    for (from = 0; from < steps; from += most) {
        panel p = *all;
        p.block = p.w->data + (size_t)b * p.w->block_bytes;
        p.step = apart * p.w->block_bytes;
        p.y += (size_t)b * LANES;
        p.y_step = apart * LANES;
        p.from = from;
        p.to = steps - from < most ? steps : from + most;
        for (t = 0; t < n_tokens; t += TOKENS) {
            run(&p, streams, n_tokens - t < TOKENS ? n_tokens - t : TOKENS);
            panel_advance(&p, TOKENS);
        }
    }
}

static void walk(const panel *p, run_panel run, int32_t n_tokens, int32_t block0, int32_t block1,
                 int32_t steps, size_t step_bytes)
{
    const int streams = n_tokens == 1 ? STREAMS : BATCH_STREAMS; /* NOLINT(bugprone-branch-clone) */
    const int32_t apart = (block1 - block0) / streams;           /* blocks in a stream */
    const int32_t end = block0 + apart, rest = block0 + apart * streams;
    int32_t b;
    for (b = block0; b < end; b++)
        run_blocks(p, run, streams, b, (size_t)apart, n_tokens, steps, step_bytes);
    for (b = rest; b < block1; b++) run_blocks(p, run, 1, b, 0, n_tokens, steps, step_bytes);
}

static void linear_f32(const lull_matrix *w, const float *x, size_t x_stride, int32_t n_tokens,
                       float *y, size_t y_stride, int32_t block0, int32_t block1)
{
    const panel p = panel_of_floats(w, x, x_stride, y, y_stride);
    walk(&p, run_f32, n_tokens, block0, block1, w->cols, LULL_UNIT_BYTES);
}

static void linear_q8(const lull_matrix *w, const lull_activations *x, int32_t n_tokens, float *y,
                      size_t y_stride, int32_t block0, int32_t block1)
{
    const panel p = panel_of_quantised(w, x, y, y_stride);
    walk(&p, run_q8, n_tokens, block0, block1, w->n_groups,
         (size_t)w->group_units * LULL_UNIT_BYTES);
}

static void linear_q4(const lull_matrix *w, const lull_activations *x, int32_t n_tokens, float *y,
                      size_t y_stride, int32_t block0, int32_t block1)
{
    const panel p = panel_of_quantised(w, x, y, y_stride);
    walk(&p, run_q4, n_tokens, block0, block1, w->n_groups,
         (size_t)w->group_units * LULL_UNIT_BYTES);
}

#endif
