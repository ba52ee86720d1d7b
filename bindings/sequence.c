/* sequence.c - sequences for Lua: feeding, history, scores, fork and rewind.
 *
 * Positions in Lua count from 1; from -1 backwards they count from the end, as in string.sub.
 */
#include "objects.h"

#include <stdio.h>
#include <string.h>

static const double most_index = 2147483647.0;

lull_lua_sequence *lull_open_sequence(lua_State *L, int arg)
{
    lull_lua_sequence *s = lull_object_check(L, arg, &lull_sequence_kind);
    if (s->handle == NULL) luaL_error(L, "attempt to use a closed sequence");
    if (s->context->handle == NULL) luaL_error(L, "attempt to use a sequence of a closed context");
    return s;
}

static lull_model *model_of(lua_State *L, int arg)
{
    return lull_shared_model(lull_open_sequence(L, arg)->context->shared);
}

static lull_sequence *handle_of(lua_State *L)
{
    return lull_open_sequence(L, 1)->handle;
}

/* ---------------------------------------------------------------------------------- opening */

/* Push an object without a handle, bound to the context on top of the stack, which is popped.
 */
static lull_lua_sequence *sequence_new(lua_State *L)
{
    lull_lua_context *context = lua_touserdata(L, -1);
    lull_lua_sequence *s = lull_object_new(L, &lull_sequence_kind);
    s->context = context;
    lua_createtable(L, SLOT_LAST, 0);
    lua_pushvalue(L, -3);
    lua_rawseti(L, -2, SLOT_CONTEXT);
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, SLOT_SEQUENCE);
    lull_setenv(L, -2);
    lua_remove(L, -2);
    return s;
}

/* Garbage may hold places (ELIMIT) or memory: collect it once and try again. */
static int worth_collecting(lua_State *L, lull_status status, int attempt)
{
    if (attempt > 0 || (status != LULL_ENOMEM && status != LULL_ELIMIT)) return 0;
    lua_gc(L, LUA_GCCOLLECT, 0);
    return 1;
}

/* C memory of a sequence: logits and, per token, its id, its score and a flag. */
static void nudge(lua_State *L, const lull_lua_sequence *s)
{
    lull_context_info info;
    lull_context_info_get(s->context->handle, &info);
    lull_nudge(L, (uint64_t)s->context->vocab * 4 + (uint64_t)info.length * 9);
}

/* context:sequence() */
int lull_lua_sequence_new(lua_State *L)
{
    lull_lua_sequence *s;
    lull_status status;
    lull_error error;
    int attempt = 0;
    lull_open_context(L, 1);
    lua_settop(L, 1);
    lua_pushvalue(L, 1);
    s = sequence_new(L);
    do status = lull_sequence_open(&s->handle, lull_open_context(L, 1)->handle, &error);
    while (status != LULL_OK && worth_collecting(L, status, attempt++));
    if (status != LULL_OK) return lull_push_failure(L, &error);
    nudge(L, s);
    return 1;
}

/* sequence:fork() */
static int sequence_fork(lua_State *L)
{
    lull_lua_sequence *s;
    lull_status status;
    lull_error error;
    int attempt = 0;
    lull_open_sequence(L, 1);
    lua_settop(L, 1);
    lull_getenv(L, 1);
    lua_rawgeti(L, -1, SLOT_CONTEXT);
    s = sequence_new(L);
    do status = lull_sequence_fork(&s->handle, handle_of(L), &error);
    while (status != LULL_OK && worth_collecting(L, status, attempt++));
    if (status != LULL_OK) return lull_push_failure(L, &error);
    nudge(L, s);
    return 1;
}

/* ---------------------------------------------------------------------------------- feeding */

/* The text, id or list at argument 2 as ids; text that opens a sequence starts with BOS.
 * NULL where encoding failed. */
static const int32_t *tokens_argument(lua_State *L, int32_t *one, size_t *n, lull_error *error)
{
    lull_lua_sequence *s = lull_open_sequence(L, 1);
    if (lua_type(L, 2) == LUA_TSTRING) {
        unsigned flags = lull_sequence_length(s->handle) == 0 ? LULL_ENCODE_START : 0;
        return lull_encode_argument(L, 2, flags, model_of, 1, n, error);
    }
    if (lua_type(L, 2) != LUA_TNUMBER && !lua_istable(L, 2))
        lull_type_error(L, 2, 2, NULL, "text, a token id or a list of token ids");
    return lull_check_ids(L, 2, s->context->vocab, one, n);
}

