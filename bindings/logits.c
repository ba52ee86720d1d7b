/* logits.c - the values a token is chosen by, for Lua.
 *
 * sequence:logits() gives a working copy of the raw logits: a view.  Verbs change it in place
 * and return it, so that they chain.  A view is stale once its sequence is stepped, rewound or
 * closed; clone() makes a copy of its own that never is.  After softmax() the values are
 * probabilities, and verbs that need logits raise. */
#include "objects.h"

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

/* A view that may be used, whatever its values are now. */
static lull_lua_logits *open_view(lua_State *L)
{
    lull_lua_logits *v = check_logits(L, 1);
    if (v->closed) luaL_error(L, "attempt to use closed logits");
    if (v->sequence != NULL && v->sequence->handle == NULL)
        luaL_error(L, "logits are stale: the sequence was closed");
    if (v->sequence != NULL && v->sequence->context->handle == NULL)
        luaL_error(L, "logits are stale: the context was closed");
    if (is_stale(v))
        luaL_error(L, "logits are stale: the sequence was stepped; call seq:logits() again");
    return v;
}

/* The same, for verbs that only make sense on logits. */
static lull_lua_logits *open_logits(lua_State *L)
{
    lull_lua_logits *v = open_view(L);
    if (v->probabilities)
        luaL_error(L, "logits are needed, but softmax() has made them probabilities (reset() "
                      "gives the raw logits again)");
    return v;
}

static int32_t check_id(lua_State *L, int arg, const lull_lua_logits *v)
{
    return (int32_t)lull_check_integer(L, arg, 0, v->n - 1);
}

static int itself(lua_State *L)
{
    lua_settop(L, 1);
    return 1;
}

/* Push the buffer in a slot of the table on top of the stack; made, and cleared, when first
 * asked for. */
static void *push_buffer(lua_State *L, int slot, size_t bytes)
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
    copy->values = push_buffer(L, SLOT_VALUES, 2 * (size_t)n * sizeof *copy->values);
    copy->raw = copy->values + n;
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
    memcpy(copy->values, kept, (size_t)n * sizeof *kept);
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
    float *values;
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

    values = push_buffer(L, SLOT_VALUES, (size_t)s->context->vocab * sizeof *values);
    v = lull_object_new(L, &lull_logits_kind);
    v->closed = 1; /* until the values are there */
    lua_pushvalue(L, 2);
    lull_setenv(L, -2);
    lua_pushvalue(L, -1);
    lua_rawseti(L, 2, SLOT_VIEW);

    s = lull_open_sequence(L, 1);
    if (lull_sequence_logits(s->handle, &raw, &error) != LULL_OK)
        return lull_push_failure(L, &error);
    v->n = s->context->vocab;
    v->values = values;
    v->raw = raw;
    v->sequence = s;
    v->serial = lull_sequence_serial(s->handle);
    memcpy(values, raw, (size_t)v->n * sizeof *values);
    v->closed = 0;
    return 1;
}

/* logits:clone() -> a copy that owns its values, raw logits included */
static int logits_clone(lua_State *L)
{
    lull_lua_logits *v = open_view(L), *copy;
    size_t bytes = (size_t)v->n * sizeof *v->values;
    lua_settop(L, 1);
    copy = push_copy(L, v->n);
    v = open_view(L);
    copy->probabilities = v->probabilities;
    memcpy(copy->values, v->values, bytes);
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
    lull_lua_logits *v = open_view(L);
    memcpy(v->values, v->raw, (size_t)v->n * sizeof *v->values);
    v->probabilities = 0;
    return itself(L);
}

static int logits_size(lua_State *L)
{
    lua_pushinteger(L, open_view(L)->n);
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
    lull_lua_logits *v = open_view(L);
    lua_pushnumber(L, v->values[check_id(L, 2, v)]);
    return 1;
}

static int logits_set(lua_State *L)
{
    lull_lua_logits *v = open_logits(L);
    int32_t id = check_id(L, 2, v);
    v->values[id] = check_value(L, 3);
    return itself(L);
}

