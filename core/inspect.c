/* inspect.c - what a file is and what it would need; the first half of loading (loading.h). */
#include "loading.h"
#include "fpenv.h"
#include "model.h"

#include <errno.h>
#include <inttypes.h>

#define DEFAULT_GROUP      64
#define DEFAULT_FILE_LIMIT ((uint64_t)64 << 30)
#define TOKENIZER_LIMIT    ((uint64_t)256 << 20)
#define HEAD_ALIGNMENT     16 /* KV heads are padded to so many elements (kernels.h) */

void lull_load_options_init(lull_load_options *options)
{
    memset(options, 0, sizeof *options);
}

lull_status lull_loading_begin(lull_loading *job, const lull_load_options *options,
                               lull_error *error)
{
    lull_load_options *o = &job->options;
    memset(job, 0, sizeof *job);
    if (options) *o = *options;
    if (o->precision < LULL_AS_STORED || o->precision > LULL_Q4)
        return lull_fail(error, LULL_EINVAL, 0, 0, "precision is %d, expected 0..3",
                         (int)o->precision);
    if (o->group < 0 || o->group > LULL_MAX_GROUP)
        return lull_fail(error, LULL_EINVAL, 0, 0, "group is %ld, expected 1..%d (or 0 = %d)",
                         (long)o->group, LULL_MAX_GROUP, DEFAULT_GROUP);
    if (o->byte_order < LULL_ANY_ORDER || o->byte_order > LULL_BIG_ENDIAN)
        return lull_fail(error, LULL_EINVAL, 0, 0, "byte_order is %d, expected 0..2",
                         (int)o->byte_order);
    if (o->max_file_bytes == 0) o->max_file_bytes = DEFAULT_FILE_LIMIT;
    return LULL_OK;
}

void lull_loading_end(lull_loading *job)
{
    lull_tokenizer_free(job->tokenizer);
    lull_layout_free(&job->layout, &job->options.allocator);
    lull_reader_close(&job->reader);
}

/* ---- precision and sizes */

int lull_loading_keeps(const lull_tensor *t, lull_precision precision, int32_t group)
{
    return precision != LULL_F32 && lull_tensor_precision(t->type) == precision &&
           t->group == group;
}

int lull_loading_matrix(lull_matrix *m, const lull_tensor *t, lull_precision precision,
                        int32_t group, uint64_t *bytes)
{
    const int keeps = lull_loading_keeps(t, precision, group);
    lull_scale_type scales = keeps ? LULL_SCALE_F32 : LULL_SCALE_BF16;
    if (precision == LULL_F32) {
        scales = LULL_SCALE_NONE;
        group = 0;
    }
    return lull_matrix_plan(m, precision, scales, t->rows, t->cols, group, bytes);
}

static int add_matrix(uint64_t *sum, const lull_tensor *t, lull_precision precision, int32_t group)
{
    lull_matrix m;
    uint64_t bytes;
    return lull_loading_matrix(&m, t, precision, group, &bytes) && lull_u64_add(*sum, bytes, sum);
}

/* Packed weights and norms at a precision, or UINT64_MAX where that is more than 64 bits count. */
static uint64_t weight_bytes(const lull_layout *layout, lull_precision precision, int32_t group)
{
    const lull_config *c = &layout->config;
    uint64_t sum = (2 * (uint64_t)c->n_layers + 1) * (uint64_t)c->dim * sizeof(float);
    int32_t i;
    int kind, ok = add_matrix(&sum, &layout->embedding, precision, group);
    if (!c->shared_classifier) ok = ok && add_matrix(&sum, &layout->classifier, precision, group);
    for (i = 0; i < c->n_layers && ok; i++)
        for (kind = 0; kind < LULL_LAYER_TENSORS && ok; kind++)
            if (kind != LULL_RMS_ATT && kind != LULL_RMS_FFN)
                ok = add_matrix(&sum, &layout->layers[i * LULL_LAYER_TENSORS + kind], precision,
                                group);
    return ok ? sum : UINT64_MAX;
}

