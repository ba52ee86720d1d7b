/* rng.c - random numbers for Lua: a draw is a function of seed, stream, position, purpose and
 * attempt, and an rng is only a seed and a stream.  Also the generator state of llama2.c's
 * sampler.
 *
 *  seed     an integer in 0 .. 2^53, or up to 64 bits as "0x" and 1 to 16 hexadecimal digits
 *  stream   the same, or any other string, which is hashed (so core.hash("lily") is the stream
 * "lily") purpose  an integer in 0 .. 65535, "select" = 0, "xtc" = 1, or another string, which
 * is hashed into 0x8000 .. 0xffff */
#include "objects.h"

#include <stdio.h>
#include <string.h>

static const double two53 = 9007199254740992.0;
static const double most_position = 4294967295.0, most_16_bits = 65535.0;

/* -------------------------------------------------------------------------------- arguments */

static int parse_hex(const char *s, size_t n, uint64_t *out)
{
    uint64_t v = 0;
    size_t i;
    if (n < 3 || n > 18 || s[0] != '0' || (s[1] != 'x' && s[1] != 'X')) return 0;
    for (i = 2; i < n; i++) {
        unsigned c = (unsigned char)s[i], digit;
        if (c >= '0' && c <= '9')
            digit = c - '0';
        else if (c >= 'a' && c <= 'f')
            digit = c - 'a' + 10;
        else if (c >= 'A' && c <= 'F')
            digit = c - 'A' + 10;
        else
            return 0;
        v = v << 4 | digit;
    }
    *out = v;
    return 1;
}

void lull_push_hex(lua_State *L, uint64_t v)
{
    char text[24];
    snprintf(text, sizeof text, "0x%08lx%08lx", (unsigned long)(v >> 32),
             (unsigned long)(v & 0xffffffffu));
    lua_pushstring(L, text);
}

static uint64_t need_seed(lua_State *L, int arg, int index, const char *name)
{
    uint64_t v = 0;
    if (lua_type(L, index) == LUA_TSTRING) {
        size_t n;
        const char *s = lua_tolstring(L, index, &n);
        if (!parse_hex(s, n, &v))
            lull_type_error(L, arg, index, name,
                            "an integer in 0..9007199254740992 or '0x' and 1 to 16 hex digits");
        return v;
    }
    return (uint64_t)lull_need_integer(L, arg, index, name, 0, two53);
}

uint64_t lull_seed_argument(lua_State *L, int arg)
{
    return need_seed(L, arg, arg, NULL);
}

static uint64_t need_stream(lua_State *L, int arg, int index, const char *name)
{
    uint64_t v = 0;
    size_t n;
    const char *s;
    if (lua_type(L, index) != LUA_TSTRING) {
        if (lua_type(L, index) != LUA_TNUMBER)
            lull_type_error(L, arg, index, name, "an integer or a string");
        return (uint64_t)lull_need_integer(L, arg, index, name, 0, two53);
    }
    s = lua_tolstring(L, index, &n);
    return parse_hex(s, n, &v) ? v : lull_hash(s, n);
}

static uint16_t need_purpose(lua_State *L, int arg, int index, const char *name)
{
    size_t n;
    const char *s;
    if (lua_type(L, index) != LUA_TSTRING) {
        if (lua_type(L, index) != LUA_TNUMBER)
            lull_type_error(L, arg, index, name, "an integer or a string");
        return (uint16_t)lull_need_integer(L, arg, index, name, 0, most_16_bits);
    }
    s = lua_tolstring(L, index, &n);
    if (n == 6 && memcmp(s, "select", 6) == 0) return 0;
    if (n == 3 && memcmp(s, "xtc", 3) == 0) return 1;
    return (uint16_t)(0x8000u | (lull_hash(s, n) & 0x7fffu));
}

