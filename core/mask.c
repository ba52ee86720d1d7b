/* mask.c - which tokens are allowed in a state, found by one walk through the trie.
 *
 * The walk leaves out what is below a byte that is not allowed.  Where nearly anything is (in a
 * string, in a sentence) that would still be most of the trie; but then a state often allows plain
 * text (utf8.h), whichever it is, up to some number of characters and no further: that decides
 * all tokens of plain text at once, by a mask that the trie keeps for each number. */
#include "grammar.h"

#include <math.h>

/* ---- how far a state allows any plain text */

enum { MOST_PLACES = 64 }; /* with more at a time the search is given up: the answer is then less */

typedef struct place {
    int32_t state;
    unsigned char inside; /* of utf8.h's states */
} place;

typedef struct places {
    place at[MOST_PLACES];
    int n;
} places;

/* 0 = too many. */
static int add_place(places *list, int32_t state, unsigned char inside)
{
    int i;
    for (i = 0; i < list->n; i++) {
        if (list->at[i].state == state && list->at[i].inside == inside) return 1;
    }
    if (list->n == MOST_PLACES) return 0;
    list->at[list->n].state = state;
    list->at[list->n].inside = inside;
    list->n++;
    return 1;
}

/* Where the bytes of edge e lead: into inside, or between characters into after.  1, 0 = one is not
 * allowed (or too many places), LULL_STUCK. */
static int follow_edge(lull_grammar *g, int32_t state, int e, places *inside, places *after)
{
    const unsigned char to = lull_plain_edges[e].to;
    int i;
    for (i = g->code.edge_at[e]; i < g->code.edge_at[e + 1]; i++) {
        const int32_t next = lull_states_next(g, state, g->code.edge_classes[i]);
        if (next == LULL_STUCK) return LULL_STUCK;
        if (next < 0) return 0;
        if (!add_place(to == LULL_PLAIN_BETWEEN ? after : inside, next, to)) return 0;
    }
    return 1;
}

/* Every plain character from a place on.  As follow_edge. */
static int follow_character(lull_grammar *g, const place *from, places *after)
{
    places inside;
    int i, e;
    inside.n = 0;
    add_place(&inside, from->state, LULL_PLAIN_BETWEEN);
    for (i = 0; i < inside.n; i++) {
        const place p = inside.at[i];
        for (e = 0; e < LULL_PLAIN_EDGES; e++) {
            int ok;
            if (lull_plain_edges[e].from != p.inside) continue;
            ok = follow_edge(g, p.state, e, &inside, after);
            if (ok != 1) return ok;
        }
    }
    return 1;
}

/* One more character from each of the places now.  As follow_edge. */
static int follow_all(lull_grammar *g, const places *now, places *after)
{
    int i, ok = 1;
    after->n = 0;
    for (i = 0; i < now->n && ok == 1; i++) ok = follow_character(g, &now->at[i], after);
    return ok;
}

/* Is no plain character allowed in any of the places, not even its first byte?  Or LULL_STUCK. */
static int forbid_all(lull_grammar *g, const places *now)
{
    int i, k;
    for (i = 0; i < now->n; i++) {
        for (k = 0; lull_plain_edges[k].from == LULL_PLAIN_BETWEEN; k++) {
            int c;
            for (c = g->code.edge_at[k]; c < g->code.edge_at[k + 1]; c++) {
                const int32_t next = lull_states_next(g, now->at[i].state, g->code.edge_classes[c]);
                if (next == LULL_STUCK) return LULL_STUCK;
                if (next >= 0) return 0;
            }
        }
    }
    return 1;
}

/* The states that alone stand for the first characters of a run have shorter ones. */
static void set_runs(const lull_grammar *g, const int32_t *chain, int32_t n, int32_t run, int exact)
{
    int32_t i;
    for (i = 0; i < n; i++) {
        lull_state *s = &g->found.states[chain[i]];
        s->run = run - i < LULL_MOST_PLAIN ? run - i : LULL_MOST_PLAIN;
        s->exact = exact;
    }
}

/* Find how many plain characters a state allows, whichever they are: LULL_MOST_PLAIN stands for any
 * larger number.  0 = stuck. */
static int find_run(lull_grammar *g, int32_t state)
{
    int32_t chain[LULL_MOST_PLAIN + 1], n = 0, run = 0;
    int ok, exact = 0;
    places now, after;
    now.n = 0;
    add_place(&now, state, LULL_PLAIN_BETWEEN);
    for (;; run++) {
        if (run == LULL_MOST_PLAIN) break;
        if (now.n == 1 && n == run) {
            const lull_state *s = &g->found.states[now.at[0].state];
            if (s->run >= 0) {
                set_runs(g, chain, n,
                         s->run == LULL_MOST_PLAIN ? 2 * LULL_MOST_PLAIN : run + s->run, s->exact);
                return 1;
            }
            chain[n++] = now.at[0].state;
        }
        ok = follow_all(g, &now, &after);
        if (ok == LULL_STUCK) return 0;
        if (ok == 0) break;
        if (after.n == 1 && now.n == 1 && after.at[0].state == now.at[0].state) {
            set_runs(g, chain, n, 2 * LULL_MOST_PLAIN, 0); /* for ever */
            return 1;
        }
        now = after;
    }
    if (run < LULL_MOST_PLAIN) exact = forbid_all(g, &now);
    if (exact == LULL_STUCK) return 0;
    set_runs(g, chain, run < LULL_MOST_PLAIN ? n : 1, run, exact);
    return 1;
}

