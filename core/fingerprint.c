/* fingerprint.c - 64 bits that say which model this is, on every machine and from every file format.
 *
 * What is hashed is what decides a text: the shape, the precision, the packed weights as numbers (not
 * as this machine's bytes) and the vocabulary.  So the file in either byte order, the file that was
 * quantised and the float file that is quantised while loading have one fingerprint, and a model
 * in another precision has another.
 *
 * Words of 64 bits are mixed by FNV-1a's step with a shift after it, since a product alone carries
 * differences upwards only; the end is that of lull_hash. */
#include "model.h"

static uint64_t mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) * 0x100000001b3u;
    return h ^ h >> 32;
}

/* The elements (1, 2 or 4 bytes each, in this machine's order) as a word of little-endian bytes. */
static uint64_t word_of(const unsigned char *p, size_t element)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    if (LULL_HOST_BIG_ENDIAN) {
        unsigned char bytes[8];
        int i;
        memcpy(bytes, p, sizeof bytes);
        for (word = 0, i = 0; i < 8; i++)
            word |= (uint64_t)bytes[(size_t)i ^ (element - 1)] << 8 * i;
    }
    return word;
}

static uint64_t add(uint64_t h, const void *data, size_t n, size_t element)
{
    const unsigned char *p = data;
    const size_t bytes = n * element;
    unsigned char rest[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    size_t i;
    h = mix(h, bytes);
    for (i = 0; i + 8 <= bytes; i += 8) h = mix(h, word_of(p + i, element));
    if (i == bytes) return h;
    memcpy(rest, p + i, bytes - i);
    return mix(h, word_of(rest, element));
}

/* Scales as float32, which bf16 is the upper half of: a file keeps as the one what lull would have
 * chosen as the other. */
static uint64_t add_scales(uint64_t h, const lull_matrix *m, const unsigned char *head)
{
    const size_t n = (size_t)m->n_groups * LULL_LANES;
    size_t i;
    if (m->scales == LULL_SCALE_NONE) return h;
    if (m->scales == LULL_SCALE_F32) return add(h, head, n, sizeof(float));
    h = mix(h, n * sizeof(float));
    for (i = 0; i < n; i += 2) { /* LULL_LANES is even */
        uint16_t s[2];
        memcpy(s, head + i * sizeof *s, sizeof s);
        h = mix(h, (uint64_t)s[1] << 48 | (uint64_t)s[0] << 16);
    }
    return h;
}

static uint64_t add_matrix(uint64_t h, const lull_matrix *m)
{
    const size_t weight_bytes = m->precision == LULL_F32 ? sizeof(float) : 1;
    const size_t n = (m->block_bytes - m->head_bytes) / weight_bytes;
    int32_t i;
    h = mix(h, (uint64_t)(uint32_t)m->rows << 32 | (uint32_t)m->cols);
    for (i = 0; i < m->n_blocks; i++) {
        const unsigned char *block = m->data + (size_t)i * m->block_bytes;
        h = add_scales(h, m, block);
        h = add(h, block + m->head_bytes, n, weight_bytes);
    }
    return h;
}

static uint64_t add_tokenizer(uint64_t h, const lull_tokenizer *t)
{
    const size_t n = (size_t)t->vocab_size;
    const int32_t special[] = {t->bos, t->eos, t->unknown, t->prefix, t->no_prefix};
    h = add(h, special, sizeof special / sizeof *special, sizeof *special);
    h = add(h, t->start, n + 1, sizeof *t->start);
    h = add(h, t->text, t->start[n], 1);
    h = add(h, t->score, n, sizeof *t->score);
    return t->kind != NULL ? add(h, t->kind, n, 1) : h;
}

uint64_t lull_model_fingerprint(const lull_model *model)
{
    const lull_config *c = &model->config;
    const int32_t shape[] = {c->dim,      c->hidden_dim,        c->n_layers,
                             c->n_heads,  c->n_kv_heads,        c->vocab_size,
                             c->seq_len,  c->shared_classifier, (int32_t)model->precision,
                             model->group};
    const size_t dim = (size_t)c->dim;
    unsigned char end[8];
    uint64_t h = add(0xcbf29ce484222325u, shape, sizeof shape / sizeof *shape, sizeof *shape);
    int32_t i;
    h = add_matrix(h, &model->embedding);
    for (i = 0; i < c->n_layers; i++) {
        const lull_layer *l = &model->layers[i];
        const lull_matrix *matrices[7] = {&l->wq, &l->wk, &l->wv, &l->wo, &l->w1, &l->w2, &l->w3};
        int k;
        h = add(h, l->rms_att, dim, sizeof *l->rms_att);
        h = add(h, l->rms_ffn, dim, sizeof *l->rms_ffn);
        for (k = 0; k < 7; k++) h = add_matrix(h, matrices[k]);
    }
    h = add(h, model->rms_final, dim, sizeof *model->rms_final);
    if (!c->shared_classifier) h = add_matrix(h, &model->classifier);
    if (model->tokenizer != NULL) h = add_tokenizer(h, model->tokenizer);
    for (i = 0; i < 8; i++) end[i] = (unsigned char)(h >> 8 * i);
    return lull_hash(end, sizeof end);
}
