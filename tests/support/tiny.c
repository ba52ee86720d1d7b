/* tiny.c - see tiny.h.  The file layouts are drawn in core/formats/llama2c_v0.c and _ak42.c; they
 * are written here a second time, independently, so that the loader is not tested with itself. */
#include "tiny.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Odd widths on purpose: hidden sizes that are no multiple of 16 or 64, vocabularies that end in
 * the middle of a block of rows, groups from 4 to 32. */
/* clang-format off */
static const tiny_spec specs[] = {
    /*            dim hidden layers heads kv vocab  seq shared  group */
    {"odd",      { 24,  52,    2,     3,   1, 277,   64,  1},     4},
    {"gqa",      { 64, 172,    2,     8,   2, 300,   64,  1},     4},
    {"unshared", { 32,  88,    3,     2,   2, 290,   64,  0},     8},
    {"head8",    { 32,  64,    2,     4,   4, 288,   64,  1},    32},
};
/* clang-format on */

const tiny_spec *tiny_all(size_t *n)
{
    *n = sizeof specs / sizeof specs[0];
    return specs;
}

const tiny_spec *tiny_find(const char *name)
{
    size_t i, n;
    const tiny_spec *all = tiny_all(&n);
    for (i = 0; i < n; i++)
        if (strcmp(all[i].name, name) == 0) return &all[i];
    return NULL;
}

/* ---- a buffer that grows */

typedef struct buffer {
    unsigned char *bytes;
    size_t n, room;
    int big; /* byte order of what is put */
} buffer;

static unsigned char *put_room(buffer *b, size_t n)
{
    if (n > b->room - b->n) {
        b->room = (b->room + n) * 2;
        b->bytes = realloc(b->bytes, b->room);
        if (!b->bytes) abort();
    }
    b->n += n;
    return b->bytes + b->n - n;
}

static void put_u8(buffer *b, int v)
{
    *put_room(b, 1) = (unsigned char)v;
}

static void put_u32(buffer *b, uint32_t v)
{
    unsigned char *p = put_room(b, 4);
    int i;
    for (i = 0; i < 4; i++) p[i] = (unsigned char)(v >> 8 * (b->big ? 3 - i : i));
}

static void put_f32(buffer *b, float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    put_u32(b, u);
}

/* ---- weights */

enum { RMS_ATT, WQ, WK, WV, WO, RMS_FFN, W1, W2, W3, RMS_FINAL, EMBEDDING, CLASSIFIER };

static uint32_t next(uint32_t *state) /* Numerical Recipes' generator; the upper half is good */
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 16;
}

static uint32_t seed_of(int kind, int32_t layer)
{
    uint32_t state = (uint32_t)kind * 2654435761u + (uint32_t)layer * 40503u + 12345u;
    next(&state);
    next(&state);
    return state;
}

static int32_t rows_of(const lull_config *c, int kind)
{
    int32_t kv_dim = c->dim / c->n_heads * c->n_kv_heads;
    switch (kind) {
    case WK:
    case WV: return kv_dim;
    case W1:
    case W3: return c->hidden_dim;
    case EMBEDDING:
    case CLASSIFIER: return c->vocab_size;
    case RMS_ATT:
    case RMS_FFN:
    case RMS_FINAL: return 1;
    default: return c->dim;
    }
}

/* 2^-k such that a weight's standard deviation is about 1 / sqrt(cols); twice that for the
 * embedding and the classifier, which makes the logits lively. */
static float unit_of(int kind, int32_t cols)
{
    float unit = 1.0f / 1024;
    int32_t n;
    for (n = 8; n < cols; n *= 4) unit *= 0.5f;
    return kind >= EMBEDDING ? 2 * unit : unit;
}

static void put_norm(buffer *b, const lull_config *c, int kind, int32_t layer)
{
    uint32_t state = seed_of(kind, layer);
    int32_t i;
    for (i = 0; i < c->dim; i++) put_f32(b, (float)(32 + (int)(next(&state) % 65)) / 64);
}

/* One matrix: float32, or int8 and then its scales. */
static void put_matrix(buffer *b, const tiny_spec *spec, int kind, int32_t layer, int quantised)
{
    const lull_config *c = &spec->config;
    int32_t rows = rows_of(c, kind), cols = kind == W2 ? c->hidden_dim : c->dim;
    float unit = unit_of(kind, cols);
    uint32_t state = seed_of(kind, layer);
    int32_t n_groups = rows * (cols / spec->group), g, i;
    float *scales = malloc((size_t)n_groups * sizeof *scales);
    if (!scales) abort();
    for (g = 0; g < n_groups; g++) {
        scales[g] = (float)(5 + (int)(next(&state) % 4)) * unit;
        for (i = 0; i < spec->group; i++) {
            int q = (int)(next(&state) % 255) - 127;
            if (quantised)
                put_u8(b, q & 255);
            else
                put_f32(b, (float)q * scales[g]);
        }
    }
    for (g = 0; quantised && g < n_groups; g++) put_f32(b, scales[g]);
    free(scales);
}

/* ---- files */

