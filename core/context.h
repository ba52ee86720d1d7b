/* context.h - what is inside a context and a sequence: KV blocks, queues, work buffers. */
#ifndef LULL_CONTEXT_H
#define LULL_CONTEXT_H

#include "kernels/kernels.h"
#include "model.h"
#include "threads.h"

#define LULL_KV_POSITIONS 16 /* positions in a KV block */
/* Tokens of a pass classified together, at most: their logits are the larger part of a context's work
 * memory. */
#define LULL_LOGIT_ROWS 32

/* What a token's evaluation shall leave behind. */
#define WANT_SCORE  1u /* its own log-probability: of the logits before it */
#define WANT_HIDDEN 2u

/* Memory for it, got when it is asked for; each array NULL before. (outputs.c) */
typedef struct lull_kept {
    float *logits; /* (n_logits, vocab_stride) of tokens first_logits, first_logits + 1, ... */
    size_t first_logits, n_logits;
    float *hidden;       /* (length, dim) */
    int32_t *layers;     /* (n_layers), ascending */
    float *layer_logits; /* (n_layers, vocab_stride) of token layers_token */
    int32_t n_layers;
    size_t layers_token;
} lull_kept;

struct lull_sequence {
    lull_context *context;
    int32_t *tokens;        /* (length) */
    float *scores;          /* (length); NaN where none was asked for */
    unsigned char *wants;   /* (length): WANT_* of each token */
    size_t n_tokens;        /* held */
    size_t n_guesses;       /* tokens behind those that are evaluated in advance: see sequence.c */
    size_t n_done;          /* evaluated, of both; the rest is queued */
    size_t n_ahead;         /* n_done as the running step has it; equal when none runs */
    int closing;            /* closed while a step runs: freed when that has ended */
    unsigned char **blocks; /* (ceil(length / 16)); KV of positions 16i.., NULL past the end */
    float *logits;          /* (vocab_size padded to 16) after token n_tokens - 1 */
    int has_logits;
    float *guess_logits; /* (guess_room, vocab_stride) after each guess; NULL before the first */
    size_t guess_room;
    size_t first_guess; /* the token that row 0 of guess_logits belongs to */
    lull_kept kept;
    uint64_t serial;
    double log_sum;         /* log(sum(exp)) of the logits, */
    uint64_t log_sum_stamp; /* where serial + 1 is still this */
    lull_sequence *next;    /* in the context's list, in order of opening */
};

/* One token of a pass. */
typedef struct lull_row {
    lull_sequence *sequence;
    int32_t token, position;
    float *to;     /* (vocab_size) where its logits belong, or NULL */
    int32_t next;  /* the token after it, */
    float *score;  /* and where that one's log-probability belongs, or NULL */
    float *hidden; /* (dim) where its hidden state belongs, or NULL */
} lull_row;

struct lull_context {
    int references; /* one of the handle, one of each sequence */
    int closed;
    int cancel;                         /* atomic */
    struct lull_background *background; /* NULL before the first lull_context_start */
    lull_model *model;
    const lull_kernels *kernels;
    lull_pool *pool; /* NULL with one thread */
    lull_context_info info;
    lull_sequence *first; /* open sequences, in order of opening */

    /* KV blocks: one arena, a reference count each, a stack of free ones.  The arena is cut into planes,
     * K of layer 0, V of layer 0, K of layer 1, ...; a block has layer_bytes in each of them, so that
     * attention reads what is usually one piece of memory.  A pointer to a block is to its first
     * plane; kernels.h draws what is in a plane. */
    unsigned char *kv;
    size_t layer_bytes;        /* of a block in a plane: (n_kv_heads, head_stride, 16) elements */
    size_t plane_bytes;        /* (blocks, layer_bytes) */
    int32_t *block_references; /* (blocks) */
    int32_t *free_blocks;      /* (blocks), the first n_free are free */
    int32_t n_free;

