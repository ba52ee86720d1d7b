/* forward.c - the network, in the paper's order: Llama (Touvron et al. 2023, arXiv:2302.13971) with
 * grouped queries (Ainslie et al. 2023, arXiv:2305.13245).
 *
 * A pass evaluates n tokens at once, of any sequences: every weight is read once for all of them.
 * The arithmetic is that of the kernels (kernels/kernels.h); here are its order and the division
 * of labour between threads, which share out rows of matrices, tokens or heads, never a sum. */
#include "context.h"

/* ---- sharing work */

typedef struct pass {
    lull_context *context;
    const lull_layer *layer;
    int32_t l;      /* index of layer */
    int32_t n;      /* tokens */
    int32_t n_runs; /* of tokens that are consecutive in one sequence, for attention */
    void (*task)(struct pass *pass, int part, int n_parts);
    struct linear_job {
        const lull_matrix *w;
        float *y; /* (n, y_stride) */
        size_t y_stride;
    } jobs[3]; /* matrices with one common input */
    int n_jobs;
    int32_t n_inputs;
    const float *input; /* (n_inputs, input_stride), for float32 weights */
    size_t input_stride;
    const lull_activations *quantized_input;
} pass;

/* The share of part `part` of n things: begin (inclusive) to end. */
static void share(int32_t n, int part, int n_parts, int32_t *begin, int32_t *end)
{
    *begin = (int32_t)((int64_t)n * part / n_parts);
    *end = (int32_t)((int64_t)n * (part + 1) / n_parts);
}

static void run_part(void *argument, int part, int n_parts)
{
    pass *p = argument;
    const lull_kernels *kernels = p->context->kernels;
    uint32_t saved = 0;
    /* The caller's thread was prepared by the step. */
    if (part != 0 && kernels->enter != NULL) saved = kernels->enter();
    p->task(p, part, n_parts);
    if (part != 0 && kernels->leave != NULL) kernels->leave(saved);
}

/* Giving work to the pool costs a few microseconds.  Below what one thread does in that time, in bytes
 * of weights and cache passed over, it is done by the caller. */
#define SHARED_FROM 131072u
#define PER_ELEMENT 32u /* the like for work on each element of the residual stream */

static void run(pass *p, void (*task)(pass *, int, int), uint64_t bytes)
{
    if (bytes < SHARED_FROM) {
        task(p, 0, 1);
        return;
    }
    p->task = task;
    lull_pool_run(p->context->pool, run_part, p);
}

static void run_tokens(pass *p, void (*task)(pass *, int, int))
{
    run(p, task, PER_ELEMENT * (uint64_t)p->n * (uint64_t)p->context->model->config.dim);
}

/* Count the time since the last tick for one of c->times (options.profile). */
static void tick(lull_context *c, double *phase)
{
    double now;
    if (!c->profile) return;
    now = lull_clock();
    *phase += now - c->last_tick;
    c->last_tick = now;
}

/* ---- linear layers */

static void linear_task(pass *p, int part, int n_parts)
{
    const lull_kernels *kernels = p->context->kernels;
    int32_t total = 0, begin, end, first = 0;
    int i;
    for (i = 0; i < p->n_jobs; i++) total += p->jobs[i].w->n_blocks;
    share(total, part, n_parts, &begin, &end);
    for (i = 0; i < p->n_jobs; first += p->jobs[i].w->n_blocks, i++) {
        const struct linear_job *job = &p->jobs[i];
        int32_t block0 = begin > first ? begin - first : 0;
        int32_t block1 = end - first < job->w->n_blocks ? end - first : job->w->n_blocks;
        if (block0 >= block1) continue;
        if (job->w->precision == LULL_F32)
            kernels->linear_f32(job->w, p->input, p->input_stride, p->n_inputs, job->y,
                                job->y_stride, block0, block1);
        else if (job->w->precision == LULL_Q8)
            kernels->linear_q8(job->w, p->quantized_input, p->n_inputs, job->y, job->y_stride,
                               block0, block1);
        else
            kernels->linear_q4(job->w, p->quantized_input, p->n_inputs, job->y, job->y_stride,
                               block0, block1);
    }
}

static void add_job(pass *p, const lull_matrix *w, float *y, size_t y_stride)
{
    struct linear_job *job = &p->jobs[p->n_jobs++];
    job->w = w;
    job->y = y;
    job->y_stride = y_stride;
}

