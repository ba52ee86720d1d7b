/* trie.c - building the tree of a vocabulary: its texts are sorted, and each adds the nodes that its
 * predecessor did not have. */
#include "trie.h"
#include "model.h"
#include "utf8.h"

#define DEEPEST ((uint32_t)1 << 24) /* bytes of a token: place holds the depth in 24 bits */

/* ---- the order of texts */

static uint32_t text_bytes(const lull_trie *t, int32_t id)
{
    return t->start[id + 1] - t->start[id];
}

/* Bytes that the texts of two tokens begin with alike. */
static uint32_t common_bytes(const lull_trie *t, int32_t a, int32_t b)
{
    const uint32_t na = text_bytes(t, a), nb = text_bytes(t, b), n = na < nb ? na : nb;
    const unsigned char *x = t->text + t->start[a], *y = t->text + t->start[b];
    uint32_t i = 0;
    while (i < n && x[i] == y[i]) i++;
    return i;
}

/* Bytes ascending, a text before what it begins, of equal texts the lower id. */
static int before(const lull_trie *t, int32_t a, int32_t b)
{
    const uint32_t na = text_bytes(t, a), nb = text_bytes(t, b);
    const int order = memcmp(t->text + t->start[a], t->text + t->start[b], na < nb ? na : nb);
    if (order != 0) return order < 0;
    return na < nb || (na == nb && a < b);
}

/* Merge the sorted runs [from, middle) and [middle, to) of ids into out. */
static void merge(const lull_trie *t, const int32_t *ids, size_t from, size_t middle, size_t to,
                  int32_t *out)
{
    size_t i = from, j = middle, k;
    for (k = from; k < to; k++) {
        const int left = i < middle && (j == to || before(t, ids[i], ids[j]));
        out[k] = left ? ids[i++] : ids[j++];
    }
}

/* Sort tokens, through work of as many. */
static void sort_tokens(lull_trie *t, int32_t *work)
{
    const size_t n = t->n_tokens;
    int32_t *from = t->tokens, *to = work, *other;
    size_t width, i;
    for (width = 1; width < n; width *= 2) {
        for (i = 0; i < n; i += 2 * width) {
            const size_t middle = n - i < width ? n : i + width;
            const size_t end = n - i < 2 * width ? n : i + 2 * width;
            merge(t, from, i, middle, end, to);
        }
        other = from;
        from = to;
        to = other;
    }
    if (from != t->tokens) memcpy(t->tokens, from, n * sizeof *from);
}

/* ---- building */

/* Does token id stand for text that a grammar may want? */
static int has_text(const lull_tokenizer *tokenizer, int32_t id)
{
    const lull_token_kind kind = lull_tokenizer_kind(tokenizer, id);
    if (id == tokenizer->bos || id == tokenizer->eos || id == tokenizer->unknown) return 0;
    return kind == LULL_TOKEN_TEXT || kind == LULL_TOKEN_BYTE;
}

/* Memory for n items of bytes each; counted. */
static void *take(lull_trie *t, uint64_t n, size_t bytes)
{
    size_t fits;
    void *block;
    if (!lull_u64_to_size(n * bytes, &fits)) return NULL;
    block = lull_memory_get(&t->allocator, fits);
    if (block != NULL) t->bytes += fits;
    return block;
}

static lull_status copy_texts(lull_trie *t, const lull_model *model, lull_error *error)
{
    const lull_tokenizer *tokenizer = model->tokenizer;
    const uint64_t n = (uint64_t)t->vocab_size;
    uint32_t at = 0;
    int32_t id;
    t->start = take(t, n + 1, sizeof *t->start);
    t->drops = take(t, n, 1);
    t->text = take(t, tokenizer->start[n], 1);
    t->tokens = take(t, n, sizeof *t->tokens);
    if (!t->start || !t->drops || !t->text || !t->tokens)
        return lull_memory_fail(error, "vocabulary", 9 * n + tokenizer->start[n]);
    for (id = 0; id < t->vocab_size; id++) {
        size_t bytes = 0;
        const char *piece = lull_piece(model, id, &bytes);
        t->start[id] = at;
        t->drops[id] = 0;
        if (bytes == 0 || !has_text(tokenizer, id)) continue;
        memcpy(t->text + at, piece, bytes);
        at += (uint32_t)bytes;
        t->drops[id] = (unsigned char)lull_tokenizer_dropped(tokenizer, id);
        t->tokens[t->n_tokens++] = id;
        if (bytes > t->depth) t->depth = (uint32_t)bytes;
    }
    t->start[n] = at;
    if (t->depth < DEEPEST) return LULL_OK;
    return lull_fail(error, LULL_ELIMIT, 0, 0,
                     "vocabulary: a token has %lu bytes, the limit is %lu", (unsigned long)t->depth,
                     (unsigned long)DEEPEST - 1);
}

