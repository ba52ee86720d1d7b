/* context.c - the memory of a context: KV blocks, work buffers, and the step that feeds queued
 * tokens to the network.  Sequences are in sequence.c. */
#include "context.h"
#include "fpenv.h"

#define MAX_SEQUENCES 65536
#define MAX_THREADS   256
#define MAX_BATCH     1024

void lull_context_options_init(lull_context_options *options)
{
    memset(options, 0, sizeof *options);
    options->sequences = 1;
    options->threads = 1;
    options->batch = 64;
}

const char *lull_cpu_name(int i, int *available)
{
    int n;
    const lull_kernels *const *tables = lull_kernels_all(&n);
    if (available != NULL) *available = 0;
    if (i < 0 || i >= n) return NULL;
    if (available != NULL) *available = tables[i]->available();
    return tables[i]->name;
}

/* ---- options */

static lull_status check_range(const char *name, int32_t value, int32_t least, int32_t most,
                               lull_error *error)
{
    if (value >= least && value <= most) return LULL_OK;
    return lull_fail(error, LULL_EINVAL, 0, 0, "context: %s must be in %d..%d, got %d", name,
                     (int)least, (int)most, (int)value);
}

/* Check options and write what they come to into c->info. */
static lull_status settle_options(lull_context *c, const lull_context_options *o, lull_error *error)
{
    const lull_config *config = &c->model->config;
    lull_context_info *info = &c->info;
    lull_status status;
    if ((status = check_range("sequences", o->sequences, 1, MAX_SEQUENCES, error)) != LULL_OK ||
        (status = check_range("threads", o->threads, 0, MAX_THREADS, error)) != LULL_OK ||
        (status = check_range("batch", o->batch, 1, MAX_BATCH, error)) != LULL_OK ||
        (status = check_range("length", o->length, 0, config->seq_len, error)) != LULL_OK ||
        (status = check_range("kv", (int32_t)o->kv, 0, LULL_KV_BF16, error)) != LULL_OK)
        return status;
    info->sequences = o->sequences;
    info->threads = o->threads != 0 ? o->threads : lull_cpu_count();
    if (info->threads > MAX_THREADS) info->threads = MAX_THREADS;
    info->batch = o->batch;
    info->length = o->length != 0 ? o->length : config->seq_len;
    info->kv = o->kv;
    if (info->kv == LULL_KV_DEFAULT)
        info->kv = c->model->precision == LULL_F32 ? LULL_KV_F32 : LULL_KV_BF16;
    info->blocks = (info->length + LULL_KV_POSITIONS - 1) / LULL_KV_POSITIONS;
    c->profile = o->profile;
    return LULL_OK;
}

/* ---- memory */

/* A list of arrays to be cut from one block, each aligned to 64 bytes. */
typedef struct cut {
    void **place;
    uint64_t bytes;
} cut;

#define MAX_CUTS 24

typedef struct plan {
    cut cuts[MAX_CUTS];
    int n;
    uint64_t total;
    int overflow;
} plan;

static void want(plan *p, void *place, uint64_t count, uint64_t each, uint64_t size)
{
    uint64_t bytes;
    if (!lull_u64_mul(count, each, &bytes) || !lull_u64_mul(bytes, size, &bytes) ||
        bytes > UINT64_MAX / 4 || p->total > UINT64_MAX / 4) {
        p->overflow = 1;
        return;
    }
    bytes = (bytes + 63) / 64 * 64;
    p->cuts[p->n].place = place;
    p->cuts[p->n++].bytes = bytes;
    p->total += bytes;
}

/* All places are pointers to object pointers, which have one representation on every machine this
 * runs on; memcpy keeps the aliasing rules. */
static void cut_up(const plan *p, unsigned char *block)
{
    int i;
    for (i = 0; i < p->n; i++) {
        void *at = block;
        memcpy(p->cuts[i].place, &at, sizeof at);
        block += p->cuts[i].bytes;
    }
}

static void plan_activations(plan *p, const lull_context *c, lull_activations *xq, int32_t cols)
{
    uint64_t batch = (uint64_t)c->info.batch;
    xq->group = c->model->group;
    xq->n_groups = (cols - 1) / xq->group + 1;
    xq->group_stride = (int32_t)lull_round_up((size_t)xq->group, 16);
    xq->token_stride = lull_round_up((size_t)xq->n_groups * (size_t)xq->group_stride, 64);
    want(p, &xq->q, batch, xq->token_stride, 1);
    want(p, &xq->scale, batch, (uint64_t)xq->n_groups * 4, sizeof(float));
    want(p, &xq->offset, batch, (uint64_t)xq->n_groups * 4, sizeof(int32_t));
}

