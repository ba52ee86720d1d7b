/* Contexts and sequences: feeding, stepping, forking, rewinding, scoring, errors, memory. */
#include "context_cases.h"
#include "failing.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- */

static void test_forks_and_rewinds_equal_fresh_runs(void **state)
{
    lull_model *model = load("gqa", NULL);
    size_t at, back;
    (void)state;
    for (at = 1; at <= 34; at += at % 16 >= 14 || at % 16 <= 1 ? 1 : 5) {
        for (back = 0; back <= at; back += back < 3 ? 1 : 6) {
            lull_context *c = open_context(model, 3, 48);
            lull_sequence *a = open_sequence(c), *b;
            feed(a, 0, at, 0);
            step(c);
            assert_int_equal(lull_sequence_fork(&b, a, NULL), LULL_OK);
            assert_like_fresh(model, b, 0);
            assert_int_equal(lull_sequence_rewind(b, at - back, NULL), LULL_OK);
            assert_int_equal(lull_sequence_pending(b), at - back > 0);
            feed(b, at - back, at - back + 7, at - back == 0 ? 3 : 0);
            feed(a, at, at + 9, 0);
            step(c);
            assert_like_fresh(model, a, 0);
            assert_like_fresh(model, b, at - back == 0 ? 3 : 0);
            lull_sequence_close(a);
            lull_sequence_close(b);
            lull_context_close(c);
        }
    }
    lull_model_release(model);
}

static void test_fork_with_queued_tokens(void **state)
{
    lull_model *model = load("odd", NULL);
    lull_context *c = open_context(model, 2, 40);
    lull_sequence *a = open_sequence(c), *b;
    (void)state;
    feed(a, 0, 10, 0);
    step(c);
    feed(a, 10, 20, 0);
    assert_int_equal(lull_sequence_fork(&b, a, NULL), LULL_OK);
    assert_int_equal(lull_sequence_pending(b), 10);
    step(c);
    assert_like_fresh(model, a, 0);
    assert_like_fresh(model, b, 0);
    feed(b, 20, 33, 0);
    step(c);
    assert_like_fresh(model, a, 0);
    assert_like_fresh(model, b, 0);
    lull_sequence_close(a);
    feed(b, 33, 40, 0);
    step(c);
    assert_like_fresh(model, b, 0);
    lull_sequence_close(b);
    lull_context_close(c);
    lull_model_release(model);
}

/* Fork, write and close at random: every sequence keeps its own text, every block comes back. */
static void test_random_sharing_keeps_texts_apart(void **state)
{
    enum { PLACES = 6, LENGTH = 40 };
    lull_model *model = load("head8", NULL);
    lull_context *c = open_context(model, PLACES, LENGTH);
    lull_sequence *s[PLACES] = {NULL};
    lull_context_info info;
    int text[PLACES] = {0}, i, round;
    uint32_t r = 12345;
    (void)state;
    for (round = 0; round < 300; round++) {
        size_t n;
        r = r * 1664525u + 1013904223u;
        i = (int)(r >> 8) % PLACES;
        if (s[i] == NULL) {
            int from = (int)(r >> 16) % PLACES;
            if (s[from] != NULL && (r >> 24) % 4 != 0) {
                assert_int_equal(lull_sequence_fork(&s[i], s[from], NULL), LULL_OK);
                text[i] = text[from];
            } else {
                s[i] = open_sequence(c);
                text[i] = round;
            }
            continue;
        }
        n = lull_sequence_length(s[i]);
        if ((r >> 24) % 5 == 0) {
            lull_sequence_close(s[i]);
            s[i] = NULL;
        } else if ((r >> 24) % 5 == 1 && n > 0) {
            assert_int_equal(lull_sequence_rewind(s[i], (r >> 12) % n + 1, NULL), LULL_OK);
        } else {
            size_t to = n + (r >> 12) % 9 + 1;
            feed(s[i], n, to < LENGTH ? to : LENGTH, text[i]);
        }
        if ((r >> 28) % 2 == 0) step(c);
    }
    step(c);
    for (i = 0; i < PLACES; i++) {
        if (s[i] == NULL) continue;
        if (lull_sequence_length(s[i]) > 0) assert_like_fresh(model, s[i], text[i]);
        lull_sequence_close(s[i]);
    }
    lull_context_info_get(c, &info);
    assert_int_equal(info.blocks_used, 0);
    assert_int_equal(info.open_sequences, 0);
    lull_context_close(c);
    lull_model_release(model);
}