/* All jobs: y = W @ x for n_inputs tokens; then none are left. */
static void run_linear(pass *p, const float *x, size_t x_stride, const lull_activations *xq,
                       int32_t n_inputs)
{
    uint64_t bytes = 0;
    int i;
    for (i = 0; i < p->n_jobs; i++)
        bytes += (uint64_t)p->jobs[i].w->n_blocks * p->jobs[i].w->block_bytes;
    p->input = x;
    p->input_stride = x_stride;
    p->quantized_input = xq;
    p->n_inputs = n_inputs;
    tick(p->context, &p->context->times.other);
    run(p, linear_task, bytes * (uint64_t)n_inputs);
    tick(p->context, &p->context->times.linear);
    p->n_jobs = 0;
}

static int is_quantized(const lull_context *c)
{
    return c->model->precision != LULL_F32;
}

/* ---- per token */

/* xb = rmsnorm(x), and its quantised form */
static void norm_token(lull_context *c, int32_t slot, const float *x, const float *weight)
{
    float *xb = c->xb + (size_t)slot * c->dim_stride;
    c->kernels->rmsnorm(xb, x, weight, c->model->config.dim);
    if (is_quantized(c)) c->kernels->quantize(&c->xq, slot, xb, c->model->config.dim);
}

static void embed_task(pass *p, int part, int n_parts)
{
    lull_context *c = p->context;
    int32_t t, end;
    for (share(p->n, part, n_parts, &t, &end); t < end; t++) {
        float *x = c->x + (size_t)t * c->dim_stride;
        lull_matrix_row(&c->model->embedding, c->rows[t].token, x);
    }
}

static void attention_norm_task(pass *p, int part, int n_parts)
{
    lull_context *c = p->context;
    int32_t t, end;
    for (share(p->n, part, n_parts, &t, &end); t < end; t++)
        norm_token(c, t, c->x + (size_t)t * c->dim_stride, p->layer->rms_att);
}

/* Rotate n_heads heads of `in` (n_heads, head_dim) into `out` (n_heads, stride): pair (2i, 2i+1) by
 * the angle of position and i (Su et al. 2021, arXiv:2104.09864; llama2.c's interleaved pairs). */
static void rope(float *out, size_t stride, const float *in, int32_t n_heads, int32_t head_dim,
                 const float *cosines, const float *sines)
{
    int32_t h, i;
    for (h = 0; h < n_heads; h++) {
        const float *a = in + (size_t)h * (size_t)head_dim;
        float *b = out + (size_t)h * stride;
        for (i = 0; i < head_dim / 2; i++, a += 2, b += 2) {
            const float x0 = a[0], x1 = a[1], c = cosines[i], s = sines[i];
            b[0] = x0 * c - x1 * s;
            b[1] = x0 * s + x1 * c;
        }
    }
}

/* A head's K (n) of the position that is `slot` in its block, and its V; the layout is drawn in
 * kernels.h. */
static void store_k(unsigned char *head, int32_t slot, lull_kv_type kv, const float *k, int32_t n)
{
    int32_t i;
    if (kv == LULL_KV_BF16) {
        uint32_t *pairs = (uint32_t *)(void *)head + slot;
        for (i = 0; i < n; i += 2, pairs += LULL_KV_POSITIONS)
            *pairs = (uint32_t)lull_float_bf16(k[i]) << 16 | lull_float_bf16(k[i + 1]);
    } else {
        float *one = (float *)(void *)head + slot;
        for (i = 0; i < n; i++, one += LULL_KV_POSITIONS) *one = k[i];
    }
}

static void store_v(unsigned char *head, int32_t slot, int32_t stride, lull_kv_type kv,
                    const float *v, int32_t n)
{
    const size_t first = (size_t)(slot / 2) * (size_t)stride; /* pair of this position */
    const size_t second = (size_t)(slot % 2);
    int32_t i;
    if (kv == LULL_KV_BF16) {
        uint16_t *half =
            (uint16_t *)(void *)head + 2 * first + (LULL_HOST_BIG_ENDIAN ? second : 1 - second);
        for (i = 0; i < n; i++) half[2 * (size_t)i] = lull_float_bf16(v[i]);
    } else {
        float *sixteen = (float *)(void *)head + 2 * first + second * LULL_LANES;
        for (i = 0; i < n; i++)
            sixteen[(size_t)(i / LULL_LANES) * 2 * LULL_LANES + (size_t)(i % LULL_LANES)] = v[i];
    }
}

