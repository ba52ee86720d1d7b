/* matcher.c - one text as a grammar sees it: which tokens may follow, and taking one. */
#include "grammar.h"

#include <math.h>

/* ---- life */

/* Let m stand in its grammar's list, so that a flush knows where it is. */
static void enter(lull_matcher *m, lull_grammar *g)
{
    m->grammar = g;
    m->next = g->matchers;
    m->link = &g->matchers;
    if (m->next != NULL) m->next->link = &m->next;
    g->matchers = m;
}

static void leave(lull_matcher *m)
{
    *m->link = m->next;
    if (m->next != NULL) m->next->link = m->link;
}

/* A copy of m to try things with, on the caller's stack; to leave() again. */
static void enter_copy(lull_matcher *copy, const lull_matcher *m)
{
    *copy = *m;
    enter(copy, m->grammar);
}

static lull_status find_start(lull_grammar *g, int at_start, int32_t *state, lull_error *error)
{
    int tries = 0;
    while ((*state = lull_states_start(g, at_start)) == LULL_STUCK) {
        const lull_status status = lull_states_recover(g, &tries, error);
        if (status != LULL_OK) return status;
    }
    return LULL_OK;
}

static lull_status new_matcher(lull_matcher **out, lull_grammar *g, lull_error *error)
{
    *out = lull_memory_get_zeroed(&g->allocator, sizeof **out);
    return *out != NULL ? LULL_OK : lull_memory_fail(error, "matcher", sizeof **out);
}

lull_status lull_matcher_open(lull_matcher **out, lull_grammar *g, int at_start, lull_error *error)
{
    lull_matcher *m;
    lull_status status;
    int32_t state;
    lull_error_clear(error);
    *out = NULL;
    at_start = at_start && g->trie != NULL && g->trie->drops_spaces;
    status = find_start(g, at_start, &state, error);
    if (status == LULL_OK) status = new_matcher(&m, g, error);
    if (status != LULL_OK) return status;
    m->at_start = at_start;
    m->state = state;
    enter(m, lull_grammar_retain(g));
    *out = m;
    return LULL_OK;
}

lull_status lull_matcher_clone(lull_matcher **out, const lull_matcher *m, lull_error *error)
{
    lull_matcher *copy;
    lull_status status;
    lull_error_clear(error);
    *out = NULL;
    status = new_matcher(&copy, m->grammar, error);
    if (status != LULL_OK) return status;
    enter_copy(copy, m);
    lull_grammar_retain(m->grammar);
    *out = copy;
    return LULL_OK;
}

lull_status lull_matcher_reset(lull_matcher *m, lull_error *error)
{
    int32_t state;
    lull_status status;
    lull_error_clear(error);
    status = find_start(m->grammar, m->at_start, &state, error);
    if (status != LULL_OK) return status;
    m->state = state;
    m->length = 0;
    return LULL_OK;
}

void lull_matcher_close(lull_matcher *m)
{
    lull_grammar *g;
    if (m == NULL) return;
    g = m->grammar;
    leave(m);
    lull_memory_put(&g->allocator, m);
    lull_grammar_release(g);
}

/* ---- going on */

/* Go on by as many of n bytes as are allowed; *done gets how many. */
static lull_status walk(lull_matcher *m, const unsigned char *text, size_t n, size_t *done,
                        lull_error *error)
{
    lull_grammar *g = m->grammar;
    *done = 0;
    for (; *done < n; ++*done) {
        const int32_t class_ = g->code.class_of[text[*done]];
        int32_t next;
        int tries = 0;
        while ((next = lull_states_next(g, m->state, class_)) == LULL_STUCK) {
            const lull_status status = lull_states_recover(g, &tries, error);
            if (status != LULL_OK) return status;
        }
        if (next < 0) break;
        m->state = next;
    }
    m->length += *done;
    return LULL_OK;
}

