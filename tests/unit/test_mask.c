/* test_mask.c - which tokens are allowed, against the definition, token by token; little memory, and
 * running out of it. */
#include "failing.h"
#include "grammar_cases.h"
#include "model.h"

#include <math.h>

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
                                    "a\xc3",
                                    "b\xe3\x81",
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

/* ---- memory */

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
        cmocka_unit_test(masks_are_what_they_should_be),
        cmocka_unit_test(random_masks_are_what_they_should_be),
        cmocka_unit_test(the_end_of_a_text),
        cmocka_unit_test(the_space_after_bos),
        cmocka_unit_test(masks_need_a_vocabulary),
        cmocka_unit_test(what_is_forced),
        cmocka_unit_test(little_memory_is_enough),
        cmocka_unit_test(running_out_of_memory),
        cmocka_unit_test(no_tokenizer_no_trie),
    };
    return cmocka_run_group_tests_name("mask", tests, NULL, NULL);
}
