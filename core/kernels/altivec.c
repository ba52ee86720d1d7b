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
typedef __vector unsigned char uchars;

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

static ALWAYS_INLINE floats minus_zero(void)
{
    const words ones = vec_splat_u32(-1);
    return (floats)vec_sl(ones, ones); /* 1 << 31 */
}

/* ---- 16 floats, for attention.h */

#define QUERIES 1

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

typedef struct pair {
    sixteen first, second;
} pair;

/* 16 pairs of K or V at p. */
static ALWAYS_INLINE pair sixteen_pair(const unsigned char *p, const int bf16)
{
    pair kv;
    if (bf16) {
        const words half = vec_splat_u32(-16); /* a shift by 16: its low five bits count */
        const words mask = vec_sl(vec_splat_u32(-1), half);
        const words a = (words)vec_ld(0, p), b = (words)vec_ld(16, p);
        const words c = (words)vec_ld(32, p), d = (words)vec_ld(48, p);
        kv.first.a = (floats)vec_and(a, mask);
        kv.first.b = (floats)vec_and(b, mask);
        kv.first.c = (floats)vec_and(c, mask);
        kv.first.d = (floats)vec_and(d, mask);
        kv.second.a = (floats)vec_sl(a, half);
        kv.second.b = (floats)vec_sl(b, half);
        kv.second.c = (floats)vec_sl(c, half);
        kv.second.d = (floats)vec_sl(d, half);
    } else {
        kv.first = sixteen_load((const float *)(const void *)p);
        kv.second = sixteen_load((const float *)(const void *)p + LANES);
    }
    return kv;
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

static ALWAYS_INLINE sixteen sixteen_weigh(sixteen a, sixteen kv, const float *w)
{
    return sixteen_add(a, sixteen_times(kv, w));
}

#include "attention.h"
#include "panel.h"

/* ---- linear layers
 *
 * A panel is one block against up to four tokens: 16 accumulators, 4 registers of weights, a
 * register of each token's activations. */

#define NEVER_INLINE __attribute__((noinline))

#define STREAMS       1
#define BATCH_STREAMS 1
#define TOKENS        4
#define AHEAD         512 /* bytes prefetched ahead; a cache line is 32 bytes */

static ALWAYS_INLINE void prefetch(const unsigned char *p, long ahead)
{
    __asm__ volatile("dcbt %0,%1" : : "b"(p), "r"(ahead));
}

/* DO(t) for each token t of a panel; `tokens` is a constant. */
#define EACH_TOKEN(DO)                                                                             \
    do {                                                                                           \
        DO(0);                                                                                     \
        if (tokens > 1) DO(1);                                                                     \
        if (tokens > 2) DO(2);                                                                     \
        if (tokens > 3) DO(3);                                                                     \
    } while (0)

/* sum + w * v, fused. */
static ALWAYS_INLINE sixteen multiply_add(sixteen sum, sixteen w, floats v)
{
    sum.a = vec_madd(w.a, v, sum.a);
    sum.b = vec_madd(w.b, v, sum.b);
    sum.c = vec_madd(w.c, v, sum.c);
    sum.d = vec_madd(w.d, v, sum.d);
    return sum;
}

/* A token's sums so far. */
static ALWAYS_INLINE sixteen so_far(const panel *p, int t)
{
    return p->from == 0 ? sixteen_zero() : sixteen_load(p->y + (size_t)t * p->y_stride);
}

/* A panel begins at a whole number of registers of x. */
static ALWAYS_INLINE void panel_f32(const panel *p, int streams, const int tokens)
{
    const unsigned char *unit = p->block + (size_t)p->from * LULL_UNIT_BYTES;
    const size_t x_stride = tokens > 1 ? p->x_stride : 0;
    const int32_t n = p->to - p->from;
    const float *x0 = p->x + p->from, *x1 = x0 + x_stride, *x2 = x1 + x_stride, *x3 = x2 + x_stride;
    sixteen sum0, sum1, sum2, sum3;
    long at1 = 16, at2 = 32, at3 = 48, ahead0 = AHEAD, ahead1 = AHEAD + 32, at = 0;
    int32_t k;

    IN_REGISTER(at1);
    IN_REGISTER(at2);
    IN_REGISTER(at3);
    IN_REGISTER(ahead0);
    IN_REGISTER(ahead1);
#define START(t)    sum##t = so_far(p, t)
#define FOUR(t)     four##t = vec_ld(at, x##t)
#define MULTIPLY(t) sum##t = multiply_add(sum##t, w, (floats)SPLAT(four##t, column))
#define COLUMN(j)                                                                                  \
    do {                                                                                           \
        enum { column = (j) };                                                                     \
        sixteen w;                                                                                 \
        prefetch(unit, ahead0);                                                                    \
        prefetch(unit, ahead1);                                                                    \
        w.a = vec_ld(0, (const float *)(const void *)unit);                                        \
        w.b = vec_ld(at1, (const float *)(const void *)unit);                                      \
        w.c = vec_ld(at2, (const float *)(const void *)unit);                                      \
        w.d = vec_ld(at3, (const float *)(const void *)unit);                                      \
        EACH_TOKEN(MULTIPLY);                                                                      \
        unit += LULL_UNIT_BYTES;                                                                   \
        IN_REGISTER(unit);                                                                         \
    } while (0)
    EACH_TOKEN(START);
    for (k = n / 4; k > 0; k--) {
        floats four0, four1, four2, four3;
        EACH_TOKEN(FOUR);
        COLUMN(0);
        COLUMN(1);
        COLUMN(2);
        COLUMN(3);
        at += 16;
        IN_REGISTER(at);
    }
    if (n % 4 != 0) {
        floats four0, four1, four2, four3;
        EACH_TOKEN(FOUR);
        COLUMN(0);
        if (n % 4 > 1) COLUMN(1);
        if (n % 4 > 2) COLUMN(2);
    }
#undef COLUMN
#undef MULTIPLY
#undef FOUR
#undef START
#define STORE(t) sixteen_store(p->y + (t)*p->y_stride, sum##t)
    EACH_TOKEN(STORE);
#undef STORE
    (void)streams; /* always one */
}

/* ---- 8-bit and 4-bit weights */

typedef struct sixteen_sums {
    ints a, b, c, d;
} sixteen_sums;

typedef struct unit_bytes {
    uchars a, b, c, d;
} unit_bytes;

/* sum + the products of 16 rows with four columns v of one token. */
static ALWAYS_INLINE sixteen_sums multiply(sixteen_sums sum, unit_bytes w, words v)
{
    sum.a = vec_msum((chars)v, w.a, sum.a);
    sum.b = vec_msum((chars)v, w.b, sum.b);
    sum.c = vec_msum((chars)v, w.c, sum.c);
    sum.d = vec_msum((chars)v, w.d, sum.d);
    return sum;
}

static ALWAYS_INLINE unit_bytes low_nibbles(unit_bytes w)
{
    const uchars mask = vec_splat_u8(15);
    w.a = vec_and(w.a, mask);
    w.b = vec_and(w.b, mask);
    w.c = vec_and(w.c, mask);
    w.d = vec_and(w.d, mask);
    return w;
}

static ALWAYS_INLINE unit_bytes high_nibbles(unit_bytes w)
{
    const uchars four = vec_splat_u8(4);
    w.a = vec_sr(w.a, four);
    w.b = vec_sr(w.b, four);
    w.c = vec_sr(w.c, four);
    w.d = vec_sr(w.d, four);
    return w;
}

/* What the lanes of a group start at; stored for 8 bits, a sixteenth of it for 4. */
static ALWAYS_INLINE sixteen_sums start(const int32_t *offset, long at, const int bits)
{
    sixteen_sums sum;
    sum.a = vec_ld(at, offset);
    if (bits == 4) sum.a = vec_sra(sum.a, vec_splat_u32(4));
    sum.b = sum.c = sum.d = sum.a;
    return sum;
}

/* sum + float(dot) * (w * x), each step rounded. */
static ALWAYS_INLINE floats scaled(floats sum, ints dot, floats w, floats x)
{
    const floats none = minus_zero();
    return vec_add(sum, vec_madd(vec_ctf(dot, 0), vec_madd(w, x, none), none));
}

/* With several tokens the integer sums take half of the registers, and the float sums stay in y. */
static ALWAYS_INLINE void few_tokens(const panel *p, const int tokens, const int bits,
                                     const int bf16)
{
    const unsigned char *head = p->block + (size_t)p->from * (bf16 ? 32 : 64);
    const unsigned char *unit = panel_units(p);
    const size_t s_stride = p->s_stride, y_stride = p->y_stride;
    const size_t q_stride = tokens > 1 ? p->q_stride : 0;
    const int8_t *q0 = p->q, *q1 = q0 + q_stride, *q2 = q1 + q_stride, *q3 = q2 + q_stride;
    const float *scale = p->scale;
    const int32_t *offset = p->offset;
    float *y = p->y;
    const int per = bits == 8 ? 4 : 2; /* units that 16 columns are */
    const int32_t whole = p->w->group_units / per, rest = p->w->group_units % per;
    long at1 = 16, at2 = 32, at3 = 48, ahead0 = AHEAD, ahead1 = AHEAD + 32;
    long at = (long)((size_t)p->from * p->q_group), at_group = 16L * p->from;
    const halves zero = vec_splat_u16(0);
    sixteen sum = tokens == 1 ? so_far(p, 0) : sixteen_zero();
    int32_t g, k;

    IN_REGISTER(at1);
    IN_REGISTER(at2);
    IN_REGISTER(at3);
    IN_REGISTER(ahead0);
    IN_REGISTER(ahead1);
#define CLEAR(t)    sixteen_store(y + (t)*y_stride, sum)
#define START(t)    dot##t = start(offset + (t)*s_stride, at_group, bits)
#define COLUMNS(t)  columns##t = (words)vec_ld(at, q##t)
#define MULTIPLY(t) dot##t = multiply(dot##t, w, SPLAT(columns##t, word))
#define MORE(t)     dot##t = multiply(dot##t, high, SPLAT(columns##t, word + 1))
#define ADD(t)                                                                                     \
    do {                                                                                           \
        float *to = y + (t)*y_stride;                                                              \
        const floats by = vec_ld(at_group, scale + (t)*s_stride);                                  \
        vec_st(scaled(vec_ld(0, to), dot##t.a, scales.a, by), 0, to);                              \
        vec_st(scaled(vec_ld(at1, to), dot##t.b, scales.b, by), at1, to);                          \
        vec_st(scaled(vec_ld(at2, to), dot##t.c, scales.c, by), at2, to);                          \
        vec_st(scaled(vec_ld(at3, to), dot##t.d, scales.d, by), at3, to);                          \
    } while (0)
/* Word j of the 16 columns that each token's `columns` holds; with 4 bits word j + 1 too. */
#define UNIT(j)                                                                                    \
    do {                                                                                           \
        enum { word = (j) };                                                                       \
        unit_bytes w, high;                                                                        \
        prefetch(unit, ahead0);                                                                    \
        prefetch(unit, ahead1);                                                                    \
        w.a = vec_ld(0, unit);                                                                     \
        w.b = vec_ld(at1, unit);                                                                   \
        w.c = vec_ld(at2, unit);                                                                   \
        w.d = vec_ld(at3, unit);                                                                   \
        if (bits == 4) high = high_nibbles(w), w = low_nibbles(w);                                 \
        EACH_TOKEN(MULTIPLY);                                                                      \
        if (bits == 4) EACH_TOKEN(MORE);                                                           \
        unit += LULL_UNIT_BYTES;                                                                   \
        IN_REGISTER(unit);                                                                         \
    } while (0)
    if (tokens > 1 && p->from == 0) EACH_TOKEN(CLEAR);
    for (g = p->to - p->from; g > 0; g--) {
        sixteen_sums dot0, dot1, dot2, dot3;
        words columns0, columns1, columns2, columns3;
        sixteen scales;
        EACH_TOKEN(START);
        for (k = whole; k > 0; k--) {
            EACH_TOKEN(COLUMNS);
            UNIT(0);
            if (bits == 8) UNIT(1);
            UNIT(2);
            if (bits == 8) UNIT(3);
            at += 16;
            IN_REGISTER(at);
        }
        if (rest > 0) {
            EACH_TOKEN(COLUMNS);
            UNIT(0);
            if (bits == 8 && rest > 1) UNIT(1);
            if (bits == 8 && rest > 2) UNIT(2);
            at += 16;
            IN_REGISTER(at);
        }
        if (bf16) { /* the upper halves of floats */
            const halves low = (halves)vec_ld(0, head), high = (halves)vec_ld(at1, head);
            scales.a = (floats)vec_mergeh(low, zero);
            scales.b = (floats)vec_mergel(low, zero);
            scales.c = (floats)vec_mergeh(high, zero);
            scales.d = (floats)vec_mergel(high, zero);
        } else {
            scales.a = (floats)vec_ld(0, head);
            scales.b = (floats)vec_ld(at1, head);
            scales.c = (floats)vec_ld(at2, head);
            scales.d = (floats)vec_ld(at3, head);
        }
        if (tokens > 1) {
            EACH_TOKEN(ADD);
        } else {
            const floats by = vec_ld(at_group, scale);
            sum.a = scaled(sum.a, dot0.a, scales.a, by);
            sum.b = scaled(sum.b, dot0.b, scales.b, by);
            sum.c = scaled(sum.c, dot0.c, scales.c, by);
            sum.d = scaled(sum.d, dot0.d, scales.d, by);
        }
        head += bf16 ? 32 : 64;
        at_group += 16;
    }
    if (tokens == 1) sixteen_store(y, sum);
#undef UNIT
#undef ADD
#undef MORE
#undef MULTIPLY
#undef COLUMNS
#undef START
#undef CLEAR
}

/* Several tokens need more registers than a function call may leave to them: they get functions of
 * their own, which take their panel by value because its address would keep the one of linear.h,
 * and so the path of one token, out of registers. */
#define DEFINE_PANEL(name, tokens, bits)                                                           \
    static NEVER_INLINE void name(panel p)                                                         \
    {                                                                                              \
        if (p.w->scales == LULL_SCALE_BF16)                                                        \
            few_tokens(&p, tokens, bits, 1);                                                       \
        else                                                                                       \
            few_tokens(&p, tokens, bits, 0);                                                       \
    }
DEFINE_PANEL(panel_q8_2, 2, 8)
DEFINE_PANEL(panel_q8_3, 3, 8)
DEFINE_PANEL(panel_q8_4, 4, 8)
DEFINE_PANEL(panel_q4_2, 2, 4)
DEFINE_PANEL(panel_q4_3, 3, 4)
DEFINE_PANEL(panel_q4_4, 4, 4)

static ALWAYS_INLINE void panel_quantised(const panel *p, int streams, const int tokens,
                                          const int bits, const int bf16)
{
    if (tokens == 1)
        few_tokens(p, 1, bits, bf16);
    else if (tokens == 2)
        (bits == 8 ? panel_q8_2 : panel_q4_2)(*p);
    else if (tokens == 3)
        (bits == 8 ? panel_q8_3 : panel_q4_3)(*p);
    else
        (bits == 8 ? panel_q8_4 : panel_q4_4)(*p);
    (void)streams; /* always one */
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
    "altivec", lull_has_altivec, enter,  leave, linear_f32,    linear_q8,      linear_q4,
    quantize,  rmsnorm,          swiglu, add,   attention_f32, attention_bf16, log_sum};