static void plan_work(plan *p, lull_context *c)
{
    const lull_config *config = &c->model->config;
    uint64_t batch = (uint64_t)c->info.batch, n_heads = (uint64_t)config->n_heads;
    c->head_stride = (int32_t)lull_round_up((size_t)c->model->head_dim, 16);
    c->dim_stride = lull_round_up((size_t)config->dim, 16);
    c->kv_stride = lull_round_up((size_t)c->model->kv_dim, 16);
    c->hidden_stride = lull_round_up((size_t)config->hidden_dim, 16);
    c->vocab_stride = lull_round_up((size_t)config->vocab_size, 16);
    c->scores_stride = lull_round_up((size_t)c->info.length, 16) + 16;
    c->score_rows = LULL_MAX_QUERIES * (config->n_heads / config->n_kv_heads);
    if (c->score_rows < config->n_heads) c->score_rows = config->n_heads;
    want(p, &c->rows, batch, 1, sizeof *c->rows);
    want(p, &c->x, batch, c->dim_stride, sizeof(float));
    want(p, &c->xb, batch, c->dim_stride, sizeof(float));
    want(p, &c->y, batch, c->dim_stride, sizeof(float));
    want(p, &c->k, batch, c->kv_stride, sizeof(float));
    want(p, &c->v, batch, c->kv_stride, sizeof(float));
    want(p, &c->query, batch * n_heads, (uint64_t)c->head_stride, sizeof(float));
    want(p, &c->gate, batch, c->hidden_stride, sizeof(float));
    want(p, &c->up, batch, c->hidden_stride, sizeof(float));
    want(p, &c->scores, (uint64_t)c->info.threads * (uint64_t)c->score_rows, c->scores_stride,
         sizeof(float));
    want(p, &c->sums, (uint64_t)c->info.threads * (uint64_t)c->score_rows, (uint64_t)c->head_stride,
         sizeof(float));
    c->logit_rows = c->info.batch < LULL_LOGIT_ROWS ? c->info.batch : LULL_LOGIT_ROWS;
    want(p, &c->logits, (uint64_t)c->logit_rows, c->vocab_stride, sizeof(float));
    if (c->model->precision != LULL_F32) {
        plan_activations(p, c, &c->xq, config->dim);
        plan_activations(p, c, &c->hidden_xq, config->hidden_dim);
    }
}

static void plan_kv(plan *p, lull_context *c)
{
    uint64_t blocks = (uint64_t)c->info.blocks * (uint64_t)c->info.sequences, layer_bytes;
    if (blocks > INT32_MAX) {
        p->overflow = 1;
        return;
    }
    layer_bytes = (uint64_t)c->model->config.n_kv_heads * (uint64_t)c->head_stride *
                  LULL_KV_POSITIONS * (c->info.kv == LULL_KV_BF16 ? 2 : 4);
    c->info.blocks = (int32_t)blocks;
    c->info.kv_bytes = blocks * 2 * (uint64_t)c->model->config.n_layers * layer_bytes;
    c->layer_bytes = (size_t)layer_bytes;
    c->plane_bytes = (size_t)(blocks * layer_bytes); /* kv_bytes, which holds it, is checked */
    want(p, &c->block_references, blocks, 1, sizeof(int32_t));
    want(p, &c->free_blocks, blocks, 1, sizeof(int32_t));
}

