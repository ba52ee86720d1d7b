/* logits.c - primitives on one vector of logits.
 *
 * Mass.  The weight of a token is m = exp(v - max), rounded to a multiple of a unit so coarse that
 * the sum of n of them is exact in a double: 2^-52 times n rounded up to a power of two (2^-37 for
 * 32,000 tokens, so the whole vocabulary's rounding stays below the 24 bits a draw has).  Exact sums
 * have no order, so loops may run in lanes, histograms may add in any order, and "the shortest
 * prefix of the sorted tokens whose mass reaches p" is found without sorting, on every machine the
 * same.
 *
 * Order.  Values are compared as numbers (-0 equals 0), equal ones by id, the lower first.  A NaN is
 * in no range and so is never chosen; what bans leaves it in place, so that drawing reports it.
 *
 * Everything works on blocks of 64 values, loops of known length that compilers vectorise; blocks
 * in which nothing matters are passed over. */
#include "logits.h"
#include "fpenv.h"
#include "kernels/expf.h"

#include <math.h> /* INFINITY, NAN */

#define BLOCK       64
#define BINS        1024 /* 8 KB of doubles on the stack */
#define BOUND_LANES 256
#define CHUNKS      512
#define DEEPEST     88.0f /* below max - 88 the mass is 0 */

/* BLOCK values from index i on; the last block is copied to pad and filled up with banned ones. */
static const float *block_at(const float *values, size_t n, size_t i, float *pad)
{
    size_t j;
    if (n - i >= BLOCK) return values + i;
    for (j = 0; j < BLOCK; j++) pad[j] = j < n - i ? values[i + j] : -INFINITY;
    return pad;
}

static size_t block_length(size_t n, size_t i)
{
    return n - i < BLOCK ? n - i : BLOCK;
}

/* Is any of the block's values >= low? */
static int reaches(const float *v, float low)
{
    int any = 0, j;
    for (j = 0; j < BLOCK; j++) any |= v[j] >= low;
    return any;
}

/* ---- the range of the values */

typedef struct range {
    float max, min; /* of what is not banned; max is -INFINITY where everything is */
    int sound;      /* neither a NaN nor +INFINITY among them */
} range;

static range find_range(const float *values, size_t n)
{
    float pad[BLOCK], max[16], min[16];
    int odd[16], j;
    size_t i;
    range r;
    for (j = 0; j < 16; j++) {
        max[j] = -INFINITY;
        min[j] = INFINITY;
        odd[j] = 0;
    }
    for (i = 0; i < n; i += BLOCK) {
        const float *v = block_at(values, n, i, pad);
        int k;
        for (k = 0; k < BLOCK; k += 16) {
            for (j = 0; j < 16; j++) {
                const float x = v[k + j], above = x > -INFINITY ? x : INFINITY;
                max[j] = x > max[j] ? x : max[j];
                min[j] = above < min[j] ? above : min[j];
                odd[j] |= !(x < INFINITY);
            }
        }
    }
    r.max = max[0];
    r.min = min[0];
    r.sound = !odd[0];
    for (j = 1; j < 16; j++) {
        if (max[j] > r.max) r.max = max[j];
        if (min[j] < r.min) r.min = min[j];
        r.sound &= !odd[j];
    }
    return r;
}

/* ---- masses */

typedef struct scale {
    float max;
    double grid; /* adding and subtracting it rounds to a multiple of the unit */
} scale;

static scale find_scale(size_t n, float max)
{
    scale s = {0, 1};
    size_t m;
    for (m = 1; m < n && m <= SIZE_MAX / 2; m *= 2) s.grid *= 2;
    s.max = max;
    return s;
}

/* exp(v - max) of a block. */
static void exp_block(const float *v, float max, float *e)
{
    int j;
    for (j = 0; j < BLOCK; j++) e[j] = lull_expf(v[j] - max);
}

/* The masses of a block. */
static void weigh(const float *v, const scale *s, double *mass)
{
    const double grid = s->grid;
    float e[BLOCK];
    int j;
    exp_block(v, s->max, e);
    for (j = 0; j < BLOCK; j++) mass[j] = ((double)e[j] + grid) - grid;
}

