/* llama2c_sampler.c - the sampler of llama2.c's run.c, draw for draw, for comparing with it: sums in
 * float32 in the order of ids, one coin a draw from xorshift*, top-p over a sorted list.
 *
 * Where run.c reads outside its arrays this differs: no token above the top-p cutoff (top_p below
 * 1 / n) gives the most probable one.  run.c's expf is libm's, which differs between systems; here
 * it is exp in double, rounded, which is what good libm's return in all but a few of a thousand
 * cases. */
#include "logits.h"
#include "fpenv.h"

/* In [0, 1), 24 bits.  Vigna, "An experimental exploration of Marsaglia's xorshift generators,
 * scrambled", ACM TOMS 42 (2016). */
static float flip_coin(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return (float)((uint32_t)(x * 0x2545f4914f6cdd1du >> 32) >> 8) / 16777216.0f;
}

static void softmax(float *x, size_t n)
{
    float max = x[0], sum = 0;
    size_t i;
    for (i = 1; i < n; i++) {
        if (x[i] > max) max = x[i];
    }
    for (i = 0; i < n; i++) {
        x[i] = (float)lull_exp((double)(x[i] - max));
        sum += x[i];
    }
    for (i = 0; i < n; i++) x[i] /= sum;
}

static size_t draw_any(const float *p, size_t n, float coin)
{
    float sum = 0;
    size_t i;
    for (i = 0; i < n; i++) {
        sum += p[i];
        if (coin < sum) return i;
    }
    return n - 1;
}

static int32_t draw_top(const float *p, size_t n, float top_p, float coin, lull_candidate *list)
{
    const float cutoff = (1.0f - top_p) / (float)(n - 1);
    float whole = 0, sum = 0, goal;
    size_t count = 0, last, i;
    for (i = 0; i < n; i++) {
        if (!(p[i] >= cutoff)) continue;
        list[count].id = (int32_t)i;
        list[count].value = p[i];
        count++;
    }
    if (count == 0) return lull_logits_argmax(p, n);
    lull_candidates_sort(list, count);

    last = count - 1;
    for (i = 0; i < count; i++) {
        whole += list[i].value;
        if (whole > top_p) {
            last = i;
            break;
        }
    }
    goal = coin * whole;
    for (i = 0; i < last; i++) {
        sum += list[i].value;
        if (goal < sum) break;
    }
    return list[i].id;
}

static lull_status sample(float *logits, size_t n, float temperature, float top_p, uint64_t *state,
                          lull_candidate *scratch, int32_t *id, lull_error *error)
{
    lull_status status = lull_logits_check(logits, n, error);
    float coin;
    size_t i;
    if (status != LULL_OK) return status;
    if (temperature == 0) {
        *id = lull_logits_argmax(logits, n);
        return LULL_OK;
    }
    for (i = 0; i < n; i++) logits[i] /= temperature;
    status = lull_logits_check(logits, n, error); /* a tiny temperature overflows */
    if (status != LULL_OK) return status;
    softmax(logits, n);
    coin = flip_coin(state);
    if (top_p > 0 && top_p < 1)
        *id = draw_top(logits, n, top_p, coin, scratch);
    else
        *id = (int32_t)draw_any(logits, n, coin);
    return LULL_OK;
}

lull_status lull_llama2c_sample(float *logits, size_t n, float temperature, float top_p,
                                uint64_t *state, lull_candidate *scratch, int32_t *id,
                                lull_error *error)
{
    lull_status status;
    lull_fpenv env;
    *id = 0;
    if (!(temperature >= 0)) {
        return lull_fail(error, LULL_EINVAL, 0, 0, "temperature is %g, expected at least 0",
                         (double)temperature);
    }
    if (*state == 0) {
        return lull_fail(error, LULL_EINVAL, 0, 0,
                         "the generator's state is 0, expected at least 1");
    }
    lull_fpenv_enter(&env);
    status = sample(logits, n, temperature, top_p, state, scratch, id, error);
    lull_fpenv_leave(&env);
    return status;
}
