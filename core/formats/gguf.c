/* gguf.c - GGUF, the format of llama.cpp (ggml, docs/gguf.md), versions 2 and 3, in either byte order:
 *
 *   1. bytes    "GGUF", in this order always
 *   2. u32      version; in which order it is a small number tells the file's byte order
 *   3. u64      number of tensors, number of keys
 *   4.          keys and values (gguf_meta.c)
 *   5.          for each tensor: u64 length and bytes of its name; u32 number of dimensions; for each,
 *               the fastest first, u64 size; u32 type; u64 offset of its data from the data's begin
 *   6.          zeros to a multiple of general.alignment (32): here the data begin
 *   7.          the tensors' data in the order of the list, each padded to that multiple
 *
 * lull reads the architecture "llama" where it computes what lull does: what would change the numbers
 * and is not known (other rotary scalings, experts, biases) is refused by name; keys and tensors that
 * do not matter are passed over.  The pairs of rotary positions are neighbours, as in llama2.c. */
#include "gguf.h"

#include <inttypes.h>
#include <stdio.h>

#define HEADER_BYTES      24
#define SHORTEST_TENSOR   33 /* bytes: a name of one letter, one dimension */
#define LONGEST_NAME      64 /* by the specification */
#define LARGEST_ALIGNMENT 65536
#define LARGEST_BASE      1e10f

const char *const lull_gguf_layer_names[LULL_LAYER_TENSORS] = {
    "attn_norm", "attn_q",   "attn_k",   "attn_v", "attn_output",
    "ffn_norm",  "ffn_gate", "ffn_down", "ffn_up"};

/* Reading one file. */
typedef struct gguf {
    lull_layout *layout;
    lull_gguf_cursor cursor;
    lull_gguf_meta meta;
    uint64_t n_tensors;
    uint64_t used; /* bytes of data of the tensors so far, padded */
    uint64_t end;  /* of the last of them, not padded */
} gguf;

/* ---- what the metadata say */

static const char *key_name(int key)
{
    return lull_gguf_keys[key].name;
}

static lull_status need(const gguf *g, int key, lull_error *error)
{
    if (g->meta.values[key].given) return LULL_OK;
    return lull_fail(error, LULL_EFORMAT, 0, g->cursor.offset, "%s: the key %s is missing",
                     g->cursor.reading, key_name(key));
}

/* A key that must be there, as a positive int32. */
static lull_status take_count(const gguf *g, int key, int32_t *out, lull_error *error)
{
    const uint32_t v = g->meta.values[key].u;
    lull_status status = need(g, key, error);
    if (status != LULL_OK) return status;
    if (v < 1 || v > INT32_MAX)
        return lull_fail(error, LULL_EFORMAT, 0, g->cursor.offset,
                         "%s: %s is %lu, expected 1..2147483647", g->cursor.reading, key_name(key),
                         (unsigned long)v);
    *out = (int32_t)v;
    return LULL_OK;
}

/* "1e-05", whatever the host's locale puts between the digits. */
static const char *number_text(char text[32], float v)
{
    char *from, *to = text;
    snprintf(text, 32, "%.6g", (double)v);
    for (from = text; *from; from++) {
        const int foreign = *from == ',' || *from < 0x20 || *from > 0x7e;
        if (!foreign)
            *to++ = *from;
        else if (to == text || to[-1] != '.')
            *to++ = '.';
    }
    *to = 0;
    return text;
}

/* A number that lull's arithmetic has built in: another is EUNSUPPORTED, nonsense is EFORMAT. */
static lull_status fail_number(const gguf *g, int key, int nonsense, const char *expected,
                               lull_error *error)
{
    char text[32];
    return lull_fail(error, nonsense ? LULL_EFORMAT : LULL_EUNSUPPORTED, 0, g->cursor.offset,
                     "%s: %s is %s, expected %s", g->cursor.reading, key_name(key),
                     number_text(text, g->meta.values[key].f), expected);
}

