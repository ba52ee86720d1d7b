/* host.h - what the small programs that host Lua share.  Each requires lull.core as any host would
 * (LUA_CPATH says where it is), prints what it proved, and exits 0 = passed, 1 = failed. */
#ifndef HOST_H
#define HOST_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HOST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HOST_SANITIZED 1
#endif
#endif

#if defined(__GLIBC__) && !defined(HOST_SANITIZED)
#if __GLIBC__ > 2 || __GLIBC_MINOR__ >= 33
#define HOST_COUNTS_BYTES 1
#include <malloc.h>
#include <unistd.h>
#endif
#endif

#define MODEL "examples/models/lullaby.bin"

/* Bytes that libc has given out and not got back; 0 where that cannot be asked. */
static inline size_t host_bytes(void)
{
#if HOST_COUNTS_BYTES
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
#else
    return 0;
#endif
}

/* What comparisons allow: blocks of libc and of the dynamic linker, not one context. */
#define HOST_SLACK 8192

/* Call first in main.  glibc counts freed blocks that it keeps at hand as given out: start this
 * program again without that. */
static inline void host_count_exactly(char **argv)
{
#if HOST_COUNTS_BYTES
    mallopt(M_MXFAST, 0);
    if (getenv("GLIBC_TUNABLES") != NULL) return;
    setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1);
    execv("/proc/self/exe", argv);
#else
    (void)argv;
#endif
}

static inline void host_fail(const char *what, const char *message)
{
    fprintf(stderr, "%s: %s\n", what, message != NULL ? message : "(no message)");
    exit(1);
}

static inline void host_expect(int ok, const char *what)
{
    if (!ok) host_fail("expected", what);
}

/* Compile and run code with one string result, which the caller frees; NULL and a message on the
 * stack where it raised. */
static inline char *host_try(lua_State *L, const char *code)
{
    const char *text;
    char *copy;
    size_t n = 0;
    if (luaL_loadstring(L, code) != 0 || lua_pcall(L, 0, 1, 0) != 0) return NULL;
    text = lua_tolstring(L, -1, &n);
    copy = malloc(n + 1);
    if (copy == NULL) {
        host_fail("host", "out of memory");
        return NULL;
    }
    if (n > 0) memcpy(copy, text, n);
    copy[n] = '\0';
    lua_pop(L, 1);
    return copy;
}

static inline char *host_run(lua_State *L, const char *code)
{
    char *text = host_try(L, code);
    if (text == NULL) host_fail("script", lua_tostring(L, -1));
    return text;
}

static inline void host_do(lua_State *L, const char *code)
{
    free(host_run(L, code));
}

static inline lua_State *host_open(void)
{
    lua_State *L = luaL_newstate();
    if (L == NULL) host_fail("lua", "no state");
    luaL_openlibs(L);
    return L;
}

/* Tells a text of 20 tokens and returns their ids. */
#define HOST_STORY                                                                                 \
    "local core = require 'lull.core'\n"                                                           \
    "local model = assert(core.load('" MODEL "'))\n"                                               \
    "local context = assert(model:context{sequences = 2, length = 64, threads = 2})\n"             \
    "local seq = assert(context:sequence())\n"                                                     \
    "assert(seq:feed('Once upon a time'))\n"                                                       \
    "for _ = 1, 20 do\n"                                                                           \
    "  assert(context:step())\n"                                                                   \
    "  local logits = assert(seq:logits()):penalize(seq, {last = 8, repetition = 1.1})\n"          \
    "  local best = logits:top_k(40):candidates(2)()\n"                                            \
    "  local id = assert(logits:sample{seed = 7, position = #seq})\n"                              \
    "  assert(seq:feed(id))\n"                                                                     \
    "end\n"                                                                                        \
    "return table.concat(seq:tokens(), ' ')\n"

#endif
