/* tiny.h - tiny checkpoints and tokenizers made in memory from integers, the same on every machine.
 *
 * Every weight is q * m * 2^-k with q in -127..127 and m in 5..8, so a float32 file and an 8-bit
 * file of one spec hold exactly the same numbers, and no rounding of the generator's host can leak
 * into a golden file. */
#ifndef TINY_H
#define TINY_H

#include "lull.h"

/* One generated model.  group is the run of columns that shares a scale: in every file of this
 * spec, float32 ones included, and the header's group in version 2. */
typedef struct tiny_spec {
    const char *name;
    lull_config config;
    int32_t group;
} tiny_spec;

/* The named specs of the golden tests: "odd", "gqa", "unshared", "head8".  NULL when unknown. */
const tiny_spec *tiny_find(const char *name);
const tiny_spec *tiny_all(size_t *n);

/* A checkpoint of the spec: version 0, 1 or 2 of llama2.c, in that byte order.  malloc'd, *bytes
 * long; never NULL (running out of memory in a test aborts it). */
unsigned char *tiny_checkpoint(const tiny_spec *spec, int version, lull_byte_order order,
                               size_t *bytes);

/* A llama2.c tokenizer of vocab_size entries: 0 <unk>, 1 BOS, 2 EOS, 3..258 bytes, then characters
 * and merges of English, then fillers.  malloc'd as above. */
unsigned char *tiny_tokenizer(int32_t vocab_size, lull_byte_order order, size_t *bytes);

/* Write bytes to a file: 1 = done.  For tests that need paths. */
int tiny_save(const char *path, const void *bytes, size_t n);

#endif
