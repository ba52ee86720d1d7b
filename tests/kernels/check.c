/* check.c - seeded numbers, guarded memory and verdicts; see check.h. */
#define _DEFAULT_SOURCE 1 /* MAP_ANONYMOUS */ /* NOLINT(bugprone-reserved-identifier) */

#include "verdict.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

verdict check_verdict;
int check_thorough;

/* ---- numbers */

static uint64_t state;

void check_seed(uint64_t seed)
{
    state = seed;
}

uint32_t check_random(void) /* splitmix64 */
{
    uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((z ^ (z >> 31)) >> 32);
}

int32_t check_range(int32_t low, int32_t high)
{
    return low + (int32_t)(check_random() % (uint32_t)(high - low + 1));
}

float check_float(float size)
{
    return (float)check_range(-0x7fffff, 0x7fffff) * (1.0f / 0x800000) * size;
}

int check_chosen(int of)
{
    return check_thorough || check_random() % (uint32_t)of == 0;
}

static float any_exponent(void)
{
    const uint32_t exponent = 127u - 40u + check_random() % 81u;
    return lull_bits_float((check_random() & 0x807fffffu) | exponent << 23);
}

static float element(size_t i, size_t special, int shape)
{
    switch (shape) {
    case SHAPE_WIDE: return any_exponent();
    case SHAPE_ZERO: return lull_bits_float(check_random() & 0x80000000u);
    case SHAPE_ONE_HOT: return i == special ? check_float(3.0f) : 0.0f;
    case SHAPE_EXTREMES: return i & 1 ? -1.0f : 1.0f;
    case SHAPE_DENORMAL: return lull_bits_float(check_random() & 0x807fffffu);
    case SHAPE_TIES: return i == 0 ? 127.0f : (float)check_range(-254, 254) * 0.5f;
    case SHAPE_HUGE: return check_float(3.4e38f);
    case SHAPE_NAN: return i == special ? lull_bits_float(0x7fc00000u) : check_float(1.0f);
    case SHAPE_INFINITY:
        if (i == special) return lull_bits_float(0x7f800000u);
        return i == special / 2 ? lull_bits_float(0xff800000u) : check_float(1.0f);
    default: return check_float(1.0f);
    }
}

void check_fill(float *x, size_t n, int shape)
{
    const size_t special = n > 0 ? check_random() % n : 0;
    size_t i;
    for (i = 0; i < n; i++) x[i] = element(i, special, shape);
}

/* ---- memory */

#define SLOT_BYTES ((size_t)4 << 20)
#define WATCHED    64 /* bytes before a slot's start */
#define WATCH      0xc3

static struct {
    unsigned char *base, *start;
} slots[N_SLOTS];

static void die(const char *what)
{
    perror(what);
    exit(2);
}

static void look_before(int slot)
{
    const unsigned char *p = slots[slot].start;
    int i;
    for (i = 1; p != NULL && i <= WATCHED; i++)
        if (p[-i] != WATCH) {
            check_true("nothing written before a buffer", 0);
            return;
        }
}

void check_slots(void)
{
    int i;
    for (i = 0; i < N_SLOTS; i++) {
        look_before(i);
        slots[i].start = NULL;
    }
}

void *check_slot(int slot, size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char *base = slots[slot].base;

    bytes = lull_round_up(bytes, 64);
    if (bytes + WATCHED > SLOT_BYTES) die("a slot is too small");
    if (base == NULL) {
        base = mmap(NULL, SLOT_BYTES + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                    -1, 0);
        if (base == MAP_FAILED) die("mmap");
        if (mprotect(base + SLOT_BYTES, page, PROT_NONE) != 0) die("mprotect");
        slots[slot].base = base;
    }
    look_before(slot);
    slots[slot].start = base + SLOT_BYTES - bytes;
    memset(slots[slot].start - WATCHED, WATCH, WATCHED);
    memset(slots[slot].start, 0x7f, bytes); /* as float32 and bf16 a large number; never 0 */
    return slots[slot].start;
}

/* ---- verdicts */

void check_case(const char *format, int a, int b, int c, int d, int e, int f)
{
    verdict *v = &check_verdict;
    v->format = format;
    v->value[0] = a, v->value[1] = b, v->value[2] = c;
    v->value[3] = d, v->value[4] = e, v->value[5] = f;
    v->cases++;
}

void check_describe(char *out, size_t size)
{
    const int *n = check_verdict.value;
    snprintf(out, size, check_verdict.format != NULL ? check_verdict.format : "before any case",
             n[0], n[1], n[2], n[3], n[4], n[5]);
}

static void failed(const char *what, const char *detail)
{
    char where[200];
    if (check_verdict.failures++ > 0) return;
    check_describe(where, sizeof where);
    printf("    %s: %s %s\n", where, what, detail);
}

static int same(float a, float b)
{
    return lull_float_bits(a) == lull_float_bits(b) || (a != a && b != b);
}

void check_floats(const char *what, const float *found, const float *expected, size_t n)
{
    char detail[120];
    size_t i;
    for (i = 0; i < n; i++) {
        if (same(found[i], expected[i])) continue;
        snprintf(detail, sizeof detail, "[%lu] is %.9g (%08lx), expected %.9g (%08lx)",
                 (unsigned long)i, (double)found[i], (unsigned long)lull_float_bits(found[i]),
                 (double)expected[i], (unsigned long)lull_float_bits(expected[i]));
        failed(what, detail);
        return;
    }
}

void check_ints(const char *what, const int32_t *found, const int32_t *expected, size_t n)
{
    char detail[120];
    size_t i;
    for (i = 0; i < n; i++) {
        if (found[i] == expected[i]) continue;
        snprintf(detail, sizeof detail, "[%lu] is %ld, expected %ld", (unsigned long)i,
                 (long)found[i], (long)expected[i]);
        failed(what, detail);
        return;
    }
}

void check_bytes(const char *what, const void *found, const void *expected, size_t n)
{
    const signed char *a = found, *b = expected;
    char detail[120];
    size_t i;
    for (i = 0; i < n; i++) {
        if (a[i] == b[i]) continue;
        snprintf(detail, sizeof detail, "[%lu] is %d, expected %d", (unsigned long)i, a[i], b[i]);
        failed(what, detail);
        return;
    }
}

void check_true(const char *what, int condition)
{
    if (!condition) failed(what, "does not hold");
}