static lull_status check_numbers(const gguf *g, lull_error *error)
{
    static const int factors[] = {LULL_KEY_ROPE_SCALE, LULL_KEY_ROPE_FACTOR};
    const lull_gguf_value *v = g->meta.values;
    const float epsilon = v[LULL_KEY_EPSILON].f, base = v[LULL_KEY_ROPE_BASE].f;
    size_t i;
    lull_status status = need(g, LULL_KEY_EPSILON, error);
    if (status != LULL_OK) return status;
    if (epsilon != 1e-5f)
        return fail_number(g, LULL_KEY_EPSILON, !(epsilon > 0 && lull_is_finite(epsilon)), "1e-05",
                           error);
    if (v[LULL_KEY_ROPE_BASE].given && !(base >= 1 && base <= LARGEST_BASE))
        return fail_number(g, LULL_KEY_ROPE_BASE, 1, "1..1e+10", error);
    if (v[LULL_KEY_ROPE_BASE].given) g->layout->rope_base = base;
    for (i = 0; i < 2; i++) /* 0 = none; 1 changes nothing */
        if (v[factors[i]].given && v[factors[i]].f != 0 && v[factors[i]].f != 1)
            return fail_number(g, factors[i], !lull_is_finite(v[factors[i]].f),
                               "1 (scaled rotary positions are not computed)", error);
    return LULL_OK;
}

static lull_status check_alignment(gguf *g, lull_error *error)
{
    lull_gguf_value *v = &g->meta.values[LULL_KEY_ALIGNMENT];
    if (!v->given) v->u = LULL_GGUF_ALIGNMENT;
    if (v->u >= 8 && v->u <= LARGEST_ALIGNMENT && (v->u & (v->u - 1)) == 0) return LULL_OK;
    return lull_fail(error, LULL_EFORMAT, 0, g->cursor.offset,
                     "%s: general.alignment is %lu, expected a power of two in 8..%d",
                     g->cursor.reading, (unsigned long)v->u, LARGEST_ALIGNMENT);
}

/* Is this a file whose numbers lull would compute? */
static lull_status check_kind(const gguf *g, lull_error *error)
{
    const lull_gguf_value *v = g->meta.values;
    const char *reading = g->cursor.reading;
    lull_status status = need(g, LULL_KEY_ARCHITECTURE, error);
    if (status != LULL_OK) return status;
    if (v[LULL_KEY_SPLIT].u > 1)
        return lull_fail(error, LULL_EUNSUPPORTED, 0, 0,
                         "%s: one of %lu parts of a model; join them (llama-gguf-split --merge)",
                         reading, (unsigned long)v[LULL_KEY_SPLIT].u);
    if (strcmp(v[LULL_KEY_ARCHITECTURE].text, "llama") != 0)
        return lull_fail(error, LULL_EUNSUPPORTED, 0, 0,
                         "%s: architecture is \"%s\", only \"llama\" is computed", reading,
                         v[LULL_KEY_ARCHITECTURE].text);
    if (v[LULL_KEY_EXPERTS].u > 0)
        return lull_fail(error, LULL_EUNSUPPORTED, 0, 0,
                         "%s: the model has %lu experts, which are not computed", reading,
                         (unsigned long)v[LULL_KEY_EXPERTS].u);
    if (v[LULL_KEY_ROPE_SCALING].given && strcmp(v[LULL_KEY_ROPE_SCALING].text, "none") != 0)
        return lull_fail(error, LULL_EUNSUPPORTED, 0, 0,
                         "%s: llama.rope.scaling.type is \"%s\", only \"none\" is computed",
                         reading, v[LULL_KEY_ROPE_SCALING].text);
    return LULL_OK;
}

