/* Guesses: whatever is guessed, the logits are those of a text that was fed token by token. */
#include "context_cases.h"
#include "failing.h"

#define LENGTH 40

/* The logits of s against those of a sequence alone that is fed the same tokens. */
static void assert_like_alone(lull_sequence *s, lull_model *model)
{
    lull_context *c = open_context(model, 1, LENGTH);
    lull_sequence *alone = open_sequence(c);
    assert_int_equal(
        lull_sequence_feed(alone, lull_sequence_tokens(s), lull_sequence_length(s), NULL, NULL),
        LULL_OK);
    step(c);
    assert_memory_equal(logits_of(s), logits_of(alone), logits_bytes(c));
    lull_sequence_close(alone);
    lull_context_close(c);
}

static size_t guess(lull_sequence *s, const int32_t *tokens, size_t n)
{
    assert_int_equal(lull_sequence_guess(s, tokens, &n, NULL), LULL_OK);
    return n;
}

static void feed_one(lull_sequence *s, int32_t id)
{
    assert_int_equal(lull_sequence_feed(s, &id, 1, NULL, NULL), LULL_OK);
}

static void test_right_guesses_need_no_step(void **state)
{
    static const int32_t guessed[4] = {11, 12, 13, 14};
    lull_model *model = load("gqa", NULL);
    lull_context *c = open_context(model, 1, LENGTH);
    lull_sequence *s = open_sequence(c);
    size_t i;
    (void)state;
    feed_one(s, 10);
    assert_int_equal(guess(s, guessed, 4), 4);
    assert_int_equal(lull_sequence_length(s), 1);
    assert_int_equal(lull_sequence_pending(s), 1);
    step(c);
    assert_like_alone(s, model);
    for (i = 0; i < 3; i++) {
        const uint64_t serial = lull_sequence_serial(s);
        assert_int_equal(lull_sequence_guesses(s), 4 - i);
        feed_one(s, guessed[i]);
        assert_int_equal(lull_sequence_pending(s), 0);
        assert_int_equal(lull_sequence_length(s), i + 2);
        assert_int_not_equal(lull_sequence_serial(s), serial);
        assert_like_alone(s, model);
    }
    feed_one(s, 99);
    assert_int_equal(lull_sequence_guesses(s), 0);
    assert_int_equal(lull_sequence_pending(s), 1);
    step(c);
    assert_like_alone(s, model);
    lull_sequence_close(s);
    lull_context_close(c);
    lull_model_release(model);
}

static void test_several_tokens_at_once(void **state)
{
    static const int32_t guessed[3] = {11, 12, 13}, fed[4] = {11, 12, 55, 56};
    lull_model *model = load("odd", NULL);
    lull_context *c = open_context(model, 1, LENGTH);
    lull_sequence *s = open_sequence(c);
    (void)state;
    feed_one(s, 10);
    guess(s, guessed, 3);
    step(c);
    assert_int_equal(lull_sequence_feed(s, fed, 4, NULL, NULL), LULL_OK);
    assert_int_equal(lull_sequence_pending(s), 2); /* 55 and 56 */
    step(c);
    assert_like_alone(s, model);
    lull_sequence_close(s);
    lull_context_close(c);
    lull_model_release(model);
}

static void test_guesses_that_ask_to_keep_things_are_evaluated_again(void **state)
{
    static const int32_t guessed[2] = {11, 12};
    static const lull_feed_options want = {1, 0, 1, NULL, 0};
    lull_model *model = load("gqa", NULL);
    lull_context *c = open_context(model, 2, LENGTH);
    lull_sequence *a = open_sequence(c), *b = open_sequence(c);
    const float *x, *y;
    (void)state;
    feed_one(a, 10);
    feed_one(b, 10);
    guess(a, guessed, 2);
    step(c);
    assert_int_equal(lull_sequence_feed(a, guessed, 2, &want, NULL), LULL_OK);
    assert_int_equal(lull_sequence_feed(b, guessed, 2, &want, NULL), LULL_OK);
    assert_int_equal(lull_sequence_pending(a), 2);
    step(c);
    assert_memory_equal(lull_sequence_scores(a) + 1, lull_sequence_scores(b) + 1, 2 * sizeof *x);
    assert_int_equal(lull_sequence_hidden(a, 2, &x, NULL), LULL_OK);
    assert_int_equal(lull_sequence_hidden(b, 2, &y, NULL), LULL_OK);
    assert_memory_equal(x, y, (size_t)model->config.dim * sizeof *x);
    lull_sequence_close(a);
    lull_sequence_close(b);
    lull_context_close(c);
    lull_model_release(model);
}

