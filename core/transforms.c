/* transforms.c - new values for all tokens: curves over the logits, a second vector added, a watermark.
 * Banned tokens stay banned.  See logits.h. */
#include "logits.h"
#include "fpenv.h"

/* ---- curves */

static inline void smooth_some(float *v, size_t n, float max, float square, float cube)
{
    size_t j;
    for (j = 0; j < n; j++) {
        const float d = v[j] - max, bent = d * d * (cube * d - square) + max;
        v[j] = v[j] > -INFINITY ? bent : v[j];
    }
}

void lull_logits_smooth(float *values, size_t n, double factor, double curve)
{
    lull_fpenv env;
    lull_range r;
    lull_fpenv_enter(&env);
    r = lull_find_range(values, n);
    if (factor > 0 && lull_is_usable(&r)) {
        const float square = (float)((3 - curve) / 2 * factor);
        const float cube = (float)((curve - 1) / 2 * factor);
        size_t i;
        for (i = 0; i + LULL_BLOCK <= n; i += LULL_BLOCK)
            smooth_some(values + i, LULL_BLOCK, r.max, square, cube);
        if (i < n) smooth_some(values + i, n - i, r.max, square, cube);
    }
    lull_fpenv_leave(&env);
}

static size_t count_allowed(const float *values, size_t n)
{
    float pad[LULL_BLOCK];
    size_t count = 0, i;
    for (i = 0; i < n; i += LULL_BLOCK) {
        const float *v = lull_block(values, n, i, pad);
        int allowed = 0, j;
        for (j = 0; j < LULL_BLOCK; j++) allowed += v[j] > -INFINITY;
        count += (size_t)allowed;
    }
    return count;
}

static double temperature_of(const float *values, size_t n, double low, double high,
                             double exponent)
{
    const double entropy = lull_find_entropy(values, n);
    const double most = lull_log((double)count_allowed(values, n));
    double evenness, t;
    if (entropy != entropy) return entropy;
    evenness = entropy < most ? entropy / most : most > 0;
    t = low + (high - low) * lull_pow(evenness > 0 ? evenness : 0, exponent);
    return t < 1e-6 ? 0 : t;
}

double lull_logits_dynamic_temperature(float *values, size_t n, double low, double high,
                                       double exponent)
{
    volatile double t;
    lull_fpenv env;
    lull_fpenv_enter(&env);
    t = temperature_of(values, n, low, high, exponent);
    lull_fpenv_leave(&env);
    if (t >= 0) lull_logits_temperature(values, n, t);
    return t;
}

void lull_logits_toward(float *values, size_t n, double target)
{
    lull_fpenv env;
    lull_range r;
    lull_fpenv_enter(&env);
    r = lull_find_range(values, n);
    if (lull_is_usable(&r)) {
        const lull_scale s = lull_find_scale(n, r.max);
        const float factor = (float)(1 / lull_total_mass(values, n, &s)), goal = (float)target;
        float pad[LULL_BLOCK], e[LULL_BLOCK], bent[LULL_BLOCK];
        size_t i, j;
        for (i = 0; i < n; i += LULL_BLOCK) {
            const float *v = lull_block(values, n, i, pad);
            lull_exp_block(v, s.max, e);
            for (j = 0; j < LULL_BLOCK; j++) {
                const float off = e[j] * factor - goal;
                const float d = (off < 0 ? -off : off) * (float)(1 / 0.3);
                const float y = 5.0f - 10.0f * (d * d / (1.0f + d));
                bent[j] = v[j] > -INFINITY ? y : v[j];
            }
            memcpy(values + i, bent, lull_block_length(n, i) * sizeof *bent);
        }
    }
    lull_fpenv_leave(&env);
}

static inline void subtract_some(float *v, size_t n, double log_sum)
{
    size_t j;
    for (j = 0; j < n; j++) v[j] = (float)((double)v[j] - log_sum);
}

