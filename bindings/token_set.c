/* token_set.c - sets of token ids for Lua, as bits: what logits:ban, :allow and :add take in the
 * place of an id or a list, and fastest.
 *
 *     local set = core.token_set(model, {5, 6, 7}):union(other):complement()
 *     logits:allow(set)
 *
 * A set belongs to a vocabulary of a size; sets and logits of another size raise.  Verbs change the
 * set and return it. */
#include "objects.h"

#include <stdio.h>
#include <string.h>

static const double most_tokens = 2147483647.0;

/* ------------------------------------------------------------------------------- opening */

static lull_lua_token_set *open_set(lua_State *L, int arg)
{
    lull_lua_token_set *s = lull_object_check(L, arg, &lull_token_set_kind);
    if (s->words == NULL) luaL_error(L, "attempt to use a closed token set");
    return s;
}

static size_t bytes_of(int32_t n)
{
    return LULL_TOKEN_SET_WORDS(n) * sizeof(uint32_t);
}

/* Push an empty set. */
static lull_lua_token_set *push_set(lua_State *L, int32_t n)
{
    lull_lua_token_set *s = lull_object_new(L, &lull_token_set_kind);
    lua_createtable(L, SLOT_WORDS, 0);
    lua_pushvalue(L, -1);
    lull_setenv(L, -3);
    s->words = lull_push_buffer(L, SLOT_WORDS, bytes_of(n));
    s->n = n;
    lua_pop(L, 2);
    return s;
}

static void add_tokens(lull_lua_token_set *s, const lull_lua_tokens *tokens)
{
    if (tokens->set != NULL)
        lull_token_set_union(s->words, tokens->set, (size_t)s->n);
    else
        lull_token_set_add(s->words, tokens->ids, tokens->n);
}

/* core.token_set(n | model [, id | {ids} | set]) -> set */
int lull_lua_token_set_new(lua_State *L)
{
    lull_lua_tokens tokens = {NULL, 0, NULL, 0};
    int32_t n;
    if (lull_object_test(L, 1, &lull_model_kind) != NULL)
        n = lull_open_model(L, 1)->vocab;
    else if (lua_type(L, 1) == LUA_TNUMBER)
        n = (int32_t)lull_check_integer(L, 1, 1, most_tokens);
    else
        return lull_type_error(L, 1, 1, NULL, "a model or a number of tokens");
    if (!lua_isnoneornil(L, 2)) lull_check_tokens(L, 2, n, &tokens);
    add_tokens(push_set(L, n), &tokens);
    return 1;
}

/* ----------------------------------------------------------------------- sets as arguments */

/* The words of the set at index, or NULL where there is none.  They are pushed too: a finalizer may
 * close the set before they are used. */
static const uint32_t *push_words(lua_State *L, int arg, int index, int32_t vocab)
{
    lull_lua_token_set *s = lull_object_test(L, index, &lull_token_set_kind);
    char message[96];
    if (s == NULL) return NULL;
    if (s->words == NULL) luaL_argerror(L, arg, "attempt to use a closed token set");
    if (s->n != vocab) {
        snprintf(message, sizeof message, "the set is of a vocabulary of %ld tokens, not %ld",
                 (long)s->n, (long)vocab);
        luaL_argerror(L, arg, message);
    }
    luaL_checkstack(L, 4, "token set");
    lull_getenv(L, index);
    lua_rawgeti(L, -1, SLOT_WORDS);
    return lua_touserdata(L, -1);
}

static void need_tokens(lua_State *L, int arg, int index, const char *name, int32_t vocab,
                        lull_lua_tokens *tokens)
{
    tokens->n = 0;
    tokens->ids = NULL;
    tokens->set = push_words(L, arg, index, vocab);
    if (tokens->set != NULL) return;
    if (lua_type(L, index) != LUA_TNUMBER && !lua_istable(L, index))
        lull_type_error(L, arg, index, name, "a token id, a list of token ids or a lull.token_set");
    tokens->ids = lull_need_ids(L, arg, index, name, vocab, &tokens->one, &tokens->n);
}

void lull_check_tokens(lua_State *L, int arg, int32_t vocab, lull_lua_tokens *tokens)
{
    need_tokens(L, arg, arg, NULL, vocab, tokens);
}

const uint32_t *lull_need_token_set(lua_State *L, int arg, int index, const char *name,
                                    int32_t vocab)
{
    lull_lua_tokens tokens;
    uint32_t *words;
    need_tokens(L, arg, index, name, vocab, &tokens);
    if (tokens.set != NULL) return tokens.set;
    words = lua_newuserdata(L, bytes_of(vocab));
    memset(words, 0, bytes_of(vocab));
    lull_token_set_add(words, tokens.ids, tokens.n);
    return words;
}

/* ------------------------------------------------------------------------------- changing */

