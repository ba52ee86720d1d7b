/* group.h - quantising one group of weights: which scale, which integers. */
#ifndef LULL_GROUP_H
#define LULL_GROUP_H

#include "base.h"

/* How a group becomes integers: q = w * inverse, rounded half to even and kept in least..most; then
 * w is about q * scale. */
typedef struct lull_grid {
    float scale, inverse; /* inverse is 0 where every q is 0 */
    int32_t least, most;
} lull_grid;

/* The grid for n weights at LULL_Q8 or LULL_Q4.  Scales are exact in bf16 and in f16: 8 bits of
 * mantissa, none worth less than 2^-24 (beyond f16's largest number: in bf16 only).
 *   q8  the smallest such scale >= max|w| / 127
 *   q4  the scale of least squared error found, which is negative where the largest |w| is positive,
 *       because integers go from -8 to 7
 * A non-finite weight gives the scale NaN and q = 0. */
lull_grid lull_grid_choose(lull_precision precision, const float *w, size_t n);

/* The integers of n weights, which may be a part of the group. */
void lull_grid_apply(const lull_grid *grid, const float *w, size_t n, int8_t *q);

#endif
