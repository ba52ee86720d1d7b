/* history.c - what the tokens of a text so far do to the logits of the next: penalties for having
 * occurred, for continuing a repetition (DRY), bans of repeated n-grams.
 *
 * Work is proportional to the history, never to the vocabulary: `work` holds a number per token and
 * is all zero between calls; what a pass over the history writes, the next one takes out again.
 * Values that are not finite (banned, NaN) stay as they are, and finite ones stay finite: a penalty
 * never bans. */
#include "base.h"
#include "fpenv.h"

#include <float.h>
#include <math.h> /* INFINITY, floor */

/* Round once to float32, within the finite range. */
static float round_finite(double value)
{
    const double most = FLT_MAX;
    return (float)(value > most ? most : value < -most ? -most : value);
}

/* ---- penalties */

/* What a token counts for, that many tokens before the newest. */
static double weight_at(const lull_penalty *p, size_t distance)
{
    if (distance <= p->last) return 1;
    return (double)(p->decay - (distance - p->last)) / (double)p->decay;
}

/* weight: of the newest occurrence; total: of all of them together. */
static void penalize(float *value, const lull_penalty *p, double weight, double total)
{
    const double repetition = p->repetition * weight + (1 - weight);
    double v = *value;
    if (!lull_is_finite(*value)) return;
    v = v > 0 ? v / repetition : v * repetition;
    *value = round_finite(v - (total * p->frequency + weight * p->presence));
}

void lull_logits_penalize(float *values, const int32_t *tokens, size_t n_tokens,
                          const lull_penalty *p, double *work)
{
    size_t n = n_tokens, i;
    lull_fpenv env;
    if (p->last < n && p->decay < n - p->last) n = p->last + p->decay;
    lull_fpenv_enter(&env);
    for (i = 0; i < n; i++) work[tokens[n_tokens - 1 - i]] += weight_at(p, i);
    for (i = 0; i < n; i++) {
        const int32_t token = tokens[n_tokens - 1 - i];
        const double total = work[token];
        if (total == 0) continue; /* met before, nearer to the end */
        work[token] = 0;
        penalize(values + token, p, weight_at(p, i), total);
    }
    lull_fpenv_leave(&env);
}

/* ---- repetitions of the end */

/* lengths[i] = how many tokens up to and with tokens[i] equal as many at the very end; not set for
 * the last.  The Z algorithm (Gusfield 1997, section 1.4) from the end to the front, O(n). */
static void match_end(const int32_t *tokens, size_t n, int32_t *lengths)
{
    size_t start = 0, stop = 0, k; /* the match that reaches farthest: k in start..stop-1 */
    for (k = 1; k < n; k++) {
        size_t m = 0;
        if (k < stop) {
            m = (size_t)lengths[n - 1 - (k - start)];
            if (m > stop - k) m = stop - k;
        }
        while (k + m < n && tokens[n - 1 - m] == tokens[n - 1 - k - m]) m++;
        lengths[n - 1 - k] = (int32_t)m;
        if (k + m > stop) {
            start = k;
            stop = k + m;
        }
    }
}

/* How many tokens there are after the last breaker. */
static size_t unbroken(const int32_t *tokens, size_t n, const uint32_t *breakers)
{
    size_t length = 0;
    if (breakers == NULL) return n;
    while (length < n && !lull_token_set_has(breakers, tokens[n - 1 - length])) length++;
    return length;
}

/* multiplier * base^excess.  The power stays within float32, as llama.cpp's does: the largest
 * exponent is log(FLT_MAX) / log(base). */
static double dry_penalty(const lull_dry *dry, double excess)
{
    static const double log_most = 88.7228391;
    double exponent = excess;
    if (dry->base > 1) {
        const double most = floor(log_most / lull_log(dry->base));
        if (exponent > most) exponent = most;
    }
    return dry->multiplier * lull_pow(dry->base, exponent);
}

void lull_logits_dry(float *values, const int32_t *tokens, size_t n_tokens, const lull_dry *dry,
                     double *work, int32_t *lengths)
{
    const size_t limit = unbroken(tokens, n_tokens, dry->breakers);
    lull_fpenv env;
    size_t i;
    if (limit < dry->allowed_length) return;
    match_end(tokens, n_tokens, lengths);
    lull_fpenv_enter(&env);
    for (i = 1; i < n_tokens; i++) {
        const size_t length = (size_t)lengths[i - 1] < limit ? (size_t)lengths[i - 1] : limit;
        double *longest = work + tokens[i];
        if (length >= dry->allowed_length && (double)length > *longest) *longest = (double)length;
    }
    for (i = 1; i < n_tokens; i++) {
        const int32_t token = tokens[i];
        const double length = work[token];
        if (length == 0) continue;
        work[token] = 0;
        if (dry->breakers != NULL && lull_token_set_has(dry->breakers, token)) continue;
        if (!lull_is_finite(values[token])) continue;
        values[token] = round_finite((double)values[token] -
                                     dry_penalty(dry, length - (double)dry->allowed_length));
    }
    lull_fpenv_leave(&env);
}

void lull_logits_no_repeat(float *values, const int32_t *tokens, size_t n_tokens, size_t n,
                           int32_t *lengths)
{
    size_t i;
    if (n == 0 || n > n_tokens) return;
    match_end(tokens, n_tokens, lengths);
    for (i = n - 1; i < n_tokens; i++) {
        float *value = values + tokens[i];
        if ((n == 1 || (size_t)lengths[i - 1] >= n - 1) && *value == *value) *value = -INFINITY;
    }
}
