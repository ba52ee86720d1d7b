/* compat.h - the few things in which Lua 5.1 (and LuaJIT) and 5.2 to 5.4 differ.  The bindings
 * are written against Lua 5.1; everything newer sits here and nowhere else. */
#ifndef LULL_COMPAT_H
#define LULL_COMPAT_H

#include <lauxlib.h>
#include <lua.h>

#include <stdint.h>

#if LUA_VERSION_NUM >= 502
/* Length without metamethods; functions into the table on top; a table that belongs to a
 * userdata. */
#define lull_rawlen(L, i)           lua_rawlen(L, i)
#define lull_setfuncs(L, functions) luaL_setfuncs(L, functions, 0)
#define lull_setenv(L, i)           lua_setuservalue(L, i)
#define lull_getenv(L, i)           ((void)lua_getuservalue(L, i))
#else
#define lull_rawlen(L, i)           lua_objlen(L, i)
#define lull_setfuncs(L, functions) luaL_register(L, NULL, functions)
#define lull_setenv(L, i)           ((void)lua_setfenv(L, i))
#define lull_getenv(L, i)           lua_getfenv(L, i)
#endif

/* A count that may pass 2^31: an integer where Lua has 64-bit ones, else a double (exact to
 * 2^53). */
static inline void lull_push_count(lua_State *L, uint64_t n)
{
#if LUA_VERSION_NUM >= 503
    lua_pushinteger(L, (lua_Integer)n);
#else
    lua_pushnumber(L, (lua_Number)n);
#endif
}

/* The value at i as a double if it is an exact integer within +-2^53; strings are none.
 * 1 = *out is set. */
static inline int lull_exact_integer(lua_State *L, int i, double *out)
{
    const double limit = 9007199254740992.0;
    double v;
    if (lua_type(L, i) != LUA_TNUMBER) return 0;
#if LUA_VERSION_NUM >= 503
    if (lua_isinteger(L, i)) {
        lua_Integer n = lua_tointeger(L, i);
        if (n < -(lua_Integer)limit || n > (lua_Integer)limit) return 0;
    }
#endif
    v = (double)lua_tonumber(L, i);
    if (!(v >= -limit && v <= limit) || (double)(int64_t)v != v) return 0;
    *out = v;
    return 1;
}

#endif
