/* test_history.c - penalties, DRY and n-gram bans against their definitions, tried on thousands of
 * small histories over few tokens, at both ends of a vocabulary. */
#include "base.h"

#include <fenv.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define VOCABULARY      70
#define LONGEST         40
#define ROUNDS          4000
#define EXPECTED_DIGEST 0x48fc405006a9ef39u /* of every_machine_gives_the_same_bits */

/* The tokens of an alphabet of at most 6: ends of the vocabulary and of a set's words. */
static const int32_t alphabet[6] = {0, VOCABULARY - 1, 31, 32, 64, 5};

static uint32_t draws; /* in this test program */

/* 0 .. n - 1 */
static size_t below(size_t n)
{
    return (size_t)(lull_random(1, 2, draws++, 0, 0) * (double)n);
}

/* Memory of the exact size: one access too many is seen by a sanitizer. */
static void *exactly(const void *from, size_t bytes)
{
    void *copy = malloc(bytes ? bytes : 1);
    assert_non_null(copy);
    if (from != NULL)
        memcpy(copy, from, bytes);
    else
        memset(copy, 0, bytes);
    return copy;
}

/* One case: a history and logits, some of them banned or no numbers, and room for work. */
typedef struct instance {
    int32_t *tokens, *lengths;
    size_t n;
    float *values, *before;
    double *work;
} instance;

/* A random length below LONGEST, over at most so many different tokens. */
static instance make(size_t most_letters)
{
    const size_t n = below(LONGEST), letters = 1 + below(most_letters);
    instance c;
    size_t i;
    c.n = n;
    c.tokens = exactly(NULL, n * sizeof *c.tokens);
    c.lengths = exactly(NULL, n * sizeof *c.lengths);
    c.values = exactly(NULL, VOCABULARY * sizeof *c.values);
    c.work = exactly(NULL, VOCABULARY * sizeof *c.work);
    for (i = 0; i < n; i++) c.tokens[i] = alphabet[below(letters)];
    for (i = 0; i < VOCABULARY; i++) {
        const size_t kind = below(12);
        c.values[i] = kind == 0   ? -INFINITY
                      : kind == 1 ? (float)NAN
                      : kind == 2 ? 0.0f
                                  : (float)below(2000) / 100 - 10;
    }
    c.before = exactly(c.values, VOCABULARY * sizeof *c.values);
    return c;
}

static void end(instance *c)
{
    size_t i;
    for (i = 0; i < VOCABULARY; i++) assert_true(c->work[i] == 0);
    free(c->tokens);
    free(c->lengths);
    free(c->values);
    free(c->before);
    free(c->work);
}

static int same(float a, float b)
{
    return lull_float_bits(a) == lull_float_bits(b) || (a != a && b != b);
}

/* ---- penalties */

/* As exllamav2 words it: from the newest token back, penalties that shrink by a step after each one
 * beyond `last`.  Both effects on one value are rounded once, and not after each token. */
static double penalized(const instance *c, int32_t token, const lull_penalty *p)
{
    const double value = c->before[token], steps = p->decay ? (double)p->decay : 1;
    double repetition = p->repetition, frequency = p->frequency, presence = p->presence;
    double result = value, taken = 0;
    size_t i;
    int met = 0;
    for (i = 0; i < c->n && (i < p->last || i - p->last < p->decay); i++) {
        if (c->tokens[c->n - 1 - i] == token) {
            if (!met) {
                result = value > 0 ? value / repetition : value * repetition;
                taken = presence;
            }
            met = 1;
            taken += frequency;
        }
        if (i >= p->last) {
            repetition -= (p->repetition - 1) / steps;
            frequency -= p->frequency / steps;
            presence -= p->presence / steps;
        }
    }
    return result - taken;
}

