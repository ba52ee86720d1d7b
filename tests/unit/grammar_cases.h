/* grammar_cases.h - what the tests of grammars share: programs written as text, and random ones. */
#ifndef GRAMMAR_CASES_H
#define GRAMMAR_CASES_H

#include "grammar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- programs as text: one string a rule, alternatives between '|'; A..Z are rules 0..25, '.' is
 * any byte, '#' any plain character (as rules of its own), other characters are themselves */

#define MOST 4096

typedef struct text_program {
    int32_t rules[MOST], alternatives[MOST], elements[MOST];
    uint8_t sets[258][32];
    const char *names[MOST];
    lull_program p;
} text_program;

static void put_element(text_program *t, int32_t element)
{
    assert_true(t->p.n_elements < MOST);
    t->elements[t->p.n_elements++] = element;
}

static void end_alternative(text_program *t)
{
    assert_true(t->p.n_alternatives + 1 < MOST);
    t->alternatives[++t->p.n_alternatives] = t->p.n_elements;
}

static void end_rule(text_program *t)
{
    t->rules[++t->p.n_rules] = t->p.n_alternatives;
}

static int32_t range_set(text_program *t, unsigned first, unsigned last)
{
    uint8_t *set = t->sets[t->p.n_sets];
    unsigned b;
    assert_true(t->p.n_sets < 258);
    for (b = first; b <= last; b++) set[b / 8] |= (uint8_t)(1u << b % 8);
    return t->p.n_sets++;
}

/* One plain character: a rule for each state of utf8.h, from rule `base` on. */
static void add_plain(text_program *t, int32_t base)
{
    int32_t state;
    int e;
    for (state = 0; state < LULL_PLAIN_NO; state++) {
        for (e = 0; e < LULL_PLAIN_EDGES; e++) {
            const lull_plain_edge *edge = &lull_plain_edges[e];
            if (edge->from != state) continue;
            put_element(t, range_set(t, edge->first, edge->last));
            if (edge->to != LULL_PLAIN_BETWEEN) put_element(t, ~(base + edge->to));
            end_alternative(t);
        }
        end_rule(t);
    }
}

static const lull_program *make(text_program *t, const char *const *rules, int32_t n)
{
    int32_t any = -1, r;
    int plain = 0;
    memset(t, 0, sizeof *t);
    for (r = 0; r < n; r++) {
        const char *s;
        for (s = rules[r]; *s; s++) {
            const unsigned char c = (unsigned char)*s;
            if (c == '|') {
                end_alternative(t);
            } else if (c >= 'A' && c <= 'Z') {
                put_element(t, ~(int32_t)(c - 'A'));
            } else if (c == '#') {
                put_element(t, ~n);
                plain = 1;
            } else if (c == '.') {
                if (any < 0) any = range_set(t, 0, 255);
                put_element(t, any);
            } else {
                put_element(t, range_set(t, c, c));
            }
        }
        end_alternative(t);
        end_rule(t);
    }
    if (plain) add_plain(t, n);
    t->p.rules = t->rules;
    t->p.alternatives = t->alternatives;
    t->p.elements = t->elements;
    t->p.sets = t->sets[0];
    t->p.names = t->names;
    return &t->p;
}

#define MAKE(t, ...)                                                                               \
    make(t, (const char *const[]){__VA_ARGS__},                                                    \
         (int32_t)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)))

static lull_grammar *open_grammar(const lull_program *p, lull_trie *trie)
{
    lull_grammar *g;
    lull_error error;
    if (lull_grammar_open(&g, trie, p, NULL, &error) != LULL_OK) fail_msg("%s", error.message);
    return g;
}

static lull_matcher *open_matcher(lull_grammar *g, int at_start)
{
    lull_matcher *m;
    lull_error error;
    if (lull_matcher_open(&m, g, at_start, &error) != LULL_OK) fail_msg("%s", error.message);
    return m;
}

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part)) fail_msg("\"%s\" does not contain \"%s\"", text, part);
}

/* ---- random programs over a and b */

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void random_rules(uint32_t *state, char rules[4][32], const char *pointers[4], int n)
{
    int r, i;
    for (r = 0; r < n; r++) {
        const int length = 1 + (int)(next_random(state) % 9);
        for (i = 0; i < length; i++) {
            const uint32_t kind = next_random(state) % 10;
            const char *from = kind < 5 ? "ab" : kind < 7 ? "|" : "ABCD";
            const uint32_t most = kind < 5 ? 2 : kind < 7 ? 1 : (uint32_t)n;
            rules[r][i] = from[next_random(state) % most];
        }
        rules[r][length] = 0;
        pointers[r] = rules[r];
    }
}

#endif
