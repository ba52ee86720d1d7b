/* grammar.c - grammars and matchers for Lua: which tokens may come next in a constrained text.
 *
 *  core.grammar(model | nil, {rules = {...}, sets = {...}, names = {...}}, {max_memory_bytes =,
 *               max_depth =})
 *      rules  a list of rules, the first of which is the whole text; a rule is a list of
 *             alternatives, an alternative a list of elements: i > 0 is a byte of sets[i], -r is
 *             what rules[r] matches
 *      sets   strings of 32 bytes; bit b % 8 of byte b / 8 (from 0) says that byte b is in it
 *      names  [r] = name of rules[r], for messages
 *      Without a model, matchers only know accept_text, complete and forced.
 *  grammar:matcher{at_start =}  grammar:info()  grammar:close()
 *      at_start: the first token comes right after BOS, and its leading space does not count
 *
 *  matcher:allows(id)          true or false
 *  matcher:accept(id)          true, or nil, message, "EINVAL" where it is not allowed
 *  matcher:accept_text(bytes)  the same for bytes in no particular tokens: all of them or none
 *  matcher:mask(logits)        bans what is not allowed; the logits
 *  matcher:complete()          may the text end here?
 *  matcher:forced()            the bytes that must follow, or nil; the only allowed id, or nil
 *  matcher:clone()  :reset()  :close()
 *      What needs too much gives nil, message, "ELIMIT" and changes nothing. */
#include "objects.h"

#include <stdio.h>
#include <string.h>

enum { FORCED_BYTES = 1024 }; /* as many are told at once */

/* --------------------------------------------------------------------------- a program: counts */

static const double most_elements = 4194304.0;

/* Push field name of the table at index, which must be a table or, if optional, nil. */
static int push_table(lua_State *L, int index, const char *name, int optional)
{
    lua_pushstring(L, name);
    lua_rawget(L, index);
    if (!lua_istable(L, -1) && !(optional && lua_isnil(L, -1)))
        lull_type_error(L, 2, lua_gettop(L), name, "a table");
    return lua_gettop(L);
}

/* Push item i of the list at index, which must be a table. */
static int push_list(lua_State *L, int index, int i, const char *name)
{
    lua_rawgeti(L, index, i);
    if (!lua_istable(L, -1)) lull_type_error(L, 2, lua_gettop(L), name, "a list");
    return lua_gettop(L);
}

static int32_t length_of(lua_State *L, int index, const char *what)
{
    const size_t n = lull_rawlen(L, index);
    if ((double)n > most_elements) {
        lua_pushfstring(L, "more than %d %s", (int)most_elements, what);
        luaL_argerror(L, 2, lua_tostring(L, -1));
    }
    return (int32_t)n;
}