static void test_shared_prefix_takes_its_blocks_once(void **state)
{
    lull_model *model = load("gqa", NULL);
    lull_context *c = open_context(model, 4, 64);
    lull_sequence *s[4];
    lull_context_info info;
    int i;
    (void)state;
    s[0] = open_sequence(c);
    feed(s[0], 0, 40, 0);
    step(c);
    for (i = 1; i < 4; i++) assert_int_equal(lull_sequence_fork(&s[i], s[0], NULL), LULL_OK);
    lull_context_info_get(c, &info);
    assert_int_equal(info.blocks_used, 3);
    for (i = 0; i < 4; i++) feed(s[i], 40, 41, i);
    lull_context_info_get(c, &info);
    assert_int_equal(info.blocks_used, 2 + 4); /* the third block is written by each */
    for (i = 0; i < 4; i++) lull_sequence_close(s[i]);
    lull_context_close(c);
    lull_model_release(model);
}

static void test_step_limits_and_serves_single_tokens_first(void **state)
{
    lull_model *model = load("gqa", NULL);
    lull_context *c = open_context(model, 2, 64);
    lull_sequence *prompt = open_sequence(c), *story = open_sequence(c);
    size_t remaining;
    (void)state;
    feed(story, 0, 1, 0);
    step(c);
    feed(prompt, 0, 30, 1);
    feed(story, 1, 2, 0);
    assert_int_equal(lull_context_step(c, 5, &remaining, NULL), LULL_OK);
    assert_int_equal(remaining, 26);
    assert_int_equal(lull_sequence_pending(story), 0);
    assert_int_equal(lull_sequence_pending(prompt), 26);
    assert_int_equal(lull_context_step(c, 25, &remaining, NULL), LULL_OK);
    assert_int_equal(remaining, 1);
    step(c);
    assert_like_fresh(model, prompt, 1);
    assert_like_fresh(model, story, 0);
    lull_sequence_close(prompt);
    lull_sequence_close(story);
    lull_context_close(c);
    lull_model_release(model);
}

static void test_scores_equal_logprobs_of_logits(void **state)
{
    static const lull_feed_options score = {1, 0, 0, NULL, 0};
    lull_model *model = load("unshared", NULL);
    lull_context *c = open_context(model, 2, 64);
    lull_sequence *s = open_sequence(c), *other = open_sequence(c);
    float before[4096], scores[20];
    int32_t ids[20];
    uint64_t serial;
    size_t i;
    (void)state;
    for (i = 0; i < 20; i++) ids[i] = token(7 + i, 0);
    feed(s, 0, 7, 0);
    step(c);
    feed(other, 0, 3, 1);
    memcpy(before, logits_of(s), logits_bytes(c));
    serial = lull_sequence_serial(s);
    assert_int_equal(lull_sequence_score(s, ids, 20, scores, NULL), LULL_OK);
    assert_true(lull_sequence_serial(s) == serial);
    assert_int_equal(lull_sequence_length(s), 7);
    assert_memory_equal(logits_of(s), before, logits_bytes(c));
    assert_int_equal(lull_sequence_pending(other), 3); /* nobody else is evaluated */
    for (i = 0; i < 20; i++) {
        float expected =
            (float)lull_logits_logprob(logits_of(s), (size_t)model->config.vocab_size, ids[i]);
        assert_true(scores[i] == expected);
        feed(s, 7 + i, 8 + i, 0);
        step(c);
    }
    /* The same through feed's flag, and NaN where none was asked for. */
    assert_int_equal(lull_sequence_rewind(s, 7, NULL), LULL_OK);
    assert_int_equal(lull_sequence_feed(s, ids, 20, &score, NULL), LULL_OK);
    step(c);
    assert_memory_equal(lull_sequence_scores(s) + 7, scores, sizeof scores);
    for (i = 0; i < 7; i++) assert_true(isnan(lull_sequence_scores(s)[i]));
    lull_sequence_close(s);
    lull_sequence_close(other);
    lull_context_close(c);
    lull_model_release(model);
}

