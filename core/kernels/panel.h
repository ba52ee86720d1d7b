/* panel.h - a panel: a few blocks of a matrix against a few tokens (linear.h walks over them). */
#ifndef LULL_KERNELS_PANEL_H
#define LULL_KERNELS_PANEL_H

#include "lanes.h"

typedef struct panel {
    const lull_matrix *w;
    const unsigned char *block; /* the first; block s is s * step bytes further */
    size_t step;
    float *y; /* block s of token t goes to y + s * y_step + t * y_stride, 16 floats */
    size_t y_step, y_stride;
    const float *x; /* float32 weights: (tokens, x_stride) */
    size_t x_stride;
    const int8_t *q;       /* quantised: group g of token t is at q + t * q_stride + g * q_group */
    const float *scale;    /* its scale, four times, at scale + t * s_stride + 4 * g */
    const int32_t *offset; /* and what the lanes of 8-bit weights start at */
    size_t q_stride, q_group, s_stride;
    /* Of the columns (float32 weights) or groups, those from..to-1.  What came before them is in y
     * already; from 0 on y is written without being read. */
    int32_t from, to;
} panel;

static ALWAYS_INLINE panel panel_of_floats(const lull_matrix *w, const float *x, size_t x_stride,
                                           float *y, size_t y_stride)
{
    panel p;
    memset(&p, 0, sizeof p);
    p.w = w;
    p.x = x;
    p.x_stride = x_stride;
    p.y = y;
    p.y_stride = y_stride;
    return p;
}

static ALWAYS_INLINE panel panel_of_quantised(const lull_matrix *w, const lull_activations *x,
                                              float *y, size_t y_stride)
{
    panel p;
    memset(&p, 0, sizeof p);
    p.w = w;
    p.q = x->q;
    p.scale = x->scale;
    p.offset = x->offset;
    p.q_stride = x->token_stride;
    p.q_group = (size_t)x->group_stride;
    p.s_stride = (size_t)x->n_groups * 4;
    p.y = y;
    p.y_stride = y_stride;
    return p;
}

/* The units of the first group of a quantised panel, in its first block. */
static ALWAYS_INLINE const unsigned char *panel_units(const panel *p)
{
    return p->block + p->w->head_bytes +
           (size_t)p->from * (size_t)p->w->group_units * LULL_UNIT_BYTES;
}

/* To the n-th token further. */
static ALWAYS_INLINE void panel_advance(panel *p, size_t n)
{
    if (p->x != NULL) {
        p->x += n * p->x_stride;
    } else {
        p->q += n * p->q_stride;
        p->scale += n * p->s_stride;
        p->offset += n * p->s_stride;
    }
    p->y += n * p->y_stride;
}

#endif