/* Sizes that lull derives from others must be what it derives. */
static lull_status check_head_sizes(const gguf *g, lull_error *error)
{
    static const int keys[] = {LULL_KEY_KEY_LENGTH, LULL_KEY_VALUE_LENGTH,
                               LULL_KEY_ROPE_DIMENSIONS};
    const lull_config *c = &g->layout->config;
    size_t i;
    for (i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const lull_gguf_value *v = &g->meta.values[keys[i]];
        if (v->given && v->u != (uint32_t)(c->dim / c->n_heads))
            return lull_fail(
                error, v->u == 0 || v->u > INT32_MAX ? LULL_EFORMAT : LULL_EUNSUPPORTED, 0,
                g->cursor.offset, "%s: %s is %lu, expected the head size %ld", g->cursor.reading,
                key_name(keys[i]), (unsigned long)v->u, (long)(c->dim / c->n_heads));
    }
    return LULL_OK;
}

static lull_status read_config(const gguf *g, lull_error *error)
{
    const lull_gguf_value *v = g->meta.values;
    lull_config *c = &g->layout->config;
    lull_status status = take_count(g, LULL_KEY_EMBEDDING, &c->dim, error);
    if (status == LULL_OK) status = take_count(g, LULL_KEY_FEED_FORWARD, &c->hidden_dim, error);
    if (status == LULL_OK) status = take_count(g, LULL_KEY_BLOCKS, &c->n_layers, error);
    if (status == LULL_OK) status = take_count(g, LULL_KEY_HEADS, &c->n_heads, error);
    if (status != LULL_OK) return status;
    c->n_kv_heads = c->n_heads;
    if (v[LULL_KEY_KV_HEADS].given)
        status = take_count(g, LULL_KEY_KV_HEADS, &c->n_kv_heads, error);
    if (status == LULL_OK) status = take_count(g, LULL_KEY_CONTEXT, &c->seq_len, error);
    if (status != LULL_OK) return status;
    if (v[LULL_KEY_VOCABULARY].given || !v[LULL_KEY_TOKENS].given)
        status = take_count(g, LULL_KEY_VOCABULARY, &c->vocab_size, error);
    else
        c->vocab_size =
            v[LULL_KEY_TOKENS].n > INT32_MAX ? INT32_MAX : (int32_t)v[LULL_KEY_TOKENS].n;
    c->shared_classifier = 1; /* until output.weight is seen */
    if (status == LULL_OK) status = lull_config_check(c, g->cursor.reading, error);
    if (status == LULL_OK) status = check_head_sizes(g, error);
    if (status != LULL_OK || g->n_tensors / LULL_LAYER_TENSORS >= (uint64_t)c->n_layers)
        return status;
    return lull_fail(error, LULL_EFORMAT, 0, 8,
                     "%s: %" PRIu64 " tensors are too few for %ld layers", g->cursor.reading,
                     g->n_tensors, (long)c->n_layers);
}

/* ---- the tokenizer's place (read by gguf_tokenizer.c) */

static int32_t special(const lull_gguf_value *v, int key)
{
    return v[key].given && v[key].u <= INT32_MAX ? (int32_t)v[key].u : -1;
}

static lull_status check_length(const gguf *g, int key, lull_error *error)
{
    const lull_gguf_value *v = &g->meta.values[key];
    const uint64_t n = g->meta.values[LULL_KEY_TOKENS].n;
    if (!v->given || v->n == n) return LULL_OK;
    return lull_fail(error, LULL_EFORMAT, 0, v->offset,
                     "%s: %s has %" PRIu64 " elements, tokenizer.ggml.tokens has %" PRIu64,
                     g->cursor.reading, key_name(key), v->n, n);
}