/* Option layers, a list of numbers of layers (1 = after the first), as 0-based indices in a new
 * userdata, which is pushed. */
static void layers_option(lua_State *L, int arg, lull_feed_options *o)
{
    static const double most_layers = 4096; /* the core checks against the model's */
    int32_t *layers;
    size_t i, n;
    int list;
    if (!lull_option_push(L, arg, "layers")) return;
    list = lua_gettop(L);
    if (!lua_istable(L, list)) lull_type_error(L, arg, list, "layers", "a list of layers");
    n = lull_rawlen(L, list);
    if (n > (size_t)most_layers) luaL_argerror(L, arg, "layers is too long");
    layers = lua_newuserdata(L, n * sizeof *layers + 1);
    for (i = 0; i < n; i++) {
        lua_rawgeti(L, list, (int)(i + 1));
        layers[i] =
            (int32_t)lull_need_integer(L, arg, lua_gettop(L), "a layer", 1, most_layers) - 1;
        lua_pop(L, 1);
    }
    o->layers = layers;
    o->n_layers = (int32_t)n;
}

/* sequence:feed(text | id | {ids} [, {logits = "last" | "all", score =, hidden =, layers =}]) ->
 * sequence */
static int sequence_feed(lua_State *L)
{
    static const char *const names[] = {"logits", "score", "hidden", "layers", NULL};
    static const char *const kept[] = {"last", "all", NULL};
    const int32_t *ids;
    int32_t one;
    size_t n;
    lull_feed_options options;
    lull_error error;
    lull_open_sequence(L, 1);
    lua_settop(L, 3);
    lull_options_check(L, 3, names);
    memset(&options, 0, sizeof options);
    options.all_logits = lull_option_choice(L, 3, "logits", kept, 0);
    options.score = lull_option_boolean(L, 3, "score", 0);
    options.hidden = lull_option_boolean(L, 3, "hidden", 0);
    layers_option(L, 3, &options);
    ids = tokens_argument(L, &one, &n, &error);
    if (ids == NULL || lull_sequence_feed(handle_of(L), ids, n, &options, &error) != LULL_OK)
        return lull_push_failure(L, &error);
    lua_settop(L, 1);
    return 1;
}

/* sequence:guess(id | {ids}) -> how many of them fit */
static int sequence_guess(lua_State *L)
{
    const int32_t *ids;
    int32_t one;
    size_t n;
    lull_error error;
    lua_settop(L, 2);
    ids = lull_check_ids(L, 2, lull_open_sequence(L, 1)->context->vocab, &one, &n);
    if (lull_sequence_guess(handle_of(L), ids, &n, &error) != LULL_OK)
        return lull_push_failure(L, &error);
    lull_push_count(L, n);
    return 1;
}

/* sequence:guesses() -> how many guesses still hold */
static int sequence_guesses(lua_State *L)
{
    lull_push_count(L, lull_sequence_guesses(handle_of(L)));
    return 1;
}

/* sequence:rewind(n) -> sequence */
static int sequence_rewind(lua_State *L)
{
    lull_sequence *handle = handle_of(L);
    size_t n = (size_t)lull_check_integer(L, 2, 0, (double)lull_sequence_length(handle));
    lull_error error;
    if (lull_sequence_rewind(handle, n, &error) != LULL_OK) return lull_push_failure(L, &error);
    lua_settop(L, 1);
    return 1;
}

/* sequence:score(text | id | {ids}) -> list of log-probabilities */
static int sequence_score(lua_State *L)
{
    const int32_t *ids;
    int32_t one;
    float *scores;
    size_t i, n;
    lull_error error;
    lull_open_sequence(L, 1);
    lua_settop(L, 2);
    ids = tokens_argument(L, &one, &n, &error);
    if (ids == NULL) return lull_push_failure(L, &error);
    scores = lua_newuserdata(L, n * sizeof *scores + 1);
    if (lull_sequence_score(handle_of(L), ids, n, scores, &error) != LULL_OK)
        return lull_push_failure(L, &error);
    lua_createtable(L, (int)n, 0);
    for (i = 0; i < n; i++) {
        lua_pushnumber(L, scores[i]);
        lua_rawseti(L, -2, (int)(i + 1));
    }
    return 1;
}

/* ---------------------------------------------------------------------------------- history */

