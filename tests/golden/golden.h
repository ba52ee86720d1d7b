/* golden.h - what the files of the golden test share. */
#ifndef GOLDEN_H
#define GOLDEN_H

#include "kernels/kernels.h"
#include "lull.h"

void golden_die(const char *what, const lull_error *error);

/* FNV-1a over the bits of the floats, as numbers, so that byte order does not matter, going on from
 * h; NaN counts as one number. */
#define GOLDEN_START UINT64_C(0xcbf29ce484222325)
uint64_t golden_hash(uint64_t h, const float *logits, int32_t n);

/* Token i of text `salt`: BOS, then anything. */
int32_t golden_token(int32_t i, int32_t salt, int32_t vocab_size);

/* "any" for a quantised model; how often the kernels' float32 multiply-add rounds for others. */
const char *golden_class(lull_model *model, const lull_kernels *kernels);

/* Compare with the line of that key, or print it; counts. */
void golden_check_one(const char *model, const char *precision, const char *class, int position,
                      uint64_t hash, const char *cpu, const char *way);

/* Twenty sequences alone and in company, on all kernels.  (company.c) */
void golden_company(lull_model *model, const char *name, const char *precision);

#endif