/* set:add(id | {ids} | set) */
static int set_add(lua_State *L)
{
    lull_lua_tokens tokens;
    lull_check_tokens(L, 2, open_set(L, 1)->n, &tokens);
    add_tokens(open_set(L, 1), &tokens);
    return lull_itself(L);
}

/* set:remove(id | {ids} | set) */
static int set_remove(lua_State *L)
{
    lull_lua_token_set *s = open_set(L, 1);
    lull_lua_tokens tokens;
    lull_check_tokens(L, 2, s->n, &tokens);
    s = open_set(L, 1);
    if (tokens.set != NULL)
        lull_token_set_subtract(s->words, tokens.set, (size_t)s->n);
    else
        lull_token_set_remove(s->words, tokens.ids, tokens.n);
    return lull_itself(L);
}

static int combine(lua_State *L, void (*f)(uint32_t *, const uint32_t *, size_t))
{
    lull_lua_token_set *s = open_set(L, 1);
    const uint32_t *other = push_words(L, 2, 2, s->n);
    if (other == NULL) lull_type_error(L, 2, 2, NULL, lull_token_set_kind.name);
    f(s->words, other, (size_t)s->n);
    return lull_itself(L);
}

static int set_union(lua_State *L)
{
    return combine(L, lull_token_set_union);
}

static int set_intersect(lua_State *L)
{
    return combine(L, lull_token_set_intersect);
}

static int set_subtract(lua_State *L)
{
    return combine(L, lull_token_set_subtract);
}

static int set_complement(lua_State *L)
{
    lull_lua_token_set *s = open_set(L, 1);
    lull_token_set_complement(s->words, (size_t)s->n);
    return lull_itself(L);
}

/* -------------------------------------------------------------------------------- asking */

static int set_has(lua_State *L)
{
    lull_lua_token_set *s = open_set(L, 1);
    const int32_t id = (int32_t)lull_check_integer(L, 2, 0, s->n - 1);
    lua_pushboolean(L, lull_token_set_has(s->words, id));
    return 1;
}

static int set_count(lua_State *L)
{
    const lull_lua_token_set *s = open_set(L, 1);
    lull_push_count(L, lull_token_set_count(s->words, (size_t)s->n));
    return 1;
}

/* set:size(): of the vocabulary */
static int set_size(lua_State *L)
{
    lua_pushinteger(L, open_set(L, 1)->n);
    return 1;
}

/* set:ids() -> ascending list */
static int set_ids(lua_State *L)
{
    const lull_lua_token_set *s = open_set(L, 1);
    int32_t id;
    int i = 0;
    lua_createtable(L, (int)lull_token_set_count(s->words, (size_t)s->n), 0);
    s = open_set(L, 1); /* a finalizer may have run */
    for (id = 0; id < s->n; id++) {
        if (!lull_token_set_has(s->words, id)) continue;
        lua_pushinteger(L, id);
        lua_rawseti(L, -2, ++i);
    }
    return 1;
}

/* ------------------------------------------------------------------------------- objects */

static int set_clone(lua_State *L)
{
    lull_lua_token_set *copy;
    const int32_t n = open_set(L, 1)->n;
    lua_settop(L, 1);
    copy = push_set(L, n);
    memcpy(copy->words, open_set(L, 1)->words, bytes_of(n));
    return 1;
}

static int set_close(lua_State *L)
{
    lull_lua_token_set *s = lull_object_check(L, 1, &lull_token_set_kind);
    if (s->words != NULL) {
        s->words = NULL;
        lua_newtable(L);
        lull_setenv(L, 1);
    }
    lua_pushboolean(L, 1);
    return 1;
}

static int set_tostring(lua_State *L)
{
    const lull_lua_token_set *s = lull_object_check(L, 1, &lull_token_set_kind);
    char text[64];
    if (s->words == NULL) {
        lua_pushliteral(L, "lull.token_set (closed)");
        return 1;
    }
    snprintf(text, sizeof text, "lull.token_set (%lu of %ld tokens)",
             (unsigned long)lull_token_set_count(s->words, (size_t)s->n), (long)s->n);
    lua_pushstring(L, text);
    return 1;
}

const lull_kind lull_token_set_kind = {"lull.token_set", 0x4c534554u, sizeof(lull_lua_token_set)};

void lull_register_token_set(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"add", set_add},
        {"remove", set_remove},
        {"union", set_union},
        {"intersect", set_intersect},
        {"subtract", set_subtract},
        {"complement", set_complement},
        {"has", set_has},
        {"count", set_count},
        {"size", set_size},
        {"ids", set_ids},
        {"clone", set_clone},
        {"close", set_close},
        {NULL, NULL},
    };
    static const luaL_Reg metamethods[] = {
        {"__tostring", set_tostring}, {"__len", set_count}, {NULL, NULL}};
    lull_kind_register(L, &lull_token_set_kind, methods, metamethods);
}
