/* module_oom.c - every allocation of lull fails: the k-th call of malloc, calloc or realloc that is
 * not Lua's is refused, once and then for good, for k = 1, 2, ... until a whole script runs without
 * meeting the refusal.  Each time the answer is nil, message, "ENOMEM" (or success: opening things
 * collects garbage and tries once more), the state then does everything, and nothing is left. */
#include "host.h"

#if HOST_COUNTS_BYTES

/* glibc's own, under the names that its headers do not show.
 * NOLINTBEGIN(bugprone-reserved-identifier) */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t n, size_t bytes);
void *__libc_realloc(void *ptr, size_t bytes);
void __libc_free(void *ptr);
/* NOLINTEND(bugprone-reserved-identifier) */

static long countdown; /* calls until the refusal; 0 = never */
static int for_good, refused;

static int refuse(void)
{
    if (countdown == 0 || --countdown > 0) return 0;
    refused = 1;
    if (for_good) countdown = 1;
    return 1;
}

/* Seen by the module and by libc, which are bound to these. */
#pragma GCC visibility push(default)

void *malloc(size_t bytes)
{
    return refuse() ? NULL : __libc_malloc(bytes);
}

void *calloc(size_t n, size_t bytes)
{
    return refuse() ? NULL : __libc_calloc(n, bytes);
}

void *realloc(void *ptr, size_t bytes)
{
    return refuse() ? NULL : __libc_realloc(ptr, bytes);
}

void free(void *ptr)
{
    __libc_free(ptr);
}

#pragma GCC visibility pop

/* Lua's memory never fails here. */
static void *lua_alloc(void *user, void *ptr, size_t old_bytes, size_t new_bytes)
{
    (void)user;
    (void)old_bytes;
    if (new_bytes > 0) return __libc_realloc(ptr, new_bytes);
    __libc_free(ptr);
    return NULL;
}

/* Every call that may take memory; one that fails must say ENOMEM and ends the script. */
static const char script[] =
    "local core = require 'lull.core'\n"
    "local function need(value, message, code)\n"
    "  if value == nil then\n"
    "    error((code == 'ENOMEM' and 'expected: ' or 'wrong: ') .. tostring(message), 0)\n"
    "  end\n"
    "  return value\n"
    "end\n"
    "local out = {need(core.inspect('" MODEL "')).dim}\n"
    "local model = need(core.load('" MODEL "', {cache = false}))\n"
    "local shared = need(core.load('" MODEL "'))\n"
    "local context = need(model:context{sequences = 2, length = 64})\n"
    "local seq = need(context:sequence())\n"
    "need(seq:feed('Once upon a time'))\n"
    "need(context:step())\n"
    "out[2] = need(need(seq:logits()):top_k(5):top_p(0.9):sample(0.5))\n"
    "local fork = need(seq:fork())\n"
    "out[3] = need(fork:score('a little girl'))[1]\n"
    "out[4] = need(fork:text())\n"
    "out[5] = #need(shared:encode('lily'))\n"
    "local grammar = need(core.grammar(model, {rules = {{{1, -1}, {}}}, sets = "
    "{('\\255'):rep(32)}}))\n"
    "local matcher = need(need(grammar:matcher()):clone())\n"
    "need(matcher:mask(need(seq:logits())))\n"
    "need(matcher:accept_text('lily'))\n"
    "return table.concat(out, ' ')\n";

/* 0 = the k-th call never came. */
static int run(lua_State *L, long k, const char *expected)
{
    char *text;
    int failed;
    if (luaL_loadstring(L, script) != 0) host_fail("script", lua_tostring(L, -1));
    refused = 0;
    countdown = k;
    failed = lua_pcall(L, 0, 1, 0);
    countdown = 0;
    if (failed) {
        const char *message = lua_tostring(L, -1);
        host_expect(refused, "no failure without a refusal");
        if (message == NULL || strncmp(message, "expected: ", 10) != 0)
            host_fail("not ENOMEM", message);
    } else if (expected != NULL) {
        host_expect(strcmp(lua_tostring(L, -1), expected) == 0, "the same results");
    }
    lua_settop(L, 0);
    failed = refused;
    if (refused) {
        text = host_run(L, script);
        host_expect(strcmp(text, expected) == 0, "the same results afterwards");
        free(text);
    }
    lua_gc(L, LUA_GCCOLLECT, 0);
    return failed;
}

int main(int argc, char **argv)
{
    lua_State *L;
    char *expected;
    size_t before;
    long k, last[2];
    (void)argc;
    host_count_exactly(argv);
    L = lua_newstate(lua_alloc, NULL);
    if (L == NULL) host_fail("lua", "no state");
    luaL_openlibs(L);
    expected = host_run(L, script);
    run(L, 0, expected);
    run(L, 0, expected);
    before = host_bytes();
    for (for_good = 0; for_good < 2; for_good++) {
        for (k = 1; run(L, k, expected); k++)
            host_expect(host_bytes() <= before + HOST_SLACK, "lull to give its memory back");
        last[for_good] = k - 1;
    }
    host_expect(last[0] > 20 && last[1] > 20, "the refusals to come at all");
    free(expected);
    lua_close(L);
    printf("each of %ld allocations of lull failed once, and from each of %ld on all failed\n",
           last[0], last[1]);
    return 0;
}

#else

int main(void)
{
    puts("needs glibc without a sanitizer: its malloc is replaced");
    return 77;
}

#endif
