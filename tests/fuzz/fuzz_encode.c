/* fuzz_encode.c - any text: ids inside the vocabulary, and the same bytes back.  The first byte of
 * the input chooses vocabulary and flags, the rest is the text, in a block of its exact size. */
#include "model.h"
#include "tiny.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void open_vocabulary(lull_model *m, int32_t vocab_size)
{
    size_t bytes;
    unsigned char *file = tiny_tokenizer(vocab_size, LULL_BIG_ENDIAN, &bytes);
    lull_reader r;
    memset(m, 0, sizeof *m);
    lull_reader_open_memory(&r, file, bytes, "memory");
    if (lull_tokenizer_load(&m->tokenizer, &r, vocab_size, &m->allocator, NULL) != LULL_OK) abort();
    lull_reader_close(&r);
    free(file);
}

static void check(const lull_model *m, const char *text, size_t n, unsigned flags)
{
    const int all_bytes = m->tokenizer->n_byte_tokens == 256;
    int32_t *ids = malloc((n + 2) * sizeof *ids), *exact;
    size_t count, again, bytes, i;
    char *back;
    if (!ids) return;
    if (lull_encode(m, text, n, flags, ids, n + 2, &count, NULL) != LULL_OK) abort();
    for (i = 0; i < count; i++) {
        if (ids[i] < 0 || ids[i] >= m->tokenizer->vocab_size) abort();
    }
    exact = malloc(count ? count * sizeof *exact : 1);
    if (exact) {
        if (lull_encode(m, text, n, flags, exact, count, &again, NULL) != LULL_OK) abort();
        if (again != count || memcmp(exact, ids, count * sizeof *ids) != 0) abort();
    }
    if (lull_decode(m, ids, count, NULL, 0, &bytes, NULL) == LULL_EINVAL) abort();
    back = malloc(bytes ? bytes : 1);
    if (back) {
        if (lull_decode(m, ids, count, back, bytes, &bytes, NULL) != LULL_OK) abort();
        if (all_bytes && (bytes != n || memcmp(back, text, n) != 0)) abort();
        if (bytes - lull_utf8_complete(back, bytes) > 3) abort();
    }
    free(back);
    free(exact);
    free(ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const int32_t sizes[4] = {512, 300, 260, 3};
    static lull_model models[4]; /* made once: a run is short beside that */
    lull_model *m;
    char *text;
    if (n == 0) return 0;
    text = malloc(n - 1 ? n - 1 : 1);
    if (!text) return 0;
    memcpy(text, data + 1, n - 1);
    m = &models[data[0] >> 1 & 3];
    if (!m->tokenizer) open_vocabulary(m, sizes[data[0] >> 1 & 3]);
    check(m, text, n - 1, data[0] & LULL_ENCODE_START);
    free(text);
    return 0;
}
