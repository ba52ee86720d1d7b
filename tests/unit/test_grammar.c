/* test_grammar.c - programs good and bad; the machine against a plain recogniser on random grammars;
 * masks against the definition, token by token; limits, flushes and running out of memory. */
#include "failing.h"
#include "grammar.h"
#include "model.h"
#include "tiny.h"

#include <math.h>
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

/* Does the whole text match? */
static int matches(lull_grammar *g, const char *text, size_t n)
{
    lull_matcher *m = open_matcher(g, 0);
    const int yes =
        lull_matcher_accept_text(m, text, n, NULL) == LULL_OK && lull_matcher_complete(m);
    lull_matcher_close(m);
    return yes;
}

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part)) fail_msg("\"%s\" does not contain \"%s\"", text, part);
}

/* ---- a vocabulary: 0..2 control, 3..258 bytes, then texts */

static const char *const texts[] = {" ",
                                    "a",
                                    "b",
                                    "c",
                                    "aa",
                                    "ab",
                                    "abc",
                                    "ba",
                                    "bab",
                                    "cc",
                                    " a",
                                    " ab",
                                    " abcab",
                                    "  ",
                                    "\"",
                                    "\",",
                                    "a\"",
                                    "a\"b",
                                    "ab\"\"",
                                    "\xc3\xa9",
                                    "a\xc3\xa9",
                                    "\xc3\xa9\xc3\xa9",
                                    "\xe3\x81\x82\xe3\x81\x84",
                                    "\xf0\x9f\x98\x80",
                                    "c\xe3\x81\x82",
                                    "\n",
                                    "a\n",
                                    "\\",
                                    "aaaaaaaa",
                                    "abcabcabcabcabca",
                                    "abcabcabcabcabcabcabcabcabc",
                                    "\xc3",
                                    "\x82\xc3",
                                    "",
                                    "a",
                                    "\xe3\x81",
                                    "cab",
                                    "<0x41>b",
                                    "<s>",
                                    " \"",
                                    " \xc3\xa9"};

enum { N_TEXTS = sizeof texts / sizeof *texts, VOCAB = 259 + N_TEXTS };

static void put32(unsigned char **out, uint32_t v)
{
    int i;
    for (i = 0; i < 4; i++) *(*out)++ = (unsigned char)(v >> 8 * i);
}

static void open_vocabulary(lull_model *m, const lull_allocator *allocator)
{
    unsigned char file[VOCAB * 40], *out = file;
    lull_reader r;
    lull_error error;
    int i;
    put32(&out, 27);
    for (i = 0; i < VOCAB; i++) {
        static const char *const control[] = {"<unk>", "\n<s>\n", "\n</s>\n"};
        char byte[8];
        const char *text = i < 3 ? control[i] : i < 259 ? byte : texts[i - 259];
        size_t n;
        snprintf(byte, sizeof byte, "<0x%02X>", (unsigned)(i - 3) & 0xff);
        n = strlen(text);
        put32(&out, 0);
        put32(&out, (uint32_t)n);
        memcpy(out, text, n);
        out += n;
    }
    memset(m, 0, sizeof *m);
    if (allocator) m->allocator = *allocator;
    lull_reader_open_memory(&r, file, (size_t)(out - file), "tokenizer.bin");
    if (lull_tokenizer_load(&m->tokenizer, &r, VOCAB, &m->allocator, &error) != LULL_OK)
        fail_msg("%s", error.message);
    lull_reader_close(&r);
}

static lull_trie *open_trie(void)
{
    lull_model m;
    lull_trie *t;
    lull_error error;
    open_vocabulary(&m, NULL);
    if (lull_trie_open(&t, &m, &error) != LULL_OK) fail_msg("%s", error.message);
    lull_tokenizer_free(m.tokenizer);
    return t;
}

static int32_t id_of(const char *text)
{
    int32_t i;
    for (i = 0; i < N_TEXTS; i++) {
        if (strcmp(texts[i], text) == 0) return 259 + i;
    }
    fail_msg("no token \"%s\"", text);
    return -1;
}

