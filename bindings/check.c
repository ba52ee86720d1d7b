/* check.c - arguments, option tables and the userdata behind the module's objects. */
#include "check.h"

#include <stdio.h>
#include <string.h>

enum { SHOWN_BYTES = 40, NAME_BYTES = 24 }; /* of a found string; longest option name + 1 */

/* ---------------------------------------------------------------------------------- objects */

void lull_kind_register(lua_State *L, const lull_kind *kind, const luaL_Reg *methods,
                        const luaL_Reg *metamethods)
{
    void *key = (void *)(uintptr_t)kind;
    lua_pushlightuserdata(L, key);
    lua_rawget(L, LUA_REGISTRYINDEX);
    if (lua_istable(L, -1)) {
        lua_getfield(L, -1, "__index");
        lua_remove(L, -2);
        return;
    }
    lua_pop(L, 1);
    lua_newtable(L);
    lull_setfuncs(L, metamethods);
    lua_pushstring(L, kind->name);
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_newtable(L);
    lull_setfuncs(L, methods);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "__index");
    lua_insert(L, -2);
    /* Entered last: a failed allocation above leaves no half-made type behind. */
    lua_pushlightuserdata(L, key);
    lua_insert(L, -2);
    lua_rawset(L, LUA_REGISTRYINDEX);
}

void *lull_object_new(lua_State *L, const lull_kind *kind)
{
    void *object = lua_newuserdata(L, kind->bytes);
    memset(object, 0, kind->bytes);
    memcpy(object, &kind->magic, sizeof kind->magic);
    lua_pushlightuserdata(L, (void *)(uintptr_t)kind);
    lua_rawget(L, LUA_REGISTRYINDEX);
    lua_setmetatable(L, -2);
    return object;
}

void *lull_object_test(lua_State *L, int arg, const lull_kind *kind)
{
    uint32_t magic;
    int same;
    void *object;
    if (lua_type(L, arg) != LUA_TUSERDATA || !lua_getmetatable(L, arg)) return NULL;
    lua_pushlightuserdata(L, (void *)(uintptr_t)kind);
    lua_rawget(L, LUA_REGISTRYINDEX);
    same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    /* debug.setmetatable can hang our metatable on anything: size and magic decide. */
    if (!same || lull_rawlen(L, arg) != kind->bytes) return NULL;
    object = lua_touserdata(L, arg);
    memcpy(&magic, object, sizeof magic);
    return magic == kind->magic ? object : NULL;
}

void *lull_object_check(lua_State *L, int arg, const lull_kind *kind)
{
    void *object = lull_object_test(L, arg, kind);
    if (object == NULL) lull_type_error(L, arg, arg, NULL, kind->name);
    return object;
}

/* ----------------------------------------------------------------------------------- errors */

/* v as a message shows it, in every locale: integers in full, "nan" whatever its sign. */
static void write_number(char text[32], double v)
{
    char *comma;
    if (v != v)
        memcpy(text, "nan", 4);
    else if (v >= -1e16 && v <= 1e16 && (double)(int64_t)v == v)
        snprintf(text, 32, "%.0f", v);
    else
        snprintf(text, 32, "%.14g", v);
    comma = strchr(text, ',');
    if (comma != NULL) *comma = '.';
}

/* Push what was found at index, for a message: a number's value, a string's start, else the
 * type. */
static const char *push_found(lua_State *L, int index)
{
    char text[32];
    switch (lua_type(L, index)) {
    case LUA_TNONE: lua_pushliteral(L, "no value"); break;
    case LUA_TNUMBER:
        write_number(text, (double)lua_tonumber(L, index));
        lua_pushstring(L, text);
        break;
    case LUA_TSTRING: {
        size_t n;
        const char *s = lua_tolstring(L, index, &n);
        lua_pushliteral(L, "string '");
        lua_pushlstring(L, s, n < SHOWN_BYTES ? n : SHOWN_BYTES);
        lua_pushstring(L, n < SHOWN_BYTES ? "'" : "...'");
        lua_concat(L, 3);
        break;
    }
    default: lua_pushstring(L, luaL_typename(L, index));
    }
    return lua_tostring(L, -1);
}

int lull_type_error(lua_State *L, int arg, int index, const char *name, const char *expected)
{
    const char *found;
    luaL_checkstack(L, 8, "arguments");
    found = push_found(L, index);
    if (name == NULL)
        lua_pushfstring(L, "%s expected, got %s", expected, found);
    else
        lua_pushfstring(L, "%s must be %s, got %s", name, expected, found);
    return luaL_argerror(L, arg, lua_tostring(L, -1));
}

