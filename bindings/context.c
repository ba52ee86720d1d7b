/* context.c - contexts for Lua: memory for sequences, and the step that evaluates what they
 * queue. */
#include "objects.h"

#include <stdio.h>

static const char *const kv_types[] = {"default", "f32", "bf16", NULL};
static const double two53 = 9007199254740992.0;

lull_lua_context *lull_open_context(lua_State *L, int arg)
{
    lull_lua_context *c = lull_object_check(L, arg, &lull_context_kind);
    if (c->handle == NULL) luaL_error(L, "attempt to use a closed context");
    return c;
}

/* ---------------------------------------------------------------------------------- opening */

static void read_options(lua_State *L, int arg, lull_lua_model *m, lull_context_options *o)
{
    static const char *const names[] = {"sequences", "length",           "threads", "batch", "kv",
                                        "cpu",       "max_memory_bytes", "profile", NULL};
    lull_model_info info;
    lull_context_options_init(o);
    lull_model_info_get(lull_shared_model(m->shared), &info);
    lull_options_check(L, arg, names);
    o->sequences = (int32_t)lull_option_integer(L, arg, "sequences", 1, 65536, o->sequences);
    o->length = (int32_t)lull_option_integer(L, arg, "length", 1, info.config.seq_len, o->length);
    o->threads = (int32_t)lull_option_integer(L, arg, "threads", 0, 256, o->threads);
    o->batch = (int32_t)lull_option_integer(L, arg, "batch", 1, 1024, o->batch);
    o->kv = (lull_kv_type)(1 + lull_option_choice(L, arg, "kv", kv_types + 1, -1));
    o->max_memory_bytes = (uint64_t)lull_option_integer(L, arg, "max_memory_bytes", 1, two53, 0);
    o->cpu = lull_option_string(L, arg, "cpu");
    o->profile = lull_option_boolean(L, arg, "profile", 0);
}

/* model:context(options) */
int lull_lua_context_new(lua_State *L)
{
    lull_context_options options;
    lull_context_info info;
    lull_lua_model *m = lull_open_model(L, 1);
    lull_lua_context *c;
    lull_status status;
    lull_error error;
    lua_settop(L, 2);
    read_options(L, 2, m, &options);

    c = lull_object_new(L, &lull_context_kind);
    lua_createtable(L, SLOT_MODEL, 0);
    lua_pushvalue(L, 1);
    lua_rawseti(L, -2, SLOT_MODEL);
    lull_setenv(L, -2);

    m = lull_open_model(L, 1);
    c->shared = lull_shared_retain(m->shared);
    c->vocab = m->vocab;
    status = lull_context_open(&c->handle, lull_shared_model(c->shared), &options, &error);
    if (status == LULL_ENOMEM) { /* garbage may hold other contexts */
        lua_gc(L, LUA_GCCOLLECT, 0);
        status = lull_context_open(&c->handle, lull_shared_model(c->shared), &options, &error);
    }
    if (status != LULL_OK) return lull_push_failure(L, &error);
    lull_context_info_get(c->handle, &info);
    lull_nudge(L, info.memory_bytes);
    return 1;
}

/* ---------------------------------------------------------------------------------- methods */

/* The max_tokens of the options at 2, 0 where there are none. */
static size_t max_tokens_argument(lua_State *L)
{
    static const char *const names[] = {"max_tokens", NULL};
    double wanted;
    lua_settop(L, 2);
    lull_options_check(L, 2, names);
    wanted = lull_option_integer(L, 2, "max_tokens", 1, two53, 0);
    return wanted < 2147483647.0 ? (size_t)wanted : 0;
}

/* context:step{max_tokens = N} -> tokens that remain queued */
static int context_step(lua_State *L)
{
    size_t most, remaining = 0;
    lull_error error;
    lull_open_context(L, 1);
    most = max_tokens_argument(L);
    if (lull_context_step(lull_open_context(L, 1)->handle, most, &remaining, &error) != LULL_OK)
        return lull_push_failure(L, &error);
    lull_push_count(L, remaining);
    return 1;
}

/* context:start{max_tokens = N} -> context: the same step on a thread of its own */
static int context_start(lua_State *L)
{
    size_t most;
    lull_error error;
    lull_open_context(L, 1);
    most = max_tokens_argument(L);
    if (lull_context_start(lull_open_context(L, 1)->handle, most, &error) != LULL_OK)
        return lull_push_failure(L, &error);
    lua_settop(L, 1);
    return 1;
}

/* context:poll() -> true when no step runs: wait() would return at once */
static int context_poll(lua_State *L)
{
    lua_pushboolean(L, !lull_context_running(lull_open_context(L, 1)->handle));
    return 1;
}

