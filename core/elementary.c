/* elementary.c - exp, log, pow, sin and cos from + - * / and the bits of doubles, so that every
 * machine returns the same bits.  Every operation is rounded once, to double (no fused
 * multiply-add, no wider registers); nothing here calls libm.
 *
 * The methods are the classic ones: reduce the argument exactly, sum a series that has converged
 * to below 2^-58 of the result, and carry what rounding loses where it would show.
 *   exp       x = k ln 2 + r, |r| <= ln 2 / 2, Taylor series
 *   log       x = 2^k m, s = (m - 1) / (m + 1), log m = 2 (s + s^3/3 + s^5/5 + ...)
 *   pow       exp(y log x), the logarithm to about 90 bits in pairs of doubles
 *   sin, cos  x mod pi/2 from 192 bits of 2/pi, in integers, at any magnitude (Payne & Hanek 1983)
 * Pairs of doubles: Dekker, "A floating-point technique for extending the available precision",
 * Numerische Mathematik 18 (1971). */
#include "base.h"
#include "fpenv.h"

#include <math.h> /* INFINITY, NAN */

/* ln 2 in two parts; the first has 32 bits, so that its product with an exponent is exact. */
static const double LN2_HIGH = 0x1.62e42feep-1, LN2_LOW = 0x1.a39ef35793c76p-33;