static void count_program(lua_State *L, int rules, int sets, lull_program *p)
{
    int32_t r, a;
    p->n_rules = length_of(L, rules, "rules");
    p->n_sets = length_of(L, sets, "byte sets");
    for (r = 1; r <= p->n_rules; r++) {
        const int rule = push_list(L, rules, r, "a rule");
        const int32_t n = length_of(L, rule, "alternatives");
        if ((double)p->n_alternatives + n > most_elements)
            luaL_argerror(L, 2, "too many alternatives");
        p->n_alternatives += n;
        for (a = 1; a <= n; a++) {
            const int list = push_list(L, rule, a, "an alternative");
            const int32_t m = length_of(L, list, "elements");
            if ((double)p->n_elements + m > most_elements) luaL_argerror(L, 2, "too many elements");
            p->n_elements += m;
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
}

/* ------------------------------------------------------------------------- a program: contents */

/* Where the arrays of a program are filled. */
typedef struct program_memory {
    int32_t *rules, *alternatives, *elements;
    uint8_t *sets;
    const char **names;
} program_memory;

static void changed(lua_State *L)
{
    luaL_argerror(L, 2, "the program changed while it was read");
}

static int32_t element_of(lua_State *L, int index)
{
    double v = 0;
    if (!lull_exact_integer(L, index, &v) || v == 0 || v < -most_elements || v > most_elements)
        lull_type_error(L, 2, index, "an element", "the index of a set, or minus that of a rule");
    return v > 0 ? (int32_t)v - 1 : (int32_t)v; /* -1 - r counts r from 0 */
}

static void fill_rules(lua_State *L, int rules, const lull_program *p, const program_memory *to)
{
    int32_t r, a, e, n_alternatives = 0, n_elements = 0;
    to->rules[0] = 0;
    to->alternatives[0] = 0;
    for (r = 0; r < p->n_rules; r++) {
        const int rule = push_list(L, rules, r + 1, "a rule");
        const int32_t n = length_of(L, rule, "alternatives");
        if (n > p->n_alternatives - n_alternatives) changed(L);
        for (a = 1; a <= n; a++) {
            const int list = push_list(L, rule, a, "an alternative");
            const int32_t m = length_of(L, list, "elements");
            if (m > p->n_elements - n_elements) changed(L);
            for (e = 1; e <= m; e++) {
                lua_rawgeti(L, list, e);
                to->elements[n_elements++] = element_of(L, lua_gettop(L));
                lua_pop(L, 1);
            }
            to->alternatives[++n_alternatives] = n_elements;
            lua_pop(L, 1);
        }
        to->rules[r + 1] = n_alternatives;
        lua_pop(L, 1);
    }
    if (n_alternatives != p->n_alternatives || n_elements != p->n_elements) changed(L);
}

/* Names stay strings of the table, which stays on the stack. */
static void fill_sets(lua_State *L, int sets, int names, const lull_program *p,
                      const program_memory *to)
{
    int32_t i;
    for (i = 0; i < p->n_sets; i++) {
        size_t n = 0;
        const char *set;
        lua_rawgeti(L, sets, i + 1);
        set = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &n) : NULL;
        if (set != NULL && n == 32)
            memcpy(to->sets + 32 * (size_t)i, set, 32);
        else
            lull_type_error(L, 2, lua_gettop(L), "a byte set", "a string of 32 bytes");
        lua_pop(L, 1);
    }
    for (i = 0; i < p->n_rules; i++) {
        to->names[i] = NULL;
        if (lua_isnil(L, names)) continue;
        lua_rawgeti(L, names, i + 1);
        if (lua_type(L, -1) == LUA_TSTRING) to->names[i] = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
}

/* Memory for the arrays: a userdata, which is pushed. */
static void take_program(lua_State *L, const lull_program *p, program_memory *to)
{
    const size_t rules = (size_t)p->n_rules, alternatives = (size_t)p->n_alternatives;
    const size_t bytes = rules * sizeof *to->names +
                         (rules + 1 + alternatives + 1 + (size_t)p->n_elements) * sizeof(int32_t) +
                         (size_t)p->n_sets * 32;
    to->names = lua_newuserdata(L, bytes);
    to->rules = (int32_t *)(to->names + rules);
    to->alternatives = to->rules + rules + 1;
    to->elements = to->alternatives + alternatives + 1;
    to->sets = (uint8_t *)(to->elements + p->n_elements);
}

/* The program in the table at argument 2; its memory is pushed and must stay on the stack. */
static void read_program(lua_State *L, lull_program *p)
{
    program_memory to;
    int rules, sets, names;
    memset(p, 0, sizeof *p);
    luaL_checktype(L, 2, LUA_TTABLE);
    luaL_checkstack(L, 20, "a program");
    rules = push_table(L, 2, "rules", 0);
    sets = push_table(L, 2, "sets", 0);
    names = push_table(L, 2, "names", 1);
    count_program(L, rules, sets, p);
    take_program(L, p, &to);
    fill_rules(L, rules, p, &to);
    fill_sets(L, sets, names, p, &to);
    p->rules = to.rules;
    p->alternatives = to.alternatives;
    p->elements = to.elements;
    p->sets = to.sets;
    p->names = to.names;
}

/* ------------------------------------------------------------------------------------- grammars */

static void read_grammar_options(lua_State *L, lull_grammar_options *o)
{
    static const char *const names[] = {"max_memory_bytes", "max_depth", NULL};
    lull_grammar_options_init(o);
    lull_options_check(L, 3, names);
    o->max_memory_bytes = (uint64_t)lull_option_integer(L, 3, "max_memory_bytes", 1, 4294967296.0,
                                                        (double)o->max_memory_bytes);
    o->max_depth = (int32_t)lull_option_integer(L, 3, "max_depth", 1, 60000, (double)o->max_depth);
}

int lull_lua_grammar_new(lua_State *L)
{
    const int with_model = !lua_isnoneornil(L, 1);
    lull_grammar_options options;
    lull_program program;
    lull_lua_grammar *g;
    lull_trie *trie = NULL;
    uint64_t fresh = 0;
    lull_status status;
    lull_error error;
    lua_settop(L, 3);
    if (with_model) lull_open_model(L, 1);
    read_grammar_options(L, &options);
    read_program(L, &program);
    g = lull_object_new(L, &lull_grammar_kind);
    if (with_model) {
        trie = lull_model_trie(L, 1, &fresh, &error);
        if (trie == NULL) return lull_push_failure(L, &error);
    }
    if (with_model) g->vocab = lull_open_model(L, 1)->vocab;
    status = lull_grammar_open(&g->handle, trie, &program, &options, &error);
    if (fresh > 0) lull_nudge(L, fresh);
    return status == LULL_OK ? 1 : lull_push_failure(L, &error);
}

static lull_lua_grammar *open_grammar(lua_State *L)
{
    lull_lua_grammar *g = lull_object_check(L, 1, &lull_grammar_kind);
    if (g->handle == NULL) luaL_error(L, "attempt to use a closed grammar");
    return g;
}

/* grammar:matcher{at_start =} */
static int grammar_matcher(lua_State *L)
{
    static const char *const names[] = {"at_start", NULL};
    lull_lua_matcher *m;
    lull_error error;
    int at_start;
    open_grammar(L);
    lua_settop(L, 2);
    lull_options_check(L, 2, names);
    at_start = lull_option_boolean(L, 2, "at_start", 0);
    m = lull_object_new(L, &lull_matcher_kind);
    m->vocab = open_grammar(L)->vocab;
    if (lull_matcher_open(&m->handle, open_grammar(L)->handle, at_start, &error) != LULL_OK)
        return lull_push_failure(L, &error);
    return 1;
}

static int grammar_info(lua_State *L)
{
    lull_grammar_info info;
    lull_grammar_info_get(open_grammar(L)->handle, &info);
    lua_createtable(L, 0, 5);
    lull_push_count(L, (uint64_t)info.rules);
    lua_setfield(L, -2, "rules");
    lull_push_count(L, (uint64_t)info.states);
    lua_setfield(L, -2, "states");
    lull_push_count(L, (uint64_t)info.masks);
    lua_setfield(L, -2, "masks");
    lull_push_count(L, info.flushes);
    lua_setfield(L, -2, "flushes");
    lull_push_count(L, info.memory_bytes);
    lua_setfield(L, -2, "memory_bytes");
    return 1;
}

/* close, and __gc; its matchers go on */
static int grammar_close(lua_State *L)
{
    lull_lua_grammar *g = lull_object_check(L, 1, &lull_grammar_kind);
    lull_grammar *handle = g->handle;
    g->handle = NULL;
    lull_grammar_release(handle);
    lua_pushboolean(L, 1);
    return 1;
}

static int grammar_tostring(lua_State *L)
{
    const lull_lua_grammar *g = lull_object_check(L, 1, &lull_grammar_kind);
    lull_grammar_info info;
    char text[64];
    if (g->handle == NULL) {
        lua_pushliteral(L, "lull.grammar (closed)");
        return 1;
    }
    lull_grammar_info_get(g->handle, &info);
    snprintf(text, sizeof text, "lull.grammar (%ld rule%s)", (long)info.rules,
             info.rules == 1 ? "" : "s");
    lua_pushstring(L, text);
    return 1;
}

/* ------------------------------------------------------------------------------------- matchers */

static lull_lua_matcher *open_matcher(lua_State *L)
{
    lull_lua_matcher *m = lull_object_check(L, 1, &lull_matcher_kind);
    if (m->handle == NULL) luaL_error(L, "attempt to use a closed matcher");
    return m;
}

/* Without a vocabulary, the core says so. */
static int32_t check_id(lua_State *L, int arg, const lull_lua_matcher *m)
{
    return (int32_t)lull_check_integer(L, arg, 0, m->vocab > 0 ? m->vocab - 1 : 2147483647.0);
}

/* true; or, where the core failed, nil, message, code */
static int push_done(lua_State *L, lull_status status, const lull_error *error)
{
    if (status != LULL_OK) return lull_push_failure(L, error);
    lua_pushboolean(L, 1);
    return 1;
}

static int matcher_allows(lua_State *L)
{
    lull_lua_matcher *m = open_matcher(L);
    lull_error error;
    int allowed;
    if (lull_matcher_allows(m->handle, check_id(L, 2, m), &allowed, &error) != LULL_OK)
        return lull_push_failure(L, &error);
    lua_pushboolean(L, allowed);
    return 1;
}

static int matcher_accept(lua_State *L)
{
    lull_lua_matcher *m = open_matcher(L);
    lull_error error;
    return push_done(L, lull_matcher_accept(m->handle, check_id(L, 2, m), &error), &error);
}

static int matcher_accept_text(lua_State *L)
{
    lull_lua_matcher *m = open_matcher(L);
    lull_error error;
    size_t n;
    const char *text = lull_check_text(L, 2, &n);
    return push_done(L, lull_matcher_accept_text(m->handle, text, n, &error), &error);
}

static int matcher_mask(lua_State *L)
{
    lull_lua_matcher *m;
    int32_t n;
    float *values;
    lull_error error;
    open_matcher(L);
    values = lull_logits_bannable(L, 2, &n);
    m = open_matcher(L);
    if (lull_matcher_mask(m->handle, values, (size_t)n, &error) != LULL_OK)
        return lull_push_failure(L, &error);
    lua_settop(L, 2);
    return 1;
}

static int matcher_complete(lua_State *L)
{
    lua_pushboolean(L, lull_matcher_complete(open_matcher(L)->handle));
    return 1;
}

static int matcher_forced(lua_State *L)
{
    lull_lua_matcher *m = open_matcher(L);
    char text[FORCED_BYTES];
    size_t n;
    int32_t id;
    lull_error error;
    if (lull_matcher_forced(m->handle, text, sizeof text, &n, &id, &error) != LULL_OK)
        return lull_push_failure(L, &error);
    if (n > 0)
        lua_pushlstring(L, text, n);
    else
        lua_pushnil(L);
    if (id >= 0)
        lua_pushinteger(L, id);
    else
        lua_pushnil(L);
    return 2;
}

static int matcher_clone(lua_State *L)
{
    lull_lua_matcher *copy;
    lull_error error;
    open_matcher(L);
    copy = lull_object_new(L, &lull_matcher_kind);
    copy->vocab = open_matcher(L)->vocab;
    if (lull_matcher_clone(&copy->handle, open_matcher(L)->handle, &error) != LULL_OK)
        return lull_push_failure(L, &error);
    return 1;
}

/* matcher:reset() -> itself, before the first byte */
static int matcher_reset(lua_State *L)
{
    lull_lua_matcher *m = open_matcher(L);
    lull_error error;
    if (lull_matcher_reset(m->handle, &error) != LULL_OK) return lull_push_failure(L, &error);
    lua_settop(L, 1);
    return 1;
}

/* close, and __gc */
static int matcher_close(lua_State *L)
{
    lull_lua_matcher *m = lull_object_check(L, 1, &lull_matcher_kind);
    lull_matcher *handle = m->handle;
    m->handle = NULL;
    lull_matcher_close(handle);
    lua_pushboolean(L, 1);
    return 1;
}

static int matcher_tostring(lua_State *L)
{
    const lull_lua_matcher *m = lull_object_check(L, 1, &lull_matcher_kind);
    if (m->handle == NULL)
        lua_pushliteral(L, "lull.matcher (closed)");
    else
        lua_pushstring(L, lull_matcher_complete(m->handle) ? "lull.matcher (may end here)"
                                                           : "lull.matcher (not complete)");
    return 1;
}

/* --------------------------------------------------------------------------------------- types */

const lull_kind lull_grammar_kind = {"lull.grammar", 0x4c47524du, sizeof(lull_lua_grammar)};
const lull_kind lull_matcher_kind = {"lull.matcher", 0x4c4d5443u, sizeof(lull_lua_matcher)};

void lull_register_grammar(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"matcher", grammar_matcher},
        {"info", grammar_info},
        {"close", grammar_close},
        {NULL, NULL},
    };
    static const luaL_Reg metamethods[] = {
        {"__gc", grammar_close}, {"__tostring", grammar_tostring}, {NULL, NULL}};
    lull_kind_register(L, &lull_grammar_kind, methods, metamethods);
}

void lull_register_matcher(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"allows", matcher_allows},
        {"accept", matcher_accept},
        {"accept_text", matcher_accept_text},
        {"mask", matcher_mask},
        {"complete", matcher_complete},
        {"forced", matcher_forced},
        {"clone", matcher_clone},
        {"reset", matcher_reset},
        {"close", matcher_close},
        {NULL, NULL},
    };
    static const luaL_Reg metamethods[] = {
        {"__gc", matcher_close}, {"__tostring", matcher_tostring}, {NULL, NULL}};
    lull_kind_register(L, &lull_matcher_kind, methods, metamethods);
}
