/* test_grammar.c - programs good and bad; the machine against a plain recogniser on random grammars;
 * its limits. */
#include "grammar_cases.h"

/* Does the whole text match? */
static int matches(lull_grammar *g, const char *text, size_t n)
{
    lull_matcher *m = open_matcher(g, 0);
    const int yes =
        lull_matcher_accept_text(m, text, n, NULL) == LULL_OK && lull_matcher_complete(m);
    lull_matcher_close(m);
    return yes;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_programs_are_refused),
        cmocka_unit_test(what_matches_nothing_is_refused),
        cmocka_unit_test(left_recursion_is_refused),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(random_grammars_match_what_they_should),
        cmocka_unit_test(what_is_allowed_can_be_completed),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(ways_are_limited),
        cmocka_unit_test(too_little_memory_is_an_error),
    };
    return cmocka_run_group_tests_name("grammar", tests, NULL, NULL);
}
