/* fuzz_checkpoint.c - any bytes as a checkpoint: an error, or a model whose every row can be read.
 * The input is copied to a block of its exact size, so that a sanitizer sees one byte too many. */
#include "model.h"

#include <stdlib.h>
#include <string.h>

#define MEMORY_LIMIT ((uint64_t)4 << 20) /* small, so that no input is slow */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void read_rows(const lull_matrix *m)
{
    float *row = malloc((size_t)m->cols * sizeof *row);
    if (!row) return;
    lull_matrix_row(m, 0, row);
    lull_matrix_row(m, m->rows / 2, row);
    lull_matrix_row(m, m->rows - 1, row);
    free(row);
}

static void use(lull_model *model)
{
    int32_t i;
    lull_model_info info;
    lull_model_info_get(model, &info);
    read_rows(&model->embedding);
    read_rows(&model->classifier);
    for (i = 0; i < model->config.n_layers; i++) {
        read_rows(&model->layers[i].wq);
        read_rows(&model->layers[i].wk);
        read_rows(&model->layers[i].w2);
        read_rows(&model->layers[i].w3);
    }
}

/* Loading must report a failure in words, and nothing when it succeeds. */
static void load(const unsigned char *bytes, size_t n, lull_precision precision, int32_t group)
{
    lull_load_options options;
    lull_error error;
    lull_model *model;
    lull_status status;
    lull_load_options_init(&options);
    options.no_tokenizer = 1;
    options.max_memory_bytes = MEMORY_LIMIT;
    options.precision = precision;
    options.group = group;
    status = lull_model_load_memory(&model, bytes, n, NULL, 0, &options, &error);
    if ((status == LULL_OK) != (model != NULL) || status != error.code) abort();
    if ((status == LULL_OK) != (error.message[0] == 0)) abort();
    if (model) use(model);
    lull_model_release(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    unsigned char *bytes = calloc(1, n ? n : 1);
    if (!bytes) return 0;
    if (n) memcpy(bytes, data, n);
    load(bytes, n, LULL_AS_STORED, 0);
    load(bytes, n, LULL_Q8, n ? 1 + bytes[n - 1] : 1); /* any group from 1 to 256 */
    load(bytes, n, LULL_F32, 0);
    free(bytes);
    return 0;
}
