/* fpenv.c - one small block per architecture, because libc's fenv.h cannot clear flush-to-zero
 * everywhere, and on old PowerPC costs more than it must. */
#include "fpenv.h"

#if defined(__x86_64__) || defined(__SSE2__)

/* MXCSR: all exceptions masked, round to nearest, FTZ (bit 15) and DAZ (bit 6) off. */
#define MXCSR_DEFAULT 0x1f80u

static inline void set_mxcsr(uint32_t v)
{
    __asm__ volatile("ldmxcsr %0" : : "m"(v) : "memory");
}

void lull_fpenv_enter(lull_fpenv *env)
{
    uint32_t v;
    __asm__ volatile("stmxcsr %0" : "=m"(v) : : "memory");
    env->saved = v;
    /* Writing is slower than reading; the sticky exception flags (low 6 bits) do not matter. */
    if ((v & ~0x3fu) != MXCSR_DEFAULT) set_mxcsr(MXCSR_DEFAULT);
}

void lull_fpenv_leave(const lull_fpenv *env)
{
    if ((env->saved & ~(uint64_t)0x3f) != MXCSR_DEFAULT) set_mxcsr((uint32_t)env->saved);
}

#elif defined(__powerpc__) || defined(__ppc__) || defined(__POWERPC__)

/* FPSCR as the bits of a double: rounding mode (RN, bits 30-31) and NI (bit 29) zero, exceptions
 * disabled. */
static inline double get_fpscr(void)
{
    double v;
    __asm__ volatile("mffs %0" : "=f"(v));
    return v;
}

static inline void set_fpscr(double v)
{
    __asm__ volatile("mtfsf 255,%0" : : "f"(v));
}

void lull_fpenv_enter(lull_fpenv *env)
{
    union {
        double d;
        uint64_t u;
    } bits;
    bits.d = get_fpscr();
    env->saved = bits.u;
    bits.u = 0;
    set_fpscr(bits.d);
}

void lull_fpenv_leave(const lull_fpenv *env)
{
    union {
        double d;
        uint64_t u;
    } bits;
    bits.u = env->saved;
    set_fpscr(bits.d);
}

#elif defined(__aarch64__)

/* FPCR: FZ (bit 24) and rounding mode (bits 22-23) zero. */
void lull_fpenv_enter(lull_fpenv *env)
{
    uint64_t v;
    __asm__ volatile("mrs %0, fpcr" : "=r"(v));
    env->saved = v;
    if (v != 0) __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)0));
}

void lull_fpenv_leave(const lull_fpenv *env)
{
    if (env->saved != 0) __asm__ volatile("msr fpcr, %0" : : "r"(env->saved));
}

#else

#include <fenv.h>

void lull_fpenv_enter(lull_fpenv *env)
{
    env->saved = (uint64_t)fegetround();
    if (env->saved != FE_TONEAREST) fesetround(FE_TONEAREST);
}

void lull_fpenv_leave(const lull_fpenv *env)
{
    if (env->saved != FE_TONEAREST) fesetround((int)env->saved);
}

#endif
