/* model.c - from a checkpoint to packed matrices in one pass, and the life of a model.
 *
 * Everything a step reads lies in one arena: vectors, matrices, rotary tables.  Weights stream
 * through a buffer of 16 rows, the height of a packed block, so the peak of memory is the arena and
 * that buffer. */
#include "model.h"
#include "formats/gguf.h"
#include "fpenv.h"
#include "loading.h"

#include <inttypes.h>

#define SLACK 4096 /* bytes after the last matrix that kernels may prefetch */

/* ---- the arena: walked once to measure it, once more to hand out its parts */

typedef struct arena {
    unsigned char *base; /* NULL while measuring */
    uint64_t used;
    int fits; /* 0: past 64 bits */
} arena;

static void *carve(arena *a, uint64_t bytes)
{
    uint64_t begin = a->used, padded = bytes;
    a->fits = a->fits && lull_u64_add(bytes, LULL_UNIT_BYTES - 1, &padded);
    padded = padded / LULL_UNIT_BYTES * LULL_UNIT_BYTES;
    a->fits = a->fits && lull_u64_add(begin, padded, &a->used);
    return a->base && a->fits ? a->base + begin : NULL;
}

static float *carve_floats(arena *a, uint64_t n)
{
    return carve(a, n * sizeof(float));
}

static void carve_matrix(arena *a, const lull_model *m, lull_matrix *matrix, const lull_tensor *t)
{
    uint64_t bytes = 0;
    a->fits = a->fits && lull_loading_matrix(matrix, t, m->precision, m->group, &bytes);
    matrix->data = carve(a, bytes);
}

/* Where the matrix of a kind (LULL_WQ ...) sits in a layer. */
static lull_matrix *matrix_of(lull_layer *layer, int kind)
{
    switch (kind) {
    case LULL_WQ: return &layer->wq;
    case LULL_WK: return &layer->wk;
    case LULL_WV: return &layer->wv;
    case LULL_WO: return &layer->wo;
    case LULL_W1: return &layer->w1;
    case LULL_W2: return &layer->w2;
    default: return &layer->w3;
    }
}

static int is_vector(int kind)
{
    return kind == LULL_RMS_ATT || kind == LULL_RMS_FFN;
}

/* Layers lie one after the other, each in the order in which a step reads it. */
static void lay_out(arena *a, lull_model *m, const lull_layout *layout)
{
    const lull_config *c = &m->config;
    const uint64_t angles = (uint64_t)c->seq_len * (uint64_t)(m->head_dim / 2);
    lull_layer unplaced;
    int32_t i;
    int kind;
    memset(&unplaced, 0, sizeof unplaced);
    m->layers = carve(a, (uint64_t)c->n_layers * sizeof(lull_layer));
    m->rope_cos = carve_floats(a, angles);
    m->rope_sin = carve_floats(a, angles);
    carve_matrix(a, m, &m->embedding, &layout->embedding);
    for (i = 0; i < c->n_layers; i++) {
        const lull_tensor *tensors = layout->layers + (size_t)i * LULL_LAYER_TENSORS;
        lull_layer *layer = m->layers ? &m->layers[i] : &unplaced;
        layer->rms_att = carve_floats(a, (uint64_t)c->dim);
        layer->rms_ffn = carve_floats(a, (uint64_t)c->dim);
        for (kind = 0; kind < LULL_LAYER_TENSORS; kind++)
            if (!is_vector(kind)) carve_matrix(a, m, matrix_of(layer, kind), &tensors[kind]);
    }
    m->rms_final = carve_floats(a, (uint64_t)c->dim);
    if (c->shared_classifier)
        m->classifier = m->embedding;
    else
        carve_matrix(a, m, &m->classifier, &layout->classifier);
    carve(a, SLACK);
}

/* What the model is before it has memory: shapes and precision. */
static void describe(lull_model *m, const lull_loading *job)
{
    const lull_config *c = &job->layout.config;
    m->info = job->info;
    m->config = *c;
    m->head_dim = c->dim / c->n_heads;
    m->kv_dim = m->head_dim * c->n_kv_heads;
    m->precision = job->info.precision;
    m->group = job->info.group;
}

uint64_t lull_loading_arena(const lull_loading *job)
{
    lull_model m;
    arena a = {NULL, 0, 1};
    memset(&m, 0, sizeof m);
    describe(&m, job);
    lay_out(&a, &m, &job->layout);
    return a.fits ? a.used : UINT64_MAX;
}

