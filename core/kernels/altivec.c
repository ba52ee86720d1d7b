/* altivec.c - AltiVec, 32-bit big-endian PowerPC (G4, G5): a block's 16 rows are the lanes of four
 * registers.
 *
 * AltiVec multiplies floats only as a * b + c, so a product alone is a * b + (-0.0): adding +0.0
 * would turn a result of -0.0 into +0.0.  vec_ld ignores the low four bits of an address: all that
 * is loaded here is 16-byte aligned by contract. */
#include "lanes.h"

/* Apple's compiler knows the vector words itself and must not see the header. */
#if !(defined(__APPLE_CC__) && defined(__APPLE_ALTIVEC__))
#include <altivec.h>
#undef vector
#undef pixel
#undef bool
#endif

typedef __vector float floats;
typedef __vector signed int ints;
typedef __vector unsigned int words;
typedef __vector unsigned short halves;
typedef __vector signed char chars;

#define STREAMS 1
#define AHEAD   512 /* bytes prefetched ahead; a cache line is 32 bytes */

/* Keep i in a register: GCC would fold the constant, and spend an addi on every load instead of
 * using the load's own index register. */
#define IN_REGISTER(i) __asm__("" : "+b"(i))

/* Word j of v in all four lanes.  From GCC 8 on vec_splat goes through memory. */
#define SPLAT(v, j)                                                                                \
    __extension__({                                                                                \
        words splat_;                                                                              \
        __asm__("vspltw %0,%1,%2" : "=v"(splat_) : "v"(v), "i"(j));                                \
        splat_;                                                                                    \
    })

static ALWAYS_INLINE void prefetch(const unsigned char *p, long ahead)
{
    __asm__ volatile("dcbt %0,%1" : : "b"(p), "r"(ahead));
}

static ALWAYS_INLINE floats minus_zero(void)
{
    const words ones = vec_splat_u32(-1);
    return (floats)vec_sl(ones, ones); /* 1 << 31 */
}

/* ---- 16 floats, for attention (layers.h) */

typedef struct sixteen {
    floats a, b, c, d;
} sixteen;

static ALWAYS_INLINE sixteen sixteen_zero(void)
{
    sixteen s;
    s.a = s.b = s.c = s.d = (floats)vec_splat_u32(0);
    return s;
}

static ALWAYS_INLINE sixteen sixteen_load(const float *p)
{
    sixteen s;
    s.a = vec_ld(0, p);
    s.b = vec_ld(16, p);
    s.c = vec_ld(32, p);
    s.d = vec_ld(48, p);
    return s;
}

static ALWAYS_INLINE void sixteen_store(float *p, sixteen s)
{
    vec_st(s.a, 0, p);
    vec_st(s.b, 16, p);
    vec_st(s.c, 32, p);
    vec_st(s.d, 48, p);
}

/* Elements i..i+15 of K or V at p. */
static ALWAYS_INLINE sixteen sixteen_kv(const unsigned char *p, int32_t i, const int bf16)
{
    if (bf16) { /* the upper halves of floats */
        const unsigned short *half = (const unsigned short *)(const void *)p + i;
        const halves low = vec_ld(0, half), high = vec_ld(16, half), zero = vec_splat_u16(0);
        sixteen s;
        s.a = (floats)vec_mergeh(low, zero);
        s.b = (floats)vec_mergel(low, zero);
        s.c = (floats)vec_mergeh(high, zero);
        s.d = (floats)vec_mergel(high, zero);
        return s;
    }
    return sixteen_load((const float *)(const void *)p + i);
}

static ALWAYS_INLINE sixteen sixteen_add(sixteen a, sixteen b)
{
    a.a = vec_add(a.a, b.a);
    a.b = vec_add(a.b, b.b);
    a.c = vec_add(a.c, b.c);
    a.d = vec_add(a.d, b.d);
    return a;
}

