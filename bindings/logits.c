/* logits.c - the values a token is chosen by, for Lua.
 *
 * sequence:logits() gives a working copy of the raw logits: a view.  Verbs change it in place
 * and return it, so that they chain.  A view is stale once its sequence is stepped, rewound or
 * closed; clone() makes a copy of its own that never is.  After softmax() the values are
 * probabilities, and verbs that need logits raise. */
#include "logits.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const double most_float = FLT_MAX;

/* --------------------------------------------------------------------------------- the view */

static lull_lua_logits *check_logits(lua_State *L, int arg)
{
    return lull_object_check(L, arg, &lull_logits_kind);
}

static int is_stale(const lull_lua_logits *v)
{
    const lull_lua_sequence *s = v->sequence;
    if (s == NULL) return 0;
    return s->handle == NULL || s->context->handle == NULL ||
           lull_sequence_serial(s->handle) != v->serial;
}

lull_lua_logits *lull_open_view(lua_State *L, int arg)
{
    lull_lua_logits *v = check_logits(L, arg);
    if (v->closed) luaL_error(L, "attempt to use closed logits");
    if (v->sequence != NULL && v->sequence->handle == NULL)
        luaL_error(L, "logits are stale: the sequence was closed");
    if (v->sequence != NULL && v->sequence->context->handle == NULL)
        luaL_error(L, "logits are stale: the context was closed");
    if (is_stale(v))
        luaL_error(L, "logits are stale: the sequence was stepped; call seq:logits() again");
    return v;
}

lull_lua_logits *lull_open_other(lua_State *L, int arg, const lull_lua_logits *v)
{
    lull_lua_logits *other = lull_open_view(L, arg);
    if (other->n != v->n) luaL_argerror(L, arg, "its model has another vocabulary");
    return other;
}

void lull_need_logits(lua_State *L, const lull_lua_logits *v)
{
    if (v->probabilities)
        luaL_error(L, "logits are needed, but softmax() has made them probabilities (reset() "
                      "gives the raw logits again)");
}

lull_lua_logits *lull_open_logits(lua_State *L)
{
    lull_lua_logits *v = lull_open_view(L, 1);
    lull_need_logits(L, v);
    return v;
}

lull_lua_logits *lull_open_whole_logits(lua_State *L)
{
    lull_need_logits(L, lull_open_view(L, 1));
    return lull_make_whole(L, 1);
}

int32_t lull_id_argument(lua_State *L, int arg, const lull_lua_logits *v)
{
    return (int32_t)lull_check_integer(L, arg, 0, v->n - 1);
}

int lull_itself(lua_State *L)
{
    lua_settop(L, 1);
    return 1;
}

void *lull_push_buffer(lua_State *L, int slot, size_t bytes)
{
    lua_rawgeti(L, -1, slot);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        memset(lua_newuserdata(L, bytes), 0, bytes);
        lua_pushvalue(L, -1);
        lua_rawseti(L, -3, slot);
    }
    return lua_touserdata(L, -1);
}

lull_candidate *lull_push_scratch(lua_State *L)
{
    const size_t n = (size_t)lull_open_view(L, 1)->n;
    lull_getenv(L, 1);
    return lull_push_buffer(L, SLOT_SCRATCH, n * sizeof(lull_candidate));
}

/* ------------------------------------------------------------------------------ views and copies */

/* Push logits that own their values and their raw ones: n of each, to be filled.  It is closed
 * until then. */
static lull_lua_logits *push_copy(lua_State *L, int32_t n)
{
    lull_lua_logits *copy = lull_object_new(L, &lull_logits_kind);
    copy->closed = 1;
    lua_createtable(L, SLOT_LAST, 0);
    lua_pushvalue(L, -1);
    lull_setenv(L, -3);
    copy->n = n;
    copy->values = lull_push_buffer(L, SLOT_VALUES, 2 * (size_t)n * sizeof *copy->values);
    copy->raw = copy->values + n;
    lua_pop(L, 1);
    copy->few = lull_push_buffer(L, SLOT_FEW, sizeof *copy->few);
    lua_pop(L, 2);
    return copy;
}

