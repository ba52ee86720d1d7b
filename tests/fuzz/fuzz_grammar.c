/* fuzz_grammar.c - any program: refused, or run without going astray.
 *
 *  1 byte    flags: 1 little memory, 2 little depth, 4 right after BOS, 8 an offset is replaced
 *  1 byte    n_sets, up to 15; for each 2 bytes: first, last (none when last is less)
 *  1 byte    n_rules, up to 31, then their elements: 00..3f a set, 40..7f a rule, 80 the next
 *            alternative, 81 the next rule, 82 and 4 bytes any number at all
 *  with 8    3 bytes: which offset, its new value
 *  the rest  what to do with a matcher, a byte each and what that needs */
#include "grammar.h"
#include "model.h"
#include "tiny.h"

#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { VOCAB = 300, MOST = 4096 };

typedef struct input {
    const uint8_t *at, *end;
} input;

static uint8_t take(input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

static lull_trie *open_trie(void)
{
    size_t bytes;
    unsigned char *file = tiny_tokenizer(VOCAB, LULL_BIG_ENDIAN, &bytes);
    lull_model m;
    lull_reader r;
    lull_trie *t;
    memset(&m, 0, sizeof m);
    lull_reader_open_memory(&r, file, bytes, "memory");
    if (lull_tokenizer_load(&m.tokenizer, &r, VOCAB, &m.allocator, NULL) != LULL_OK) abort();
    lull_reader_close(&r);
    free(file);
    if (lull_trie_open(&t, &m, NULL) != LULL_OK) abort();
    lull_tokenizer_free(m.tokenizer);
    return t;
}

typedef struct arrays {
    int32_t rules[40], alternatives[MOST + 1], elements[MOST];
    uint8_t sets[16][32];
    const char *names[40];
    lull_program p;
} arrays;

static void read_sets(arrays *a, input *in)
{
    int32_t s;
    a->p.n_sets = take(in) % 16;
    for (s = 0; s < a->p.n_sets; s++) {
        const unsigned first = take(in), last = take(in);
        unsigned b;
        for (b = first; b <= last; b++) a->sets[s][b / 8] |= (uint8_t)(1u << b % 8);
    }
}

static void end_alternative(arrays *a)
{
    a->alternatives[++a->p.n_alternatives] = a->p.n_elements;
}

static void read_rules(arrays *a, input *in)
{
    const int32_t n = take(in) % 32;
    while (a->p.n_rules < n && a->p.n_elements < MOST && a->p.n_alternatives + 1 < MOST) {
        const uint8_t b = take(in);
        if (b == 0x81 || in->at == in->end) {
            end_alternative(a);
            a->names[a->p.n_rules] = b & 2 ? "a name" : NULL;
            a->rules[++a->p.n_rules] = a->p.n_alternatives;
        } else if (b == 0x80) {
            end_alternative(a);
        } else if (b == 0x82) {
            uint32_t v = take(in);
            v = v << 8 | take(in);
            v = v << 8 | take(in);
            a->elements[a->p.n_elements++] = (int32_t)(v << 8 | take(in));
        } else {
            a->elements[a->p.n_elements++] = b & 0x40 ? ~(int32_t)(b & 0x3f) : b & 0x3f;
        }
    }
}

static void read_program(arrays *a, input *in, int replace)
{
    memset(a, 0, sizeof *a);
    read_sets(a, in);
    read_rules(a, in);
    if (replace) {
        const unsigned which = take(in);
        const int32_t v = (int16_t)(take(in) << 8 | take(in));
        if (which & 1)
            a->rules[which / 2 % 40] = v;
        else
            a->alternatives[which / 2] = v;
    }
    a->p.rules = a->rules;
    a->p.alternatives = a->alternatives;
    a->p.elements = a->elements;
    a->p.sets = a->sets[0];
    a->p.names = a->names;
}

/* A mask allows what allows() does. */
static void check_mask(lull_matcher *m)
{
    float values[VOCAB];
    lull_matcher *copy;
    int32_t id;
    int allowed;
    for (id = 0; id < VOCAB; id++) values[id] = 0;
    if (lull_matcher_clone(&copy, m, NULL) != LULL_OK) return;
    if (lull_matcher_mask(m, values, VOCAB, NULL) == LULL_OK) {
        for (id = 0; id < VOCAB; id++) {
            const lull_status status = lull_matcher_accept(copy, id, NULL);
            if (status == LULL_ELIMIT) break;
            if ((status == LULL_OK) != (values[id] == 0)) abort();
            if (lull_matcher_allows(m, id, &allowed, NULL) != LULL_OK) abort();
            if (allowed != (values[id] == 0)) abort();
            lull_matcher_close(copy);
            if (lull_matcher_clone(&copy, m, NULL) != LULL_OK) return;
        }
    }
    lull_matcher_close(copy);
}

static void use(lull_grammar *g, int at_start, input *in)
{
    lull_matcher *m, *copy;
    char text[16];
    size_t n;
    int32_t id;
    int steps, allowed;
    if (lull_matcher_open(&m, g, at_start, NULL) != LULL_OK) return;
    for (steps = 0; in->at < in->end && steps < 64; steps++) {
        const uint8_t what = take(in);
        switch (what % 6) {
        case 0: check_mask(m); break;
        case 1:
            id = take(in) | (what & 0x80) << 1;
            if (lull_matcher_allows(m, id, &allowed, NULL) == LULL_OK &&
                lull_matcher_accept(m, id, NULL) == LULL_OK && !allowed)
                abort();
            break;
        case 2:
            for (n = 0; n < (size_t)(what >> 4); n++) text[n] = (char)take(in);
            lull_matcher_accept_text(m, text, n, NULL);
            break;
        case 3:
            if (lull_matcher_forced(m, text, sizeof text, &n, &id, NULL) == LULL_OK && n > 0 &&
                lull_matcher_accept_text(m, text, n, NULL) == LULL_EINVAL)
                abort();
            break;
        case 4:
            if (lull_matcher_clone(&copy, m, NULL) != LULL_OK) break;
            lull_matcher_close(what & 0x80 ? m : copy);
            if (what & 0x80) m = copy;
            break;
        default:
            if (lull_matcher_complete(m)) lull_matcher_reset(m, NULL);
        }
    }
    lull_matcher_close(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static lull_trie *trie; /* made once: a run is short beside that */
    static arrays a;
    lull_grammar_options o;
    lull_grammar *g;
    uint8_t flags;
    input in;
    if (!trie) trie = open_trie();
    in.at = data;
    in.end = data + n;
    flags = take(&in);
    read_program(&a, &in, flags & 8);
    lull_grammar_options_init(&o);
    o.max_memory_bytes = flags & 1 ? 20000 : 1 << 20;
    o.max_depth = flags & 2 ? 5 : 100;
    if (lull_grammar_open(&g, trie, &a.p, &o, NULL) != LULL_OK) return 0;
    use(g, flags & 4, &in);
    lull_grammar_release(g);
    return 0;
}
