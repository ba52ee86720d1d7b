/* filters.c - bans by a rule: what is kept is a function of the probabilities.  What is above or
 * below a probability is decided on the logits, by a bound rounded to float: p >= t is
 * v >= max + log(t * total), where total is the sum of exp(v - max).  See logits.h. */
#include "logits.h"
#include "fpenv.h"

/* ---- by a bound */

static void ban_under(float *values, size_t n, float low)
{
    size_t i;
    for (i = 0; i + LULL_BLOCK <= n; i += LULL_BLOCK) lull_ban_some(values + i, LULL_BLOCK, low);
    if (i < n) lull_ban_some(values + i, n - i, low);
}

/* Ban what is less probable than ratio times the most probable, which stays. */
static void ban_rarer(float *values, size_t n, float max, double ratio)
{
    const float low = (float)((double)max + lull_log(ratio));
    ban_under(values, n, low < max ? low : max);
}

void lull_logits_min_p(float *values, size_t n, float p)
{
    lull_fpenv env;
    lull_range r;
    lull_fpenv_enter(&env);
    r = lull_find_range(values, n);
    if (p > 0 && lull_is_usable(&r)) ban_rarer(values, n, r.max, (double)p);
    lull_fpenv_leave(&env);
}

void lull_logits_top_a(float *values, size_t n, double a)
{
    lull_fpenv env;
    lull_range r;
    lull_fpenv_enter(&env);
    r = lull_find_range(values, n);
    if (a > 0 && lull_is_usable(&r)) {
        const lull_scale s = lull_find_scale(n, r.max);
        /* p_max is 1 / total. */
        ban_rarer(values, n, r.max, a / lull_total_mass(values, n, &s));
    }
    lull_fpenv_leave(&env);
}

void lull_logits_epsilon(float *values, size_t n, double p)
{
    lull_fpenv env;
    lull_range r;
    lull_fpenv_enter(&env);
    r = lull_find_range(values, n);
    if (p > 0 && lull_is_usable(&r)) {
        const lull_scale s = lull_find_scale(n, r.max);
        ban_rarer(values, n, r.max, p * lull_total_mass(values, n, &s));
    }
    lull_fpenv_leave(&env);
}

/* sqrt(e) exp(-H) total = sqrt(e) exp(depth), since H = log(total) - depth. */
void lull_logits_eta(float *values, size_t n, double e)
{
    lull_fpenv env;
    lull_range r;
    lull_fpenv_enter(&env);
    r = lull_find_range(values, n);
    if (e > 0 && lull_is_usable(&r)) {
        const lull_scale s = lull_find_scale(n, r.max);
        const lull_spread d = lull_find_spread(values, n, &s);
        const double fixed = e * d.total, free = lull_exp(0.5 * lull_log(e) + d.depth);
        ban_rarer(values, n, r.max, fixed < free ? fixed : free);
    }
    lull_fpenv_leave(&env);
}

void lull_logits_top_n_sigma(float *values, size_t n, double sigmas)
{
    lull_fpenv env;
    lull_range r;
    lull_fpenv_enter(&env);
    r = lull_find_range(values, n);
    if (sigmas >= 0 && lull_is_usable(&r)) {
        const lull_moments m = lull_find_moments(values, n, r.max);
        ban_under(values, n, (float)((double)r.max - sigmas * m.deviation));
    }
    lull_fpenv_leave(&env);
}

/* ---- by rank */

void lull_logits_top_k(float *values, size_t n, size_t k)
{
    const lull_ranking by = {values, n, NULL, NULL};
    lull_cut c = {INFINITY, 0, 0};
    lull_fpenv env;
    if (k >= n) return;
    lull_fpenv_enter(&env);
    if (k > 0) c = lull_find_largest(values, n, k);
    if (c.rank > -INFINITY) lull_ban_after(values, &by, &c);
    lull_fpenv_leave(&env);
}

void lull_logits_top_p(float *values, size_t n, float p)
{
    lull_fpenv env;
    lull_range r;
    lull_fpenv_enter(&env);
    r = lull_find_range(values, n);
    if (p < 1 && lull_is_usable(&r)) {
        const lull_scale s = lull_find_scale(n, r.max);
        const lull_ranking by = {values, n, &s, NULL};
        const lull_cut c = lull_find_share(&by, r.max, (double)p);
        lull_ban_after(values, &by, &c);
    }
    lull_fpenv_leave(&env);
}

/* -log p - H = depth - (v - max): how far the logit is from the mean logit. */
void lull_logits_typical(float *values, size_t n, double p)
{
    lull_fpenv env;
    lull_range r;
    lull_fpenv_enter(&env);
    r = lull_find_range(values, n);
    if (p < 1 && lull_is_usable(&r)) {
        const lull_scale s = lull_find_scale(n, r.max);
        const float center = (float)((double)r.max + lull_find_spread(values, n, &s).depth);
        const lull_ranking by = {values, n, &s, &center};
        const lull_cut c = lull_find_share(&by, 0, p);
        lull_ban_after(values, &by, &c);
    }
    lull_fpenv_leave(&env);
}

/* ---- tail free */

