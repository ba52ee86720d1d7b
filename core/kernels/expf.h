/* expf.h - exp in float32 from +, -, * and bits alone, so that every machine gives the same bits.
 *
 * exp(x) = 2^n * exp(r), n = rint(x / ln 2), r = x - n ln 2 in [-0.347, 0.347]; exp(r) is its
 * Taylor series to r^7, whose next term is below 0.1 ulp.  Within 2 ulp; 0 below -87.3 (where the
 * normal numbers end), +inf above 88.7, NaN stays.  No branch, and no conversion that a NaN could
 * trap in: compilers vectorise a loop over it. */
#ifndef LULL_KERNELS_EXPF_H
#define LULL_KERNELS_EXPF_H

#include "../base.h"

static inline float lull_expf(float x)
{
    const float rounder = 12582912.0f;   /* 1.5 * 2^23: x + rounder has rint(x) in its low bits */
    const float ln2_high = 0.693359375f; /* 9 bits: n * ln2_high is exact */
    const float ln2_low = -2.12194440e-4f;
    const float t = x * 1.44269504f + rounder;
    const float n = t - rounder;
    const float r = x - n * ln2_high - n * ln2_low;
    /* 2^n in two factors of about 2^(n / 2), because 2^128 is not a float; exponents with bias. */
    const uint32_t both = lull_float_bits(t) - 0x4b400000u + 254u;
    const uint32_t first = both >> 1, second = both - first;
    float y = 1.0f / 5040;
    uint32_t low, high;

    y = y * r + 1.0f / 720;
    y = y * r + 1.0f / 120;
    y = y * r + 1.0f / 24;
    y = y * r + 1.0f / 6;
    y = y * r + 0.5f;
    y = y * r + 1.0f;
    y = y * r + 1.0f;
    y = y * lull_bits_float(first << 23) * lull_bits_float(second << 23);
    /* Chosen by masks: compilers turn ?: into branches here, and then do not vectorise. */
    low = 0u - (uint32_t)(x < -87.3f);
    high = 0u - (uint32_t)(x > 88.7f);
    return lull_bits_float((lull_float_bits(y) & ~low & ~high) | (0x7f800000u & high));
}

#endif