/* ---- programs */

static void refuse(const lull_program *p, const char *message)
{
    lull_grammar *g = (lull_grammar *)p;
    lull_error error;
    assert_int_equal(lull_grammar_open(&g, NULL, p, NULL, &error), LULL_EINVAL);
    assert_null(g);
    assert_int_equal(error.code, LULL_EINVAL);
    assert_contains(error.message, message);
}

static void bad_programs_are_refused(void **unused)
{
    text_program t;
    (void)unused;
    refuse(MAKE(&t, "aB"), "rule 0 refers to rule 1, and there are 1");
    MAKE(&t, "a");
    t.elements[0] = 1;
    refuse(&t.p, "rule 0 refers to byte set 1, and there are 1");
    t.elements[0] = INT32_MIN;
    refuse(&t.p, "refers to rule 2147483647");
    MAKE(&t, "a");
    memset(t.sets[0], 0, 32);
    refuse(&t.p, "byte set 0 is empty");
    MAKE(&t, "a");
    t.rules[1] = 0;
    refuse(&t.p, "offsets do not ascend");
    MAKE(&t, "a|b");
    t.alternatives[1] = 3;
    refuse(&t.p, "offsets do not ascend");
    MAKE(&t, "a");
    t.p.n_rules = 0;
    refuse(&t.p, "0 rules");
    MAKE(&t, "a");
    t.p.n_elements = -1;
    refuse(&t.p, "-1 elements");
    MAKE(&t, "a");
    t.p.n_sets = 65537;
    refuse(&t.p, "65537 byte sets");
}

static void what_matches_nothing_is_refused(void **unused)
{
    text_program t;
    (void)unused;
    refuse(MAKE(&t, "aA"), "rule 0 can never match a finite text");
    refuse(MAKE(&t, "a|B", "C", "bB"), "can never match a finite text");
    MAKE(&t, "a|B", "C", "bB");
    t.names[2] = "loop";
    refuse(&t.p, "rule 'loop' can never match a finite text");
    MAKE(&t, "a");
    t.p.n_alternatives = 0;
    t.p.n_elements = 0;
    t.rules[1] = 0;
    refuse(&t.p, "rule 0 can never match");
}

static void left_recursion_is_refused(void **unused)
{
    text_program t;
    (void)unused;
    refuse(MAKE(&t, "Aa|b"), "rule 0 is left-recursive");
    refuse(MAKE(&t, "Ba|b", "A|c"), "is left-recursive");
    refuse(MAKE(&t, "BAa|b", "|c"), "rule 0 is left-recursive");
    refuse(MAKE(&t, "B|a", "A|b"), "is left-recursive");
    MAKE(&t, "aB", "Cb|c", "Bd|e");
    t.names[1] = "first";
    refuse(&t.p, "rule 'first' is left-recursive");
    MAKE(&t, "BA|", "bB|"); /* repeats of what may be empty */
    lull_grammar_release(open_grammar(&t.p, NULL));
    MAKE(&t, "A|a"); /* may as well be left out */
    lull_grammar_release(open_grammar(&t.p, NULL));
}

static void bad_options_are_refused(void **unused)
{
    text_program t;
    lull_grammar_options o;
    lull_grammar *g;
    lull_error error;
    (void)unused;
    lull_grammar_options_init(&o);
    o.max_depth = 0;
    assert_int_equal(lull_grammar_open(&g, NULL, MAKE(&t, "a"), &o, &error), LULL_EINVAL);
    assert_contains(error.message, "max_depth is 0");
    lull_grammar_options_init(&o);
    o.max_memory_bytes = ((uint64_t)1 << 32) + 1;
    assert_int_equal(lull_grammar_open(&g, NULL, MAKE(&t, "a"), &o, &error), LULL_EINVAL);
    assert_contains(error.message, "max_memory_bytes");
}

/* ---- the machine against tables: does rule r match text[i..j)?  Found by adding what follows from
 * what is known until nothing does. */

enum { LONGEST = 6 };

