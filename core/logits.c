/* logits.c - reading a vector of logits, and changing all of its values. */
#include "logits.h"
#include "fpenv.h"

int32_t lull_logits_argmax(const float *values, size_t n)
{
    int32_t id = -1;
    lull_fpenv env;
    lull_range r;
    lull_fpenv_enter(&env);
    r = lull_find_range(values, n);
    if (r.max > -INFINITY) {
        while (values[r.at] != r.max) r.at++;
        id = (int32_t)r.at;
    }
    lull_fpenv_leave(&env);
    return id;
}

/* volatile, here and below: the arithmetic stays between entering and leaving. */
double lull_logits_logsumexp(const float *values, size_t n)
{
    volatile double result;
    lull_fpenv env;
    lull_fpenv_enter(&env);
    result = lull_log_sum(values, n);
    lull_fpenv_leave(&env);
    return result;
}

double lull_logits_logprob(const float *values, size_t n, int32_t id)
{
    volatile double result = (double)NAN;
    lull_fpenv env;
    if (id < 0 || (size_t)id >= n) return result;
    lull_fpenv_enter(&env);
    result = (double)values[id] - lull_log_sum(values, n);
    lull_fpenv_leave(&env);
    return result;
}

double lull_logits_entropy(const float *values, size_t n)
{
    volatile double result;
    lull_fpenv env;
    lull_fpenv_enter(&env);
    result = lull_find_entropy(values, n);
    lull_fpenv_leave(&env);
    return result;
}

void lull_logits_moments(const float *values, size_t n, double *mean, double *deviation)
{
    lull_moments m = {0, (double)NAN, (double)NAN};
    lull_fpenv env;
    lull_range r;
    lull_fpenv_enter(&env);
    r = lull_find_range(values, n);
    if (lull_is_usable(&r)) m = lull_find_moments(values, n, r.max);
    *mean = m.mean;
    *deviation = m.deviation;
    lull_fpenv_leave(&env);
}

/* ((1 + x) log(1 + x) + (1 - x) log(1 - x)) / 2 for x in 0..1 */
static double contrast(double x)
{
    const double z = x * x;
    double series = 0;
    int k;
    if (x >= 1) return lull_log(2);
    if (x > 0.25) return 0.5 * ((1 + x) * lull_log(1 + x) + (1 - x) * lull_log(1 - x));
    for (k = 13; k >= 1; k--) series = series * z + 1.0 / (2 * k * (2 * k - 1));
    return series * z;
}

/* With p and q at a token, m = (p + q) / 2 and x = |p - q| / (p + q), its part
 * (p log(p / m) + q log(q / m)) / 2 is m contrast(x), which nothing cancels in.  Added in the order
 * of ids. */
static double find_divergence(const float *values, const float *other, size_t n, float max,
                              float other_max)
{
    const lull_scale s = lull_find_scale(n, max), other_s = lull_find_scale(n, other_max);
    const double factor = 1 / lull_total_mass(values, n, &s);
    const double other_factor = 1 / lull_total_mass(other, n, &other_s);
    float pad[LULL_BLOCK], other_pad[LULL_BLOCK];
    double mass[LULL_BLOCK], other_mass[LULL_BLOCK], sum = 0;
    size_t i, j;
    for (i = 0; i < n; i += LULL_BLOCK) {
        lull_weigh(lull_block(values, n, i, pad), &s, mass);
        lull_weigh(lull_block(other, n, i, other_pad), &other_s, other_mass);
        for (j = 0; j < LULL_BLOCK; j++) {
            const double p = mass[j] * factor, q = other_mass[j] * other_factor;
            if (p == q) continue;
            sum += 0.5 * (p + q) * contrast((p > q ? p - q : q - p) / (p + q));
        }
    }
    return sum;
}