static lull_status set_flags(lull_matcher *m, int32_t flags, lull_error *error)
{
    lull_grammar *g = m->grammar;
    int32_t state;
    int tries = 0;
    while ((state = lull_states_flagged(g, m->state, flags)) == LULL_STUCK) {
        const lull_status status = lull_states_recover(g, &tries, error);
        if (status != LULL_OK) return status;
    }
    m->state = state;
    return LULL_OK;
}

static int32_t flags_of(const lull_matcher *m)
{
    return m->grammar->found.states[m->state].flags;
}

static lull_status check_token(const lull_matcher *m, int32_t token, lull_error *error)
{
    const lull_trie *t = m->grammar->trie;
    if (t == NULL)
        return lull_fail(error, LULL_ESTATE, 0, 0, "the grammar was opened without a vocabulary");
    if (token >= 0 && token < t->vocab_size) return LULL_OK;
    return lull_fail(error, LULL_EINVAL, 0, 0, "token %ld, expected 0..%ld", (long)token,
                     (long)t->vocab_size - 1);
}

/* Take a token if it is allowed; where it is not, m stands anywhere afterwards. */
static lull_status take_token(lull_matcher *m, int32_t token, int *allowed, lull_error *error)
{
    const lull_trie *t = m->grammar->trie;
    const int32_t flags = flags_of(m);
    const unsigned char *text = t->text + t->start[token];
    size_t n = t->start[token + 1] - t->start[token], done;
    lull_status status;
    *allowed = 0;
    if (token == t->eos) {
        *allowed = lull_states_final(m->grammar, m->state);
        return *allowed ? set_flags(m, LULL_STATE_ENDED, error) : LULL_OK;
    }
    if (n == 0) return LULL_OK;
    if ((flags & LULL_STATE_START) && t->drops[token]) {
        text++;
        n--;
    }
    *allowed = 1;
    if (n == 0) return set_flags(m, 0, error);
    status = walk(m, text, n, &done, error);
    *allowed = done == n;
    return status;
}

lull_status lull_matcher_allows(lull_matcher *m, int32_t token, int *allowed, lull_error *error)
{
    const uint32_t *mask;
    lull_matcher copy;
    lull_status status;
    lull_error_clear(error);
    *allowed = 0;
    status = check_token(m, token, error);
    if (status != LULL_OK) return status;
    mask = m->grammar->found.states[m->state].mask;
    if (mask != NULL) {
        *allowed = (int)(mask[token / 32] >> token % 32 & 1);
        return LULL_OK;
    }
    enter_copy(&copy, m);
    status = take_token(&copy, token, allowed, error);
    leave(&copy);
    if (status != LULL_OK) *allowed = 0;
    return status;
}

lull_status lull_matcher_accept(lull_matcher *m, int32_t token, lull_error *error)
{
    lull_matcher copy;
    lull_status status;
    int allowed;
    lull_error_clear(error);
    status = check_token(m, token, error);
    if (status != LULL_OK) return status;
    enter_copy(&copy, m);
    status = take_token(&copy, token, &allowed, error);
    leave(&copy);
    if (status != LULL_OK) return status;
    if (!allowed)
        return lull_fail(error, LULL_EINVAL, 0, m->length,
                         "token %ld is not allowed after %llu bytes", (long)token,
                         (unsigned long long)m->length);
    m->state = copy.state;
    m->length = copy.length;
    return LULL_OK;
}

lull_status lull_matcher_accept_text(lull_matcher *m, const char *text, size_t bytes,
                                     lull_error *error)
{
    lull_matcher copy;
    lull_status status;
    size_t done;
    lull_error_clear(error);
    enter_copy(&copy, m);
    status = walk(&copy, (const unsigned char *)text, bytes, &done, error);
    leave(&copy);
    if (status != LULL_OK) return status;
    if (done < bytes)
        return lull_fail(
            error, LULL_EINVAL, 0, m->length + done, "byte 0x%02x is not allowed after %llu bytes",
            (unsigned)(unsigned char)text[done], (unsigned long long)(m->length + done));
    m->state = copy.state;
    m->length = copy.length;
    return LULL_OK;
}