typedef struct tables {
    const lull_program *p;
    unsigned char known[26][LONGEST + 1][LONGEST + 1]; /* rule, from, to */
} tables;

static int in_set(const lull_program *p, int32_t set, char c)
{
    const unsigned char b = (unsigned char)c;
    return p->sets[32 * set + b / 8] >> b % 8 & 1;
}

/* The ends that an alternative may have from `from` on, as bits. */
static unsigned ends_of(const tables *t, int32_t a, const char *text, int n, int from)
{
    unsigned ends = 1u << from;
    int32_t e;
    int i, k;
    for (e = t->p->alternatives[a]; e < t->p->alternatives[a + 1]; e++) {
        const int32_t v = t->p->elements[e];
        unsigned next = 0;
        for (i = 0; i <= n; i++) {
            if (!(ends >> i & 1)) continue;
            if (v >= 0 && i < n && in_set(t->p, v, text[i])) next |= 1u << (i + 1);
            for (k = i; v < 0 && k <= n; k++) next |= (unsigned)t->known[~v][i][k] << k;
        }
        ends = next;
    }
    return ends;
}

static int member(const lull_program *p, const char *text, int n)
{
    tables t;
    int changed = 1, i, k;
    int32_t r, a;
    memset(&t, 0, sizeof t);
    t.p = p;
    while (changed) {
        changed = 0;
        for (r = 0; r < p->n_rules; r++) {
            for (a = p->rules[r]; a < p->rules[r + 1]; a++) {
                for (i = 0; i <= n; i++) {
                    const unsigned ends = ends_of(&t, a, text, n, i);
                    for (k = i; k <= n; k++) {
                        if (!(ends >> k & 1) || t.known[r][i][k]) continue;
                        t.known[r][i][k] = 1;
                        changed = 1;
                    }
                }
            }
        }
    }
    return t.known[0][0][n];
}

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
            rules[r][i] = kind < 5   ? (char)('a' + next_random(state) % 2)
                          : kind < 7 ? '|'
                                     : (char)('A' + next_random(state) % (uint32_t)n);
        }
        rules[r][length] = 0;
        pointers[r] = rules[r];
    }
}

/* All texts of a and b up to LONGEST.  What is found to match must also be found viable on the way,
 * which accept_text sees to. */
static void compare_all(const lull_program *p, lull_grammar *g)
{
    char text[LONGEST];
    int n, bits, i;
    for (n = 0; n <= LONGEST; n++) {
        for (bits = 0; bits < 1 << n; bits++) {
            for (i = 0; i < n; i++) text[i] = (char)('a' + (bits >> i & 1));
            if (matches(g, text, (size_t)n) != member(p, text, n))
                fail_msg("%.*s: %d expected", n, text, member(p, text, n));
        }
    }
}

static void random_grammars_match_what_they_should(void **unused)
{
    uint32_t state = 1;
    int tries, good = 0;
    (void)unused;
    for (tries = 0; tries < 4000 && good < 150; tries++) {
        char rules[4][32];
        const char *pointers[4];
        text_program t;
        lull_grammar *g;
        const int n = 1 + (int)(next_random(&state) % 4);
        random_rules(&state, rules, pointers, n);
        make(&t, pointers, n);
        if (lull_grammar_open(&g, NULL, &t.p, NULL, NULL) != LULL_OK) continue;
        compare_all(&t.p, g);
        lull_grammar_release(g);
        good++;
    }
    assert_int_equal(good, 150);
}

/* Every state that is told viable can be completed: the shortest way is tried. */
static void what_is_allowed_can_be_completed(void **unused)
{
    text_program t;
    lull_grammar *g = open_grammar(MAKE(&t, "aAbB|c", "xC|y", "zBz|"), NULL);
    uint32_t state = 7;
    int walk, i;
    (void)unused;
    for (walk = 0; walk < 200; walk++) {
        lull_matcher *m = open_matcher(g, 0);
        for (i = 0; i < 400 && !lull_matcher_complete(m); i++) {
            static const char bytes[] = "abcxyz", ending[] = "cybz";
            const char *from = i < 12 ? bytes : ending;
            const char *c = from + next_random(&state) % strlen(from);
            lull_matcher_accept_text(m, c, 1, NULL);
        }
        assert_true(lull_matcher_complete(m));
        lull_matcher_close(m);
    }
    lull_grammar_release(g);
}

