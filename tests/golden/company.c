/* company.c - a sequence's logits do not depend on who else is there: twenty sequences, one by one
 * and then together, fed in pieces of any size, with any number of threads, in passes of any size.
 *
 * The hash of a sequence takes in every logit after each of its tokens; the line of a model is the
 * hash of all its sequences' hashes. */
#include "golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_SEQUENCES 20
#define MOST_TOKENS 64

typedef struct company_way {
    const char *name;
    int32_t chunk, threads, batch; /* tokens fed at once, at most */
} company_way;

static const company_way WAYS[] = {
    {"pieces of 1, 1 thread", 1, 1, 32},    {"pieces of 7, 2 threads", 7, 2, 32},
    {"pieces of 64, 3 threads", 64, 3, 64}, {"pieces of 1, 3 threads", 1, 3, 17},
    {"pieces of 7, 1 thread", 7, 1, 5},     {"pieces of 64, 2 threads", 64, 2, 33},
    {"pieces of 64, 1 thread", 64, 1, 16},  {"pieces of 1, 2 threads", 1, 2, 3},
    {"pieces of 7, 3 threads", 7, 3, 100},
};
#define N_WAYS ((int)(sizeof WAYS / sizeof WAYS[0]))

typedef struct member {
    lull_sequence *sequence;
    int32_t length, fed, hashed;
    uint64_t hash;
} member;

static uint32_t chance; /* Numerical Recipes' generator */

static int32_t below(int32_t n)
{
    chance = chance * 1664525u + 1013904223u;
    return (int32_t)((chance >> 8) % (uint32_t)n);
}

static lull_context *open_context(lull_model *model, const char *cpu, const company_way *w,
                                  int32_t sequences)
{
    lull_context_options options;
    lull_context *c;
    lull_error error;
    lull_context_options_init(&options);
    options.sequences = sequences;
    options.length = MOST_TOKENS;
    options.threads = w->threads;
    options.batch = w->batch;
    options.cpu = cpu;
    if (lull_context_open(&c, model, &options, &error) != LULL_OK) golden_die("context", &error);
    return c;
}

static void feed(member *m, int32_t salt, int32_t n, int32_t vocab_size)
{
    lull_feed_options options = {0};
    int32_t tokens[MOST_TOKENS], i;
    lull_error error;
    options.all_logits = 1;
    if (n > m->length - m->fed) n = m->length - m->fed;
    for (i = 0; i < n; i++) tokens[i] = golden_token(m->fed + i, salt, vocab_size);
    if (lull_sequence_feed(m->sequence, tokens, (size_t)n, &options, &error) != LULL_OK)
        golden_die("feed", &error);
    m->fed += n;
}

/* Take in the logits of tokens that were evaluated since. */
static void take(member *m, int32_t vocab_size)
{
    for (; m->hashed < m->fed; m->hashed++) {
        const float *logits;
        lull_error error;
        if (lull_sequence_logits_at(m->sequence, (size_t)m->hashed, -1, &logits, &error) != LULL_OK)
            golden_die("logits", &error);
        m->hash = golden_hash(m->hash, logits, vocab_size);
    }
}

static void begin(member *m, lull_context *c, int32_t i)
{
    lull_error error;
    m->length = 3 + (i * 37 + 11) % (MOST_TOKENS - 3);
    m->fed = m->hashed = 0;
    m->hash = GOLDEN_START;
    if (lull_sequence_open(&m->sequence, c, &error) != LULL_OK) golden_die("sequence", &error);
}

static void step(lull_context *c, size_t max_tokens)
{
    lull_error error;
    if (lull_context_step(c, max_tokens, NULL, &error) != LULL_OK) golden_die("step", &error);
}

/* One round: some are fed, the context steps a little, who is done is taken in.  0 = all ended. */
static int round_of(member *members, lull_context *c, const company_way *w, int32_t vocab_size)
{
    int32_t i, left = 0;
    for (i = 0; i < N_SEQUENCES; i++) {
        member *m = &members[i];
        if (m->hashed == m->fed && m->fed < m->length && below(3) > 0)
            feed(m, i, 1 + below(w->chunk), vocab_size);
    }
    step(c, (size_t)below(50));
    for (i = 0; i < N_SEQUENCES; i++) {
        member *m = &members[i];
        if (m->hashed < m->fed && lull_sequence_pending(m->sequence) == 0) take(m, vocab_size);
        left += m->hashed < m->length;
    }
    return left > 0;
}

static uint64_t together(lull_model *model, const char *cpu, const company_way *w,
                         int32_t vocab_size)
{
    lull_context *c = open_context(model, cpu, w, N_SEQUENCES);
    member members[N_SEQUENCES];
    uint64_t all = GOLDEN_START;
    int32_t i;
    chance = (uint32_t)(w->chunk * 1000 + w->threads * 100 + w->batch);
    for (i = 0; i < N_SEQUENCES; i++) begin(&members[i], c, i);
    while (round_of(members, c, w, vocab_size)) continue;
    for (i = 0; i < N_SEQUENCES; i++) {
        all = (all ^ members[i].hash) * UINT64_C(0x100000001b3);
        lull_sequence_close(members[i].sequence);
    }
    lull_context_close(c);
    return all;
}

static uint64_t alone(lull_model *model, const char *cpu, int32_t vocab_size)
{
    static const company_way one = {"alone", 1, 1, 1};
    uint64_t all = GOLDEN_START;
    int32_t i;
    for (i = 0; i < N_SEQUENCES; i++) {
        lull_context *c = open_context(model, cpu, &one, 1);
        member m;
        begin(&m, c, i);
        while (m.hashed < m.length) {
            feed(&m, i, 1, vocab_size);
            step(c, 0);
            take(&m, vocab_size);
        }
        all = (all ^ m.hash) * UINT64_C(0x100000001b3);
        lull_sequence_close(m.sequence);
        lull_context_close(c);
    }
    return all;
}

void golden_company(lull_model *model, const char *name, const char *precision)
{
#if defined(__x86_64__)
    const int n_ways = N_WAYS, with_alone = 1;
#else /* other machines are emulated, mostly: a few ways, and one of a model of some size */
    const int small = strcmp(name, "lullaby") != 0, n_ways = small ? 3 : 2, with_alone = small;
#endif
    int n_tables, i, w;
    const lull_kernels *const *tables = lull_kernels_all(&n_tables);
    lull_model_info info;
    char key[40];
    lull_model_info_get(model, &info);
    snprintf(key, sizeof key, "company-%s", name);
    for (i = 0; i < n_tables; i++) {
        const char *cpu = tables[i]->name, *class;
        if (!tables[i]->available()) continue;
        class = golden_class(model, tables[i]);
        if (with_alone)
            golden_check_one(key, precision, class, 0, alone(model, cpu, info.config.vocab_size),
                             cpu, "alone");
        for (w = with_alone ? 0 : 1; w < n_ways; w++)
            golden_check_one(key, precision, class, 0,
                             together(model, cpu, &WAYS[w], info.config.vocab_size), cpu,
                             WAYS[w].name);
    }
}