/* Where a row's K and V of this layer go. */
static unsigned char *cache_of(const pass *p, int32_t t)
{
    const lull_row *row = &p->context->rows[t];
    return row->sequence->blocks[row->position / LULL_KV_POSITIONS] +
           (size_t)p->l * 2 * p->context->plane_bytes;
}

/* Ask for the lines that a row's K will be spread over: written one after the other they would be
 * waited for one after the other. */
static void fetch_cache(const pass *p, int32_t t)
{
#if defined(__GNUC__)
    const unsigned char *block;
    size_t i;
    if (t >= p->n) return;
    block = cache_of(p, t);
    for (i = 0; i < p->context->layer_bytes; i += 64) __builtin_prefetch(block + i, 1);
#else
    (void)p, (void)t;
#endif
}

/* query = RoPE(q); RoPE(k) and v into the cache (its layout: kernels.h) */
static void cache_token(pass *p, int32_t t)
{
    lull_context *c = p->context;
    const lull_model *m = c->model;
    const lull_row *row = &c->rows[t];
    const int32_t hd = m->head_dim;
    const size_t stride = (size_t)c->head_stride;
    const size_t head_bytes = c->layer_bytes / (size_t)m->config.n_kv_heads;
    const int32_t slot = row->position % LULL_KV_POSITIONS;
    const float *cosines = m->rope_cos + (size_t)row->position * (size_t)(hd / 2);
    const float *sines = m->rope_sin + (size_t)row->position * (size_t)(hd / 2);
    float *k = c->k + (size_t)t * c->kv_stride, *v = c->v + (size_t)t * c->kv_stride;
    unsigned char *block = cache_of(p, t);
    int32_t h;
    rope(c->query + (size_t)t * (size_t)m->config.n_heads * stride, stride,
         c->y + (size_t)t * c->dim_stride, m->config.n_heads, hd, cosines, sines);
    rope(k, (size_t)hd, k, m->config.n_kv_heads, hd, cosines, sines);
    for (h = 0; h < m->config.n_kv_heads; h++) {
        const size_t at = (size_t)h * (size_t)hd;
        unsigned char *head = block + (size_t)h * head_bytes;
        store_k(head, slot, c->info.kv, k + at, hd);
        store_v(head + c->plane_bytes, slot, c->head_stride, c->info.kv, v + at, hd);
    }
}

static void cache_task(pass *p, int part, int n_parts)
{
    int32_t t, end;
    share(p->n, part, n_parts, &t, &end);
    fetch_cache(p, t);
    for (; t < end; t++) {
        fetch_cache(p, t + 1);
        cache_token(p, t);
    }
}

/* How many rows from t on are consecutive tokens of one sequence and so share what they read of its
 * cache. */
static int32_t run_of_rows(const pass *p, int32_t t)
{
    const lull_row *row = p->context->rows + t;
    int32_t n = 1;
    while (n < LULL_MAX_QUERIES && t + n < p->n && row[n].sequence == row->sequence) n++;
    return n;
}