static void put_config(buffer *b, const lull_config *c, int32_t vocab_size)
{
    put_u32(b, (uint32_t)c->dim);
    put_u32(b, (uint32_t)c->hidden_dim);
    put_u32(b, (uint32_t)c->n_layers);
    put_u32(b, (uint32_t)c->n_heads);
    put_u32(b, (uint32_t)c->n_kv_heads);
    put_u32(b, (uint32_t)vocab_size);
    put_u32(b, (uint32_t)c->seq_len);
}

static void put_v0(buffer *b, const tiny_spec *spec)
{
    static const int order[] = {RMS_ATT, WQ, WK, WV, WO, RMS_FFN, W1, W2, W3};
    const lull_config *c = &spec->config;
    size_t i;
    int32_t layer, n;
    put_config(b, c, c->shared_classifier ? c->vocab_size : -c->vocab_size);
    put_matrix(b, spec, EMBEDDING, 0, 0);
    for (i = 0; i < sizeof order / sizeof order[0]; i++)
        for (layer = 0; layer < c->n_layers; layer++) {
            if (order[i] == RMS_ATT || order[i] == RMS_FFN)
                put_norm(b, c, order[i], layer);
            else
                put_matrix(b, spec, order[i], layer, 0);
        }
    put_norm(b, c, RMS_FINAL, 0);
    for (n = c->seq_len * (c->dim / c->n_heads); n > 0; n--) put_f32(b, 0.5f); /* RoPE tables */
    if (!c->shared_classifier) put_matrix(b, spec, CLASSIFIER, 0, 0);
}

static void put_ak42(buffer *b, const tiny_spec *spec, int version)
{
    static const int order[] = {WQ, WK, WV, WO, W1, W2, W3};
    const lull_config *c = &spec->config;
    size_t i;
    int32_t layer;
    put_u32(b, 0x616b3432u);
    put_u32(b, (uint32_t)version);
    put_config(b, c, c->vocab_size);
    put_u8(b, c->shared_classifier);
    if (version == 2) put_u32(b, (uint32_t)spec->group);
    while (b->n < 256) put_u8(b, 0);
    for (layer = 0; layer < c->n_layers; layer++) put_norm(b, c, RMS_ATT, layer);
    for (layer = 0; layer < c->n_layers; layer++) put_norm(b, c, RMS_FFN, layer);
    put_norm(b, c, RMS_FINAL, 0);
    put_matrix(b, spec, EMBEDDING, 0, version == 2);
    for (i = 0; i < sizeof order / sizeof order[0]; i++)
        for (layer = 0; layer < c->n_layers; layer++)
            put_matrix(b, spec, order[i], layer, version == 2);
    if (!c->shared_classifier) put_matrix(b, spec, CLASSIFIER, 0, version == 2);
}

unsigned char *tiny_checkpoint(const tiny_spec *spec, int version, lull_byte_order order,
                               size_t *bytes)
{
    buffer b = {NULL, 0, 0, 0};
    b.big = order == LULL_BIG_ENDIAN;
    if (version == 0)
        put_v0(&b, spec);
    else
        put_ak42(&b, spec, version);
    *bytes = b.n;
    return b.bytes;
}

/* ---- tokenizer */

/* clang-format off */
static const char *const words[] = {
    " ",   "e",   "t",    "a",    "o",    "i",    "n",    "s",    "h",     "r",    "d",    "l",
    "c",   "u",   "m",    "w",    " t",   "he",   " a",   "in",   " the",  "er",   "on",   " s",
    "re",  "nd",  " and", "ing",  " w",   " o",   " m",   "ou",   " c",    "ed",   " h",   "f",
    "g",   "y",   "p",    "b",    "v",    "k",    ".",    ",",    "!",     "?",    "'",    "\"",
    "\n",  "O",   "T",    "L",    "I",    "A",    "S",    "H",    " day",  " was", " big", " to",
    "\xc3\xa9" /* e acute */,     "\xe2\x82\xac" /* euro sign */, " On",   "ce",   " Once"};
/* clang-format on */

static void put_token(buffer *b, const char *text, float score)
{
    size_t n = strlen(text);
    put_f32(b, score);
    put_u32(b, (uint32_t)n);
    memcpy(put_room(b, n), text, n);
}

unsigned char *tiny_tokenizer(int32_t vocab_size, lull_byte_order order, size_t *bytes)
{
    static const char *const control[] = {"<unk>", "\n<s>\n", "\n</s>\n"};
    const int32_t n_words = (int32_t)(sizeof words / sizeof words[0]);
    buffer b = {NULL, 0, 0, 0};
    int32_t id;
    char text[32];
    b.big = order == LULL_BIG_ENDIAN;
    put_u32(&b, 16); /* the longest token; fillers stay below */
    for (id = 0; id < vocab_size; id++) {
        if (id < 3) {
            put_token(&b, control[id], 0);
        } else if (id < 259) {
            sprintf(text, "<0x%02X>", (unsigned)(id - 3));
            put_token(&b, text, 0);
        } else if (id < 259 + n_words) {
            put_token(&b, words[id - 259], (float)(259 - id));
        } else {
            sprintf(text, "filler%ld", (long)id);
            put_token(&b, text, (float)(259 - id));
        }
    }
    *bytes = b.n;
    return b.bytes;
}

int tiny_save(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    int ok;
    if (!f) return 0;
    ok = fwrite(bytes, 1, n, f) == n;
    return fclose(f) == 0 && ok;
}
