/* outputs.c - what a feed asked its tokens' evaluation to leave behind: the logits of earlier tokens,
 * hidden states, logits after early layers.  Memory is got while feeding, so that a step allocates
 * nothing. */
#include "context.h"
#include "fpenv.h"

#include <math.h> /* sqrt */

static const lull_allocator *allocator_of(const lull_sequence *s)
{
    return &s->context->model->allocator;
}

/* Room for count vectors of `each` floats. */
static float *get_floats(const lull_sequence *s, size_t count, size_t each, const char *what,
                         lull_error *error)
{
    const uint64_t bytes = (uint64_t)count * each * sizeof(float); /* both below 2^32 */
    size_t fits = 0;
    float *floats = NULL;
    if (lull_u64_to_size(bytes, &fits)) floats = lull_memory_get(allocator_of(s), fits);
    if (floats == NULL) lull_memory_fail(error, what, bytes);
    return floats;
}

static lull_status check_layers(const lull_sequence *s, const lull_feed_options *o,
                                lull_error *error)
{
    int32_t i, n = s->context->model->config.n_layers;
    if (o->n_layers < 0 || o->n_layers > n || (o->n_layers > 0 && o->layers == NULL))
        return lull_fail(error, LULL_EINVAL, 0, 0, "feed: %d layers, the model has %d",
                         (int)o->n_layers, (int)n);
    for (i = 0; i < o->n_layers; i++)
        if (o->layers[i] < 0 || o->layers[i] >= n || (i > 0 && o->layers[i] <= o->layers[i - 1]))
            return lull_fail(error, LULL_EINVAL, 0, 0,
                             "feed: layer %d, expected ascending numbers in 0..%d",
                             (int)o->layers[i], (int)n - 1);
    return LULL_OK;
}

/* All that can fail first, then all that changes the sequence. */
lull_status lull_kept_reserve(lull_sequence *s, size_t first, size_t n, const lull_feed_options *o,
                              unsigned *wants, lull_error *error)
{
    const lull_context *c = s->context;
    const size_t n_layers = (size_t)o->n_layers, n_logits = n - 1; /* the last has its own place */
    float *logits = NULL, *hidden = NULL, *layer_logits = NULL;
    int32_t *layers = NULL;
    lull_status status = check_layers(s, o, error);
    if (status != LULL_OK) return status;
    if (o->all_logits && n_logits > 0 &&
        (logits = get_floats(s, n_logits, c->vocab_stride, "logits of all tokens", error)) == NULL)
        goto no_memory;
    if (o->hidden && s->kept.hidden == NULL &&
        (hidden = get_floats(s, (size_t)c->info.length, (size_t)c->model->config.dim,
                             "hidden states", error)) == NULL)
        goto no_memory;
    if (n_layers > 0) {
        layers = lull_memory_get(allocator_of(s), n_layers * sizeof *layers);
        if (layers == NULL) lull_memory_fail(error, "layers", n_layers * sizeof *layers);
        layer_logits = get_floats(s, n_layers, c->vocab_stride, "logits after layers", error);
        if (layers == NULL || layer_logits == NULL) goto no_memory;
    }

    *wants = (o->score ? WANT_SCORE : 0) | (o->hidden ? WANT_HIDDEN : 0);
    if (hidden != NULL) s->kept.hidden = hidden;
    if (o->all_logits) {
        lull_memory_put(allocator_of(s), s->kept.logits);
        s->kept.logits = logits;
        s->kept.first_logits = first;
        s->kept.n_logits = n_logits;
    }
    if (n_layers > 0) {
        memcpy(layers, o->layers, n_layers * sizeof *layers);
        lull_memory_put(allocator_of(s), s->kept.layers);
        lull_memory_put(allocator_of(s), s->kept.layer_logits);
        s->kept.layers = layers;
        s->kept.layer_logits = layer_logits;
        s->kept.n_layers = o->n_layers;
        s->kept.layers_token = first + n - 1;
    }
    return LULL_OK;
no_memory:
    lull_memory_put(allocator_of(s), logits);
    lull_memory_put(allocator_of(s), hidden);
    lull_memory_put(allocator_of(s), layers);
    lull_memory_put(allocator_of(s), layer_logits);
    return LULL_ENOMEM;
}

lull_status lull_kept_reserve_guesses(lull_sequence *s, size_t n, lull_error *error)
{
    if (n > s->guess_room) {
        float *rows = get_floats(s, n, s->context->vocab_stride, "logits of guesses", error);
        if (rows == NULL) return LULL_ENOMEM;
        lull_memory_put(allocator_of(s), s->guess_logits);
        s->guess_logits = rows;
        s->guess_room = n;
    }
    s->first_guess = s->n_tokens;
    return LULL_OK;
}

void lull_kept_free(lull_sequence *s)
{
    lull_memory_put(allocator_of(s), s->guess_logits);
    lull_memory_put(allocator_of(s), s->kept.logits);
    lull_memory_put(allocator_of(s), s->kept.hidden);
    lull_memory_put(allocator_of(s), s->kept.layers);
    lull_memory_put(allocator_of(s), s->kept.layer_logits);
    memset(&s->kept, 0, sizeof s->kept);
}

lull_status lull_kept_copy(lull_sequence *to, const lull_sequence *from, lull_error *error)
{
    const size_t dim = (size_t)from->context->model->config.dim;
    if (from->kept.hidden == NULL) return LULL_OK;
    to->kept.hidden =
        get_floats(to, (size_t)from->context->info.length, dim, "hidden states", error);
    if (to->kept.hidden == NULL) return LULL_ENOMEM;
    memcpy(to->kept.hidden, from->kept.hidden, from->n_done * dim * sizeof(float));
    return LULL_OK;
}

