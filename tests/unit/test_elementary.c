/* test_elementary.c - exp, log, pow, sin, cos: within 2 ulp of the long double functions of libm,
 * the special values of C99, and the same bits on every machine (a hash of 200,000 results). */
#include "lull.h"

#include <fenv.h>
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LIMIT           2.0L
#define EXPECTED_DIGEST 0x1b1c78fc9ebac4efu /* of every_machine_gives_the_same_bits */

/* xorshift64; the same numbers everywhere. */
static uint64_t state;

static uint64_t next_bits(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static double uniform(double low, double high)
{
    return low + (double)(next_bits() >> 11) * 0x1p-53 * (high - low);
}

static double any_double(void)
{
    const uint64_t u = next_bits();
    double d;
    memcpy(&d, &u, sizeof d);
    return d;
}

/* |got - want| in units of the last place of want as a double. */
static long double error_of(double got, long double want)
{
    const double rounded = (double)want;
    int exponent;
    if (got != got || rounded != rounded) return got != got && rounded != rounded ? 0 : HUGE_VALL;
    if (isinf(got) || isinf(rounded)) return got == rounded ? 0 : HUGE_VALL;
    frexp(rounded, &exponent);
    if (rounded == 0 || exponent < -1021) exponent = -1021;
    return fabsl(got - want) / ldexpl(1, exponent - 53);
}

static void check(const char *name, double x, double got, long double want)
{
    const long double error = error_of(got, want);
    if (error > LIMIT) fail_msg("%s(%a) = %a, %Lg ulp from %La", name, x, got, error, want);
}

static void check_pow(double x, double y)
{
    const double got = lull_pow(x, y);
    const long double want = powl(x, y), error = error_of(got, want);
    if (error > LIMIT) fail_msg("pow(%a, %a) = %a, %Lg ulp from %La", x, y, got, error, want);
}

static void exp_and_log_are_close(void **unused)
{
    int i;
    (void)unused;
    state = 1;
    for (i = 0; i < 20000; i++) {
        const double wide = uniform(-745.5, 710), narrow = uniform(-1, 1), any = any_double();
        const double positive = fabs(any), near_one = uniform(0.5, 2), nearer = 1 + narrow * 1e-6;
        check("exp", wide, lull_exp(wide), expl(wide));
        check("exp", narrow, lull_exp(narrow), expl(narrow));
        check("exp", any, lull_exp(any), expl(any));
        check("log", positive, lull_log(positive), logl(positive));
        check("log", near_one, lull_log(near_one), logl(near_one));
        check("log", nearer, lull_log(nearer), logl(nearer));
    }
}

static void sin_and_cos_are_close(void **unused)
{
    int i;
    (void)unused;
    state = 2;
    for (i = 0; i < 20000; i++) {
        const double x[4] = {uniform(-4, 4), uniform(-1e5, 1e5), any_double(),
                             floor(uniform(0, 1e7)) * 1.5707963267948966};
        int k;
        for (k = 0; k < 4; k++) {
            check("sin", x[k], lull_sin(x[k]), sinl(x[k]));
            check("cos", x[k], lull_cos(x[k]), cosl(x[k]));
        }
    }
}

/* 6381956970095103 * 2^797 is the double nearest to a multiple of pi/2 (Muller, "Elementary
 * Functions", chapter 11): its cosine is -4.687165924254624e-19. */
static void sin_and_cos_survive_the_worst_argument(void **unused)
{
    const double x = ldexp(6381956970095103.0, 797);
    (void)unused;
    assert_true(fabs(lull_cos(x) / -4.687165924254624e-19 - 1) < 1e-15);
    assert_true(fabs(lull_sin(x)) == 1);
    assert_true(lull_sin(DBL_MAX) == 0.004961954789184062);
    assert_true(lull_cos(DBL_MAX) == -0.9999876894265599);
}

/* The frequencies and angles of RoPE. */
static void rope_is_close(void **unused)
{
    int dims, i, position;
    (void)unused;
    for (dims = 2; dims <= 128; dims *= 2) {
        for (i = 0; i < dims; i += 2) check_pow(10000, -(double)i / dims);
    }
    for (position = 0; position < 131072; position += 17) {
        const double angle = position * lull_pow(10000, -2.0 / 64);
        check("sin", angle, lull_sin(angle), sinl(angle));
        check("cos", angle, lull_cos(angle), cosl(angle));
    }
}

static void pow_is_close(void **unused)
{
    int i;
    (void)unused;
    state = 3;
    for (i = 0; i < 20000; i++) {
        check_pow(uniform(0, 10), uniform(-300, 300));
        check_pow(1 + uniform(-0x1p-20, 0x1p-20), uniform(-0x1p29, 0x1p29));
        check_pow(fabs(any_double()), uniform(-1.1, 1.1));
        check_pow(fabs(any_double()), any_double());
        check_pow(floor(uniform(-20, 20)), floor(uniform(-20, 20)));
    }
}

static void integer_powers_are_exact(void **unused)
{
    int base, n;
    (void)unused;
    for (base = -199; base < 200; base++) {
        double p = 1;
        for (n = 0; n < 60 && fabs(p) < 0x1p53; n++, p *= base) {
            if (lull_pow(base, n) != p) fail_msg("pow(%d, %d)", base, n);
        }
    }
}

/* ---- special values: as libm's, the sign of zero included */

static const double special[] = {0.0,    -0.0,       1,         -1,         2,         -2,
                                 3,      -3,         0.5,       -0.5,       -7,        0.1,
                                 1e300,  -1e300,     0x1p-1074, -0x1p-1074, 1e-320,    0x1p-1022,
                                 0x1p53, 0x1p53 + 2, 709.78,    710,        -745.13,   -745.14,
                                 -800,   DBL_MAX,    -DBL_MAX,  INFINITY,   -INFINITY, NAN};
#define SPECIALS (sizeof special / sizeof special[0])

static void check_special(const char *name, double x, double y, double got, double want)
{
    if (got != got && want != want) return;
    if (error_of(got, want) > LIMIT || !signbit(got) != !signbit(want)) {
        fail_msg("%s(%g, %g) = %g, expected %g", name, x, y, got, want);
    }
}

static void special_values_are_those_of_c99(void **unused)
{
    size_t i, j;
    (void)unused;
    for (i = 0; i < SPECIALS; i++) {
        const double x = special[i];
        check_special("exp", x, 0, lull_exp(x), exp(x));
        check_special("log", x, 0, lull_log(x), log(x));
        check_special("sin", x, 0, lull_sin(x), sin(x));
        check_special("cos", x, 0, lull_cos(x), cos(x));
        for (j = 0; j < SPECIALS; j++) {
            check_special("pow", x, special[j], lull_pow(x, special[j]), pow(x, special[j]));
        }
    }
}

/* ---- the same bits everywhere */

static uint64_t digest;

static void add(double d)
{
    uint64_t u;
    int i;
    memcpy(&u, &d, sizeof u);
    if (d != d) u = 0x7ff8000000000000u;
    for (i = 0; i < 8; i++) digest = (digest ^ (u >> 8 * i & 255)) * 1099511628211u;
}

static void every_machine_gives_the_same_bits(void **unused)
{
    int i;
    (void)unused;
    state = 88172645463325252u;
    digest = 14695981039346656037u;
    for (i = 0; i < 20000; i++) {
        const double x = any_double(), u = uniform(0, 1), y = any_double();
        add(lull_exp(u * 1500 - 750));
        add(lull_exp(x));
        add(lull_log(x));
        add(lull_log(u));
        add(lull_sin(x));
        add(lull_cos(x));
        add(lull_sin(u * 2e5));
        add(lull_cos(u * 8));
        add(lull_pow(u * 20, u * 60 - 30));
        add(lull_pow(x, y));
    }
    assert_true(digest == EXPECTED_DIGEST);
}

/* A host's rounding mode neither changes a result nor is changed. */
static void rounding_mode_does_not_matter(void **unused)
{
    static const int modes[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    int i;
    (void)unused;
    state = 4;
    for (i = 0; i < 300; i++) {
        const double x = uniform(-40, 40), y = uniform(0, 3);
        const double want[5] = {lull_exp(x), lull_log(y), lull_pow(y, x), lull_sin(x), lull_cos(x)};
        double got[5];
        int mode;
        assert_int_equal(fesetround(modes[i % 3]), 0);
        got[0] = lull_exp(x);
        got[1] = lull_log(y);
        got[2] = lull_pow(y, x);
        got[3] = lull_sin(x);
        got[4] = lull_cos(x);
        mode = fegetround();
        fesetround(FE_TONEAREST);
        assert_int_equal(mode, modes[i % 3]);
        assert_memory_equal(got, want, sizeof want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exp_and_log_are_close),
        cmocka_unit_test(sin_and_cos_are_close),
        cmocka_unit_test(sin_and_cos_survive_the_worst_argument),
        cmocka_unit_test(rope_is_close),
        cmocka_unit_test(pow_is_close),
        cmocka_unit_test(integer_powers_are_exact),
        cmocka_unit_test(special_values_are_those_of_c99),
        cmocka_unit_test(every_machine_gives_the_same_bits),
        cmocka_unit_test(rounding_mode_does_not_matter),
    };
    return cmocka_run_group_tests_name("elementary", tests, NULL, NULL);
}
