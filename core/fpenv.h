/* fpenv.h - the scalar floating-point environment the arithmetic needs: round to nearest, denormals
 * kept.  Hosts change it (FTZ/DAZ, rounding modes); every computing entry point saves, sets and
 * restores it.  Vector units with a state of their own are handled by their kernel file. */
#ifndef LULL_FPENV_H
#define LULL_FPENV_H

#include <stdint.h>

typedef struct lull_fpenv {
    uint64_t saved;
} lull_fpenv;

void lull_fpenv_enter(lull_fpenv *env);
void lull_fpenv_leave(const lull_fpenv *env);

#endif
