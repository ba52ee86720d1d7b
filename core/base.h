/* base.h - what every file of the core shares: error reporting, checked sizes, byte order, and the
 * few things that differ between compilers.  Anything newer than C99 as GCC 4.0 knows it sits here
 * behind one #if, and nowhere else. */
#ifndef LULL_BASE_H
#define LULL_BASE_H

#include "lull.h"

#include <float.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Every float operation must be rounded to float32.  x87 does not (use -msse2 -mfpmath=sse), nor
 * does GCC on s390x under -std=c99 (use -fexcess-precision=fast, which the Makefile does). */
#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0
#error "lull needs FLT_EVAL_METHOD 0: see the comment above"
#endif

#if defined(__GNUC__)
#define LULL_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define LULL_UNUSED            __attribute__((unused))
#else
#define LULL_PRINTF(fmt, args)
#define LULL_UNUSED
#endif

/* ---- errors (status.c) */

/* Fill error (may be NULL) and return code, so that a failure is one statement:
 *     return lull_fail(error, LULL_EFORMAT, 0, offset, "%s: n_heads is %d, expected 1..%d", ...);
 * sys is errno or 0.  Messages are cut at 255 bytes: shorten paths with lull_path_tail. */
lull_status lull_fail(lull_error *error, lull_status code, int sys, uint64_t offset,
                      const char *fmt, ...) LULL_PRINTF(5, 6);

/* The end of a path, at most 96 bytes of it, for use in messages. */
const char *lull_path_tail(const char *path);

/* Clear error (may be NULL) at the start of a public call. */
void lull_error_clear(lull_error *error);

/* ---- checked sizes: 1 = fits and *out is set, 0 = overflow.  Divide, never add first. */

static inline int lull_u64_mul(uint64_t a, uint64_t b, uint64_t *out)
{
    if (a != 0 && b > UINT64_MAX / a) return 0;
    *out = a * b;
    return 1;
}

static inline int lull_u64_add(uint64_t a, uint64_t b, uint64_t *out)
{
    if (b > UINT64_MAX - a) return 0;
    *out = a + b;
    return 1;
}

/* Does this many bytes fit the address space (half of it, so that pointer differences work)? */
static inline int lull_u64_to_size(uint64_t a, size_t *out)
{
    if (a > (uint64_t)(SIZE_MAX / 2)) return 0;
    *out = (size_t)a;
    return 1;
}

static inline size_t lull_round_up(size_t n, size_t multiple)
{
    return (n + multiple - 1) / multiple * multiple;
}

/* ---- byte order */

#if defined(__BYTE_ORDER__) && defined(__ORDER_BIG_ENDIAN__)
#define LULL_HOST_BIG_ENDIAN (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
#elif defined(__BIG_ENDIAN__) || defined(_BIG_ENDIAN)
#define LULL_HOST_BIG_ENDIAN 1
#else
#define LULL_HOST_BIG_ENDIAN 0
#endif
#define LULL_HOST_ORDER (LULL_HOST_BIG_ENDIAN ? LULL_BIG_ENDIAN : LULL_LITTLE_ENDIAN)

static inline uint32_t lull_swap32(uint32_t v)
{
    return v >> 24 | (v >> 8 & 0xff00u) | (v << 8 & 0xff0000u) | v << 24;
}

/* ---- the bits of floats */

static inline uint32_t lull_float_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static inline float lull_bits_float(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

/* bf16: the upper half of a float32. */
static inline float lull_bf16_float(uint16_t h)
{
    return lull_bits_float((uint32_t)h << 16);
}

/* Round to nearest even; NaN stays NaN. */
static inline uint16_t lull_float_bf16(float f)
{
    uint32_t u = lull_float_bits(f);
    if ((u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(u >> 16 | 0x40u);
    return (uint16_t)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}

static inline int lull_is_finite(float f)
{
    return (lull_float_bits(f) & 0x7f800000u) != 0x7f800000u;
}

/* ---- waiting for another thread in a loop: leaves the core's units to a sibling, and saves power */

static inline void lull_relax(void)
{
#if defined(__GNUC__) && (defined(__i386__) || defined(__x86_64__))
    __asm__ volatile("pause");
#elif defined(__GNUC__) && defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* ---- atomics: sequentially consistent, on int */

#if defined(__ATOMIC_SEQ_CST)
static inline int lull_atomic_add(int *p, int v) /* returns the new value */
{
    return __atomic_add_fetch(p, v, __ATOMIC_SEQ_CST);
}
static inline int lull_atomic_get(const int *p)
{
    return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}
static inline void lull_atomic_set(int *p, int v)
{
    __atomic_store_n(p, v, __ATOMIC_SEQ_CST);
}
#elif defined(__APPLE__)
#include <libkern/OSAtomic.h>
static inline int lull_atomic_add(int *p, int v)
{
    return OSAtomicAdd32Barrier(v, (int32_t *)p);
}
static inline int lull_atomic_get(const int *p)
{
    return OSAtomicAdd32Barrier(0, (int32_t *)p);
}
static inline void lull_atomic_set(int *p, int v)
{
    OSMemoryBarrier();
    *(volatile int *)p = v;
    OSMemoryBarrier();
}
#else
static inline int lull_atomic_add(int *p, int v)
{
    return __sync_add_and_fetch(p, v);
}
static inline int lull_atomic_get(const int *p)
{
    return __sync_add_and_fetch((int *)p, 0);
}
static inline void lull_atomic_set(int *p, int v)
{
    __sync_synchronize();
    *(volatile int *)p = v;
    __sync_synchronize();
}
#endif

#endif