/* logits:add(id | {ids}, v); what is banned stays so */
static int logits_add(lua_State *L)
{
    lull_lua_logits *v = open_logits(L);
    int32_t one;
    size_t i, n;
    float value = check_value(L, 3);
    const int32_t *ids = lull_check_ids(L, 2, v->n, &one, &n);
    v = open_logits(L);
    for (i = 0; i < n; i++) v->values[ids[i]] += value;
    return itself(L);
}

static int logits_ban(lua_State *L)
{
    lull_lua_logits *v = open_logits(L);
    int32_t one;
    size_t i, n;
    const int32_t *ids = lull_check_ids(L, 2, v->n, &one, &n);
    v = open_logits(L);
    for (i = 0; i < n; i++) v->values[ids[i]] = -HUGE_VALF;
    return itself(L);
}

/* logits:allow(id | {ids}): ban all others */
static int logits_allow(lua_State *L)
{
    lull_lua_logits *v = open_logits(L);
    int32_t one, k;
    size_t i, n;
    float *kept;
    const int32_t *ids = lull_check_ids(L, 2, v->n, &one, &n);
    kept = lua_newuserdata(L, n * sizeof *kept + 1);
    v = open_logits(L);
    for (i = 0; i < n; i++) kept[i] = v->values[ids[i]];
    for (k = 0; k < v->n; k++) v->values[k] = -HUGE_VALF;
    for (i = 0; i < n; i++) v->values[ids[i]] = kept[i];
    return itself(L);
}

/* ------------------------------------------------------------------------- the whole vector */

static int logits_scale(lua_State *L)
{
    lull_lua_logits *v = open_logits(L);
    float factor = (float)lull_check_number(L, 2, -most_float, most_float);
    lull_logits_scale(v->values, (size_t)v->n, factor);
    return itself(L);
}

/* logits:temperature(t): divide by t; 0 bans all but the largest, the limit of t -> 0 */
static int logits_temperature(lua_State *L)
{
    lull_lua_logits *v = open_logits(L);
    double t;
    if (!lull_exact_integer(L, 2, &t) || t != 0) t = lull_check_number(L, 2, 1e-6, 1e6);
    lull_logits_temperature(v->values, (size_t)v->n, t);
    return itself(L);
}

static int logits_top_k(lua_State *L)
{
    lull_lua_logits *v = open_logits(L);
    double k = lull_check_integer(L, 2, 1, 9007199254740992.0);
    if (k < v->n) lull_logits_top_k(v->values, (size_t)v->n, (size_t)k);
    return itself(L);
}

static int logits_top_p(lua_State *L)
{
    lull_lua_logits *v = open_logits(L);
    lull_logits_top_p(v->values, (size_t)v->n, (float)lull_check_number(L, 2, 0, 1));
    return itself(L);
}

static int logits_min_p(lua_State *L)
{
    lull_lua_logits *v = open_logits(L);
    lull_logits_min_p(v->values, (size_t)v->n, (float)lull_check_number(L, 2, 0, 1));
    return itself(L);
}

/* logits:softmax(): probabilities, in place */
static int logits_softmax(lua_State *L)
{
    lull_lua_logits *v = open_logits(L);
    lull_error error;
    if (lull_logits_softmax(v->values, (size_t)v->n, &error) != LULL_OK)
        return lull_push_failure(L, &error);
    v->probabilities = 1;
    return itself(L);
}

static int logits_logsumexp(lua_State *L)
{
    lull_lua_logits *v = open_logits(L);
    lua_pushnumber(L, lull_logits_logsumexp(v->values, (size_t)v->n));
    return 1;
}

static int logits_entropy(lua_State *L)
{
    lull_lua_logits *v = open_logits(L);
    lua_pushnumber(L, lull_logits_entropy(v->values, (size_t)v->n));
    return 1;
}

/* logits:penalize(seq, {last =, repetition =, frequency =, presence =}): for each distinct
 * token among the last ones, in this order: repetition r divides a positive logit and
 * multiplies a negative one (Keskar et al. 2019, arXiv:1909.05858); count * frequency +
 * presence is taken off. */