static void test_guesses_end_with_the_context(void **state)
{
    static const int32_t guessed[4] = {11, 12, 13, 14};
    lull_model *model = load("gqa", NULL);
    lull_context *c = open_context(model, 1, 18);
    lull_sequence *s = open_sequence(c);
    lull_error error;
    size_t n = 1;
    (void)state;
    assert_int_equal(lull_sequence_guess(s, guessed, &n, &error), LULL_ESTATE);
    assert_int_equal(n, 0);
    feed(s, 0, 16, 0);
    assert_int_equal(guess(s, guessed, 4), 2);
    step(c);
    feed_one(s, 11);
    feed_one(s, 12);
    assert_like_alone(s, model);
    assert_int_equal(guess(s, guessed, 4), 0);
    n = 1;
    assert_int_equal(lull_sequence_rewind(s, 4, NULL), LULL_OK);
    {
        const int32_t outside = model->config.vocab_size;
        assert_int_equal(lull_sequence_guess(s, &outside, &n, &error), LULL_EINVAL);
        assert_non_null(strstr(error.message, "the vocabulary has 0.."));
    }
    lull_sequence_close(s);
    lull_context_close(c);
    lull_model_release(model);
}

static void test_no_memory_for_guesses(void **state)
{
    static const int32_t guessed[2] = {11, 12};
    failing f;
    lull_model *model;
    lull_context *c;
    lull_sequence *s;
    lull_error error;
    size_t n = 2;
    (void)state;
    failing_init(&f, 0, 0);
    model = load("gqa", &f.allocator);
    c = open_context(model, 1, LENGTH);
    s = open_sequence(c);
    feed_one(s, 10);
    f.fail_at = f.calls + 1;
    assert_int_equal(lull_sequence_guess(s, guessed, &n, &error), LULL_ENOMEM);
    assert_int_equal(n, 0);
    assert_non_null(strstr(error.message, "logits of guesses"));
    f.fail_at = 0;
    step(c);
    assert_like_alone(s, model);
    lull_sequence_close(s);
    lull_context_close(c);
    lull_model_release(model);
    assert_int_equal(f.blocks, 0);
}

static void test_guesses_in_the_background(void **state)
{
    static const int32_t guessed[3] = {11, 12, 13};
    lull_model *model = load("gqa", NULL);
    lull_context *c = open_context(model, 1, LENGTH);
    lull_sequence *s = open_sequence(c);
    lull_error error;
    size_t n = 1, remaining = 9;
    (void)state;
    feed_one(s, 10);
    guess(s, guessed, 3);
    assert_int_equal(lull_context_start(c, 0, NULL), LULL_OK);
    assert_int_equal(lull_sequence_guess(s, guessed, &n, &error), LULL_ESTATE);
    assert_int_equal(lull_sequence_feed(s, guessed, 1, NULL, &error), LULL_ESTATE);
    assert_int_equal(lull_context_wait(c, &remaining, NULL), LULL_OK);
    assert_int_equal(remaining, 0);
    assert_int_equal(lull_sequence_guesses(s), 3);
    feed_one(s, 11);
    assert_int_equal(lull_sequence_pending(s), 0);
    assert_like_alone(s, model);
    /* A step that only guesses leaves the logits as they are. */
    assert_int_equal(lull_sequence_rewind(s, 2, NULL), LULL_OK);
    step(c);
    {
        const uint64_t serial = lull_sequence_serial(s);
        guess(s, guessed, 2);
        assert_int_equal(lull_context_start(c, 0, NULL), LULL_OK);
        assert_int_equal(lull_sequence_serial(s), serial);
        assert_int_equal(lull_context_wait(c, NULL, NULL), LULL_OK);
        assert_int_equal(lull_sequence_serial(s), serial);
        assert_like_alone(s, model);
    }
    lull_sequence_close(s);
    lull_context_close(c);
    lull_model_release(model);
}