/* Weights of the model; the shapes are bounded so that this fits (config.c). */
static uint64_t count_parameters(const lull_layout *layout)
{
    const lull_config *c = &layout->config;
    uint64_t layer = 0, table = (uint64_t)c->vocab_size * (uint64_t)c->dim;
    int kind;
    for (kind = 0; kind < LULL_LAYER_TENSORS; kind++)
        layer += (uint64_t)layout->layers[kind].rows * (uint64_t)layout->layers[kind].cols;
    return layer * (uint64_t)c->n_layers + (uint64_t)c->dim +
           (c->shared_classifier ? table : 2 * table);
}

/* Which precision and group the matrices get in memory.  A file of several types counts as one of
 * floats: as 8 bits, in groups of lull's own. */
static lull_status choose_precision(lull_loading *job, lull_error *error)
{
    const lull_load_options *o = &job->options;
    const lull_layout *layout = &job->layout;
    lull_model_info *info = &job->info;
    info->precision = o->precision;
    if (o->precision == LULL_AS_STORED)
        info->precision = layout->stored == LULL_Q4 ? LULL_Q4 : LULL_Q8;
    info->group = 0;
    if (info->precision == LULL_F32) return LULL_OK;
    if (info->precision != layout->stored) {
        info->group = o->group ? o->group : DEFAULT_GROUP;
        return LULL_OK;
    }
    info->group = layout->group;
    if (o->group == 0 || o->group == layout->group) return LULL_OK;
    return lull_fail(error, LULL_EUNSUPPORTED, 0, 0,
                     "%s: is stored in groups of %ld and cannot be regrouped by %ld, which would "
                     "round twice; load the float32 original",
                     lull_path_tail(job->reader.name), (long)layout->group, (long)o->group);
}

static void describe(lull_loading *job)
{
    const lull_layout *layout = &job->layout;
    const lull_config *c = &layout->config;
    lull_model_info *info = &job->info;
    int32_t head_dim = c->dim / c->n_heads;
    uint64_t head_stride = lull_round_up((size_t)head_dim, HEAD_ALIGNMENT);
    const int32_t own_group = job->options.group ? job->options.group : DEFAULT_GROUP;
    int i;
    info->config = *c;
    info->architecture = "llama";
    info->format = layout->format;
    info->byte_order = layout->byte_order;
    info->stored = layout->stored;
    info->stored_group = layout->group;
    info->n_parameters = count_parameters(layout);
    info->file_bytes = job->reader.size;
    for (i = LULL_F32; i <= LULL_Q4; i++) {
        const lull_precision p = (lull_precision)i;
        info->needs_bytes[i] =
            weight_bytes(layout, p, p == layout->stored ? layout->group : own_group);
    }
    info->weight_bytes = info->needs_bytes[info->precision];
    info->needs_bytes[LULL_AS_STORED] = info->weight_bytes;
    info->kv_bytes_f32 =
        2 * (uint64_t)c->n_layers * (uint64_t)c->n_kv_heads * head_stride * sizeof(float);
    info->kv_bytes_bf16 = info->kv_bytes_f32 / 2;
    info->model_bytes = lull_loading_arena(job) + sizeof(lull_model);
    info->bos = info->eos = info->unknown = -1;
}

lull_status lull_loading_plan(lull_loading *job, lull_error *error)
{
    lull_status status = lull_layout_read(&job->layout, &job->reader, job->options.byte_order,
                                          &job->options.allocator, error);
    if (status == LULL_OK) status = choose_precision(job, error);
    if (status == LULL_OK) describe(job);
    return status;
}

/* ---- the tokenizer */

