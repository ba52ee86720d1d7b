/* many_states.c - hundreds of Lua states come and go in several threads: each step of a state's life
 * (load, tell, begin a step, close something, collect, lua_close with all of it alive) is taken by
 * whichever thread comes by, on a small stack.  Every state has an allocator of its own that counts
 * and moves.  What is told is always the same, and nothing is left. */
#include "host.h"

#include <pthread.h>

#define THREADS 6
#define PLACES  40  /* states alive at a time, at most */
#define TURNS   200 /* of each thread */
#if defined(HOST_SANITIZED)
#define STACK_BYTES 0 /* as it comes */
#else
#define STACK_BYTES (128 << 10) /* what some systems give to a thread */
#endif

/* A state belongs to the thread that holds the mutex of its place. */
typedef struct place {
    pthread_mutex_t mutex;
    lua_State *L;
    size_t bytes; /* that its allocator has given out */
} place;

static place places[PLACES];

typedef struct visitor {
    uint32_t chance;
    long opened, told;
} visitor;

static uint32_t draw(visitor *v, uint32_t below)
{
    v->chance = v->chance * 1664525u + 1013904223u;
    return (v->chance >> 8) % below;
}

/* Three models from one file: three entries of the cache. */
static const char prelude[] =
    "core = require 'lull.core'\n"
    "local kinds = {{}, {precision = 'q8', group = 32}, {precision = 'f32'}}\n"
    "function load(kind)\n"
    "  model = assert(core.load('" MODEL "', kinds[kind]))\n"
    "end\n"
    "function refuse()\n"
    "  assert(not core.load('" MODEL "', {max_memory_bytes = 1000}))\n"
    "end\n"
    "function open()\n"
    "  context = assert(model:context{sequences = 2, length = 32, threads = 2})\n"
    "end\n"
    "function tell()\n"
    "  local seq = context:sequence()\n"
    "  if not seq then return end\n"
    "  assert(seq:feed('Once'))\n"
    "  local ids = {}\n"
    "  for i = 1, 4 do\n"
    "    assert(context:step())\n"
    "    ids[i] = assert(seq:logits():top_k(40):sample{seed = 7, position = #seq})\n"
    "    assert(seq:feed(ids[i]))\n"
    "  end\n"
    "  seq:close()\n"
    "  return table.concat(ids, ' ')\n"
    "end\n"
    "function begin()\n"
    "  kept = context:sequence()\n"
    "  if kept then assert(kept:feed('Once upon a time')) assert(context:start()) end\n"
    "end\n";

static char *expected[3];

static void *counting_alloc(void *user, void *ptr, size_t old_bytes, size_t new_bytes)
{
    size_t *bytes = user;
    void *moved = NULL;
    if (ptr == NULL) old_bytes = 0; /* from Lua 5.2 on it is a type */
    if (new_bytes > 0) {
        moved = malloc(new_bytes);
        if (moved == NULL) return NULL;
        if (ptr != NULL) memcpy(moved, ptr, old_bytes < new_bytes ? old_bytes : new_bytes);
    }
    free(ptr);
    *bytes = *bytes - old_bytes + new_bytes;
    return moved;
}

static void open_state(place *p)
{
    p->L = lua_newstate(counting_alloc, &p->bytes);
    if (p->L == NULL) host_fail("lua", "no state");
    luaL_openlibs(p->L);
    host_do(p->L, prelude);
}

static void close_state(place *p)
{
    lua_close(p->L);
    p->L = NULL;
    host_expect(p->bytes == 0, "Lua to give all its memory back");
}

static void load_and_tell(place *p, visitor *v)
{
    char code[128], *text;
    int kind = (int)draw(v, 3);
    sprintf(code, "load(%d) open() return tell()", kind + 1);
    text = host_run(p->L, code);
    host_expect(strcmp(text, expected[kind]) == 0, "the same text in every state");
    free(text);
    v->told++;
}

/* One step in the life of a state. */
static void visit(place *p, visitor *v)
{
    static const char *const steps[] = {
        "if context then begin() end context = nil",
        "if context then begin() context:close() context = nil end",
        "if context then context:cancel() end context = nil",
        "if model then model:close() model = nil end",
        "model = nil collectgarbage()",
        "context = nil collectgarbage('step')",
        "refuse()",
        "if model then local m = model load(1) m:close() end",
        "collectgarbage()",
    };
    const uint32_t n = sizeof steps / sizeof *steps;
    uint32_t which;
    if (p->L == NULL) {
        open_state(p);
        v->opened++;
        return;
    }
    which = draw(v, n + 6);
    if (which < n)
        host_do(p->L, steps[which]);
    else if (which < n + 2)
        close_state(p); /* with whatever is open, and a step that may be running */
    else
        load_and_tell(p, v);
}

static void *wander(void *user)
{
    visitor *v = user;
    int i;
    for (i = 0; i < TURNS; i++) {
        place *p = &places[draw(v, PLACES)];
        pthread_mutex_lock(&p->mutex);
        visit(p, v);
        pthread_mutex_unlock(&p->mutex);
    }
    return NULL;
}

static void all_threads(visitor *visitors)
{
    pthread_t threads[THREADS];
    pthread_attr_t small;
    int i;
    pthread_attr_init(&small);
    if (STACK_BYTES > 0) pthread_attr_setstacksize(&small, STACK_BYTES);
    for (i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], &small, wander, &visitors[i]) != 0)
            host_fail("host", "no thread");
    pthread_attr_destroy(&small);
    for (i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (i = 0; i < PLACES; i++)
        if (places[i].L != NULL) close_state(&places[i]);
}

int main(int argc, char **argv)
{
    visitor visitors[THREADS];
    size_t before;
    long opened = 0, told = 0;
    int i;
    (void)argc;
    host_count_exactly(argv);
    memset(visitors, 0, sizeof visitors);
    for (i = 0; i < PLACES; i++) pthread_mutex_init(&places[i].mutex, NULL);
    open_state(&places[0]);
    for (i = 0; i < 3; i++) {
        char code[64];
        sprintf(code, "load(%d) open() return tell()", i + 1);
        expected[i] = host_run(places[0].L, code);
    }
    close_state(&places[0]);
    for (i = 0; i < THREADS; i++) visitors[i].chance = (uint32_t)i;
    all_threads(visitors); /* threads and libc take what they keep */
    before = host_bytes();
    all_threads(visitors);
    host_expect(host_bytes() <= before + HOST_SLACK, "lull to give all its memory back");
    for (i = 0; i < THREADS; i++) opened += visitors[i].opened, told += visitors[i].told;
    for (i = 0; i < 3; i++) free(expected[i]);
    printf("%ld states in %d threads, %ld texts, always the same: nothing left\n", opened, THREADS,
           told);
    return 0;
}