/* ---- what may follow */

int lull_matcher_complete(const lull_matcher *m)
{
    return lull_states_final(m->grammar, m->state) || (flags_of(m) & LULL_STATE_ENDED);
}

static void set_bit(uint32_t *mask, int32_t token)
{
    mask[token / 32] |= (uint32_t)1 << token % 32;
}

/* The space of the dummy prefix counts for nothing: its node's own tokens, and the state with which
 * to look at those below. */
static int mark_space(lull_grammar *g, int32_t state, const lull_trie_node *node, uint32_t *mask)
{
    const lull_trie *t = g->trie;
    const int32_t next = lull_states_next(g, state, g->code.class_of[' ']);
    uint32_t i;
    if (next == LULL_STUCK) return 0;
    for (i = node->first; i < node[1].first; i++) {
        if (t->drops[t->tokens[i]] || next >= 0) set_bit(mask, t->tokens[i]);
    }
    g->trail[1] = state;
    return 1;
}

/* Walk through the trie, and past what is below a byte that is not allowed.  0 = stuck. */
static int mark_tokens(lull_grammar *g, int32_t state, uint32_t *mask)
{
    const lull_trie *t = g->trie;
    const int start = g->found.states[state].flags & LULL_STATE_START;
    uint32_t at = 1, i;
    g->trail[0] = state;
    while (at < t->n_nodes) {
        const lull_trie_node *node = &t->nodes[at];
        const uint32_t depth = node->place >> 8;
        int32_t next;
        if (start && node->place == (1u << 8 | ' ')) {
            if (!mark_space(g, state, node, mask)) return 0;
            at++;
            continue;
        }
        next = lull_states_next(g, g->trail[depth - 1], g->code.class_of[node->place & 0xff]);
        if (next == LULL_STUCK) return 0;
        if (next < 0) {
            at = node->skip;
            continue;
        }
        g->trail[depth] = next;
        for (i = node->first; i < node[1].first; i++) set_bit(mask, t->tokens[i]);
        at++;
    }
    return 1;
}

static int32_t count_bits(const uint32_t *mask, size_t words)
{
    int32_t n = 0;
    size_t i;
    for (i = 0; i < words; i++) {
        uint32_t w = mask[i];
        for (; w != 0; w &= w - 1) n++;
    }
    return n;
}

/* Find the mask of a state that has none.  0 = stuck. */
static int make_mask(lull_grammar *g, int32_t state)
{
    const lull_trie *t = g->trie;
    const size_t words = ((size_t)t->vocab_size + 31) / 32;
    uint32_t *mask = lull_states_take(g, words * sizeof *mask);
    if (mask == NULL) return 0;
    memset(mask, 0, words * sizeof *mask);
    if (!mark_tokens(g, state, mask)) {
        lull_states_give(g, mask, words * sizeof *mask);
        return 0;
    }
    if (t->eos >= 0 && lull_states_final(g, state)) set_bit(mask, t->eos);
    g->found.states[state].mask = mask;
    g->found.states[state].n_allowed = count_bits(mask, words);
    return 1;
}

static lull_status need_mask(lull_matcher *m, lull_error *error)
{
    lull_grammar *g = m->grammar;
    int tries = 0;
    while (g->found.states[m->state].mask == NULL && !make_mask(g, m->state)) {
        const lull_status status = lull_states_recover(g, &tries, error);
        if (status != LULL_OK) return status;
    }
    return LULL_OK;
}

/* Ban up to 32 values. */
static inline void ban(float *values, size_t n, uint32_t allowed)
{
    size_t i;
    for (i = 0; i < n; i++) values[i] = allowed >> i & 1 ? values[i] : -INFINITY;
}