static uint64_t bits_of(double x)
{
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static double from_bits(uint64_t u)
{
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static double magnitude(double x)
{
    return from_bits(bits_of(x) & 0x7fffffffffffffffu);
}

static int is_negative(double x)
{
    return (int)(bits_of(x) >> 63);
}

/* 2^k for a normal result, k in -1022..1023. */
static double power_of_two(int k)
{
    return from_bits((uint64_t)(k + 1023) << 52);
}

/* x (positive, finite) = 2^*k * result, the result in [sqrt(1/2), sqrt(2)). */
static double split_exponent(double x, int *k)
{
    const uint64_t one = (uint64_t)1 << 52, sqrt_half = 0x3fe6a09e667f3bcdu;
    int bias = 0;
    uint64_t u;
    if (x < 0x1p-1022) {
        x *= 0x1p54;
        bias = 54;
    }
    /* Moved so that the exponent field changes at the square root of a half. */
    u = bits_of(x) + (0x3ff0000000000000u - sqrt_half);
    *k = (int)(u >> 52) - 1023 - bias;
    return from_bits((u & (one - 1)) + sqrt_half);
}

/* ---- pairs: a number as high + low, |low| at most half an ulp of high */

typedef struct pair {
    double high, low;
} pair;

/* a + b exactly, |a| >= |b| or a = 0. */
static pair fast_sum(double a, double b)
{
    pair s;
    s.high = a + b;
    s.low = b - (s.high - a);
    return s;
}

/* a * b exactly, by halves of 26 bits; for factors below 2^970. */
static pair product(double a, double b)
{
    const double splitter = 0x1.0000002p27;
    const double ca = splitter * a, cb = splitter * b;
    const double a1 = ca - (ca - a), b1 = cb - (cb - b);
    const double a2 = a - a1, b2 = b - b1;
    pair p;
    p.high = a * b;
    p.low = ((a1 * b1 - p.high) + a1 * b2 + a2 * b1) + a2 * b2;
    return p;
}

/* a + b, |a| >= |b| or a = 0. */
static pair pair_add(pair a, pair b)
{
    const pair s = fast_sum(a.high, b.high);
    return fast_sum(s.high, s.low + (a.low + b.low));
}

static pair pair_multiply(pair a, pair b)
{
    const pair p = product(a.high, b.high);
    return fast_sum(p.high, p.low + (a.high * b.low + a.low * b.high));
}

static pair pair_divide(pair a, pair b)
{
    const double q = a.high / b.high;
    const pair p = product(q, b.high);
    const double rest = ((a.high - p.high) - p.low) + (a.low - q * b.low);
    return fast_sum(q, rest / b.high);
}

/* ---- exp */

/* exp(x + low), |low| far below |x| or 0; x may be anything. */
static double exp_of(double x, double low)
{
    const double inv_ln2 = 0x1.71547652b82fep+0, round_shift = 0x1.8p52;
    double r, high, tail, t, y;
    int k;
    if (x != x) return (double)NAN;
    if (x > 709.8) return (double)INFINITY;
    if (x < -745.2) return 0;

    t = x * inv_ln2 + round_shift; /* rounds to an integer, half to even */
    t -= round_shift;
    k = (int)t;
    high = x - t * LN2_HIGH; /* exact */
    tail = low - t * LN2_LOW;
    r = high + tail;
    tail = (high - r) + tail;

    /* exp(r) - 1 - r, divided by r^2: 1/2! + r/3! + ... + r^11/13! */
    t = 1.0 / 6227020800.0;
    t = t * r + 1.0 / 479001600.0;
    t = t * r + 1.0 / 39916800.0;
    t = t * r + 1.0 / 3628800.0;
    t = t * r + 1.0 / 362880.0;
    t = t * r + 1.0 / 40320.0;
    t = t * r + 1.0 / 5040.0;
    t = t * r + 1.0 / 720.0;
    t = t * r + 1.0 / 120.0;
    t = t * r + 1.0 / 24.0;
    t = t * r + 1.0 / 6.0;
    t = t * r + 0.5;
    y = 1 + (r + (r * r * t + (tail + tail * r)));

    /* In two steps, as 2^k itself may overflow or be denormal; only the last can round. */
    y *= power_of_two(k / 2);
    return y * power_of_two(k - k / 2);
}

static double exp_plain(double x)
{
    return exp_of(x, 0);
}

/* ---- log */

static double log_plain(double x)
{
    double f, s, z, half_square, series;
    int k;
    if (x != x) return (double)NAN;
    if (x == 0) return (double)-INFINITY;
    if (x < 0) return (double)NAN;
    if (x > 0x1.fffffffffffffp1023) return x;

    f = split_exponent(x, &k) - 1; /* exact */
    s = f / (2 + f);
    z = s * s;
    series = 2.0 / 23;
    series = series * z + 2.0 / 21;
    series = series * z + 2.0 / 19;
    series = series * z + 2.0 / 17;
    series = series * z + 2.0 / 15;
    series = series * z + 2.0 / 13;
    series = series * z + 2.0 / 11;
    series = series * z + 2.0 / 9;
    series = series * z + 2.0 / 7;
    series = series * z + 2.0 / 5;
    series = series * z + 2.0 / 3;
    series *= z;
    /* 2 s = f - f^2/2 + s f^2/2: the first term is exact, and so carries no error of s. */
    half_square = 0.5 * f * f;
    return k * LN2_HIGH - ((half_square - (s * (half_square + series) + k * LN2_LOW)) - f);
}

/* ---- pow */

/* 2 / n as a pair, n an odd number in 1..9: the remainder of the division is exact. */
static pair two_over(double n)
{
    const double q = 2 / n;
    const pair p = product(q, n);
    return fast_sum(q, ((2 - p.high) - p.low) / n);
}

/* log(x) for x positive and finite, to about 2^-90 of itself. */
static pair log_pair(double x)
{
    int k, n;
    const double m = split_exponent(x, &k);
    pair numerator = {m - 1, 0}; /* exact */
    const pair s = pair_divide(numerator, fast_sum(m < 1 ? 1 : m, m < 1 ? m : 1));
    const pair z = pair_multiply(s, s);
    pair sum = {0, 0}, ln2 = {0, 0};
    double tail = 2.0 / 41;
    /* |z| < 0.0295: terms from z^8 on are below 2^-40 of the sum and need no second half. */
    for (n = 39; n >= 17; n -= 2) tail = tail * z.high + 2.0 / n;
    sum.high = tail;
    for (n = 15; n >= 1; n -= 2) sum = pair_add(two_over(n), pair_multiply(sum, z));
    sum = pair_multiply(sum, s);
    if (k == 0) return sum;
    ln2 = fast_sum(k * LN2_HIGH, k * LN2_LOW);
    return pair_add(ln2, sum);
}

/* 0: y is no integer; 1: odd; 2: even.  y finite. */
static int integer_kind(double y)
{
    const double a = magnitude(y);
    uint64_t i;
    if (a >= 0x1p53) return 2;
    i = (uint64_t)a;
    if ((double)i != a) return 0;
    return (i & 1) != 0 ? 1 : 2;
}

static double pow_plain(double x, double y)
{
    const double ax = magnitude(x), ay = magnitude(y);
    const double infinity = (double)INFINITY;
    double sign = 1;
    pair e;
    if (y == 0 || x == 1) return 1;
    if (x != x || y != y) return (double)NAN;
    if (ay == infinity) {
        if (ax == 1) return 1;
        return (ax > 1) == (y > 0) ? infinity : 0;
    }
    if (is_negative(x)) {
        const int kind = integer_kind(y);
        if (kind == 1) sign = -1;
        if (kind == 0 && ax != 0 && ax != infinity) return (double)NAN;
    }
    if (ax == 0 || ax == infinity) return sign * ((ax == 0) == (y < 0) ? infinity : 0);
    if (ax == 1) return sign;
    /* |log x| is at least 2^-53 and at most 746: these exponents decide, and need no product. */
    if (ay >= 0x1p64) return sign * ((ax > 1) == (y > 0) ? infinity : 0);
    if (ay < 0x1p-70) return sign;

    e = log_pair(ax);
    if (magnitude(e.high * y) < 800) {
        const pair yy = {y, 0};
        e = pair_multiply(e, yy);
    } else {
        e.high *= y;
        e.low = 0;
    }
    return sign * exp_of(e.high, e.low);
}

/* ---- sin and cos */

/* 2 / pi = 0.a2f9836e..., 64 zero bits first so that every window of 192 bits begins inside. */
static const uint32_t TWO_OVER_PI[40] = {
    0,          0,          0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0, 0xdb629599, 0x3c439041,
    0xfe5163ab, 0xdebbc561, 0xb7246e3a, 0x424dd2e0, 0x06492eea, 0x09d1921c, 0xfe1deb1c, 0xb129a73e,
    0xe88235f5, 0x2ebb4484, 0xe99c7026, 0xb45f7e41, 0x3991d639, 0x835339f4, 0x9c845f8b, 0xbdf9283b,
    0x1ff897ff, 0xde05980f, 0xef2f118b, 0x5a0a6d1f, 0x6d367ecf, 0x27cb09b7, 0x4f463f66, 0x9e5fea2d,
    0x7527bac7, 0xebe5f17b, 0x3d0739f7, 0x8a5292ea, 0x6bfb5fb1, 0x1f8d5d08, 0x56033046, 0xfc7b6bab};

/* |x| * 2/pi mod 4 in units of 2^-190, most significant word first; |x| >= 1/2, finite.
 * |x| = m * 2^e with m below 2^53: bits of 2/pi worth 4/m or more only add multiples of 4, and the
 * 192 bits after them leave an error below 2^-137. */
static void turn(double x, uint32_t out[6])
{
    const uint64_t u = bits_of(x) & 0x7fffffffffffffffu;
    const int e = (int)(u >> 52) - 1075;
    const uint64_t m = (u & 0xfffffffffffffu) | (uint64_t)1 << 52;
    const uint32_t factor[2] = {(uint32_t)m, (uint32_t)(m >> 32)};
    const unsigned first = (unsigned)(e - 2 + 64), word = first / 32, shift = first % 32;
    uint32_t window[6];
    int i, j;
    for (i = 0; i < 6; i++) {
        const uint64_t two = (uint64_t)TWO_OVER_PI[word + i] << 32 | TWO_OVER_PI[word + i + 1];
        window[i] = (uint32_t)(two << shift >> 32);
        out[i] = 0;
    }
    for (j = 0; j < 2; j++) { /* out += window * factor[j] * 2^32j, modulo 2^192 */
        uint64_t carry = 0;
        for (i = 5 - j; i >= 0; i--) {
            carry += (uint64_t)window[i + j] * factor[j] + out[i];
            out[i] = (uint32_t)carry;
            carry >>= 32;
        }
    }
}

/* x = n pi/2 + r with |r| <= pi/4; returns n mod 4.  x finite. */
static int reduce(double x, pair *r)
{
    const pair half_pi = {0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54};
    pair f = {0, 0};
    uint32_t t[6], flip;
    double unit = 0x1p-190;
    int i, n;
    if (magnitude(x) <= 0x1.921fb54442d18p-1) {
        r->high = x;
        r->low = 0;
        return 0;
    }
    turn(x, t);
    /* The nearest quarter turn, and the signed fraction: -f is as good as ~f to 2^-190. */
    n = (int)((t[0] + 0x20000000u) >> 30) & 3;
    flip = (t[0] & 0x20000000u) != 0 ? 0xffffffffu : 0;
    for (i = 5; i >= 0; i--) {
        uint32_t v = t[i] ^ flip;
        if (i == 0) v &= 0x3fffffffu;
        f = pair_add(fast_sum((double)v * unit, f.high), (pair){f.low, 0});
        unit *= 0x1p32;
    }
    if (flip != 0) {
        f.high = -f.high;
        f.low = -f.low;
    }
    *r = pair_multiply(f, half_pi);
    if (is_negative(x)) {
        r->high = -r->high;
        r->low = -r->low;
        n = -n & 3;
    }
    return n;
}

/* sin(r), |r| <= pi/4. */
static double sine_series(pair r)
{
    const double x = r.high, z = x * x;
    double t = -1.0 / 121645100408832000.0; /* 1/19! */
    t = t * z + 1.0 / 355687428096000.0;
    t = t * z - 1.0 / 1307674368000.0;
    t = t * z + 1.0 / 6227020800.0;
    t = t * z - 1.0 / 39916800.0;
    t = t * z + 1.0 / 362880.0;
    t = t * z - 1.0 / 5040.0;
    t = t * z + 1.0 / 120.0;
    t = t * z - 1.0 / 6.0;
    return x + (x * z * t + r.low * (1 - 0.5 * z));
}

/* cos(r), |r| <= pi/4. */
static double cosine_series(pair r)
{
    const double x = r.high, z = x * x, half = 0.5 * z, w = 1 - half;
    double t = -1.0 / 6402373705728000.0; /* 1/18! */
    t = t * z + 1.0 / 20922789888000.0;
    t = t * z - 1.0 / 87178291200.0;
    t = t * z + 1.0 / 479001600.0;
    t = t * z - 1.0 / 3628800.0;
    t = t * z + 1.0 / 40320.0;
    t = t * z - 1.0 / 720.0;
    t = t * z + 1.0 / 24.0;
    return w + (((1 - w) - half) + (z * z * t - x * r.low));
}

/* sin(x + quarter pi/2). */
static double sine_of(double x, int quarter)
{
    pair r;
    int n;
    double y;
    if (x != x || magnitude(x) == (double)INFINITY) return (double)NAN;
    n = reduce(x, &r) + quarter;
    y = (n & 1) != 0 ? cosine_series(r) : sine_series(r);
    return (n & 2) != 0 ? -y : y;
}

static double sin_plain(double x)
{
    return x == 0 ? x : sine_of(x, 0); /* keeps the sign of zero */
}

static double cos_plain(double x)
{
    return sine_of(x, 1);
}

/* ---- the public functions */

/* f(x) in the floating-point environment the series need.  volatile keeps the compiler from moving
 * the arithmetic out from between the two calls. */
static double in_environment(double (*f)(double), double x)
{
    volatile double v = x;
    lull_fpenv env;
    lull_fpenv_enter(&env);
    v = f(v);
    lull_fpenv_leave(&env);
    return v;
}

double lull_exp(double x)
{
    return in_environment(exp_plain, x);
}

double lull_log(double x)
{
    return in_environment(log_plain, x);
}

double lull_sin(double x)
{
    return in_environment(sin_plain, x);
}

double lull_cos(double x)
{
    return in_environment(cos_plain, x);
}

double lull_pow(double x, double y)
{
    volatile double u = x, v = y;
    lull_fpenv env;
    lull_fpenv_enter(&env);
    v = pow_plain(u, v);
    lull_fpenv_leave(&env);
    return v;
}
