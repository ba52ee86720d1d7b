/* states.c - what may follow, as sets of stacks: found when asked for, interned, and thrown away
 * but for what matchers stand in when they outgrow their limit. */
#include "grammar.h"

#include <inttypes.h>

#define MOST_WAYS  (1 << 16) /* stacks in a state, and stacks looked at to find it */
#define FIRST_ROOM 64
#define MOST_ROOM  ((uint32_t)1 << 30) /* what max_bytes allows is below */

/* ---- memory */

static int32_t fail_stuck(lull_grammar *g, lull_stuck why)
{
    g->stuck = why;
    return LULL_STUCK;
}

void *lull_states_take(lull_grammar *g, uint64_t bytes)
{
    void *block;
    size_t fits;
    g->wanted = bytes;
    if (bytes > g->max_bytes || g->found.bytes > g->max_bytes - bytes) {
        g->stuck = LULL_STUCK_FULL;
        return NULL;
    }
    block = lull_u64_to_size(bytes, &fits) ? lull_memory_get(&g->allocator, fits) : NULL;
    if (block == NULL)
        g->stuck = LULL_STUCK_MEMORY;
    else
        g->found.bytes += bytes;
    return block;
}

void lull_states_give(lull_grammar *g, void *block, uint64_t bytes)
{
    if (block == NULL) return;
    g->found.bytes -= bytes;
    lull_memory_put(&g->allocator, block);
}

/* A copy of an array with more room; the old one is given back.  NULL = stuck, nothing changed. */
static void *enlarge(lull_grammar *g, void *old, size_t room, size_t more, size_t item)
{
    void *larger = lull_states_take(g, (uint64_t)more * item);
    if (larger == NULL) return NULL;
    if (old != NULL) memcpy(larger, old, room * item);
    lull_states_give(g, old, (uint64_t)room * item);
    return larger;
}

/* A table with places for twice as many, all free. */
static int32_t *take_table(lull_grammar *g, uint32_t room)
{
    const size_t bytes = 2 * (size_t)room * sizeof(int32_t);
    int32_t *table = lull_states_take(g, bytes);
    if (table != NULL) memset(table, 0xff, bytes); /* -1 */
    return table;
}

static void give_table(lull_grammar *g, int32_t *table, uint32_t room)
{
    lull_states_give(g, table, 2 * (uint64_t)room * sizeof *table);
}

static uint32_t more_room(uint32_t room)
{
    return room == 0 ? FIRST_ROOM : 2 * room;
}

/* ---- stacks */

static uint32_t mix(uint32_t h, uint32_t v)
{
    h = (h ^ v) * 0x9e3779b1u;
    return h ^ h >> 15;
}

static uint32_t hash_stack(int32_t rest, int32_t position)
{
    return mix(mix(0x811c9dc5u, (uint32_t)rest), (uint32_t)position);
}

/* Where the stack is in the table, or where it would be. */
static uint32_t stack_place(const lull_states *f, int32_t rest, int32_t position)
{
    const uint32_t mask = 2 * f->stack_room - 1;
    uint32_t i = hash_stack(rest, position) & mask;
    while (f->stack_table[i] >= 0 && (f->stacks[f->stack_table[i]].rest != rest ||
                                      f->stacks[f->stack_table[i]].position != position))
        i = (i + 1) & mask;
    return i;
}

static int grow_stacks(lull_grammar *g)
{
    lull_states *f = &g->found;
    const uint32_t room = f->stack_room, more = more_room(room);
    int32_t *table = take_table(g, more);
    lull_stack *stacks = NULL;
    uint32_t i;
    if (table != NULL) stacks = enlarge(g, f->stacks, room, more, sizeof *stacks);
    if (stacks == NULL) {
        give_table(g, table, more);
        return 0;
    }
    give_table(g, f->stack_table, room);
    f->stacks = stacks;
    f->stack_table = table;
    f->stack_room = more;
    for (i = 0; i < f->n_stacks; i++)
        table[stack_place(f, stacks[i].rest, stacks[i].position)] = (int32_t)i;
    return 1;
}

static int32_t intern_stack(lull_grammar *g, int32_t rest, int32_t position)
{
    lull_states *f = &g->found;
    lull_stack *s;
    uint32_t place = 0;
    if (f->stack_room > 0) {
        place = stack_place(f, rest, position);
        if (f->stack_table[place] >= 0) return f->stack_table[place];
    }
    if (f->n_stacks == f->stack_room) {
        if (!grow_stacks(g)) return LULL_STUCK;
        place = stack_place(f, rest, position);
    }
    s = &f->stacks[f->n_stacks];
    s->rest = rest;
    s->position = position;
    s->depth = rest < 0 ? 0 : f->stacks[rest].depth + 1;
    s->seen = 0;
    if (s->depth > g->max_depth) return fail_stuck(g, LULL_STUCK_DEPTH);
    f->stack_table[place] = (int32_t)f->n_stacks;
    return (int32_t)f->n_stacks++;
}