static int logits_penalize(lua_State *L)
{
    static const char *const names[] = {"last", "repetition", "frequency", "presence", NULL};
    lull_lua_logits *v = open_logits(L);
    lull_lua_sequence *s;
    const int32_t *tokens;
    int32_t *counts;
    size_t n, length;
    double last, repetition, frequency, presence;
    lull_open_sequence(L, 2);
    lua_settop(L, 3);
    lull_options_check(L, 3, names);
    last = lull_option_integer(L, 3, "last", 0, 9007199254740992.0, 2147483647.0);
    repetition = lull_option_number(L, 3, "repetition", 1e-6, 1e6, 1);
    frequency = lull_option_number(L, 3, "frequency", -1e6, 1e6, 0);
    presence = lull_option_number(L, 3, "presence", -1e6, 1e6, 0);
    lull_getenv(L, 1);
    counts = push_buffer(L, SLOT_COUNTS, (size_t)v->n * sizeof *counts);

    v = open_logits(L);
    s = lull_open_sequence(L, 2);
    if (s->context->vocab != v->n) luaL_argerror(L, 2, "its model has another vocabulary");
    length = lull_sequence_length(s->handle);
    n = last < (double)length ? (size_t)last : length;
    tokens = lull_sequence_tokens(s->handle) + (length - n);
    lull_logits_penalize(v->values, tokens, n, repetition, frequency, presence, counts);
    return itself(L);
}

/* ------------------------------------------------------------------------------- candidates */

/* What candidates() iterates over: a snapshot, so that the loop may change, step or close
 * anything. */
typedef struct snapshot {
    uint32_t magic;
    uint32_t n, next;
    lull_candidate candidate[1]; /* (n) */
} snapshot;

enum { SNAPSHOT_MAGIC = 0x4c534e50 };

static int next_candidate(lua_State *L)
{
    snapshot *s = lua_touserdata(L, lua_upvalueindex(1));
    if (s->magic != SNAPSHOT_MAGIC || s->next >= s->n) return 0;
    lua_pushinteger(L, s->candidate[s->next].id);
    lua_pushnumber(L, s->candidate[s->next].value);
    s->next++;
    return 2;
}

/* The k largest probabilities: lull_logits_candidates ranks them, given that 0 is "banned". */
static size_t rank_probabilities(const lull_lua_logits *v, float *scratch, size_t k,
                                 lull_candidate *out)
{
    size_t i, n = (size_t)v->n;
    for (i = 0; i < n; i++) scratch[i] = v->values[i] > 0 ? v->values[i] : -HUGE_VALF;
    n = lull_logits_candidates(scratch, n, k, out);
    for (i = 0; i < n; i++) out[i].value = v->values[out[i].id];
    return n;
}

/* logits:candidates(k) -> iterator over id, probability, the most probable first */
static int logits_candidates(lua_State *L)
{
    lull_lua_logits *v = open_view(L);
    double wanted = lull_check_integer(L, 2, 1, 9007199254740992.0);
    size_t k = wanted < v->n ? (size_t)wanted : (size_t)v->n;
    float *scratch = NULL;
    snapshot *s;
    if (v->probabilities) scratch = lua_newuserdata(L, (size_t)v->n * sizeof *scratch);
    s = lua_newuserdata(L, sizeof *s + k * sizeof s->candidate[0]);
    v = open_view(L);
    s->magic = SNAPSHOT_MAGIC;
    s->next = 0;
    s->n = (uint32_t)(scratch != NULL
                          ? rank_probabilities(v, scratch, k, s->candidate)
                          : lull_logits_candidates(v->values, (size_t)v->n, k, s->candidate));
    lua_pushcclosure(L, next_candidate, 1);
    return 1;
}

/* --------------------------------------------------------------------------------- choosing */

/* logits:argmax() -> id, or nil when everything is banned */
static int logits_argmax(lua_State *L)
{
    lull_lua_logits *v = open_view(L);
    int32_t id = lull_logits_argmax(v->values, (size_t)v->n);
    if (id < 0)
        lua_pushnil(L);
    else
        lua_pushinteger(L, id);
    return 1;
}