/* Sort ascending: least significant digit first, 11 bits at a time, between the halves of work. */
static const uint32_t *sort_bits(uint32_t *work, size_t n)
{
    enum { DIGITS = 2048 };
    uint32_t *from = work, *to = work + n, *swap, count[DIGITS];
    unsigned shift;
    size_t i;
    for (shift = 0; shift < 32; shift += 11) {
        uint32_t sum = 0, here;
        memset(count, 0, sizeof count);
        for (i = 0; i < n; i++) count[from[i] >> shift & (DIGITS - 1)]++;
        for (i = 0; i < DIGITS; i++) {
            here = count[i];
            count[i] = sum;
            sum += here;
        }
        for (i = 0; i < n; i++) to[count[from[i] >> shift & (DIGITS - 1)]++] = from[i];
        swap = from;
        from = to;
        to = swap;
    }
    return from;
}

/* The depths below max of all that is not banned, as bits: floats that are 0 or more are in the order
 * of their bits.  Returns how many. */
static size_t list_depths(const float *values, size_t n, float max, uint32_t *out)
{
    size_t i, count = 0;
    for (i = 0; i < n; i++) {
        if (values[i] > -INFINITY) out[count++] = lull_float_bits(max - values[i]);
    }
    return count;
}

/* The masses of sorted depths i .. i + LULL_BLOCK - 1; 0 past the end. */
static void weigh_sorted(const uint32_t *sorted, size_t n, size_t i, const lull_scale *s,
                         double *mass)
{
    float v[LULL_BLOCK];
    size_t j;
    for (j = 0; j < LULL_BLOCK; j++) v[j] = i + j < n ? -lull_bits_float(sorted[i + j]) : -INFINITY;
    lull_weigh(v, s, mass);
}

/* Adds up |second differences| until the sum exceeds limit; *at is the index where it did, or n - 2.
 * Masses are multiples of one unit, so differences and sums are exact. */
static double add_curvature(const uint32_t *sorted, size_t n, const lull_scale *s, double limit,
                            size_t *at)
{
    double mass[LULL_BLOCK], before = 0, last = 0, sum = 0;
    size_t i, j;
    for (i = 0; i < n; i += LULL_BLOCK) {
        weigh_sorted(sorted, n, i, s, mass);
        for (j = 0; j < LULL_BLOCK && i + j < n; j++) {
            const double second = (before - last) - (last - mass[j]);
            before = last;
            last = mass[j];
            if (i + j < 2) continue;
            sum += second < 0 ? -second : second;
            *at = i + j - 2;
            if (sum > limit) return sum;
        }
    }
    *at = n - 2;
    return sum;
}

/* How many of the sorted are before the tail. */
static size_t find_tail(const float *values, size_t n, float max, double z, uint32_t *work)
{
    lull_scale s = lull_find_scale(n, 0); /* of depths: the masses are those of the values */
    const size_t count = list_depths(values, n, max, work);
    const uint32_t *sorted;
    double total;
    size_t at;
    if (count <= 2) return count;
    sorted = sort_bits(work, count);
    total = add_curvature(sorted, count, &s, (double)INFINITY, &at);
    add_curvature(sorted, count, &s, z * total, &at);
    if (at == count - 2) return count;
    return at > 0 ? at : 1;
}

void lull_logits_tail_free(float *values, size_t n, double z, uint32_t *work)
{
    lull_fpenv env;
    lull_range r;
    size_t keep = n;
    lull_fpenv_enter(&env);
    r = lull_find_range(values, n);
    if (z < 1 && lull_is_usable(&r)) keep = find_tail(values, n, r.max, z, work);
    lull_fpenv_leave(&env);
    lull_logits_top_k(values, n, keep);
}

/* ---- exclude top choices */

/* The number of values above bound; the lowest of them, of equal ones the first, at *least. */
static size_t find_least(const float *values, size_t n, float bound, size_t *least)
{
    float pad[LULL_BLOCK], low = INFINITY;
    size_t count = 0, i, j;
    for (i = 0; i < n; i += LULL_BLOCK) {
        const float *v = lull_block(values, n, i, pad);
        if (!lull_reaches(v, bound)) continue;
        for (j = 0; j < LULL_BLOCK; j++) {
            if (!(v[j] > bound)) continue;
            count++;
            if (v[j] >= low) continue;
            low = v[j];
            *least = i + j;
        }
    }
    return count;
}

/* Ban all values from values[least] up, without it. */
static void exclude(float *values, size_t n, size_t least)
{
    const float low = values[least];
    float pad[LULL_BLOCK];
    size_t i, j;
    for (i = 0; i < n; i += LULL_BLOCK) {
        const size_t length = lull_block_length(n, i);
        if (!lull_reaches(lull_block(values, n, i, pad), low)) continue;
        for (j = i; j < i + length; j++) {
            if (values[j] >= low && j != least) values[j] = -INFINITY;
        }
    }
}

void lull_logits_xtc(float *values, size_t n, double threshold)
{
    lull_fpenv env;
    lull_range r;
    size_t least = 0;
    lull_fpenv_enter(&env);
    r = lull_find_range(values, n);
    if (threshold > 0 && lull_is_usable(&r)) {
        const lull_scale s = lull_find_scale(n, r.max);
        const double ratio = threshold * lull_total_mass(values, n, &s);
        const float bound = (float)((double)r.max + lull_log(ratio));
        if (find_least(values, n, bound, &least) > 1) exclude(values, n, least);
    }
    lull_fpenv_leave(&env);
}