static lull_status reserve(lull_model *m, const lull_loading *job, lull_error *error)
{
    const char *tail = lull_path_tail(job->reader.name);
    const uint64_t needs = lull_loading_arena(job), limit = job->options.max_memory_bytes;
    const uint64_t tenths = needs / 100000000u + 1; /* of a GB; %f would follow the locale */
    arena a = {NULL, 0, 1};
    size_t bytes;
    if (limit != 0 && job->info.model_bytes > limit)
        return lull_fail(error, LULL_ELIMIT, 0, 0,
                         "%s: needs %" PRIu64 " bytes of memory, the limit is %" PRIu64, tail,
                         job->info.model_bytes, limit);
    if (!lull_u64_to_size(needs, &bytes))
        return lull_fail(error, LULL_ELIMIT, 0, 0,
                         "%s: needs %" PRIu64 ".%" PRIu64 " GB, this build can address %" PRIu64
                         " GB",
                         tail, tenths / 10, tenths % 10, (uint64_t)(SIZE_MAX / 2 / 1000000000u));
    m->arena = lull_memory_get(&m->allocator, bytes);
    if (!m->arena) return lull_memory_fail(error, tail, needs);
    a.base = m->arena;
    lay_out(&a, m, &job->layout);
    return LULL_OK;
}

/* ---- weights */

/* 16 rows of the widest matrix in the forms they pass through. */
typedef struct stream {
    lull_reader *reader;
    float *rows;        /* (16, cols) float32: read from the file, or dequantised */
    int8_t *q;          /* (16, cols) */
    float *scales;      /* (16, n_groups) */
    unsigned char *raw; /* 16 rows as a GGUF file has them */
    void *memory;
} stream;

/* What the tensors of a layout pass through besides rows: the smallest group, and raw bytes a weight. */
static void survey(const lull_layout *layout, int32_t *group, size_t *raw)
{
    const size_t n = (size_t)layout->config.n_layers * LULL_LAYER_TENSORS;
    size_t i;
    *group = 0;
    *raw = 0;
    for (i = 0; i < n + 2; i++) {
        const lull_tensor *t = i < n    ? &layout->layers[i]
                               : i == n ? &layout->embedding
                                        : &layout->classifier;
        if (t->group && (*group == 0 || t->group < *group)) *group = t->group;
        if (t->type >= LULL_TENSOR_F16) *raw = 2;
    }
}

static lull_status stream_open(stream *s, lull_loading *job, lull_error *error)
{
    const lull_config *c = &job->layout.config;
    const size_t cols = (size_t)(c->dim > c->hidden_dim ? c->dim : c->hidden_dim);
    const size_t weights = LULL_LANES * cols, floats = weights * sizeof(float);
    size_t scales, q, raw;
    unsigned char *memory;
    int32_t group;
    survey(&job->layout, &group, &raw);
    scales = group ? floats / (size_t)group : 0;
    q = group ? weights : 0;
    raw *= weights;
    memory = lull_memory_get(&job->options.allocator, floats + scales + q + raw);
    s->reader = &job->reader;
    s->memory = memory;
    if (!memory) return lull_memory_fail(error, "block of rows", floats + scales + q + raw);
    s->rows = (float *)memory;
    s->scales = (float *)(memory + floats);
    s->q = (int8_t *)(memory + floats + scales);
    s->raw = memory + floats + scales + q;
    return LULL_OK;
}

static lull_status read_f32_block(stream *s, const lull_tensor *t, int32_t row, int32_t n,
                                  const char *what, lull_error *error)
{
    const uint64_t at = t->offset + (uint64_t)row * (uint64_t)t->cols * sizeof(float);
    lull_status status = lull_reader_seek(s->reader, at, what, error);
    if (status != LULL_OK) return status;
    return lull_reader_f32(s->reader, s->rows, (size_t)n * (size_t)t->cols, what, error);
}

/* Weights and scales lie apart: all int8 of the tensor, then all its scales. */
static lull_status read_q8_block(stream *s, const lull_tensor *t, int32_t row, int32_t n,
                                 const char *what, lull_error *error)
{
    const uint64_t at = t->offset + (uint64_t)row * (uint64_t)t->cols;
    const uint64_t n_groups = (uint64_t)(t->cols / t->group);
    const uint64_t scales_at = t->scales + (uint64_t)row * n_groups * sizeof(float);
    lull_status status = lull_reader_seek(s->reader, at, what, error);
    if (status == LULL_OK)
        status = lull_reader_bytes(s->reader, s->q, (size_t)n * (size_t)t->cols, what, error);
    if (status == LULL_OK) status = lull_reader_seek(s->reader, scales_at, what, error);
    if (status == LULL_OK)
        status = lull_reader_f32(s->reader, s->scales, (size_t)n * (size_t)n_groups, what, error);
    return status;
}

