/* close_order.c - lua_close with everything still alive: objects made in any order and kept in
 * globals, upvalues, the registry, cycles and suspended coroutines.  The states run on a host's own
 * allocator that moves every block and fills freed ones, so that nothing may hold on to an address. */
#include "host.h"

static size_t live_bytes;

/* lua_Alloc that never grows in place, and poisons what it lets go. */
static void *moving_alloc(void *user, void *ptr, size_t old_bytes, size_t new_bytes)
{
    void *moved = NULL;
    (void)user;
    if (ptr == NULL) old_bytes = 0; /* from Lua 5.2 on it is a type */
    if (new_bytes > 0) {
        moved = malloc(new_bytes);
        if (moved == NULL) return NULL;
        if (ptr != NULL) memcpy(moved, ptr, old_bytes < new_bytes ? old_bytes : new_bytes);
    }
    if (ptr != NULL) {
        memset(ptr, 0xdb, old_bytes);
        free(ptr);
    }
    live_bytes = live_bytes - old_bytes + new_bytes;
    return moved;
}

#define MAKE                                                                                       \
    "local core = require 'lull.core'\n"                                                           \
    "local function make()\n"                                                                      \
    "  local model = assert(core.load('" MODEL "'))\n"                                             \
    "  local context = assert(model:context{sequences = 3, length = 32, threads = 3})\n"           \
    "  local seq = assert(context:sequence():feed('Once'))\n"                                      \
    "  assert(context:step())\n"                                                                   \
    "  local fork = assert(seq:fork())\n"                                                          \
    "  local view = assert(seq:logits())\n"                                                        \
    "  local copy = view:clone()\n"                                                                \
    "  return model, context, seq, fork, view, copy, view:candidates(5), core.rng{seed = 1}\n"     \
    "end\n"

static const char *const scripts[] = {
    MAKE "model, context, seq, fork, view, copy, candidates, rng = make()",
    MAKE "local kept = {make()} kept[9] = kept for i = 1, 8 do _G['g' .. 9 - i] = kept[i] end",
    MAKE "local a, b, c, d, e, f = make() function keep() return f, e, d, c, b, a end",
    MAKE "local co = coroutine.create(function() local a, b, c, d = make() "
         "coroutine.yield() return a, b, c, d end) assert(coroutine.resume(co)) keep = co",
    MAKE "debug.getregistry().kept = {make()}",
    MAKE "for _ = 1, 5 do make() end",
    MAKE "local m, c, s = make() m:close() keep = {s, c}",
    MAKE "local m, c, s, f, v = make() c:close() keep = {v, f, s}",
    MAKE "local m, c, s, f, v = make() s:close() keep = {v, f, c}",
    MAKE "if newproxy then local m, c, s, f, v = make() keep = newproxy(true)\n"
         "debug.getmetatable(keep).__gc = function() pcall(v.get, v, 0) pcall(s.feed, s, 1)\n"
         "pcall(c.step, c) pcall(m.encode, m, 'x') s:close() c:close() m:close() end end",
    HOST_STORY,
};

static void run(const char *script)
{
    lua_State *L = lua_newstate(moving_alloc, NULL);
    if (L == NULL) host_fail("lua", "no state");
    luaL_openlibs(L);
    host_do(L, script);
    lua_close(L);
    host_expect(live_bytes == 0, "Lua to give all its memory back");
}

int main(int argc, char **argv)
{
    size_t i, round, before = 0;
    (void)argc;
    host_count_exactly(argv);
    for (round = 0; round < 8; round++) {
        for (i = 0; i < sizeof scripts / sizeof *scripts; i++) run(scripts[i]);
        if (round == 2) before = host_bytes();
    }
    host_expect(host_bytes() <= before + HOST_SLACK, "lull to give all its memory back");
    puts(
        "lua_close with everything alive, in 11 arrangements, on a moving allocator: nothing left");
    return 0;
}