static ALWAYS_INLINE sixteen sixteen_times(sixteen a, const float *p)
{
    const floats there = vec_lde(0, p); /* in the lane that its address says */
    const floats v = (floats)SPLAT(vec_perm(there, there, vec_lvsl(0, p)), 0);
    const floats none = minus_zero();
    a.a = vec_madd(a.a, v, none);
    a.b = vec_madd(a.b, v, none);
    a.c = vec_madd(a.c, v, none);
    a.d = vec_madd(a.d, v, none);
    return a;
}

static ALWAYS_INLINE sixteen sixteen_weigh(sixteen a, const unsigned char *p, int32_t i,
                                           const int bf16, const float *w)
{
    return sixteen_add(a, sixteen_times(sixteen_kv(p, i, bf16), w));
}

#include "layers.h"

/* ---- float32 weights */

static ALWAYS_INLINE void panel_f32(float *y, size_t y_step, const lull_matrix *w,
                                    const unsigned char *block, size_t step, const float *x,
                                    int streams)
{
    const float *unit = (const float *)(const void *)block;
    floats sum0 = (floats)vec_splat_s32(0), sum1 = sum0, sum2 = sum0, sum3 = sum0;
    long at1 = 16, at2 = 32, at3 = 48, ahead0 = AHEAD, ahead1 = AHEAD + 32;
    int32_t k;

    IN_REGISTER(at1);
    IN_REGISTER(at2);
    IN_REGISTER(at3);
    IN_REGISTER(ahead0);
    IN_REGISTER(ahead1);
#define COLUMN(j)                                                                                  \
    do {                                                                                           \
        const floats v = (floats)SPLAT(four, j);                                                   \
        prefetch((const unsigned char *)unit, ahead0);                                             \
        prefetch((const unsigned char *)unit, ahead1);                                             \
        sum0 = vec_madd(vec_ld(0, unit), v, sum0);                                                 \
        sum1 = vec_madd(vec_ld(at1, unit), v, sum1);                                               \
        sum2 = vec_madd(vec_ld(at2, unit), v, sum2);                                               \
        sum3 = vec_madd(vec_ld(at3, unit), v, sum3);                                               \
        unit += LANES;                                                                             \
        IN_REGISTER(unit);                                                                         \
    } while (0)
    for (k = w->cols / 4; k > 0; k--) {
        const floats four = vec_ld(0, x);
        COLUMN(0);
        COLUMN(1);
        COLUMN(2);
        COLUMN(3);
        x += 4;
    }
    if (w->cols % 4 != 0) {
        const floats four = vec_ld(0, x);
        COLUMN(0);
        if (w->cols % 4 > 1) COLUMN(1);
        if (w->cols % 4 > 2) COLUMN(2);
    }
#undef COLUMN
    vec_st(sum0, 0, y);
    vec_st(sum1, 16, y);
    vec_st(sum2, 32, y);
    vec_st(sum3, 48, y);
    (void)y_step, (void)step, (void)streams; /* always one */
}

/* ---- 8-bit weights */

/* sum + float(dot) * (w * x), each step rounded. */
static ALWAYS_INLINE floats scaled(floats sum, ints dot, floats w, floats x, floats none)
{
    return vec_add(sum, vec_madd(vec_ctf(dot, 0), vec_madd(w, x, none), none));
}