void lull_kept_rewind(lull_sequence *s, size_t n)
{
    lull_kept *k = &s->kept;
    if (k->n_logits > 0 && n < k->first_logits + k->n_logits)
        k->n_logits = n > k->first_logits ? n - k->first_logits : 0;
    if (k->n_layers > 0 && n <= k->layers_token) k->n_layers = 0;
}

float *lull_kept_logits(const lull_sequence *s, size_t token)
{
    const lull_kept *k = &s->kept;
    if (token < k->first_logits || token - k->first_logits >= k->n_logits) return NULL;
    return k->logits + (token - k->first_logits) * s->context->vocab_stride;
}

float *lull_kept_layer(const lull_sequence *s, size_t token, int32_t layer)
{
    const lull_kept *k = &s->kept;
    int32_t i;
    if (k->n_layers == 0 || token != k->layers_token) return NULL;
    for (i = 0; i < k->n_layers && k->layers[i] != layer; i++) continue;
    return i < k->n_layers ? k->layer_logits + (size_t)i * s->context->vocab_stride : NULL;
}

/* ---- public */

static lull_status check_token(const lull_sequence *s, size_t i, lull_error *error)
{
    lull_status status = lull_context_check(s->context, error);
    if (status != LULL_OK) return status;
    if (i >= s->n_tokens)
        return lull_fail(error, LULL_EINVAL, 0, 0, "token %lu: the sequence holds %lu",
                         (unsigned long)i, (unsigned long)s->n_tokens);
    if (i >= s->n_done)
        return lull_fail(error, LULL_ESTATE, 0, 0, "token %lu is queued; step the context first",
                         (unsigned long)i);
    return LULL_OK;
}

lull_status lull_sequence_logits_at(const lull_sequence *s, size_t i, int32_t layer,
                                    const float **logits, lull_error *error)
{
    lull_status status;
    lull_error_clear(error);
    *logits = NULL;
    if ((status = check_token(s, i, error)) != LULL_OK) return status;
    if (layer < -1 || layer >= s->context->model->config.n_layers)
        return lull_fail(error, LULL_EINVAL, 0, 0, "layer %d, expected -1..%d", (int)layer,
                         (int)s->context->model->config.n_layers - 1);
    if (layer >= 0)
        *logits = lull_kept_layer(s, i, layer);
    else if (i + 1 == s->n_tokens && s->has_logits)
        *logits = s->logits;
    else
        *logits = lull_kept_logits(s, i);
    if (*logits != NULL) return LULL_OK;
    if (layer >= 0)
        return lull_fail(error, LULL_ESTATE, 0, 0,
                         "no logits after layer %d of token %lu: it was not fed with that layer",
                         (int)layer, (unsigned long)i);
    return lull_fail(error, LULL_ESTATE, 0, 0,
                     "no logits of token %lu: it was not fed with logits = \"all\"",
                     (unsigned long)i);
}

static lull_status check_hidden(const lull_sequence *s, size_t i, lull_error *error)
{
    lull_status status = check_token(s, i, error);
    if (status != LULL_OK) return status;
    if ((s->wants[i] & WANT_HIDDEN) != 0) return LULL_OK;
    return lull_fail(error, LULL_ESTATE, 0, 0,
                     "no hidden state of token %lu: it was not fed with hidden", (unsigned long)i);
}

static const float *hidden_at(const lull_sequence *s, size_t i)
{
    return s->kept.hidden + i * (size_t)s->context->model->config.dim;
}

lull_status lull_sequence_hidden(const lull_sequence *s, size_t i, const float **hidden,
                                 lull_error *error)
{
    lull_status status;
    lull_error_clear(error);
    *hidden = NULL;
    if ((status = check_hidden(s, i, error)) != LULL_OK) return status;
    *hidden = hidden_at(s, i);
    return LULL_OK;
}

/* a . b (n).  Products of float32 are exact in double; sums as every reduction here: 16 lanes, lane j
 * takes k = j mod 16 ascending, lanes fold as i + 8, i + 4, i + 2, i + 1. */
static double dot(const float *a, const float *b, size_t n)
{
    double lane[16] = {0};
    size_t k, j;
    for (k = 0; k < n; k += 16) {
        const size_t length = n - k < 16 ? n - k : 16;
        for (j = 0; j < length; j++) lane[j] += (double)a[k + j] * (double)b[k + j];
    }
    for (k = 8; k > 0; k /= 2) {
        for (j = 0; j < k; j++) lane[j] += lane[j + k];
    }
    return lane[0];
}

static double cosine(const float *a, const float *b, size_t n)
{
    const double squares = dot(a, a, n) * dot(b, b, n);
    return squares == 0 ? 0 : dot(a, b, n) / sqrt(squares);
}

lull_status lull_sequence_similarity(const lull_sequence *s, size_t i, size_t first, size_t n,
                                     double *similarity, size_t *at, lull_error *error)
{
    const size_t dim = (size_t)s->context->model->config.dim;
    double best = -2; /* below every cosine */
    lull_status status;
    lull_fpenv env;
    size_t k;
    lull_error_clear(error);
    *similarity = 0;
    *at = 0;
    if (n == 0) return lull_fail(error, LULL_EINVAL, 0, 0, "no tokens to compare with");
    if ((status = check_hidden(s, i, error)) != LULL_OK) return status;
    for (k = 0; k < n; k++)
        if ((status = check_hidden(s, first + k, error)) != LULL_OK) return status;
    lull_fpenv_enter(&env);
    for (k = 0; k < n && best == best; k++) {
        const double c = cosine(hidden_at(s, i), hidden_at(s, first + k), dim);
        if (c <= best) continue;
        best = c;
        *at = first + k;
    }
    *similarity = best;
    lull_fpenv_leave(&env);
    return LULL_OK;
}
