/* logits_history.c - verbs of logits that look at the tokens of a sequence: penalties, DRY, bans of
 * repeated n-grams.
 *
 * What of the history counts: from the token `from` (1 = the first, the default; #prompt + 1 leaves
 * the prompt out), and of that the newest `last` (default all). */
#include "objects.h"

#include <stdint.h>

static const double most_count = 9007199254740992.0;

typedef struct history {
    const int32_t *tokens; /* (n), oldest first */
    size_t n;
} history;

/* A count an option gives, as a size: what is too large for one is all there can be. */
static size_t count_option(lua_State *L, int arg, const char *name, double low, double fallback)
{
    const double v = lull_option_integer(L, arg, name, low, most_count, fallback);
    return v < (double)SIZE_MAX ? (size_t)v : SIZE_MAX;
}

/* Push the buffer for the lengths of matches in the history of the sequence at 2. */
static int32_t *push_lengths(lua_State *L)
{
    lull_context_info info;
    lull_context_info_get(lull_open_sequence(L, 2)->context->handle, &info);
    lull_getenv(L, 2);
    return lull_push_buffer(L, SLOT_LENGTHS, (size_t)info.length * sizeof(int32_t));
}

/* Push the buffer for a number per token, of the logits at 1. */
static double *push_work(lua_State *L)
{
    const size_t n = (size_t)lull_open_logits(L)->n;
    lull_getenv(L, 1);
    return lull_push_buffer(L, SLOT_WORK, n * sizeof(double));
}

/* The history of the sequence at 2, which is looked at last: options and allocation may have run
 * anything. */
static history open_history(lua_State *L, size_t from, size_t last)
{
    const lull_lua_sequence *s = lull_open_sequence(L, 2);
    const size_t length = lull_sequence_length(s->handle);
    history h;
    if (s->context->vocab != lull_open_logits(L)->n)
        luaL_argerror(L, 2, "its model has another vocabulary");
    h.n = from <= length ? length - from + 1 : 0;
    if (h.n > last) h.n = last;
    h.tokens = lull_sequence_tokens(s->handle) + (length - h.n);
    return h;
}

/* logits:penalize(seq, {repetition =, frequency =, presence =, last =, decay =, from =}) */
static int logits_penalize(lua_State *L)
{
    static const char *const names[] = {"repetition", "frequency", "presence", "last",
                                        "decay",      "from",      NULL};
    lull_penalty penalty;
    double *work;
    float *values;
    size_t from;
    history h;
    lull_open_logits(L);
    lull_open_sequence(L, 2);
    lua_settop(L, 3);
    lull_options_check(L, 3, names);
    penalty.repetition = lull_option_number(L, 3, "repetition", 1e-6, 1e6, 1);
    penalty.frequency = lull_option_number(L, 3, "frequency", -1e6, 1e6, 0);
    penalty.presence = lull_option_number(L, 3, "presence", -1e6, 1e6, 0);
    penalty.last = count_option(L, 3, "last", 0, most_count);
    penalty.decay = count_option(L, 3, "decay", 0, 0);
    from = count_option(L, 3, "from", 1, 1);
    work = push_work(L);
    values = lull_open_whole_logits(L)->values;
    h = open_history(L, from, SIZE_MAX);
    lull_logits_penalize(values, h.tokens, h.n, &penalty, work);
    return lull_itself(L);
}

/* logits:dry(seq, {multiplier = 0.8, base = 1.75, allowed_length = 2, breakers =, last =, from =}) */
static int logits_dry(lua_State *L)
{
    static const char *const names[] = {"multiplier", "base", "allowed_length", "breakers", "last",
                                        "from",       NULL};
    lull_dry dry;
    double *work;
    float *values;
    int32_t *lengths;
    size_t from, last;
    history h;
    const int32_t n = lull_open_logits(L)->n;
    lull_open_sequence(L, 2);
    lua_settop(L, 3);
    lull_options_check(L, 3, names);
    dry.multiplier = lull_option_number(L, 3, "multiplier", 0, 1e6, 0.8);
    dry.base = lull_option_number(L, 3, "base", 1, 1e6, 1.75);
    dry.allowed_length = count_option(L, 3, "allowed_length", 1, 2);
    last = count_option(L, 3, "last", 0, most_count);
    from = count_option(L, 3, "from", 1, 1);
    dry.breakers = NULL;
    if (lull_option_push(L, 3, "breakers"))
        dry.breakers = lull_need_token_set(L, 3, lua_gettop(L), "breakers", n);
    work = push_work(L);
    lengths = push_lengths(L);
    values = lull_open_whole_logits(L)->values;
    h = open_history(L, from, last);
    lull_logits_dry(values, h.tokens, h.n, &dry, work, lengths);
    return lull_itself(L);
}

/* logits:no_repeat(seq, n [, {last =, from =}]) */
static int logits_no_repeat(lua_State *L)
{
    static const char *const names[] = {"last", "from", NULL};
    int32_t *lengths;
    size_t n, from, last;
    float *values;
    history h;
    double wanted;
    lull_open_logits(L);
    lull_open_sequence(L, 2);
    wanted = lull_check_integer(L, 3, 1, most_count);
    n = wanted < (double)SIZE_MAX ? (size_t)wanted : SIZE_MAX;
    lua_settop(L, 4);
    lull_options_check(L, 4, names);
    last = count_option(L, 4, "last", 0, most_count);
    from = count_option(L, 4, "from", 1, 1);
    lengths = push_lengths(L);
    values = lull_open_whole_logits(L)->values;
    h = open_history(L, from, last);
    lull_logits_no_repeat(values, h.tokens, h.n, n, lengths);
    return lull_itself(L);
}

const luaL_Reg lull_history_verbs[] = {
    {"penalize", logits_penalize},
    {"dry", logits_dry},
    {"no_repeat", logits_no_repeat},
    {NULL, NULL},
};