static lull_status get_memory(lull_context *c, uint64_t most, lull_error *error)
{
    plan p;
    size_t work_bytes, kv_bytes;
    memset(&p, 0, sizeof p);
    plan_work(&p, c);
    plan_kv(&p, c);
    if (p.overflow || !lull_u64_to_size(c->info.kv_bytes, &kv_bytes) ||
        !lull_u64_to_size(p.total + c->info.kv_bytes, &work_bytes))
        return lull_fail(error, LULL_ELIMIT, 0, 0,
                         "context: %d sequence%s of %d tokens need %.0f MB, this build can address "
                         "%.0f MB",
                         (int)c->info.sequences, c->info.sequences == 1 ? "" : "s",
                         (int)c->info.length, ((double)p.total + (double)c->info.kv_bytes) / 1e6,
                         (double)SIZE_MAX / 2e6);
    c->info.memory_bytes = p.total + c->info.kv_bytes;
    if (most != 0 && c->info.memory_bytes > most)
        return lull_fail(error, LULL_ELIMIT, 0, 0,
                         "context: %d sequence%s of %d tokens need %.0f bytes, max_memory_bytes is "
                         "%.0f",
                         (int)c->info.sequences, c->info.sequences == 1 ? "" : "s",
                         (int)c->info.length, (double)c->info.memory_bytes, (double)most);
    c->work = lull_memory_get_zeroed(&c->model->allocator, (size_t)p.total);
    if (c->work == NULL) return lull_memory_fail(error, "context", p.total);
    cut_up(&p, c->work);
    /* Not zeroed: pages of a long context cost nothing before they are written. */
    c->kv = lull_memory_get(&c->model->allocator, kv_bytes);
    if (c->kv == NULL) return lull_memory_fail(error, "context's KV cache", c->info.kv_bytes);
    for (c->n_free = 0; c->n_free < c->info.blocks; c->n_free++)
        c->free_blocks[c->n_free] = c->info.blocks - 1 - c->n_free;
    return LULL_OK;
}

/* sqrt by Newton's method: +, * and / only, hence the same bits on every machine. */
static double square_root(double x)
{
    double y = x > 1.0 ? x : 1.0;
    int i;
    for (i = 0; i < 100; i++) y = 0.5 * (y + x / y);
    return y;
}

/* ---- life */

lull_status lull_context_open(lull_context **out, lull_model *model,
                              const lull_context_options *options, lull_error *error)
{
    lull_context_options defaults;
    lull_context *c;
    lull_status status;
    lull_error_clear(error);
    *out = NULL;
    if (options == NULL) {
        lull_context_options_init(&defaults);
        options = &defaults;
    }
    c = lull_memory_get_zeroed(&model->allocator, sizeof *c);
    if (c == NULL) return lull_memory_fail(error, "context", sizeof *c);
    c->references = 1;
    c->model = lull_model_retain(model);
    c->attention_scale = (float)(1.0 / square_root((double)model->head_dim));
    if ((status = settle_options(c, options, error)) != LULL_OK ||
        (status = lull_kernels_select(options->cpu, &c->kernels, error)) != LULL_OK ||
        (status = get_memory(c, options->max_memory_bytes, error)) != LULL_OK)
        goto fail;
    c->info.kernel = c->kernels->name;
    if (c->info.threads > 1 &&
        (status = lull_pool_open(&c->pool, c->info.threads, &model->allocator, error)) != LULL_OK)
        goto fail;
    *out = c;
    return LULL_OK;
fail:
    lull_context_drop(c);
    return status;
}

void lull_context_drop(lull_context *c)
{
    lull_model *model = c->model;
    lull_allocator allocator = model->allocator;
    if (--c->references > 0) return;
    lull_pool_close(c->pool);
    lull_memory_put(&allocator, c->kv);
    lull_memory_put(&allocator, c->work);
    lull_memory_put(&allocator, c);
    lull_model_release(model);
}

void lull_context_close(lull_context *c)
{
    if (c == NULL || c->closed) return;
    lull_background_close(c);
    c->closed = 1;
    lull_context_settle(c);
    lull_context_drop(c);
}

lull_status lull_context_check(const lull_context *c, lull_error *error)
{
    if (c->closed) return lull_fail(error, LULL_ESTATE, 0, 0, "the context is closed");
    if (lull_background_lost(c)) return lull_context_fail_forked(error);
    if (lull_background_busy(c))
        return lull_fail(error, LULL_ESTATE, 0, 0,
                         "a step runs in the background; wait for it first");
    return LULL_OK;
}

void lull_context_info_get(const lull_context *c, lull_context_info *info)
{
    *info = c->info;
    info->blocks_used = c->info.blocks - c->n_free;
}

void lull_context_times_get(const lull_context *c, lull_context_times *times)
{
    *times = c->times;
}

void lull_context_cancel(lull_context *c)
{
    lull_atomic_set(&c->cancel, 1);
}

/* ---- the step */

/* Where the logits after the token at a position belong, or NULL. */
static float *logits_place(const lull_sequence *s, size_t position)
{
    if (position + 1 < s->n_tokens) return lull_kept_logits(s, position);
    if (position + 1 == s->n_tokens) return s->logits;
    return s->guess_logits + (position - s->first_guess) * s->context->vocab_stride;
}

