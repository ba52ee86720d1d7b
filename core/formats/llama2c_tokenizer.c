/* llama2c_tokenizer.c - tokenizer.bin as llama2.c's tokenizer.py writes it.
 *
 *   1. int32    max_token_length: the longest token, as the writer saw it (not used)
 *   2. then for each token, in the order of ids, until the file ends:
 *      float32  score
 *      int32    n, bytes of text
 *      n bytes  text; "\n<s>\n" and the like for control tokens, "<0x41>" for bytes
 *
 * Neither the number of tokens nor the byte order is in the file.  It is walked once as
 * little-endian and once as big-endian; the reading whose tokens end where the file ends is right.
 * Where both do (all texts empty, say) it is little-endian, as published. */
#include "../memory.h"
#include "../tokenizer.h"

#define MOST_TOKEN_BYTES (1 << 20)

/* Reads the file front to back in blocks; texts that only have to be passed are not read. */
typedef struct walker {
    lull_reader *reader;
    int big_endian;
    uint64_t offset;     /* of the next byte */
    uint64_t block_from; /* where in the file block begins */
    size_t block_bytes;  /* valid ones */
    unsigned char block[4096];
} walker;

/* What walking found. */
typedef struct shape {
    uint64_t n_tokens, text_bytes;
} shape;

static const char *name_of(const walker *w)
{
    return lull_path_tail(w->reader->name);
}

/* The next n bytes, which the caller knows to be there, into out (NULL = pass over them). */
static lull_status take(walker *w, void *out, size_t n, lull_error *error)
{
    unsigned char *to = out;
    if (to == NULL) {
        w->offset += n;
        return LULL_OK;
    }
    while (n > 0) {
        size_t inside, count;
        if (w->offset < w->block_from || w->offset >= w->block_from + w->block_bytes) {
            const uint64_t left = w->reader->size - w->offset;
            lull_status status = lull_reader_seek(w->reader, w->offset, "tokenizer", error);
            if (status != LULL_OK) return status;
            w->block_from = w->offset;
            w->block_bytes = 0;
            count = left < sizeof w->block ? (size_t)left : sizeof w->block;
            status = lull_reader_bytes(w->reader, w->block, count, "tokenizer", error);
            if (status != LULL_OK) return status;
            w->block_bytes = count;
        }
        inside = (size_t)(w->offset - w->block_from);
        count = w->block_bytes - inside < n ? w->block_bytes - inside : n;
        memcpy(to, w->block + inside, count);
        to += count;
        w->offset += count;
        n -= count;
    }
    return LULL_OK;
}

static uint32_t number(const walker *w, const unsigned char *b)
{
    if (w->big_endian) {
        return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    }
    return (uint32_t)b[3] << 24 | (uint32_t)b[2] << 16 | (uint32_t)b[1] << 8 | b[0];
}

/* Score and length of entry i, checked against what is left of the file. */
static lull_status take_entry(walker *w, uint64_t i, float *score, size_t *length,
                              lull_error *error)
{
    const uint64_t offset = w->offset, left = w->reader->size - offset;
    unsigned char head[8];
    int32_t n;
    lull_status status;
    if (left < sizeof head) {
        return lull_fail(
            error, LULL_EFORMAT, 0, offset,
            "%s: token %llu: score and length need 8 bytes at offset %llu, file ends at "
            "%llu",
            name_of(w), (unsigned long long)i, (unsigned long long)offset,
            (unsigned long long)w->reader->size);
    }
    status = take(w, head, sizeof head, error);
    if (status != LULL_OK) return status;
    *score = lull_bits_float(number(w, head));
    n = (int32_t)number(w, head + 4);
    if (n < 0) {
        return lull_fail(error, LULL_EFORMAT, 0, offset + 4,
                         "%s: token %llu: length is %ld, expected 0..%d", name_of(w),
                         (unsigned long long)i, (long)n, MOST_TOKEN_BYTES);
    }
    if ((uint64_t)n > left - sizeof head) {
        return lull_fail(error, LULL_EFORMAT, 0, offset + 8,
                         "%s: token %llu: text needs %ld bytes at offset %llu, file ends at %llu",
                         name_of(w), (unsigned long long)i, (long)n,
                         (unsigned long long)(offset + 8), (unsigned long long)w->reader->size);
    }
    if (n > MOST_TOKEN_BYTES) {
        return lull_fail(error, LULL_ELIMIT, 0, offset + 4,
                         "%s: token %llu: length is %ld, the limit is %d", name_of(w),
                         (unsigned long long)i, (long)n, MOST_TOKEN_BYTES);
    }
    *length = (size_t)n;
    return LULL_OK;
}

/* To the first entry. */
static lull_status rewind_walker(walker *w, lull_error *error)
{
    if (w->reader->size < 4) {
        return lull_fail(error, LULL_EFORMAT, 0, 0,
                         "%s: max_token_length needs 4 bytes, file has %llu", name_of(w),
                         (unsigned long long)w->reader->size);
    }
    w->offset = 4;
    return LULL_OK;
}