static lull_status read_vocabulary(const gguf *g, lull_error *error)
{
    static const int specials[] = {LULL_KEY_BOS, LULL_KEY_EOS, LULL_KEY_UNKNOWN};
    const lull_gguf_value *v = g->meta.values;
    lull_vocabulary *t = &g->layout->vocabulary;
    size_t i;
    lull_status status = check_length(g, LULL_KEY_SCORES, error);
    if (status == LULL_OK) status = check_length(g, LULL_KEY_TOKEN_TYPES, error);
    if (status != LULL_OK) return status;
    for (i = 0; i < 3; i++) {
        const lull_gguf_value *id = &v[specials[i]];
        if (id->given && v[LULL_KEY_TOKENS].given && id->u >= v[LULL_KEY_TOKENS].n)
            return lull_fail(error, LULL_EFORMAT, 0, g->cursor.offset,
                             "%s: %s is %lu, there are %" PRIu64 " tokens", g->cursor.reading,
                             key_name(specials[i]), (unsigned long)id->u, v[LULL_KEY_TOKENS].n);
    }
    t->present = v[LULL_KEY_TOKENS].given;
    memcpy(t->model, v[LULL_KEY_TOKENIZER].text, sizeof t->model);
    t->n = v[LULL_KEY_TOKENS].n;
    t->texts = v[LULL_KEY_TOKENS].offset;
    t->scores = v[LULL_KEY_SCORES].offset;
    t->token_types = v[LULL_KEY_TOKEN_TYPES].offset;
    /* What a file need not say is what llama.cpp takes for this kind of vocabulary. */
    t->bos = v[LULL_KEY_BOS].given ? special(v, LULL_KEY_BOS) : t->n > 1 ? 1 : -1;
    t->eos = v[LULL_KEY_EOS].given ? special(v, LULL_KEY_EOS) : t->n > 2 ? 2 : -1;
    t->unknown = v[LULL_KEY_UNKNOWN].given ? special(v, LULL_KEY_UNKNOWN) : t->n > 0 ? 0 : -1;
    t->add_bos = !v[LULL_KEY_ADD_BOS].given || v[LULL_KEY_ADD_BOS].u;
    t->add_space = !v[LULL_KEY_ADD_SPACE].given || v[LULL_KEY_ADD_SPACE].u;
    t->chat_template = v[LULL_KEY_CHAT_TEMPLATE].offset;
    return LULL_OK;
}

/* ---- the list of tensors */

typedef struct entry {
    char name[LONGEST_NAME + 1];
    uint64_t rows, cols; /* rows: the product of all dimensions but the first */
    uint32_t type;
    uint64_t offset, bytes;
} entry;

static lull_status take_name(gguf *g, entry *e, lull_error *error)
{
    lull_gguf_cursor *c = &g->cursor;
    const uint64_t at = c->offset;
    uint64_t n = 0, i;
    lull_status status = lull_gguf_u64(c, &n, "length of a tensor's name", error);
    if (status != LULL_OK) return status;
    if (n < 1 || n > LONGEST_NAME)
        return lull_fail(error, LULL_EFORMAT, 0, at,
                         "%s: a tensor's name has %" PRIu64 " bytes at offset %" PRIu64
                         ", expected 1..%d",
                         c->reading, n, at, LONGEST_NAME);
    status = lull_gguf_take(c, e->name, n, "a tensor's name", error);
    if (status != LULL_OK) return status;
    e->name[n] = 0;
    for (i = 0; i < n; i++)
        if (e->name[i] < 0x20 || e->name[i] > 0x7e)
            return lull_fail(error, LULL_EFORMAT, 0, at,
                             "%s: the tensor's name at offset %" PRIu64
                             " has byte 0x%02x, expected printable ASCII",
                             c->reading, at, (unsigned)(unsigned char)e->name[i]);
    return LULL_OK;
}

static lull_status take_dimensions(gguf *g, entry *e, lull_error *error)
{
    lull_gguf_cursor *c = &g->cursor;
    const uint64_t at = c->offset;
    uint32_t n = 0, i;
    lull_status status = lull_gguf_u32(c, &n, e->name, error);
    if (status != LULL_OK) return status;
    if (n < 1 || n > 4)
        return lull_fail(error, LULL_EFORMAT, 0, at,
                         "%s: tensor %s has %lu dimensions, expected 1..4", c->reading, e->name,
                         (unsigned long)n);
    e->cols = e->rows = 1;
    for (i = 0; i < n; i++) {
        uint64_t size = 0, product;
        status = lull_gguf_u64(c, &size, e->name, error);
        if (status != LULL_OK) return status;
        if (size < 1 || size > INT64_MAX || !lull_u64_mul(e->rows, size, &product))
            return lull_fail(error, LULL_EFORMAT, 0, c->offset - 8,
                             "%s: dimension %lu of tensor %s is %" PRIu64
                             ", which is 0 or makes too many weights",
                             c->reading, (unsigned long)i, e->name, size);
        if (i == 0)
            e->cols = size;
        else
            e->rows = product;
    }
    return LULL_OK;
}