/* ---- masks */

/* By the definition: the bytes of the token's piece are all viable from here. */
static int allowed_by_definition(const lull_matcher *m, const lull_trie *t, int32_t id, int first)
{
    const char *text = (const char *)t->text + t->start[id];
    size_t n = t->start[id + 1] - t->start[id];
    lull_matcher *copy;
    int yes;
    if (id == t->eos) return lull_matcher_complete(m);
    if (n == 0) return 0;
    if (first && text[0] == ' ' && id >= 259) {
        text++;
        n--;
    }
    assert_int_equal(lull_matcher_clone(&copy, m, NULL), LULL_OK);
    yes = lull_matcher_accept_text(copy, text, n, NULL) == LULL_OK;
    lull_matcher_close(copy);
    return yes;
}

/* Compare mask, allows and the definition for all tokens; returns one that is allowed, or -1; also
 * where there are too many ways to go on. */
static int32_t compare_masks(lull_matcher *m, const lull_trie *t, int first, uint32_t *state)
{
    float values[VOCAB];
    int32_t id, chosen = -1;
    uint32_t n = 0;
    lull_status status;
    int allowed;
    const int before = (int)(next_random(state) % 2); /* ask allows before the mask is there too */
    for (id = 0; id < VOCAB; id++) {
        values[id] = (float)id;
        if (!before) continue;
        status = lull_matcher_allows(m, id, &allowed, NULL);
        if (status == LULL_ELIMIT) return -1;
        assert_int_equal(status, LULL_OK);
        assert_int_equal(allowed, allowed_by_definition(m, t, id, first));
    }
    status = lull_matcher_mask(m, values, VOCAB, NULL);
    if (status == LULL_ELIMIT) return -1;
    assert_int_equal(status, LULL_OK);
    for (id = 0; id < VOCAB; id++) {
        const int yes = allowed_by_definition(m, t, id, first);
        if (values[id] != (yes ? (float)id : -INFINITY))
            fail_msg("token %ld: %d expected after %d bytes", (long)id, yes, (int)m->length);
        assert_int_equal(lull_matcher_allows(m, id, &allowed, NULL), LULL_OK);
        assert_int_equal(allowed, yes);
        if (yes && next_random(state) % ++n == 0) chosen = id;
    }
    return chosen;
}

/* Returns the steps taken. */
static int walk_with_masks(lull_grammar *g, const lull_trie *t, int at_start, int steps,
                           uint32_t *state)
{
    lull_matcher *m = open_matcher(g, at_start);
    int i;
    for (i = 0; i < steps; i++) {
        const int32_t id = compare_masks(m, t, at_start && i == 0, state);
        if (id < 0) break;
        assert_int_equal(lull_matcher_accept(m, id, NULL), LULL_OK);
        if (id == t->eos) break;
    }
    lull_matcher_close(m);
    return i;
}

static void masks_are_what_they_should_be(void **unused)
{
    static const char *const grammars[][4] = {
        {"BA|", "a|b|c| "},                     /* words */
        {"\"B\"", "#B|"},                       /* strings of any length, */
        {"\"BBBBBB\"", "#|"},                   /* and of up to 6 characters */
        {"\"BBBBBBBBBBBBBBBBBBBB\"a", "#|\\."}, /* and of 20, with escapes */
        {"B\",A|B.", "#C", "|#C"},              /* lists */
        {"#####"},                              /* an exact number */
        {"aAb|\"B", ".B|"},                     /* nested, then anything */
        {"BC", "###|#####", "a|\""},            /* a run that is not exact */
        {" B|  a", "a|b|ab|abc|cab"},           /* leading spaces */
        {"|a|\n"},                              /* nothing */
        {"\xc3\xa9|\xe3\x81\x82\xe3\x81\x84\xc3"
         "b"} /* tokens within characters */
    };
    lull_trie *t = open_trie();
    uint32_t state = 3;
    size_t i;
    int k;
    (void)unused;
    for (i = 0; i < sizeof grammars / sizeof *grammars; i++) {
        text_program program;
        lull_grammar *g;
        int32_t n = 0;
        while (n < 4 && grammars[i][n] != NULL) n++;
        g = open_grammar(make(&program, grammars[i], n), t);
        for (k = 0; k < 12; k++) walk_with_masks(g, t, k % 2, 14, &state);
        lull_grammar_release(g);
    }
    lull_trie_release(t);
}