lull_status lull_logits_log_softmax(float *values, size_t n, lull_error *error)
{
    lull_status status = LULL_OK;
    lull_fpenv env;
    lull_range r;
    lull_fpenv_enter(&env);
    r = lull_find_range(values, n);
    if (lull_is_usable(&r)) {
        const double log_sum = lull_log_sum(values, n);
        size_t i;
        for (i = 0; i + LULL_BLOCK <= n; i += LULL_BLOCK)
            subtract_some(values + i, LULL_BLOCK, log_sum);
        if (i < n) subtract_some(values + i, n - i, log_sum);
    } else {
        status = lull_logits_refuse(values, n, &r, error);
    }
    lull_fpenv_leave(&env);
    return status;
}

/* ---- another vector */

/* spared is what a value in other must not be: -INFINITY, or no number at all. */
static inline void add_some(float *v, const float *other, size_t n, double a, float spared)
{
    size_t j;
    for (j = 0; j < n; j++) {
        const float sum = (float)((double)v[j] + a * (double)other[j]);
        v[j] = (v[j] == -INFINITY) | (other[j] == spared) ? v[j] : sum;
    }
}

void lull_logits_add_scaled(float *values, const float *other, size_t n, double a)
{
    const float spared = a < 0 ? -INFINITY : NAN;
    lull_fpenv env;
    size_t i;
    lull_fpenv_enter(&env);
    if (a != 0) {
        for (i = 0; i + LULL_BLOCK <= n; i += LULL_BLOCK)
            add_some(values + i, other + i, LULL_BLOCK, a, spared);
        if (i < n) add_some(values + i, other + i, n - i, a, spared);
    }
    lull_fpenv_leave(&env);
}

/* ---- a watermark */

/* Wellons's lowbias32 (2018): every bit of the result depends on every bit of x. */
static inline uint32_t mix(uint32_t x)
{
    x = (x ^ x >> 16) * 0x7feb352du;
    x = (x ^ x >> 15) * 0x846ca68bu;
    return x ^ x >> 16;
}

/* The top 24 bits of a hash of key and id. */
static inline uint32_t shade(uint32_t low, uint32_t high, uint32_t id)
{
    return mix(mix(id ^ low) + high) >> 8;
}

/* Shades below it are green. */
static uint32_t green_limit(double gamma)
{
    const double limit = gamma * 0x1p24;
    return limit > 0 ? limit < 0x1p24 ? (uint32_t)limit : (uint32_t)1 << 24 : 0;
}

typedef struct watermark {
    uint32_t low, high; /* the key */
    uint32_t limit;
    float delta;
} watermark;

int lull_green(uint64_t key, int32_t id, double gamma)
{
    return shade((uint32_t)key, (uint32_t)(key >> 32), (uint32_t)id) < green_limit(gamma);
}

/* Chosen by masks: a branch for each token would be a coin toss. */
static inline void green_some(float *v, const uint32_t *ids, size_t n, const watermark *w)
{
    const uint32_t low = w->low, high = w->high, limit = w->limit;
    const uint32_t delta = lull_float_bits(w->delta);
    size_t j;
    for (j = 0; j < n; j++) {
        const uint32_t green = 0u - (uint32_t)(shade(low, high, ids[j]) < limit);
        v[j] += lull_bits_float(delta & green);
    }
}

void lull_logits_green(float *values, const int32_t *ids, size_t n, uint64_t key, double gamma,
                       double delta)
{
    const watermark w = {(uint32_t)key, (uint32_t)(key >> 32), green_limit(gamma), (float)delta};
    uint32_t block[LULL_BLOCK];
    lull_fpenv env;
    size_t i, j;
    lull_fpenv_enter(&env);
    for (i = 0; i < n; i += LULL_BLOCK) {
        const size_t length = lull_block_length(n, i);
        for (j = 0; j < length; j++)
            block[j] = (uint32_t)(ids != NULL ? ids[i + j] : (int32_t)(i + j));
        if (length == LULL_BLOCK)
            green_some(values + i, block, LULL_BLOCK, &w);
        else
            green_some(values + i, block, length, &w);
    }
    lull_fpenv_leave(&env);
}
