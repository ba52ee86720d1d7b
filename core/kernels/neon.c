/* neon.c - any 64-bit ARM: bytes are multiplied to 16 bits, which hold two products and no more:
 * 2 * 128 * 127 < 2^15. */
#include "lanes.h"

#include <arm_neon.h>

/* The pairs of 16 products, in order, added to four lanes. */
static ALWAYS_INLINE int32x4_t add_pairs(int32x4_t sum, int16x8_t low, int16x8_t high)
{
    return vpadalq_s16(sum, vpaddq_s16(low, high));
}

static ALWAYS_INLINE int32x4_t dot4(int32x4_t sum, int8x16_t w, int8x16_t v)
{
    return add_pairs(sum, vmull_s8(vget_low_s8(w), vget_low_s8(v)), vmull_high_s8(w, v));
}

/* Two products of at most 15 * 127 in each 16 bits, and four after vpaddq. */
static ALWAYS_INLINE int32x4_t dot8(int32x4_t sum, int8x16_t low, int8x16_t v, int8x16_t high,
                                    int8x16_t v_high)
{
    const int16x8_t first = vmull_s8(vget_low_s8(low), vget_low_s8(v));
    const int16x8_t second = vmull_high_s8(low, v);
    return add_pairs(sum, vmlal_s8(first, vget_low_s8(high), vget_low_s8(v_high)),
                     vmlal_high_s8(second, high, v_high));
}

#include "neon.h"

const lull_kernels lull_kernels_neon = {
    "neon",   lull_has_neon, NULL,   NULL, linear_f32,    linear_q8,      linear_q4,
    quantize, rmsnorm,       swiglu, add,  attention_f32, attention_bf16, log_sum};
