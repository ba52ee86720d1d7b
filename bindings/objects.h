/* objects.h - what is inside the module's objects, and what their files offer each other.
 *
 * Lua tables that belong to objects (environments in Lua 5.1, user values later) keep alive
 * what an object points to.  Lifetimes of C memory do not depend on them: those are reference
 * counts, so finalizers may run in any order. */
#ifndef LULL_OBJECTS_H
#define LULL_OBJECTS_H

#include "cache.h"
#include "check.h"

typedef struct lull_lua_model {
    uint32_t magic;
    lull_shared *shared; /* NULL when closed */
    int32_t vocab;
    lull_trie *trie; /* of its vocabulary, once a grammar wanted it */
} lull_lua_model;

typedef struct lull_lua_context {
    uint32_t magic;
    lull_context *handle; /* NULL when closed */
    lull_shared *shared;  /* its own use of the model: a closed model handle does not matter */
    int32_t vocab;
} lull_lua_context;

typedef struct lull_lua_sequence {
    uint32_t magic;
    lull_sequence *handle;     /* NULL when closed */
    lull_lua_context *context; /* kept alive by SLOT_CONTEXT; not to be followed in finalizers */
} lull_lua_sequence;

/* Some tokens and their values: what a view needs of them is told in logits.h. */
enum { LULL_FEW = 512 };
typedef struct lull_few {
    int32_t ids[LULL_FEW]; /* ascending */
    float values[LULL_FEW];
} lull_few;

/* How a view holds its values, see logits.h. */
enum lull_form { LULL_CHANGED, LULL_NARROW, LULL_WHOLE };

/* A view of a sequence's logits or, without a sequence, a copy that owns its values. */
typedef struct lull_lua_logits {
    uint32_t magic;
    int closed;
    int probabilities; /* softmax() was called: values sum to 1 */
    int32_t n;         /* vocabulary */
    enum lull_form form;
    float *values;    /* (n), in the userdata at SLOT_VALUES; NULL before they are needed */
    const float *raw; /* (n), the sequence's own, or the second half of a copy */
    lull_few *few;    /* in the userdata at SLOT_FEW */
    int32_t n_few;
    lull_lua_sequence *sequence;
    uint64_t serial; /* of the sequence when the view was made */
} lull_lua_logits;

typedef struct lull_lua_token_set {
    uint32_t magic;
    int32_t n;       /* vocabulary */
    uint32_t *words; /* in the userdata at SLOT_WORDS; NULL when closed */
} lull_lua_token_set;

/* Neither needs the model that the vocabulary came from. */
typedef struct lull_lua_grammar {
    uint32_t magic;
    lull_grammar *handle; /* NULL when closed */
    int32_t vocab;        /* 0 without a model */
} lull_lua_grammar;

typedef struct lull_lua_matcher {
    uint32_t magic;
    lull_matcher *handle; /* NULL when closed */
    int32_t vocab;
} lull_lua_matcher;

typedef struct lull_lua_rng {
    uint32_t magic;
    uint64_t seed, stream;
} lull_lua_rng;

typedef struct lull_lua_llama2c {
    uint32_t magic;
    uint64_t state;
} lull_lua_llama2c;

/* The table of a context: the model handle it was made from. */
enum { SLOT_MODEL = 1 };

/* The table of a set of tokens. */
enum { SLOT_WORDS = 1 };

/* The table of a sequence, shared by its logits views; a copy of logits has one of its own. */
enum {
    SLOT_CONTEXT = 1,
    SLOT_SEQUENCE, /* the sequence itself: a view keeps it alive */
    SLOT_VIEW,     /* the latest view */
    SLOT_VALUES,   /* its working values */
    SLOT_FEW,      /* one lull_few */
    SLOT_SCRATCH,  /* (n) lull_candidate, for who needs room */
    SLOT_WORK,     /* (n) double, all zero between calls */
    SLOT_LENGTHS,  /* (length of the context) int32_t; of sequences only */
    SLOT_LAST = SLOT_LENGTHS
};

extern const lull_kind lull_model_kind, lull_context_kind, lull_sequence_kind, lull_logits_kind,
    lull_rng_kind, lull_llama2c_kind, lull_token_set_kind, lull_grammar_kind, lull_matcher_kind,
    lull_file_kind, lull_signals_kind;

/* Create each type and push its method table. */
void lull_register_model(lua_State *L);
void lull_register_context(lua_State *L);
void lull_register_sequence(lua_State *L);
void lull_register_logits(lua_State *L);
void lull_register_rng(lua_State *L);
void lull_register_llama2c(lua_State *L);
void lull_register_token_set(lua_State *L);
void lull_register_grammar(lua_State *L);
void lull_register_matcher(lua_State *L);
void lull_register_file(lua_State *L);
void lull_register_signals(lua_State *L);