/* The kv heads of all runs are shared out; a part may begin and end inside a run. */
static void attention_task(pass *p, int part, int n_parts)
{
    lull_context *c = p->context;
    const lull_config *config = &c->model->config;
    const int32_t n_kv_heads = config->n_kv_heads;
    int32_t begin, end, t, n, first = 0; /* item: a run's kv head */
    lull_attention a;
    a.query_stride = (size_t)config->n_heads * (size_t)c->head_stride;
    a.out_stride = c->dim_stride;
    a.rows = c->score_rows;
    a.scores_stride = c->scores_stride;
    a.scores = c->scores + (size_t)part * (size_t)a.rows * c->scores_stride;
    a.sums = c->sums + (size_t)part * (size_t)a.rows * (size_t)c->head_stride;
    a.k_offset = (size_t)p->l * 2 * c->plane_bytes;
    a.v_offset = a.k_offset + c->plane_bytes;
    a.n_heads = config->n_heads;
    a.n_kv_heads = n_kv_heads;
    a.head_dim = c->model->head_dim;
    a.head_stride = c->head_stride;
    a.scale = c->attention_scale;
    share(p->n_runs * n_kv_heads, part, n_parts, &begin, &end);
    for (t = 0; t < p->n && first < end; t += n, first += n_kv_heads) {
        const int32_t head0 = begin > first ? begin - first : 0;
        const int32_t head1 = end - first < n_kv_heads ? end - first : n_kv_heads;
        n = run_of_rows(p, t);
        if (head0 >= head1) continue;
        a.n_queries = n;
        a.query = c->query + (size_t)t * a.query_stride;
        a.out = c->xb + (size_t)t * c->dim_stride;
        a.blocks = (const unsigned char *const *)c->rows[t].sequence->blocks;
        a.next = t + n < p->n ? c->rows[t + n].sequence->blocks[0] : NULL;
        a.n_positions = c->rows[t].position + 1;
        if (c->info.kv == LULL_KV_BF16)
            c->kernels->attention_bf16(&a, head0, head1);
        else
            c->kernels->attention_f32(&a, head0, head1);
    }
}

/* K and V that attention passes over in this layer. */
static uint64_t attention_bytes(const pass *p)
{
    const lull_context *c = p->context;
    uint64_t positions = 0;
    int32_t t;
    for (t = 0; t < p->n; t++) positions += (uint64_t)c->rows[t].position + 1;
    return positions * (2 * c->layer_bytes / LULL_KV_POSITIONS);
}

static void quantize_task(pass *p, int part, int n_parts)
{
    lull_context *c = p->context;
    int32_t t, end;
    for (share(p->n, part, n_parts, &t, &end); t < end; t++)
        c->kernels->quantize(&c->xq, t, c->xb + (size_t)t * c->dim_stride, c->model->config.dim);
}

/* x += y, the attention's contribution; then the feed-forward's norm */
static void ffn_norm_task(pass *p, int part, int n_parts)
{
    lull_context *c = p->context;
    int32_t t, end;
    for (share(p->n, part, n_parts, &t, &end); t < end; t++) {
        float *x = c->x + (size_t)t * c->dim_stride;
        c->kernels->add(x, c->y + (size_t)t * c->dim_stride, c->model->config.dim);
        norm_token(c, t, x, p->layer->rms_ffn);
    }
}

static void swiglu_task(pass *p, int part, int n_parts)
{
    lull_context *c = p->context;
    int32_t t, end, hidden_dim = c->model->config.hidden_dim;
    for (share(p->n, part, n_parts, &t, &end); t < end; t++) {
        float *gate = c->gate + (size_t)t * c->hidden_stride;
        c->kernels->swiglu(gate, c->up + (size_t)t * c->hidden_stride, hidden_dim);
        if (is_quantized(c)) c->kernels->quantize(&c->hidden_xq, t, gate, hidden_dim);
    }
}

static void residual_task(pass *p, int part, int n_parts)
{
    lull_context *c = p->context;
    int32_t t, end;
    for (share(p->n, part, n_parts, &t, &end); t < end; t++)
        c->kernels->add(c->x + (size_t)t * c->dim_stride, c->y + (size_t)t * c->dim_stride,
                        c->model->config.dim);
}

/* ---- the network */

static void forward_layer(pass *p)
{
    lull_context *c = p->context;
    const lull_layer *layer = p->layer;

    /* attention: q, k, v of the normed stream, RoPE, softmax(q k) v, back through wo */
    run_tokens(p, attention_norm_task);
    add_job(p, &layer->wq, c->y, c->dim_stride);
    add_job(p, &layer->wk, c->k, c->kv_stride);
    add_job(p, &layer->wv, c->v, c->kv_stride);
    run_linear(p, c->xb, c->dim_stride, &c->xq, p->n);
    run_tokens(p, cache_task);
    tick(c, &c->times.other);
    run(p, attention_task, attention_bytes(p));
    tick(c, &c->times.attention);
    if (is_quantized(c)) run_tokens(p, quantize_task);
    add_job(p, &layer->wo, c->y, c->dim_stride);
    run_linear(p, c->xb, c->dim_stride, &c->xq, p->n);

    /* feed-forward: w2(silu(w1 x) * w3 x) */
    run_tokens(p, ffn_norm_task);
    add_job(p, &layer->w1, c->gate, c->hidden_stride);
    add_job(p, &layer->w3, c->up, c->hidden_stride);
    run_linear(p, c->xb, c->dim_stride, &c->xq, p->n);
    run_tokens(p, swiglu_task);
    add_job(p, &layer->w2, c->y, c->dim_stride);
    run_linear(p, c->gate, c->hidden_stride, &c->hidden_xq, p->n);
    run_tokens(p, residual_task);
}

