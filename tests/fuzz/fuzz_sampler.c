/* fuzz_sampler.c - any floats as logits, and any parameters: nothing is read or written outside, and
 * what is chosen was allowed.  Input: a byte k, float bits p and u (4 each), then the logits' bits. */
#include "logits.h"

#include <math.h>
#include <stdlib.h>

#define HEAD 9

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static float float_at(const uint8_t *s)
{
    return lull_bits_float((uint32_t)s[0] | (uint32_t)s[1] << 8 | (uint32_t)s[2] << 16 |
                           (uint32_t)s[3] << 24);
}

static size_t allowed(const float *v, size_t n)
{
    size_t i, count = 0;
    for (i = 0; i < n; i++) count += v[i] > -INFINITY;
    return count;
}

static void check_choice(const float *v, size_t n, lull_status status, int32_t id)
{
    if (status != LULL_OK && status != LULL_EINVAL) abort();
    if (status == LULL_OK && (id < 0 || (size_t)id >= n || !(v[id] > -INFINITY))) abort();
}

static void check_reading(const float *v, size_t n, double u)
{
    int32_t id = lull_logits_argmax(v, n);
    const lull_status status = lull_logits_sample(v, n, u, &id, NULL);
    check_choice(v, n, status, id);
    if ((lull_logits_check(v, n, NULL) == LULL_OK && u >= 0 && u < 1) != (status == LULL_OK))
        abort();
    check_choice(v, n, lull_probabilities_sample(v, n, u, &id, NULL), id);
    (void)lull_logits_logsumexp(v, n);
    (void)lull_logits_entropy(v, n);
    (void)lull_logits_logprob(v, n, id);
}

static void check_list(const float *v, size_t n, size_t k)
{
    lull_candidate *list = malloc(k * sizeof *list + 1);
    size_t count, i;
    if (!list) return;
    count = lull_logits_candidates(v, n, k, list);
    if (count != (k < allowed(v, n) ? k : allowed(v, n))) abort();
    for (i = 0; i < count; i++) {
        const float x = v[list[i].id];
        if (i > 0 &&
            (x > v[list[i - 1].id] || (x == v[list[i - 1].id] && list[i].id < list[i - 1].id))) {
            abort();
        }
    }
    free(list);
}

/* Banning leaves the best, or everything where it refuses. */
static void check_bans(float *v, size_t n, size_t k, float p)
{
    const int32_t best = lull_logits_argmax(v, n);
    size_t before = allowed(v, n);
    lull_logits_top_p(v, n, p);
    lull_logits_min_p(v, n, p);
    if (best >= 0 && !(v[best] > -INFINITY)) abort();
    if (allowed(v, n) > before) abort();
    before = allowed(v, n);
    lull_logits_top_k(v, n, k);
    if (allowed(v, n) != (k < before ? k : before)) abort();
}

static void check_llama2c(const float *v, size_t n, float temperature, float top_p)
{
    float *w = malloc(n * sizeof *w);
    lull_candidate *scratch = malloc(n * sizeof *scratch);
    uint64_t state = 1 + n;
    int32_t id;
    if (w && scratch) {
        memcpy(w, v, n * sizeof *w);
        if (lull_llama2c_sample(w, n, temperature, top_p, &state, scratch, &id, NULL) == LULL_OK &&
            (id < 0 || (size_t)id >= n)) {
            abort();
        }
    }
    free(scratch);
    free(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t n = size < HEAD ? 0 : (size - HEAD) / 4;
    float *v, p, u;
    size_t i;
    if (n == 0) return 0;
    v = malloc(n * sizeof *v);
    if (!v) return 0;
    p = float_at(data + 1);
    u = float_at(data + 5);
    for (i = 0; i < n; i++) v[i] = float_at(data + HEAD + 4 * i);
    check_reading(v, n, (double)u);
    check_list(v, n, data[0] < n ? data[0] : n);
    check_llama2c(v, n, u, p);
    check_bans(v, n, data[0], p);
    lull_logits_scale(v, n, u);
    (void)lull_logits_softmax(v, n, NULL);
    free(v);
    return 0;
}