/* sequence:logits(i [, layer]) -> a copy: after token i, of the whole network or of its first
 * layers, as far as its feed asked for them */
static int kept_logits(lua_State *L)
{
    int32_t n = lull_open_sequence(L, 1)->context->vocab, layer = -1;
    lull_lua_logits *copy;
    const float *kept;
    size_t at;
    lull_error error;
    lua_settop(L, 3);
    if (!lua_isnil(L, 3)) layer = (int32_t)lull_check_integer(L, 3, 1, 4096) - 1;
    copy = push_copy(L, n);
    at = lull_token_argument(L, 2);
    if (lull_sequence_logits_at(lull_open_sequence(L, 1)->handle, at, layer, &kept, &error) !=
        LULL_OK)
        return lull_push_failure(L, &error);
    memcpy(copy->values + n, kept, (size_t)n * sizeof *kept);
    copy->closed = 0;
    return 1;
}

/* sequence:logits() -> view; the same one while the sequence stays as it is */
int lull_lua_sequence_logits(lua_State *L)
{
    lull_lua_sequence *s = lull_open_sequence(L, 1);
    lull_lua_logits *v;
    const float *raw;
    lull_few *few;
    lull_error error;
    if (!lua_isnoneornil(L, 2) || !lua_isnoneornil(L, 3)) return kept_logits(L);
    lua_settop(L, 1);
    if (lull_sequence_logits(s->handle, &raw, &error) != LULL_OK)
        return lull_push_failure(L, &error);
    lull_getenv(L, 1);
    lua_rawgeti(L, 2, SLOT_VIEW);
    if (!lua_isnil(L, 3)) {
        v = lua_touserdata(L, 3);
        if (!v->closed && !is_stale(v)) return 1;
    }
    lua_settop(L, 2);

    few = lull_push_buffer(L, SLOT_FEW, sizeof *few);
    v = lull_object_new(L, &lull_logits_kind);
    v->closed = 1; /* until all is there */
    lua_pushvalue(L, 2);
    lull_setenv(L, -2);
    lua_pushvalue(L, -1);
    lua_rawseti(L, 2, SLOT_VIEW);

    s = lull_open_sequence(L, 1);
    if (lull_sequence_logits(s->handle, &raw, &error) != LULL_OK)
        return lull_push_failure(L, &error);
    v->n = s->context->vocab;
    v->few = few;
    v->raw = raw;
    v->sequence = s;
    v->serial = lull_sequence_serial(s->handle);
    v->closed = 0;
    return 1;
}

/* logits:clone() -> a copy that owns its values, raw logits included */
static int logits_clone(lua_State *L)
{
    lull_lua_logits *v = lull_open_view(L, 1), *copy;
    size_t bytes = (size_t)v->n * sizeof *v->values;
    lua_settop(L, 1);
    copy = push_copy(L, v->n);
    v = lull_open_view(L, 1);
    copy->probabilities = v->probabilities;
    copy->form = v->form;
    copy->n_few = v->n_few;
    memcpy(copy->few, v->few, sizeof *v->few);
    if (v->form == LULL_WHOLE) memcpy(copy->values, v->values, bytes);
    memcpy(copy->values + v->n, v->raw, bytes);
    copy->closed = 0;
    return 1;
}

/* logits:close(): a copy lets go of its memory, a view is only marked */
static int logits_close(lua_State *L)
{
    lull_lua_logits *v = check_logits(L, 1);
    if (!v->closed) {
        v->closed = 1;
        if (v->sequence == NULL) {
            v->values = NULL;
            v->raw = NULL;
            v->few = NULL;
            lua_newtable(L);
            lull_setenv(L, 1);
        }
    }
    lua_pushboolean(L, 1);
    return 1;
}

static int logits_tostring(lua_State *L)
{
    lull_lua_logits *v = check_logits(L, 1);
    char text[64];
    if (v->closed)
        lua_pushliteral(L, "lull.logits (closed)");
    else if (is_stale(v))
        lua_pushliteral(L, "lull.logits (stale)");
    else {
        snprintf(text, sizeof text, "lull.logits (%ld %s)", (long)v->n,
                 v->probabilities ? "probabilities" : "values");
        lua_pushstring(L, text);
    }
    return 1;
}

