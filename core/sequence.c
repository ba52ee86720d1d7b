/* sequence.c - one text inside a context: its tokens, the KV blocks they live in, its logits.
 *
 * KV blocks are shared by reference count.  The rule that keeps sharing safe: a block that holds a
 * position not yet evaluated belongs to one sequence alone (reserve sees to it).
 *
 * Guesses are tokens kept behind the sequence's own and evaluated along with them, in the same pass
 * over the weights.  They are no part of the text: a feed that brings the same token makes it one, and
 * its logits are there already; any other drops them. */
#include "context.h"
#include "fpenv.h"

#include <math.h> /* NAN */

static const uint32_t NAN_BITS = 0x7fc00000u;

/* ---- KV blocks */

static int32_t block_index(const lull_context *c, const unsigned char *block)
{
    return (int32_t)((size_t)(block - c->kv) / c->layer_bytes);
}

/* There is always a free one: a context has enough for all its sequences when nothing is shared. */
static unsigned char *take_block(lull_context *c)
{
    int32_t i = c->free_blocks[--c->n_free];
    c->block_references[i] = 1;
    return c->kv + (size_t)i * c->layer_bytes;
}

static void drop_block(lull_context *c, unsigned char *block)
{
    int32_t i = block_index(c, block);
    if (--c->block_references[i] == 0) c->free_blocks[c->n_free++] = i;
}

static void copy_block(const lull_context *c, unsigned char *to, const unsigned char *from)
{
    const size_t n_planes = 2 * (size_t)c->model->config.n_layers;
    size_t plane;
    for (plane = 0; plane < n_planes; plane++)
        memcpy(to + plane * c->plane_bytes, from + plane * c->plane_bytes, c->layer_bytes);
}

/* Make blocks for the queued positions, from n_done on, each this sequence's alone. */
static void reserve(lull_sequence *s)
{
    lull_context *c = s->context;
    size_t n = s->n_tokens + s->n_guesses;
    size_t b, end = (n + LULL_KV_POSITIONS - 1) / LULL_KV_POSITIONS;
    if (s->n_done == n) return;
    for (b = s->n_done / LULL_KV_POSITIONS; b < end; b++) {
        unsigned char *shared = s->blocks[b];
        if (shared == NULL) {
            s->blocks[b] = take_block(c);
        } else if (c->block_references[block_index(c, shared)] > 1) {
            s->blocks[b] = take_block(c);
            copy_block(c, s->blocks[b], shared);
            drop_block(c, shared);
        }
    }
}

/* Let go of blocks that hold nothing below position n. */
static void drop_blocks_from(lull_sequence *s, size_t n)
{
    size_t b, end = ((size_t)s->context->info.length + LULL_KV_POSITIONS - 1) / LULL_KV_POSITIONS;
    for (b = (n + LULL_KV_POSITIONS - 1) / LULL_KV_POSITIONS; b < end && s->blocks[b] != NULL;
         b++) {
        drop_block(s->context, s->blocks[b]);
        s->blocks[b] = NULL;
    }
}

/* ---- life */

/* One block of memory: the struct, then its arrays, each aligned to 64 bytes. */
static lull_sequence *allocate(lull_context *c, lull_error *error)
{
    size_t length = (size_t)c->info.length, at, total;
    size_t n_blocks = (length + LULL_KV_POSITIONS - 1) / LULL_KV_POSITIONS;
    size_t logits_bytes = c->vocab_stride * sizeof(float);
    size_t tokens_bytes = lull_round_up(length * sizeof(int32_t), 64);
    size_t scores_bytes = lull_round_up(length * sizeof(float), 64);
    size_t blocks_bytes = lull_round_up(n_blocks * sizeof(unsigned char *), 64);
    unsigned char *memory;
    lull_sequence *s;
    at = lull_round_up(sizeof *s, 64);
    total = at + logits_bytes + tokens_bytes + scores_bytes + blocks_bytes + length;
    memory = lull_memory_get_zeroed(&c->model->allocator, total);
    if (memory == NULL) {
        lull_memory_fail(error, "sequence", total);
        return NULL;
    }
    s = (lull_sequence *)(void *)memory;
    s->logits = (float *)(void *)(memory + at);
    at += logits_bytes;
    s->tokens = (int32_t *)(void *)(memory + at);
    at += tokens_bytes;
    s->scores = (float *)(void *)(memory + at);
    at += scores_bytes;
    s->blocks = (unsigned char **)(void *)(memory + at);
    at += blocks_bytes;
    s->wants = memory + at;
    return s;
}