static void range_error(lua_State *L, int arg, int index, const char *name, const char *what,
                        double low, double high)
{
    char expected[96], from[32], to[32];
    write_number(from, low);
    write_number(to, high);
    snprintf(expected, sizeof expected, "%s in %s..%s", what, from, to);
    lull_type_error(L, arg, index, name, expected);
}

int lull_push_failure(lua_State *L, const lull_error *error)
{
    lua_pushnil(L);
    lua_pushstring(L, error->message);
    lua_pushstring(L, lull_status_name(error->code));
    return 3;
}

void lull_nudge(lua_State *L, uint64_t bytes)
{
    const uint64_t most = (uint64_t)1 << 20; /* in KiB: more than a whole cycle is never needed */
    uint64_t kib = bytes / 1024 + 1;
    lua_gc(L, LUA_GCSTEP, (int)(kib < most ? kib : most));
}

/* -------------------------------------------------------------------------------- arguments */

double lull_need_integer(lua_State *L, int arg, int index, const char *name, double low,
                         double high)
{
    double v = 0;
    if (!lull_exact_integer(L, index, &v) || v < low || v > high)
        range_error(L, arg, index, name, "an integer", low, high);
    return v;
}

static double need_number(lua_State *L, int arg, int index, const char *name, double low,
                          double high)
{
    double v = lua_type(L, index) == LUA_TNUMBER ? (double)lua_tonumber(L, index) : high + 1;
    if (lua_type(L, index) != LUA_TNUMBER || !(v >= low && v <= high))
        range_error(L, arg, index, name, "a number", low, high);
    return v;
}

double lull_check_integer(lua_State *L, int arg, double low, double high)
{
    return lull_need_integer(L, arg, arg, NULL, low, high);
}

double lull_check_number(lua_State *L, int arg, double low, double high)
{
    return need_number(L, arg, arg, NULL, low, high);
}

const char *lull_check_text(lua_State *L, int arg, size_t *bytes)
{
    if (lua_type(L, arg) != LUA_TSTRING) lull_type_error(L, arg, arg, NULL, "string");
    return lua_tolstring(L, arg, bytes);
}

/* The file system sees text up to the first zero byte, and would open another file. */
static const char *need_path(lua_State *L, int arg, int index, const char *name)
{
    size_t n;
    const char *s;
    if (lua_type(L, index) != LUA_TSTRING) lull_type_error(L, arg, index, name, "a string");
    s = lua_tolstring(L, index, &n);
    if (strlen(s) != n) {
        lua_pushfstring(L, "%s contains a zero byte", name != NULL ? name : "path");
        luaL_argerror(L, arg, lua_tostring(L, -1));
    }
    return s;
}

const char *lull_check_path(lua_State *L, int arg)
{
    return need_path(L, arg, arg, NULL);
}

const int32_t *lull_need_ids(lua_State *L, int arg, int index, const char *name, int32_t vocab,
                             int32_t *one, size_t *n)
{
    size_t i, count;
    int32_t *ids;
    if (lua_type(L, index) == LUA_TNUMBER) {
        *one = (int32_t)lull_need_integer(L, arg, index, name, 0, vocab - 1);
        *n = 1;
        return one;
    }
    if (!lua_istable(L, index))
        lull_type_error(L, arg, index, name, "a token id or a list of token ids");
    luaL_checkstack(L, 8, "token ids");
    count = lull_rawlen(L, index);
    if (count > (size_t)INT32_MAX) luaL_argerror(L, arg, "list is too long");
    ids = lua_newuserdata(L, count * sizeof *ids + 1);
    for (i = 0; i < count; i++) {
        double v = 0;
        lua_rawgeti(L, index, (int)(i + 1));
        if (!lull_exact_integer(L, -1, &v) || v < 0 || v >= vocab) {
            char element[64];
            snprintf(element, sizeof element, "%s%selement %lu", name != NULL ? name : "",
                     name != NULL ? ": " : "", (unsigned long)(i + 1));
            range_error(L, arg, lua_gettop(L), element, "an integer", 0, vocab - 1);
        }
        ids[i] = (int32_t)v;
        lua_pop(L, 1);
    }
    *n = count;
    return ids;
}

const int32_t *lull_check_ids(lua_State *L, int arg, int32_t vocab, int32_t *one, size_t *n)
{
    return lull_need_ids(L, arg, arg, NULL, vocab, one, n);
}

/* ---------------------------------------------------------------------------- option tables */