double lull_logits_divergence(const float *values, const float *other, size_t n)
{
    volatile double result = (double)NAN;
    lull_fpenv env;
    lull_range r, other_r;
    lull_fpenv_enter(&env);
    r = lull_find_range(values, n);
    other_r = lull_find_range(other, n);
    if (lull_is_usable(&r) && lull_is_usable(&other_r))
        result = find_divergence(values, other, n, r.max, other_r.max);
    lull_fpenv_leave(&env);
    return result;
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

double lull_logits_kl(const float *values, const float *other, size_t n)
{
    volatile double result = (double)NAN;
    lull_fpenv env;
    lull_range r, other_r;
    lull_fpenv_enter(&env);
    r = lull_find_range(values, n);
    other_r = lull_find_range(other, n);
    if (lull_is_usable(&r) && lull_is_usable(&other_r))
        result = find_kl(values, other, n, r.max, other_r.max);
    lull_fpenv_leave(&env);
    return result;
}

size_t lull_logits_support(const float *values, size_t n, int32_t *ids, size_t capacity)
{
    float pad[LULL_BLOCK];
    size_t count = 0, i, j;
    for (i = 0; i < n && count <= capacity; i += LULL_BLOCK) {
        const float *v = lull_block(values, n, i, pad);
        int any = 0;
        for (j = 0; j < LULL_BLOCK; j++) any |= v[j] != -INFINITY;
        if (!any) continue;
        for (j = 0; j < LULL_BLOCK; j++) {
            if (v[j] == -INFINITY) continue;
            if (count < capacity) ids[count] = (int32_t)(i + j);
            count++;
        }
    }
    return count <= capacity ? count : capacity + 1;
}

/* ---- changing */

/* Why a distribution cannot be made of values: a message that names the first bad one. */
lull_status lull_logits_refuse(const float *values, size_t n, const lull_range *r,
                               lull_error *error)
{
    size_t i;
    if (r->sound) return lull_fail(error, LULL_EINVAL, 0, 0, "no token is allowed");
    for (i = 0; i + 1 < n && values[i] < INFINITY; i++) {
    }
    return lull_fail(error, LULL_EINVAL, 0, 0, "logits are not finite (first at token %llu)",
                     (unsigned long long)i);
}

lull_status lull_logits_check(const float *values, size_t n, lull_error *error)
{
    const lull_range r = lull_find_range(values, n);
    return r.sound && r.max > -INFINITY ? LULL_OK : lull_logits_refuse(values, n, &r, error);
}

lull_status lull_logits_softmax(float *values, size_t n, lull_error *error)
{
    lull_status status = LULL_OK;
    lull_fpenv env;
    lull_range r;
    lull_fpenv_enter(&env);
    r = lull_find_range(values, n);
    if (r.sound && r.max > -INFINITY) {
        const lull_scale s = lull_find_scale(n, r.max);
        const double factor = 1 / lull_total_mass(values, n, &s);
        float pad[LULL_BLOCK], e[LULL_BLOCK];
        size_t i, j;
        for (i = 0; i < n; i += LULL_BLOCK) {
            const size_t length = lull_block_length(n, i);
            lull_exp_block(lull_block(values, n, i, pad), s.max, e);
            for (j = 0; j < length; j++) values[i + j] = (float)(e[j] * factor);
        }
    } else {
        status = lull_logits_refuse(values, n, &r, error);
    }
    lull_fpenv_leave(&env);
    return status;
}

/* Called with a known count for all but the last block, so that it is vectorised; a factor above 0
 * leaves the banned banned by itself. */
static inline void scale_some(float *v, size_t n, float factor, int positive)
{
    size_t j;
    for (j = 0; j < n; j++) {
        const float scaled = v[j] * factor;
        v[j] = positive || v[j] > -INFINITY ? scaled : v[j];
    }
}

void lull_logits_scale(float *values, size_t n, float factor)
{
    lull_fpenv env;
    size_t i = 0;
    lull_fpenv_enter(&env);
    if (factor > 0) {
        for (; i + LULL_BLOCK <= n; i += LULL_BLOCK) scale_some(values + i, LULL_BLOCK, factor, 1);
    } else {
        for (; i + LULL_BLOCK <= n; i += LULL_BLOCK) scale_some(values + i, LULL_BLOCK, factor, 0);
    }
    if (i < n) scale_some(values + i, n - i, factor, 0);
    lull_fpenv_leave(&env);
}

void lull_logits_temperature(float *values, size_t n, double t)
{
    volatile float factor; /* computed after entering */
    lull_fpenv env;
    if (t == 0) {
        lull_logits_top_k(values, n, 1);
        return;
    }
    lull_fpenv_enter(&env);
    factor = (float)(1.0 / t);
    lull_fpenv_leave(&env);
    if (factor != 1.0f) lull_logits_scale(values, n, factor);
}