/* tokenizer.bin in the folder of path; to be given back to the allocator. */
static char *path_beside(const char *path, const lull_allocator *allocator)
{
    static const char name[] = "tokenizer.bin";
    const char *slash = strrchr(path, '/');
    size_t folder = slash ? (size_t)(slash - path) + 1 : 0;
    char *beside = lull_memory_get(allocator, folder + sizeof name);
    if (!beside) return NULL;
    memcpy(beside, path, folder);
    memcpy(beside + folder, name, sizeof name);
    return beside;
}

static lull_status open_and_load(lull_loading *job, const char *path, lull_error *error)
{
    lull_reader r;
    lull_status status = lull_reader_open(&r, path, TOKENIZER_LIMIT, error);
    if (status == LULL_EIO && error != NULL && error->sys == ENOENT)
        lull_fail(error, LULL_EIO, ENOENT, 0,
                  "%s: no such tokenizer file; give the path of the model's tokenizer, or load "
                  "without one",
                  lull_path_tail(path));
    if (status != LULL_OK) return status;
    status = lull_loading_tokenizer(job, &r, error);
    if (status == LULL_OK) status = lull_reader_check_unchanged(&r, error);
    lull_reader_close(&r);
    return status;
}

lull_status lull_loading_tokenizer(lull_loading *job, lull_reader *r, lull_error *error)
{
    const lull_load_options *o = &job->options;
    const int inside = !r && !o->tokenizer_path && job->layout.vocabulary.present;
    lull_status status;
    char *beside;
    if (r || inside) {
        const int32_t n = job->layout.config.vocab_size;
        const lull_tokenizer *t;
        if (inside)
            status = lull_gguf_tokenizer_load(&job->tokenizer, &job->reader,
                                              &job->layout.vocabulary, n, &o->allocator, error);
        else
            status = lull_tokenizer_load(&job->tokenizer, r, n, &o->allocator, error);
        if (status != LULL_OK) return status;
        t = job->tokenizer;
        job->info.n_tokenizer = t->vocab_size;
        job->info.max_token_bytes = t->max_token_bytes;
        job->info.n_byte_tokens = t->n_byte_tokens;
        job->info.bos = t->bos;
        job->info.eos = t->eos;
        job->info.unknown = t->unknown;
        job->info.model_bytes += t->bytes;
        return LULL_OK;
    }
    if (o->tokenizer_path) return open_and_load(job, o->tokenizer_path, error);
    beside = path_beside(job->reader.name, &o->allocator);
    if (!beside) return lull_memory_fail(error, "tokenizer path", strlen(job->reader.name));
    status = open_and_load(job, beside, error);
    lull_memory_put(&o->allocator, beside);
    return status;
}

/* ---- lull_inspect */

static lull_status inspect(lull_loading *job, const char *path, lull_error *error)
{
    lull_error e;
    lull_status status = lull_reader_open(&job->reader, path, job->options.max_file_bytes, error);
    if (status == LULL_OK) status = lull_loading_plan(job, error);
    if (status != LULL_OK || job->options.no_tokenizer) return status;
    lull_error_clear(&e);
    status = lull_loading_tokenizer(job, NULL, &e);
    if (status == LULL_EIO && e.sys == ENOENT && !job->options.tokenizer_path) return LULL_OK;
    if (status != LULL_OK && error != NULL) *error = e;
    return status;
}

lull_status lull_inspect(const char *path, const lull_load_options *options, lull_model_info *info,
                         lull_error *error)
{
    lull_loading job;
    lull_fpenv env;
    lull_status status;
    lull_error_clear(error);
    memset(info, 0, sizeof *info);
    if (path == NULL) return lull_fail(error, LULL_EINVAL, 0, 0, "no path given");
    lull_fpenv_enter(&env);
    status = lull_loading_begin(&job, options, error);
    if (status == LULL_OK) {
        status = inspect(&job, path, error);
        if (status == LULL_OK) *info = job.info;
        lull_loading_end(&job);
    }
    lull_fpenv_leave(&env);
    return status;
}
