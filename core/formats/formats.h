/* formats.h - what a checkpoint format is to the loader: a function that recognises a file and says
 * where every tensor lies.  model.c does the rest (reading, quantising, packing), once for all. */
#ifndef LULL_FORMATS_H
#define LULL_FORMATS_H

#include "../memory.h"
#include "../reader.h"

typedef enum lull_tensor_type {
    LULL_TENSOR_F32 = 0, /* floats, row after row */
    LULL_TENSOR_Q8 = 1,  /* int8, row after row at offset; float scales, one a group, at scales */
    /* of GGUF, row after row (gguf_blocks.c): */
    LULL_TENSOR_F16 = 2,
    LULL_TENSOR_Q8_0 = 3, /* blocks of an f16 scale and 32 int8 */
    LULL_TENSOR_Q4_0 = 4  /* blocks of an f16 scale and 32 nibbles */
} lull_tensor_type;

typedef struct lull_tensor {
    lull_tensor_type type;
    int32_t rows, cols; /* a vector has rows = 1 */
    int32_t group;      /* weights per scale, divides cols; 0 for float32 and f16 */
    uint64_t offset;    /* in the file */
    uint64_t scales;    /* in the file; of LULL_TENSOR_Q8 only */
} lull_tensor;

/* The tensors of one layer, in the paper's order. */
enum {
    LULL_RMS_ATT,
    LULL_WQ,
    LULL_WK,
    LULL_WV,
    LULL_WO,
    LULL_RMS_FFN,
    LULL_W1,
    LULL_W2,
    LULL_W3,
    LULL_LAYER_TENSORS
};

/* Where a file holds its own tokenizer. */
struct lull_vocabulary {
    int present;
    char model[32];                      /* "llama" */
    uint64_t n;                          /* tokens */
    uint64_t texts, scores, token_types; /* offsets of the arrays; 0 = there is none */
    uint64_t chat_template;              /* offset of its length; 0 = there is none */
    int32_t bos, eos, unknown;           /* -1 = there is none */
    int add_bos, add_space;              /* before a text */
};
typedef struct lull_vocabulary lull_vocabulary;

typedef struct lull_layout {
    const char *format; /* static: "llama2.c v0" */
    lull_byte_order byte_order;
    lull_config config;
    /* Of all matrices: LULL_F32, LULL_F16, LULL_Q8, LULL_Q4; LULL_MIXED where they differ. */
    lull_precision stored;
    int32_t group;              /* of all matrices; 0 for floats and where they differ */
    double rope_base;           /* of the rotary positions */
    lull_vocabulary vocabulary; /* in GGUF files */
    lull_tensor embedding, rms_final, classifier; /* classifier = embedding where shared */
    lull_tensor *layers; /* (n_layers, LULL_LAYER_TENSORS), from the allocator */
} lull_layout;

/* Recognise the format and byte order of r and fill layout; every extent is checked against the
 * file's size, hyper-parameters by lull_config_check.  Release with lull_layout_free. (formats.c)
 */
lull_status lull_layout_read(lull_layout *layout, lull_reader *r, lull_byte_order wanted,
                             const lull_allocator *allocator, lull_error *error);
void lull_layout_free(lull_layout *layout, const lull_allocator *allocator);

#define LULL_ROPE_BASE 10000.0 /* Su et al. 2021, arXiv:2104.09864 */

/* The precision that a tensor of this type has when its numbers are kept as they are. */
lull_precision lull_tensor_precision(lull_tensor_type type);

/* Rows and columns of a kind of tensor (LULL_RMS_ATT ... LULL_W3). */
void lull_layer_shape(const lull_config *c, int kind, int32_t *rows, int32_t *cols);

/* One function validates hyper-parameters for every format, before anything is allocated: ranges,
 * divisibility, products in 64 bits.  The message names field, found and expected. (config.c) */
lull_status lull_config_check(const lull_config *c, const char *name, lull_error *error);

/* ---- for the format files: a walk over the sections of a file, each checked against its end */

typedef struct lull_walk {
    const char *reading;   /* begins every message: "as little-endian" */
    uint64_t offset, size; /* of the next section, of the file */
    int32_t group;         /* matrices are int8 with a scale for so many weights; 0 = float32 */
} lull_walk;

/* One tensor, all the tensors of a kind (LULL_RMS_ATT ... LULL_W3) of all layers, or bytes that are
 * of no use.  EFORMAT "section wq needs N bytes at offset O, file ends at E". */
lull_status lull_walk_vector(lull_walk *w, const char *what, lull_tensor *t, int32_t n,
                             lull_error *error);
lull_status lull_walk_matrix(lull_walk *w, const char *what, lull_tensor *t, int32_t rows,
                             int32_t cols, lull_error *error);
lull_status lull_walk_layers(lull_walk *w, lull_layout *layout, int kind, lull_error *error);
lull_status lull_walk_skip(lull_walk *w, const char *what, uint64_t bytes, lull_error *error);
lull_status lull_walk_end(const lull_walk *w, lull_error *error); /* EFORMAT: bytes are left */

/* Room for the layers of layout->config, which has been checked. */
lull_status lull_layout_reserve(lull_layout *layout, const lull_allocator *allocator,
                                lull_error *error);

/* Read the 7 numbers that every llama2.c header has, in the reader's order. */
lull_status lull_llama2c_config(lull_config *c, lull_reader *r, lull_error *error);

/* A format: fill layout from r, whose swap is set, or say why it is not this format in this order
 * (EFORMAT, the message beginning with reading).  Other errors end the search. */
lull_status lull_llama2c_v0_layout(lull_layout *layout, lull_reader *r, const char *reading,
                                   const lull_allocator *allocator, lull_error *error);
lull_status lull_llama2c_ak42_layout(lull_layout *layout, lull_reader *r, const char *reading,
                                     const lull_allocator *allocator, lull_error *error);
lull_status lull_gguf_layout(lull_layout *layout, lull_reader *r, const char *reading,
                             const lull_allocator *allocator, lull_error *error);

#endif