/* What messages call the tensor types of ggml; NULL = there is none of that number. */
static const char *type_name(uint32_t type)
{
    static const char *const names[] = {
        "F32",     "F16",    "Q4_0",    "Q4_1",  NULL,     NULL,    "Q5_0",  "Q5_1",
        "Q8_0",    "Q8_1",   "Q2_K",    "Q3_K",  "Q4_K",   "Q5_K",  "Q6_K",  "Q8_K",
        "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS",
        "I8",      "I16",    "I32",     "I64",   "F64",    "IQ1_M", "BF16"};
    return type < sizeof names / sizeof names[0] ? names[type] : NULL;
}

static int tensor_type(uint32_t type, lull_tensor_type *out, uint32_t *block_bytes)
{
    *block_bytes = 0; /* of LULL_GGUF_BLOCK weights */
    switch (type) {
    case LULL_GGML_F32:
        *out = LULL_TENSOR_F32;
        *block_bytes = 4 * LULL_GGUF_BLOCK;
        break;
    case LULL_GGML_F16:
        *out = LULL_TENSOR_F16;
        *block_bytes = 2 * LULL_GGUF_BLOCK;
        break;
    case LULL_GGML_Q8_0:
        *out = LULL_TENSOR_Q8_0;
        *block_bytes = LULL_Q8_0_BYTES;
        break;
    case LULL_GGML_Q4_0:
        *out = LULL_TENSOR_Q4_0;
        *block_bytes = LULL_Q4_0_BYTES;
        break;
    default: return 0;
    }
    return 1;
}

/* Type, and the bytes that it and the dimensions make. */
static lull_status take_type(gguf *g, entry *e, lull_error *error)
{
    lull_gguf_cursor *c = &g->cursor;
    lull_tensor_type type;
    uint32_t block_bytes;
    uint64_t weights, bits;
    lull_status status = lull_gguf_u32(c, &e->type, e->name, error);
    if (status != LULL_OK) return status;
    if (!tensor_type(e->type, &type, &block_bytes)) {
        const char *name = type_name(e->type);
        return lull_fail(error, LULL_EUNSUPPORTED, 0, c->offset - 4,
                         "%s: tensor %s has type %lu (%s); F32, F16, Q4_0 and Q8_0 are read",
                         c->reading, e->name, (unsigned long)e->type, name ? name : "unknown");
    }
    if ((type == LULL_TENSOR_Q8_0 || type == LULL_TENSOR_Q4_0) && e->cols % LULL_GGUF_BLOCK != 0)
        return lull_fail(error, LULL_EFORMAT, 0, c->offset,
                         "%s: rows of tensor %s have %" PRIu64
                         " weights, which are no whole blocks of 32",
                         c->reading, e->name, e->cols);
    /* Sizes of a block are not divisible by its weights, hence the detour over 32nds of a byte. */
    if (!lull_u64_mul(e->cols, e->rows, &weights) || !lull_u64_mul(weights, block_bytes, &bits))
        return lull_fail(error, LULL_EFORMAT, 0, c->offset,
                         "%s: tensor %s (%" PRIu64 " rows of %" PRIu64 ") is larger than any file",
                         c->reading, e->name, e->rows, e->cols);
    e->bytes = bits / LULL_GGUF_BLOCK;
    return LULL_OK;
}