/* logits:reset(): the raw logits again */
static int logits_reset(lua_State *L)
{
    lull_reset_view(lull_open_view(L, 1));
    return lull_itself(L);
}

static int logits_size(lua_State *L)
{
    lua_pushinteger(L, lull_open_view(L, 1)->n);
    return 1;
}

/* ---------------------------------------------------------------------------- single values */

/* Values a script may store: finite in float32, or -inf (banned). */
static float check_value(lua_State *L, int arg)
{
    double v;
    if (lua_type(L, arg) == LUA_TNUMBER) {
        v = (double)lua_tonumber(L, arg);
        if (v == -HUGE_VAL) return -HUGE_VALF;
        if (v >= -most_float && v <= most_float) return (float)v;
    }
    lull_type_error(L, arg, arg, NULL, "a finite number or -math.huge");
    return 0;
}

static int logits_get(lua_State *L)
{
    lull_lua_logits *v = lull_open_view(L, 1);
    lua_pushnumber(L, lull_value(v, lull_id_argument(L, 2, v)));
    return 1;
}

static int logits_set(lua_State *L)
{
    const int32_t id = lull_id_argument(L, 2, lull_open_logits(L));
    lull_change_any(L, id, check_value(L, 3));
    return lull_itself(L);
}

/* The tokens at argument 2: ids, those of a small set in room (LULL_CHANGES); or a set, and the view
 * narrow or whole. */
static void open_tokens(lua_State *L, lull_lua_tokens *tokens, int32_t *room)
{
    const lull_lua_logits *v = lull_open_logits(L);
    lull_check_tokens(L, 2, v->n, tokens);
    v = lull_open_logits(L);
    if (tokens->set == NULL || v->form != LULL_CHANGED) return;
    if (lull_token_set_count(tokens->set, (size_t)v->n) <= LULL_CHANGES) {
        tokens->n = lull_token_set_ids(tokens->set, (size_t)v->n, room);
        tokens->ids = room;
        tokens->set = NULL;
    } else {
        lull_make_whole(L, 1);
        lull_check_tokens(L, 2, v->n, tokens);
    }
}

/* logits:add(id | {ids} | set, v); what is banned stays so */
static int logits_add(lua_State *L)
{
    lull_lua_logits *v;
    lull_lua_tokens tokens;
    int32_t room[LULL_CHANGES], j;
    size_t i;
    float value;
    lull_open_logits(L);
    value = check_value(L, 3);
    open_tokens(L, &tokens, room);
    for (i = 0; i < tokens.n; i++)
        lull_change_any(L, tokens.ids[i], lull_value(lull_open_logits(L), tokens.ids[i]) + value);
    if (tokens.set == NULL) return lull_itself(L);
    v = lull_open_logits(L);
    if (v->form == LULL_WHOLE) lull_logits_add(v->values, (size_t)v->n, tokens.set, value);
    for (j = 0; j < v->n_few; j++)
        if (lull_token_set_has(tokens.set, v->few->ids[j])) v->few->values[j] += value;
    return lull_itself(L);
}

/* Ban those of the few that are in a set, or that are not. */
static void ban_few(lull_lua_logits *v, const uint32_t *set, int where)
{
    int32_t i;
    for (i = 0; i < v->n_few; i++)
        if (lull_token_set_has(set, v->few->ids[i]) == where) v->few->values[i] = -HUGE_VALF;
}

/* logits:ban(id | {ids} | set) */
static int logits_ban(lua_State *L)
{
    lull_lua_logits *v;
    lull_lua_tokens tokens;
    int32_t room[LULL_CHANGES];
    size_t i;
    open_tokens(L, &tokens, room);
    for (i = 0; i < tokens.n; i++) lull_change_any(L, tokens.ids[i], -HUGE_VALF);
    if (tokens.set == NULL) return lull_itself(L);
    v = lull_open_logits(L);
    ban_few(v, tokens.set, 1);
    if (v->form == LULL_WHOLE) lull_logits_ban(v->values, (size_t)v->n, tokens.set);
    return lull_itself(L);
}

