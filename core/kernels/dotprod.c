/* dotprod.c - 64-bit ARM with the dot product instructions (FEAT_DotProd: from Cortex-A55 and A75,
 * Neoverse N1 and Apple A13 on): sdot multiplies and adds four pairs of bytes to a lane. */
#include "lanes.h"

#include <arm_neon.h>

static ALWAYS_INLINE int32x4_t dot4(int32x4_t sum, int8x16_t w, int8x16_t v)
{
    return vdotq_s32(sum, w, v);
}

static ALWAYS_INLINE int32x4_t dot8(int32x4_t sum, int8x16_t low, int8x16_t v, int8x16_t high,
                                    int8x16_t v_high)
{
    return vdotq_s32(vdotq_s32(sum, low, v), high, v_high);
}

#include "neon.h"

const lull_kernels lull_kernels_dotprod = {
    "dotprod", lull_has_dotprod, NULL,   NULL, linear_f32,    linear_q8,      linear_q4,
    quantize,  rmsnorm,          swiglu, add,  attention_f32, attention_bf16, log_sum};
