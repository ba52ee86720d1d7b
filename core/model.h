/* model.h - a loaded checkpoint: immutable, reference-counted. */
#ifndef LULL_MODEL_H
#define LULL_MODEL_H

#include "matrix.h"
#include "memory.h"
#include "tokenizer.h"

typedef struct lull_layer {
    float *rms_att;     /* (dim) */
    lull_matrix wq;     /* (n_heads * head_dim, dim) */
    lull_matrix wk, wv; /* (n_kv_heads * head_dim, dim) */
    lull_matrix wo;     /* (dim, n_heads * head_dim) */
    float *rms_ffn;     /* (dim) */
    lull_matrix w1, w3; /* (hidden_dim, dim): gate, up */
    lull_matrix w2;     /* (dim, hidden_dim): down */
} lull_layer;

struct lull_model {
    int references; /* atomic */
    lull_allocator allocator;
    lull_model_info info;
    lull_config config;
    int32_t head_dim, kv_dim;
    lull_precision precision;   /* of every matrix */
    int32_t group;              /* of every matrix */
    lull_tokenizer *tokenizer;  /* or NULL */
    lull_layer *layers;         /* (n_layers) */
    float *rms_final;           /* (dim) */
    lull_matrix embedding;      /* (vocab_size, dim), read by row */
    lull_matrix classifier;     /* the same data where shared */
    float *rope_cos, *rope_sin; /* (seq_len, head_dim / 2) */
    void *arena;                /* one block that holds all of the above but the tokenizer */
};

#endif