/* logits:allow(id | {ids} | set): ban all others */
static int logits_allow(lua_State *L)
{
    lull_lua_logits *v = lull_open_logits(L);
    const uint32_t *set;
    if (v->form != LULL_NARROW) v = lull_open_whole_logits(L);
    set = lull_need_token_set(L, 2, 2, NULL, v->n);
    v = lull_open_logits(L);
    ban_few(v, set, 0);
    if (v->form == LULL_WHOLE) lull_logits_allow(v->values, (size_t)v->n, set);
    lull_find_few(L);
    return lull_itself(L);
}

/* ------------------------------------------------------------------------- the whole vector */

static int logits_scale(lua_State *L)
{
    lull_part part;
    float factor;
    lull_open_logits(L);
    factor = (float)lull_check_number(L, 2, -most_float, most_float);
    part = lull_part_open(L);
    lull_logits_scale(part.values, part.n, factor);
    return lull_itself(L);
}

/* logits:temperature(t): divide by t; 0 bans all but the largest, the limit of t -> 0 */
static int logits_temperature(lua_State *L)
{
    lull_lua_logits *v = lull_open_logits(L);
    lull_part part;
    double t;
    if (!lull_exact_integer(L, 2, &t) || t != 0) t = lull_check_number(L, 2, 1e-6, 1e6);
    if (t == 0 && lull_narrow(v, 1)) return lull_itself(L);
    part = lull_part_open(L);
    lull_logits_temperature(part.values, part.n, t);
    if (t == 0) lull_find_few(L);
    return lull_itself(L);
}

/* Why no distribution can be made of the values: all of them, as in a part tokens have other
 * numbers. */
static int push_refusal(lua_State *L)
{
    const float *values = lull_read_whole(L, 1);
    const double u = 0;
    int32_t id;
    lull_error error;
    lull_logits_sample(values, (size_t)lull_open_view(L, 1)->n, u, &id, &error);
    return lull_push_failure(L, &error);
}

/* logits:softmax(): probabilities, in place */
static int logits_softmax(lua_State *L)
{
    lull_part part;
    lull_open_logits(L);
    part = lull_part_open(L);
    if (lull_logits_softmax(part.values, part.n, NULL) != LULL_OK) return push_refusal(L);
    lull_open_view(L, 1)->probabilities = 1;
    return lull_itself(L);
}

/* logits:log_softmax(): log-probabilities, which are logits as good as any */
static int logits_log_softmax(lua_State *L)
{
    lull_part part;
    lull_open_logits(L);
    part = lull_part_open(L);
    if (lull_logits_log_softmax(part.values, part.n, NULL) != LULL_OK) return push_refusal(L);
    return lull_itself(L);
}

float *lull_logits_bannable(lua_State *L, int arg, int32_t *n)
{
    lull_lua_logits *v = lull_open_view(L, arg);
    lull_need_logits(L, v);
    v = lull_make_whole(L, arg);
    *n = v->n;
    return v->values;
}

const lull_kind lull_logits_kind = {"lull.logits", 0x4c4c4f47u, sizeof(lull_lua_logits)};

void lull_register_logits(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"get", logits_get},
        {"set", logits_set},
        {"add", logits_add},
        {"ban", logits_ban},
        {"allow", logits_allow},
        {"scale", logits_scale},
        {"temperature", logits_temperature},
        {"softmax", logits_softmax},
        {"log_softmax", logits_log_softmax},
        {"reset", logits_reset},
        {"clone", logits_clone},
        {"size", logits_size},
        {"close", logits_close},
        {NULL, NULL},
    };
    static const luaL_Reg metamethods[] = {
        {"__tostring", logits_tostring}, {"__len", logits_size}, {NULL, NULL}};
    lull_kind_register(L, &lull_logits_kind, methods, metamethods);
    lull_setfuncs(L, lull_logits_filters);
    lull_setfuncs(L, lull_logits_readers);
    lull_setfuncs(L, lull_history_verbs);
}
