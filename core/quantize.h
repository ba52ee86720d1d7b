/* quantize.h - what the writers of checkpoint formats share: the job, and rows of its input. */
#ifndef LULL_QUANTIZE_H
#define LULL_QUANTIZE_H

#include "loading.h"
#include "writer.h"

typedef struct lull_quantize_job {
    lull_quantize_options options;
    lull_loading in;          /* the input: reader, layout, and for GGUF the tokenizer */
    lull_writer writer;       /* the output */
    lull_precision precision; /* of the output's matrices */
    int32_t group;            /* weights per scale; 0 for floats */
    float *row;               /* (widest row) */
    int8_t *q;                /* (widest row) */
    unsigned char *raw;       /* (widest row, 2): a row as it is in a file */
    float *scales;            /* of the largest tensor (llama2.c), or of a row */
    void *memory;             /* the block that holds these */
    double squares;           /* sum of (written - original)^2 */
    uint64_t weights;         /* how many that were */
} lull_quantize_job;

/* Row `row` of a float tensor into job->row. */
lull_status lull_quantize_read(lull_quantize_job *j, const lull_tensor *t, int32_t row,
                               const char *what, lull_error *error);

/* Quantise the row that was read, cols long, into job->q and scales, group after group. */
void lull_quantize_row(lull_quantize_job *j, int32_t cols, float *scales);

/* The formats: can this job be (group and precision are chosen here), and the whole file.
 * (formats/llama2c_write.c, formats/gguf_write.c) */
lull_status lull_llama2c_check(lull_quantize_job *j, lull_error *error);
lull_status lull_llama2c_write(lull_quantize_job *j, lull_error *error);
lull_status lull_gguf_check(lull_quantize_job *j, lull_error *error);
lull_status lull_gguf_write(lull_quantize_job *j, lull_error *error);

#endif