/* Tensors lie one after the other, as ggml's own reader demands: so they never overlap. */
static lull_status take_offset(gguf *g, entry *e, lull_error *error)
{
    const uint64_t alignment = g->meta.values[LULL_KEY_ALIGNMENT].u;
    lull_gguf_cursor *c = &g->cursor;
    lull_status status = lull_gguf_u64(c, &e->offset, e->name, error);
    if (status != LULL_OK) return status;
    if (e->offset != g->used)
        return lull_fail(error, LULL_EFORMAT, 0, c->offset - 8,
                         "%s: data of tensor %s begin at %" PRIu64 ", expected %" PRIu64
                         ", where those before end",
                         c->reading, e->name, e->offset, g->used);
    if (e->bytes > c->reader->size || g->used > c->reader->size - e->bytes)
        return lull_fail(error, LULL_EFORMAT, 0, c->offset,
                         "%s: tensor %s needs %" PRIu64 " bytes at %" PRIu64
                         " of the data, the file has %" PRIu64,
                         c->reading, e->name, e->bytes, e->offset, c->reader->size);
    g->end = g->used + e->bytes; /* at most the file's size: no sum wraps */
    g->used = (g->end + alignment - 1) / alignment * alignment;
    return LULL_OK;
}

/* The number N of a name "blk.N.rest" in *layer; returns rest, or NULL where it is no such name. */
static const char *layer_of(const char *name, uint64_t *layer)
{
    const char *digit = name + 4;
    if (strncmp(name, "blk.", 4) != 0) return NULL;
    for (*layer = 0; *digit >= '0' && *digit <= '9' && *layer < 1000000000; digit++)
        *layer = *layer * 10 + (uint64_t)(*digit - '0');
    return digit > name + 4 && *digit == '.' ? digit + 1 : NULL;
}

static int is_weight(const char *name, const char *stem)
{
    const size_t n = strlen(stem);
    return strncmp(name, stem, n) == 0 && strcmp(name + n, ".weight") == 0;
}

/* The place of a tensor of a layer; LULL_OK and NULL for one that has no effect. */
static lull_status find_in_layer(gguf *g, const entry *e, const char *rest, uint64_t layer,
                                 lull_tensor **out, int32_t *rows, int32_t *cols, lull_error *error)
{
    const lull_config *c = &g->layout->config;
    int kind;
    *out = NULL;
    if (layer >= (uint64_t)c->n_layers)
        return lull_fail(error, LULL_EFORMAT, 0, g->cursor.offset,
                         "%s: tensor %s: the model has %ld layers", g->cursor.reading, e->name,
                         (long)c->n_layers);
    for (kind = 0; kind < LULL_LAYER_TENSORS; kind++)
        if (is_weight(rest, lull_gguf_layer_names[kind])) {
            *out = &g->layout->layers[layer * LULL_LAYER_TENSORS + (uint64_t)kind];
            lull_layer_shape(c, kind, rows, cols);
            return LULL_OK;
        }
    if (is_weight(rest, "attn_rot_embd")) return LULL_OK; /* frequencies, as lull has them */
    return lull_fail(error, LULL_EUNSUPPORTED, 0, g->cursor.offset,
                     "%s: tensor %s is not known, and a layer without it would compute something "
                     "else",
                     g->cursor.reading, e->name);
}

static int is_norm(const char *name)
{
    return strstr(name, "norm.weight") != NULL;
}

static lull_status find(gguf *g, const entry *e, lull_tensor **out, int32_t *rows, int32_t *cols,
                        lull_error *error)
{
    lull_layout *l = g->layout;
    uint64_t layer;
    const char *rest = layer_of(e->name, &layer);
    *out = NULL;
    *rows = l->config.vocab_size;
    *cols = l->config.dim;
    if (rest) return find_in_layer(g, e, rest, layer, out, rows, cols, error);
    if (strncmp(e->name, "rope_", 5) == 0)
        return lull_fail(error, LULL_EUNSUPPORTED, 0, g->cursor.offset,
                         "%s: tensor %s scales the rotary positions, which is not computed",
                         g->cursor.reading, e->name);
    if (is_weight(e->name, "token_embd")) *out = &l->embedding;
    if (is_weight(e->name, "output")) *out = &l->classifier;
    if (is_weight(e->name, "output_norm")) {
        *out = &l->rms_final;
        *rows = 1;
    }
    return LULL_OK;
}