/* ---- model.c */
int lull_lua_load(lua_State *L);
int lull_lua_inspect(lua_State *L);
int lull_lua_quantize(lua_State *L);

/* The model of an argument that must be an open model. */
lull_lua_model *lull_open_model(lua_State *L, int arg);

/* The trie of an open model's vocabulary, made when first asked for and owned by the model's handle;
 * NULL and the error where it cannot be.  *fresh gets the bytes it took. */
lull_trie *lull_model_trie(lua_State *L, int arg, uint64_t *fresh, lull_error *error);

/* Encode the string at arg with lull_encode's flags into a new userdata, which is pushed. model
 * is asked for after the allocation, by which time its owner may have been closed: see
 * owner_model. Returns NULL and fills error on failure. */
typedef lull_model *(*lull_owner_model)(lua_State *L, int arg);
int32_t *lull_encode_argument(lua_State *L, int arg, unsigned flags, lull_owner_model owner,
                              int owner_arg, size_t *n, lull_error *error);

/* Push the text of ids, which live in a userdata on the Lua stack; or nil, message, code.
 * Returns the number of results. */
int lull_push_decoded(lua_State *L, const int32_t *ids, size_t n, lull_owner_model owner,
                      int owner_arg);

/* ---- context.c */
int lull_lua_context_new(lua_State *L); /* model:context */
lull_lua_context *lull_open_context(lua_State *L, int arg);

/* ---- sequence.c */
int lull_lua_sequence_new(lua_State *L); /* context:sequence */
lull_lua_sequence *lull_open_sequence(lua_State *L, int arg);
int lull_lua_sequence_logits(lua_State *L); /* sequence:logits; in logits.c */
size_t lull_token_argument(lua_State *L, int arg);

/* ---- logits.c; verbs are in logits_*.c too, each with a table of its own */

/* The logits at argument 1: open, current, and no probabilities. */
lull_lua_logits *lull_open_logits(lua_State *L);

/* The same, all their values in one array.  Like all that may make that array it may push nothing
 * that stays, but raise; and what else was opened before is to be opened again. */
lull_lua_logits *lull_open_whole_logits(lua_State *L);

/* What a verb returns: argument 1. */
int lull_itself(lua_State *L);

/* Push the buffer in a slot of the table on top of the stack; made, and cleared, when first asked
 * for. */
void *lull_push_buffer(lua_State *L, int slot, size_t bytes);

/* The values (*n) of an argument that must be logits in use: some may be banned, nothing else.  See
 * lull_open_whole_logits. */
float *lull_logits_bannable(lua_State *L, int arg, int32_t *n);

/* ---- logits_history.c */
extern const luaL_Reg lull_history_verbs[];

/* ---- token_set.c */
int lull_lua_token_set_new(lua_State *L);

/* Tokens given as an id, a list of ids or a set: either ids (n) or a set's words. */
typedef struct lull_lua_tokens {
    const int32_t *ids; /* NULL for a set */
    size_t n;
    const uint32_t *set; /* NULL for ids; what holds it is on the Lua stack */
    int32_t one;
} lull_lua_tokens;

/* Raises for anything else, for ids outside the vocabulary and for sets of another one.  May push. */
void lull_check_tokens(lua_State *L, int arg, int32_t vocab, lull_lua_tokens *tokens);

/* The same as a set, made where they are none; of a value at index (see lull_need_integer). */
const uint32_t *lull_need_token_set(lua_State *L, int arg, int index, const char *name,
                                    int32_t vocab);

/* ---- grammar.c */
int lull_lua_grammar_new(lua_State *L);

/* ---- file.c, signals.c */
int lull_lua_file_new(lua_State *L);
int lull_lua_file_id(lua_State *L);
int lull_lua_signals_new(lua_State *L);

/* ---- rng.c */
int lull_lua_rng_new(lua_State *L);
int lull_lua_random(lua_State *L);
int lull_lua_is_green(lua_State *L);
int lull_lua_hash(lua_State *L);
int lull_lua_llama2c_new(lua_State *L);

/* Push 64 bits as "0x" and 16 hexadecimal digits. */
void lull_push_hex(lua_State *L, uint64_t v);

/* A seed, or another key of 64 bits: a number or hexadecimal digits. */
uint64_t lull_seed_argument(lua_State *L, int arg);

/* A draw described by options rng or seed and stream, position, purpose, attempt. */
double lull_draw_from_options(lua_State *L, int arg);

#endif