/* position, purpose and attempt at three arguments from arg; the last two may be absent. */
static double draw_from_arguments(lua_State *L, int arg, uint64_t seed, uint64_t stream)
{
    uint32_t position = (uint32_t)lull_check_integer(L, arg, 0, most_position);
    uint16_t purpose = 0, attempt = 0;
    if (!lua_isnoneornil(L, arg + 1)) purpose = need_purpose(L, arg + 1, arg + 1, NULL);
    if (!lua_isnoneornil(L, arg + 2))
        attempt = (uint16_t)lull_check_integer(L, arg + 2, 0, most_16_bits);
    return lull_random(seed, stream, position, purpose, attempt);
}

double lull_draw_from_options(lua_State *L, int arg)
{
    static const char *const names[] = {"seed",    "stream", "position", "purpose",
                                        "attempt", "rng",    NULL};
    uint64_t seed = 0, stream = 0;
    uint16_t purpose = 0, attempt;
    uint32_t position;
    int has_rng, has_seed, has_stream;
    lull_options_check(L, arg, names);
    has_rng = lull_option_push(L, arg, "rng");
    if (has_rng) {
        lull_lua_rng *rng = lull_object_test(L, lua_gettop(L), &lull_rng_kind);
        if (rng != NULL) {
            seed = rng->seed;
            stream = rng->stream;
        } else {
            lull_type_error(L, arg, lua_gettop(L), "rng", "a lull.rng");
        }
        lua_pop(L, 1);
    }
    has_seed = lull_option_push(L, arg, "seed");
    if (has_seed) {
        seed = need_seed(L, arg, lua_gettop(L), "seed");
        lua_pop(L, 1);
    }
    has_stream = lull_option_push(L, arg, "stream");
    if (has_stream) {
        stream = need_stream(L, arg, lua_gettop(L), "stream");
        lua_pop(L, 1);
    }
    if (has_rng && (has_seed || has_stream))
        luaL_argerror(L, arg, "rng excludes seed and stream: it has its own");
    if (!has_rng && !has_seed) luaL_argerror(L, arg, "seed or rng is needed");
    if (lull_option_push(L, arg, "purpose")) {
        purpose = need_purpose(L, arg, lua_gettop(L), "purpose");
        lua_pop(L, 1);
    }
    attempt = (uint16_t)lull_option_integer(L, arg, "attempt", 0, most_16_bits, 0);
    if (!lull_option_push(L, arg, "position"))
        luaL_argerror(L, arg, "position is needed: it makes each draw another");
    position = (uint32_t)lull_need_integer(L, arg, lua_gettop(L), "position", 0, most_position);
    lua_pop(L, 1);
    return lull_random(seed, stream, position, purpose, attempt);
}

/* -------------------------------------------------------------------------------- functions */

int lull_lua_random(lua_State *L)
{
    uint64_t seed = need_seed(L, 1, 1, NULL);
    uint64_t stream = need_stream(L, 2, 2, NULL);
    lua_pushnumber(L, draw_from_arguments(L, 3, seed, stream));
    return 1;
}

/* core.is_green(key, id, gamma): does logits:green(key, gamma) raise this token? */
int lull_lua_is_green(lua_State *L)
{
    uint64_t key = lull_seed_argument(L, 1);
    int32_t id = (int32_t)lull_check_integer(L, 2, 0, INT32_MAX);
    lua_pushboolean(L, lull_green(key, id, lull_check_number(L, 3, 0, 1)));
    return 1;
}

int lull_lua_hash(lua_State *L)
{
    size_t n;
    const char *text = lull_check_text(L, 1, &n);
    lull_push_hex(L, lull_hash(text, n));
    return 1;
}

int lull_lua_rng_new(lua_State *L)
{
    static const char *const names[] = {"seed", "stream", NULL};
    uint64_t seed, stream = 0;
    lull_lua_rng *rng;
    luaL_checktype(L, 1, LUA_TTABLE);
    lull_options_check(L, 1, names);
    if (!lull_option_push(L, 1, "seed")) luaL_argerror(L, 1, "seed is needed");
    seed = need_seed(L, 1, lua_gettop(L), "seed");
    if (lull_option_push(L, 1, "stream")) stream = need_stream(L, 1, lua_gettop(L), "stream");
    rng = lull_object_new(L, &lull_rng_kind);
    rng->seed = seed;
    rng->stream = stream;
    return 1;
}