lull_status lull_matcher_mask(lull_matcher *m, float *values, size_t n, lull_error *error)
{
    const uint32_t *mask;
    lull_status status;
    size_t i;
    lull_error_clear(error);
    status = check_token(m, 0, error);
    if (status != LULL_OK) return status;
    if (n != (size_t)m->grammar->trie->vocab_size)
        return lull_fail(error, LULL_EINVAL, 0, 0, "%llu values, the vocabulary has %ld tokens",
                         (unsigned long long)n, (long)m->grammar->trie->vocab_size);
    status = need_mask(m, error);
    if (status != LULL_OK) return status;
    mask = m->grammar->found.states[m->state].mask;
    for (i = 0; i + 32 <= n; i += 32) {
        if (mask[i / 32] != UINT32_MAX) ban(values + i, 32, mask[i / 32]);
    }
    if (i < n) ban(values + i, n - i, mask[i / 32]);
    return LULL_OK;
}

/* How many bytes may follow in this state, and the last class of them.  (Every one that a stack
 * begins with may: rules match something, sets are not empty.) */
static int32_t count_bytes(const lull_grammar *g, int32_t state, int32_t *class_)
{
    const lull_state *s = &g->found.states[state];
    int32_t n = 0, c;
    uint32_t i;
    for (c = 0; c < g->code.n_classes; c++) {
        for (i = 0; i < s->n; i++) {
            const int32_t stack = g->found.members[s->first + i];
            if (stack == 0) continue;
            if (!lull_code_has(&g->code, g->code.positions[g->found.stacks[stack].position], c))
                continue;
            n += g->code.class_size[c];
            *class_ = c;
            break;
        }
    }
    return n;
}

/* The bytes that must follow, as far as there is room. */
static lull_status force_text(lull_matcher *m, char *text, size_t capacity, size_t *bytes,
                              lull_error *error)
{
    const lull_grammar *g = m->grammar;
    int32_t class_ = 0;
    *bytes = 0;
    while (*bytes < capacity && !lull_states_final(g, m->state) &&
           count_bytes(g, m->state, &class_) == 1) {
        const unsigned char byte = g->code.example[class_];
        size_t done;
        const lull_status status = walk(m, &byte, 1, &done, error);
        if (status != LULL_OK) return status;
        text[(*bytes)++] = (char)byte;
    }
    return LULL_OK;
}

/* The only token of a mask that has one. */
static int32_t only_token(const uint32_t *mask)
{
    int32_t id = 0;
    while (mask[id / 32] == 0) id += 32;
    while (!(mask[id / 32] >> id % 32 & 1)) id++;
    return id;
}

/* Where two bytes may follow and each byte has a token, there is no need to look. */
static lull_status force_token(lull_matcher *m, int32_t *token, lull_error *error)
{
    const lull_grammar *g = m->grammar;
    int32_t class_, ways;
    lull_status status;
    if (g->trie == NULL) return LULL_OK;
    ways = lull_states_final(g, m->state) + count_bytes(g, m->state, &class_);
    if (ways > 1 && g->trie->n_byte_tokens == 256) return LULL_OK;
    status = need_mask(m, error);
    if (status == LULL_OK && g->found.states[m->state].n_allowed == 1)
        *token = only_token(g->found.states[m->state].mask);
    return status;
}

lull_status lull_matcher_forced(lull_matcher *m, char *text, size_t capacity, size_t *bytes,
                                int32_t *token, lull_error *error)
{
    lull_matcher copy;
    lull_status status;
    lull_error_clear(error);
    *token = -1;
    *bytes = 0;
    status = force_token(m, token, error);
    if (status != LULL_OK) return status;
    enter_copy(&copy, m);
    status = force_text(&copy, text, capacity, bytes, error);
    leave(&copy);
    if (status != LULL_OK) *bytes = 0;
    return status;
}