/* All logits, hidden states and early logits against a sequence that is fed one by one. */
static void test_kept_outputs_equal_those_of_single_steps(void **state)
{
    static const int32_t layers[] = {0, 1};
    lull_feed_options keep = {0, 1, 1, layers, 2};
    lull_model *model = load("gqa", NULL);
    const size_t dim = (size_t)model->config.dim, n = 20;
    lull_context *c = open_context(model, 3, 64);
    lull_sequence *s = open_sequence(c), *one = open_sequence(c), *child;
    const float *a, *b, *h;
    int32_t ids[20], last = model->config.n_layers - 1, only = 0;
    size_t i;
    (void)state;
    for (i = 0; i < n; i++) ids[i] = token(i + 4, 0);
    feed(s, 0, 4, 0);
    feed(one, 0, 4, 0);
    step(c);
    assert_int_equal(lull_sequence_feed(s, ids, n, &keep, NULL), LULL_OK);
    assert_int_equal(lull_sequence_logits_at(s, 5, -1, &a, NULL), LULL_ESTATE);
    step(c);
    for (i = 4; i < 24; i++) {
        lull_feed_options hidden = {0, 0, 1, &only, 1};
        assert_int_equal(lull_sequence_feed(one, &ids[i - 4], 1, &hidden, NULL), LULL_OK);
        step(c);
        assert_int_equal(lull_sequence_logits_at(s, i, -1, &a, NULL), LULL_OK);
        assert_memory_equal(a, logits_of(one), logits_bytes(c));
        assert_int_equal(lull_sequence_hidden(s, i, &h, NULL), LULL_OK);
        assert_int_equal(lull_sequence_hidden(one, i, &b, NULL), LULL_OK);
        assert_memory_equal(h, b, dim * sizeof(float));
    }
    /* After the first layer the same as in the other sequence, after the last the same as in the end. */
    assert_int_equal(lull_sequence_logits_at(s, 23, 0, &a, NULL), LULL_OK);
    assert_int_equal(lull_sequence_logits_at(one, 23, 0, &b, NULL), LULL_OK);
    assert_memory_equal(a, b, logits_bytes(c));
    assert_true(memcmp(a, logits_of(s), logits_bytes(c)) != 0);
    if (last == 1) {
        assert_int_equal(lull_sequence_logits_at(s, 23, last, &a, NULL), LULL_OK);
        assert_memory_equal(a, logits_of(s), logits_bytes(c));
    }
    /* Hidden states go with a fork; what a rewind drops is gone. */
    assert_int_equal(lull_sequence_fork(&child, s, NULL), LULL_OK);
    assert_int_equal(lull_sequence_hidden(child, 10, &a, NULL), LULL_OK);
    assert_int_equal(lull_sequence_hidden(s, 10, &b, NULL), LULL_OK);
    assert_memory_equal(a, b, dim * sizeof(float));
    assert_int_equal(lull_sequence_rewind(s, 10, NULL), LULL_OK);
    step(c);
    assert_int_equal(lull_sequence_logits_at(s, 8, -1, &a, NULL), LULL_OK);
    assert_int_equal(lull_sequence_logits_at(s, 10, -1, &a, NULL), LULL_EINVAL);
    feed(s, 10, 12, 0);
    step(c);
    assert_int_equal(lull_sequence_logits_at(s, 10, -1, &a, NULL), LULL_ESTATE);
    assert_int_equal(lull_sequence_hidden(s, 10, &a, NULL), LULL_ESTATE);
    assert_int_equal(lull_sequence_hidden(s, 3, &a, NULL), LULL_ESTATE);
    assert_int_equal(lull_sequence_logits_at(s, 11, 0, &a, NULL), LULL_ESTATE);
    assert_int_equal(lull_sequence_logits_at(s, 11, 99, &a, NULL), LULL_EINVAL);
    lull_sequence_close(s);
    lull_sequence_close(one);
    lull_sequence_close(child);
    lull_context_close(c);
    lull_model_release(model);
}