static void random_masks_are_what_they_should_be(void **unused)
{
    lull_trie *t = open_trie();
    uint32_t state = 11;
    int tries, taken = 0;
    (void)unused;
    for (tries = 0; tries < 100; tries++) {
        char rules[4][32];
        const char *pointers[4];
        text_program program;
        lull_grammar *g;
        random_rules(&state, rules, pointers, 3);
        make(&program, pointers, 3);
        if (lull_grammar_open(&g, t, &program.p, NULL, NULL) != LULL_OK) continue;
        taken += walk_with_masks(g, t, tries % 2, 5, &state);
        lull_grammar_release(g);
    }
    assert_true(taken > 40);
    lull_trie_release(t);
}

static void the_end_of_a_text(void **unused)
{
    text_program program;
    lull_trie *t = open_trie();
    lull_grammar *g = open_grammar(MAKE(&program, "ab|ab\""), t);
    lull_matcher *m = open_matcher(g, 0);
    lull_error error;
    int allowed;
    (void)unused;
    assert_int_equal(lull_matcher_accept(m, 2, &error), LULL_EINVAL);
    assert_contains(error.message, "token 2 is not allowed after 0 bytes");
    assert_int_equal(lull_matcher_accept(m, id_of("ab"), &error), LULL_OK);
    assert_int_equal(lull_matcher_complete(m), 1);
    assert_int_equal(lull_matcher_accept(m, 1, &error), LULL_EINVAL); /* BOS */
    assert_int_equal(lull_matcher_accept(m, 0, &error), LULL_EINVAL); /* unknown */
    assert_int_equal(lull_matcher_accept(m, 2, &error), LULL_OK);
    assert_int_equal(lull_matcher_complete(m), 1);
    assert_int_equal(lull_matcher_accept(m, 2, &error), LULL_EINVAL); /* only once */
    assert_int_equal(lull_matcher_accept(m, id_of("\""), &error), LULL_EINVAL);
    assert_int_equal(lull_matcher_reset(m, &error), LULL_OK);
    assert_int_equal(lull_matcher_complete(m), 0);
    assert_int_equal(lull_matcher_accept_text(m, "abx", 3, &error), LULL_EINVAL);
    assert_contains(error.message, "byte 0x78 is not allowed after 2 bytes");
    assert_int_equal(error.offset, 2);
    assert_int_equal(lull_matcher_accept_text(m, "ab\"", 3, &error), LULL_OK);
    assert_int_equal(lull_matcher_allows(m, VOCAB, &allowed, &error), LULL_EINVAL);
    assert_contains(error.message, "expected 0..");
    assert_int_equal(lull_matcher_allows(m, -1, &allowed, &error), LULL_EINVAL);
    lull_matcher_close(m);
    lull_grammar_release(g);
    lull_trie_release(t);
}

