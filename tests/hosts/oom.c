/* oom.c - every allocation of Lua fails once: after luaL_openlibs the k-th request is refused, for
 * k = 1, 2, ... until a whole script runs without meeting the refusal.  Each time the script ends in
 * "not enough memory", the state then runs it, and nothing is left behind.  Once more with all
 * requests from the k-th on refused. */
#include "host.h"

#if defined(HOST_SANITIZED)
#define STRIDE 11 /* sanitizers are slow: a sample, another one in each mode */
#else
#define STRIDE 1
#endif

typedef struct failing {
    long countdown; /* requests until the refusal; 0 = never */
    int for_good;
    int refused;
    size_t live_bytes;
} failing;

static void *failing_alloc(void *user, void *ptr, size_t old_bytes, size_t new_bytes)
{
    failing *f = user;
    void *moved;
    if (ptr == NULL) old_bytes = 0; /* from Lua 5.2 on it is a type */
    if (new_bytes == 0) {
        free(ptr);
        f->live_bytes -= old_bytes;
        return NULL;
    }
    if (new_bytes > old_bytes && f->countdown > 0 && --f->countdown == 0) {
        f->refused = 1;
        if (f->for_good) f->countdown = 1;
        return NULL;
    }
    moved = realloc(ptr, new_bytes);
    if (moved != NULL) f->live_bytes = f->live_bytes - old_bytes + new_bytes;
    return moved;
}

/* Something of every object. */
static const char story[] =
    "local core = require 'lull.core'\n"
    "local model = assert(core.load('" MODEL "'))\n"
    "local context = assert(model:context{sequences = 3, length = 64, batch = 8})\n"
    "local seq = assert(context:sequence())\n"
    "assert(seq:feed('Once upon a time', {score = true}))\n"
    "local out = {tostring(model), tostring(context), model:info().dim, context:info().length}\n"
    "local rng = core.rng{seed = 7, stream = core.hash('lily')}\n"
    "local grammar = assert(core.grammar(model, {rules = {{{1, -1}, {}}},\n"
    "  sets = {('\\255'):rep(32)}, names = {'all'}}))\n"
    "local matcher = assert(grammar:matcher())\n"
    "for _ = 1, 4 do\n"
    "  assert(context:step{max_tokens = 20})\n"
    "  local logits = assert(seq:logits()):penalize(seq, {last = 8, repetition = 1.1})\n"
    "  assert(matcher:clone():mask(logits) and matcher:accept(300))\n"
    "  for id, p in logits:top_k(40):candidates(3) do out[#out + 1] = id .. ':' .. p end\n"
    "  local copy = logits:clone():reset():allow({1, 2, 3}):ban({2}):add({1, 3}, 0.5)\n"
    "  out[#out + 1] = copy:softmax():candidates(1)()\n"
    "  out[#out + 1] = copy:reset():llama2c(core.llama2c_state(3), 1, 0.9)\n"
    "  assert(seq:feed(assert(logits:sample{rng = rng, position = #seq})))\n"
    "end\n"
    "local fork = assert(seq:fork())\n"
    "assert(fork:rewind(3):feed({5, 6, 7}))\n"
    "for _, score in ipairs(assert(fork:score('a little girl'))) do out[#out + 1] = score end\n"
    "for _, score in ipairs(seq:scores()) do out[#out + 1] = tostring(score) end\n"
    "out[#out + 1] = assert(model:decode(assert(model:encode('lily'))))\n"
    "out[#out + 1] = tostring(matcher:forced()) .. tostring(matcher) .. tostring(grammar)\n"
    "out[#out + 1] = seq:text() .. tostring(fork) .. model:piece(300) .. #core.cpus()\n"
    "assert(not core.load('no/such/file') and not pcall(model.context, model, {lenth = 1}))\n"
    "fork:close() context:close() model:close()\n"
    "return table.concat(out, ' ')\n";

/* 0 = the k-th request never came. */
static int run(long k, int for_good, const char *expected)
{
    failing f;
    lua_State *L;
    char *text;
    memset(&f, 0, sizeof f);
    L = lua_newstate(failing_alloc, &f);
    if (L == NULL) host_fail("lua", "no state");
    luaL_openlibs(L);
    f.for_good = for_good;
    f.countdown = k;
    text = host_try(L, story);
    f.countdown = 0;
    if (text == NULL) {
        const char *message = lua_tostring(L, -1);
        host_expect(f.refused, "no error without a refusal");
        if (message == NULL || strstr(message, "not enough memory") == NULL)
            host_fail("not an out-of-memory error", message);
        lua_settop(L, 0);
        /* Lua 5.1 keeps a mark there when a module could not be opened. */
        host_do(L, "package.loaded['lull.core'] = nil");
        text = host_run(L, story);
    }
    host_expect(strcmp(text, expected) == 0, "the same story afterwards");
    free(text);
    lua_close(L);
    host_expect(f.live_bytes == 0, "Lua to give all its memory back");
    return f.refused;
}

int main(int argc, char **argv)
{
    lua_State *keeper; /* keeps the model loaded, so that each run is short */
    char *expected;
    size_t before;
    long k, last[2];
    int for_good;
    (void)argc;
    host_count_exactly(argv);
    keeper = host_open();
    host_do(keeper, "kept = assert(require('lull.core').load('" MODEL "'))");
    expected = host_run(keeper, story);
    run(0, 0, expected);
    run(0, 0, expected);
    before = host_bytes();
    for (for_good = 0; for_good < 2; for_good++) {
        for (k = for_good ? STRIDE / 2 + 1 : 1; run(k, for_good, expected); k += STRIDE)
            host_expect(host_bytes() <= before + HOST_SLACK, "lull to give its memory back");
        last[for_good] = k - STRIDE;
    }
    free(expected);
    lua_close(keeper);
    printf(
        "allocations 1 to %ld of Lua failed once, and from each of %ld on all failed (step %d)\n",
        last[0], last[1], STRIDE);
    return 0;
}