/* ---- any order of everything */

static uint32_t dice(uint32_t *state, uint32_t sides)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % sides;
}

/* What is likely to come next in every text here, so that guesses are often right. */
static int32_t usual(const lull_sequence *s, size_t k)
{
    return (int32_t)((lull_sequence_length(s) + k) * 7 % 60);
}

static void guess_some(lull_sequence *s, uint32_t *state)
{
    int32_t tokens[6];
    size_t i, n = dice(state, 7);
    for (i = 0; i < n; i++) tokens[i] = dice(state, 5) > 0 ? usual(s, i) : (int32_t)dice(state, 60);
    guess(s, tokens, n);
}

static void do_something(lull_context *c, lull_sequence **s, lull_sequence **other, uint32_t *state)
{
    static const int32_t scored[2] = {3, 4};
    const size_t length = lull_sequence_length(*s);
    float scores[2];
    switch (dice(state, 12)) {
    case 0: assert_int_equal(lull_context_step(c, 1 + dice(state, 4), NULL, NULL), LULL_OK); break;
    case 1: step(c); break;
    case 2:
        assert_int_equal(lull_sequence_rewind(*s, length - dice(state, 3), NULL), LULL_OK);
        break;
    case 3:
        lull_sequence_close(*other);
        assert_int_equal(lull_sequence_fork(other, *s, NULL), LULL_OK);
        break;
    case 4:
        if (length + 2 <= LENGTH)
            assert_int_equal(lull_sequence_score(*s, scored, 2, scores, NULL), LULL_OK);
        break;
    case 5:
    case 6:
    case 7: guess_some(*s, state); break;
    default:
        if (length < LENGTH)
            feed_one(*s, dice(state, 5) > 0 ? usual(*s, 0) : (int32_t)dice(state, 60));
        else
            assert_int_equal(lull_sequence_rewind(*s, 5, NULL), LULL_OK);
    }
    if (lull_sequence_length(*s) == 0) feed_one(*s, 1);
}

static void test_any_order_of_everything(void **state)
{
    lull_model *model = load("gqa", NULL);
    lull_context *c = open_context(model, 2, LENGTH);
    lull_sequence *s[2];
    uint32_t random = 1;
    int i, k, confirmed = 0;
    (void)state;
    for (k = 0; k < 2; k++) {
        s[k] = open_sequence(c);
        feed_one(s[k], 10);
    }
    for (i = 0; i < 3000; i++) {
        k = (int)dice(&random, 2);
        do_something(c, &s[k], &s[1 - k], &random);
        for (k = 0; k < 2; k++) {
            if (lull_sequence_pending(s[k]) > 0) continue;
            assert_like_alone(s[k], model);
            confirmed += lull_sequence_guesses(s[k]) > 0;
        }
    }
    assert_true(confirmed > 300); /* the dice did reach what this is about */
    for (k = 0; k < 2; k++) lull_sequence_close(s[k]);
    {
        lull_context_info info;
        lull_context_info_get(c, &info);
        assert_int_equal(info.blocks_used, 0);
    }
    lull_context_close(c);
    lull_model_release(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right_guesses_need_no_step),
        cmocka_unit_test(test_several_tokens_at_once),
        cmocka_unit_test(test_guesses_that_ask_to_keep_things_are_evaluated_again),
        cmocka_unit_test(test_guesses_end_with_the_context),
        cmocka_unit_test(test_no_memory_for_guesses),
        cmocka_unit_test(test_guesses_in_the_background),
        cmocka_unit_test(test_any_order_of_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