/* How many letters must change, come or go to make b of a (Levenshtein). */
static int distance(const char *a, const char *b)
{
    int row[NAME_BYTES + 1];
    int na = (int)strlen(a), nb = (int)strlen(b), i, j;
    if (na > NAME_BYTES || nb > NAME_BYTES) return NAME_BYTES;
    for (j = 0; j <= nb; j++) row[j] = j;
    for (i = 1; i <= na; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (j = 1; j <= nb; j++) {
            int best = diagonal + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[nb];
}

/* The key of the pair on top of the stack is no option: say which one may have been meant. */
static void unknown_option(lua_State *L, int arg, const char *const *names)
{
    const char *key, *nearest = NULL;
    int best = 3; /* more than two letters off is another word */
    if (lua_type(L, -2) != LUA_TSTRING) {
        lua_pushfstring(L, "unknown option %s", push_found(L, lua_gettop(L) - 1));
        luaL_argerror(L, arg, lua_tostring(L, -1));
    }
    key = lua_tostring(L, -2);
    for (; *names != NULL; names++) {
        int d = distance(key, *names);
        if (d < best) {
            best = d;
            nearest = *names;
        }
    }
    if (nearest != NULL)
        lua_pushfstring(L, "unknown option '%s' (did you mean '%s'?)", key, nearest);
    else
        lua_pushfstring(L, "unknown option '%s'", key);
    luaL_argerror(L, arg, lua_tostring(L, -1));
}

void lull_options_check(lua_State *L, int arg, const char *const *names)
{
    luaL_checkstack(L, 20, "options");
    if (lua_isnoneornil(L, arg)) return;
    if (!lua_istable(L, arg)) lull_type_error(L, arg, arg, NULL, "a table of options");
    lua_pushnil(L);
    while (lua_next(L, arg)) {
        const char *const *name = names;
        if (lua_type(L, -2) == LUA_TSTRING) {
            size_t n;
            const char *key = lua_tolstring(L, -2, &n);
            while (*name != NULL && (strlen(*name) != n || memcmp(key, *name, n) != 0)) name++;
        } else {
            while (*name != NULL) name++;
        }
        if (*name == NULL) unknown_option(L, arg, names);
        lua_pop(L, 1);
    }
}

int lull_option_push(lua_State *L, int arg, const char *name)
{
    if (!lua_istable(L, arg)) return 0;
    lua_getfield(L, arg, name);
    if (!lua_isnil(L, -1)) return 1;
    lua_pop(L, 1);
    return 0;
}

double lull_option_integer(lua_State *L, int arg, const char *name, double low, double high,
                           double fallback)
{
    double v = fallback;
    if (lull_option_push(L, arg, name)) {
        v = lull_need_integer(L, arg, lua_gettop(L), name, low, high);
        lua_pop(L, 1);
    }
    return v;
}

double lull_option_number(lua_State *L, int arg, const char *name, double low, double high,
                          double fallback)
{
    double v = fallback;
    if (lull_option_push(L, arg, name)) {
        v = need_number(L, arg, lua_gettop(L), name, low, high);
        lua_pop(L, 1);
    }
    return v;
}

int lull_option_boolean(lua_State *L, int arg, const char *name, int fallback)
{
    int v = fallback;
    if (lull_option_push(L, arg, name)) {
        if (!lua_isboolean(L, -1)) lull_type_error(L, arg, lua_gettop(L), name, "true or false");
        v = lua_toboolean(L, -1);
        lua_pop(L, 1);
    }
    return v;
}

const char *lull_option_string(lua_State *L, int arg, const char *name)
{
    if (!lull_option_push(L, arg, name)) return NULL;
    return need_path(L, arg, lua_gettop(L), name);
}

int lull_option_choice(lua_State *L, int arg, const char *name, const char *const *choices,
                       int fallback)
{
    int i, found = -1;
    luaL_Buffer b;
    if (!lull_option_push(L, arg, name)) return fallback;
    if (lua_type(L, -1) == LUA_TSTRING) {
        const char *s = lua_tostring(L, -1);
        for (i = 0; choices[i] != NULL && found < 0; i++)
            if (strcmp(s, choices[i]) == 0) found = i;
    }
    if (found < 0) {
        int index = lua_gettop(L);
        luaL_buffinit(L, &b);
        for (i = 0; choices[i] != NULL; i++) {
            luaL_addstring(&b, i == 0 ? "'" : choices[i + 1] == NULL ? " or '" : ", '");
            luaL_addstring(&b, choices[i]);
            luaL_addstring(&b, "'");
        }
        luaL_pushresult(&b);
        lull_type_error(L, arg, index, name, lua_tostring(L, -1));
    }
    lua_pop(L, 1);
    return found;
}
