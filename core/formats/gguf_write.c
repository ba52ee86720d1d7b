/* gguf_write.c - GGUF version 3, as gguf.c and gguf_meta.c draw and read it, complete: llama.cpp loads
 * it as lull does.
 *
 *   1. header, and the keys listed in list_keys
 *   2. tensors in this order: token_embd; of each layer attn_norm, attn_q, attn_k, attn_v,
 *      attn_output, ffn_norm, ffn_gate, ffn_down, ffn_up; output_norm; output unless shared
 *   3. their data, each padded to 32 bytes; norms as F32, matrices all of one type
 *
 * llama2.c turns neighbouring pairs of a head, as llama.cpp does for this architecture, so no row is
 * permuted. */
#include "../half.h"
#include "../quantize.h"
#include "gguf.h"

#include <stdio.h>

#define EPSILON 1e-5f /* of the norms: what lull and llama2.c compute with */

/* ---- what can be written */

static const char *type_name(lull_precision precision)
{
    return precision == LULL_Q8 ? "Q8_0" : precision == LULL_Q4 ? "Q4_0" : "";
}

lull_status lull_gguf_check(lull_quantize_job *j, lull_error *error)
{
    const lull_config *c = &j->in.layout.config;
    const int quantised = j->precision == LULL_Q8 || j->precision == LULL_Q4;
    const char *tail = lull_path_tail(j->in.reader.name);
    if (!quantised && j->options.group != 0)
        return lull_fail(error, LULL_EINVAL, 0, 0, "group is %ld, but floats have no groups",
                         (long)j->options.group);
    if (!quantised) return LULL_OK;
    if (j->options.group != 0 && j->options.group != LULL_GGUF_BLOCK)
        return lull_fail(error, LULL_EINVAL, 0, 0, "group is %ld, GGUF's %s has groups of %d",
                         (long)j->options.group, type_name(j->precision), LULL_GGUF_BLOCK);
    j->group = LULL_GGUF_BLOCK;
    if (c->dim % LULL_GGUF_BLOCK != 0 || c->hidden_dim % LULL_GGUF_BLOCK != 0)
        return lull_fail(error, LULL_EINVAL, 0, 0,
                         "%s: rows of %s have %ld weights, %s needs a multiple of %d; write f16 or "
                         "f32, or llama2.c version 2",
                         tail,
                         c->dim % LULL_GGUF_BLOCK ? "token_embd.weight" : "blk.0.ffn_down.weight",
                         (long)(c->dim % LULL_GGUF_BLOCK ? c->dim : c->hidden_dim),
                         type_name(j->precision), LULL_GGUF_BLOCK);
    return LULL_OK;
}

/* ---- keys */

/* A key with its value; arrays come from the tokenizer. */
typedef struct entry {
    int key;
    uint32_t u; /* or the bits of a float */
    const char *text;
    size_t bytes; /* of text */
} entry;

typedef struct key_list {
    entry entries[LULL_KEYS];
    size_t n;
} key_list;

static void add_u32(key_list *l, int key, uint32_t u)
{
    l->entries[l->n].key = key;
    l->entries[l->n++].u = u;
}

static void add_text(key_list *l, int key, const char *text, size_t bytes)
{
    l->entries[l->n].text = text;
    l->entries[l->n].bytes = bytes;
    add_u32(l, key, 0);
}

/* The file's name without folder and ending: the only name there is. */
static void add_name(key_list *l, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    add_text(l, LULL_KEY_NAME, name, dot && dot > name ? (size_t)(dot - name) : strlen(name));
}

static void add_special(key_list *l, int key, int32_t id)
{
    if (id >= 0) add_u32(l, key, (uint32_t)id);
}

