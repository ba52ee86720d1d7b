/** lull_logits.h - primitives on logits: filters, draws, what the text so far does to them, sets
 *  of tokens; and the numbers they are made with.  lull.h includes it.
 *
 *  Plain functions of (values, n); no allocation; deterministic on every machine; ties go to the
 *  lower id.  -INFINITY means banned.  A NaN is never chosen and never indexes anything; what bans
 *  leaves it in place, so that drawing reports it. */
#ifndef LULL_LULL_LOGITS_H
#define LULL_LULL_LOGITS_H

#include "lull.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lull_candidate {
    int32_t id;
    float value; /* logit or probability, as the function says */
} lull_candidate;

/** Index of the largest value, the lowest of equals; -1 when nothing is above -INFINITY. */
LULL_API int32_t lull_logits_argmax(const float *values, size_t n);

/** log(sum(exp(values))); -INFINITY when everything is banned, NaN when a value is NaN or +inf. */
LULL_API double lull_logits_logsumexp(const float *values, size_t n);

/** values -> probabilities, in place.  Errors  EINVAL: a value is NaN or +inf (the first is
 *  named), or everything is banned; values are then unchanged. */
LULL_API lull_status lull_logits_softmax(float *values, size_t n, lull_error *error);

/** Entropy of softmax(values) in nats; NaN as logsumexp. */
LULL_API double lull_logits_entropy(const float *values, size_t n);

/** Mean and population standard deviation of what is not banned; both NaN where a value is NaN or +inf
 *  or everything is banned. */
LULL_API void lull_logits_moments(const float *values, size_t n, double *mean, double *deviation);

/** Jensen-Shannon divergence of softmax(values) and softmax(other) (n each) in nats, 0..log(2) (Lin
 *  1991); NaN where a value of either is NaN or +inf or all of one are banned. */
LULL_API double lull_logits_divergence(const float *values, const float *other, size_t n);

/** Kullback-Leibler divergence of softmax(other) (n) from softmax(values) (n) in nats,
 *  sum(p log(p / q)) with p of values and q of other: what it costs to take q for p.  0 and more;
 *  exactly 0 for equal values; INFINITY where other bans a token that values does not; NaN as
 *  lull_logits_divergence.  (Kullback & Leibler 1951.) */
LULL_API double lull_logits_kl(const float *values, const float *other, size_t n);

/** values[i] *= factor for all that are not banned. */
LULL_API void lull_logits_scale(float *values, size_t n, float factor);

/** Scale by 1 / t, rounded to float; t = 0, the limit, bans all but the largest.  t >= 0. */
LULL_API void lull_logits_temperature(float *values, size_t n, double t);

/** v' = max - factor * (v - max)^2 * ((3 - curve) / 2 - (curve - 1) / 2 * (v - max)), in float:
 *  quadratic sampling (kalomaze; smoothing_factor and smoothing_curve of text-generation-webui).
 *  curve = 1 is the parabola max - factor * (v - max)^2; up to 3 the order of the tokens stays as it is,
 *  beyond it need not.  factor <= 0 changes nothing, nor is anything changed where a value is NaN or
 *  +inf. */
LULL_API void lull_logits_smooth(float *values, size_t n, double factor, double curve);

/** Temperature t = low + (high - low) * (H / Hmax)^exponent, where H is the entropy and Hmax that of
 *  equal probabilities, log(number of tokens not banned): sure tokens get low, a flat distribution high
 *  (arXiv:2309.02772; dynamic temperature of KoboldCpp).  H / Hmax is 0 for a single token; t below
 *  1e-6 is 0, the limit.  low, high, exponent >= 0.
 *  Returns t; NaN, and nothing is changed, where a value is NaN or +inf or everything is banned. */
LULL_API double lull_logits_dynamic_temperature(float *values, size_t n, double low, double high,
                                                double exponent);

/** v' = 5 - 10 d^2 / (1 + d), d = |p - target| / 0.3, in float: the most likely are those whose
 *  probability is near the target (adaptive-p of llama.cpp, pull request 17927; the caller moves the
 *  target).  Nothing is changed where a value is NaN or +inf. */
LULL_API void lull_logits_toward(float *values, size_t n, double target);