static void penalties_are_as_defined(void **unused)
{
    size_t round;
    (void)unused;
    for (round = 0; round < ROUNDS; round++) {
        instance c = make(6);
        lull_penalty p;
        int32_t i;
        p.repetition = 0.5 + (double)below(100) / 50;
        p.frequency = (double)below(40) / 20 - 1;
        p.presence = (double)below(40) / 20 - 1;
        p.last = below(3) == 0 ? SIZE_MAX : below(LONGEST);
        p.decay = below(2) ? 0 : below(3) == 0 ? SIZE_MAX : below(LONGEST);
        lull_logits_penalize(c.values, c.tokens, c.n, &p, c.work);
        for (i = 0; i < VOCABULARY; i++) {
            const double expected = penalized(&c, i, &p);
            if (!isfinite(c.before[i]))
                assert_true(same(c.values[i], c.before[i]));
            else if (fabs(c.values[i] - expected) > 1e-5 * (1 + fabs(expected)))
                fail_msg("round %u token %d: %g, not %g", (unsigned)round, (int)i,
                         (double)c.values[i], expected);
        }
        end(&c);
    }
}

/* To the bit, in another rounding mode of the host. */
static void penalties_are_rounded_once(void **unused)
{
    static const int32_t tokens[] = {3, 1, 3, 0, 3, 7};
    static const lull_penalty p = {1.25, 0.5, 0.25, SIZE_MAX, 0};
    float values[8] = {1.5f, -2.25f, 0.0f, 4.125f, 5.0f, -INFINITY, 7.0f, -0.5f};
    double work[8] = {0};
    (void)unused;
    fesetround(FE_UPWARD);
    lull_logits_penalize(values, tokens, 6, &p, work);
    fesetround(FE_TONEAREST);
    assert_true(values[0] == (float)(1.5 / 1.25 - 0.75));
    assert_true(values[1] == (float)(-2.25 * 1.25 - 0.75));
    assert_true(values[3] == (float)(4.125 / 1.25 - 1.75));
    assert_true(values[7] == (float)(-0.5 * 1.25 - 0.75));
    assert_true(values[2] == 0.0f && values[4] == 5.0f && values[6] == 7.0f);
}

static void penalties_fade(void **unused)
{
    static const int32_t tokens[] = {4, 0, 1, 2, 3};
    static const lull_penalty p = {1, 0, 1, 1, 4};
    float values[5] = {0};
    double work[5] = {0};
    (void)unused;
    lull_logits_penalize(values, tokens, 5, &p, work);
    assert_true(values[3] == -1); /* the last */
    assert_true(values[2] == -1); /* and then four steps */
    assert_true(values[1] == -0.75f);
    assert_true(values[0] == -0.5f);
    assert_true(values[4] == -0.25f);
}

static void no_penalty_bans(void **unused)
{
    static const int32_t tokens[] = {0, 1, 2, 2, 2};
    static const lull_penalty harsh = {1e6, 1e6, 1e6, SIZE_MAX, 0};
    static const lull_penalty kind = {1e-6, -1e6, -1e6, SIZE_MAX, 0};
    static const lull_dry dry = {1e6, 1e6, 1, NULL};
    float values[3] = {FLT_MAX, -FLT_MAX, INFINITY};
    double work[3] = {0};
    int32_t lengths[5];
    (void)unused;
    lull_logits_penalize(values, tokens, 5, &harsh, work);
    assert_true(values[0] < FLT_MAX && values[1] == -FLT_MAX && values[2] == INFINITY);
    values[0] = FLT_MAX;
    lull_logits_penalize(values, tokens, 5, &kind, work);
    assert_true(values[0] == FLT_MAX && values[1] > -FLT_MAX && values[2] == INFINITY);
    values[2] = -FLT_MAX;
    lull_logits_dry(values, tokens, 5, &dry, work, lengths);
    assert_true(values[2] == -FLT_MAX);
}

/* ---- DRY */

static int in(const uint32_t *set, int32_t token)
{
    return set != NULL && lull_token_set_has(set, token);
}

/* The longest end of the history, free of breakers, that stands before an earlier `token` too. */
static size_t repeated(const instance *c, int32_t token, const uint32_t *breakers)
{
    size_t longest = 0, at;
    for (at = 1; at < c->n; at++) {
        size_t m = 0;
        if (c->tokens[at] != token) continue;
        while (m < at && c->tokens[at - 1 - m] == c->tokens[c->n - 1 - m] &&
               !in(breakers, c->tokens[c->n - 1 - m]))
            m++;
        if (m > longest) longest = m;
    }
    return longest;
}