/* -------------------------------------------------------------------------------------- rng */

static lull_lua_rng *check_rng(lua_State *L)
{
    return lull_object_check(L, 1, &lull_rng_kind);
}

static int rng_uniform(lua_State *L)
{
    const lull_lua_rng *rng = check_rng(L);
    lua_pushnumber(L, draw_from_arguments(L, 2, rng->seed, rng->stream));
    return 1;
}

/* As it can be given again: a number where that is exact. */
static int rng_seed(lua_State *L)
{
    const lull_lua_rng *rng = check_rng(L);
    if (rng->seed <= (uint64_t)1 << 53)
        lull_push_count(L, rng->seed);
    else
        lull_push_hex(L, rng->seed);
    return 1;
}

static int rng_stream(lua_State *L)
{
    lull_push_hex(L, check_rng(L)->stream);
    return 1;
}

static int rng_tostring(lua_State *L)
{
    check_rng(L);
    rng_seed(L);
    rng_stream(L);
    lua_pushfstring(L, "lull.rng (seed %s, stream %s)", lua_tostring(L, -2), lua_tostring(L, -1));
    return 1;
}

const lull_kind lull_rng_kind = {"lull.rng", 0x4c524e47u, sizeof(lull_lua_rng)};

void lull_register_rng(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"uniform", rng_uniform},
        {"seed", rng_seed},
        {"stream", rng_stream},
        {NULL, NULL},
    };
    static const luaL_Reg metamethods[] = {{"__tostring", rng_tostring}, {NULL, NULL}};
    lull_kind_register(L, &lull_rng_kind, methods, metamethods);
}

/* ---------------------------------------------------------- the generator state of llama2.c */

static uint64_t check_llama2c_seed(lua_State *L, int arg)
{
    uint64_t seed = need_seed(L, arg, arg, NULL);
    if (seed == 0) luaL_argerror(L, arg, "seed must be at least 1: xorshift never leaves 0");
    return seed;
}

int lull_lua_llama2c_new(lua_State *L)
{
    uint64_t seed = check_llama2c_seed(L, 1);
    lull_lua_llama2c *state = lull_object_new(L, &lull_llama2c_kind);
    state->state = seed;
    return 1;
}

static lull_lua_llama2c *check_llama2c(lua_State *L)
{
    return lull_object_check(L, 1, &lull_llama2c_kind);
}

static int llama2c_value(lua_State *L)
{
    lull_push_hex(L, check_llama2c(L)->state);
    return 1;
}

static int llama2c_reset(lua_State *L)
{
    lull_lua_llama2c *state = check_llama2c(L);
    state->state = check_llama2c_seed(L, 2);
    lua_settop(L, 1);
    return 1;
}

static int llama2c_clone(lua_State *L)
{
    const lull_lua_llama2c *state = check_llama2c(L);
    lull_lua_llama2c *copy = lull_object_new(L, &lull_llama2c_kind);
    copy->state = state->state;
    return 1;
}

static int llama2c_tostring(lua_State *L)
{
    llama2c_value(L);
    lua_pushfstring(L, "lull.llama2c_state (%s)", lua_tostring(L, -1));
    return 1;
}

const lull_kind lull_llama2c_kind = {"lull.llama2c_state", 0x4c4c3243u, sizeof(lull_lua_llama2c)};

void lull_register_llama2c(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"value", llama2c_value},
        {"reset", llama2c_reset},
        {"clone", llama2c_clone},
        {NULL, NULL},
    };
    static const luaL_Reg metamethods[] = {{"__tostring", llama2c_tostring}, {NULL, NULL}};
    lull_kind_register(L, &lull_llama2c_kind, methods, metamethods);
}
