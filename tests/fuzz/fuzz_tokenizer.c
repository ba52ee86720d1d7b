/* fuzz_tokenizer.c - any bytes as tokenizer.bin: an error, or a tokenizer that encodes and decodes
 * anything.  The first two bytes of the input are the number of tokens the model wants (little-
 * endian), the rest is the file, in a block of its exact size. */
#include "model.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_pieces(const lull_model *m)
{
    int32_t id;
    for (id = 0; id < m->tokenizer->vocab_size; id++) {
        size_t bytes, i;
        unsigned sum = 0;
        const char *piece = lull_piece(m, id, &bytes);
        if (!piece) abort();
        for (i = 0; i < bytes; i++) sum += (unsigned char)piece[i];
        if (sum > 255 * bytes) abort();
    }
}

/* Encode the file itself: its own texts are what it matches best. */
static void check_text(const lull_model *m, const char *text, size_t bytes, unsigned flags)
{
    int32_t *ids = malloc((bytes + 2) * sizeof *ids);
    size_t count, back, i;
    char *decoded;
    if (!ids) return;
    if (lull_encode(m, text, bytes, flags, ids, bytes + 2, &count, NULL) != LULL_OK) abort();
    for (i = 0; i < count; i++) {
        if (ids[i] < 0 || ids[i] >= m->tokenizer->vocab_size) abort();
    }
    if (lull_decode(m, ids, count, NULL, 0, &back, NULL) == LULL_EINVAL) abort();
    if (m->tokenizer->n_byte_tokens == 256 && back != bytes) abort();
    decoded = malloc(back ? back : 1);
    if (decoded) {
        if (lull_decode(m, ids, count, decoded, back, &back, NULL) != LULL_OK) abort();
        if (m->tokenizer->n_byte_tokens == 256 && memcmp(decoded, text, bytes) != 0) abort();
    }
    free(decoded);
    free(ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    unsigned char *file;
    lull_model m;
    lull_reader r;
    lull_error error;
    lull_status status;
    if (n < 2) return 0;
    file = malloc(n - 2 ? n - 2 : 1);
    if (!file) return 0;
    memcpy(file, data + 2, n - 2);
    memset(&m, 0, sizeof m);
    memset(&error, 0, sizeof error);
    lull_reader_open_memory(&r, file, n - 2, "memory");
    status = lull_tokenizer_load(&m.tokenizer, &r, data[0] | data[1] << 8, &m.allocator, &error);
    lull_reader_close(&r);
    if ((status == LULL_OK) != (m.tokenizer != NULL) || status != error.code) abort();
    if ((status == LULL_OK) != (error.message[0] == 0)) abort();
    if (m.tokenizer) {
        check_pieces(&m);
        check_text(&m, (const char *)file, n - 2, LULL_ENCODE_START);
        check_text(&m, (const char *)file, (n - 2) / 2, 0);
        lull_tokenizer_free(m.tokenizer);
    }
    free(file);
    return 0;
}