static void list_keys(key_list *l, const lull_quantize_job *j)
{
    const lull_config *c = &j->in.layout.config;
    const lull_tokenizer *t = j->in.tokenizer;
    const lull_precision p = j->precision;
    memset(l, 0, sizeof *l);
    add_text(l, LULL_KEY_ARCHITECTURE, "llama", 5);
    add_name(l, j->in.reader.name);
    add_u32(l, LULL_KEY_ALIGNMENT, LULL_GGUF_ALIGNMENT);
    /* llama.cpp's names: all F32, mostly F16, Q8_0, Q4_0 */
    add_u32(l, LULL_KEY_FILE_TYPE, p == LULL_F32 ? 0 : p == LULL_F16 ? 1 : p == LULL_Q8 ? 7 : 2);
    add_u32(l, LULL_KEY_QUANTIZATION, 2);
    add_u32(l, LULL_KEY_VOCABULARY, (uint32_t)c->vocab_size);
    add_u32(l, LULL_KEY_CONTEXT, (uint32_t)c->seq_len);
    add_u32(l, LULL_KEY_EMBEDDING, (uint32_t)c->dim);
    add_u32(l, LULL_KEY_BLOCKS, (uint32_t)c->n_layers);
    add_u32(l, LULL_KEY_FEED_FORWARD, (uint32_t)c->hidden_dim);
    add_u32(l, LULL_KEY_HEADS, (uint32_t)c->n_heads);
    add_u32(l, LULL_KEY_KV_HEADS, (uint32_t)c->n_kv_heads);
    add_u32(l, LULL_KEY_EPSILON, lull_float_bits(EPSILON));
    add_u32(l, LULL_KEY_ROPE_DIMENSIONS, (uint32_t)(c->dim / c->n_heads));
    add_u32(l, LULL_KEY_ROPE_BASE, lull_float_bits((float)j->in.layout.rope_base));
    add_text(l, LULL_KEY_TOKENIZER, "llama", 5);
    add_u32(l, LULL_KEY_TOKENS, 0);
    add_u32(l, LULL_KEY_SCORES, 0);
    add_u32(l, LULL_KEY_TOKEN_TYPES, 0);
    add_special(l, LULL_KEY_BOS, t->bos);
    add_special(l, LULL_KEY_EOS, t->eos);
    add_special(l, LULL_KEY_UNKNOWN, t->unknown);
    add_u32(l, LULL_KEY_ADD_BOS, 1);
    add_u32(l, LULL_KEY_ADD_SPACE, !t->no_prefix);
    if (t->chat_template != NULL)
        add_text(l, LULL_KEY_CHAT_TEMPLATE, t->chat_template, t->chat_template_bytes);
}

static lull_status write_string(lull_writer *w, const char *text, size_t bytes, lull_error *error)
{
    lull_status status = lull_writer_u64(w, bytes, error);
    return status == LULL_OK ? lull_writer_bytes(w, text, bytes, error) : status;
}

/* ---- the tokenizer */

static uint32_t token_type(const lull_tokenizer *t, int32_t id)
{
    const unsigned char *text = t->text + t->start[id];
    if (t->kind == NULL) { /* llama2.c's rule */
        if (id == t->unknown) return LULL_GGUF_UNKNOWN;
        if (id == t->bos || id == t->eos) return LULL_GGUF_CONTROL;
        return lull_tokenizer_byte(text, t->start[id + 1] - t->start[id]) >= 0 ? LULL_GGUF_BYTE
                                                                               : LULL_GGUF_NORMAL;
    }
    switch (t->kind[id]) {
    case LULL_TOKEN_TEXT: return LULL_GGUF_NORMAL;
    case LULL_TOKEN_BYTE: return LULL_GGUF_BYTE;
    case LULL_TOKEN_CONTROL: return LULL_GGUF_CONTROL;
    default: return id == t->unknown ? LULL_GGUF_UNKNOWN : LULL_GGUF_UNUSED;
    }
}

/* A text with U+2581 for each space. */
static lull_status write_normal(lull_writer *w, const char *text, size_t bytes, lull_error *error)
{
    uint64_t longer = bytes;
    size_t i;
    lull_status status;
    for (i = 0; i < bytes; i++) longer += text[i] == ' ' ? 2 : 0;
    status = lull_writer_u64(w, longer, error);
    for (i = 0; i < bytes && status == LULL_OK; i++)
        status = text[i] == ' ' ? lull_writer_bytes(w, LULL_GGUF_SPACE, 3, error)
                                : lull_writer_bytes(w, text + i, 1, error);
    return status;
}

/* llama2.c's control tokens stand between line feeds, so that no text matches them. */
static lull_status write_token(lull_quantize_job *j, int32_t id, lull_error *error)
{
    const lull_tokenizer *t = j->in.tokenizer;
    const char *text = (const char *)t->text + t->start[id];
    size_t bytes = t->start[id + 1] - t->start[id], i;
    const uint32_t type = token_type(t, id);
    if (type == LULL_GGUF_CONTROL && bytes > 2 && text[0] == '\n' && text[bytes - 1] == '\n')
        return write_string(&j->writer, text + 1, bytes - 2, error);
    if (type != LULL_GGUF_NORMAL) return write_string(&j->writer, text, bytes, error);
    for (i = 0; i + 3 <= bytes; i++)
        if (memcmp(text + i, LULL_GGUF_SPACE, 3) == 0)
            return lull_fail(
                error, LULL_EUNSUPPORTED, 0, 0,
                "tokenizer: token %ld has the character U+2581, which means a space in "
                "GGUF",
                (long)id);
    return write_normal(&j->writer, text, bytes, error);
}

