/* gguf.c - see gguf.h.  Weights are those of tiny.c: the float32 of its version 1, the integers and
 * scales of its version 2; 4 bits are the upper halves of those integers, with scales 16 times as
 * large.  All of them are exact in f16. */
#include "gguf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the model's numbers, out of tiny.c's files */

/* In the order of version 1 and 2 files, as rows of a table: norms first. */
enum { RMS_ATT, WQ, WK, WV, WO, RMS_FFN, W1, W2, W3 }; /* = the order in formats.h */

static void shape(const lull_config *c, int kind, int32_t *rows, int32_t *cols)
{
    *rows = *cols = c->dim;
    if (kind == RMS_ATT || kind == RMS_FFN) *rows = 1;
    if (kind == WK || kind == WV) *rows = c->dim / c->n_heads * c->n_kv_heads;
    if (kind == W1 || kind == W3) *rows = c->hidden_dim;
    if (kind == W2) *cols = c->hidden_dim;
    if (kind == G_EMBEDDING || kind == G_CLASSIFIER) *rows = c->vocab_size;
}

static float float_at(const unsigned char *p)
{
    const uint32_t u = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

/* The last file of each version, since it is asked for row by row. */
static const unsigned char *tiny_file(const tiny_spec *spec, int version)
{
    static const tiny_spec *last[3];
    static unsigned char *files[3];
    size_t n;
    if (last[version] == spec) return files[version];
    free(files[version]);
    last[version] = spec;
    return files[version] = tiny_checkpoint(spec, version, LULL_LITTLE_ENDIAN, &n);
}

static size_t matrix_bytes(const tiny_spec *spec, int version, int kind)
{
    int32_t rows, cols;
    size_t n;
    shape(&spec->config, kind, &rows, &cols);
    n = (size_t)rows * (size_t)cols;
    return version == 1 ? 4 * n : n + 4 * (n / (size_t)spec->group);
}

/* Where a matrix begins in a little-endian file of version 1 or 2. */
static size_t matrix_at(const tiny_spec *spec, int version, int kind, int32_t layer)
{
    static const int order[] = {WQ, WK, WV, WO, W1, W2, W3};
    const lull_config *c = &spec->config;
    size_t at = 256 + 4 * (size_t)(2 * c->n_layers + 1) * (size_t)c->dim, i;
    int32_t l;
    if (kind == G_EMBEDDING) return at;
    at += matrix_bytes(spec, version, G_EMBEDDING);
    for (i = 0; i < sizeof order / sizeof order[0]; i++)
        for (l = 0; l < c->n_layers; l++) {
            if (order[i] == kind && l == layer) return at;
            at += matrix_bytes(spec, version, order[i]);
        }
    return at; /* the classifier */
}

/* Integers and scales of a row of a version 2 file. */
static void integers(const tiny_spec *spec, int kind, int32_t layer, int32_t row, int8_t *q,
                     float *scales)
{
    size_t at = matrix_at(spec, 2, kind, layer);
    const unsigned char *file = tiny_file(spec, 2);
    int32_t rows, cols, g, n_groups;
    shape(&spec->config, kind, &rows, &cols);
    n_groups = cols / spec->group;
    memcpy(q, file + at + (size_t)row * (size_t)cols, (size_t)cols);
    at += (size_t)rows * (size_t)cols + 4 * (size_t)row * (size_t)n_groups;
    for (g = 0; g < n_groups; g++) scales[g] = float_at(file + at + 4 * (size_t)g);
}

static void floats(const tiny_spec *spec, int kind, int32_t layer, int32_t row, float *out)
{
    const size_t dim = (size_t)spec->config.dim, n_layers = (size_t)spec->config.n_layers;
    const unsigned char *file = tiny_file(spec, 1);
    size_t at, i;
    int32_t rows, cols;
    shape(&spec->config, kind, &rows, &cols);
    if (rows > 1)
        at = matrix_at(spec, 1, kind, layer) + 4 * (size_t)row * (size_t)cols;
    else /* norms: of attention, of the feed-forward layer, the last (layer = -1) */
        at =
            256 +
            4 * dim * (layer < 0 ? 2 * n_layers : (kind == RMS_FFN ? n_layers : 0) + (size_t)layer);
    for (i = 0; i < (size_t)cols; i++) out[i] = float_at(file + at + 4 * i);
}

static int high_half(int q)
{
    return (q + 128) / 16 - 8;
}

void gguf_row(const gguf_spec *spec, int kind, int32_t layer, int32_t row, float *out)
{
    const tiny_spec *m = spec->model;
    int8_t q[256];
    float scales[64];
    int32_t rows, cols, i;
    shape(&m->config, kind, &rows, &cols);
    if (spec->type == G_TENSOR_F32 || spec->type == G_TENSOR_F16 || rows == 1) {
        floats(m, kind, layer, row, out);
        return;
    }
    integers(m, kind, layer, row, q, scales);
    for (i = 0; i < cols; i++)
        out[i] = spec->type == G_TENSOR_Q8_0 ? (float)q[i] * scales[i / 32]
                                             : (float)high_half(q[i]) * (16 * scales[i / 32]);
}

/* ---- bytes */

typedef struct maker {
    const gguf_spec *spec;
    gguf_bytes *out;
    size_t room;
    int32_t n_tensors, n_keys;
    int used[3];     /* changes of keys that were made */
    uint64_t offset; /* of the next tensor's data */
} maker;

static void put(maker *m, const void *bytes, size_t n)
{
    gguf_bytes *o = m->out;
    if (n > m->room - o->n) {
        m->room = (m->room + n) * 2;
        o->bytes = realloc(o->bytes, m->room);
        if (!o->bytes) abort();
    }
    if (n) memcpy(o->bytes + o->n, bytes, n);
    o->n += n;
}

static void put_number(maker *m, uint64_t v, size_t bytes)
{
    size_t i;
    for (i = 0; i < bytes; i++) {
        const size_t shift = 8 * (m->spec->order == LULL_BIG_ENDIAN ? bytes - 1 - i : i);
        const unsigned char byte = (unsigned char)(v >> shift);
        put(m, &byte, 1);
    }
}

/* A number of the header, which is noted. */
static void put_field(maker *m, uint64_t v, size_t bytes)
{
    gguf_bytes *o = m->out;
    if (o->n_fields < sizeof o->fields / sizeof o->fields[0]) {
        o->fields[o->n_fields].offset = o->n;
        o->fields[o->n_fields++].bytes = bytes;
    }
    put_number(m, v, bytes);
}

static void put_float(maker *m, float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    put_number(m, u, 4);
}

static void put_string(maker *m, const char *text, size_t n)
{
    put_field(m, n, 8);
    put(m, text, n);
}

static void pad(maker *m)
{
    const size_t alignment = m->spec->alignment ? m->spec->alignment : 32;
    while (m->out->n % alignment) put(m, "", 1);
}

/* f16 of a number that it holds exactly and that is normal or 0. */
static void put_f16(maker *m, float f)
{
    int exponent;
    const double mantissa = frexp(fabs((double)f), &exponent);
    uint32_t bits = f < 0 ? 0x8000u : 0;
    if (f != 0) bits |= (uint32_t)(exponent + 14) << 10 | (uint32_t)((2 * mantissa - 1) * 1024);
    put_number(m, bits, 2);
}

/* ---- keys */

static const size_t sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

static void put_change(maker *m, const gguf_key_change *c)
{
    uint64_t i;
    m->n_keys++;
    put_string(m, c->key, strlen(c->key));
    put_field(m, (uint64_t)c->type, 4);
    if (c->type == G_STRING) {
        put_string(m, c->text, strlen(c->text));
    } else if (c->type == G_ARRAY) {
        put_field(m, (uint64_t)c->element, 4);
        put_field(m, c->bits, 8);
        for (i = 0; i < c->bits && c->bits < 100000; i++)
            put_number(m, 0, c->element < 13 && sizes[c->element] ? sizes[c->element] : 8);
    } else {
        put_field(m, c->bits, c->type >= 0 && c->type < 13 ? sizes[c->type] : 4);
    }
}

static const gguf_key_change *change_of(maker *m, const char *key)
{
    size_t i;
    for (i = 0; i < 3; i++)
        if (m->spec->keys[i].key && strcmp(m->spec->keys[i].key, key) == 0) {
            m->used[i] = 1;
            return &m->spec->keys[i];
        }
    return NULL;
}

/* Begin a key unless it is changed: 1 = the caller writes its value. */
static int put_key(maker *m, const char *key, int type)
{
    const gguf_key_change *c = change_of(m, key);
    if (c && c->what == G_OMIT) return 0;
    if (c && c->what == G_SET) {
        put_change(m, c);
        return 0;
    }
    put_string(m, key, strlen(key));
    put_field(m, (uint64_t)type, 4);
    m->n_keys++;
    return 1;
}

static void put_u32_key(maker *m, const char *key, int64_t v)
{
    const gguf_key_change *c = change_of(m, key);
    if (c && c->what == G_TWICE) {
        m->n_keys++;
        put_string(m, key, strlen(key));
        put_field(m, G_U32, 4);
        put_field(m, (uint64_t)v, 4);
    }
    if (put_key(m, key, G_U32)) put_field(m, (uint64_t)v, 4);
}

static void put_tokens(maker *m)
{
    static const char space[3] = {'\xe2', '\x96', '\x81'};
    const int32_t n = m->spec->model->config.vocab_size;
    size_t bytes, at = 4;
    unsigned char *file = tiny_tokenizer(n, LULL_LITTLE_ENDIAN, &bytes);
    float *scores = malloc((size_t)n * sizeof *scores);
    int32_t id;
    const int texts = put_key(m, "tokenizer.ggml.tokens", G_ARRAY);
    if (!scores) abort();
    if (texts) {
        put_field(m, G_STRING, 4);
        put_field(m, (uint64_t)n, 8);
    }
    for (id = 0; id < n; id++) {
        const unsigned char *p = file + at;
        const char *text = (const char *)p + 8;
        char spaced[64];
        size_t length = p[4], i, k = 0; /* all texts are shorter than 256 bytes */
        scores[id] = float_at(p);
        at += 8 + length;
        for (i = 0; i < length; i++) {
            if (text[i] == '\n' && id < 3) continue;
            if (text[i] == ' ') {
                memcpy(spaced + k, space, sizeof space);
                k += 3;
            } else {
                spaced[k++] = text[i];
            }
        }
        if (texts) put_string(m, spaced, k);
    }
    if (put_key(m, "tokenizer.ggml.scores", G_ARRAY)) {
        put_field(m, G_F32, 4);
        put_field(m, (uint64_t)n, 8);
        for (id = 0; id < n; id++) put_float(m, scores[id]);
    }
    if (put_key(m, "tokenizer.ggml.token_type", G_ARRAY)) {
        put_field(m, G_I32, 4);
        put_field(m, (uint64_t)n, 8);
        for (id = 0; id < n; id++) put_number(m, id == 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1, 4);
    }
    free(scores);
    free(file);
}

/* The usual keys, as changed. */
static void put_keys(maker *m)
{
    const lull_config *c = &m->spec->model->config;
    const float epsilon = 1e-5f;
    size_t i;
    if (put_key(m, "general.architecture", G_STRING)) put_string(m, "llama", 5);
    if (m->spec->alignment) put_u32_key(m, "general.alignment", (int64_t)m->spec->alignment);
    put_u32_key(m, "llama.context_length", c->seq_len);
    put_u32_key(m, "llama.embedding_length", c->dim);
    put_u32_key(m, "llama.block_count", c->n_layers);
    put_u32_key(m, "llama.feed_forward_length", c->hidden_dim);
    put_u32_key(m, "llama.attention.head_count", c->n_heads);
    put_u32_key(m, "llama.attention.head_count_kv", c->n_kv_heads);
    put_u32_key(m, "llama.rope.dimension_count", c->dim / c->n_heads);
    if (put_key(m, "llama.attention.layer_norm_rms_epsilon", G_F32)) put_float(m, epsilon);
    if (put_key(m, "tokenizer.ggml.model", G_STRING)) put_string(m, "llama", 5);
    put_tokens(m);
    put_u32_key(m, "tokenizer.ggml.bos_token_id", 1);
    put_u32_key(m, "tokenizer.ggml.eos_token_id", 2);
    for (i = 0; i < 3; i++) /* keys that are not among the above */
        if (m->spec->keys[i].key && !m->used[i] && m->spec->keys[i].what == G_SET)
            put_change(m, &m->spec->keys[i]);
}

/* ---- tensors */

static const char *const names[] = {"attn_norm", "attn_q",   "attn_k",   "attn_v", "attn_output",
                                    "ffn_norm",  "ffn_gate", "ffn_down", "ffn_up"};

typedef struct tensor {
    char name[80];
    int kind, type;
    int32_t layer, rows, cols;
} tensor;

static void tensor_at(const maker *m, int32_t i, tensor *t)
{
    const gguf_spec *s = m->spec;
    const lull_config *c = &s->model->config;
    if (s->backwards) i = m->n_tensors - 1 - i;
    t->layer = (i - 1) / 9;
    t->kind = (i - 1) % 9;
    if (i == 0 || i > 9 * c->n_layers) {
        const int norm = i == 9 * c->n_layers + 1;
        t->layer = -1;
        t->kind = i == 0 ? G_EMBEDDING : norm ? RMS_ATT : G_CLASSIFIER;
        sprintf(t->name, "%s.weight", i == 0 ? "token_embd" : norm ? "output_norm" : "output");
    } else {
        sprintf(t->name, "blk.%ld.%s.weight", (long)t->layer, names[t->kind]);
    }
    shape(c, t->kind, &t->rows, &t->cols);
    t->type = t->kind == RMS_ATT || t->kind == RMS_FFN ? G_TENSOR_F32 : s->type;
    if (s->other && strcmp(s->other, t->name) == 0) t->type = s->other_type;
}

static uint64_t tensor_bytes(const tensor *t)
{
    const uint64_t n = (uint64_t)t->rows * (uint64_t)t->cols;
    switch (t->type) {
    case G_TENSOR_F32: return 4 * n;
    case G_TENSOR_F16: return 2 * n;
    case G_TENSOR_Q8_0: return n / 32 * 34;
    default: return n / 32 * 18;
    }
}

static void put_info(maker *m, const tensor *t)
{
    const uint64_t alignment = m->spec->alignment ? m->spec->alignment : 32;
    const gguf_tensor_change *c = &m->spec->tensor;
    const int changed = c->tensor && strcmp(c->tensor, t->name) == 0, what = changed ? c->what : -1;
    const char *name = what == G_T_NAME ? c->text : t->name;
    const int vector = t->kind == RMS_ATT || t->kind == RMS_FFN;
    const uint64_t n_dims = what == G_T_DIMS ? c->value : vector ? 1 : 2;
    uint64_t i;
    if (what != G_T_OMIT) {
        put_string(m, name, strlen(name));
        put_field(m, n_dims, 4);
        for (i = 0; i < n_dims && i < 8; i++) {
            uint64_t size = i == 0 ? (uint64_t)t->cols : i == 1 ? (uint64_t)t->rows : 1;
            if ((what == G_T_DIM0 && i == 0) || (what == G_T_DIM1 && i == 1)) size = c->value;
            put_field(m, size, 8);
        }
        put_field(m, what == G_T_TYPE ? c->value : (uint64_t)t->type, 4);
        put_field(m, m->offset + (what == G_T_OFFSET ? c->value : 0), 8);
        m->offset = (m->offset + tensor_bytes(t) + alignment - 1) / alignment * alignment;
    }
    if (what == G_T_EXTRA) {
        put_string(m, c->text, strlen(c->text));
        put_field(m, 1, 4);
        put_field(m, 8, 8);
        put_field(m, G_TENSOR_F32, 4);
        put_field(m, m->offset, 8);
        m->offset = (m->offset + 32 + alignment - 1) / alignment * alignment;
    }
}

static void put_row(maker *m, const tensor *t, int32_t row)
{
    int8_t q[256] = {0};
    float scales[64] = {0}, v[256] = {0};
    int32_t g, i;
    if (t->type == G_TENSOR_F32 || t->type == G_TENSOR_F16) {
        floats(m->spec->model, t->kind, t->layer, row, v);
        for (i = 0; i < t->cols; i++) {
            if (t->type == G_TENSOR_F32)
                put_float(m, v[i]);
            else
                put_f16(m, v[i]);
        }
        return;
    }
    integers(m->spec->model, t->kind, t->layer, row, q, scales);
    for (g = 0; g < t->cols / 32; g++) {
        put_f16(m, t->type == G_TENSOR_Q8_0 ? scales[g] : 16 * scales[g]);
        if (t->type == G_TENSOR_Q8_0) put(m, q + (size_t)g * 32, 32);
        for (i = 32 * g; t->type == G_TENSOR_Q4_0 && i < 32 * g + 16; i++)
            put_number(m, (uint64_t)(high_half(q[i]) + 8 + 16 * (high_half(q[i + 16]) + 8)), 1);
    }
}

static void put_data(maker *m, const tensor *t)
{
    const gguf_tensor_change *c = &m->spec->tensor;
    const int changed = c->tensor && strcmp(c->tensor, t->name) == 0;
    int32_t row, i;
    if (changed && c->what == G_T_OMIT) return;
    for (row = 0; row < t->rows; row++) put_row(m, t, row);
    pad(m);
    for (i = 0; changed && c->what == G_T_EXTRA && i < 8; i++) put_float(m, 0.5f);
    pad(m);
}

/* ---- the whole */

gguf_bytes *gguf_make(const gguf_spec *spec)
{
    const lull_config *c = &spec->model->config;
    gguf_bytes *out = calloc(1, sizeof *out);
    maker m;
    int32_t i, listed;
    tensor t;
    if (!out) abort();
    memset(&m, 0, sizeof m);
    m.spec = spec;
    m.out = out;
    m.n_tensors = 9 * c->n_layers + (c->shared_classifier ? 2 : 3);
    listed = m.n_tensors;
    if (spec->tensor.tensor && spec->tensor.what == G_T_OMIT) listed--;
    if (spec->tensor.tensor && spec->tensor.what == G_T_EXTRA) listed++;
    put(&m, "GGUF", 4);
    put_field(&m, spec->version ? spec->version : 3, 4);
    put_field(&m, (uint64_t)listed, 8);
    put_field(&m, 0, 8);
    put_keys(&m);
    for (i = 0; i < 8; i++) /* now that they are counted */
        out->bytes[16 + i] =
            (unsigned char)((uint64_t)m.n_keys >> 8 * (spec->order == LULL_BIG_ENDIAN ? 7 - i : i));
    for (i = 0; i < m.n_tensors; i++) {
        tensor_at(&m, i, &t);
        put_info(&m, &t);
    }
    pad(&m);
    out->header = out->n;
    for (i = 0; i < m.n_tensors; i++) {
        tensor_at(&m, i, &t);
        put_data(&m, &t);
    }
    return out;
}

void gguf_free(gguf_bytes *file)
{
    free(file->bytes);
    free(file);
}