/* The cosine by its definition. */
static double cosine(const float *a, const float *b, size_t n)
{
    double ab = 0, aa = 0, bb = 0;
    size_t i;
    for (i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return ab / (sqrt(aa) * sqrt(bb));
}

static void test_similarity_finds_the_nearest_hidden_state(void **state)
{
    lull_feed_options keep = {0, 0, 1, NULL, 0};
    lull_model *model = load("odd", NULL);
    const size_t dim = (size_t)model->config.dim, n = 12;
    lull_context *c = open_context(model, 2, 64);
    lull_sequence *s = open_sequence(c);
    const float *own, *other;
    double found, best;
    size_t i, j, at;
    lull_error error;
    (void)state;
    for (i = 0; i < n; i++) {
        const int32_t id = token(i % 5, 0);
        assert_int_equal(lull_sequence_feed(s, &id, 1, &keep, NULL), LULL_OK);
    }
    assert_int_equal(lull_sequence_similarity(s, 3, 0, 3, &found, &at, &error), LULL_ESTATE);
    step(c);
    for (i = 1; i < n; i++) {
        size_t expected = 0;
        best = -2;
        assert_int_equal(lull_sequence_hidden(s, i, &own, NULL), LULL_OK);
        for (j = 0; j < i; j++) {
            assert_int_equal(lull_sequence_hidden(s, j, &other, NULL), LULL_OK);
            if (cosine(own, other, dim) > best) {
                best = cosine(own, other, dim);
                expected = j;
            }
        }
        assert_int_equal(lull_sequence_similarity(s, i, 0, i, &found, &at, NULL), LULL_OK);
        assert_true(fabs(found - best) < 1e-12);
        assert_int_equal(at, expected);
        assert_int_equal(lull_sequence_similarity(s, i, 0, n, &found, &at, NULL), LULL_OK);
        assert_true(found == 1 && at == i);
    }
    assert_int_equal(lull_sequence_similarity(s, 3, 0, 0, &found, &at, &error), LULL_EINVAL);
    assert_int_equal(lull_sequence_similarity(s, n, 0, 1, &found, &at, &error), LULL_EINVAL);
    assert_int_equal(lull_sequence_similarity(s, 3, 1, SIZE_MAX, &found, &at, &error), LULL_EINVAL);
    assert_true(found == 0 && at == 0);
    feed(s, 0, 1, 0);
    step(c);
    assert_int_equal(lull_sequence_similarity(s, n, 0, 1, &found, &at, &error), LULL_ESTATE);
    assert_int_equal(lull_sequence_similarity(s, 0, 1, n, &found, &at, &error), LULL_ESTATE);
    lull_sequence_close(s);
    lull_context_close(c);
    lull_model_release(model);
}

static void test_a_refused_output_changes_nothing(void **state)
{
    static const int32_t layers[] = {1, 0}, good[] = {0};
    lull_feed_options bad = {0, 0, 0, layers, 2}, all = {1, 1, 1, good, 1};
    lull_error error;
    failing f;
    lull_model *model;
    lull_context *c;
    lull_sequence *s;
    int32_t ids[5] = {1, 2, 3, 4, 5};
    long k;
    lull_status status;
    (void)state;
    failing_init(&f, 0, 0);
    model = load("gqa", &f.allocator);
    c = open_context(model, 1, 20);
    s = open_sequence(c);
    assert_int_equal(lull_sequence_feed(s, ids, 5, &bad, &error), LULL_EINVAL);
    assert_non_null(strstr(error.message, "layer 0, expected ascending"));
    for (k = 1;; k++) {
        long blocks = f.blocks;
        f.fail_at = f.calls + k;
        status = lull_sequence_feed(s, ids, 5, &all, &error);
        if (status == LULL_OK) break;
        assert_int_equal(status, LULL_ENOMEM);
        assert_int_equal(f.blocks, blocks);
        assert_int_equal(lull_sequence_length(s), 0);
    }
    assert_true(k > 3);
    f.fail_at = 0;
    step(c);
    lull_sequence_close(s);
    lull_context_close(c);
    lull_model_release(model);
    assert_int_equal(f.blocks, 0);
}

static void assert_error(lull_status status, lull_status expected, const lull_error *error,
                         const char *text)
{
    assert_int_equal(status, expected);
    assert_int_equal(error->code, expected);
    if (strstr(error->message, text) == NULL) fail_msg("\"%s\" lacks \"%s\"", error->message, text);
}

static void test_errors_change_nothing(void **state)
{
    lull_model *model = load("gqa", NULL);
    lull_context *c = open_context(model, 1, 20);
    lull_sequence *s = open_sequence(c), *none;
    lull_error error;
    const float *logits;
    int32_t bad[3] = {1, -1, 2}, ids[21] = {0};
    float score;
    (void)state;
    assert_error(lull_sequence_logits(s, &logits, &error), LULL_ESTATE, &error, "empty");
    assert_error(lull_sequence_score(s, ids, 1, &score, &error), LULL_ESTATE, &error, "empty");
    assert_error(lull_sequence_open(&none, c, &error), LULL_ELIMIT, &error, "holds 1 sequence,");
    assert_null(none);
    assert_error(lull_sequence_fork(&none, s, &error), LULL_ELIMIT, &error, "holds 1 sequence,");
    assert_error(lull_sequence_feed(s, bad, 3, 0, &error), LULL_EINVAL, &error,
                 "token 2 of 3 is -1, the vocabulary has 0..");
    bad[1] = model->config.vocab_size;
    assert_error(lull_sequence_feed(s, bad, 3, 0, &error), LULL_EINVAL, &error, "token 2 of 3");
    assert_error(lull_sequence_feed(s, ids, 21, 0, &error), LULL_ECONTEXT, &error,
                 "21 tokens do not fit: the sequence holds 0, the context's length is 20");
    assert_error(lull_sequence_rewind(s, 1, &error), LULL_EINVAL, &error, "rewind to 1");
    assert_int_equal(lull_sequence_length(s), 0);
    feed(s, 0, 20, 0);
    assert_error(lull_sequence_logits(s, &logits, &error), LULL_ESTATE, &error,
                 "20 tokens are queued");
    step(c);
    assert_error(lull_sequence_feed(s, ids, 1, 0, &error), LULL_ECONTEXT, &error, "1 tokens");
    assert_like_fresh(model, s, 0);
    lull_context_close(c);
    assert_error(lull_sequence_feed(s, ids, 1, 0, &error), LULL_ESTATE, &error, "closed");
    assert_error(lull_sequence_logits(s, &logits, &error), LULL_ESTATE, &error, "closed");
    lull_sequence_close(s);
    lull_model_release(model);
}

static void test_options_are_checked(void **state)
{
    static const int32_t bad_counts[] = {-1, INT32_MIN, INT32_MAX, 65537};
    lull_model *model = load("gqa", NULL);
    lull_context_options options;
    lull_context *c;
    lull_error error;
    size_t i;
    (void)state;
    for (i = 0; i < 4; i++) {
        lull_context_options_init(&options);
        options.sequences = bad_counts[i];
        assert_error(lull_context_open(&c, model, &options, &error), LULL_EINVAL, &error,
                     "sequences must be in 1..65536, got");
        lull_context_options_init(&options);
        options.threads = bad_counts[i];
        assert_error(lull_context_open(&c, model, &options, &error), LULL_EINVAL, &error,
                     "threads must be in 0..256");
        lull_context_options_init(&options);
        options.batch = bad_counts[i];
        assert_error(lull_context_open(&c, model, &options, &error), LULL_EINVAL, &error, "batch");
        lull_context_options_init(&options);
        options.length = bad_counts[i];
        assert_error(lull_context_open(&c, model, &options, &error), LULL_EINVAL, &error, "length");
        assert_null(c);
    }
    lull_context_options_init(&options);
    options.cpu = "z80";
    assert_error(lull_context_open(&c, model, &options, &error), LULL_EINVAL, &error, "portable");
    lull_context_options_init(&options);
    options.max_memory_bytes = 1000;
    assert_error(lull_context_open(&c, model, &options, &error), LULL_ELIMIT, &error,
                 "max_memory_bytes is 1000");
    lull_model_release(model);
}

static void test_cancel_leaves_a_usable_sequence(void **state)
{
    lull_model *model = load("gqa", NULL);
    lull_context *c = open_context(model, 1, 40);
    lull_sequence *s = open_sequence(c);
    lull_error error;
    size_t remaining;
    (void)state;
    feed(s, 0, 30, 0);
    lull_context_cancel(c);
    assert_error(lull_context_step(c, 0, &remaining, &error), LULL_ECANCELED, &error, "canceled");
    assert_int_equal(remaining, 30);
    step(c);
    assert_like_fresh(model, s, 0);
    lull_sequence_close(s);
    lull_context_close(c);
    lull_model_release(model);
}

typedef struct canceller {
    lull_context *context;
    int stop; /* atomic */
} canceller;

/* Cancels again and again, after nothing to a few thousand turns of an empty loop. */
static void *keep_cancelling(void *argument)
{
    canceller *k = argument;
    uint32_t chance = 1;
    while (!lull_atomic_get(&k->stop)) {
        volatile uint32_t turns;
        chance = chance * 1664525u + 1013904223u;
        for (turns = chance >> 18; turns > 0; turns--) continue;
        lull_context_cancel(k->context);
    }
    return NULL;
}

/* Whatever moment a cancel strikes, nothing is lost: stepping again comes to the same logits. */
static void test_cancel_at_any_moment(void **state)
{
    lull_model *model = load("unshared", NULL);
    int round, cancelled = 0;
    (void)state;
    for (round = 0; round < 50 || (cancelled == 0 && round < 5000); round++) {
        lull_context *c = open_context(model, 1, 40);
        lull_sequence *s = open_sequence(c);
        canceller k = {NULL, 0};
        lull_status status;
        pthread_t thread;
        int tries = 0;
        k.context = c;
        feed(s, 0, 30, 0);
        assert_int_equal(pthread_create(&thread, NULL, keep_cancelling, &k), 0);
        do {
            status = lull_context_step(c, 3, NULL, NULL);
            assert_true(status == LULL_OK || status == LULL_ECANCELED);
            cancelled += status == LULL_ECANCELED;
            if (++tries == 200) lull_atomic_set(&k.stop, 1); /* let it come to an end */
        } while (lull_sequence_pending(s) > 0);
        lull_atomic_set(&k.stop, 1);
        pthread_join(thread, NULL);
        assert_like_fresh(model, s, 0);
        lull_sequence_close(s);
        lull_context_close(c);
    }
    assert_true(cancelled > 0);
    lull_model_release(model);
}

static void test_every_allocation_may_fail(void **state)
{
    int forever;
    long k;
    (void)state;
    for (forever = 0; forever < 2; forever++) {
        for (k = 1;; k++) {
            failing f;
            lull_model *model;
            lull_context_options options;
            lull_context *c = NULL;
            lull_sequence *s = NULL, *child = NULL;
            lull_error error;
            lull_status status;
            int done;
            failing_init(&f, 0, forever);
            model = load("odd", &f.allocator);
            lull_context_options_init(&options);
            options.sequences = 2;
            options.threads = 2;
            f.fail_at = f.calls + k;
            status = lull_context_open(&c, model, &options, &error);
            if (status == LULL_OK) status = lull_sequence_open(&s, c, &error);
            if (status == LULL_OK) feed(s, 0, 5, 0);
            if (status == LULL_OK) status = lull_context_step(c, 0, NULL, &error);
            if (status == LULL_OK) status = lull_sequence_fork(&child, s, &error);
            done = status == LULL_OK;
            if (!done) assert_error(status, LULL_ENOMEM, &error, "out of memory");
            lull_sequence_close(child);
            lull_sequence_close(s);
            lull_context_close(c);
            lull_model_release(model);
            assert_int_equal(f.blocks, 0);
            if (done) break;
        }
        assert_true(k > 4);
    }
}

static void test_steps_allocate_nothing(void **state)
{
    failing f;
    lull_model *model;
    lull_context *c;
    lull_sequence *s;
    long calls;
    (void)state;
    failing_init(&f, 0, 0);
    model = load("gqa", &f.allocator);
    c = open_context(model, 1, 40);
    s = open_sequence(c);
    calls = f.calls;
    feed(s, 0, 40, 0);
    step(c);
    assert_int_equal(lull_sequence_rewind(s, 5, NULL), LULL_OK);
    step(c);
    assert_int_equal(f.calls, calls);
    lull_sequence_close(s);
    lull_context_close(c);
    lull_model_release(model);
    assert_int_equal(f.blocks, 0);
}

static void *tell(void *argument)
{
    lull_model *model = argument;
    lull_context *c = open_context(model, 1, 0);
    lull_sequence *s = open_sequence(c);
    float *out = malloc(logits_bytes(c));
    size_t i;
    for (i = 0; i < 30; i++) {
        feed(s, i, i + 1, 0);
        step(c);
    }
    memcpy(out, logits_of(s), logits_bytes(c));
    lull_sequence_close(s);
    lull_context_close(c);
    return out;
}

static void test_two_contexts_on_two_threads_share_a_model(void **state)
{
    lull_model *model = load("gqa", NULL);
    float expected[4096];
    pthread_t threads[4];
    int i;
    (void)state;
    fresh_logits(model, 30, 0, expected);
    for (i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, tell, model), 0);
    for (i = 0; i < 4; i++) {
        void *out;
        assert_int_equal(pthread_join(threads[i], &out), 0);
        assert_memory_equal(out, expected, (size_t)model->config.vocab_size * sizeof(float));
        free(out);
    }
    lull_model_release(model);
}