/* One tensor of the list, into its place. */
static lull_status take_tensor(gguf *g, lull_error *error)
{
    entry e;
    lull_tensor *t = NULL;
    int32_t rows = 0, cols = 0;
    uint32_t block_bytes;
    lull_status status;
    memset(&e, 0, sizeof e);
    status = take_name(g, &e, error);
    if (status == LULL_OK) status = take_dimensions(g, &e, error);
    if (status == LULL_OK) status = take_type(g, &e, error);
    if (status == LULL_OK) status = take_offset(g, &e, error);
    if (status == LULL_OK) status = find(g, &e, &t, &rows, &cols, error);
    if (status != LULL_OK || t == NULL) return status;
    if (t->cols != 0)
        return lull_fail(error, LULL_EFORMAT, 0, g->cursor.offset, "%s: tensor %s occurs twice",
                         g->cursor.reading, e.name);
    if (e.rows != (uint64_t)rows || e.cols != (uint64_t)cols)
        return lull_fail(error, LULL_EFORMAT, 0, g->cursor.offset,
                         "%s: tensor %s has %" PRIu64 " rows of %" PRIu64
                         ", expected %ld rows of %ld",
                         g->cursor.reading, e.name, e.rows, e.cols, (long)rows, (long)cols);
    tensor_type(e.type, &t->type, &block_bytes);
    if (is_norm(e.name) && t->type != LULL_TENSOR_F32)
        return lull_fail(error, LULL_EUNSUPPORTED, 0, g->cursor.offset,
                         "%s: tensor %s has type %s, norms are read as F32 only", g->cursor.reading,
                         e.name, type_name(e.type));
    t->rows = rows;
    t->cols = cols;
    t->group = lull_tensor_precision(t->type) == LULL_F32 ? 0 : LULL_GGUF_BLOCK;
    t->offset = e.offset;
    return LULL_OK;
}

/* ---- the end of the list: everything there? */

/* Tensor i of the layout in some order, and its name; NULL past the last. */
static lull_tensor *tensor_at(lull_layout *l, size_t i, char name[LONGEST_NAME + 1])
{
    const size_t n = (size_t)l->config.n_layers * LULL_LAYER_TENSORS;
    if (i < n) {
        snprintf(name, LONGEST_NAME + 1, "blk.%lu.%s.weight",
                 (unsigned long)(i / LULL_LAYER_TENSORS),
                 lull_gguf_layer_names[i % LULL_LAYER_TENSORS]);
        return &l->layers[i];
    }
    snprintf(name, LONGEST_NAME + 1, "%s.weight",
             i == n       ? "token_embd"
             : i == n + 1 ? "output_norm"
                          : "output");
    if (i == n) return &l->embedding;
    if (i == n + 1) return &l->rms_final;
    return i == n + 2 && !l->config.shared_classifier ? &l->classifier : NULL;
}

/* All matrices of one type, or LULL_MIXED. */
static void describe_types(lull_layout *l)
{
    const lull_tensor_type type = l->embedding.type;
    char name[LONGEST_NAME + 1];
    const lull_tensor *t;
    size_t i;
    l->stored = type == LULL_TENSOR_F16 ? LULL_F16 : lull_tensor_precision(type);
    l->group = l->embedding.group;
    for (i = 0; (t = tensor_at(l, i, name)) != NULL; i++)
        if (t->type != type && !is_norm(name)) {
            l->stored = LULL_MIXED;
            l->group = 0;
        }
}