/* The types of GGUF: rows are whole blocks, one after the other. */
static lull_status read_gguf_block(stream *s, const lull_tensor *t, int32_t row, int32_t n,
                                   const char *what, lull_error *error)
{
    const size_t weights = (size_t)n * (size_t)t->cols, n_blocks = weights / LULL_GGUF_BLOCK;
    const int swap = s->reader->swap;
    const size_t bytes = t->type == LULL_TENSOR_F16    ? 2 * weights
                         : t->type == LULL_TENSOR_Q8_0 ? n_blocks * LULL_Q8_0_BYTES
                                                       : n_blocks * LULL_Q4_0_BYTES;
    const uint64_t at = t->offset + bytes / (size_t)n * (uint64_t)row;
    lull_status status = lull_reader_seek(s->reader, at, what, error);
    if (status == LULL_OK) status = lull_reader_bytes(s->reader, s->raw, bytes, what, error);
    if (status != LULL_OK) return status;
    if (t->type == LULL_TENSOR_F16)
        lull_f16_unpack(s->raw, weights, swap, s->rows);
    else if (t->type == LULL_TENSOR_Q8_0)
        lull_q8_0_unpack(s->raw, n_blocks, swap, s->q, s->scales);
    else
        lull_q4_0_unpack(s->raw, n_blocks, swap, s->q, s->scales);
    return LULL_OK;
}

static void dequantise(const stream *s, const lull_tensor *t, int32_t n)
{
    const size_t n_groups = (size_t)n * (size_t)(t->cols / t->group), group = (size_t)t->group;
    size_t g, k;
    for (g = 0; g < n_groups; g++)
        for (k = g * group; k < (g + 1) * group; k++) s->rows[k] = (float)s->q[k] * s->scales[g];
}

static lull_status load_matrix(stream *s, lull_matrix *m, const lull_tensor *t, const char *what,
                               lull_error *error)
{
    int32_t block;
    for (block = 0; block < m->n_blocks; block++) {
        const int32_t row = block * LULL_LANES, left = t->rows - row;
        const int32_t n = left < LULL_LANES ? left : LULL_LANES;
        lull_status status = t->type == LULL_TENSOR_F32 ? read_f32_block(s, t, row, n, what, error)
                             : t->type == LULL_TENSOR_Q8
                                 ? read_q8_block(s, t, row, n, what, error)
                                 : read_gguf_block(s, t, row, n, what, error);
        if (status != LULL_OK) return status;
        if (lull_loading_keeps(t, m->precision, m->group)) {
            lull_matrix_pack_quantised(m, block, s->q, s->scales, n);
            continue;
        }
        if (t->group) dequantise(s, t, n);
        lull_matrix_pack_f32(m, block, s->rows, n);
    }
    return LULL_OK;
}

static lull_status load_vector(stream *s, float *out, const lull_tensor *t, const char *what,
                               lull_error *error)
{
    lull_status status = lull_reader_seek(s->reader, t->offset, what, error);
    if (status != LULL_OK) return status;
    return lull_reader_f32(s->reader, out, (size_t)t->cols, what, error);
}

/* All layers of a kind before the next kind: the order of the llama2.c files. */
static lull_status load_kind(stream *s, lull_model *m, const lull_layout *layout, int kind,
                             lull_error *error)
{
    lull_status status = LULL_OK;
    int32_t i;
    for (i = 0; i < m->config.n_layers && status == LULL_OK; i++) {
        const lull_tensor *t = &layout->layers[(size_t)i * LULL_LAYER_TENSORS + (size_t)kind];
        lull_layer *layer = &m->layers[i];
        if (kind == LULL_RMS_ATT)
            status = load_vector(s, layer->rms_att, t, "rms_att", error);
        else if (kind == LULL_RMS_FFN)
            status = load_vector(s, layer->rms_ffn, t, "rms_ffn", error);
        else
            status = load_matrix(s, matrix_of(layer, kind), t, "layer weights", error);
    }
    return status;
}

static lull_status load_weights(lull_model *m, lull_loading *job, lull_error *error)
{
    const lull_layout *layout = &job->layout;
    stream s;
    int kind;
    lull_status status = stream_open(&s, job, error);
    if (status != LULL_OK) return status;
    status = load_matrix(&s, &m->embedding, &layout->embedding, "embedding", error);
    for (kind = 0; kind < LULL_LAYER_TENSORS && status == LULL_OK; kind++)
        status = load_kind(&s, m, layout, kind, error);
    if (status == LULL_OK)
        status = load_vector(&s, m->rms_final, &layout->rms_final, "rms_final", error);
    if (status == LULL_OK && !m->config.shared_classifier)
        status = load_matrix(&s, &m->classifier, &layout->classifier, "classifier", error);
    lull_memory_put(&m->allocator, s.memory);
    return status;
}

/* Pair i of a head turns by position * base^(-2i / head_dim): in double, rounded once. */
static void fill_rope(lull_model *m, double base)
{
    const int32_t half = m->head_dim / 2;
    int32_t position, i;
    for (i = 0; i < half; i++) {
        const double step = lull_pow(base, -2.0 * i / m->head_dim);
        for (position = 0; position < m->config.seq_len; position++) {
            const size_t at = (size_t)position * (size_t)half + (size_t)i;
            m->rope_cos[at] = (float)lull_cos(position * step);
            m->rope_sin[at] = (float)lull_sin(position * step);
        }
    }
}

