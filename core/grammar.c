/* grammar.c - grammars as objects: opened, shared, counted. */
#include "grammar.h"

#define DEFAULT_MEMORY ((uint64_t)32 << 20)
#define MOST_MEMORY    ((uint64_t)1 << 32) /* then counts of stacks and states fit 31 bits */
#define DEFAULT_DEPTH  1000
#define MOST_DEPTH     60000

void lull_grammar_options_init(lull_grammar_options *o)
{
    memset(o, 0, sizeof *o);
    o->max_memory_bytes = DEFAULT_MEMORY;
    o->max_depth = DEFAULT_DEPTH;
}

static lull_status check_options(const lull_grammar_options *o, lull_error *error)
{
    if (o->max_depth < 1 || o->max_depth > MOST_DEPTH)
        return lull_fail(error, LULL_EINVAL, 0, 0, "max_depth is %ld, expected 1..%ld",
                         (long)o->max_depth, (long)MOST_DEPTH);
    if (o->max_memory_bytes > MOST_MEMORY)
        return lull_fail(error, LULL_EINVAL, 0, 0, "max_memory_bytes is %llu, expected 0..%llu",
                         (unsigned long long)o->max_memory_bytes, (unsigned long long)MOST_MEMORY);
    return LULL_OK;
}

/* The code, and room for the way down the trie. */
static lull_status fill(lull_grammar *g, const lull_program *program, lull_error *error)
{
    lull_status status = lull_code_make(&g->code, program, &g->allocator, error);
    size_t bytes;
    if (status != LULL_OK || g->trie == NULL) return status;
    bytes = ((size_t)g->trie->depth + 1) * sizeof *g->trail;
    g->trail = lull_memory_get(&g->allocator, bytes);
    return g->trail != NULL ? LULL_OK : lull_memory_fail(error, "grammar", bytes);
}

lull_status lull_grammar_open(lull_grammar **out, lull_trie *trie, const lull_program *program,
                              const lull_grammar_options *options, lull_error *error)
{
    lull_grammar_options defaults;
    lull_grammar *g;
    lull_status status;
    lull_error_clear(error);
    *out = NULL;
    lull_grammar_options_init(&defaults);
    if (options == NULL) options = &defaults;
    status = check_options(options, error);
    if (status != LULL_OK) return status;
    g = lull_memory_get_zeroed(&options->allocator, sizeof *g);
    if (g == NULL) return lull_memory_fail(error, "grammar", sizeof *g);
    g->references = 1;
    g->allocator = options->allocator;
    g->trie = trie != NULL ? lull_trie_retain(trie) : NULL;
    g->max_bytes = options->max_memory_bytes != 0 ? options->max_memory_bytes : DEFAULT_MEMORY;
    g->max_depth = (uint32_t)options->max_depth;
    status = fill(g, program, error);
    if (status == LULL_OK)
        *out = g;
    else
        lull_grammar_release(g);
    return status;
}

lull_grammar *lull_grammar_retain(lull_grammar *g)
{
    g->references++;
    return g;
}

void lull_grammar_release(lull_grammar *g)
{
    lull_allocator allocator;
    if (g == NULL || --g->references > 0) return;
    allocator = g->allocator;
    lull_states_free(g);
    lull_code_free(&g->code, &allocator);
    lull_memory_put(&allocator, g->trail);
    lull_trie_release(g->trie);
    lull_memory_put(&allocator, g);
}

void lull_grammar_info_get(const lull_grammar *g, lull_grammar_info *info)
{
    uint32_t i;
    memset(info, 0, sizeof *info);
    info->rules = g->code.n_rules;
    info->states = (int32_t)g->found.n_states;
    for (i = 0; i < g->found.n_states; i++) info->masks += g->found.states[i].mask != NULL;
    info->flushes = g->flushes;
    info->memory_bytes = sizeof *g + g->code.bytes + g->found.bytes +
                         2 * (uint64_t)g->room * sizeof *g->work +
                         (g->trie != NULL ? (g->trie->depth + 1) * sizeof *g->trail : 0);
}