/* Arguments i and j, by default the whole, as the range first .. first + count - 1 from 0. */
static size_t range_arguments(lua_State *L, size_t length, size_t *first)
{
    double n = (double)length, i = 1, j = -1;
    if (!lua_isnoneornil(L, 2)) i = lull_check_integer(L, 2, -most_index, most_index);
    if (!lua_isnoneornil(L, 3)) j = lull_check_integer(L, 3, -most_index, most_index);
    if (i < 0) i += n + 1;
    if (j < 0) j += n + 1;
    if (i < 1) i = 1;
    if (j > n) j = n;
    *first = 0;
    if (i > j) return 0;
    *first = (size_t)i - 1;
    return (size_t)(j - i) + 1;
}

/* Token i of the sequence at 1, by default the last, counted from 0.  Raises outside. */
size_t lull_token_argument(lua_State *L, int arg)
{
    double n = (double)lull_sequence_length(handle_of(L)), i = n;
    if (!lua_isnoneornil(L, arg)) i = lull_check_integer(L, arg, -n, n);
    if (i < 0) i += n + 1;
    if (i < 1) luaL_argerror(L, arg, n < 1 ? "the sequence is empty" : "tokens count from 1");
    return (size_t)i - 1;
}

/* sequence:tokens([i [, j]]) -> list of ids */
static int sequence_tokens(lua_State *L)
{
    size_t i, n, first;
    const int32_t *tokens;
    lull_sequence *handle = handle_of(L);
    lua_settop(L, 3);
    n = range_arguments(L, lull_sequence_length(handle), &first);
    lua_createtable(L, (int)n, 0);
    handle = handle_of(L); /* a finalizer may have run */
    n = range_arguments(L, lull_sequence_length(handle), &first);
    tokens = lull_sequence_tokens(handle);
    for (i = 0; i < n; i++) {
        lua_pushinteger(L, tokens[first + i]);
        lua_rawseti(L, -2, (int)(i + 1));
    }
    return 1;
}

/* sequence:token(i) -> id, or nil outside */
static int sequence_token(lua_State *L)
{
    lull_sequence *handle = handle_of(L);
    double n = (double)lull_sequence_length(handle);
    double i = lull_check_integer(L, 2, -most_index, most_index);
    if (i < 0) i += n + 1;
    if (i < 1 || i > n)
        lua_pushnil(L);
    else
        lua_pushinteger(L, lull_sequence_tokens(handle)[(size_t)i - 1]);
    return 1;
}

/* sequence:common(other [, i [, j]]) -> how many tokens are the same, from token i of this one and
 * token j of the other on (both by default the first) */
static int sequence_common(lua_State *L)
{
    lull_sequence *a = handle_of(L), *b = lull_open_sequence(L, 2)->handle;
    size_t i = 0, j = 0, n = 0;
    if (!lua_isnoneornil(L, 3)) i = (size_t)lull_check_integer(L, 3, 1, most_index) - 1;
    if (!lua_isnoneornil(L, 4)) j = (size_t)lull_check_integer(L, 4, 1, most_index) - 1;
    while (i + n < lull_sequence_length(a) && j + n < lull_sequence_length(b) &&
           lull_sequence_tokens(a)[i + n] == lull_sequence_tokens(b)[j + n])
        n++;
    lull_push_count(L, n);
    return 1;
}

/* sequence:scores() -> list, false where a token has none */
static int sequence_scores(lua_State *L)
{
    size_t i, n;
    const float *scores;
    lua_createtable(L, (int)lull_sequence_length(handle_of(L)), 0);
    n = lull_sequence_length(handle_of(L));
    scores = lull_sequence_scores(handle_of(L));
    for (i = 0; i < n; i++) {
        if (scores[i] == scores[i])
            lua_pushnumber(L, scores[i]);
        else
            lua_pushboolean(L, 0);
        lua_rawseti(L, -2, (int)(i + 1));
    }
    return 1;
}

/* sequence:hidden([i]) -> list of dim numbers: the hidden state of token i, by default the last */
static int sequence_hidden(lua_State *L)
{
    const float *hidden;
    size_t at;
    int32_t k;
    lull_model_info info;
    lull_error error;
    lull_model_info_get(model_of(L, 1), &info);
    lua_settop(L, 2);
    lua_createtable(L, info.config.dim, 0);
    at = lull_token_argument(L, 2);
    if (lull_sequence_hidden(handle_of(L), at, &hidden, &error) != LULL_OK)
        return lull_push_failure(L, &error);
    for (k = 0; k < info.config.dim; k++) {
        lua_pushnumber(L, hidden[k]);
        lua_rawseti(L, 3, k + 1);
    }
    return 1;
}

/* sequence:similarity([i [, j0 [, j1]]]) -> cosine, index: which of the hidden states of tokens j0..j1,
 * by default all before token i, is most like that of token i, by default the last */