/* ---- from a planned job to a model */

static void destroy(lull_model *m)
{
    const lull_allocator allocator = m->allocator;
    lull_tokenizer_free(m->tokenizer);
    lull_memory_put(&allocator, m->arena);
    lull_memory_put(&allocator, m);
}

static lull_status build(lull_model **out, lull_loading *job, lull_error *error)
{
    lull_model *m = lull_memory_get_zeroed(&job->options.allocator, sizeof *m);
    lull_status status;
    if (!m) return lull_memory_fail(error, "model", sizeof *m);
    m->references = 1;
    m->allocator = job->options.allocator;
    describe(m, job);
    m->tokenizer = job->tokenizer;
    job->tokenizer = NULL;
    status = reserve(m, job, error);
    if (status == LULL_OK) status = load_weights(m, job, error);
    if (status == LULL_OK) status = lull_reader_check_unchanged(&job->reader, error);
    if (status != LULL_OK) {
        destroy(m);
        return status;
    }
    fill_rope(m, job->layout.rope_base);
    *out = m;
    return LULL_OK;
}

lull_status lull_model_load(lull_model **out, const char *path, const lull_load_options *options,
                            lull_error *error)
{
    lull_loading job;
    lull_fpenv env;
    lull_status status;
    lull_error_clear(error);
    *out = NULL;
    if (path == NULL) return lull_fail(error, LULL_EINVAL, 0, 0, "no path given");
    status = lull_loading_begin(&job, options, error);
    if (status != LULL_OK) return status;
    lull_fpenv_enter(&env);
    status = lull_reader_open(&job.reader, path, job.options.max_file_bytes, error);
    if (status == LULL_OK) status = lull_loading_plan(&job, error);
    if (status == LULL_OK && !job.options.no_tokenizer)
        status = lull_loading_tokenizer(&job, NULL, error);
    if (status == LULL_OK) status = build(out, &job, error);
    lull_loading_end(&job);
    lull_fpenv_leave(&env);
    return status;
}

/* The bytes of a checkpoint and of a tokenizer (NULL where the options say so, or there is none). */
static lull_status load_readers(lull_model **out, lull_loading *job, lull_reader *tokenizer,
                                lull_error *error)
{
    lull_status status = LULL_OK;
    if (job->reader.size > job->options.max_file_bytes)
        return lull_fail(error, LULL_ELIMIT, 0, 0,
                         "%s: has %" PRIu64 " bytes, the limit is %" PRIu64, job->reader.name,
                         job->reader.size, job->options.max_file_bytes);
    status = lull_loading_plan(job, error);
    if (status != LULL_OK) return status;
    if (!job->options.no_tokenizer && !tokenizer && !job->layout.vocabulary.present)
        return lull_fail(error, LULL_EINVAL, 0, 0,
                         "no tokenizer given; set no_tokenizer to load without one");
    if (!job->options.no_tokenizer) status = lull_loading_tokenizer(job, tokenizer, error);
    return status == LULL_OK ? build(out, job, error) : status;
}

lull_status lull_model_load_memory(lull_model **out, const void *checkpoint,
                                   size_t checkpoint_bytes, const void *tokenizer,
                                   size_t tokenizer_bytes, const lull_load_options *options,
                                   lull_error *error)
{
    lull_loading job;
    lull_reader tokens;
    lull_fpenv env;
    lull_status status;
    lull_error_clear(error);
    *out = NULL;
    if (checkpoint == NULL && checkpoint_bytes > 0)
        return lull_fail(error, LULL_EINVAL, 0, 0, "no checkpoint given");
    status = lull_loading_begin(&job, options, error);
    if (status != LULL_OK) return status;
    job.options.tokenizer_path = NULL; /* paths are for files */
    lull_fpenv_enter(&env);
    lull_reader_open_memory(&job.reader, checkpoint, checkpoint_bytes, "memory");
    lull_reader_open_memory(&tokens, tokenizer, tokenizer_bytes, "tokenizer in memory");
    status = load_readers(out, &job, tokenizer ? &tokens : NULL, error);
    lull_reader_close(&tokens);
    lull_loading_end(&job);
    lull_fpenv_leave(&env);
    return status;
}

/* ---- a loaded model */

lull_model *lull_model_retain(lull_model *model)
{
    lull_atomic_add(&model->references, 1);
    return model;
}

void lull_model_release(lull_model *model)
{
    if (model != NULL && lull_atomic_add(&model->references, -1) == 0) destroy(model);
}

void lull_model_info_get(const lull_model *model, lull_model_info *info)
{
    *info = model->info;
}