/* Final norm and classifier for n rows whose logits are wanted, at most c->logit_rows. */
static void classify_rows(pass *p, const int32_t *rows, int32_t n)
{
    lull_context *c = p->context;
    const size_t vocab_size = (size_t)c->model->config.vocab_size;
    float *one = c->rows[rows[0]].to;
    /* A single row, the usual case, goes to its place without a copy. */
    float *logits = n == 1 && one != NULL ? one : c->logits;
    int32_t i;
    for (i = 0; i < n; i++)
        norm_token(c, i, c->x + (size_t)rows[i] * c->dim_stride, c->model->rms_final);
    add_job(p, &c->model->classifier, logits, c->vocab_stride);
    run_linear(p, c->xb, c->dim_stride, &c->xq, n);
    for (i = 0; i < n; i++, logits += c->vocab_stride) {
        const lull_row *row = &c->rows[rows[i]];
        if (row->score != NULL)
            *row->score =
                (float)((double)logits[row->next] - c->kernels->log_sum(logits, vocab_size));
        if (row->to != NULL && row->to != logits)
            memcpy(row->to, logits, vocab_size * sizeof(float));
    }
}

static void classify(pass *p)
{
    int32_t rows[LULL_LOGIT_ROWS], t, n = 0;
    for (t = 0; t < p->n; t++) {
        const lull_row *row = &p->context->rows[t];
        if (row->to == NULL && row->score == NULL) continue;
        rows[n++] = t;
        if (n < p->context->logit_rows) continue;
        classify_rows(p, rows, n);
        n = 0;
    }
    if (n > 0) classify_rows(p, rows, n);
}

/* The logits that the network would give if it ended after layer l, for rows that want them. */
static void classify_early(pass *p)
{
    lull_context *c = p->context;
    int32_t t;
    for (t = 0; t < p->n; t++) {
        const lull_row *row = &c->rows[t];
        float *to = lull_kept_layer(row->sequence, (size_t)row->position, p->l);
        if (to == NULL) continue;
        norm_token(c, 0, c->x + (size_t)t * c->dim_stride, c->model->rms_final);
        add_job(p, &c->model->classifier, to, c->vocab_stride);
        run_linear(p, c->xb, c->dim_stride, &c->xq, 1);
    }
}

static void keep_hidden(pass *p)
{
    lull_context *c = p->context;
    int32_t t, dim = c->model->config.dim;
    for (t = 0; t < p->n; t++) {
        if (c->rows[t].hidden == NULL) continue;
        /* xb is padded to whole registers, a kept state is not. */
        c->kernels->rmsnorm(c->xb, c->x + (size_t)t * c->dim_stride, c->model->rms_final, dim);
        memcpy(c->rows[t].hidden, c->xb, (size_t)dim * sizeof(float));
    }
}

lull_status lull_forward(lull_context *c, int32_t n, lull_error *error)
{
    pass p;
    int32_t t;
    memset(&p, 0, sizeof p);
    p.context = c;
    p.n = n;
    for (t = 0; t < n; t += run_of_rows(&p, t)) p.n_runs++;
    if (c->profile) {
        c->last_tick = lull_clock();
        c->times.passes++;
        c->times.tokens += (uint64_t)n;
    }
    run_tokens(&p, embed_task);
    for (p.l = 0; p.l < c->model->config.n_layers; p.l++) {
        if (lull_atomic_get(&c->cancel))
            return lull_fail(error, LULL_ECANCELED, 0, 0, "step canceled in layer %d of %d",
                             (int)p.l, (int)c->model->config.n_layers);
        p.layer = &c->model->layers[p.l];
        forward_layer(&p);
        classify_early(&p);
    }
    keep_hidden(&p);
    classify(&p);
    tick(c, &c->times.other);
    return LULL_OK;
}