lull_status lull_sequence_open(lull_sequence **out, lull_context *c, lull_error *error)
{
    lull_sequence *s, **tail = &c->first;
    lull_error_clear(error);
    *out = NULL;
    if (lull_context_check(c, error) != LULL_OK) return LULL_ESTATE;
    if (c->info.open_sequences == c->info.sequences)
        return lull_fail(error, LULL_ELIMIT, 0, 0,
                         "the context holds %d sequence%s, and all are open; close one or open the "
                         "context with more",
                         (int)c->info.sequences, c->info.sequences == 1 ? "" : "s");
    s = allocate(c, error);
    if (s == NULL) return LULL_ENOMEM;
    s->context = c;
    c->references++;
    c->info.open_sequences++;
    while (*tail != NULL) tail = &(*tail)->next;
    *tail = s;
    *out = s;
    return LULL_OK;
}

void lull_sequence_close(lull_sequence *s)
{
    lull_context *c;
    lull_sequence **link;
    if (s == NULL) return;
    c = s->context;
    if (lull_background_busy(c)) {
        s->closing = 1; /* freed when the step has ended, by lull_context_settle */
        return;
    }
    drop_blocks_from(s, 0);
    for (link = &c->first; *link != s;) link = &(*link)->next;
    *link = s->next;
    c->info.open_sequences--;
    lull_kept_free(s);
    lull_memory_put(&c->model->allocator, s);
    lull_context_drop(c);
}

/* ---- feeding */

static lull_status check_feed(const lull_sequence *s, const int32_t *tokens, size_t n,
                              lull_error *error)
{
    const lull_context *c = s->context;
    size_t i, length = (size_t)c->info.length;
    if (lull_context_check(c, error) != LULL_OK) return LULL_ESTATE;
    for (i = 0; i < n; i++)
        if (tokens[i] < 0 || tokens[i] >= c->model->config.vocab_size)
            return lull_fail(error, LULL_EINVAL, 0, 0,
                             "token %lu of %lu is %d, the vocabulary has 0..%d",
                             (unsigned long)i + 1, (unsigned long)n, (int)tokens[i],
                             (int)c->model->config.vocab_size - 1);
    if (n > length - s->n_tokens)
        return lull_fail(
            error, LULL_ECONTEXT, 0, 0,
            "%lu tokens do not fit: the sequence holds %lu, the context's length is %lu",
            (unsigned long)n, (unsigned long)s->n_tokens, (unsigned long)length);
    return LULL_OK;
}

/* Write tokens behind the sequence's own. */
static void append(lull_sequence *s, const int32_t *tokens, size_t n, unsigned wants)
{
    size_t i, first = s->n_tokens;
    for (i = 0; i < n; i++) {
        s->tokens[first + i] = tokens[i];
        s->scores[first + i] = lull_bits_float(NAN_BITS);
        s->wants[first + i] = (unsigned char)wants;
    }
}

static void drop_guesses(lull_sequence *s)
{
    if (s->n_guesses == 0) return;
    s->n_guesses = 0;
    if (s->n_done > s->n_tokens) s->n_done = s->n_tokens;
    s->n_ahead = s->n_done;
    drop_blocks_from(s, s->n_tokens);
}

/* Make those guesses that tokens (n) confirm part of the text; returns how many. */
static size_t confirm_guesses(lull_sequence *s, const int32_t *tokens, size_t n)
{
    const lull_context *c = s->context;
    size_t k = 0, row;
    while (k < n && k < s->n_guesses && s->tokens[s->n_tokens + k] == tokens[k]) k++;
    if (k == 0) return 0;
    s->n_tokens += k;
    s->n_guesses -= k;
    s->serial++;
    s->has_logits = s->n_done >= s->n_tokens;
    row = s->n_tokens - 1 - s->first_guess;
    if (s->has_logits)
        memcpy(s->logits, s->guess_logits + row * c->vocab_stride,
               (size_t)c->model->config.vocab_size * sizeof(float));
    return k;
}

