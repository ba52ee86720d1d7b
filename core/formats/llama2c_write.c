/* llama2c_write.c - llama2.c version 2 (8 bits), as formats/llama2c_ak42.c draws and reads it: the
 * header, the norms, then matrix after matrix: all its integers, then all its scales. */
#include "../quantize.h"

#define LARGEST_DEFAULT_GROUP 64
#define HEADER_BYTES          256
#define MAGIC                 0x616b3432u

static int divides(int32_t group, const lull_config *c)
{
    return c->dim % group == 0 && c->hidden_dim % group == 0;
}

/* dim and hidden_dim are the lengths of all rows there are. */
static lull_status choose_group(lull_quantize_job *j, lull_error *error)
{
    const lull_config *c = &j->in.layout.config;
    int32_t largest = LARGEST_DEFAULT_GROUP;
    while (!divides(largest, c)) largest /= 2;
    j->group = j->options.group ? j->options.group : largest;
    if (divides(j->group, c)) return LULL_OK;
    return lull_fail(error, LULL_EINVAL, 0, 0,
                     "%s: group %ld divides not both dim %ld and hidden_dim %ld, as llama2.c "
                     "version 2 demands; %ld does",
                     lull_path_tail(j->in.reader.name), (long)j->group, (long)c->dim,
                     (long)c->hidden_dim, (long)largest);
}

lull_status lull_llama2c_check(lull_quantize_job *j, lull_error *error)
{
    if (j->precision != LULL_Q8)
        return lull_fail(
            error, LULL_EINVAL, 0, 0,
            "llama2.c version 2 holds 8 bits only; q4, f16 and f32 are written as GGUF");
    if (j->in.layout.rope_base != LULL_ROPE_BASE)
        return lull_fail(error, LULL_EUNSUPPORTED, 0, 0,
                         "%s: llama2.c's formats hold no base of the rotary positions but 10000; "
                         "write GGUF",
                         lull_path_tail(j->in.reader.name));
    return choose_group(j, error);
}

static lull_status write_header(lull_quantize_job *j, lull_error *error)
{
    const lull_config *c = &j->in.layout.config;
    const int32_t numbers[8] = {2,          c->dim,        c->hidden_dim, c->n_layers,
                                c->n_heads, c->n_kv_heads, c->vocab_size, c->seq_len};
    const unsigned char shared = (unsigned char)c->shared_classifier;
    lull_writer *w = &j->writer;
    lull_status status = lull_writer_u32(w, MAGIC, error);
    size_t i;
    for (i = 0; i < sizeof numbers / sizeof numbers[0] && status == LULL_OK; i++)
        status = lull_writer_u32(w, (uint32_t)numbers[i], error);
    if (status == LULL_OK) status = lull_writer_bytes(w, &shared, 1, error);
    if (status == LULL_OK) status = lull_writer_u32(w, (uint32_t)j->group, error);
    return status == LULL_OK ? lull_writer_pad(w, HEADER_BYTES, error) : status;
}

static lull_status copy_vector(lull_quantize_job *j, const lull_tensor *t, const char *what,
                               lull_error *error)
{
    lull_status status = lull_quantize_read(j, t, 0, what, error);
    if (status != LULL_OK) return status;
    return lull_writer_f32(&j->writer, j->row, (size_t)t->cols, error);
}

static lull_status write_matrix(lull_quantize_job *j, const lull_tensor *t, const char *what,
                                lull_error *error)
{
    const size_t n_groups = (size_t)(t->cols / j->group), cols = (size_t)t->cols;
    lull_status status = LULL_OK;
    int32_t row;
    for (row = 0; row < t->rows && status == LULL_OK; row++) {
        status = lull_quantize_read(j, t, row, what, error);
        if (status != LULL_OK) return status;
        lull_quantize_row(j, t->cols, j->scales + (size_t)row * n_groups);
        status = lull_writer_bytes(&j->writer, j->q, cols, error);
    }
    if (status != LULL_OK) return status;
    return lull_writer_f32(&j->writer, j->scales, (size_t)t->rows * n_groups, error);
}

lull_status lull_llama2c_write(lull_quantize_job *j, lull_error *error)
{
    static const int kinds[] = {LULL_WQ, LULL_WK, LULL_WV, LULL_WO, LULL_W1, LULL_W2, LULL_W3};
    const lull_layout *l = &j->in.layout;
    const int32_t n = l->config.n_layers;
    lull_status status = write_header(j, error);
    size_t k;
    int32_t i;
    for (i = 0; i < n && status == LULL_OK; i++)
        status =
            copy_vector(j, &l->layers[i * LULL_LAYER_TENSORS + LULL_RMS_ATT], "rms_att", error);
    for (i = 0; i < n && status == LULL_OK; i++)
        status =
            copy_vector(j, &l->layers[i * LULL_LAYER_TENSORS + LULL_RMS_FFN], "rms_ffn", error);
    if (status == LULL_OK) status = copy_vector(j, &l->rms_final, "rms_final", error);
    if (status == LULL_OK) status = write_matrix(j, &l->embedding, "embedding", error);
    for (k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
        for (i = 0; i < n && status == LULL_OK; i++)
            status = write_matrix(j, &l->layers[i * LULL_LAYER_TENSORS + kinds[k]], "layer weights",
                                  error);
    if (status == LULL_OK && !l->config.shared_classifier)
        status = write_matrix(j, &l->classifier, "classifier", error);
    return status;
}