/** values -> log-probabilities, in place, rounded once; what softmax makes of them is the same.
 *  Errors as lull_logits_softmax. */
LULL_API lull_status lull_logits_log_softmax(float *values, size_t n, lull_error *error);

/** values[i] += a * other[i] (n each), in double and rounded once; a = 0 changes nothing.  What is
 *  banned stays banned.  What is banned in other gets banned where a > 0, as the sum says, and is left
 *  as it is where a < 0. */
LULL_API void lull_logits_add_scaled(float *values, const float *other, size_t n, double a);

/** Is id in the pseudo-random part gamma (0..1) of all ids that key stands for?  Equal on every machine
 *  and for every vocabulary; of two gammas, the larger's part has all of the smaller's. */
LULL_API int lull_green(uint64_t key, int32_t id, double gamma);

/** Add delta to the tokens that are lull_green: a watermark (Kirchenbauer et al. 2023, arXiv:2301.10226,
 *  where key is a hash of the token before).  A detector needs lull_green alone.
 *  ids  (n) of the values; NULL = 0..n-1. */
LULL_API void lull_logits_green(float *values, const int32_t *ids, size_t n, uint64_t key,
                                double gamma, double delta);

/** Ban all but the k largest.  k >= n changes nothing.  O(n). */
LULL_API void lull_logits_top_k(float *values, size_t n, size_t k);

/** Ban all but the smallest set of the most probable whose mass reaches p (Holtzman et al. 2019,
 *  arXiv:1904.09751).  p >= 1 changes nothing; at least one stays.  O(n). */
LULL_API void lull_logits_top_p(float *values, size_t n, float p);

/** Ban what is less probable than p times the most probable (Nguyen et al. 2024,
 *  arXiv:2407.01082).  p <= 0 changes nothing; the most probable stays.  O(n). */
LULL_API void lull_logits_min_p(float *values, size_t n, float p);

/** Ban what is less probable than a times the square of the largest probability (text-generation-webui's
 *  top_a).  a <= 0 changes nothing; the most probable stays.  O(n). */
LULL_API void lull_logits_top_a(float *values, size_t n, double a);

/** Ban what is below the largest value by more than sigmas times the standard deviation of all that are
 *  not banned (Tang et al. 2024, arXiv:2411.07641).  Before any temperature it keeps the same tokens as
 *  after it.  sigmas < 0 changes nothing.  O(n). */
LULL_API void lull_logits_top_n_sigma(float *values, size_t n, double sigmas);

/** Keep the tokens of which |-log p - H| is smallest, H the entropy, until their mass reaches p; of
 *  equal ones the lower id first (Meister et al. 2022, arXiv:2202.00666).  The distance is taken between
 *  logits, in float: |v - mean of v under softmax|.  p >= 1 changes nothing; at least one stays.
 *  O(n). */
LULL_API void lull_logits_typical(float *values, size_t n, double p);

/** Tail-free sampling (Bricken 2020; as llama.cpp had it).  With the probabilities p[0] >= p[1] >= ... of
 *  the m tokens not banned and c[i] = |(p[i] - p[i+1]) - (p[i+1] - p[i+2])|, i = 0..m-3: keep the first i,
 *  but at least one, for the least i with c[0] + ... + c[i] > z * (c[0] + ... + c[m-3]); all where there
 *  is none, or m <= 2.  z >= 1 changes nothing.  O(n).
 *  work  (2, n), anything. */
LULL_API void lull_logits_tail_free(float *values, size_t n, double z, uint32_t *work);

/** Ban what is less probable than p (Hewitt et al. 2022, arXiv:2210.15191); the most probable stays.
 *  p <= 0 changes nothing.  O(n). */
LULL_API void lull_logits_epsilon(float *values, size_t n, double p);

/** The same with p = min(e, sqrt(e) * exp(-H)), H the entropy: eta sampling of that paper. */
LULL_API void lull_logits_eta(float *values, size_t n, double e);

/** Exclude top choices: where at least two tokens are more probable than threshold, ban all of these but
 *  the least probable, of equal ones the lowest id.  threshold <= 0 changes nothing.  (p-e-w;
 *  text-generation-webui, pull request 6335.  There it is done in a part of the steps only, and some
 *  tokens are never banned: both are the caller's.)  O(n). */