static int asks_for_nothing(const lull_feed_options *o)
{
    return o == NULL || (!o->score && !o->all_logits && !o->hidden && o->n_layers == 0);
}

/* In the environment of the kernels; volatile: the call stays inside it. */
static double kernels_log_sum(const lull_context *c, const float *logits)
{
    volatile double result;
    uint32_t saved = 0;
    lull_fpenv env;
    lull_fpenv_enter(&env);
    if (c->kernels->enter != NULL) saved = c->kernels->enter();
    result = c->kernels->log_sum(logits, (size_t)c->model->config.vocab_size);
    if (c->kernels->leave != NULL) c->kernels->leave(saved);
    lull_fpenv_leave(&env);
    return result;
}

double lull_sequence_logsumexp(lull_sequence *s)
{
    const uint64_t stamp = lull_sequence_serial(s) + 1;
    /* What is queued by now leaves the logits as they are until it is evaluated. */
    if (s->n_tokens == 0 || (!s->has_logits && s->serial == 0)) return (double)NAN;
    if (s->log_sum_stamp != stamp) {
        s->log_sum = kernels_log_sum(s->context, s->logits);
        s->log_sum_stamp = stamp;
    }
    return s->log_sum;
}

lull_status lull_sequence_feed(lull_sequence *s, const int32_t *tokens, size_t n,
                               const lull_feed_options *options, lull_error *error)
{
    size_t first, known;
    unsigned wants = 0;
    lull_status status;
    lull_error_clear(error);
    if ((status = check_feed(s, tokens, n, error)) != LULL_OK) return status;
    if (asks_for_nothing(options)) {
        known = confirm_guesses(s, tokens, n);
        tokens += known;
        n -= known;
    } else if (n > 0) {
        status = lull_kept_reserve(s, s->n_tokens, n, options, &wants, error);
        if (status != LULL_OK) return status;
    }
    if (n == 0) return LULL_OK;
    drop_guesses(s);
    first = s->n_tokens;
    append(s, tokens, n, wants);
    /* The step scores a token when it evaluates the one before it; the logits before the first of
     * these may be here already. */
    if ((wants & WANT_SCORE) != 0 && s->has_logits)
        s->scores[first] = (float)((double)s->logits[tokens[0]] - lull_sequence_logsumexp(s));
    s->has_logits = 0;
    s->n_tokens += n;
    reserve(s);
    return LULL_OK;
}

lull_status lull_sequence_guess(lull_sequence *s, const int32_t *tokens, size_t *n,
                                lull_error *error)
{
    size_t wanted = *n, most = (size_t)s->context->info.length - s->n_tokens;
    lull_status status;
    lull_error_clear(error);
    *n = 0;
    if (wanted > most) wanted = most;
    if ((status = check_feed(s, tokens, wanted, error)) != LULL_OK) return status;
    if (s->n_tokens == 0)
        return lull_fail(error, LULL_ESTATE, 0, 0, "guess: the sequence is empty; feed it first");
    drop_guesses(s);
    if (wanted == 0) return LULL_OK;
    if ((status = lull_kept_reserve_guesses(s, wanted, error)) != LULL_OK) return status;
    append(s, tokens, wanted, 0);
    s->n_guesses = wanted;
    reserve(s);
    *n = wanted;
    return LULL_OK;
}

lull_status lull_sequence_rewind(lull_sequence *s, size_t n, lull_error *error)
{
    lull_error_clear(error);
    if (lull_context_check(s->context, error) != LULL_OK) return LULL_ESTATE;
    if (n > s->n_tokens)
        return lull_fail(error, LULL_EINVAL, 0, 0, "rewind to %lu tokens: the sequence holds %lu",
                         (unsigned long)n, (unsigned long)s->n_tokens);
    s->n_guesses = 0;
    s->n_tokens = n;
    if (s->n_done >= n) s->n_done = n > 0 ? n - 1 : 0;
    s->n_ahead = s->n_done;
    s->has_logits = 0;
    s->serial++;
    lull_kept_rewind(s, n);
    drop_blocks_from(s, n);
    reserve(s);
    return LULL_OK;
}

