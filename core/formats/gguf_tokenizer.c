/* gguf_tokenizer.c - the tokenizer inside a GGUF file, of the kind that llama2.c's tokenizer.bin is
 * too ("llama": SentencePiece pieces with scores):
 *
 *     tokenizer.ggml.tokens      array of strings: the texts, with U+2581 for a space
 *     tokenizer.ggml.scores      array of f32
 *     tokenizer.ggml.token_type  array of i32: 1 normal, 2 unknown, 3 control, 4 user-defined,
 *                                5 unused, 6 byte (its text is <0xHH>)
 *
 * Where they lie has been found and checked by gguf.c.  User-defined tokens are matched as normal
 * ones are, by merges. */
#include "../memory.h"
#include "../tokenizer.h"
#include "gguf.h"

#include <inttypes.h>

#define MOST_TOKEN_BYTES    (1 << 20)
#define MOST_TEMPLATE_BYTES (1 << 20)

/* Reading one vocabulary. */
typedef struct source {
    lull_gguf_cursor cursor;
    const lull_vocabulary *vocabulary;
    int32_t n; /* tokens */
} source;

static lull_status check_kind(const source *s, int32_t vocab_size, lull_error *error)
{
    const lull_vocabulary *v = s->vocabulary;
    const char *name = s->cursor.reading;
    if (v->model[0] == 0)
        return lull_fail(error, LULL_EFORMAT, 0, 0, "%s: the key tokenizer.ggml.model is missing",
                         name);
    if (strcmp(v->model, "llama") != 0)
        return lull_fail(error, LULL_EUNSUPPORTED, 0, 0,
                         "%s: tokenizer.ggml.model is \"%s\", only \"llama\" is known", name,
                         v->model);
    if (v->n != (uint64_t)vocab_size)
        return lull_fail(error, LULL_EFORMAT, 0, v->texts,
                         "%s: tokenizer has %" PRIu64 " tokens, model wants %ld", name, v->n,
                         (long)vocab_size);
    if (v->scores == 0 || v->token_types == 0)
        return lull_fail(error, LULL_EFORMAT, 0, 0, "%s: the key tokenizer.ggml.%s is missing",
                         name, v->scores == 0 ? "scores" : "token_type");
    if (!v->add_bos)
        return lull_fail(
            error, LULL_EUNSUPPORTED, 0, 0,
            "%s: tokenizer.ggml.add_bos_token is false, texts without BOS are not known", name);
    return LULL_OK;
}

static lull_status take_length(source *s, int32_t id, uint64_t *n, lull_error *error)
{
    lull_status status = lull_gguf_u64(&s->cursor, n, "tokenizer.ggml.tokens", error);
    if (status != LULL_OK || *n <= MOST_TOKEN_BYTES) return status;
    return lull_fail(error, LULL_ELIMIT, 0, s->cursor.offset,
                     "%s: token %ld has %" PRIu64 " bytes, the limit is %d", s->cursor.reading,
                     (long)id, *n, MOST_TOKEN_BYTES);
}

/* Bytes of all texts as they are in the file. */
static lull_status measure(source *s, uint64_t *bytes, lull_error *error)
{
    lull_status status = LULL_OK;
    int32_t id;
    *bytes = 0;
    s->cursor.offset = s->vocabulary->texts;
    for (id = 0; id < s->n && status == LULL_OK; id++) {
        uint64_t n = 0;
        status = take_length(s, id, &n, error);
        if (status == LULL_OK)
            status = lull_gguf_take(&s->cursor, NULL, n, "tokenizer.ggml.tokens", error);
        *bytes += n;
    }
    return status;
}

static lull_status make(lull_tokenizer **out, const source *s, uint64_t bytes,
                        const lull_allocator *allocator, lull_error *error)
{
    const size_t n = (size_t)s->n; /* at most 2^22: the vocabulary of a checked configuration */
    lull_tokenizer *t;
    size_t fits;
    if (bytes > UINT32_MAX || !lull_u64_to_size(bytes, &fits))
        return lull_fail(error, LULL_ELIMIT, 0, 0,
                         "%s: %" PRIu64 " bytes of token texts, more than this build can hold",
                         s->cursor.reading, bytes);
    t = lull_memory_get_zeroed(allocator, sizeof *t);
    if (t == NULL) return lull_memory_fail(error, "tokenizer", sizeof *t);
    t->allocator = *allocator;
    t->vocab_size = s->n;
    t->text = lull_memory_get(allocator, fits);
    t->start = lull_memory_get(allocator, (n + 1) * sizeof *t->start);
    t->score = lull_memory_get(allocator, n * sizeof *t->score);
    t->kind = lull_memory_get(allocator, n);
    if (t->text == NULL || t->start == NULL || t->score == NULL || t->kind == NULL) {
        lull_tokenizer_free(t);
        return lull_memory_fail(error, "tokenizer", bytes + n * (2 * sizeof(float) + 1));
    }
    *out = t;
    return LULL_OK;
}