static void the_space_after_bos(void **unused)
{
    text_program program;
    lull_trie *t = open_trie();
    lull_grammar *g = open_grammar(MAKE(&program, "a a"), t);
    lull_matcher *m = open_matcher(g, 1);
    int allowed;
    (void)unused;
    assert_int_equal(lull_matcher_allows(m, id_of(" a"), &allowed, NULL), LULL_OK);
    assert_int_equal(allowed, 1);
    assert_int_equal(lull_matcher_allows(m, 3 + ' ', &allowed, NULL), LULL_OK);
    assert_int_equal(allowed, 0); /* a byte token is its byte */
    assert_int_equal(lull_matcher_accept(m, id_of(" "), NULL), LULL_OK); /* nothing at all, */
    assert_int_equal(lull_matcher_allows(m, id_of(" "), &allowed, NULL), LULL_OK);
    assert_int_equal(allowed, 0); /* once */
    assert_int_equal(lull_matcher_accept(m, id_of("a"), NULL), LULL_OK);
    assert_int_equal(lull_matcher_accept(m, id_of(" a"), NULL), LULL_OK);
    assert_int_equal(lull_matcher_complete(m), 1);
    assert_int_equal(lull_matcher_reset(m, NULL), LULL_OK); /* at the start again */
    assert_int_equal(lull_matcher_accept(m, id_of(" a"), NULL), LULL_OK);
    lull_matcher_close(m);
    lull_grammar_release(g);
    lull_trie_release(t);
}

static void masks_need_a_vocabulary(void **unused)
{
    text_program program;
    float values[VOCAB] = {0};
    lull_trie *t = open_trie();
    lull_grammar *g = open_grammar(MAKE(&program, "a"), NULL);
    lull_matcher *m = open_matcher(g, 1);
    lull_error error;
    (void)unused;
    assert_int_equal(lull_matcher_mask(m, values, VOCAB, &error), LULL_ESTATE);
    assert_int_equal(lull_matcher_accept(m, 5, &error), LULL_ESTATE);
    lull_matcher_close(m);
    lull_grammar_release(g);
    g = open_grammar(&program.p, t);
    m = open_matcher(g, 0);
    lull_grammar_release(g); /* matchers keep it */
    lull_trie_release(t);
    assert_int_equal(lull_matcher_mask(m, values, VOCAB - 1, &error), LULL_EINVAL);
    assert_contains(error.message, "the vocabulary has");
    assert_int_equal(lull_matcher_mask(m, values, VOCAB, &error), LULL_OK);
    lull_matcher_close(m);
}

static void what_is_forced(void **unused)
{
    text_program program;
    lull_trie *t = open_trie();
    lull_grammar *g = open_grammar(MAKE(&program, "abcB", "abb|abc\n"), t);
    lull_matcher *m = open_matcher(g, 0), *other;
    char text[8];
    size_t n;
    int32_t id;
    (void)unused;
    assert_int_equal(lull_matcher_forced(m, text, 8, &n, &id, NULL), LULL_OK);
    assert_int_equal(n, 5);
    assert_memory_equal(text, "abcab", 5);
    assert_int_equal(id, -1);
    assert_int_equal(lull_matcher_forced(m, text, 3, &n, &id, NULL), LULL_OK);
    assert_int_equal(n, 3);
    assert_int_equal(lull_matcher_accept_text(m, "abcab", 5, NULL), LULL_OK);
    assert_int_equal(lull_matcher_forced(m, text, 8, &n, &id, NULL), LULL_OK);
    assert_int_equal(n, 0);
    assert_int_equal(id, -1);
    assert_int_equal(lull_matcher_clone(&other, m, NULL), LULL_OK);
    assert_int_equal(lull_matcher_accept_text(m, "b", 1, NULL), LULL_OK);
    assert_int_equal(lull_matcher_forced(m, text, 8, &n, &id, NULL), LULL_OK);
    assert_int_equal(n, 0);
    assert_int_equal(id, 2); /* EOS */
    assert_int_equal(lull_matcher_accept_text(other, "c", 1, NULL),
                     LULL_OK); /* a place of its own */
    assert_int_equal(lull_matcher_forced(other, text, 8, &n, &id, NULL), LULL_OK);
    assert_int_equal(n, 1);
    assert_int_equal(id, -1); /* "\n" and <0x0A> */
    lull_matcher_close(other);
    lull_matcher_close(m);
    lull_grammar_release(g);
    g = open_grammar(MAKE(&program, "\x07"), t);
    m = open_matcher(g, 0);
    assert_int_equal(lull_matcher_forced(m, text, 8, &n, &id, NULL), LULL_OK);
    assert_int_equal(n, 1);
    assert_int_equal(id, 3 + 7);
    lull_matcher_close(m);
    lull_grammar_release(g);
    lull_trie_release(t);
}

