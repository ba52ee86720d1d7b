/* module.c - the Lua module lull.core: its table of functions.  The methods of its objects are in
 * one file per object; what they are used for is Lua's (the package lull adds generate, stream and
 * strategies to the method tables in core.methods).
 *
 * Mistakes of the programmer raise; what the world does wrong is nil, message, code.  Ids count
 * from 0 as in the models, lists and positions from 1.  Options are tables; an unknown one raises.
 * Every handle has close(), which may be called again, and tostring().
 *
 *  core.load(path, {tokenizer = path | false, precision = "f32" | "q8" | "q4", group =,
 *            byte_order = "little" | "big", max_file_bytes =, max_memory_bytes =, cache = true})
 *  core.inspect(path, the same)          facts of a file, as model:info()
 *  core.quantize(input, output, {format =, to =, group =, byte_order =, input_byte_order =,
 *                tokenizer =, overwrite =})
 *  core.grammar(model, program, options) which tokens may follow: see grammar.c
 *  core.rng{seed =, stream =}            rng:uniform(position, purpose, attempt), :seed, :stream
 *  core.random(seed, stream, position, purpose, attempt)           see rng.c for what these may be
 *  core.hash(text)                       "0x" and 16 digits; a stream, and a seed
 *  core.is_green(key, id, gamma)         does logits:green(key, gamma, delta) raise this token?
 *  core.llama2c_state(seed)              for logits:llama2c; :value, :clone, :reset(seed)
 *  core.token_set(n | model, tokens)     see token_set.c; tokens = id | ids | set, here and below
 *  core.cpus()                           {{name =, available =}, ...}, the best last
 *  core.file(path, {create =, lock =})   results are kept in: file:write(text), :sync(), :size(),
 *                                        :read(offset, n), :truncate(n), :regular(), :close()
 *  core.file_id(path)                    the same text for all names of one file
 *  core.signals()                        holds INT, TERM and HUP back; signals:poll(), :close()
 *  core.utf8_complete(text)              bytes of whole characters at its start
 *  core.read_bandwidth(bytes, {threads = 1, seconds = 0.2})        bytes per second
 *  core.clock()  core.version  core.math.{exp, log, pow, sin, cos}
 *
 *  model:context{sequences =, length =, threads =, batch =, kv = "f32" | "bf16", cpu =,
 *                max_memory_bytes =, profile =}
 *  model:encode(text, {start = true})    ids; start puts BOS and the dummy space first
 *  model:token_text(id)  :find_token(text)  :chat_template()
 *  model:decode(ids)  :piece(id)  :info()  :vocab_size()  :bos()  :eos()  :close()
 *  model:fingerprint()                   64 bits in hexadecimal: which model, in which precision
 *      A closed model's contexts go on.  Models are shared by all Lua states of the process.
 *
 *  context:sequence()                    when all places are taken, garbage is collected first
 *  context:step{max_tokens =}            evaluates what is queued; how many tokens remain
 *  context:start{max_tokens =}           the same in the background; then until wait() has
 *                                        returned, other calls give nil, message, "ESTATE"
 *  context:poll()  :wait()  :fd()        has it ended?  what step() returns; readable at the end
 *  context:cancel()  :info()  :model()  :close()
 *  context:times()                       with profile = true: seconds of steps by kind of work
 *
 *  sequence:feed(text | id | ids, {score =, logits = "all", hidden =, layers = {1, ...}})
 *                                        queues; text begins with BOS if it comes first
 *  sequence:logits()                     a view, see logits.c; the same one until the next step
 *  sequence:logits(i, layer)             a copy: after token i, of the whole network or its first
 *                                        layers, where the feed asked for "all" or that layer
 *  sequence:hidden(i)                    hidden state of token i, where the feed asked for it
 *  sequence:similarity(i, j0, j1)        the largest cosine of hidden state i with those of j0..j1
 *                                        (default: all before i), and the index that has it
 *  sequence:fork()  :rewind(n)
 *  sequence:score(text | id | ids)       log-probabilities of a continuation, which is not kept
 *  sequence:scores()                     those of {score = true}, false for other tokens
 *  sequence:tokens(i, j)  :token(i)  :text(i, j)    i and j as in string.sub
 *  #sequence  :length()  :pending()  :context()  :model()  :close()
 *
 *  Verbs of logits that return the logits, to be chained:
 *      set(id, v)  add(tokens, v)  ban(tokens)  allow(tokens)
 *      scale(f)  temperature(t)  smooth(factor, curve)
 *      dynamic_temperature(min, max, exponent), which also returns the temperature
 *      top_k(k)  top_p(p)  min_p(p)  top_a(a)  top_n_sigma(n)  typical(p)  tail_free(z)  epsilon(p)
 *      eta(e)  xtc(threshold, keep)  toward(p)  green(key, gamma, delta)
 *      add_scaled(logits, a)  copy(logits)  log_softmax()  softmax()  reset()
 *      and, by the tokens of a sequence (logits_history.c):
 *      penalize(sequence, {last =, decay =, from =, repetition =, frequency =, presence =})
 *      dry(sequence, {multiplier =, base =, allowed_length =, breakers =, last =, from =})
 *      no_repeat(sequence, n, {last =, from =})
 *  and that return something else:
 *      get(id)  size()  argmax()  max()  logsumexp()  entropy()  moments()  prob(id)
 *      divergence(logits)  kl(logits)  candidates(k)  clone()  close()
 *      sample(u | {seed =, stream =, rng =, position =, purpose =, attempt =})
 *      llama2c(state, temperature, top_p)
 *      logprob(id)           in the step's own distribution, whatever was changed since
 *      current_logprob(id)   in the values as they are now
 *
 *  Sets of tokens: add(tokens)  remove(tokens)  union(set)  intersect(set)  subtract(set)
 *      complement()  clone()  has(id)  count() or #set  size()  ids()  close() */