static lull_status write_array(lull_quantize_job *j, int key, lull_error *error)
{
    const lull_tokenizer *t = j->in.tokenizer;
    lull_writer *w = &j->writer;
    int32_t id;
    lull_status status = lull_writer_u32(w, lull_gguf_keys[key].element, error);
    if (status == LULL_OK) status = lull_writer_u64(w, (uint64_t)t->vocab_size, error);
    for (id = 0; id < t->vocab_size && status == LULL_OK; id++) {
        if (key == LULL_KEY_TOKENS)
            status = write_token(j, id, error);
        else if (key == LULL_KEY_SCORES)
            status = lull_writer_f32(w, &t->score[id], 1, error);
        else
            status = lull_writer_u32(w, token_type(t, id), error);
    }
    return status;
}

static lull_status write_key(lull_quantize_job *j, const entry *e, lull_error *error)
{
    const lull_gguf_key *key = &lull_gguf_keys[e->key];
    const unsigned char byte = (unsigned char)e->u;
    lull_writer *w = &j->writer;
    lull_status status = write_string(w, key->name, strlen(key->name), error);
    if (status == LULL_OK) status = lull_writer_u32(w, key->type, error);
    if (status != LULL_OK) return status;
    switch (key->type) {
    case LULL_GGUF_STRING: return write_string(w, e->text, e->bytes, error);
    case LULL_GGUF_ARRAY: return write_array(j, e->key, error);
    case LULL_GGUF_BOOL: return lull_writer_bytes(w, &byte, 1, error);
    default: return lull_writer_u32(w, e->u, error);
    }
}

/* ---- tensors */

typedef struct item {
    char name[64];
    const lull_tensor *tensor; /* of the input */
    int vector;
} item;

/* Tensor i of the output; 0 past the last. */
static int item_at(item *out, const lull_layout *l, size_t i)
{
    const size_t n = (size_t)l->config.n_layers * LULL_LAYER_TENSORS;
    out->vector = 0;
    if (i >= 1 && i <= n) {
        const size_t layer = (i - 1) / LULL_LAYER_TENSORS, kind = (i - 1) % LULL_LAYER_TENSORS;
        snprintf(out->name, sizeof out->name, "blk.%lu.%s.weight", (unsigned long)layer,
                 lull_gguf_layer_names[kind]);
        out->tensor = &l->layers[i - 1];
        out->vector = kind == LULL_RMS_ATT || kind == LULL_RMS_FFN;
        return 1;
    }
    if (i > n + (l->config.shared_classifier ? 1 : 2)) return 0;
    snprintf(out->name, sizeof out->name, "%s.weight",
             i == 0       ? "token_embd"
             : i == n + 1 ? "output_norm"
                          : "output");
    out->tensor = i == 0 ? &l->embedding : i == n + 1 ? &l->rms_final : &l->classifier;
    out->vector = i == n + 1;
    return 1;
}

static uint32_t item_type(const item *it, lull_precision precision)
{
    if (it->vector || precision == LULL_F32) return LULL_GGML_F32;
    if (precision == LULL_F16) return LULL_GGML_F16;
    return precision == LULL_Q8 ? LULL_GGML_Q8_0 : LULL_GGML_Q4_0;
}

static uint64_t row_bytes(uint32_t type, int32_t cols)
{
    const uint64_t n = (uint64_t)cols;
    switch (type) {
    case LULL_GGML_F32: return 4 * n;
    case LULL_GGML_F16: return 2 * n;
    case LULL_GGML_Q8_0: return n / LULL_GGUF_BLOCK * LULL_Q8_0_BYTES;
    default: return n / LULL_GGUF_BLOCK * LULL_Q4_0_BYTES;
    }
}

static lull_status write_info(lull_quantize_job *j, const item *it, uint64_t *offset,
                              lull_error *error)
{
    const lull_tensor *t = it->tensor;
    const uint32_t type = item_type(it, j->precision);
    lull_writer *w = &j->writer;
    lull_status status = write_string(w, it->name, strlen(it->name), error);
    if (status == LULL_OK) status = lull_writer_u32(w, it->vector ? 1 : 2, error);
    if (status == LULL_OK) status = lull_writer_u64(w, (uint64_t)t->cols, error);
    if (status == LULL_OK && !it->vector) status = lull_writer_u64(w, (uint64_t)t->rows, error);
    if (status == LULL_OK) status = lull_writer_u32(w, type, error);
    if (status == LULL_OK) status = lull_writer_u64(w, *offset, error);
    *offset += (uint64_t)t->rows * row_bytes(type, t->cols);
    *offset = (*offset + LULL_GGUF_ALIGNMENT - 1) / LULL_GGUF_ALIGNMENT * LULL_GGUF_ALIGNMENT;
    return status;
}