static lull_status read_numbers(lull_tokenizer *t, source *s, lull_error *error)
{
    lull_status status = LULL_OK;
    int32_t id;
    s->cursor.offset = s->vocabulary->scores;
    for (id = 0; id < s->n && status == LULL_OK; id++) {
        uint32_t bits = 0;
        status = lull_gguf_u32(&s->cursor, &bits, "tokenizer.ggml.scores", error);
        t->score[id] = lull_bits_float(bits);
    }
    s->cursor.offset = s->vocabulary->token_types;
    for (id = 0; id < s->n && status == LULL_OK; id++) {
        uint32_t type = 0;
        status = lull_gguf_u32(&s->cursor, &type, "tokenizer.ggml.token_type", error);
        if (status == LULL_OK && (type < LULL_GGUF_NORMAL || type > LULL_GGUF_BYTE))
            return lull_fail(error, LULL_EFORMAT, 0, s->cursor.offset - 4,
                             "%s: token %ld has type %ld, expected 1..6", s->cursor.reading,
                             (long)id, (long)(int32_t)type);
        t->kind[id] = type == LULL_GGUF_BYTE                               ? LULL_TOKEN_BYTE
                      : type == LULL_GGUF_CONTROL                          ? LULL_TOKEN_CONTROL
                      : type == LULL_GGUF_NORMAL || type == LULL_GGUF_USER ? LULL_TOKEN_TEXT
                                                                           : LULL_TOKEN_OTHER;
    }
    return status;
}

/* U+2581 to spaces, in place; the new length. */
static size_t put_spaces(unsigned char *text, size_t n)
{
    size_t from, to = 0;
    for (from = 0; from < n; to++) {
        if (n - from >= 3 && memcmp(text + from, LULL_GGUF_SPACE, 3) == 0) {
            text[to] = ' ';
            from += 3;
        } else {
            text[to] = text[from++];
        }
    }
    return to;
}

static lull_status read_texts(lull_tokenizer *t, source *s, uint64_t room, lull_error *error)
{
    uint64_t used = 0, n = 0;
    int32_t id;
    s->cursor.offset = s->vocabulary->texts;
    for (id = 0; id < s->n; id++) {
        unsigned char *text = t->text + used;
        lull_status status = take_length(s, id, &n, error);
        if (status == LULL_OK && n > room - used)
            return lull_fail(error, LULL_EIO, 0, s->cursor.offset, "%s: changed while reading",
                             s->cursor.reading);
        if (status == LULL_OK)
            status = lull_gguf_take(&s->cursor, text, n, "tokenizer.ggml.tokens", error);
        if (status != LULL_OK) return status;
        if (t->kind[id] == LULL_TOKEN_TEXT) n = put_spaces(text, (size_t)n);
        if (t->kind[id] == LULL_TOKEN_BYTE && lull_tokenizer_byte(text, (size_t)n) < 0)
            return lull_fail(error, LULL_EFORMAT, 0, s->cursor.offset,
                             "%s: token %ld is a byte, but its text has not the form <0xHH>",
                             s->cursor.reading, (long)id);
        t->start[id] = (uint32_t)used;
        used += n;
    }
    t->start[s->n] = (uint32_t)used;
    return LULL_OK;
}

static lull_status read_template(lull_tokenizer *t, source *s, lull_error *error)
{
    static const char key[] = "tokenizer.chat_template";
    uint64_t n = 0;
    lull_status status;
    if (s->vocabulary->chat_template == 0) return LULL_OK;
    s->cursor.offset = s->vocabulary->chat_template;
    status = lull_gguf_u64(&s->cursor, &n, key, error);
    if (status != LULL_OK) return status;
    if (n > MOST_TEMPLATE_BYTES)
        return lull_fail(error, LULL_ELIMIT, 0, s->cursor.offset - 8,
                         "%s: %s has %" PRIu64 " bytes, the limit is %d", s->cursor.reading, key, n,
                         MOST_TEMPLATE_BYTES);
    t->chat_template = lull_memory_get(&t->allocator, (size_t)n + 1);
    if (t->chat_template == NULL) return lull_memory_fail(error, "chat template", n + 1);
    t->chat_template_bytes = (size_t)n;
    return lull_gguf_take(&s->cursor, t->chat_template, n, key, error);
}

lull_status lull_gguf_tokenizer_load(lull_tokenizer **out, lull_reader *r,
                                     const lull_vocabulary *vocabulary, int32_t vocab_size,
                                     const lull_allocator *allocator, lull_error *error)
{
    lull_tokenizer *t = NULL;
    lull_status status;
    uint64_t bytes = 0;
    source s;
    *out = NULL;
    lull_gguf_cursor_open(&s.cursor, r, lull_path_tail(r->name), 0);
    s.vocabulary = vocabulary;
    s.n = vocab_size;
    status = check_kind(&s, vocab_size, error);
    if (status == LULL_OK) status = measure(&s, &bytes, error);
    if (status == LULL_OK) status = make(&t, &s, bytes, allocator, error);
    if (t == NULL) return status;
    t->bos = vocabulary->bos;
    t->eos = vocabulary->eos;
    t->unknown = vocabulary->unknown;
    t->no_prefix = !vocabulary->add_space;
    status = read_numbers(t, &s, error);
    if (status == LULL_OK) status = read_texts(t, &s, bytes, error);
    if (status == LULL_OK) status = read_template(t, &s, error);
    if (status == LULL_OK) status = lull_tokenizer_index(t, error);
    if (status == LULL_OK)
        *out = t;
    else
        lull_tokenizer_free(t);
    return status;
}
