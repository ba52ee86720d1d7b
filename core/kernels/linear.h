/* linear.h - the walk of a linear layer over blocks and tokens, the same for every instruction set.
 *
 * An including file defines first:
 *   STREAMS    blocks evaluated at once, an equal part of the range apart, so that this many
 *              sequential reads run side by side: one alone does not fill the memory bus
 *   panel_f32, panel_q8 (y, y_step, w, block, step, x, streams)
 *              the rows of `streams` (1 or STREAMS) blocks against one token x: block s is at
 *              block + s * step bytes, its 16 results go to y + s * y_step
 * Tokens are the inner loop: a panel's weights are still in the nearest cache for the next one. */
#ifndef LULL_KERNELS_LINEAR_H
#define LULL_KERNELS_LINEAR_H

#include "layers.h"

static void linear_f32(const lull_matrix *w, const float *x, size_t x_stride, int32_t n_tokens,
                       float *y, size_t y_stride, int32_t block0, int32_t block1)
{
    const size_t apart = (size_t)(block1 - block0) / STREAMS; /* blocks in a stream */
    const int32_t end = block0 + (int32_t)apart, rest = block0 + (int32_t)apart * STREAMS;
    int32_t b, t;

    for (b = block0; b < end; b++)
        for (t = 0; t < n_tokens; t++)
            panel_f32(y + (size_t)t * y_stride + (size_t)b * LANES, apart * LANES, w,
                      w->data + (size_t)b * w->block_bytes, apart * w->block_bytes,
                      x + (size_t)t * x_stride, STREAMS);
    for (b = rest; b < block1; b++)
        for (t = 0; t < n_tokens; t++)
            panel_f32(y + (size_t)t * y_stride + (size_t)b * LANES, 0, w,
                      w->data + (size_t)b * w->block_bytes, 0, x + (size_t)t * x_stride, 1);
}

static void linear_q8(const lull_matrix *w, const lull_activations *x, int32_t n_tokens, float *y,
                      size_t y_stride, int32_t block0, int32_t block1)
{
    const size_t apart = (size_t)(block1 - block0) / STREAMS; /* blocks in a stream */
    const int32_t end = block0 + (int32_t)apart, rest = block0 + (int32_t)apart * STREAMS;
    int32_t b, t;

    for (b = block0; b < end; b++)
        for (t = 0; t < n_tokens; t++) {
            const quantized token = token_of(x, t);
            panel_q8(y + (size_t)t * y_stride + (size_t)b * LANES, apart * LANES, w,
                     w->data + (size_t)b * w->block_bytes, apart * w->block_bytes, &token, STREAMS);
        }
    for (b = rest; b < block1; b++)
        for (t = 0; t < n_tokens; t++) {
            const quantized token = token_of(x, t);
            panel_q8(y + (size_t)t * y_stride + (size_t)b * LANES, 0, w,
                     w->data + (size_t)b * w->block_bytes, 0, &token, 1);
        }
}

#endif
