/* half.h - IEEE 754 half precision (f16: 1 sign, 5 exponent, 10 mantissa bits), by integers alone, so
 * that no machine's own instructions can differ. */
#ifndef LULL_HALF_H
#define LULL_HALF_H

#include "base.h"

#define LULL_F16_LARGEST 65504.0f

/* Exact; the 65,536 values include subnormals, infinities and NaNs. */
static inline float lull_f16_float(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
    uint32_t exponent = h >> 10 & 31u, mantissa = h & 0x3ffu;
    if (exponent == 31u) return lull_bits_float(sign | 0x7f800000u | mantissa << 13);
    if (exponent == 0) {
        if (mantissa == 0) return lull_bits_float(sign);
        for (exponent = 1; (mantissa & 0x400u) == 0; exponent--) mantissa <<= 1;
        mantissa &= 0x3ffu;
    }
    return lull_bits_float(sign | (exponent + 112u) << 23 | mantissa << 13);
}

/* Round to nearest even; past the largest number to infinity; NaN stays NaN. */
static inline uint16_t lull_float_f16(float f)
{
    const uint32_t u = lull_float_bits(f);
    const uint32_t sign = u >> 16 & 0x8000u, size = u & 0x7fffffffu;
    if (size > 0x7f800000u) return (uint16_t)(sign | 0x7e00u);
    if (size >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u); /* 65520 and more */
    if (size >= 0x38800000u)                                    /* 2^-14: a normal number */
        return (uint16_t)(sign | (size - 0x38000000u + 0xfffu + (size >> 13 & 1u)) >> 13);
    if (size < 0x33000000u) return (uint16_t)sign; /* below 2^-25: 0 */
    {
        const uint32_t mantissa =
            (size & 0x7fffffu) | 0x800000u;         /* in units of 2^(exponent - 150) */
        const uint32_t shift = 126u - (size >> 23); /* to units of 2^-24: 14..24 */
        const uint32_t half = (uint32_t)1 << (shift - 1), rest = mantissa & (2 * half - 1);
        const uint32_t q = mantissa >> shift;
        return (uint16_t)(sign | (q + (rest > half || (rest == half && (q & 1u)))));
    }
}

#endif