lull_status lull_sequence_fork(lull_sequence **out, lull_sequence *s, lull_error *error)
{
    lull_context *c = s->context;
    lull_sequence *child;
    const size_t n_done = s->n_done < s->n_tokens ? s->n_done : s->n_tokens; /* without guesses */
    size_t b, n_shared = (n_done + LULL_KV_POSITIONS - 1) / LULL_KV_POSITIONS;
    lull_status status = lull_sequence_open(&child, c, error);
    *out = NULL;
    if (child == NULL) return status;
    memcpy(child->tokens, s->tokens, s->n_tokens * sizeof *s->tokens);
    memcpy(child->scores, s->scores, s->n_tokens * sizeof *s->scores);
    memcpy(child->wants, s->wants, s->n_tokens);
    status = lull_kept_copy(child, s, error);
    if (status != LULL_OK) {
        lull_sequence_close(child);
        return status;
    }
    child->n_tokens = s->n_tokens;
    child->n_done = child->n_ahead = n_done;
    child->has_logits = s->has_logits;
    if (s->has_logits)
        memcpy(child->logits, s->logits, (size_t)c->model->config.vocab_size * sizeof(float));
    for (b = 0; b < n_shared; b++) {
        child->blocks[b] = s->blocks[b];
        c->block_references[block_index(c, s->blocks[b])]++;
    }
    reserve(child);
    reserve(s); /* guesses of its may be queued in a block that is now shared */
    *out = child;
    return LULL_OK;
}

/* ---- results */

size_t lull_sequence_length(const lull_sequence *s)
{
    return s->n_tokens;
}

size_t lull_sequence_pending(const lull_sequence *s)
{
    return s->n_done < s->n_tokens ? s->n_tokens - s->n_done : 0;
}

size_t lull_sequence_guesses(const lull_sequence *s)
{
    return s->n_guesses;
}

size_t lull_sequence_queued(const lull_sequence *s)
{
    return s->n_tokens + s->n_guesses - s->n_ahead;
}

const int32_t *lull_sequence_tokens(const lull_sequence *s)
{
    return s->tokens;
}

lull_context *lull_sequence_context(const lull_sequence *s)
{
    return s->context;
}

const float *lull_sequence_scores(const lull_sequence *s)
{
    return s->scores;
}

uint64_t lull_sequence_serial(const lull_sequence *s)
{
    /* A running step may be writing this sequence's logits already. */
    return s->serial + (lull_background_busy(s->context) && s->n_done < s->n_tokens);
}

lull_status lull_sequence_logits(const lull_sequence *s, const float **logits, lull_error *error)
{
    lull_error_clear(error);
    *logits = NULL;
    if (lull_context_check(s->context, error) != LULL_OK) return LULL_ESTATE;
    if (s->n_tokens == 0)
        return lull_fail(error, LULL_ESTATE, 0, 0,
                         "no logits: the sequence is empty; feed it first");
    if (!s->has_logits)
        return lull_fail(error, LULL_ESTATE, 0, 0,
                         "no logits: %lu token%s queued; step the context first",
                         (unsigned long)(s->n_tokens - s->n_done),
                         s->n_tokens - s->n_done == 1 ? " is" : "s are");
    *logits = s->logits;
    return LULL_OK;
}

lull_status lull_sequence_score(lull_sequence *s, const int32_t *tokens, size_t n, float *logprobs,
                                lull_error *error)
{
    static const lull_feed_options score = {1, 0, 0, NULL, 0};
    lull_context *c = s->context;
    size_t length = s->n_tokens;
    const uint64_t serial = s->serial;
    int had_logits = s->has_logits;
    lull_status status;
    lull_error_clear(error);
    if (lull_context_check(c, error) != LULL_OK) return LULL_ESTATE;
    if (length == 0)
        return lull_fail(error, LULL_ESTATE, 0, 0,
                         "score: the sequence is empty; feed what the tokens follow first");
    if ((status = lull_sequence_feed(s, tokens, n, &score, error)) != LULL_OK) return status;
    if (n == 0) return LULL_OK;
    status = lull_context_evaluate(c, s, 0, NULL, error);
    if (status == LULL_OK) memcpy(logprobs, s->scores + length, n * sizeof *logprobs);
    lull_sequence_rewind(s, length, NULL);
    if (status != LULL_OK || !had_logits) return status;
    /* Put back the logits that were there; bit for bit, so what was copied from them is current. */
    status = lull_context_evaluate(c, s, 0, NULL, error);
    if (status == LULL_OK) s->serial = serial;
    return status;
}
