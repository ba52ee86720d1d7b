/* logits_filters.c - verbs of logits that ban by a rule, bend the values, or take in others.  What each
 * computes is told in core/lull_logits.h. */
#include "logits.h"

#include <float.h>
#include <string.h>

static const double most_float = FLT_MAX, most_number = 1e6;

/* -------------------------------------------------------------------------------- what is banned */

/* A rule with one number in low..high. */
typedef void (*lull_rule)(float *values, size_t n, double x);

static int narrow(lua_State *L, lull_rule rule, double low, double high)
{
    lull_part part;
    double x;
    lull_open_logits(L);
    x = lull_check_number(L, 2, low, high);
    part = lull_part_open(L);
    rule(part.values, part.n, x);
    lull_find_few(L);
    return lull_itself(L);
}

static int logits_top_k(lua_State *L)
{
    lull_lua_logits *v = lull_open_logits(L);
    const double k = lull_check_integer(L, 2, 1, 9007199254740992.0);
    if (k < (double)v->n && !lull_narrow(v, (size_t)k)) {
        const lull_part part = lull_part_open(L);
        lull_logits_top_k(part.values, part.n, (size_t)k);
        lull_find_few(L);
    }
    return lull_itself(L);
}

/* top_p and min_p take the float nearest to their number. */
static void top_p(float *values, size_t n, double p)
{
    lull_logits_top_p(values, n, (float)p);
}

static void min_p(float *values, size_t n, double p)
{
    lull_logits_min_p(values, n, (float)p);
}

static int logits_top_p(lua_State *L)
{
    return narrow(L, top_p, 0, 1);
}

static int logits_min_p(lua_State *L)
{
    return narrow(L, min_p, 0, 1);
}

static int logits_top_a(lua_State *L)
{
    return narrow(L, lull_logits_top_a, 0, 1);
}

static int logits_top_n_sigma(lua_State *L)
{
    return narrow(L, lull_logits_top_n_sigma, 0, most_number);
}

static int logits_typical(lua_State *L)
{
    return narrow(L, lull_logits_typical, 0, 1);
}

static int logits_epsilon(lua_State *L)
{
    return narrow(L, lull_logits_epsilon, 0, 1);
}

static int logits_eta(lua_State *L)
{
    return narrow(L, lull_logits_eta, 0, 1);
}

static int logits_tail_free(lua_State *L)
{
    lull_part part;
    uint32_t *work;
    double z;
    lull_open_logits(L);
    z = lull_check_number(L, 2, 0, 1);
    work = (uint32_t *)lull_push_scratch(L);
    part = lull_part_open(L);
    lull_logits_tail_free(part.values, part.n, z, work);
    lull_find_few(L);
    return lull_itself(L);
}

/* logits:xtc(threshold, keep): keep = id | {ids} that are never banned */
static int logits_xtc(lua_State *L)
{
    lull_lua_logits *v = lull_open_logits(L);
    const double threshold = lull_check_number(L, 2, 0, 0.5);
    const int32_t *keep = NULL;
    int32_t one;
    float *kept;
    size_t i, n = 0;
    lull_part part;
    if (!(threshold > 0)) lull_type_error(L, 2, 2, NULL, "a number in 0 < threshold <= 0.5");
    if (!lua_isnoneornil(L, 3)) keep = lull_check_ids(L, 3, v->n, &one, &n);
    kept = lua_newuserdata(L, n * sizeof *kept + 1);
    part = lull_part_open(L);
    v = lull_open_logits(L);
    for (i = 0; i < n; i++) kept[i] = lull_value(v, keep[i]);
    lull_logits_xtc(part.values, part.n, threshold);
    for (i = 0; i < n; i++) lull_change(v, keep[i], kept[i]);
    return lull_itself(L);
}

/* -------------------------------------------------------------------------------- what is bent */

/* A number at arg, which may be absent. */
static double optional_number(lua_State *L, int arg, double low, double high, double fallback)
{
    return lua_isnoneornil(L, arg) ? fallback : lull_check_number(L, arg, low, high);
}

