/* check.h - the harness of the kernel tests: seeded numbers, guarded memory, comparison to the bit.
 *
 * A test is a function of one table of kernels; main.c runs each on every table that this machine
 * has, catches its crashes and prints one line.  Expected values come from reference.c, which says
 * each kernel's definition in the plainest way. */
#ifndef CHECK_H
#define CHECK_H

#include "kernels/kernels.h"

#include <stddef.h>
#include <stdint.h>

/* ---- numbers: the same on every machine for one seed */

void check_seed(uint64_t seed);
uint32_t check_random(void);
int32_t check_range(int32_t low, int32_t high); /* both included */
float check_float(float size);                  /* evenly in -size..size */

/* Does this round run the case?  Always natively; 1 in `of` where the machine is emulated. */
int check_chosen(int of);
extern int check_thorough;

/* Shapes of float vectors, by index; the last of them are not finite. */
enum {
    SHAPE_EVEN,     /* evenly in -1..1 */
    SHAPE_WIDE,     /* any exponent from 2^-40 to 2^40 */
    SHAPE_ZERO,     /* +0 and -0 */
    SHAPE_ONE_HOT,  /* one element is not 0 */
    SHAPE_EXTREMES, /* +1, -1, +1, ... */
    SHAPE_DENORMAL, /* below float32's normal numbers */
    SHAPE_TIES,     /* halves of 1/127: where rounding is decided */
    SHAPE_HUGE,     /* near float32's largest */
    SHAPE_NAN,      /* one NaN among even numbers */
    SHAPE_INFINITY, /* +inf and -inf among even numbers */
    N_SHAPES
};
void check_fill(float *x, size_t n, int shape);

/* ---- memory: a slot's bytes end where an unreadable page begins, and start on 64.  What the slot
 * held is gone; bytes before the start are watched. */
enum { N_SLOTS = 12 };
void *check_slot(int slot, size_t bytes);

/* ---- verdicts.  The first failure of a test is described, the others are counted. */

/* Names the case for failures and crashes; values that the format's %d take, at most 6. */
void check_case(const char *format, int a, int b, int c, int d, int e, int f);

/* Equal to the bit, any NaN equal to any NaN. */
void check_floats(const char *what, const float *found, const float *expected, size_t n);
void check_ints(const char *what, const int32_t *found, const int32_t *expected, size_t n);
void check_bytes(const char *what, const void *found, const void *expected, size_t n);
void check_true(const char *what, int condition);

/* ---- the tests (linear.c, layers.c, attention.c, setup.c) */
void test_linear_f32(const lull_kernels *k);
void test_linear_q8(const lull_kernels *k);
void test_linear_q8_tokens(const lull_kernels *k);
void test_linear_q4(const lull_kernels *k);
void test_linear_q4_tokens(const lull_kernels *k);
void test_quantize(const lull_kernels *k);
void test_rmsnorm(const lull_kernels *k);
void test_swiglu(const lull_kernels *k);
void test_log_sum(const lull_kernels *k);
void test_add(const lull_kernels *k);
void test_attention_f32(const lull_kernels *k);
void test_attention_bf16(const lull_kernels *k);
void test_environment(const lull_kernels *k);
void test_same_everywhere(const lull_kernels *k);

/* Once each, without a table (setup.c). */
void test_select(const lull_kernels *k);
void test_expf(const lull_kernels *k);
void test_packing(const lull_kernels *k);

void bench(const lull_kernels *k); /* bench.c */

#endif
