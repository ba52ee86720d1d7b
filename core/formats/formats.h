/* formats.h - what a checkpoint format is to the loader: a function that recognises a file and says
 * where every tensor lies.  model.c does the rest (reading, quantising, packing), once for all. */
#ifndef LULL_FORMATS_H
#define LULL_FORMATS_H

#include "../memory.h"
#include "../reader.h"

typedef enum lull_tensor_type {
    LULL_TENSOR_F32 = 0, /* floats, row after row */
    LULL_TENSOR_Q8 = 1   /* int8, row after row at offset; float scales, one a group, at scales */
} lull_tensor_type;

typedef struct lull_tensor {
    lull_tensor_type type;
    int32_t rows, cols; /* a vector has rows = 1 */
    int32_t group;      /* weights per scale, divides cols; 0 for float32 */
    uint64_t offset;    /* in the file */
    uint64_t scales;    /* in the file; unused for float32 */
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

typedef struct lull_layout {
    const char *format; /* static: "llama2.c v0" */
    lull_byte_order byte_order;
    lull_config config;
    lull_precision stored;                        /* LULL_F32 or LULL_Q8 */
    int32_t group;                                /* 0 for float32 */
    lull_tensor embedding, rms_final, classifier; /* classifier = embedding where shared */
    lull_tensor *layers; /* (n_layers, LULL_LAYER_TENSORS), from the allocator */
} lull_layout;

/* Recognise the format and byte order of r and fill layout; every extent is checked against the
 * file's size, hyper-parameters by lull_config_check.  Release with lull_layout_free. (formats.c)
 */
lull_status lull_layout_read(lull_layout *layout, lull_reader *r, lull_byte_order wanted,
                             const lull_allocator *allocator, lull_error *error);
void lull_layout_free(lull_layout *layout, const lull_allocator *allocator);

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

#endif