static int sequence_similarity(lua_State *L)
{
    const size_t i = lull_token_argument(L, 2);
    size_t first = 0, last, at;
    double cosine;
    lull_error error;
    if (!lua_isnoneornil(L, 3)) first = lull_token_argument(L, 3);
    if (!lua_isnoneornil(L, 4))
        last = lull_token_argument(L, 4);
    else if (i > 0)
        last = i - 1;
    else
        return luaL_argerror(L, 4, "there is no token before the first");
    if (last < first) luaL_argerror(L, 4, "the range is empty");
    if (lull_sequence_similarity(handle_of(L), i, first, last - first + 1, &cosine, &at, &error) !=
        LULL_OK)
        return lull_push_failure(L, &error);
    lua_pushnumber(L, cosine);
    lull_push_count(L, (uint64_t)at + 1);
    return 2;
}

/* sequence:text([i [, j]]) -> the text of these tokens */
static int sequence_text(lua_State *L)
{
    size_t i, n, first;
    int32_t *ids;
    const int32_t *tokens;
    lull_sequence *handle = handle_of(L);
    lua_settop(L, 3);
    n = lull_sequence_length(handle);
    ids = lua_newuserdata(L, n * sizeof *ids + 1);
    handle = handle_of(L); /* a finalizer may have run: never more than there was room for */
    if (lull_sequence_length(handle) < n) n = lull_sequence_length(handle);
    n = range_arguments(L, n, &first);
    tokens = lull_sequence_tokens(handle);
    for (i = 0; i < n; i++) ids[i] = tokens[first + i];
    return lull_push_decoded(L, ids, n, model_of, 1);
}

static int sequence_length(lua_State *L)
{
    lull_push_count(L, lull_sequence_length(handle_of(L)));
    return 1;
}

static int sequence_pending(lua_State *L)
{
    lull_push_count(L, lull_sequence_pending(handle_of(L)));
    return 1;
}

/* ---------------------------------------------------------------------------------- objects */

static int sequence_context(lua_State *L)
{
    lull_open_sequence(L, 1);
    lull_getenv(L, 1);
    lua_rawgeti(L, -1, SLOT_CONTEXT);
    return 1;
}

/* The handle the context was made from, which may be closed by now. */
static int sequence_model(lua_State *L)
{
    sequence_context(L);
    lull_getenv(L, -1);
    lua_rawgeti(L, -1, SLOT_MODEL);
    return 1;
}

/* close, and __gc */
static int sequence_close(lua_State *L)
{
    lull_lua_sequence *s = lull_object_check(L, 1, &lull_sequence_kind);
    lull_sequence *handle = s->handle;
    s->handle = NULL;
    lull_sequence_close(handle);
    lua_pushboolean(L, 1);
    return 1;
}

static int sequence_tostring(lua_State *L)
{
    lull_lua_sequence *s = lull_object_check(L, 1, &lull_sequence_kind);
    lull_context_info info;
    char text[128];
    if (s->handle == NULL || s->context->handle == NULL) {
        lua_pushliteral(L, "lull.sequence (closed)");
        return 1;
    }
    lull_context_info_get(s->context->handle, &info);
    snprintf(text, sizeof text, "lull.sequence (%lu of %ld tokens, %lu queued)",
             (unsigned long)lull_sequence_length(s->handle), (long)info.length,
             (unsigned long)lull_sequence_pending(s->handle));
    lua_pushstring(L, text);
    return 1;
}

const lull_kind lull_sequence_kind = {"lull.sequence", 0x4c534551u, sizeof(lull_lua_sequence)};

void lull_register_sequence(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"feed", sequence_feed},       {"logits", lull_lua_sequence_logits},
        {"guess", sequence_guess},     {"guesses", sequence_guesses},
        {"fork", sequence_fork},       {"rewind", sequence_rewind},
        {"score", sequence_score},     {"scores", sequence_scores},
        {"hidden", sequence_hidden},   {"similarity", sequence_similarity},
        {"tokens", sequence_tokens},   {"token", sequence_token},
        {"text", sequence_text},       {"common", sequence_common},
        {"length", sequence_length},   {"pending", sequence_pending},
        {"context", sequence_context}, {"model", sequence_model},
        {"close", sequence_close},     {NULL, NULL},
    };
    static const luaL_Reg metamethods[] = {{"__gc", sequence_close},
                                           {"__tostring", sequence_tostring},
                                           {"__len", sequence_length},
                                           {NULL, NULL}};
    lull_kind_register(L, &lull_sequence_kind, methods, metamethods);
}
