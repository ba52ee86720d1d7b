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

size_t lull_logits_support(const float *values, size_t n, int32_t *ids, size_t capacity)
{
    float pad[LULL_BLOCK];
    size_t count = 0, i, j;
    for (i = 0; i < n && count <= capacity; i += LULL_BLOCK) {
        const float *v = lull_block(values, n, i, pad);
        uint32_t any = 0;
        for (j = 0; j < LULL_BLOCK; j++) any |= LULL_MASK(v[j] != -INFINITY);
        if (any == 0) continue;
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
