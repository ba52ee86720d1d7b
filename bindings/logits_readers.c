/* logits_readers.c - verbs of logits that tell something, or choose. */
#include "logits.h"

#include <float.h>
#include <math.h>

static const double most_float = FLT_MAX;

/* ---------------------------------------------------------------------- of the whole distribution */

static int logits_logsumexp(lua_State *L)
{
    lull_reading part;
    lull_open_logits(L);
    part = lull_part_read(L);
    lua_pushnumber(L, lull_logits_logsumexp(part.values, part.n));
    return 1;
}

static int logits_entropy(lua_State *L)
{
    lull_reading part;
    lull_open_logits(L);
    part = lull_part_read(L);
    lua_pushnumber(L, lull_logits_entropy(part.values, part.n));
    return 1;
}

/* logits:moments() -> mean and standard deviation of what is not banned */
static int logits_moments(lua_State *L)
{
    lull_reading part;
    double mean, deviation;
    lull_open_logits(L);
    part = lull_part_read(L);
    lull_logits_moments(part.values, part.n, &mean, &deviation);
    lua_pushnumber(L, mean);
    lua_pushnumber(L, deviation);
    return 2;
}

typedef double (*lull_distance)(const float *values, const float *others, size_t n);

static int push_distance(lua_State *L, lull_distance distance)
{
    const lull_lua_logits *v = lull_open_logits(L);
    const float *values, *others;
    lull_need_logits(L, lull_open_other(L, 2, v));
    lull_read_whole(L, 1);
    others = lull_read_whole(L, 2);
    values = lull_read_whole(L, 1);
    lua_pushnumber(L, distance(values, others, (size_t)v->n));
    return 1;
}

/* logits:divergence(other) -> Jensen-Shannon divergence in nats */
static int logits_divergence(lua_State *L)
{
    return push_distance(L, lull_logits_divergence);
}