LULL_API void lull_logits_xtc(float *values, size_t n, double threshold);

/** The ids of all that are not banned, NaNs included, ascending, into ids (capacity).  Returns how many
 *  there are, or capacity + 1 where they are more.  What is left after a narrow filter is worked on
 *  faster in a vector of its own, values[ids[i]]: every function here gives the same on it, to within
 *  the rounding of sums. */
LULL_API size_t lull_logits_support(const float *values, size_t n, int32_t *ids, size_t capacity);

/** The k largest that are not banned, ascending in id, into out (k); value = the logit: what top_k leaves,
 *  and the vector stays as it is.  Returns how many there were.
 *  *sound  0 where a NaN or +INFINITY is among the values: top_k would leave it.  O(n). */
LULL_API size_t lull_logits_largest(const float *values, size_t n, size_t k, lull_candidate *out,
                                    int *sound);

/** The k largest that are not banned, largest first, into out (k); value = probability under
 *  softmax(values).  Returns how many there were. */
LULL_API size_t lull_logits_candidates(const float *values, size_t n, size_t k,
                                       lull_candidate *out);

/** log softmax(values)[id]. */
LULL_API double lull_logits_logprob(const float *values, size_t n, int32_t id);

/** Draw an id from softmax(values) with u in [0, 1): the first id, ascending, at which the
 *  cumulated probability exceeds u.
 *  Errors  EINVAL "logits are not finite (first at token 17)", "no token is allowed". */
LULL_API lull_status lull_logits_sample(const float *values, size_t n, double u, int32_t *id,
                                        lull_error *error);

/** The same draw when values are probabilities (or any weights >= 0), not logits. */
LULL_API lull_status lull_probabilities_sample(const float *values, size_t n, double u, int32_t *id,
                                               lull_error *error);

/** The sampler of llama2.c's run.c, draw for draw: xorshift* state (>= 1), sequential float32 sums,
 *  temperature 0 = greedy, top_p outside (0, 1) = plain multinomial.  logits (n) are overwritten
 *  with probabilities, scratch has room for n.  Errors  EINVAL as lull_logits_sample. */
LULL_API lull_status lull_llama2c_sample(float *logits, size_t n, float temperature, float top_p,
                                         uint64_t *state, lull_candidate *scratch, int32_t *id,
                                         lull_error *error);

/* ---- what the text so far does to the next token's logits
 *
 * tokens (n_tokens) is the part of the history that counts, oldest first, ids below n; usually the
 * end of lull_sequence_tokens.  O(n_tokens), never O(n).  Values that are not finite (banned, NaN)
 * stay as they are; penalties are computed in double, rounded once, and keep finite values finite.
 *
 *  work     (n), all zero before and after
 *  lengths  (n_tokens), overwritten */

typedef struct lull_penalty {
    double repetition; /* > 0; 1 = none */
    double frequency;  /* 0 = none */
    double presence;   /* 0 = none */
    size_t last;       /* how many of the newest tokens count in full; SIZE_MAX = all */
    size_t decay;      /* and how many before them count less and less */
} lull_penalty;

/** Penalize each distinct token among the newest last + decay: a positive value is divided by
 *  repetition and a negative one multiplied (Keskar et al. 2019, arXiv:1909.05858), then
 *  count * frequency + presence is taken off.
 *
 *  With decay the penalties fade, as in exllamav2 (token_repetition_range, token_repetition_decay):
 *  the token at distance d from the newest (0) has the weight w = 1 for d <= last, then
 *  1 - (d - last) / decay.  Each occurrence adds its w to the count; repetition becomes
 *  1 + (repetition - 1) * w and presence w * presence with the w of the newest occurrence. */
LULL_API void lull_logits_penalize(float *values, const int32_t *tokens, size_t n_tokens,
                                   const lull_penalty *penalty, double *work);

typedef struct lull_dry {
    double multiplier;        /* >= 0; 0 = none */
    double base;              /* >= 1 */
    size_t allowed_length;    /* >= 1: shorter repetitions are free */
    const uint32_t *breakers; /* tokens that no repetition reaches over: a set (below), or NULL */
} lull_dry;