static uint64_t count_nodes(const lull_trie *t)
{
    uint64_t n = 1;
    uint32_t i;
    for (i = 0; i < t->n_tokens; i++) {
        n += text_bytes(t, t->tokens[i]);
        if (i > 0) n -= common_bytes(t, t->tokens[i - 1], t->tokens[i]);
    }
    return n;
}

/* path (depth + 1) has the open nodes from the root down. */
static void build_nodes(lull_trie *t, uint32_t *path)
{
    uint32_t i, d, open = 0; /* depth of the last node */
    path[0] = 0;
    t->nodes[0].first = 0;
    t->nodes[0].place = 0;
    t->n_nodes = 1;
    for (i = 0; i < t->n_tokens; i++) {
        const int32_t id = t->tokens[i];
        const unsigned char *text = t->text + t->start[id];
        const uint32_t kept = i > 0 ? common_bytes(t, t->tokens[i - 1], id) : 0;
        for (d = open; d > kept; d--) t->nodes[path[d]].skip = t->n_nodes;
        open = text_bytes(t, id);
        for (d = kept; d < open; d++) {
            lull_trie_node *node = &t->nodes[t->n_nodes];
            path[d + 1] = t->n_nodes++;
            node->first = i;
            node->place = (d + 1) << 8 | text[d];
        }
    }
    for (d = open + 1; d > 0; d--) t->nodes[path[d - 1]].skip = t->n_nodes;
    t->nodes[t->n_nodes].skip = t->n_nodes;
    t->nodes[t->n_nodes].first = t->n_tokens;
    t->nodes[t->n_nodes].place = 0;
}

/* ---- plain text */

/* The open node at a depth. */
typedef struct open_node {
    uint32_t node;
    unsigned char inside; /* utf8.h's state after the text down to here */
    unsigned char count;  /* characters begun down to here */
    unsigned char below;  /* characters of what is below so far, or LULL_NOT_PLAIN */
} open_node;

/* All that is below the node is known: tell its parent.  A token that ends inside a character is not
 * plain. */
static void close_node(lull_trie *t, const open_node *n, open_node *parent)
{
    lull_trie_node *node = &t->nodes[n->node];
    const int ends = node->first < node[1].first, between = n->inside == LULL_PLAIN_BETWEEN;
    unsigned char below = n->below;
    node->below = between ? below : LULL_NOT_PLAIN;
    if (n->inside == LULL_PLAIN_NO || (ends && !between))
        below = LULL_NOT_PLAIN;
    else if (below != LULL_NOT_PLAIN && parent->inside == LULL_PLAIN_BETWEEN)
        below++;
    if (below > parent->below) parent->below = below;
}

static void open_child(lull_trie *t, uint32_t at, open_node *node)
{
    const open_node *parent = node - 1;
    const unsigned char byte = (unsigned char)t->nodes[at].place;
    node->node = at;
    node->below = 0;
    node->inside = (unsigned char)lull_plain_after(parent->inside, byte);
    node->count = parent->count;
    if (parent->inside == LULL_PLAIN_BETWEEN && node->inside != LULL_PLAIN_NO) {
        if (node->count == LULL_MOST_PLAIN)
            node->inside = LULL_PLAIN_NO;
        else
            node->count++;
    }
    t->nodes[at].plain = node->inside == LULL_PLAIN_BETWEEN;
}