/* ---- limits */

static void depth_is_limited(void **unused)
{
    text_program program;
    lull_grammar_options o;
    lull_grammar *g;
    lull_matcher *m;
    lull_error error;
    int i;
    (void)unused;
    lull_grammar_options_init(&o);
    o.max_depth = 40;
    assert_int_equal(lull_grammar_open(&g, NULL, MAKE(&program, "aAb|c"), &o, &error), LULL_OK);
    m = open_matcher(g, 0);
    for (i = 0; lull_matcher_accept_text(m, "a", 1, &error) == LULL_OK; i++) assert_true(i < 41);
    assert_int_equal(error.code, LULL_ELIMIT);
    assert_contains(error.message, "deeper than 40 rules");
    assert_int_equal(lull_matcher_accept_text(m, "c", 1, &error), LULL_OK); /* it is where it was */
    for (; i > 0; i--) assert_int_equal(lull_matcher_accept_text(m, "b", 1, &error), LULL_OK);
    assert_int_equal(lull_matcher_complete(m), 1);
    lull_matcher_close(m);
    lull_grammar_release(g);
}

/* 2^18 stacks after one byte. */
static void ways_are_limited(void **unused)
{
    text_program program;
    char rules[20][8];
    const char *pointers[20];
    lull_grammar *g;
    lull_matcher *m;
    lull_error error;
    int i;
    (void)unused;
    for (i = 0; i < 18; i++) {
        snprintf(rules[i], sizeof rules[i], "%cx|%cy", 'B' + i, 'B' + i);
        pointers[i] = rules[i];
    }
    pointers[18] = "a";
    g = open_grammar(make(&program, pointers, 19), NULL);
    assert_int_equal(lull_matcher_open(&m, g, 0, &error), LULL_ELIMIT);
    assert_null(m);
    assert_contains(error.message, "more than 65536 ways");
    lull_grammar_release(g);
}

/* With very little memory, texts match all the same; matchers keep their places. */
static void little_memory_is_enough(void **unused)
{
    text_program program;
    lull_grammar_options o;
    lull_grammar *g;
    lull_grammar_info info;
    lull_trie *t = open_trie();
    lull_matcher *m[3];
    lull_error error;
    uint32_t state = 5;
    int i, k;
    (void)unused;
    lull_grammar_options_init(&o);
    o.max_memory_bytes = 60000;
    MAKE(&program, "aAb|bAa|\"B\"", "#B|");
    assert_int_equal(lull_grammar_open(&g, t, &program.p, &o, &error), LULL_OK);
    for (k = 0; k < 3; k++) m[k] = open_matcher(g, 0);
    for (i = 0; i < 120; i++) {
        for (k = 0; k < 3; k++) {
            const char c = (i * (k + 1) / 3) % 2 ? 'a' : 'b';
            if (i % 10 == 0) compare_masks(m[k], t, 0, &state);
            assert_int_equal(lull_matcher_accept_text(m[k], &c, 1, &error), LULL_OK);
        }
    }
    for (k = 0; k < 3; k++) {
        assert_int_equal(lull_matcher_accept_text(m[k], "\"\xc3\xa9\"", 4, &error), LULL_OK);
        for (i = 119; i >= 0; i--) {
            const char c = (i * (k + 1) / 3) % 2 ? 'b' : 'a';
            assert_int_equal(lull_matcher_accept_text(m[k], &c, 1, &error), LULL_OK);
        }
        assert_int_equal(lull_matcher_complete(m[k]), 1);
        lull_matcher_close(m[k]);
    }
    lull_grammar_info_get(g, &info);
    assert_true(info.flushes > 3);
    assert_true(info.memory_bytes < 80000);
    lull_grammar_release(g);
    lull_trie_release(t);
}