/* Walk all entries without keeping them; *s tells how far that went, also on failure. */
static lull_status measure(walker *w, shape *s, lull_error *error)
{
    lull_status status;
    memset(s, 0, sizeof *s);
    status = rewind_walker(w, error);
    while (status == LULL_OK && w->offset < w->reader->size) {
        float score;
        size_t length = 0;
        status = take_entry(w, s->n_tokens, &score, &length, error);
        if (status == LULL_OK) status = take(w, NULL, length, error);
        if (status == LULL_OK) {
            s->n_tokens++;
            s->text_bytes += length;
        }
    }
    return status;
}

/* Walk again, keeping everything; the file must still be what was measured. */
static lull_status fill(lull_tokenizer *t, walker *w, const shape *s, lull_error *error)
{
    uint64_t used = 0;
    int32_t i;
    lull_status status = rewind_walker(w, error);
    for (i = 0; status == LULL_OK && i < t->vocab_size; i++) {
        size_t length = 0;
        status = take_entry(w, (uint64_t)i, &t->score[i], &length, error);
        if (status != LULL_OK) break;
        if (length > s->text_bytes - used) {
            return lull_fail(error, LULL_EIO, 0, w->offset, "%s: changed while reading",
                             name_of(w));
        }
        t->start[i] = (uint32_t)used;
        status = take(w, t->text + used, length, error);
        used += length;
    }
    t->start[t->vocab_size] = (uint32_t)used;
    if (status == LULL_OK) status = lull_reader_check_unchanged(w->reader, error);
    return status;
}

/* Memory for what was measured.  Sizes: n_tokens is a positive int32. */
static lull_status make(lull_tokenizer **out, const walker *w, const shape *s,
                        const lull_allocator *allocator, lull_error *error)
{
    const uint64_t n = s->n_tokens, needed = s->text_bytes + n * (sizeof(float) + sizeof(uint32_t));
    lull_tokenizer *t;
    size_t fits;
    if (s->text_bytes > UINT32_MAX || !lull_u64_to_size(needed, &fits)) {
        return lull_fail(error, LULL_ELIMIT, 0, 0,
                         "%s: %llu bytes of text in %llu tokens, more than this build can hold",
                         name_of(w), (unsigned long long)s->text_bytes, (unsigned long long)n);
    }
    t = lull_memory_get_zeroed(allocator, sizeof *t);
    if (t == NULL) return lull_memory_fail(error, "tokenizer", sizeof *t);
    t->allocator = *allocator;
    t->vocab_size = (int32_t)n;
    t->text = lull_memory_get(allocator, (size_t)s->text_bytes);
    t->start = lull_memory_get(allocator, ((size_t)n + 1) * sizeof *t->start);
    t->score = lull_memory_get(allocator, (size_t)n * sizeof *t->score);
    if (t->text == NULL || t->start == NULL || t->score == NULL) {
        lull_tokenizer_free(t);
        return lull_memory_fail(error, "tokenizer", needed);
    }
    *out = t;
    return LULL_OK;
}

/* Neither byte order reads to the end: the account of the one that went further, unless the file is
 * plainly something else. */
static lull_status refuse(walker *w, const lull_error *account, lull_error *error)
{
    const size_t n = w->reader->size < 64 ? (size_t)w->reader->size : 64;
    unsigned char head[64];
    const char *what = NULL;
    w->offset = 0;
    if (account->code == LULL_EFORMAT && take(w, head, n, NULL) == LULL_OK) {
        what = lull_reader_looks_like(head, n);
    }
    if (what != NULL) {
        return lull_fail(error, LULL_EFORMAT, 0, 0, "%s: is %s, expected a llama2.c tokenizer",
                         name_of(w), what);
    }
    if (error != NULL) *error = *account;
    return account->code;
}

/* Find the byte order and what there is. */
static lull_status recognise(walker *w, shape *s, lull_error *error)
{
    lull_error account, other;
    shape big;
    lull_status status = measure(w, s, &account);
    if (status == LULL_OK) return status;
    if (status == LULL_EIO) return refuse(w, &account, error);
    w->big_endian = 1;
    status = measure(w, &big, &other);
    if (status == LULL_OK || big.n_tokens > s->n_tokens) {
        *s = big;
        account = other;
    }
    return status == LULL_OK ? status : refuse(w, &account, error);
}

lull_status lull_tokenizer_load(lull_tokenizer **out, lull_reader *r, int32_t vocab_size,
                                const lull_allocator *allocator, lull_error *error)
{
    lull_tokenizer *t = NULL;
    lull_status status;
    shape s;
    walker w;
    *out = NULL;
    memset(&w, 0, sizeof w);
    w.reader = r;
    status = recognise(&w, &s, error);
    if (status != LULL_OK) return status;
    if (vocab_size < 1 || s.n_tokens != (uint64_t)vocab_size) {
        return lull_fail(error, LULL_EFORMAT, 0, r->size,
                         "%s: tokenizer has %llu tokens, model wants %ld", name_of(&w),
                         (unsigned long long)s.n_tokens, (long)vocab_size);
    }

    status = make(&t, &w, &s, allocator, error);
    if (t == NULL) return status;
    if (status == LULL_OK) status = fill(t, &w, &s, error);
    if (status == LULL_OK) status = lull_tokenizer_index(t, error);
    if (status == LULL_OK)
        *out = t;
    else
        lull_tokenizer_free(t);
    return status;
}
