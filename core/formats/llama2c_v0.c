/* llama2c_v0.c - the first checkpoint format of llama2.c (export.py, legacy_export; Karpathy 2023).
 *
 *   1. int32    dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, seq_len
 *               (a negative vocab_size means: -vocab_size tokens, the classifier is not shared)
 *   2. float32  embedding  (vocab_size, dim)
 *   3.          rms_att    (n_layers, dim)
 *   4.          wq         (n_layers, dim, dim)
 *   5.          wk, wv     (n_layers, kv_dim, dim) each, kv_dim = dim / n_heads * n_kv_heads
 *   6.          wo         (n_layers, dim, dim)
 *   7.          rms_ffn    (n_layers, dim)
 *   8.          w1         (n_layers, hidden_dim, dim)
 *   9.          w2         (n_layers, dim, hidden_dim)
 *  10.          w3         (n_layers, hidden_dim, dim)
 *  11.          rms_final  (dim)
 *  12.          cos, sin of the rotary positions (seq_len, head_dim / 2) each: not read, lull makes
 *               its own, equal on every machine
 *  13.          classifier (vocab_size, dim), unless shared
 *
 * There is no magic number; every number is in the byte order of the machine that wrote the file.
 */
#include "formats.h"

lull_status lull_llama2c_config(lull_config *c, lull_reader *r, lull_error *error)
{
    int32_t v[7];
    size_t i;
    for (i = 0; i < sizeof v / sizeof v[0]; i++) {
        lull_status status = lull_reader_i32(r, &v[i], "header", error);
        if (status != LULL_OK) return status;
    }
    c->dim = v[0];
    c->hidden_dim = v[1];
    c->n_layers = v[2];
    c->n_heads = v[3];
    c->n_kv_heads = v[4];
    c->vocab_size = v[5];
    c->seq_len = v[6];
    c->shared_classifier = 1;
    return LULL_OK;
}

static lull_status place_tensors(lull_walk *w, lull_layout *layout, lull_error *error)
{
    const lull_config *c = &layout->config;
    uint64_t rope = (uint64_t)c->seq_len * (uint64_t)(c->dim / c->n_heads) / 2 * sizeof(float);
    lull_status status =
        lull_walk_matrix(w, "embedding", &layout->embedding, c->vocab_size, c->dim, error);
    int kind;
    for (kind = LULL_RMS_ATT; kind < LULL_LAYER_TENSORS && status == LULL_OK; kind++)
        status = lull_walk_layers(w, layout, kind, error);
    if (status == LULL_OK)
        status = lull_walk_vector(w, "rms_final", &layout->rms_final, c->dim, error);
    if (status == LULL_OK) status = lull_walk_skip(w, "rope_cos", rope, error);
    if (status == LULL_OK) status = lull_walk_skip(w, "rope_sin", rope, error);
    if (status != LULL_OK) return status;
    layout->classifier = layout->embedding;
    if (!c->shared_classifier)
        status =
            lull_walk_matrix(w, "classifier", &layout->classifier, c->vocab_size, c->dim, error);
    return status == LULL_OK ? lull_walk_end(w, error) : status;
}

lull_status lull_llama2c_v0_layout(lull_layout *layout, lull_reader *r, const char *reading,
                                   const lull_allocator *allocator, lull_error *error)
{
    lull_config *c = &layout->config;
    lull_walk w = {NULL, 0, 0, 0};
    lull_status status = lull_llama2c_config(c, r, error);
    if (status != LULL_OK) return status;
    if (c->vocab_size < 0 && c->vocab_size != INT32_MIN) {
        c->vocab_size = -c->vocab_size;
        c->shared_classifier = 0;
    }
    status = lull_config_check(c, reading, error);
    if (status == LULL_OK) status = lull_layout_reserve(layout, allocator, error);
    if (status != LULL_OK) return status;
    layout->format = "llama2.c v0";
    layout->stored = LULL_F32;
    w.reading = reading;
    w.offset = r->offset;
    w.size = r->size;
    return place_tensors(&w, layout, error);
}
