/* logits.h - what other files of the core use of logits.c beside lull.h. */
#ifndef LULL_LOGITS_H
#define LULL_LOGITS_H

#include "base.h"

/* Can a distribution be made of values?  EINVAL: a NaN or +INFINITY (the first is named), or
 * everything is banned. */
lull_status lull_logits_check(const float *values, size_t n, lull_error *error);

/* Largest value first, of equal ones the lowest id.  In place. */
void lull_candidates_sort(lull_candidate *list, size_t n);

#endif