/* ---- states */

static uint32_t hash_state(const int32_t *members, uint32_t n, int32_t flags)
{
    uint32_t h = mix(0x811c9dc5u, (uint32_t)flags), i;
    for (i = 0; i < n; i++) h = mix(h, (uint32_t)members[i]);
    return h;
}

static uint32_t state_place(const lull_states *f, const int32_t *members, uint32_t n, int32_t flags)
{
    const uint32_t mask = 2 * f->state_room - 1;
    uint32_t i = hash_state(members, n, flags) & mask;
    for (; f->state_table[i] >= 0; i = (i + 1) & mask) {
        const lull_state *s = &f->states[f->state_table[i]];
        if (s->n == n && s->flags == flags &&
            memcmp(f->members + s->first, members, n * sizeof *members) == 0)
            break;
    }
    return i;
}

static int grow_states(lull_grammar *g)
{
    lull_states *f = &g->found;
    const uint32_t room = f->state_room, more = more_room(room);
    const size_t row = (size_t)g->code.n_classes * sizeof *f->next;
    int32_t *table = take_table(g, more), *next = NULL;
    lull_state *states = NULL;
    uint32_t i;
    if (table != NULL) next = lull_states_take(g, (uint64_t)more * row);
    if (next != NULL) states = enlarge(g, f->states, room, more, sizeof *states);
    if (states == NULL) {
        lull_states_give(g, next, (uint64_t)more * row);
        give_table(g, table, more);
        return 0;
    }
    if (room > 0) memcpy(next, f->next, room * row);
    lull_states_give(g, f->next, (uint64_t)room * row);
    give_table(g, f->state_table, room);
    f->states = states;
    f->next = next;
    f->state_table = table;
    f->state_room = more;
    for (i = 0; i < f->n_states; i++) {
        const lull_state *s = &states[i];
        table[state_place(f, f->members + s->first, s->n, s->flags)] = (int32_t)i;
    }
    return 1;
}

static int grow_members(lull_grammar *g, uint32_t n)
{
    lull_states *f = &g->found;
    uint32_t more = f->member_room;
    int32_t *members;
    while (more - f->n_members < n) {
        if (more >= MOST_ROOM) return fail_stuck(g, LULL_STUCK_FULL), 0;
        more = more_room(more);
    }
    if (more == f->member_room) return 1;
    members = enlarge(g, f->members, f->member_room, more, sizeof *members);
    if (members == NULL) return 0;
    f->members = members;
    f->member_room = more;
    return 1;
}

/* members ascend, and are no part of f->members. */
static int32_t intern_state(lull_grammar *g, const int32_t *members, uint32_t n, int32_t flags)
{
    lull_states *f = &g->found;
    lull_state *s;
    uint32_t place;
    size_t row, i;
    if (f->state_room > 0) {
        place = state_place(f, members, n, flags);
        if (f->state_table[place] >= 0) return f->state_table[place];
    }
    if (!grow_members(g, n)) return LULL_STUCK;
    if (f->n_states == f->state_room && !grow_states(g)) return LULL_STUCK;
    place = state_place(f, members, n, flags);
    s = &f->states[f->n_states];
    s->first = f->n_members;
    s->n = n;
    s->flags = flags;
    s->run = -1;
    s->exact = 0;
    s->mask = NULL;
    if (n > 0) memcpy(f->members + f->n_members, members, n * sizeof *members);
    f->n_members += n;
    row = (size_t)g->code.n_classes;
    for (i = 0; i < row; i++) f->next[f->n_states * row + i] = LULL_UNKNOWN;
    f->state_table[place] = (int32_t)f->n_states;
    return (int32_t)f->n_states++;
}

/* ---- searches */

static void begin_search(lull_grammar *g)
{
    uint32_t i;
    g->n_work = 0;
    g->n_goal = 0;
    if (++g->search != 0) return;
    for (i = 0; i < g->found.n_stacks; i++) g->found.stacks[i].seen = 0;
    g->search = 1;
}

