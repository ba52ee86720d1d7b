/* lanes.h - what every file of an instruction set begins with. */
#ifndef LULL_KERNELS_LANES_H
#define LULL_KERNELS_LANES_H

#include "tables.h"

#if defined(__GNUC__)
#define ALWAYS_INLINE inline __attribute__((always_inline))
#else
#define ALWAYS_INLINE inline
#endif

#define LANES LULL_LANES

#endif