/* The mask of plain tokens that decides about all of them in this state, or NULL. */
static const uint32_t *plain_mask(const lull_grammar *g, int32_t state)
{
    const lull_state *s = &g->found.states[state];
    const size_t words = ((size_t)g->trie->vocab_size + 31) / 32;
    if (s->flags & LULL_STATE_START) return NULL; /* a dropped space is no character */
    if (!s->exact && s->run < LULL_MOST_PLAIN) return NULL;
    return g->trie->plain + (size_t)s->run * words;
}

/* 1: all tokens below a node that is reached in this state are allowed; 0: not known; LULL_STUCK. */
static int allows_all_below(lull_grammar *g, int32_t state, const lull_trie_node *node)
{
    if (node->below == LULL_NOT_PLAIN) return 0;
    if (node->below == 0) return 1;
    if (g->found.states[state].run < 0 && !find_run(g, state)) return LULL_STUCK;
    return g->found.states[state].run >= node->below;
}

/* ---- the walk */

typedef struct walker {
    lull_grammar *g;
    uint32_t *mask;
    int plain_done; /* are the tokens of plain text in the mask already, as far as they are allowed? */
} walker;

/* tokens[from] .. tokens[to - 1] are allowed. */
static void allow(const walker *w, uint32_t from, uint32_t to)
{
    const int32_t *tokens = w->g->trie->tokens;
    uint32_t i;
    for (i = from; i < to; i++) w->mask[tokens[i] / 32] |= (uint32_t)1 << tokens[i] % 32;
}

/* The space of the dummy prefix counts for nothing: its node's own tokens are decided, and those
 * below begin in the state itself.  0 = stuck. */
static int decide_space(const walker *w, int32_t state, uint32_t at)
{
    const lull_trie *t = w->g->trie;
    const int32_t next = lull_states_next(w->g, state, w->g->code.class_of[' ']);
    uint32_t i;
    if (next == LULL_STUCK) return 0;
    for (i = t->nodes[at].first; i < t->nodes[at + 1].first; i++) {
        if (t->drops[t->tokens[i]] || next >= 0) allow(w, i, i + 1);
    }
    w->g->trail[1] = state;
    return 1;
}

/* Decide a node and perhaps all below it; *at becomes the next node to look at.  0 = stuck. */
static int decide_node(const walker *w, uint32_t *at)
{
    lull_grammar *g = w->g;
    const lull_trie_node *node = &g->trie->nodes[*at];
    const uint32_t depth = node->place >> 8;
    int32_t next;
    int all;
    if (w->plain_done && node->plain && node->below != LULL_NOT_PLAIN) {
        *at = node->skip;
        return 1;
    }
    next = lull_states_next(g, g->trail[depth - 1], g->code.class_of[node->place & 0xff]);
    if (next == LULL_STUCK) return 0;
    if (next < 0) {
        *at = node->skip;
        return 1;
    }
    all = allows_all_below(g, next, node);
    if (all == LULL_STUCK) return 0;
    allow(w, node->first, all ? g->trie->nodes[node->skip].first : node[1].first);
    g->trail[depth] = next;
    *at = all ? node->skip : *at + 1;
    return 1;
}

static int walk(lull_grammar *g, int32_t state, uint32_t *mask)
{
    const lull_trie *t = g->trie;
    const size_t words = ((size_t)t->vocab_size + 31) / 32;
    const int start = g->found.states[state].flags & LULL_STATE_START;
    const uint32_t *plain;
    uint32_t at = 1;
    walker w;
    if (g->found.states[state].run < 0 && !find_run(g, state)) return 0;
    plain = plain_mask(g, state);
    w.g = g;
    w.mask = mask;
    w.plain_done = plain != NULL;
    if (plain != NULL)
        memcpy(mask, plain, words * sizeof *mask);
    else
        memset(mask, 0, words * sizeof *mask);
    g->trail[0] = state;
    while (at < t->n_nodes) {
        if (start && t->nodes[at].place == (1u << 8 | ' ')) {
            if (!decide_space(&w, state, at)) return 0;
            at++;
        } else if (!decide_node(&w, &at)) {
            return 0;
        }
    }
    return 1;
}

int lull_mask_make(lull_grammar *g, int32_t state)
{
    const lull_trie *t = g->trie;
    const uint64_t bytes = ((uint64_t)t->vocab_size + 31) / 32 * sizeof(uint32_t);
    uint32_t *mask = lull_states_take(g, bytes);
    if (mask == NULL) return 0;
    if (!walk(g, state, mask)) {
        lull_states_give(g, mask, bytes);
        return 0;
    }
    if (t->eos >= 0 && lull_states_final(g, state)) mask[t->eos / 32] |= (uint32_t)1 << t->eos % 32;
    g->found.states[state].mask = mask;
    return 1;
}

/* ---- applying */

/* Eight values at most, by eight bits. */
static void ban(float *values, size_t n, unsigned allowed)
{
    size_t i;
    for (i = 0; i < n; i++) {
        if (!(allowed >> i & 1)) values[i] = -INFINITY;
    }
}

static void ban_all(float *values)
{
    int i;
    for (i = 0; i < 32; i++) values[i] = -INFINITY;
}

void lull_mask_apply(const uint32_t *mask, float *values, size_t n)
{
    size_t i, k;
    for (i = 0; i + 32 <= n; i += 32) {
        const uint32_t word = mask[i / 32];
        if (word == 0) {
            ban_all(values + i);
            continue;
        }
        for (k = 0; k < 32; k += 8) {
            if ((word >> k & 0xff) != 0xff) ban(values + i + k, 8, word >> k & 0xff);
        }
    }
    for (; i < n; i += 8) ban(values + i, n - i < 8 ? n - i : 8, mask[i / 32] >> i % 32);
}