/* What f16 cannot hold is not written as infinity. */
static lull_status check_f16(const lull_quantize_job *j, const item *it, const float *v, size_t n,
                             const char *what, lull_error *error)
{
    size_t i;
    for (i = 0; i < n; i++)
        if (lull_is_finite(v[i]) && !lull_is_finite(lull_f16_float(lull_float_f16(v[i]))))
            return lull_fail(error, LULL_EUNSUPPORTED, 0, 0,
                             "%s: %s has a %s beyond 65504, the largest that f16 holds; write f32",
                             lull_path_tail(j->in.reader.name), it->name, what);
    return LULL_OK;
}

static lull_status write_f16_row(lull_quantize_job *j, const item *it, size_t cols,
                                 lull_error *error)
{
    size_t k;
    lull_status status = check_f16(j, it, j->row, cols, "weight", error);
    if (status != LULL_OK) return status;
    for (k = 0; k < cols; k++) {
        const double off = (double)lull_f16_float(lull_float_f16(j->row[k])) - j->row[k];
        j->squares += off * off;
    }
    j->weights += cols;
    lull_f16_pack(j->row, cols, j->writer.swap, j->raw);
    return lull_writer_bytes(&j->writer, j->raw, 2 * cols, error);
}

static lull_status write_row(lull_quantize_job *j, const item *it, lull_error *error)
{
    const uint32_t type = item_type(it, j->precision);
    const int32_t cols = it->tensor->cols;
    const size_t n_blocks = (size_t)cols / LULL_GGUF_BLOCK;
    lull_status status;
    if (type == LULL_GGML_F32) {
        j->weights += it->vector ? 0 : (uint64_t)cols;
        return lull_writer_f32(&j->writer, j->row, (size_t)cols, error);
    }
    if (type == LULL_GGML_F16) return write_f16_row(j, it, (size_t)cols, error);
    lull_quantize_row(j, cols, j->scales);
    status = check_f16(j, it, j->scales, n_blocks, "scale", error);
    if (status != LULL_OK) return status;
    if (type == LULL_GGML_Q8_0)
        lull_q8_0_pack(j->q, j->scales, n_blocks, j->writer.swap, j->raw);
    else
        lull_q4_0_pack(j->q, j->scales, n_blocks, j->writer.swap, j->raw);
    return lull_writer_bytes(&j->writer, j->raw, (size_t)row_bytes(type, cols), error);
}

static lull_status write_data(lull_quantize_job *j, const item *it, lull_error *error)
{
    lull_status status = LULL_OK;
    int32_t row;
    for (row = 0; row < it->tensor->rows && status == LULL_OK; row++) {
        status = lull_quantize_read(j, it->tensor, row, it->name, error);
        if (status == LULL_OK) status = write_row(j, it, error);
    }
    return status == LULL_OK ? lull_writer_pad(&j->writer, LULL_GGUF_ALIGNMENT, error) : status;
}

/* ---- the whole */

lull_status lull_gguf_write(lull_quantize_job *j, lull_error *error)
{
    const lull_layout *l = &j->in.layout;
    lull_writer *w = &j->writer;
    key_list keys;
    item it;
    uint64_t offset = 0;
    size_t n = 0, i;
    lull_status status = lull_writer_bytes(w, "GGUF", 4, error);
    while (item_at(&it, l, n)) n++;
    list_keys(&keys, j);
    if (status == LULL_OK) status = lull_writer_u32(w, 3, error);
    if (status == LULL_OK) status = lull_writer_u64(w, n, error);
    if (status == LULL_OK) status = lull_writer_u64(w, keys.n, error);
    for (i = 0; i < keys.n && status == LULL_OK; i++)
        status = write_key(j, &keys.entries[i], error);
    for (i = 0; i < n && status == LULL_OK && item_at(&it, l, i); i++)
        status = write_info(j, &it, &offset, error);
    if (status == LULL_OK) status = lull_writer_pad(w, LULL_GGUF_ALIGNMENT, error);
    for (i = 0; i < n && status == LULL_OK && item_at(&it, l, i); i++)
        status = write_data(j, &it, error);
    return status;
}
