/* lanes.h - what every file of an instruction set begins with. */
#ifndef LULL_KERNELS_LANES_H
#define LULL_KERNELS_LANES_H

#include "tables.h"

#if defined(__GNUC__)
#define ALWAYS_INLINE inline __attribute__((always_inline))
#else
#define ALWAYS_INLINE inline
#endif

/* Loops over what a panel holds in registers must be unrolled to the last. */
#if defined(__GNUC__) && __GNUC__ >= 8
#define UNROLL _Pragma("GCC unroll 16")
#else
#define UNROLL
#endif

#define LANES LULL_LANES

#endif