/* logits:sample(u | {seed =, stream =, rng =, position =, purpose =, attempt =}) -> id */
static int logits_sample(lua_State *L)
{
    lull_lua_logits *v;
    lull_status status;
    lull_error error;
    int32_t id;
    double u;
    open_view(L);
    if (lua_type(L, 2) == LUA_TNUMBER) {
        u = (double)lua_tonumber(L, 2);
        if (!(u >= 0 && u < 1)) lull_type_error(L, 2, 2, NULL, "a number in 0 <= u < 1");
    } else {
        if (!lua_istable(L, 2))
            lull_type_error(L, 2, 2, NULL, "a number in 0 <= u < 1 or a table of options");
        u = lull_draw_from_options(L, 2);
    }
    v = open_view(L);
    status = v->probabilities ? lull_probabilities_sample(v->values, (size_t)v->n, u, &id, &error)
                              : lull_logits_sample(v->values, (size_t)v->n, u, &id, &error);
    if (status != LULL_OK) return lull_push_failure(L, &error);
    lua_pushinteger(L, id);
    return 1;
}

/* logits:llama2c(state, temperature, top_p) -> id: run.c's sampler, draw for draw.  The values
 * are probabilities afterwards. */
static int logits_llama2c(lua_State *L)
{
    lull_lua_logits *v = open_logits(L);
    lull_lua_llama2c *state = lull_object_check(L, 2, &lull_llama2c_kind);
    float temperature = (float)lull_check_number(L, 3, 0, most_float);
    float top_p = (float)lull_check_number(L, 4, -most_float, most_float);
    lull_candidate *scratch;
    lull_error error;
    int32_t id;
    lull_getenv(L, 1);
    scratch = push_buffer(L, SLOT_SCRATCH, (size_t)v->n * sizeof *scratch);
    v = open_logits(L);
    if (lull_llama2c_sample(v->values, (size_t)v->n, temperature, top_p, &state->state, scratch,
                            &id, &error) != LULL_OK)
        return lull_push_failure(L, &error);
    v->probabilities = temperature > 0;
    lua_pushinteger(L, id);
    return 1;
}

/* logits:logprob(id): log-probability of id in the step's own, unchanged distribution */
static int logits_logprob(lua_State *L)
{
    lull_lua_logits *v = open_view(L);
    lua_pushnumber(L, lull_logits_logprob(v->raw, (size_t)v->n, check_id(L, 2, v)));
    return 1;
}

/* logits:current_logprob(id): the same in the values as they are now */
static int logits_current_logprob(lua_State *L)
{
    lull_lua_logits *v = open_view(L);
    int32_t id = check_id(L, 2, v);
    lua_pushnumber(L, v->probabilities ? lull_log(v->values[id])
                                       : lull_logits_logprob(v->values, (size_t)v->n, id));
    return 1;
}

float *lull_logits_writable(lua_State *L, int arg, int32_t *n)
{
    lull_lua_logits *v = lull_object_check(L, arg, &lull_logits_kind);
    lua_pushvalue(L, arg);
    lua_insert(L, 1); /* where the verbs' checks look */
    open_logits(L);
    lua_remove(L, 1);
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
        {"top_k", logits_top_k},
        {"top_p", logits_top_p},
        {"min_p", logits_min_p},
        {"penalize", logits_penalize},
        {"softmax", logits_softmax},
        {"logsumexp", logits_logsumexp},
        {"entropy", logits_entropy},
        {"argmax", logits_argmax},
        {"candidates", logits_candidates},
        {"sample", logits_sample},
        {"llama2c", logits_llama2c},
        {"logprob", logits_logprob},
        {"current_logprob", logits_current_logprob},
        {"reset", logits_reset},
        {"clone", logits_clone},
        {"size", logits_size},
        {"close", logits_close},
        {NULL, NULL},
    };
    static const luaL_Reg metamethods[] = {
        {"__tostring", logits_tostring}, {"__len", logits_size}, {NULL, NULL}};
    lull_kind_register(L, &lull_logits_kind, methods, metamethods);
}