static lull_status finish(gguf *g, lull_error *error)
{
    const uint64_t alignment = g->meta.values[LULL_KEY_ALIGNMENT].u, size = g->cursor.reader->size;
    const uint64_t data = (g->cursor.offset + alignment - 1) / alignment * alignment;
    const char *reading = g->cursor.reading;
    lull_layout *l = g->layout;
    char name[LONGEST_NAME + 1];
    lull_tensor *t;
    size_t i;
    l->config.shared_classifier = l->classifier.cols == 0;
    for (i = 0; (t = tensor_at(l, i, name)) != NULL; i++) {
        if (t->cols == 0)
            return lull_fail(error, LULL_EFORMAT, 0, g->cursor.offset, "%s: tensor %s is missing",
                             reading, name);
        t->offset += data; /* both below 2^63 */
    }
    if (g->end > size || data > size - g->end)
        return lull_fail(error, LULL_EFORMAT, 0, size,
                         "%s: the tensors end at %" PRIu64 ", file ends at %" PRIu64, reading,
                         data + g->end, size);
    if (size > data + g->used)
        return lull_fail(error, LULL_EFORMAT, 0, data + g->used,
                         "%s: the last tensor ends at %" PRIu64 ", file ends at %" PRIu64, reading,
                         data + g->used, size);
    if (l->config.shared_classifier) l->classifier = l->embedding;
    describe_types(l);
    return LULL_OK;
}

/* ---- the whole */

static lull_status take_header(gguf *g, uint64_t *n_keys, lull_error *error)
{
    lull_gguf_cursor *c = &g->cursor;
    uint32_t version = 0;
    lull_status status = LULL_OK;
    if (c->reader->size < HEADER_BYTES)
        return lull_fail(error, LULL_EFORMAT, 0, 0,
                         "%s: the header needs %d bytes at offset 0, file ends at %d", c->reading,
                         HEADER_BYTES, (int)c->reader->size);
    c->offset = 4;
    status = lull_gguf_u32(c, &version, "header", error);
    if (status == LULL_OK && version == 1)
        return lull_fail(error, LULL_EFORMAT, 0, 4,
                         "%s: GGUF version 1 is not read, nor by llama.cpp; convert the original "
                         "again",
                         c->reading);
    if (status == LULL_OK && version != 2 && version != 3)
        return lull_fail(error, LULL_EFORMAT, 0, 4, "%s: GGUF version is %lu, expected 2 or 3",
                         c->reading, (unsigned long)version);
    g->layout->format = version == 2 ? "GGUF v2" : "GGUF v3";
    if (status == LULL_OK) status = lull_gguf_u64(c, &g->n_tensors, "header", error);
    if (status == LULL_OK) status = lull_gguf_u64(c, n_keys, "header", error);
    if (status != LULL_OK || g->n_tensors <= c->reader->size / SHORTEST_TENSOR) return status;
    return lull_fail(error, LULL_EFORMAT, 0, 8,
                     "%s: %" PRIu64 " tensors are more than %" PRIu64 " bytes can hold", c->reading,
                     g->n_tensors, c->reader->size);
}

lull_status lull_gguf_layout(lull_layout *layout, lull_reader *r, const char *reading,
                             const lull_allocator *allocator, lull_error *error)
{
    gguf g;
    uint64_t n_keys = 0, i;
    lull_status status;
    g.layout = layout;
    g.used = g.end = 0;
    lull_gguf_cursor_open(&g.cursor, r, reading, 0);
    status = take_header(&g, &n_keys, error);
    if (status == LULL_OK) status = lull_gguf_meta_read(&g.meta, &g.cursor, n_keys, error);
    if (status == LULL_OK) status = check_kind(&g, error);
    if (status == LULL_OK) status = check_alignment(&g, error);
    if (status == LULL_OK) status = check_numbers(&g, error);
    if (status == LULL_OK) status = read_config(&g, error);
    if (status == LULL_OK) status = read_vocabulary(&g, error);
    if (status == LULL_OK) status = lull_layout_reserve(layout, allocator, error);
    for (i = 0; i < g.n_tensors && status == LULL_OK; i++) status = take_tensor(&g, error);
    return status == LULL_OK ? finish(&g, error) : status;
}
