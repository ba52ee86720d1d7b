/* rng.h - the counter-based generator under lull_random. */
#ifndef LULL_RNG_H
#define LULL_RNG_H

#include "base.h"

/* Philox4x32-10 (Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3",
 * SC 2011): 128 random bits that depend on counter (4) and key (2) alone. */
void lull_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

#endif