/* Put up to n queued tokens of s into the pass. */
static int32_t add_rows(lull_context *c, int32_t n_rows, lull_sequence *s, size_t n)
{
    size_t i, queued = lull_sequence_queued(s);
    if (n > queued) n = queued;
    for (i = 0; i < n; i++) {
        lull_row *row = &c->rows[n_rows++];
        size_t position = s->n_ahead + i;
        int last = position + 1 >= s->n_tokens; /* or a guess */
        row->sequence = s;
        row->token = s->tokens[position];
        row->position = (int32_t)position;
        row->to = logits_place(s, position);
        row->next = last ? -1 : s->tokens[position + 1];
        row->score = NULL;
        if (!last && (s->wants[position + 1] & WANT_SCORE) != 0)
            row->score = &s->scores[position + 1];
        row->hidden = NULL;
        if ((s->wants[position] & WANT_HIDDEN) != 0)
            row->hidden = s->kept.hidden + position * (size_t)c->model->config.dim;
    }
    return n_rows;
}

/* Choose the tokens of the next pass: first those sequences that wait for a single token, so that a
 * long prompt does not hold them up, then the rest, in order of opening. */
static int32_t gather(lull_context *c, lull_sequence *only, size_t limit)
{
    lull_sequence *s;
    int32_t n = 0;
    int single;
    if (limit > (size_t)c->info.batch) limit = (size_t)c->info.batch;
    for (single = 1; single >= 0; single--)
        for (s = c->first; s != NULL && (size_t)n < limit; s = s->next)
            if ((only == NULL || s == only) && (lull_sequence_queued(s) == 1) == single)
                n = add_rows(c, n, s, limit - (size_t)n);
    return n;
}

/* Count what a pass evaluated; it has put logits and scores in their places itself. */
static void take_results(lull_context *c, int32_t n)
{
    int32_t i;
    for (i = 0; i < n; i++) {
        lull_sequence *s = c->rows[i].sequence;
        s->n_ahead = (size_t)c->rows[i].position + 1;
        if (s->n_ahead >= s->n_tokens) s->has_logits = 1;
    }
}

lull_status lull_context_run(lull_context *c, lull_sequence *only, size_t max_tokens,
                             lull_error *error)
{
    lull_status status = LULL_OK;
    lull_fpenv env;
    uint32_t vector_env = 0;
    size_t budget = max_tokens != 0 ? max_tokens : SIZE_MAX;
    int32_t n;
    lull_fpenv_enter(&env);
    if (c->kernels->enter != NULL) vector_env = c->kernels->enter();
    while (status == LULL_OK && (n = gather(c, only, budget)) > 0) {
        status = lull_forward(c, n, error);
        if (status == LULL_OK) take_results(c, n);
        budget -= (size_t)n;
    }
    if (c->kernels->leave != NULL) c->kernels->leave(vector_env);
    lull_fpenv_leave(&env);
    /* A cancel that came too late for this step is for the next one. */
    if (status == LULL_ECANCELED) lull_atomic_set(&c->cancel, 0);
    return status;
}

void lull_context_settle(lull_context *c)
{
    lull_sequence *s, *next;
    for (s = c->first; s != NULL; s = next) {
        next = s->next;
        if (s->n_ahead != s->n_done) {
            s->serial += s->n_done < s->n_tokens; /* guesses leave the logits as they are */
            s->n_done = s->n_ahead;
        }
        if (s->closing) lull_sequence_close(s);
    }
}

size_t lull_context_queued(const lull_context *c)
{
    const lull_sequence *s;
    size_t n = 0;
    for (s = c->first; s != NULL; s = s->next) n += lull_sequence_queued(s);
    return n;
}

lull_status lull_context_evaluate(lull_context *c, lull_sequence *only, size_t max_tokens,
                                  size_t *remaining, lull_error *error)
{
    lull_status status = lull_context_check(c, error);
    if (remaining != NULL) *remaining = 0;
    if (status != LULL_OK) return status;
    if (!lull_pool_usable(c->pool)) return lull_context_fail_forked(error);
    status = lull_context_run(c, only, max_tokens, error);
    lull_context_settle(c);
    if (remaining != NULL) *remaining = lull_context_queued(c);
    return status;
}

lull_status lull_context_step(lull_context *c, size_t max_tokens, size_t *remaining,
                              lull_error *error)
{
    lull_error_clear(error);
    return lull_context_evaluate(c, NULL, max_tokens, remaining, error);
}

lull_status lull_context_fail_forked(lull_error *error)
{
    return lull_fail(error, LULL_ESTATE, 0, 0,
                     "the context was opened before fork(); open a new one in this process");
}