/** "Don't repeat yourself" (text-generation-webui, pull request 5677; as llama.cpp, 9702, with
 *  breakers of one token): where the text's last `length` tokens, as many as possible and none of
 *  them a breaker, have occurred before and were followed by a token, that token would repeat them
 *  further; if length >= allowed_length it loses multiplier * base^(length - allowed_length).
 *  Breakers themselves lose nothing.  The power is at most about FLT_MAX. */
LULL_API void lull_logits_dry(float *values, const int32_t *tokens, size_t n_tokens,
                              const lull_dry *dry, double *work, int32_t *lengths);

/** Ban every token that would complete a run of n tokens that is in the history already (fairseq's
 *  and transformers' no_repeat_ngram_size).  n >= 1; 1 bans all that has occurred. */
LULL_API void lull_logits_no_repeat(float *values, const int32_t *tokens, size_t n_tokens, size_t n,
                                    int32_t *lengths);

/* ------------------------------------------------------------------------------- sets of tokens */
/* A set of ids of a vocabulary of n: LULL_TOKEN_SET_WORDS(n) words of the caller's, in which id is
 * bit id % 32 of word id / 32 and bits past the last id are 0; all zero is the empty set.  ids are
 * below n, sets that meet are of the same n. */

#define LULL_TOKEN_SET_WORDS(n) (((size_t)(n) + 31) / 32)

LULL_API int lull_token_set_has(const uint32_t *set, int32_t id);
LULL_API void lull_token_set_add(uint32_t *set, const int32_t *ids, size_t n_ids);
LULL_API void lull_token_set_remove(uint32_t *set, const int32_t *ids, size_t n_ids);

/** In place: what is in either, in both, in set but not in other, in the vocabulary but not in set. */
LULL_API void lull_token_set_union(uint32_t *set, const uint32_t *other, size_t n);
LULL_API void lull_token_set_intersect(uint32_t *set, const uint32_t *other, size_t n);
LULL_API void lull_token_set_subtract(uint32_t *set, const uint32_t *other, size_t n);
LULL_API void lull_token_set_complement(uint32_t *set, size_t n);

/** How many ids are in it; the ids, ascending, into ids (that many), and how many they are. */
LULL_API size_t lull_token_set_count(const uint32_t *set, size_t n);
LULL_API size_t lull_token_set_ids(const uint32_t *set, size_t n, int32_t *ids);

/** Ban what is in the set, or all that is not; add value to what is in it.  Unlike those that
 *  compare values, the first two ban a NaN too.  O(n), 32 values at a time. */
LULL_API void lull_logits_ban(float *values, size_t n, const uint32_t *set);
LULL_API void lull_logits_allow(float *values, size_t n, const uint32_t *set);
LULL_API void lull_logits_add(float *values, size_t n, const uint32_t *set, float value);

/* ------------------------------------------------------------------------------ random numbers */

/** A uniform number in [0, 1), a function of its arguments alone: Philox4x32-10 (Salmon et al.
 *  2011), top 24 bits.  Hence no generator state, and a text does not depend on what ran beside it.
 *
 *  seed      the user's
 *  stream    which text; lull_hash of a story's id
 *  position  of the token that is drawn
 *  purpose   separates independent draws at one position; 0 = choosing the token
 *  attempt   draws already discarded here */
LULL_API double lull_random(uint64_t seed, uint64_t stream, uint32_t position, uint16_t purpose,
                            uint16_t attempt);

/** 64-bit hash of bytes (FNV-1a with a finishing mix): stable across machines and versions. */
LULL_API uint64_t lull_hash(const void *bytes, size_t n);

/* --------------------------------------------------------------------------- elementary functions */
/* Made of +, -, *, / and sqrt in double, so equal bits everywhere, which no two libm's give.
 * Within 2 ulp; special values as C99. */
LULL_API double lull_exp(double x);
LULL_API double lull_log(double x);
LULL_API double lull_pow(double x, double y);
LULL_API double lull_sin(double x);
LULL_API double lull_cos(double x);

#ifdef __cplusplus
}
#endif
#endif