/* logits:kl(other) -> Kullback-Leibler divergence of the other from this, in nats */
static int logits_kl(lua_State *L)
{
    return push_distance(L, lull_logits_kl);
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
static size_t rank_probabilities(const lull_reading *part, float *scratch, size_t k,
                                 lull_candidate *out)
{
    size_t i, count;
    for (i = 0; i < part->n; i++) scratch[i] = part->values[i] > 0 ? part->values[i] : -HUGE_VALF;
    count = lull_logits_candidates(scratch, part->n, k, out);
    for (i = 0; i < count; i++) out[i].value = part->values[out[i].id];
    return count;
}

/* logits:candidates(k) -> iterator over id, probability, the most probable first */
static int logits_candidates(lua_State *L)
{
    lull_lua_logits *v = lull_open_view(L, 1);
    double wanted = lull_check_integer(L, 2, 1, 9007199254740992.0);
    size_t k = wanted < v->n ? (size_t)wanted : (size_t)v->n, i;
    float *scratch = NULL;
    lull_reading part;
    snapshot *s;
    if (v->form == LULL_NARROW && k > (size_t)v->n_few) k = (size_t)v->n_few;
    if (v->probabilities) scratch = lua_newuserdata(L, (size_t)v->n * sizeof *scratch);
    s = lua_newuserdata(L, sizeof *s + k * sizeof s->candidate[0]);
    s->magic = 0; /* until all is there */
    part = lull_part_read(L);
    s->magic = SNAPSHOT_MAGIC;
    s->next = 0;
    s->n =
        (uint32_t)(scratch != NULL ? rank_probabilities(&part, scratch, k, s->candidate)
                                   : lull_logits_candidates(part.values, part.n, k, s->candidate));
    for (i = 0; i < s->n; i++) s->candidate[i].id = lull_part_id(part.ids, s->candidate[i].id);
    lua_pushcclosure(L, next_candidate, 1);
    return 1;
}

/* --------------------------------------------------------------------------------- choosing */

static int32_t find_max(lua_State *L)
{
    const lull_reading part = lull_part_read(L);
    const int32_t i = lull_logits_argmax(part.values, part.n);
    return i < 0 ? i : lull_part_id(part.ids, i);
}

/* logits:argmax() -> id, or nil when everything is banned */
static int logits_argmax(lua_State *L)
{
    const int32_t id = find_max(L);
    if (id < 0)
        lua_pushnil(L);
    else
        lua_pushinteger(L, id);
    return 1;
}

/* logits:max() -> value, id, or nil when everything is banned */
static int logits_max(lua_State *L)
{
    const int32_t id = find_max(L);
    if (id < 0) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushnumber(L, lull_value(lull_open_view(L, 1), id));
    lua_pushinteger(L, id);
    return 2;
}

static lull_status draw(const lull_lua_logits *v, const float *values, size_t n, double u,
                        int32_t *i, lull_error *error)
{
    return v->probabilities ? lull_probabilities_sample(values, n, u, i, error)
                            : lull_logits_sample(values, n, u, i, error);
}

/* logits:sample(u | {seed =, stream =, rng =, position =, purpose =, attempt =}) -> id */
static int logits_sample(lua_State *L)
{
    const lull_lua_logits *v;
    lull_reading part;
    lull_error error;
    int32_t i;
    double u;
    lull_open_view(L, 1);
    if (lua_type(L, 2) == LUA_TNUMBER) {
        u = (double)lua_tonumber(L, 2);
        if (!(u >= 0 && u < 1)) lull_type_error(L, 2, 2, NULL, "a number in 0 <= u < 1");
    } else {
        if (!lua_istable(L, 2))
            lull_type_error(L, 2, 2, NULL, "a number in 0 <= u < 1 or a table of options");
        u = lull_draw_from_options(L, 2);
    }
    part = lull_part_read(L);
    v = lull_open_view(L, 1);
    if (draw(v, part.values, part.n, u, &i, &error) == LULL_OK) {
        lua_pushinteger(L, lull_part_id(part.ids, i));
        return 1;
    }
    /* Of all values, so that the message names the token by its own number. */
    draw(v, lull_read_whole(L, 1), (size_t)v->n, u, &i, &error);
    return lull_push_failure(L, &error);
}

/* logits:llama2c(state, temperature, top_p) -> id: run.c's sampler, draw for draw.  The values
 * are probabilities afterwards. */
static int logits_llama2c(lua_State *L)
{
    lull_lua_logits *v;
    lull_lua_llama2c *state;
    lull_candidate *scratch;
    float temperature, top_p;
    lull_error error;
    int32_t id;
    lull_open_logits(L);
    state = lull_object_check(L, 2, &lull_llama2c_kind);
    temperature = (float)lull_check_number(L, 3, 0, most_float);
    top_p = (float)lull_check_number(L, 4, -most_float, most_float);
    scratch = lull_push_scratch(L);
    v = lull_open_whole_logits(L);
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
    const lull_lua_logits *v = lull_open_view(L, 1);
    const int32_t id = lull_id_argument(L, 2, v);
    if (v->sequence != NULL)
        lua_pushnumber(L, (double)v->raw[id] - lull_sequence_logsumexp(v->sequence->handle));
    else
        lua_pushnumber(L, lull_logits_logprob(v->raw, (size_t)v->n, id));
    return 1;
}

/* The same in the values as they are now, of the id at argument 2. */
static double current_logprob(lua_State *L)
{
    const lull_reading part = lull_part_read(L);
    const lull_lua_logits *v = lull_open_view(L, 1);
    const float value = lull_value(v, lull_id_argument(L, 2, v));
    return v->probabilities ? lull_log(value) : value - lull_logits_logsumexp(part.values, part.n);
}

/* logits:current_logprob(id) */
static int logits_current_logprob(lua_State *L)
{
    lua_pushnumber(L, current_logprob(L));
    return 1;
}

/* logits:prob(id): probability of id in the values as they are now */
static int logits_prob(lua_State *L)
{
    const lull_lua_logits *v = lull_open_view(L, 1);
    const int32_t id = lull_id_argument(L, 2, v);
    lua_pushnumber(L, v->probabilities ? lull_value(v, id) : lull_exp(current_logprob(L)));
    return 1;
}

const luaL_Reg lull_logits_readers[] = {
    {"logsumexp", logits_logsumexp},
    {"entropy", logits_entropy},
    {"moments", logits_moments},
    {"divergence", logits_divergence},
    {"kl", logits_kl},
    {"candidates", logits_candidates},
    {"argmax", logits_argmax},
    {"max", logits_max},
    {"sample", logits_sample},
    {"llama2c", logits_llama2c},
    {"logprob", logits_logprob},
    {"current_logprob", logits_current_logprob},
    {"prob", logits_prob},
    {NULL, NULL},
};