/* logits:smooth(factor, curve = 1) */
static int logits_smooth(lua_State *L)
{
    double factor, curve;
    lull_part part;
    lull_open_logits(L);
    factor = lull_check_number(L, 2, 0, most_number);
    curve = optional_number(L, 3, 1, 10, 1);
    part = lull_part_open(L);
    lull_logits_smooth(part.values, part.n, factor, curve);
    return lull_itself(L);
}

/* logits:dynamic_temperature(min, max, exponent = 1) -> itself, temperature */
static int logits_dynamic_temperature(lua_State *L)
{
    double low, high, exponent, t;
    lull_part part;
    lull_open_logits(L);
    low = lull_check_number(L, 2, 0, most_number);
    high = lull_check_number(L, 3, 0, most_number);
    exponent = optional_number(L, 4, 0, most_number, 1);
    part = lull_part_open(L);
    t = lull_logits_dynamic_temperature(part.values, part.n, low, high, exponent);
    lua_settop(L, 1);
    lua_pushnumber(L, t);
    return 2;
}

static int logits_toward(lua_State *L)
{
    double target;
    lull_part part;
    lull_open_logits(L);
    target = lull_check_number(L, 2, 0, 1);
    part = lull_part_open(L);
    lull_logits_toward(part.values, part.n, target);
    return lull_itself(L);
}

/* logits:green(key, gamma, delta); key as a seed */
static int logits_green(lua_State *L)
{
    uint64_t key;
    double gamma, delta;
    lull_part part;
    lull_open_logits(L);
    key = lull_seed_argument(L, 2);
    gamma = lull_check_number(L, 3, 0, 1);
    delta = lull_check_number(L, 4, -most_number, most_number);
    part = lull_part_open(L);
    lull_logits_green(part.values, part.ids, part.n, key, gamma, delta);
    return lull_itself(L);
}

/* ------------------------------------------------------------------------- what is taken in */

/* logits:add_scaled(other, a) */
static int logits_add_scaled(lua_State *L)
{
    lull_lua_logits *v = lull_open_logits(L), *other = lull_open_other(L, 2, v);
    const double a = lull_check_number(L, 3, -most_float, most_float);
    float few[LULL_FEW];
    lull_part part;
    int32_t i;
    lull_need_logits(L, other);
    if (v->form != LULL_NARROW) {
        lull_make_whole(L, 1);
        lull_read_whole(L, 2);
    }
    part = lull_part_open(L);
    other = lull_open_other(L, 2, v);
    if (part.ids == NULL) {
        lull_logits_add_scaled(part.values, lull_read_whole(L, 2), part.n, a);
    } else {
        for (i = 0; i < v->n_few; i++) few[i] = lull_value(other, part.ids[i]);
        lull_logits_add_scaled(part.values, few, part.n, a);
    }
    return lull_itself(L);
}

/* logits:copy(other): its values, be they logits or probabilities; the raw logits stay its own */
static int logits_copy(lua_State *L)
{
    lull_lua_logits *v = lull_open_view(L, 1);
    const lull_lua_logits *other = lull_open_other(L, 2, v);
    if (other == v) return lull_itself(L);
    if (other->form == LULL_NARROW) {
        v->form = LULL_NARROW;
        v->n_few = other->n_few;
        memcpy(v->few, other->few, sizeof *v->few);
    } else {
        const float *values;
        lull_make_whole(L, 1);
        values = lull_read_whole(L, 2);
        v = lull_make_whole(L, 1);
        other = lull_open_other(L, 2, v);
        memcpy(v->values, values, (size_t)v->n * sizeof *v->values);
    }
    v->probabilities = other->probabilities;
    return lull_itself(L);
}

const luaL_Reg lull_logits_filters[] = {
    {"top_k", logits_top_k},
    {"top_p", logits_top_p},
    {"min_p", logits_min_p},
    {"top_a", logits_top_a},
    {"top_n_sigma", logits_top_n_sigma},
    {"typical", logits_typical},
    {"tail_free", logits_tail_free},
    {"epsilon", logits_epsilon},
    {"eta", logits_eta},
    {"xtc", logits_xtc},
    {"smooth", logits_smooth},
    {"dynamic_temperature", logits_dynamic_temperature},
    {"toward", logits_toward},
    {"green", logits_green},
    {"add_scaled", logits_add_scaled},
    {"copy", logits_copy},
    {NULL, NULL},
};
