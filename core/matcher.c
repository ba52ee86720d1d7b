/* matcher.c - one text as a grammar sees it: which tokens may follow, and taking one. */
#include "grammar.h"

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

static lull_status need_mask(lull_matcher *m, lull_error *error)
{
    lull_grammar *g = m->grammar;
    int tries = 0;
    while (g->found.states[m->state].mask == NULL && !lull_mask_make(g, m->state)) {
        const lull_status status = lull_states_recover(g, &tries, error);
        if (status != LULL_OK) return status;
    }
    return LULL_OK;
}

lull_status lull_matcher_mask(lull_matcher *m, float *values, size_t n, lull_error *error)
{
    lull_status status;
    lull_error_clear(error);
    status = check_token(m, 0, error);
    if (status != LULL_OK) return status;
    if (n != (size_t)m->grammar->trie->vocab_size)
        return lull_fail(error, LULL_EINVAL, 0, 0, "%llu values, the vocabulary has %ld tokens",
                         (unsigned long long)n, (long)m->grammar->trie->vocab_size);
    status = need_mask(m, error);
    if (status != LULL_OK) return status;
    lull_mask_apply(m->grammar->found.states[m->state].mask, values, n);
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

/* The only token of a mask, or -1 when it has none or more. */
static int32_t only_token(const uint32_t *mask, int32_t vocab_size)
{
    int32_t id, only = -1;
    for (id = 0; id < vocab_size; id++) {
        if (!(mask[id / 32] >> id % 32 & 1)) continue;
        if (only >= 0) return -1;
        only = id;
    }
    return only;
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
    if (status == LULL_OK) *token = only_token(g->found.states[m->state].mask, g->trie->vocab_size);
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