#include "objects.h"

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

static int clock_seconds(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)lull_clock());
    return 1;
}

/* core.read_bandwidth(bytes, {threads =, seconds =}) -> bytes per second */
static int read_bandwidth(lua_State *L)
{
    static const char *const names[] = {"threads", "seconds", NULL};
    double bytes = lull_check_integer(L, 1, 1, 1099511627776.0), seconds, rate;
    int32_t threads;
    lull_error error;
    lua_settop(L, 2);
    lull_options_check(L, 2, names);
    threads = (int32_t)lull_option_integer(L, 2, "threads", 0, 256, 1);
    seconds = lull_option_number(L, 2, "seconds", 0, 3600, 0.2);
    if (lull_read_bandwidth((uint64_t)bytes, threads, seconds, NULL, &rate, &error) != LULL_OK)
        return lull_push_failure(L, &error);
    lua_pushnumber(L, (lua_Number)rate);
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
    {"grammar", lull_lua_grammar_new},
    {"rng", lull_lua_rng_new},
    {"random", lull_lua_random},
    {"hash", lull_lua_hash},
    {"is_green", lull_lua_is_green},
    {"llama2c_state", lull_lua_llama2c_new},
    {"token_set", lull_lua_token_set_new},
    {"file", lull_lua_file_new},
    {"file_id", lull_lua_file_id},
    {"signals", lull_lua_signals_new},
    {"utf8_complete", utf8_complete},
    {"clock", clock_seconds},
    {"read_bandwidth", read_bandwidth},
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
    lull_register_grammar(L);
    lua_setfield(L, -2, "grammar");
    lull_register_matcher(L);
    lua_setfield(L, -2, "matcher");
    lull_register_rng(L);
    lua_setfield(L, -2, "rng");
    lull_register_llama2c(L);
    lua_setfield(L, -2, "llama2c_state");
    lull_register_token_set(L);
    lua_setfield(L, -2, "token_set");
    lull_register_file(L);
    lua_setfield(L, -2, "file");
    lull_register_signals(L);
    lua_setfield(L, -2, "signals");
    lua_setfield(L, -2, "methods");

    lua_newtable(L);
    lull_setfuncs(L, math_functions);
    lua_setfield(L, -2, "math");

    lua_pushstring(L, lull_version());
    lua_setfield(L, -2, "version");
    return 1;
}