static double sum_block(const double *mass)
{
    double lane[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    int i, j;
    for (i = 0; i < BLOCK; i += 8) {
        for (j = 0; j < 8; j++) lane[j] += mass[i + j];
    }
    return ((lane[0] + lane[1]) + (lane[2] + lane[3])) +
           ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

/* The masses of values from..to-1 (from a multiple of BLOCK) together. */
static double sum_mass(const float *values, size_t from, size_t to, const scale *s)
{
    float pad[BLOCK];
    double mass[BLOCK], total = 0;
    size_t i;
    for (i = from; i < to; i += BLOCK) {
        const float *v = block_at(values, to, i, pad);
        if (!reaches(v, s->max - DEEPEST)) continue;
        weigh(v, s, mass);
        total += sum_block(mass);
    }
    return total;
}

static double total_mass(const float *values, size_t n, const scale *s)
{
    return sum_mass(values, 0, n, s);
}

/* The logarithm of the sum, in the environment of the caller. */
static double log_sum(const float *values, size_t n)
{
    const range r = find_range(values, n);
    scale s;
    if (!r.sound) return (double)NAN;
    if (r.max == -INFINITY) return (double)-INFINITY;
    s = find_scale(n, r.max);
    return (double)r.max + lull_log(total_mass(values, n, &s));
}

/* ---- selection: the value at which a descending sum of weights reaches what is needed */

/* Integers in the order of the floats; -0 is 0. */
static uint32_t key_of(float x)
{
    const uint32_t u = lull_float_bits(x);
    if (u == 0x80000000u) return 0x80000000u;
    return (u & 0x80000000u) != 0 ? ~u : u | 0x80000000u;
}

static float key_value(uint32_t key)
{
    return lull_bits_float((key & 0x80000000u) != 0 ? key & 0x7fffffffu : ~key);
}

/* Add the weights of all values in low..high to the bins of their keys: masses, or 1 each where s is
 * NULL. */
static void fill_bins(const float *values, size_t n, const scale *s, uint32_t low, uint32_t high,
                      unsigned shift, double *bins)
{
    const float from = key_value(low), to = key_value(high);
    float pad[BLOCK], inside[BLOCK];
    double weight[BLOCK];
    size_t i;
    for (i = 0; i < BLOCK; i++) weight[i] = 1;
    for (i = 0; i < BLOCK; i++) inside[i] = from;
    for (i = 0; i < n; i += BLOCK) {
        const float *v = block_at(values, n, i, pad);
        int count = 0, j;
        if (!reaches(v, from)) continue;
        for (j = 0; j < BLOCK; j++) {
            inside[count] = v[j];
            count += v[j] >= from && v[j] <= to;
        }
        if (s != NULL) weigh(inside, s, weight);
        for (j = 0; j < count; j++) bins[(key_of(inside[j]) - low) >> shift] += weight[j];
    }
}

typedef struct cut {
    float value;  /* the largest value with which the sum of all from the top reaches the need */
    double above; /* the sum of all above it */
} cut;

/* Only values in low..high are looked at.  Each pass narrows the range 1024-fold; where the sum
 * of all does not reach the need, the cut is at low. */
static cut find_cut(const float *values, size_t n, const scale *s, float low, float high,
                    double need)
{
    uint32_t first = key_of(low), last = key_of(high);
    double bins[BINS];
    cut c = {0, 0};
    while (first < last) {
        unsigned shift = 0;
        uint32_t b;
        while ((last - first) >> shift >= BINS) shift++;
        for (b = 0; b < BINS; b++) bins[b] = 0;
        fill_bins(values, n, s, first, last, shift, bins);
        for (b = (last - first) >> shift; b > 0 && c.above + bins[b] < need; b--)
            c.above += bins[b];
        first += b << shift;
        if (last - first >= (uint32_t)1 << shift) last = first + ((uint32_t)1 << shift) - 1;
        if (last == 0x7fffffffu) last--; /* the key of -0, which no value has: it would let 0 in */
    }
    c.value = key_value(first);
    return c;
}

/* Ban what is below the cut, and of the values at the cut those after the need is met; weight is
 * theirs each. */
static void ban_below(float *values, size_t n, cut c, double weight, double need)
{
    double sum = c.above;
    size_t i, j;
    for (i = 0; i < n; i += BLOCK) {
        const size_t length = block_length(n, i);
        float *v = values + i;
        int ties = 0;
        if (length == BLOCK) {
            for (j = 0; j < BLOCK; j++) {
                ties |= v[j] == c.value;
                v[j] = v[j] < c.value ? -INFINITY : v[j];
            }
            if (!ties) continue;
        }
        for (j = 0; j < length; j++) {
            if (v[j] == c.value && sum < need)
                sum += weight;
            else if (v[j] <= c.value)
                v[j] = -INFINITY;
        }
    }
}

/* A value that at least k of the values reach, quickly: of 256 disjoint sets of values, the k-th
 * largest of the sets' maxima.  low where that says nothing. */
static float find_bound(const float *values, size_t n, float low, float high, size_t k)
{
    float lane[BOUND_LANES];
    size_t i, j;
    if (k > BOUND_LANES || n < (size_t)4 * BOUND_LANES) return low;
    for (j = 0; j < BOUND_LANES; j++) lane[j] = values[j];
    for (i = BOUND_LANES; i + BOUND_LANES <= n; i += BOUND_LANES) {
        for (j = 0; j < BOUND_LANES; j++) {
            lane[j] = values[i + j] > lane[j] ? values[i + j] : lane[j];
        }
    }
    return find_cut(lane, BOUND_LANES, NULL, low, high, (double)k).value;
}

/* The cut above which, with ties, the k largest are. */
static cut find_largest(const float *values, size_t n, const range *r, size_t k)
{
    const float low = find_bound(values, n, r->min, r->max, k);
    return find_cut(values, n, NULL, low, r->max, (double)k);
}

/* ---- public: reading */

/* The first id whose value is the largest one, max. */
static int32_t find_first(const float *values, size_t n, float max)
{
    float pad[BLOCK];
    size_t i, j;
    for (i = 0; i < n; i += BLOCK) {
        const float *v = block_at(values, n, i, pad);
        if (!reaches(v, max)) continue;
        for (j = 0; v[j] != max; j++) {
        }
        return (int32_t)(i + j);
    }
    return -1;
}

int32_t lull_logits_argmax(const float *values, size_t n)
{
    int32_t id = -1;
    lull_fpenv env;
    range r;
    lull_fpenv_enter(&env);
    r = find_range(values, n);
    if (r.max > -INFINITY) id = find_first(values, n, r.max);
    lull_fpenv_leave(&env);
    return id;
}

/* volatile, here and below: the arithmetic stays between entering and leaving. */
double lull_logits_logsumexp(const float *values, size_t n)
{
    volatile double result;
    lull_fpenv env;
    lull_fpenv_enter(&env);
    result = log_sum(values, n);
    lull_fpenv_leave(&env);
    return result;
}

double lull_logits_logprob(const float *values, size_t n, int32_t id)
{
    volatile double result = (double)NAN;
    lull_fpenv env;
    if (id < 0 || (size_t)id >= n) return result;
    lull_fpenv_enter(&env);
    result = (double)values[id] - log_sum(values, n);
    lull_fpenv_leave(&env);
    return result;
}

/* log(sum m) - sum(m * (v - max)) / sum m.  The second sum is not exact and has a fixed order: 16
 * lanes, lane j takes i = j mod 16 ascending. */
static double find_entropy(const float *values, size_t n)
{
    const range r = find_range(values, n);
    float pad[BLOCK];
    double lane[16], mass[BLOCK], total, sum = 0;
    scale s;
    size_t i;
    int j, k;
    if (!r.sound || r.max == -INFINITY) return (double)NAN;
    s = find_scale(n, r.max);
    total = total_mass(values, n, &s);
    for (j = 0; j < 16; j++) lane[j] = 0;
    for (i = 0; i < n; i += BLOCK) {
        const float *v = block_at(values, n, i, pad);
        weigh(v, &s, mass);
        for (k = 0; k < BLOCK; k += 16) {
            for (j = 0; j < 16; j++) {
                const float depth = v[k + j] - s.max;
                lane[j] += mass[k + j] * (double)(depth > -DEEPEST ? depth : -DEEPEST);
            }
        }
    }
    for (j = 0; j < 16; j++) sum += lane[j];
    return lull_log(total) - sum / total;
}

double lull_logits_entropy(const float *values, size_t n)
{
    volatile double result;
    lull_fpenv env;
    lull_fpenv_enter(&env);
    result = find_entropy(values, n);
    lull_fpenv_leave(&env);
    return result;
}

/* ---- public: changing */

/* Why a distribution cannot be made of values: a message that names the first bad one. */
static lull_status refuse(const float *values, size_t n, const range *r, lull_error *error)
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
    const range r = find_range(values, n);
    return r.sound && r.max > -INFINITY ? LULL_OK : refuse(values, n, &r, error);
}

lull_status lull_logits_softmax(float *values, size_t n, lull_error *error)
{
    lull_status status = LULL_OK;
    lull_fpenv env;
    range r;
    lull_fpenv_enter(&env);
    r = find_range(values, n);
    if (r.sound && r.max > -INFINITY) {
        const scale s = find_scale(n, r.max);
        const double factor = 1 / total_mass(values, n, &s);
        float pad[BLOCK], e[BLOCK];
        size_t i, j;
        for (i = 0; i < n; i += BLOCK) {
            const size_t length = block_length(n, i);
            exp_block(block_at(values, n, i, pad), s.max, e);
            for (j = 0; j < length; j++) values[i + j] = (float)(e[j] * factor);
        }
    } else {
        status = refuse(values, n, &r, error);
    }
    lull_fpenv_leave(&env);
    return status;
}

/* Called with a known count for all but the last block, so that it is vectorised. */
static inline void scale_some(float *v, size_t n, float factor)
{
    size_t j;
    for (j = 0; j < n; j++) {
        const float scaled = v[j] * factor;
        v[j] = v[j] > -INFINITY ? scaled : v[j];
    }
}

void lull_logits_scale(float *values, size_t n, float factor)
{
    lull_fpenv env;
    size_t i;
    lull_fpenv_enter(&env);
    for (i = 0; i + BLOCK <= n; i += BLOCK) scale_some(values + i, BLOCK, factor);
    if (i < n) scale_some(values + i, n - i, factor);
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

void lull_logits_top_k(float *values, size_t n, size_t k)
{
    lull_fpenv env;
    range r;
    if (k >= n) return;
    lull_fpenv_enter(&env);
    r = find_range(values, n);
    if (r.max > -INFINITY) {
        const cut c = k > 0 ? find_largest(values, n, &r, k) : (cut){r.max, 0};
        ban_below(values, n, c, 1, (double)k);
    }
    lull_fpenv_leave(&env);
}

/* No cut that keeps the share p of the total can be below this: all values under it together have
 * no more than the rest, (1 - p) * total.  (The margin is for the rounding of exp.) */
static float lowest_cut(const range *r, size_t n, double p, double total)
{
    const double rest = (1 - (p > 0 ? p : 0)) * total / (double)n;
    const float low = (float)((double)r->max + lull_log(rest) - 0.01);
    return low > r->min ? low : r->min;
}

void lull_logits_top_p(float *values, size_t n, float p)
{
    lull_fpenv env;
    range r;
    lull_fpenv_enter(&env);
    r = find_range(values, n);
    if (p < 1 && r.sound && r.max > -INFINITY) {
        const scale s = find_scale(n, r.max);
        const double total = total_mass(values, n, &s), share = (double)p * total;
        const double need = share > 0 ? share : 1; /* the most probable has mass 1: it stays */
        const float low = lowest_cut(&r, n, (double)p, total);
        const cut c = find_cut(values, n, &s, low < r.max ? low : r.max, r.max, need);
        const double weight = ((double)lull_expf(c.value - s.max) + s.grid) - s.grid;
        ban_below(values, n, c, weight, need);
    }
    lull_fpenv_leave(&env);
}

static inline void ban_some(float *v, size_t n, float low)
{
    size_t j;
    for (j = 0; j < n; j++) v[j] = v[j] < low ? -INFINITY : v[j];
}

void lull_logits_min_p(float *values, size_t n, float p)
{
    lull_fpenv env;
    range r;
    lull_fpenv_enter(&env);
    r = find_range(values, n);
    if (p > 0 && r.sound && r.max > -INFINITY) {
        const float bound = (float)((double)r.max + lull_log((double)p));
        const float low = bound < r.max ? bound : r.max;
        size_t i;
        for (i = 0; i + BLOCK <= n; i += BLOCK) ban_some(values + i, BLOCK, low);
        if (i < n) ban_some(values + i, n - i, low);
    }
    lull_fpenv_leave(&env);
}

/* ---- public: choosing */

/* Does a come after b in the list of candidates? */
static int after(const lull_candidate *a, const lull_candidate *b)
{
    return a->value < b->value || (a->value == b->value && a->id > b->id);
}

/* Let the candidate at i sink in the heap of n whose top is the last in order. */
static void sink(lull_candidate *heap, size_t n, size_t i)
{
    const lull_candidate x = heap[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= n) break;
        if (child + 1 < n && after(&heap[child + 1], &heap[child])) child++;
        if (!after(&heap[child], &x)) break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = x;
}

void lull_candidates_sort(lull_candidate *list, size_t n)
{
    size_t i;
    for (i = n / 2; i > 0; i--) sink(list, n, i - 1);
    for (i = n; i > 1; i--) {
        const lull_candidate last = list[0];
        list[0] = list[i - 1];
        list[i - 1] = last;
        sink(list, i - 1, 0);
    }
}

/* The k largest into out, by id; returns how many. */
static size_t collect(const float *values, size_t n, const range *r, size_t k, lull_candidate *out)
{
    const cut c = find_largest(values, n, r, k);
    size_t count = 0, above = (size_t)c.above, i, j;
    float pad[BLOCK];
    for (i = 0; i < n && count < k; i += BLOCK) {
        const float *v = block_at(values, n, i, pad);
        const size_t length = block_length(n, i);
        if (!reaches(v, c.value)) continue;
        for (j = 0; j < length; j++) {
            if (!(v[j] >= c.value) || v[j] == -INFINITY) continue;
            if (v[j] == c.value && above++ >= k) continue;
            out[count].id = (int32_t)(i + j);
            out[count].value = v[j];
            count++;
        }
    }
    return count;
}

size_t lull_logits_candidates(const float *values, size_t n, size_t k, lull_candidate *out)
{
    size_t count = 0, i;
    lull_fpenv env;
    range r;
    lull_fpenv_enter(&env);
    r = find_range(values, n);
    if (k > 0 && r.max > -INFINITY) {
        const scale s = find_scale(n, r.max);
        const double factor = r.sound ? 1 / total_mass(values, n, &s) : (double)NAN;
        count = collect(values, n, &r, k, out);
        lull_candidates_sort(out, count);
        for (i = 0; i < count; i++) {
            out[i].value = (float)(lull_expf(out[i].value - s.max) * factor);
        }
    }
    lull_fpenv_leave(&env);
    return count;
}

static lull_status refuse_u(lull_error *error)
{
    return lull_fail(error, LULL_EINVAL, 0, 0, "the random number is outside [0, 1)");
}

/* The first id at which the cumulated mass exceeds u of the whole.  Sums are exact: there is one.
 * The sums of at most CHUNKS parts are kept, so that only one part is weighed twice. */
static int32_t draw(const float *values, size_t n, float max, double u)
{
    const scale s = find_scale(n, max);
    const size_t chunk = (n / CHUNKS / BLOCK + 1) * BLOCK;
    float pad[BLOCK];
    double sums[CHUNKS], mass[BLOCK], total = 0, goal, sum = 0;
    size_t i, j, c, n_chunks;
    for (c = 0, i = 0; i < n; c++, i += chunk) {
        sums[c] = sum_mass(values, i, n - i < chunk ? n : i + chunk, &s);
        total += sums[c];
    }
    goal = u * total;
    n_chunks = c;
    for (c = 0; c + 1 < n_chunks && sum + sums[c] <= goal; c++) sum += sums[c];
    for (i = c * chunk;; i += BLOCK) {
        weigh(block_at(values, n, i, pad), &s, mass);
        for (j = 0; j < BLOCK; j++) {
            sum += mass[j];
            if (sum > goal) return (int32_t)(i + j);
        }
    }
}

lull_status lull_logits_sample(const float *values, size_t n, double u, int32_t *id,
                               lull_error *error)
{
    lull_status status = LULL_OK;
    lull_fpenv env;
    range r;
    *id = 0;
    lull_fpenv_enter(&env);
    r = find_range(values, n);
    if (!r.sound || r.max == -INFINITY)
        status = refuse(values, n, &r, error);
    else if (!(u >= 0 && u < 1))
        status = refuse_u(error);
    else
        *id = draw(values, n, r.max, u);
    lull_fpenv_leave(&env);
    return status;
}

/* Sums here are plain doubles in the order of ids, the same in both passes. */
static lull_status draw_weighted(const float *values, size_t n, double u, int32_t *id,
                                 lull_error *error)
{
    double total = 0, goal, sum = 0;
    size_t i, last = 0;
    for (i = 0; i < n; i++) {
        if (values[i] == -INFINITY) continue;
        if (!(values[i] >= 0 && values[i] < INFINITY)) {
            return lull_fail(error, LULL_EINVAL, 0, 0,
                             "probabilities are negative or not finite (first at token %llu)",
                             (unsigned long long)i);
        }
        total += (double)values[i];
    }
    if (!(total > 0)) return lull_fail(error, LULL_EINVAL, 0, 0, "no token is allowed");
    goal = u * total;
    for (i = 0; i < n && sum <= goal; i++) {
        if (!(values[i] > 0)) continue;
        sum += (double)values[i];
        last = i;
    }
    *id = (int32_t)last;
    return LULL_OK;
}

lull_status lull_probabilities_sample(const float *values, size_t n, double u, int32_t *id,
                                      lull_error *error)
{
    lull_status status;
    lull_fpenv env;
    *id = 0;
    if (!(u >= 0 && u < 1)) return refuse_u(error);
    lull_fpenv_enter(&env);
    status = draw_weighted(values, n, u, id, error);
    lull_fpenv_leave(&env);
    return status;
}
