/* fuzz_gguf.c - any bytes as a GGUF file with its tokenizer: an error in words, or a model that reads
 * and writes text, whose rows can be read and which evaluates tokens.  The input is copied to a block
 * of its exact size, so that a sanitizer sees one byte too many. */
#include "model.h"

#include <stdlib.h>
#include <string.h>

#define MEMORY_LIMIT  ((uint64_t)1 << 20) /* small, so that no input is slow */
#define CONTEXT_LIMIT ((uint64_t)16 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void use_text(const lull_model *model)
{
    static const char text[] = "Once <s> \xe2\x96\x81 \xff\x00";
    int32_t ids[32], i;
    char back[1024];
    size_t n, bytes;
    if (lull_encode(model, text, sizeof text - 1, LULL_ENCODE_START, ids, 32, &n, NULL) != LULL_OK)
        abort();
    for (i = 0; i < (int32_t)n; i++)
        if (ids[i] < 0 || ids[i] >= model->config.vocab_size) abort();
    (void)lull_decode(model, ids, n, back, sizeof back, &bytes, NULL);
    for (i = 0; i < model->config.vocab_size && i < 1000; i++)
        if (lull_piece(model, i, &bytes) == NULL) abort();
}

static void read_rows(const lull_matrix *m)
{
    float *row = malloc((size_t)m->cols * sizeof *row);
    if (!row) return;
    lull_matrix_row(m, 0, row);
    lull_matrix_row(m, m->rows - 1, row);
    free(row);
}

/* Three tokens, whatever the weights come to. */
static void tell(lull_model *model)
{
    const int32_t length = model->config.seq_len < 3 ? model->config.seq_len : 3;
    lull_context_options options;
    lull_context *context;
    lull_sequence *sequence;
    int32_t i;
    lull_context_options_init(&options);
    options.length = length;
    options.max_memory_bytes = CONTEXT_LIMIT;
    if (lull_context_open(&context, model, &options, NULL) != LULL_OK) return;
    if (lull_sequence_open(&sequence, context, NULL) == LULL_OK) {
        for (i = 0; i < length; i++) {
            const int32_t id = i % model->config.vocab_size;
            const float *logits;
            if (lull_sequence_feed(sequence, &id, 1, NULL, NULL) != LULL_OK ||
                lull_context_step(context, 0, NULL, NULL) != LULL_OK ||
                lull_sequence_logits(sequence, &logits, NULL) != LULL_OK)
                abort();
            (void)lull_logits_argmax(logits, (size_t)model->config.vocab_size);
        }
        lull_sequence_close(sequence);
    }
    lull_context_close(context);
}

static void use(lull_model *model)
{
    const lull_layer *last = &model->layers[model->config.n_layers - 1];
    use_text(model);
    read_rows(&model->embedding);
    read_rows(&model->classifier);
    read_rows(&last->wk);
    read_rows(&last->w2);
    read_rows(&model->layers[0].w3);
    tell(model);
}

static void load(const unsigned char *bytes, size_t n, lull_precision precision, int32_t group)
{
    lull_load_options options;
    lull_error error;
    lull_model *model;
    lull_status status;
    lull_load_options_init(&options);
    options.max_memory_bytes = MEMORY_LIMIT;
    options.precision = precision;
    options.group = group;
    status = lull_model_load_memory(&model, bytes, n, NULL, 0, &options, &error);
    if ((status == LULL_OK) != (model != NULL) || status != error.code) abort();
    if ((status == LULL_OK) != (error.message[0] == 0)) abort();
    if (model == NULL) return;
    use(model);
    lull_model_release(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    unsigned char *bytes = calloc(1, n ? n : 1);
    if (!bytes) return 0;
    if (n) memcpy(bytes, data, n);
    load(bytes, n, LULL_AS_STORED, 0);
    load(bytes, n, LULL_Q4, n ? 1 + bytes[n - 1] : 1); /* any group from 1 to 256 */
    free(bytes);
    return 0;
}