/* Make room for one more stack in work and in goal. */
static int grow_work(lull_grammar *g)
{
    const uint32_t more = more_room(g->room);
    int32_t *larger;
    if (more > MOST_WAYS) return fail_stuck(g, LULL_STUCK_WAYS), 0;
    larger = lull_memory_get(&g->allocator, 2 * (size_t)more * sizeof *larger);
    g->wanted = 2 * (uint64_t)more * sizeof *larger;
    if (larger == NULL) return fail_stuck(g, LULL_STUCK_MEMORY), 0;
    if (g->n_work > 0) memcpy(larger, g->work, g->n_work * sizeof *larger);
    if (g->n_goal > 0) memcpy(larger + more, g->goal, g->n_goal * sizeof *larger);
    lull_memory_put(&g->allocator, g->work);
    g->work = larger;
    g->goal = larger + more;
    g->room = more;
    return 1;
}

/* Look at a stack, unless this search did already. */
static int visit(lull_grammar *g, int32_t stack)
{
    if (stack < 0) return 0;
    if (g->found.stacks[stack].seen == g->search) return 1;
    if (g->n_work == g->room && !grow_work(g)) return 0;
    g->found.stacks[stack].seen = g->search;
    g->work[g->n_work++] = stack;
    return 1;
}

/* The stack once its first element is done, or has been referred to. */
static int32_t behind(lull_grammar *g, int32_t stack)
{
    const lull_stack *s = &g->found.stacks[stack];
    if (g->code.positions[s->position + 1] == LULL_END) return s->rest;
    return intern_stack(g, s->rest, s->position + 1);
}

/* What a stack that begins with a rule may begin with. */
static int visit_rule(lull_grammar *g, int32_t stack, int32_t rule)
{
    const lull_code *code = &g->code;
    const int32_t rest = behind(g, stack);
    int32_t a;
    if (rest < 0) return 0;
    for (a = code->rules[rule]; a < code->rules[rule + 1]; a++) {
        const int32_t position = code->alternatives[a];
        const int empty = code->positions[position] == LULL_END;
        if (!visit(g, empty ? rest : intern_stack(g, rest, position))) return 0;
    }
    return 1;
}

/* Shell's sort: the gaps are Ciura's (2001). */
static void sort(int32_t *v, uint32_t n)
{
    static const uint32_t gaps[] = {16001, 7072, 3143, 1397, 621, 301, 132, 57, 23, 10, 4, 1};
    uint32_t g, i, j;
    for (g = 0; g < sizeof gaps / sizeof *gaps; g++) {
        for (i = gaps[g]; i < n; i++) {
            const int32_t x = v[i];
            for (j = i; j >= gaps[g] && v[j - gaps[g]] > x; j -= gaps[g]) v[j] = v[j - gaps[g]];
            v[j] = x;
        }
    }
}

/* The state of what can be reached from the stacks in work. */
static int32_t close_search(lull_grammar *g)
{
    uint32_t i;
    for (i = 0; i < g->n_work; i++) {
        const int32_t stack = g->work[i];
        const int32_t position = g->found.stacks[stack].position;
        if (stack == 0 || g->code.positions[position] >= 0)
            g->goal[g->n_goal++] = stack; /* there is room: every one was in work */
        else if (!visit_rule(g, stack, ~g->code.positions[position]))
            return LULL_STUCK;
    }
    if (g->n_goal == 0) return LULL_NOWHERE;
    sort(g->goal, g->n_goal);
    return intern_state(g, g->goal, g->n_goal, 0);
}

int32_t lull_states_find(lull_grammar *g, int32_t state, int32_t class_)
{
    lull_states *f = &g->found;
    const lull_state s = f->states[state];
    int32_t next;
    uint32_t i;
    begin_search(g);
    for (i = 0; i < s.n; i++) {
        const int32_t stack = f->members[s.first + i];
        if (stack == 0) continue;
        if (!lull_code_has(&g->code, g->code.positions[f->stacks[stack].position], class_))
            continue;
        if (!visit(g, behind(g, stack))) return LULL_STUCK;
    }
    next = close_search(g);
    if (next != LULL_STUCK)
        f->next[(size_t)state * (size_t)g->code.n_classes + (size_t)class_] = next;
    return next;
}

int32_t lull_states_flagged(lull_grammar *g, int32_t state, int32_t flags)
{
    const lull_state s = g->found.states[state];
    const uint32_t n = flags & LULL_STATE_ENDED ? 0 : s.n;
    g->n_work = 0;
    g->n_goal = 0;
    while (g->room < n) {
        if (!grow_work(g)) return LULL_STUCK;
    }
    /* A copy: the members may move. */
    if (n > 0) memcpy(g->goal, g->found.members + s.first, n * sizeof *g->goal);
    return intern_state(g, g->goal, n, flags);
}