static ALWAYS_INLINE void panel_of(float *y, const lull_matrix *w, const unsigned char *head,
                                   const quantized *x, const int bf16)
{
    const floats none = minus_zero();
    const halves zero = vec_splat_u16(0);
    const unsigned char *unit = head + w->head_bytes, *q = (const unsigned char *)x->q;
    const int32_t *offset = x->offset;
    const float *scale = x->scale;
    floats sum0 = (floats)zero, sum1 = sum0, sum2 = sum0, sum3 = sum0;
    long at1 = 16, at2 = 32, at3 = 48, ahead0 = AHEAD, ahead1 = AHEAD + 32;
    const int32_t whole = w->group_units / 4, rest = w->group_units % 4;
    int32_t g, k;

    IN_REGISTER(at1);
    IN_REGISTER(at2);
    IN_REGISTER(at3);
    IN_REGISTER(ahead0);
    IN_REGISTER(ahead1);
/* Four columns: word j of the 16 that `columns` holds. */
#define UNIT(j)                                                                                    \
    do {                                                                                           \
        const chars v = (chars)SPLAT(columns, j);                                                  \
        prefetch(unit, ahead0);                                                                    \
        prefetch(unit, ahead1);                                                                    \
        dot0 = vec_msum(v, vec_ld(0, unit), dot0);                                                 \
        dot1 = vec_msum(v, vec_ld(at1, unit), dot1);                                               \
        dot2 = vec_msum(v, vec_ld(at2, unit), dot2);                                               \
        dot3 = vec_msum(v, vec_ld(at3, unit), dot3);                                               \
        unit += LULL_UNIT_BYTES;                                                                   \
        IN_REGISTER(unit);                                                                         \
    } while (0)
    for (g = w->n_groups; g > 0; g--) {
        ints dot0 = vec_ld(0, offset), dot1 = dot0, dot2 = dot0, dot3 = dot0;
        const floats by = vec_ld(0, scale);
        for (k = whole; k > 0; k--) {
            const words columns = (words)vec_ld(0, q);
            UNIT(0);
            UNIT(1);
            UNIT(2);
            UNIT(3);
            q += 16;
        }
        if (rest > 0) {
            const words columns = (words)vec_ld(0, q);
            UNIT(0);
            if (rest > 1) UNIT(1);
            if (rest > 2) UNIT(2);
            q += 16;
        }
        if (bf16) { /* the upper halves of floats */
            const halves low = (halves)vec_ld(0, head), high = (halves)vec_ld(at1, head);
            sum0 = scaled(sum0, dot0, (floats)vec_mergeh(low, zero), by, none);
            sum1 = scaled(sum1, dot1, (floats)vec_mergel(low, zero), by, none);
            sum2 = scaled(sum2, dot2, (floats)vec_mergeh(high, zero), by, none);
            sum3 = scaled(sum3, dot3, (floats)vec_mergel(high, zero), by, none);
            head += 32;
        } else {
            sum0 = scaled(sum0, dot0, (floats)vec_ld(0, head), by, none);
            sum1 = scaled(sum1, dot1, (floats)vec_ld(at1, head), by, none);
            sum2 = scaled(sum2, dot2, (floats)vec_ld(at2, head), by, none);
            sum3 = scaled(sum3, dot3, (floats)vec_ld(at3, head), by, none);
            head += 64;
        }
        offset += 4;
        scale += 4;
    }
#undef UNIT
    vec_st(sum0, 0, y);
    vec_st(sum1, 16, y);
    vec_st(sum2, 32, y);
    vec_st(sum3, 48, y);
}

static ALWAYS_INLINE void panel_q8(float *y, size_t y_step, const lull_matrix *w,
                                   const unsigned char *block, size_t step, const quantized *x,
                                   int streams)
{
    if (w->scales == LULL_SCALE_BF16)
        panel_of(y, w, block, x, 1);
    else
        panel_of(y, w, block, x, 0);
    (void)y_step, (void)step, (void)streams;
}

#include "linear.h"

/* ---- VSCR: bit NJ, set by Linux at the start of a process, flushes denormal numbers to zero. */

#define VSCR_NJ 0x10000u

typedef union vscr {
    halves vector;
    uint32_t word[4]; /* the state is the last */
} vscr;

static uint32_t enter(void)
{
    vscr state;
    uint32_t saved;
    state.vector = vec_mfvscr();
    saved = state.word[3];
    state.word[3] = saved & ~VSCR_NJ;
    vec_mtvscr(state.vector);
    return saved;
}

static void leave(uint32_t saved)
{
    vscr state;
    state.word[0] = state.word[1] = state.word[2] = 0;
    state.word[3] = saved;
    vec_mtvscr(state.vector);
}

const lull_kernels lull_kernels_altivec = {
    "altivec", lull_has_altivec, enter,  leave, linear_f32,    linear_q8,     NULL,
    quantize,  rmsnorm,          swiglu, add,   attention_f32, attention_bf16};