/* context:wait() -> what step() would have returned */
static int context_wait(lua_State *L)
{
    size_t remaining;
    lull_error error;
    if (lull_context_wait(lull_open_context(L, 1)->handle, &remaining, &error) != LULL_OK)
        return lull_push_failure(L, &error);
    lull_push_count(L, remaining);
    return 1;
}

/* context:fd() -> a descriptor that is readable when a started step has ended */
static int context_fd(lua_State *L)
{
    lull_error error;
    int fd = lull_context_fd(lull_open_context(L, 1)->handle, &error);
    if (fd < 0) return lull_push_failure(L, &error);
    lua_pushinteger(L, fd);
    return 1;
}

static int context_cancel(lua_State *L)
{
    lull_context_cancel(lull_open_context(L, 1)->handle);
    lua_settop(L, 1);
    return 1;
}

static void set_count(lua_State *L, const char *name, uint64_t v)
{
    lull_push_count(L, v);
    lua_setfield(L, -2, name);
}

static int context_info(lua_State *L)
{
    lull_context_info info;
    lull_context_info_get(lull_open_context(L, 1)->handle, &info);
    lua_createtable(L, 0, 11);
    set_count(L, "sequences", (uint64_t)info.sequences);
    set_count(L, "open_sequences", (uint64_t)info.open_sequences);
    set_count(L, "length", (uint64_t)info.length);
    set_count(L, "threads", (uint64_t)info.threads);
    set_count(L, "batch", (uint64_t)info.batch);
    set_count(L, "memory_bytes", info.memory_bytes);
    set_count(L, "kv_bytes", info.kv_bytes);
    set_count(L, "blocks", (uint64_t)info.blocks);
    set_count(L, "blocks_used", (uint64_t)info.blocks_used);
    lua_pushstring(L, kv_types[info.kv]);
    lua_setfield(L, -2, "kv");
    lua_pushstring(L, info.kernel);
    lua_setfield(L, -2, "kernel");
    return 1;
}

static void set_seconds(lua_State *L, const char *name, double v)
{
    lua_pushnumber(L, (lua_Number)v);
    lua_setfield(L, -2, name);
}

/* context:times() -> where the time of its steps went; zeros without the option profile */
static int context_times(lua_State *L)
{
    lull_context_times times;
    lull_context_times_get(lull_open_context(L, 1)->handle, &times);
    lua_createtable(L, 0, 5);
    set_seconds(L, "linear", times.linear);
    set_seconds(L, "attention", times.attention);
    set_seconds(L, "other", times.other);
    set_count(L, "passes", times.passes);
    set_count(L, "tokens", times.tokens);
    return 1;
}

/* The handle the context was made from, which may be closed by now. */
static int context_model(lua_State *L)
{
    lull_open_context(L, 1);
    lull_getenv(L, 1);
    lua_rawgeti(L, -1, SLOT_MODEL);
    return 1;
}

/* close, and __gc */
static int context_close(lua_State *L)
{
    lull_lua_context *c = lull_object_check(L, 1, &lull_context_kind);
    lull_context *handle = c->handle;
    lull_shared *shared = c->shared;
    c->handle = NULL;
    c->shared = NULL;
    lull_context_close(handle);
    lull_shared_release(shared);
    lua_pushboolean(L, 1);
    return 1;
}

static int context_tostring(lua_State *L)
{
    lull_lua_context *c = lull_object_check(L, 1, &lull_context_kind);
    lull_context_info info;
    char text[160];
    if (c->handle == NULL) {
        lua_pushliteral(L, "lull.context (closed)");
        return 1;
    }
    lull_context_info_get(c->handle, &info);
    snprintf(text, sizeof text,
             "lull.context (%ld of %ld sequence%s, length %ld, %ld thread%s, %s)",
             (long)info.open_sequences, (long)info.sequences, info.sequences == 1 ? "" : "s",
             (long)info.length, (long)info.threads, info.threads == 1 ? "" : "s", info.kernel);
    lua_pushstring(L, text);
    return 1;
}

const lull_kind lull_context_kind = {"lull.context", 0x4c435458u, sizeof(lull_lua_context)};

void lull_register_context(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"sequence", lull_lua_sequence_new},
        {"step", context_step},
        {"start", context_start},
        {"poll", context_poll},
        {"wait", context_wait},
        {"fd", context_fd},
        {"cancel", context_cancel},
        {"info", context_info},
        {"times", context_times},
        {"model", context_model},
        {"close", context_close},
        {NULL, NULL},
    };
    static const luaL_Reg metamethods[] = {
        {"__gc", context_close}, {"__tostring", context_tostring}, {NULL, NULL}};
    lull_kind_register(L, &lull_context_kind, methods, metamethods);
}