/* Every alternative of rule 0, with nothing behind it. */
int32_t lull_states_start(lull_grammar *g, int at_start)
{
    const lull_code *code = &g->code;
    const int32_t empty = intern_stack(g, -1, -1);
    int32_t a, state;
    if (empty < 0) return LULL_STUCK;
    begin_search(g);
    for (a = code->rules[0]; a < code->rules[1]; a++) {
        const int32_t position = code->alternatives[a];
        const int nothing = code->positions[position] == LULL_END;
        if (!visit(g, nothing ? empty : intern_stack(g, empty, position))) return LULL_STUCK;
    }
    state = close_search(g);
    if (state < 0 || !at_start) return state;
    return lull_states_flagged(g, state, LULL_STATE_START);
}

/* ---- throwing away */

static void free_found(const lull_grammar *g, lull_states *f)
{
    uint32_t i;
    for (i = 0; i < f->n_states; i++) lull_memory_put(&g->allocator, f->states[i].mask);
    lull_memory_put(&g->allocator, f->stacks);
    lull_memory_put(&g->allocator, f->states);
    lull_memory_put(&g->allocator, f->members);
    lull_memory_put(&g->allocator, f->next);
    lull_memory_put(&g->allocator, f->stack_table);
    lull_memory_put(&g->allocator, f->state_table);
    memset(f, 0, sizeof *f);
}

void lull_states_free(lull_grammar *g)
{
    free_found(g, &g->found);
    lull_memory_put(&g->allocator, g->work);
    g->work = NULL;
}

/* A stack of old in the present ones: from its bottom up, positions waiting in work. */
static int32_t move_stack(lull_grammar *g, const lull_states *old, int32_t stack)
{
    int32_t moved = -1, s;
    g->n_work = 0;
    for (s = stack; s >= 0; s = old->stacks[s].rest) {
        if (g->n_work == g->room && !grow_work(g)) return LULL_STUCK;
        g->work[g->n_work++] = old->stacks[s].position;
    }
    while (g->n_work > 0) {
        moved = intern_stack(g, moved, g->work[--g->n_work]);
        if (moved < 0) return LULL_STUCK;
    }
    return moved;
}

static int32_t move_state(lull_grammar *g, const lull_states *old, int32_t state)
{
    const lull_state *s = &old->states[state];
    uint32_t i;
    g->n_goal = 0;
    for (i = 0; i < s->n; i++) {
        const int32_t moved = move_stack(g, old, old->members[s->first + i]);
        if (moved < 0) return LULL_STUCK;
        while (g->n_goal >= g->room) {
            if (!grow_work(g)) return LULL_STUCK;
        }
        g->goal[g->n_goal++] = moved;
    }
    sort(g->goal, g->n_goal);
    return intern_state(g, g->goal, g->n_goal, s->flags);
}

/* Keep only the states that matchers are in.  Nothing has changed where this returns 0. */
static int flush(lull_grammar *g)
{
    lull_states old = g->found, *f = &g->found;
    lull_matcher *m, *failed = NULL;
    int32_t state;
    memset(f, 0, sizeof *f);
    for (m = g->matchers; m != NULL && failed == NULL; m = m->next) {
        state = move_state(g, &old, m->state);
        if (state < 0)
            failed = m;
        else
            m->moved = state;
    }
    free_found(g, failed != NULL ? f : &old);
    if (failed != NULL) {
        *f = old;
        return 0;
    }
    for (m = g->matchers; m != NULL; m = m->next) m->state = m->moved;
    g->flushes++;
    return 1;
}

lull_status lull_states_recover(lull_grammar *g, int *tries, lull_error *error)
{
    if (g->stuck == LULL_STUCK_FULL && (*tries)++ == 0 && flush(g)) return LULL_OK;
    switch (g->stuck) {
    case LULL_STUCK_MEMORY: return lull_memory_fail(error, "grammar", g->wanted);
    case LULL_STUCK_WAYS:
        return lull_fail(error, LULL_ELIMIT, 0, 0,
                         "grammar: more than %ld ways to go on at one place of the text",
                         (long)MOST_WAYS);
    case LULL_STUCK_DEPTH:
        return lull_fail(error, LULL_ELIMIT, 0, 0,
                         "grammar: nested deeper than %lu rules, which is the limit",
                         (unsigned long)g->max_depth);
    default:
        return lull_fail(error, LULL_ELIMIT, 0, 0,
                         "grammar: its states need more than the limit of %" PRIu64 " bytes",
                         g->max_bytes);
    }
}