    /* Work buffers for `batch` tokens; strides are rows padded to 16 floats.  Scores are one thread's
     * each. */
    lull_row *rows;   /* (batch) */
    float *x;         /* (batch, dim_stride): residual stream */
    float *xb;        /* (batch, dim_stride): normed, or attention's output */
    float *y;         /* (batch, dim_stride): a projection back to dim, or q before RoPE */
    float *k, *v;     /* (batch, kv_stride) */
    float *query;     /* (batch, n_heads, head_stride): q after RoPE */
    float *gate, *up; /* (batch, hidden_stride) */
    float *scores;    /* (threads, score_rows, scores_stride) */
    float *sums;      /* (threads, score_rows, head_stride) */
    float *logits;    /* (logit_rows, vocab_stride): of the tokens that are classified together */
    size_t dim_stride, kv_stride, hidden_stride, vocab_stride, scores_stride;
    int32_t head_stride;
    int32_t logit_rows;
    int32_t score_rows;             /* attention's work for one part: queries of some heads */
    float attention_scale;          /* 1 / sqrt(head_dim) */
    lull_activations xq, hidden_xq; /* (batch) of dim and of hidden_dim columns; empty for f32 */
    void *work;                     /* the block that holds all of these */

    int profile;
    double last_tick; /* lull_clock when a phase was last counted */
    lull_context_times times;
};

/* Evaluate the first n of context->rows, each the next position of its sequence, rows of one
 * sequence in ascending order.  Writes KV and the logits wanted; changes nothing else.
 * ECANCELED.  (forward.c) */
lull_status lull_forward(lull_context *context, int32_t n, lull_error *error);

/* Memory for what options ask of tokens first .. first + n - 1, and *wants of each. (outputs.c) */
lull_status lull_kept_reserve(lull_sequence *sequence, size_t first, size_t n,
                              const lull_feed_options *options, unsigned *wants, lull_error *error);
void lull_kept_free(lull_sequence *sequence);
lull_status lull_kept_copy(lull_sequence *to, const lull_sequence *from, lull_error *error);
/* Room for the logits of n guesses behind the tokens held. */
lull_status lull_kept_reserve_guesses(lull_sequence *sequence, size_t n, lull_error *error);
/* Forget what belongs to tokens n and later. */
void lull_kept_rewind(lull_sequence *sequence, size_t n);
/* Where the logits of an earlier token belong, or NULL; and of the layer-th layer listed. */
float *lull_kept_logits(const lull_sequence *sequence, size_t token);
float *lull_kept_layer(const lull_sequence *sequence, size_t token, int32_t layer);

/* Tokens, guesses included, that steps have yet to evaluate. (sequence.c) */
size_t lull_sequence_queued(const lull_sequence *sequence);

/* Free the context when nobody refers to it any more.  (context.c) */
void lull_context_drop(lull_context *context);

/* ESTATE unless the context may be used now. (context.c) */
lull_status lull_context_check(const lull_context *context, lull_error *error);

/* A step in its three parts (context.c).  run evaluates and may be on another thread; settle, on the
 * caller's, shows what changed and frees the sequences that were closed meanwhile. */
lull_status lull_context_run(lull_context *context, lull_sequence *only, size_t max_tokens,
                             lull_error *error);
void lull_context_settle(lull_context *context);
size_t lull_context_queued(const lull_context *context);

/* ESTATE: the context belongs to the process that forked this one. */
lull_status lull_context_fail_forked(lull_error *error);

/* Is a background step started and not yet waited for? (background.c) */
int lull_background_busy(const lull_context *context);
/* The step was running when the process forked, and this is the child. */
int lull_background_lost(const lull_context *context);
/* Cancel, join, free.  NULL background is fine. (background.c) */
void lull_background_close(lull_context *context);

/* The three at once, of one sequence, or of all when only is NULL. */
lull_status lull_context_evaluate(lull_context *context, lull_sequence *only, size_t max_tokens,
                                  size_t *remaining, lull_error *error);

#endif