/* The tokens of a node of so many plain characters are in the masks for as many and more. */
static void mark_plain(lull_trie *t, uint32_t at, unsigned count)
{
    const size_t words = ((size_t)t->vocab_size + 31) / 32;
    uint32_t i;
    if (!t->nodes[at].plain) return;
    for (i = t->nodes[at].first; i < t->nodes[at + 1].first; i++) {
        const int32_t id = t->tokens[i];
        unsigned n;
        for (n = count; n <= LULL_MOST_PLAIN; n++)
            t->plain[n * words + (size_t)id / 32] |= (uint32_t)1 << id % 32;
    }
}

/* path (depth + 1). */
static void find_plain(lull_trie *t, open_node *path)
{
    uint32_t at, open = 0;
    memset(&path[0], 0, sizeof path[0]);
    for (at = 1; at <= t->n_nodes; at++) {
        const uint32_t depth = t->nodes[at].place >> 8;
        for (; open > 0 && open >= depth; open--) close_node(t, &path[open], &path[open - 1]);
        if (at == t->n_nodes) break;
        open_child(t, at, &path[depth]);
        mark_plain(t, at, path[depth].count);
        open = depth;
    }
    t->nodes[0].plain = 1;
    t->nodes[0].below = path[0].below;
}

/* ---- the whole */

/* The nodes and masks, through work for sorting and for the way down. */
static int build_from(lull_trie *t, void *work)
{
    const size_t words = ((size_t)t->vocab_size + 31) / 32 * (LULL_MOST_PLAIN + 1);
    uint64_t n_nodes;
    sort_tokens(t, work);
    n_nodes = count_nodes(t); /* at most the bytes of all texts, and one: 32 bits do */
    if (n_nodes >= UINT32_MAX) return 0;
    t->nodes = take(t, n_nodes + 1, sizeof *t->nodes);
    t->plain = take(t, words, sizeof *t->plain);
    if (t->nodes == NULL || t->plain == NULL) return 0;
    memset(t->plain, 0, words * sizeof *t->plain);
    build_nodes(t, work);
    find_plain(t, work);
    return 1;
}

static lull_status build(lull_trie *t, const lull_model *model, lull_error *error)
{
    lull_status status = copy_texts(t, model, error);
    size_t bytes;
    void *work;
    if (status != LULL_OK) return status;
    bytes = (size_t)t->n_tokens * sizeof(int32_t) + ((size_t)t->depth + 1) * sizeof(open_node);
    work = lull_memory_get(&t->allocator, bytes);
    if (work == NULL || !build_from(t, work))
        status = lull_memory_fail(error, "vocabulary", t->bytes + bytes);
    lull_memory_put(&t->allocator, work);
    return status;
}

lull_status lull_trie_open(lull_trie **out, const lull_model *model, lull_error *error)
{
    const lull_tokenizer *tokenizer = model->tokenizer;
    lull_trie *t;
    lull_status status;
    lull_error_clear(error);
    *out = NULL;
    if (tokenizer == NULL) return lull_fail(error, LULL_ESTATE, 0, 0, "the model has no tokenizer");
    t = lull_memory_get_zeroed(&model->allocator, sizeof *t);
    if (t == NULL) return lull_memory_fail(error, "vocabulary", sizeof *t);
    t->references = 1;
    t->allocator = model->allocator;
    t->vocab_size = tokenizer->vocab_size;
    t->eos = tokenizer->eos;
    t->n_byte_tokens = tokenizer->n_byte_tokens;
    t->drops_spaces = !tokenizer->no_prefix;
    t->bytes = sizeof *t;
    status = build(t, model, error);
    if (status == LULL_OK)
        *out = t;
    else
        lull_trie_release(t);
    return status;
}

lull_trie *lull_trie_retain(lull_trie *t)
{
    lull_atomic_add(&t->references, 1);
    return t;
}

void lull_trie_release(lull_trie *t)
{
    lull_allocator allocator;
    if (t == NULL || lull_atomic_add(&t->references, -1) > 0) return;
    allocator = t->allocator;
    lull_memory_put(&allocator, t->nodes);
    lull_memory_put(&allocator, t->tokens);
    lull_memory_put(&allocator, t->start);
    lull_memory_put(&allocator, t->text);
    lull_memory_put(&allocator, t->drops);
    lull_memory_put(&allocator, t->plain);
    lull_memory_put(&allocator, t);
}

uint64_t lull_trie_bytes(const lull_trie *t)
{
    return t->bytes;
}