static void too_little_memory_is_an_error(void **unused)
{
    text_program program;
    lull_grammar_options o;
    lull_grammar *g;
    lull_matcher *m;
    lull_error error;
    (void)unused;
    lull_grammar_options_init(&o);
    o.max_memory_bytes = 1000;
    assert_int_equal(lull_grammar_open(&g, NULL, MAKE(&program, "a"), &o, &error), LULL_OK);
    assert_int_equal(lull_matcher_open(&m, g, 0, &error), LULL_ELIMIT);
    assert_contains(error.message, "the limit of 1000 bytes");
    lull_grammar_release(g);
}

/* ---- running out of memory */

/* A whole life; what fails gives ENOMEM and can be done again. */
static lull_status live(const lull_allocator *allocator, lull_model *model)
{
    text_program program;
    float values[VOCAB] = {0};
    lull_grammar_options o;
    lull_trie *t;
    lull_grammar *g = NULL;
    lull_matcher *m = NULL, *copy = NULL;
    lull_error error;
    lull_status status;
    model->allocator = *allocator;
    lull_grammar_options_init(&o);
    o.allocator = *allocator;
    o.max_memory_bytes = 40000;
    MAKE(&program, "aAb|\"B\"", "#B|");
    status = lull_trie_open(&t, model, &error);
    if (status == LULL_OK) status = lull_grammar_open(&g, t, &program.p, &o, &error);
    if (status == LULL_OK) status = lull_matcher_open(&m, g, 0, &error);
    if (status == LULL_OK) status = lull_matcher_clone(&copy, m, &error);
    if (status == LULL_OK) status = lull_matcher_mask(m, values, VOCAB, &error);
    if (status == LULL_OK) {
        int i;
        for (i = 0; i < 300 && status == LULL_OK; i++) {
            status = lull_matcher_accept_text(m, "a", 1, &error);
            assert_int_equal(m->length, (uint64_t)i + (status == LULL_OK));
        }
    }
    if (status != LULL_OK) {
        assert_int_equal(status, LULL_ENOMEM);
        assert_contains(error.message, "out of memory");
    }
    lull_matcher_close(copy);
    lull_matcher_close(m);
    lull_grammar_release(g);
    lull_trie_release(t);
    return status;
}

static void running_out_of_memory(void **unused)
{
    lull_model model;
    int for_ever;
    (void)unused;
    open_vocabulary(&model, NULL);
    for (for_ever = 0; for_ever < 2; for_ever++) {
        long k;
        for (k = 1;; k++) {
            failing f;
            lull_status status;
            failing_init(&f, k, for_ever);
            status = live(&f.allocator, &model);
            assert_int_equal(f.blocks, 0);
            assert_int_equal(f.bytes, 0);
            if (status == LULL_OK && f.calls < k) break;
        }
        assert_true(k > 40);
    }
    memset(&model.allocator, 0, sizeof model.allocator);
    lull_tokenizer_free(model.tokenizer);
}

static void no_tokenizer_no_trie(void **unused)
{
    lull_model model;
    lull_trie *t;
    lull_error error;
    (void)unused;
    memset(&model, 0, sizeof model);
    assert_int_equal(lull_trie_open(&t, &model, &error), LULL_ESTATE);
    assert_null(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_programs_are_refused),
        cmocka_unit_test(what_matches_nothing_is_refused),
        cmocka_unit_test(left_recursion_is_refused),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(random_grammars_match_what_they_should),
        cmocka_unit_test(what_is_allowed_can_be_completed),
        cmocka_unit_test(masks_are_what_they_should_be),
        cmocka_unit_test(random_masks_are_what_they_should_be),
        cmocka_unit_test(the_end_of_a_text),
        cmocka_unit_test(the_space_after_bos),
        cmocka_unit_test(masks_need_a_vocabulary),
        cmocka_unit_test(what_is_forced),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(ways_are_limited),
        cmocka_unit_test(little_memory_is_enough),
        cmocka_unit_test(too_little_memory_is_an_error),
        cmocka_unit_test(running_out_of_memory),
        cmocka_unit_test(no_tokenizer_no_trie),
    };
    return cmocka_run_group_tests_name("grammar", tests, NULL, NULL);
}