static void dry_is_as_defined(void **unused)
{
    size_t round;
    unsigned penalties = 0;
    (void)unused;
    for (round = 0; round < ROUNDS; round++) {
        instance c = make(5);
        uint32_t *breakers = exactly(NULL, LULL_TOKEN_SET_WORDS(VOCABULARY) * sizeof *breakers);
        lull_dry dry;
        int32_t i;
        lull_token_set_add(breakers, alphabet, below(3));
        dry.multiplier = (double)below(30) / 10;
        dry.base = 1 + (double)below(30) / 20;
        dry.allowed_length = 1 + below(5);
        dry.breakers = below(3) ? breakers : NULL;
        lull_logits_dry(c.values, c.tokens, c.n, &dry, c.work, c.lengths);
        for (i = 0; i < VOCABULARY; i++) {
            const size_t length = repeated(&c, i, dry.breakers);
            float expected = c.before[i];
            if (length >= dry.allowed_length && !in(dry.breakers, i) && isfinite(expected)) {
                expected = (float)(expected -
                                   dry.multiplier *
                                       lull_pow(dry.base, (double)(length - dry.allowed_length)));
                penalties++;
            }
            if (!same(c.values[i], expected))
                fail_msg("round %u token %d: %g, not %g", (unsigned)round, (int)i,
                         (double)c.values[i], (double)expected);
        }
        free(breakers);
        end(&c);
    }
    assert_true(penalties > ROUNDS / 4); /* there was something to see */
}

/* The cases of llama.cpp's test-sampling.cpp: which token loses how much. */
static void dry_is_as_llama_cpp_has_it(void **unused)
{
    static const uint32_t three = 1u << 3;
    static const struct {
        int32_t tokens[7];
        float loss; /* of token 2; the others lose nothing */
        size_t n;
        lull_dry dry;
    } cases[] = {
        {{0, 1}, 0, 2, {1, 1.1, 2, NULL}},
        {{0, 1, 2, 0, 1}, 1, 5, {1, 1.1, 2, NULL}},
        {{0, 1, 3, 4, 0, 1}, 0, 6, {1, 1.1, 2, &three}},
        {{0, 1, 2, 0, 1}, 2, 5, {2, 1.1, 2, NULL}},
        {{0, 1, 2, 3, 4, 0, 1}, 0, 7, {1, 1.1, 4, NULL}},
    };
    size_t i;
    int32_t id;
    (void)unused;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        float values[5] = {0};
        double work[5] = {0};
        int32_t lengths[7];
        lull_logits_dry(values, cases[i].tokens, cases[i].n, &cases[i].dry, work, lengths);
        for (id = 0; id < 5; id++) assert_true(values[id] == (id == 2 ? -cases[i].loss : 0));
    }
}

/* One token over and over: as long a match at every place, and powers that would overflow. */
static void long_repetitions(void **unused)
{
    const size_t n = (size_t)1 << 18;
    int32_t *tokens = exactly(NULL, n * sizeof *tokens);
    int32_t *lengths = exactly(NULL, n * sizeof *lengths);
    lull_dry dry = {1, 1.75, 2, NULL};
    float value = 3;
    double work = 0;
    (void)unused;
    lull_logits_dry(&value, tokens, n, &dry, &work, lengths);
    assert_int_equal(lengths[n - 2], n - 1);
    assert_int_equal(lengths[0], 1);
    assert_true(value == (float)(3 - lull_pow(1.75, 158))); /* log(FLT_MAX) / log(1.75) is 158.5 */
    value = 3;
    dry.base = 1;
    lull_logits_dry(&value, tokens, n, &dry, &work, lengths);
    assert_true(value == 2);
    lull_logits_no_repeat(&value, tokens, n, n - 1, lengths);
    assert_true(value == -INFINITY);
    value = 2;
    lull_logits_no_repeat(&value, tokens, n, n + 1, lengths);
    assert_true(value == 2 && work == 0);
    free(tokens);
    free(lengths);
}

/* ---- n-grams */

