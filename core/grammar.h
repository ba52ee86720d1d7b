/* grammar.h - a compiled grammar: its program as positions, and the states found so far.
 *
 * A stack says what must follow: its position (an element of some alternative), and then what its
 * rest says.  Stacks are interned, each by (rest, position); stack 0 is the empty one, where a text
 * may end.  A reference in the last place of an alternative pushes nothing, so what is regular has
 * finitely many stacks.
 *
 * A state is a set of stacks whose positions are byte sets, or stack 0; it is what the text so far
 * allows to follow.  States are interned too, transitions are found when first asked for.  It is
 * the textbook's subset construction, done lazily, of a push-down automaton. */
#ifndef LULL_GRAMMAR_H
#define LULL_GRAMMAR_H

#include "memory.h"
#include "trie.h"
#include "utf8.h"

#define LULL_END     INT32_MIN /* code: end of an alternative */
#define LULL_NOWHERE (-1)      /* transition: the byte is not allowed */
#define LULL_UNKNOWN (-2)      /* transition: not asked for yet */
#define LULL_STUCK   (-3)      /* transition: no memory, or over a limit; see lull_states_recover */

/* ---- the program (program.c) */

typedef struct lull_code {
    int32_t n_rules, n_alternatives, n_sets;
    uint32_t n_positions;
    int32_t *rules;        /* (n_rules + 1): rule r has alternatives rules[r] .. rules[r + 1] - 1 */
    int32_t *alternatives; /* (n_alternatives): position of the first element */
    int32_t *positions;    /* (n_positions): a set, ~ a rule, or LULL_END */
    int32_t n_classes;     /* of bytes that are in the same sets */
    unsigned char class_of[256];
    unsigned char example[256]; /* (n_classes): a byte of the class, */
    int32_t class_size[256];    /* (n_classes): and how many there are */
    /* The classes of the bytes of each of utf8.h's edges: edge_classes[edge_at[e]] and on. */
    uint16_t edge_at[LULL_PLAIN_EDGES + 1];
    unsigned char edge_classes[512];
    uint32_t *has; /* (n_sets, has_words): bit c % 32 of word c / 32: class c is in the set */
    size_t has_words;
    uint64_t bytes; /* all of this in memory */
} lull_code;

/* Check a program and compile it.  EINVAL names the rule and what is wrong. */
lull_status lull_code_make(lull_code *code, const lull_program *program,
                           const lull_allocator *allocator, lull_error *error);
void lull_code_free(lull_code *code, const lull_allocator *allocator);

static inline int lull_code_has(const lull_code *code, int32_t set, int32_t class_)
{
    const uint32_t word = code->has[(size_t)set * code->has_words + (size_t)class_ / 32];
    return (int)(word >> class_ % 32 & 1);
}

/* ---- stacks and states (states.c) */

typedef struct lull_stack {
    int32_t rest;     /* the stack below; -1 for stack 0 */
    int32_t position; /* what follows first; -1 for stack 0 */
    uint32_t depth;
    uint32_t seen; /* the last search that came by */
} lull_stack;

enum {
    LULL_STATE_START = 1, /* nothing was told yet, and the first token loses its leading space */
    LULL_STATE_ENDED = 2  /* EOS was accepted */
};

typedef struct lull_state {
    uint32_t first, n; /* its stacks are members[first] .. members[first + n - 1], ascending */
    int32_t flags;
    int32_t run;    /* plain characters that may follow, whichever they are; -1 = not known */
    int exact;      /* 1: and no plain character after them, whichever they were */
    uint32_t *mask; /* (vocab + 31) / 32 words, bit id % 32 of word id / 32; NULL = not made */
} lull_state;

/* All that is found while matching; flushed when it outgrows its limit. */
typedef struct lull_states {
    lull_stack *stacks;
    lull_state *states;
    int32_t *members;
    int32_t *next;                      /* (room for states, n_classes) */
    int32_t *stack_table, *state_table; /* open addressing; -1 = free.  Twice the room */
    uint32_t n_stacks, n_states, n_members;
    uint32_t stack_room, state_room, member_room;
    uint64_t bytes;
} lull_states;

typedef enum lull_stuck {
    LULL_STUCK_NOT,
    LULL_STUCK_FULL,   /* the memory limit: a flush may help */
    LULL_STUCK_MEMORY, /* the allocator's */
    LULL_STUCK_WAYS,
    LULL_STUCK_DEPTH
} lull_stuck;

struct lull_grammar {
    int references;
    lull_allocator allocator;
    lull_trie *trie; /* or NULL: bytes only */
    lull_code code;
    lull_states found;
    lull_matcher *matchers; /* all that are open: a flush keeps where they are */
    uint64_t max_bytes, flushes;
    uint32_t max_depth;
    lull_stuck stuck; /* why, after LULL_STUCK */
    uint64_t wanted;  /* bytes that could not be had */

    uint32_t search;      /* number of the current one */
    int32_t *work, *goal; /* stacks to look at, stacks found; same room */
    uint32_t n_work, n_goal, room;
    int32_t *trail; /* (trie depth + 1): states on the way down the trie */
};

struct lull_matcher {
    lull_grammar *grammar;
    lull_matcher *next, **link; /* in the grammar's list; what points here */
    int32_t state, moved;       /* moved: its new number, while flushing */
    int at_start;
    uint64_t length; /* bytes accepted */
};

/* The state of a new text. */
int32_t lull_states_start(lull_grammar *g, int at_start);

/* The state with the same stacks and other flags; 0 stacks for LULL_STATE_ENDED. */
int32_t lull_states_flagged(lull_grammar *g, int32_t state, int32_t flags);

/* Find a transition that is not known. */
int32_t lull_states_find(lull_grammar *g, int32_t state, int32_t class_);

static inline int32_t lull_states_next(lull_grammar *g, int32_t state, int32_t class_)
{
    const int32_t next = g->found.next[(size_t)state * (size_t)g->code.n_classes + (size_t)class_];
    return next != LULL_UNKNOWN ? next : lull_states_find(g, state, class_);
}

/* May the text end in this state? */
static inline int lull_states_final(const lull_grammar *g, int32_t state)
{
    const lull_state *s = &g->found.states[state];
    return s->n > 0 && g->found.members[s->first] == 0;
}

/* Memory that counts against the limit; NULL leaves the reason in g->stuck. */
void *lull_states_take(lull_grammar *g, uint64_t bytes);
void lull_states_give(lull_grammar *g, void *block, uint64_t bytes);

/* After LULL_STUCK: LULL_OK when it may be tried again, because what no matcher needs was thrown
 * away; states have other numbers then.  tries counts from 0 and is raised.  Else the error. */
lull_status lull_states_recover(lull_grammar *g, int *tries, lull_error *error);

void lull_states_free(lull_grammar *g);

/* ---- masks (mask.c) */

/* Find the mask of a state that has none.  0 = stuck. */
int lull_mask_make(lull_grammar *g, int32_t state);

/* Ban all but the tokens of a mask. */
void lull_mask_apply(const uint32_t *mask, float *values, size_t n);

#endif