static void test_a_forked_child_is_told(void **state)
{
    lull_model *model = load("gqa", NULL);
    lull_context_options options;
    lull_context *c;
    lull_sequence *s;
    pid_t pid;
    int result;
    (void)state;
    lull_context_options_init(&options);
    options.threads = 2;
    assert_int_equal(lull_context_open(&c, model, &options, NULL), LULL_OK);
    s = open_sequence(c);
    feed(s, 0, 3, 0);
    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        lull_error error;
        int right = lull_context_step(c, 0, NULL, &error) == LULL_ESTATE &&
                    strstr(error.message, "fork") != NULL;
        lull_sequence_close(s);
        lull_context_close(c);
        _exit(right ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &result, 0), pid);
    assert_true(WIFEXITED(result) && WEXITSTATUS(result) == 0);
    step(c);
    lull_sequence_close(s);
    lull_context_close(c);
    lull_model_release(model);
}

static void test_many_contexts_leak_nothing(void **state)
{
    failing f;
    lull_model *model;
    long live;
#if defined(__x86_64__)
    const int n = 10000;
#else
    const int n = 1000; /* other machines are emulated, mostly */
#endif
    int i;
    (void)state;
    failing_init(&f, 0, 0);
    model = load("odd", &f.allocator);
    live = f.blocks;
    for (i = 0; i < n; i++) {
        lull_context *c = open_context(model, 1, 16);
        lull_sequence *s = open_sequence(c);
        feed(s, 0, 1, 0);
        if (i % 2) lull_sequence_close(s);
        lull_context_close(c);
        if (i % 2 == 0) lull_sequence_close(s);
    }
    assert_int_equal(f.blocks, live);
    lull_model_release(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forks_and_rewinds_equal_fresh_runs),
        cmocka_unit_test(test_fork_with_queued_tokens),
        cmocka_unit_test(test_random_sharing_keeps_texts_apart),
        cmocka_unit_test(test_shared_prefix_takes_its_blocks_once),
        cmocka_unit_test(test_step_limits_and_serves_single_tokens_first),
        cmocka_unit_test(test_scores_equal_logprobs_of_logits),
        cmocka_unit_test(test_kept_outputs_equal_those_of_single_steps),
        cmocka_unit_test(test_similarity_finds_the_nearest_hidden_state),
        cmocka_unit_test(test_a_refused_output_changes_nothing),
        cmocka_unit_test(test_errors_change_nothing),
        cmocka_unit_test(test_options_are_checked),
        cmocka_unit_test(test_cancel_leaves_a_usable_sequence),
        cmocka_unit_test(test_cancel_at_any_moment),
        cmocka_unit_test(test_every_allocation_may_fail),
        cmocka_unit_test(test_steps_allocate_nothing),
        cmocka_unit_test(test_two_contexts_on_two_threads_share_a_model),
        cmocka_unit_test(test_a_forked_child_is_told),
        cmocka_unit_test(test_many_contexts_leak_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
