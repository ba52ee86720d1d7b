/* tokenizer.c - text to token ids and back, as llama2.c does it: the text is cut into UTF-8
 * characters, a character without a token becomes its byte tokens, and then the neighbours whose
 * union has the best score are joined, the leftmost of equals first, until none can be.
 *
 * Where llama2.c searches all neighbours for each union (quadratic), this holds a knock-out
 * tournament of the possible unions and replays only what a union changes.  The text is cut into
 * segments first: between two bytes that stand beside each other in no token nothing can ever be
 * joined, so in ordinary text every word is a segment. */
#include "tokenizer.h"
#include "fpenv.h"
#include "model.h"

#define NONE              UINT32_MAX
#define LAST_CONTROL      2               /* unknown, BOS and EOS are 0, 1, 2 */
#define LOWEST_SCORE      (-1e10f)        /* llama2.c joins only above this; NaN is not above */
#define LONGEST_CHARACTER 4               /* bytes that llama2.c takes for one character */
#define MOST_TEXT         (INT32_MAX - 2) /* bytes of one text: ids of it are counted in 31 bits */

/* ---- the vocabulary */

static int hex_digit(unsigned char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

int lull_tokenizer_byte(const unsigned char *s, size_t n)
{
    int high, low;
    if (n != 6 || s[0] != '<' || s[1] != '0' || s[2] != 'x' || s[5] != '>') return -1;
    high = hex_digit(s[3]);
    low = hex_digit(s[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* The byte that token id stands for, or -1. */
static int byte_of(const lull_tokenizer *t, int32_t id)
{
    if (t->kind ? t->kind[id] != LULL_TOKEN_BYTE : id <= LAST_CONTROL) return -1;
    return lull_tokenizer_byte(t->text + t->start[id], t->start[id + 1] - t->start[id]);
}

/* May text be matched by token id? */
static int is_matched(const lull_tokenizer *t, int32_t id)
{
    return t->kind ? t->kind[id] == LULL_TOKEN_TEXT : id > LAST_CONTROL;
}

lull_token_kind lull_tokenizer_kind(const lull_tokenizer *t, int32_t id)
{
    if (t->kind) return (lull_token_kind)t->kind[id];
    if (id <= LAST_CONTROL) return LULL_TOKEN_CONTROL;
    return byte_of(t, id) >= 0 ? LULL_TOKEN_BYTE : LULL_TOKEN_TEXT;
}

size_t lull_tokenizer_dropped(const lull_tokenizer *t, int32_t id)
{
    const uint32_t start = t->start[id];
    if (t->no_prefix || start == t->start[id + 1] || t->text[start] != ' ') return 0;
    return byte_of(t, id) < 0;
}

/* FNV-1a, 32 bits: texts are short. */
static uint32_t hash_text(const unsigned char *s, uint32_t n)
{
    uint32_t h = 2166136261u, i;
    for (i = 0; i < n; i++) h = (h ^ s[i]) * 16777619u;
    return h ^ h >> 15;
}

/* Where the text is in the table, or the empty place where it would go. */
static uint32_t find_place(const lull_tokenizer *t, const unsigned char *s, uint32_t n)
{
    uint32_t place = hash_text(s, n) & t->table_mask;
    for (;; place = (place + 1) & t->table_mask) {
        const int32_t id = t->table[place];
        if (id < 0) return place;
        if (t->start[id + 1] - t->start[id] == n && memcmp(t->text + t->start[id], s, n) == 0) {
            return place;
        }
    }
}

/* The token with that text, or -1. */
static int32_t find_text(const lull_tokenizer *t, const unsigned char *s, uint32_t n)
{
    if (n > (uint32_t)t->max_token_bytes) return -1;
    return t->table[find_place(t, s, n)];
}

static int joins(const lull_tokenizer *t, unsigned a, unsigned b)
{
    const unsigned bit = a << 8 | b;
    return (int)(t->joins[bit / 32] >> bit % 32 & 1);
}

/* Enter a text that may be matched; the lowest id keeps a text that occurs twice. */
static void enter_text(lull_tokenizer *t, int32_t id)
{
    const unsigned char *s = t->text + t->start[id];
    const uint32_t n = t->start[id + 1] - t->start[id];
    const uint32_t place = find_place(t, s, n);
    uint32_t i;
    if (t->table[place] < 0) t->table[place] = id;
    for (i = 1; i < n; i++) {
        const unsigned bit = (unsigned)s[i - 1] << 8 | s[i];
        t->joins[bit / 32] |= (uint32_t)1 << bit % 32;
    }
}

lull_status lull_tokenizer_index(lull_tokenizer *t, lull_error *error)
{
    const uint64_t n = (uint64_t)t->vocab_size;
    uint64_t places = 8, table_bytes;
    size_t fits;
    int32_t id, b;
    while (places < 2 * n) places *= 2;
    table_bytes = places * sizeof *t->table;
    if (!lull_u64_to_size(table_bytes, &fits) || places - 1 > UINT32_MAX) {
        return lull_fail(error, LULL_ELIMIT, 0, 0, "tokenizer: table needs %llu bytes",
                         (unsigned long long)table_bytes);
    }
    t->table = lull_memory_get(&t->allocator, fits);
    if (t->table == NULL) return lull_memory_fail(error, "tokenizer table", table_bytes);
    memset(t->table, 0xff, fits); /* -1 */
    t->table_mask = (uint32_t)(places - 1);

    if (t->kind == NULL) {
        t->unknown = n > 0 ? 0 : -1;
        t->bos = n > 1 ? 1 : -1;
        t->eos = n > 2 ? 2 : -1;
    }
    t->max_token_bytes = 0;
    t->n_byte_tokens = 0;
    for (b = 0; b < 256; b++) {
        t->byte_text[b] = (unsigned char)b;
        t->byte_token[b] = -1;
    }
    for (id = 0; id < t->vocab_size; id++) {
        const uint32_t bytes = t->start[id + 1] - t->start[id];
        b = byte_of(t, id);
        if (bytes > (uint32_t)t->max_token_bytes) t->max_token_bytes = (int32_t)bytes;
        if (b < 0) {
            if (is_matched(t, id) && bytes > 0) enter_text(t, id);
        } else if (t->byte_token[b] < 0) {
            t->byte_token[b] = id;
            t->n_byte_tokens++;
        }
    }
    t->prefix = t->no_prefix ? -1 : find_text(t, (const unsigned char *)" ", 1);
    t->bytes = sizeof *t + t->start[n] + (n + 1) * sizeof *t->start + n * sizeof *t->score +
               (t->kind ? n : 0) + table_bytes + t->chat_template_bytes;
    return LULL_OK;
}

void lull_tokenizer_free(lull_tokenizer *t)
{
    if (t == NULL) return;
    lull_memory_put(&t->allocator, t->text);
    lull_memory_put(&t->allocator, t->start);
    lull_memory_put(&t->allocator, t->score);
    lull_memory_put(&t->allocator, t->kind);
    lull_memory_put(&t->allocator, t->table);
    lull_memory_put(&t->allocator, t->chat_template);
    lull_memory_put(&t->allocator, t);
}

/* ---- joining: a list of symbols, and a tree of contests for the best union with the next one */

typedef struct symbol {
    uint32_t start;          /* in the segment; the symbol ends where the next begins */
    uint32_t previous, next; /* or NONE */
    int32_t id;              /* or ~id where it was not matched by text and is never joined */
    int32_t joined;          /* id of this and the next symbol as one, or -1 */
    float score;             /* of joined, or LOWEST_SCORE */
} symbol;

typedef struct segment {
    const lull_tokenizer *t;
    unsigned char *bytes; /* (n_bytes) */
    symbol *symbols;      /* (n_symbols), numbered from left to right */
    uint32_t *winner;     /* (2 * n_symbols): 1 is the root, n_symbols + i the leaf of symbol i */
    uint32_t n_bytes, n_symbols;
} segment;

/* Of symbols a and b, the one that is joined first. */
static uint32_t better(const segment *s, uint32_t a, uint32_t b)
{
    const float x = s->symbols[a].score, y = s->symbols[b].score;
    return x > y || (x == y && a < b) ? a : b;
}

static void play_all(segment *s)
{
    uint32_t i;
    for (i = 0; i < s->n_symbols; i++) s->winner[s->n_symbols + i] = i;
    for (i = s->n_symbols - 1; i >= 1; i--) {
        s->winner[i] = better(s, s->winner[2 * (size_t)i], s->winner[2 * (size_t)i + 1]);
    }
}

/* The score of symbol i has changed: play its contests again, as far up as that can matter. */
static void play_again(segment *s, uint32_t i)
{
    size_t k;
    for (k = ((size_t)s->n_symbols + i) / 2; k >= 1; k /= 2) {
        const uint32_t w = better(s, s->winner[2 * k], s->winner[2 * k + 1]);
        if (w == s->winner[k] && w != i) break;
        s->winner[k] = w;
    }
}

/* What symbol i and the next would be as one. */
static void consider(segment *s, uint32_t i)
{
    symbol *a = &s->symbols[i];
    const symbol *b;
    uint32_t end;
    int32_t id;
    a->joined = -1;
    a->score = LOWEST_SCORE;
    if (a->next == NONE || a->id < 0) return;
    b = &s->symbols[a->next];
    if (b->id < 0 || !joins(s->t, s->bytes[b->start - 1], s->bytes[b->start])) return;
    end = b->next == NONE ? s->n_bytes : s->symbols[b->next].start;
    id = find_text(s->t, s->bytes + a->start, end - a->start);
    if (id < 0 || !(s->t->score[id] > LOWEST_SCORE)) return;
    a->joined = id;
    a->score = s->t->score[id];
}

/* Symbol left takes in the next one. */
static void join(segment *s, uint32_t left)
{
    symbol *a = &s->symbols[left], *b = &s->symbols[a->next];
    const uint32_t right = a->next;
    a->id = a->joined;
    a->next = b->next;
    if (a->next != NONE) s->symbols[a->next].previous = left;
    b->joined = -1;
    b->score = LOWEST_SCORE;
    play_again(s, right);
    consider(s, left);
    play_again(s, left);
    if (a->previous == NONE) return;
    consider(s, a->previous);
    play_again(s, a->previous);
}

static void add_symbol(segment *s, uint32_t start, int32_t id)
{
    symbol *a = &s->symbols[s->n_symbols];
    a->start = start;
    a->previous = s->n_symbols - 1; /* NONE for the first */
    a->next = s->n_symbols + 1;
    a->id = id;
    s->n_symbols++;
}

/* Bytes n of the segment from start on as one character, or else byte by byte. */
static void add_character(segment *s, uint32_t start, uint32_t n)
{
    const int32_t id = find_text(s->t, s->bytes + start, n);
    uint32_t i;
    if (id >= 0) {
        add_symbol(s, start, id);
        return;
    }
    for (i = start; i < start + n; i++) {
        const int32_t byte = s->t->byte_token[s->bytes[i]];
        add_symbol(s, i, ~(byte >= 0 ? byte : s->t->unknown));
    }
}

static int continues(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

/* The ids of a segment to out; the first n_prefix bytes are no part of the text's characters.
 * Returns how many, at most n_bytes. */
static size_t encode_segment(segment *s, uint32_t n_prefix, int32_t *out)
{
    size_t n = 0;
    uint32_t i, length;
    s->n_symbols = 0;
    for (i = 0; i < n_prefix; i++) add_character(s, i, 1);
    for (; i < s->n_bytes; i += length) {
        length = 1;
        while (length < LONGEST_CHARACTER && i + length < s->n_bytes &&
               continues(s->bytes[i + length])) {
            length++;
        }
        add_character(s, i, length);
    }
    if (s->n_symbols == 0) return 0;
    s->symbols[s->n_symbols - 1].next = NONE;

    for (i = 0; i < s->n_symbols; i++) consider(s, i);
    play_all(s);
    while (s->symbols[s->winner[1]].joined >= 0) join(s, s->winner[1]);
    for (i = 0; i != NONE; i = s->symbols[i].next) {
        out[n++] = s->symbols[i].id < 0 ? ~s->symbols[i].id : s->symbols[i].id;
    }
    return n;
}

/* ---- encode */

/* Where the segment that starts at `from` ends: before a byte that starts a character and stands
 * after its predecessor in no token. */
static size_t segment_end(const lull_tokenizer *t, const unsigned char *text, size_t bytes,
                          size_t from)
{
    size_t i;
    for (i = from + 1; i < bytes; i++) {
        if (!continues(text[i]) && !joins(t, text[i - 1], text[i])) return i;
    }
    return bytes;
}

static size_t encode_segments(segment *s, const unsigned char *text, size_t bytes, int start,
                              int32_t *out)
{
    const lull_tokenizer *t = s->t;
    size_t from, to, n = 0;
    uint32_t n_prefix = 0;
    lull_fpenv env;
    if (start && t->bos >= 0) {
        out[n++] = t->bos;
        if (bytes > 0 && t->prefix >= 0) s->bytes[n_prefix++] = ' ';
    }
    lull_fpenv_enter(&env); /* for comparing scores: with denormals as zero they tie differently */
    for (from = 0; from < bytes; from = to, n_prefix = 0) {
        to = segment_end(t, text, bytes, from);
        memcpy(s->bytes + n_prefix, text + from, to - from);
        s->n_bytes = (uint32_t)(to - from) + n_prefix;
        n += encode_segment(s, n_prefix, out + n);
    }
    lull_fpenv_leave(&env);
    return n;
}

static size_t longest_segment(const lull_tokenizer *t, const unsigned char *text, size_t bytes)
{
    size_t from, to, longest = 0;
    for (from = 0; from < bytes; from = to) {
        to = segment_end(t, text, bytes, from);
        if (to - from > longest) longest = to - from;
    }
    return longest;
}

lull_status lull_encode(const lull_model *model, const char *text, size_t bytes, unsigned flags,
                        int32_t *ids, size_t capacity, size_t *n, lull_error *error)
{
    const lull_tokenizer *t = model->tokenizer;
    const unsigned char *in = (const unsigned char *)text;
    size_t most, places, fits;
    uint64_t symbols_bytes, work_bytes;
    int32_t *out;
    unsigned char *work;
    segment s;
    *n = 0;
    if (t == NULL) return lull_fail(error, LULL_ESTATE, 0, 0, "the model has no tokenizer");
    if (bytes > MOST_TEXT) {
        return lull_fail(error, LULL_ELIMIT, 0, 0, "text has %llu bytes, the limit is %ld",
                         (unsigned long long)bytes, (long)MOST_TEXT);
    }

    most = bytes + 2; /* ids: one a byte, BOS, the prefix */
    /* One block: symbols, contests, ids where the caller's room might not do, bytes. */
    places = longest_segment(t, in, bytes) + 1; /* the prefix */
    symbols_bytes = (uint64_t)places * (sizeof *s.symbols + 2 * sizeof *s.winner);
    work_bytes = symbols_bytes + places + (capacity < most ? (uint64_t)most * sizeof *out : 0);
    if (!lull_u64_to_size(work_bytes, &fits)) {
        return lull_fail(error, LULL_ELIMIT, 0, 0, "encoding %llu bytes of text needs %llu bytes",
                         (unsigned long long)bytes, (unsigned long long)work_bytes);
    }
    work = lull_memory_get(&model->allocator, fits);
    if (work == NULL) return lull_memory_fail(error, "encode", work_bytes);
    memset(&s, 0, sizeof s);
    s.t = t;
    s.symbols = (symbol *)work;
    s.winner = (uint32_t *)(s.symbols + places);
    out = capacity < most ? (int32_t *)(s.winner + 2 * places) : ids;
    s.bytes = work + fits - places;

    *n = encode_segments(&s, in, bytes, (flags & LULL_ENCODE_START) != 0, out);
    if (*n <= capacity && out != ids && *n > 0) memcpy(ids, out, *n * sizeof *ids);
    lull_memory_put(&model->allocator, work);
    if (*n <= capacity) return LULL_OK;
    return lull_fail(error, LULL_ELIMIT, 0, 0, "the text has %llu tokens, there is room for %llu",
                     (unsigned long long)*n, (unsigned long long)capacity);
}

/* ---- decode */

const char *lull_piece(const lull_model *model, int32_t id, size_t *bytes)
{
    const lull_tokenizer *t = model->tokenizer;
    const unsigned char *piece;
    int byte;
    *bytes = 0;
    if (t == NULL || id < 0 || id >= t->vocab_size) return NULL;
    piece = t->text + t->start[id];
    if (id == t->bos || id == t->eos) return (const char *)piece;
    if (t->kind && t->kind[id] == LULL_TOKEN_CONTROL) return (const char *)piece;
    byte = byte_of(t, id);
    *bytes = byte >= 0 ? 1 : t->start[id + 1] - t->start[id];
    return (const char *)(byte >= 0 ? t->byte_text + byte : piece);
}

const char *lull_token_text(const lull_model *model, int32_t id, size_t *bytes)
{
    const lull_tokenizer *t = model->tokenizer;
    *bytes = 0;
    if (t == NULL || id < 0 || id >= t->vocab_size) return NULL;
    *bytes = t->start[id + 1] - t->start[id];
    return (const char *)(t->text + t->start[id]);
}

int32_t lull_token_find(const lull_model *model, const char *text, size_t bytes)
{
    const lull_tokenizer *t = model->tokenizer;
    int32_t id;
    for (id = 0; t != NULL && id < t->vocab_size; id++) {
        if (t->start[id + 1] - t->start[id] == bytes &&
            memcmp(t->text + t->start[id], text, bytes) == 0)
            return id;
    }
    return -1;
}

const char *lull_chat_template(const lull_model *model, size_t *bytes)
{
    const lull_tokenizer *t = model->tokenizer;
    *bytes = t != NULL ? t->chat_template_bytes : 0;
    return t != NULL ? t->chat_template : NULL;
}

/* The piece of ids[i] in its place: a token's leading space after BOS is the dummy prefix. */
static const char *piece_at(const lull_model *model, const int32_t *ids, size_t i, size_t *bytes)
{
    const lull_tokenizer *t = model->tokenizer;
    const char *piece = lull_piece(model, ids[i], bytes);
    size_t dropped;
    if (i == 0 || ids[i - 1] != t->bos || *bytes == 0) return piece;
    dropped = lull_tokenizer_dropped(t, ids[i]);
    *bytes -= dropped;
    return piece + dropped;
}

lull_status lull_decode(const lull_model *model, const int32_t *ids, size_t n, char *text,
                        size_t capacity, size_t *bytes, lull_error *error)
{
    const lull_tokenizer *t = model->tokenizer;
    size_t i, length, total = 0;
    *bytes = 0;
    if (t == NULL) return lull_fail(error, LULL_ESTATE, 0, 0, "the model has no tokenizer");
    for (i = 0; i < n; i++) {
        if (ids[i] < 0 || ids[i] >= t->vocab_size) {
            return lull_fail(error, LULL_EINVAL, 0, 0, "token %ld at index %llu, expected 0..%ld",
                             (long)ids[i], (unsigned long long)i, (long)t->vocab_size - 1);
        }
        piece_at(model, ids, i, &length);
        if (length > SIZE_MAX / 2 - total) {
            return lull_fail(error, LULL_ELIMIT, 0, 0, "the text of %llu tokens is too long",
                             (unsigned long long)n);
        }
        total += length;
    }
    *bytes = total;
    if (total > capacity) {
        return lull_fail(error, LULL_ELIMIT, 0, 0,
                         "the text has %llu bytes, there is room for %llu",
                         (unsigned long long)total, (unsigned long long)capacity);
    }
    for (i = 0, total = 0; i < n; i++, total += length) {
        const char *piece = piece_at(model, ids, i, &length);
        if (length > 0) memcpy(text + total, piece, length);
    }
    return LULL_OK;
}

/* Can a character of UTF-8 begin with these n bytes (1..3) and be longer?  RFC 3629, section 4. */
static int begins_character(const unsigned char *s, size_t n)
{
    const unsigned char lead = s[0];
    unsigned char low = 0x80, high = 0xbf;
    size_t length;
    if (lead >= 0xc2 && lead <= 0xdf)
        length = 2;
    else if ((lead & 0xf0) == 0xe0)
        length = 3;
    else if (lead >= 0xf0 && lead <= 0xf4)
        length = 4;
    else
        return 0;
    if (n >= length) return 0;
    if (lead == 0xe0) low = 0xa0;
    if (lead == 0xed) high = 0x9f;
    if (lead == 0xf0) low = 0x90;
    if (lead == 0xf4) high = 0x8f;
    return (n < 2 || (s[1] >= low && s[1] <= high)) && (n < 3 || continues(s[2]));
}

size_t lull_utf8_complete(const char *text, size_t bytes)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t back;
    for (back = 1; back <= 3 && back <= bytes; back++) {
        if (begins_character(s + bytes - back, back)) return bytes - back;
        if (!continues(s[bytes - back])) break;
    }
    return bytes;
}
