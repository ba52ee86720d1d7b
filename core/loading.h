/* loading.h - what loading and inspecting a checkpoint share: options checked, the header read, the
 * precision chosen and every size computed before anything large is allocated. (inspect.c) */
#ifndef LULL_LOADING_H
#define LULL_LOADING_H

#include "formats/formats.h"
#include "matrix.h"
#include "tokenizer.h"

typedef struct lull_loading {
    lull_load_options options; /* with defaults filled in */
    lull_reader reader;        /* of the checkpoint; opened by the caller */
    lull_layout layout;
    lull_model_info info;
    lull_tokenizer *tokenizer; /* or NULL */
} lull_loading;

/* Zero the job and take over the options (NULL = defaults).  EINVAL. */
lull_status lull_loading_begin(lull_loading *job, const lull_load_options *options,
                               lull_error *error);

/* Read the header of job->reader: layout, and info as far as it needs no tokenizer. */
lull_status lull_loading_plan(lull_loading *job, lull_error *error);

/* Load the tokenizer that the options name, the checkpoint holds or its folder has; r = NULL, or a
 * reader to use instead.  A missing file is EIO with sys ENOENT. */
lull_status lull_loading_tokenizer(lull_loading *job, lull_reader *r, lull_error *error);

/* Close and free what the job still holds. */
void lull_loading_end(lull_loading *job);

/* Are the tensor's own integers and scales what a matrix of this precision and group gets?  If not,
 * it is dequantised and quantised again. */
int lull_loading_keeps(const lull_tensor *t, lull_precision precision, int32_t group);

/* The packed form of a tensor at a precision: own scales are bf16, a file's float32; 0 = overflow.
 */
int lull_loading_matrix(lull_matrix *m, const lull_tensor *t, lull_precision precision,
                        int32_t group, uint64_t *bytes);

/* Bytes of the one block that will hold weights and tables; UINT64_MAX = more than 64 bits count.
 * (model.c) */
uint64_t lull_loading_arena(const lull_loading *job);

#endif
