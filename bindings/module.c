/* module.c - the Lua module lull.core: its table of functions.  The methods of its objects are
 * in one file per object; what they are used for is Lua's. */
#include "objects.h"

#include <sys/time.h>
#include <time.h>

LULL_API int luaopen_lull_core(lua_State *L);

static int cpus(lua_State *L)
{
    const char *name;
    int i, available;
    lua_newtable(L);
    for (i = 0; (name = lull_cpu_name(i, &available)) != NULL; i++) {
        lua_createtable(L, 0, 2);
        lua_pushstring(L, name);
        lua_setfield(L, -2, "name");
        lua_pushboolean(L, available);
        lua_setfield(L, -2, "available");
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int utf8_complete(lua_State *L)
{
    size_t n;
    const char *text = lull_check_text(L, 1, &n);
    lull_push_count(L, lull_utf8_complete(text, n));
    return 1;
}

/* Seconds since some moment, for measuring; of a clock that nobody sets, where there is one. */
static int clock_seconds(lua_State *L)
{
#if defined(CLOCK_MONOTONIC)
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    lua_pushnumber(L, (lua_Number)t.tv_sec + (lua_Number)t.tv_nsec * 1e-9);
#else
    struct timeval t;
    gettimeofday(&t, NULL);
    lua_pushnumber(L, (lua_Number)t.tv_sec + (lua_Number)t.tv_usec * 1e-6);
#endif
    return 1;
}

/* ---- core.math: the elementary functions that give the same bits everywhere */

static double check_real(lua_State *L, int arg)
{
    if (lua_type(L, arg) != LUA_TNUMBER) lull_type_error(L, arg, arg, NULL, "number");
    return (double)lua_tonumber(L, arg);
}

static int math_exp(lua_State *L)
{
    lua_pushnumber(L, lull_exp(check_real(L, 1)));
    return 1;
}

static int math_log(lua_State *L)
{
    lua_pushnumber(L, lull_log(check_real(L, 1)));
    return 1;
}

static int math_pow(lua_State *L)
{
    double x = check_real(L, 1);
    lua_pushnumber(L, lull_pow(x, check_real(L, 2)));
    return 1;
}

static int math_sin(lua_State *L)
{
    lua_pushnumber(L, lull_sin(check_real(L, 1)));
    return 1;
}

static int math_cos(lua_State *L)
{
    lua_pushnumber(L, lull_cos(check_real(L, 1)));
    return 1;
}

static const luaL_Reg math_functions[] = {
    {"exp", math_exp}, {"log", math_log}, {"pow", math_pow},
    {"sin", math_sin}, {"cos", math_cos}, {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"load", lull_lua_load},
    {"inspect", lull_lua_inspect},
    {"quantize", lull_lua_quantize},
    {"cpus", cpus},
    {"rng", lull_lua_rng_new},
    {"random", lull_lua_random},
    {"hash", lull_lua_hash},
    {"llama2c_state", lull_lua_llama2c_new},
    {"utf8_complete", utf8_complete},
    {"clock", clock_seconds},
    {NULL, NULL},
};

int luaopen_lull_core(lua_State *L)
{
    lua_newtable(L);
    lull_setfuncs(L, functions);

    /* The method tables, for Lua to add to: metatables are hidden, so this is the only way in.
     */
    lua_newtable(L);
    lull_register_model(L);
    lua_setfield(L, -2, "model");
    lull_register_context(L);
    lua_setfield(L, -2, "context");
    lull_register_sequence(L);
    lua_setfield(L, -2, "sequence");
    lull_register_logits(L);
    lua_setfield(L, -2, "logits");
    lull_register_rng(L);
    lua_setfield(L, -2, "rng");
    lull_register_llama2c(L);
    lua_setfield(L, -2, "llama2c_state");
    lua_setfield(L, -2, "methods");

    lua_newtable(L);
    lull_setfuncs(L, math_functions);
    lua_setfield(L, -2, "math");

    lua_pushstring(L, lull_version());
    lua_setfield(L, -2, "version");
    return 1;
}
