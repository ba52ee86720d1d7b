/* choosing.c - picking from a vector of logits: the best few, or one by chance.  The mass a token
 * weighs is explained in logits.h. */
#include "logits.h"
#include "fpenv.h"

#define CHUNKS 512 /* whose masses a draw remembers: 4 KB on the stack */

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

size_t lull_logits_candidates(const float *values, size_t n, size_t k, lull_candidate *out)
{
    size_t count = 0, i;
    lull_fpenv env;
    lull_range r;
    lull_fpenv_enter(&env);
    r = lull_find_range(values, n);
    if (k > 0 && r.max > -INFINITY) {
        const lull_scale s = lull_find_scale(n, r.max);
        const double factor = r.sound ? 1 / lull_total_mass(values, n, &s) : (double)NAN;
        int sound; /* as r.sound */
        count = lull_find_candidates(values, n, k, out, &sound);
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
    const lull_scale s = lull_find_scale(n, max);
    const size_t chunk = (n / CHUNKS / LULL_BLOCK + 1) * LULL_BLOCK;
    float pad[LULL_BLOCK];
    double sums[CHUNKS], mass[LULL_BLOCK], total = 0, goal, sum = 0;
    size_t i, j, c, n_chunks;
    for (c = 0, i = 0; i < n; c++, i += chunk) {
        sums[c] = lull_sum_mass(values, i, n - i < chunk ? n : i + chunk, &s);
        total += sums[c];
    }
    goal = u * total;
    n_chunks = c;
    for (c = 0; c + 1 < n_chunks && sum + sums[c] <= goal; c++) sum += sums[c];
    for (i = c * chunk;; i += LULL_BLOCK) {
        lull_weigh(lull_block(values, n, i, pad), &s, mass);
        for (j = 0; j < LULL_BLOCK; j++) {
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
    lull_range r;
    *id = 0;
    lull_fpenv_enter(&env);
    r = lull_find_range(values, n);
    if (!r.sound || r.max == -INFINITY)
        status = lull_logits_refuse(values, n, &r, error);
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