/* Would `token` after the history be the end of n tokens that occur in it? */
static int completes(const instance *c, int32_t token, size_t n)
{
    size_t start;
    for (start = 0; start + n <= c->n; start++) {
        if (c->tokens[start + n - 1] == token &&
            memcmp(c->tokens + start, c->tokens + (c->n - (n - 1)), (n - 1) * sizeof(int32_t)) == 0)
            return 1;
    }
    return 0;
}

static void ngrams_are_banned(void **unused)
{
    size_t round;
    unsigned bans = 0;
    (void)unused;
    for (round = 0; round < ROUNDS; round++) {
        instance c = make(5);
        const size_t n = 1 + below(6);
        int32_t i;
        lull_logits_no_repeat(c.values, c.tokens, c.n, n, c.lengths);
        for (i = 0; i < VOCABULARY; i++) {
            const int banned = c.before[i] == c.before[i] && completes(&c, i, n);
            assert_true(same(c.values[i], banned ? -INFINITY : c.before[i]));
            bans += (unsigned)banned;
        }
        end(&c);
    }
    assert_true(bans > ROUNDS);
}

/* Histories of no token and of one. */
static void short_histories(void **unused)
{
    static const int32_t one[] = {1};
    static const lull_penalty p = {2, 0, 0, SIZE_MAX, 3};
    static const lull_dry dry = {1, 2, 1, NULL};
    float values[2] = {4, 4};
    double work[2] = {0};
    int32_t lengths[1];
    (void)unused;
    lull_logits_penalize(values, NULL, 0, &p, work);
    lull_logits_dry(values, NULL, 0, &dry, work, NULL);
    lull_logits_no_repeat(values, NULL, 0, 1, NULL);
    lull_logits_dry(values, one, 1, &dry, work, lengths);
    lull_logits_no_repeat(values, one, 1, 2, lengths);
    lull_logits_no_repeat(values, one, 1, 0, lengths);
    assert_true(values[0] == 4 && values[1] == 4);
    lull_logits_penalize(values, one, 1, &p, work);
    assert_true(values[0] == 4 && values[1] == 2);
    lull_logits_no_repeat(values, one, 1, 1, lengths);
    assert_true(values[0] == 4 && values[1] == -INFINITY);
}

/* ---- everywhere the same */

static uint64_t digest_all(int mode)
{
    static const lull_penalty p = {1.3, 0.7, 0.1, 5, 17};
    static const lull_dry dry = {0.8, 1.75, 1, NULL};
    uint64_t digest = 0;
    size_t round, i;
    draws = 1u << 30;
    for (round = 0; round < 300; round++) {
        instance c = make(5);
        fesetround(mode);
        lull_logits_penalize(c.values, c.tokens, c.n, &p, c.work);
        lull_logits_dry(c.values, c.tokens, c.n, &dry, c.work, c.lengths);
        fesetround(FE_TONEAREST);
        for (i = 0; i < VOCABULARY; i++) {
            const uint32_t bits = c.values[i] == c.values[i] ? lull_float_bits(c.values[i]) : 1;
            digest = (digest ^ bits) * 0x100000001b3u;
        }
        end(&c);
    }
    return digest;
}

static void every_machine_gives_the_same_bits(void **unused)
{
    static const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    size_t i;
    (void)unused;
    for (i = 0; i < 4; i++) {
        const uint64_t digest = digest_all(modes[i]);
        if (digest != EXPECTED_DIGEST)
            fail_msg("mode %u: 0x%08x%08x", (unsigned)i, (unsigned)(digest >> 32),
                     (unsigned)digest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(penalties_are_as_defined),
        cmocka_unit_test(penalties_are_rounded_once),
        cmocka_unit_test(penalties_fade),
        cmocka_unit_test(no_penalty_bans),
        cmocka_unit_test(dry_is_as_defined),
        cmocka_unit_test(dry_is_as_llama_cpp_has_it),
        cmocka_unit_test(long_repetitions),
        cmocka_unit_test(ngrams_are_banned),
        cmocka_unit_test(short_histories),
        cmocka_unit_test(every_machine_gives_the_same_bits),
    };
    return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
