/* divergence.c - how far two distributions are from each other.  See logits.h. */
#include "logits.h"
#include "fpenv.h"

/* log(y) for y in [0, 2]; something finite for 0.  Within 1e-12, without a branch: a loop over it is
 * vectorised.  y = 2^k m, m in [sqrt(1/2), sqrt(2)), and with s = (m - 1) / (m + 1)
 * log m = 2 (s + s^3/3 + s^5/5 + ...). */
static inline double quick_log(double y)
{
    const uint64_t one = (uint64_t)1 << 52, sqrt_half = 0x3fe6a09e667f3bcdu;
    uint64_t u, exponent;
    double m, k, s, z, t;
    memcpy(&u, &y, sizeof u);
    u += 0x3ff0000000000000u -
         sqrt_half; /* the exponent field changes at the square root of a half */
    exponent = u >> 52 | 0x4330000000000000u; /* 2^52 + the field, as a double */
    u = (u & (one - 1)) + sqrt_half;
    memcpy(&k, &exponent, sizeof k);
    memcpy(&m, &u, sizeof m);
    k -= 0x1p52 + 1023;
    s = (m - 1) / (m + 1);
    z = s * s;
    t = 2.0 / 15;
    t = t * z + 2.0 / 13;
    t = t * z + 2.0 / 11;
    t = t * z + 2.0 / 9;
    t = t * z + 2.0 / 7;
    t = t * z + 2.0 / 5;
    t = t * z + 2.0 / 3;
    t = t * z + 2;
    return k * 0x1.62e42fefa39efp-1 + t * s;
}

/* With p and q at a token, m = (p + q) / 2 and x = (p - q) / (p + q), its part
 * (p log(p / m) + q log(q / m)) / 2 is m ((1 + x) log(1 + x) + (1 - x) log(1 - x)) / 2.  Where both
 * are 0, so is x. */
static void weigh_difference(const double *mass, double factor, const double *other,
                             double other_factor, double *part)
{
    int j;
    for (j = 0; j < LULL_BLOCK; j++) {
        const double p = mass[j] * factor, q = other[j] * other_factor;
        const double x = (p - q) / (p + q + 0x1p-1000);
        const double y = (1 + x) * quick_log(1 + x) + (1 - x) * quick_log(1 - x);
        part[j] = 0.25 * (p + q) * y;
    }
}

static double find_divergence(const float *values, const float *other, size_t n, float max,
                              float other_max)
{
    const lull_scale s = lull_find_scale(n, max), other_s = lull_find_scale(n, other_max);
    const double factor = 1 / lull_total_mass(values, n, &s);
    const double other_factor = 1 / lull_total_mass(other, n, &other_s);
    float pad[LULL_BLOCK], other_pad[LULL_BLOCK];
    double mass[LULL_BLOCK], other_mass[LULL_BLOCK], part[LULL_BLOCK], sum = 0;
    size_t i;
    for (i = 0; i < n; i += LULL_BLOCK) {
        lull_weigh(lull_block(values, n, i, pad), &s, mass);
        lull_weigh(lull_block(other, n, i, other_pad), &other_s, other_mass);
        weigh_difference(mass, factor, other_mass, other_factor, part);
        sum += lull_sum_block(part);
    }
    return sum > 0 ? sum : 0;
}

/* exp(x) - 1 - x, not below 0, for x in -0.25..0.25 */
static double excess(double x)
{
    double series = 0;
    int k;
    for (k = 12; k >= 2; k--) series = (series * x + 1) / k;
    return series * x * x;
}

/* With p and q at a token and x = log(q / p), its part p log(p / q) - p + q is p (exp(x) - 1 - x),
 * which nothing cancels in where the two are close; the added q - p come to nothing.  Added in the
 * order of ids. */
static double find_kl(const float *values, const float *other, size_t n, float max, float other_max)
{
    const lull_scale s = lull_find_scale(n, max), other_s = lull_find_scale(n, other_max);
    const double total = lull_total_mass(values, n, &s);
    const double other_total = lull_total_mass(other, n, &other_s);
    const double shift = (max - (double)other_max) + (lull_log(total) - lull_log(other_total));
    float pad[LULL_BLOCK], other_pad[LULL_BLOCK];
    double mass[LULL_BLOCK], other_mass[LULL_BLOCK], sum = 0;
    size_t i, j;
    for (i = 0; i < n; i += LULL_BLOCK) {
        const float *v = lull_block(values, n, i, pad), *o = lull_block(other, n, i, other_pad);
        lull_weigh(v, &s, mass);
        lull_weigh(o, &other_s, other_mass);
        for (j = 0; j < LULL_BLOCK; j++) {
            const double p = mass[j] / total, q = other_mass[j] / other_total;
            const double x = p > 0 ? (double)o[j] - (double)v[j] + shift : 0;
            sum += p > 0 && x >= -0.25 && x <= 0.25 ? p * excess(x) : q - p - p * x;
        }
    }
    return sum > 0 ? sum : 0;
}

/* One of the two above, where both are distributions; else NaN. */
static double measure(const float *values, const float *other, size_t n,
                      double (*find)(const float *, const float *, size_t, float, float))
{
    volatile double result = (double)NAN;
    lull_fpenv env;
    lull_range r, other_r;
    lull_fpenv_enter(&env);
    r = lull_find_range(values, n);
    other_r = lull_find_range(other, n);
    if (lull_is_usable(&r) && lull_is_usable(&other_r))
        result = find(values, other, n, r.max, other_r.max);
    lull_fpenv_leave(&env);
    return result;
}

double lull_logits_divergence(const float *values, const float *other, size_t n)
{
    return measure(values, other, n, find_divergence);
}

double lull_logits_kl(const float *values, const float *other, size_t n)
{
    return measure(values, other, n, find_kl);
}
