/* llama2c_ak42.c - versions 1 and 2 of llama2.c's checkpoints (export.py, version1_export and
 * version2_export; Karpathy 2023).  The header has 256 bytes:
 *
 *     0  uint32  magic 0x616b3432, "ak42" when written by a big-endian machine
 *     4  int32   version: 1 = float32, 2 = 8 bits
 *     8  int32   dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, seq_len
 *    36  uint8   1 = the embedding table is the classifier too
 *    37  int32   version 2: weights per scale (not aligned)
 *    41  zeros
 *
 * Then, float32 in both versions: rms_att (n_layers, dim), rms_ffn (n_layers, dim), rms_final
 * (dim). Then the matrices, all layers of one before the next: embedding (vocab_size, dim), wq, wk,
 * wv, wo, w1, w2, w3 (shapes as in version 0), classifier unless shared.
 *
 * A matrix is float32 in version 1.  In version 2 it is int8 (rows, cols), all of one layer, and
 * then float32 scales (rows, cols / group): weight = int8 * scale.  A group must not cross rows. */
#include "formats.h"

#define MAGIC         0x616b3432u
#define HEADER_BYTES  256
#define LARGEST_GROUP 65536 /* keeps the sum of a group's products in 32 bits */

static lull_status check_group(const lull_layout *layout, const char *reading, lull_error *error)
{
    const lull_config *c = &layout->config;
    int32_t group = layout->group;
    if (group < 1 || group > LARGEST_GROUP)
        return lull_fail(error, LULL_EFORMAT, 0, 37, "%s: group is %ld, expected 1..%d", reading,
                         (long)group, LARGEST_GROUP);
    if (c->dim % group != 0 || c->hidden_dim % group != 0)
        return lull_fail(error, LULL_EFORMAT, 0, 37,
                         "%s: group %ld divides not both dim %ld and hidden_dim %ld", reading,
                         (long)group, (long)c->dim, (long)c->hidden_dim);
    return LULL_OK;
}

static lull_status read_header(lull_layout *layout, lull_reader *r, const char *reading,
                               lull_error *error)
{
    uint32_t magic, version = 0;
    unsigned char shared = 0;
    lull_status status;
    if (r->size < HEADER_BYTES)
        return lull_fail(error, LULL_EFORMAT, 0, 0,
                         "%s: the header needs %d bytes at offset 0, file ends at %d", reading,
                         HEADER_BYTES, (int)r->size);
    status = lull_reader_u32(r, &magic, "header", error);
    if (status == LULL_OK) status = lull_reader_u32(r, &version, "header", error);
    if (status != LULL_OK) return status;
    if (magic != MAGIC)
        return lull_fail(error, LULL_EFORMAT, 0, 0, "%s: magic is 0x%08lx, expected 0x%08lx",
                         reading, (unsigned long)magic, (unsigned long)MAGIC);
    if (version != 1 && version != 2)
        return lull_fail(error, LULL_EFORMAT, 0, 4, "%s: version is %lu, expected 1 or 2", reading,
                         (unsigned long)version);
    status = lull_llama2c_config(&layout->config, r, error);
    if (status == LULL_OK) status = lull_reader_bytes(r, &shared, 1, "header", error);
    if (status != LULL_OK) return status;
    layout->config.shared_classifier = shared;
    status = lull_config_check(&layout->config, reading, error);
    if (status != LULL_OK || version == 1) return status;
    status = lull_reader_i32(r, &layout->group, "header", error);
    return status == LULL_OK ? check_group(layout, reading, error) : status;
}

static lull_status place_tensors(lull_walk *w, lull_layout *layout, lull_error *error)
{
    static const int matrices[] = {LULL_WQ, LULL_WK, LULL_WV, LULL_WO, LULL_W1, LULL_W2, LULL_W3};
    const lull_config *c = &layout->config;
    lull_status status = lull_walk_layers(w, layout, LULL_RMS_ATT, error);
    size_t i;
    if (status == LULL_OK) status = lull_walk_layers(w, layout, LULL_RMS_FFN, error);
    if (status == LULL_OK)
        status = lull_walk_vector(w, "rms_final", &layout->rms_final, c->dim, error);
    if (status == LULL_OK)
        status = lull_walk_matrix(w, "embedding", &layout->embedding, c->vocab_size, c->dim, error);
    for (i = 0; i < sizeof matrices / sizeof matrices[0] && status == LULL_OK; i++)
        status = lull_walk_layers(w, layout, matrices[i], error);
    if (status != LULL_OK) return status;
    layout->classifier = layout->embedding;
    if (!c->shared_classifier)
        status =
            lull_walk_matrix(w, "classifier", &layout->classifier, c->vocab_size, c->dim, error);
    return status == LULL_OK ? lull_walk_end(w, error) : status;
}

lull_status lull_llama2c_ak42_layout(lull_layout *layout, lull_reader *r, const char *reading,
                                     const lull_allocator *allocator, lull_error *error)
{
    lull_walk w = {NULL, 0, 0, 0};
    lull_status status = read_header(layout, r, reading, error);
    if (status == LULL_OK) status = lull_layout_reserve(layout, allocator, error);
    if (status != LULL_OK) return status;
    layout->format = layout->group ? "llama2.c v2" : "llama2.c v1";
    layout->stored = layout->group ? LULL_Q8 : LULL_F32;
    w.reading = reading;
    w.offset = HEADER_BYTES;
    w.size = r->size;
    w.group = layout->group;
    return place_tensors(&w, layout, error);
}
