/* matrix.h - packed weight matrices: one layout for every instruction set.
 *
 * W (rows, cols) is cut into blocks of 16 rows; a SIMD lane is always one row of a block.  A block
 * is a head of scales, then units of 64 bytes, all 64-byte aligned:
 *
 *   head     per group of G columns: 16 scales (bf16: 32 bytes, or float32: 64 bytes), group after
 *            group, the whole padded with zeros to a multiple of 64 bytes; none for float32 weights
 *   8 bit    per group ceil(G/4) units: 16 rows x 4 columns of uint8 = weight + 128
 *   4 bit    per group ceil(G/8) units: 16 rows x 4 bytes; low nibbles = columns 0-3, high = 4-7,
 *            value + 8
 *   float32  per column one unit: 16 floats
 *
 * Rows past the last and columns past the last are weight 0 (bytes 128, nibbles 8) and, for whole
 * rows, scale 0.  The last group of a row may be short.  Scales are in host byte order.
 * Weights are stored unsigned and activations signed because vmsummbm, vpdpbusd and tdpbsud all
 * multiply u8 x s8; the bias is taken out exactly by starting each lane at -128 * sum(x). */
#ifndef LULL_MATRIX_H
#define LULL_MATRIX_H

#include "base.h"

#define LULL_LANES      16    /* rows in a block */
#define LULL_UNIT_BYTES 64    /* bytes in a unit; the alignment of everything in a matrix */
#define LULL_MAX_GROUP  65536 /* keeps every int32 lane exact */

typedef enum lull_scale_type {
    LULL_SCALE_NONE = 0,
    LULL_SCALE_BF16,
    LULL_SCALE_F32
} lull_scale_type;

typedef struct lull_matrix {
    lull_precision precision; /* LULL_F32, LULL_Q8 or LULL_Q4 */
    lull_scale_type scales;
    int32_t rows, cols;
    int32_t group;       /* G; 0 for float32 */
    int32_t n_groups;    /* ceil(cols / G); 0 for float32 */
    int32_t n_blocks;    /* ceil(rows / 16) */
    int32_t group_units; /* units per group; for float32: units per block (= cols) */
    size_t head_bytes;   /* of a block */
    size_t block_bytes;  /* head and units */
    unsigned char *data; /* (n_blocks, block_bytes), 64-byte aligned; not owned */
} lull_matrix;

/* Set every field but data from the shape.  0 when the sizes overflow 64 bits. *bytes = n_blocks *
 * block_bytes. */
int lull_matrix_plan(lull_matrix *m, lull_precision precision, lull_scale_type scales, int32_t rows,
                     int32_t cols, int32_t group, uint64_t *bytes);

/* Pack one block from its float rows: w (n_rows, cols), n_rows in 1..16.  Integers and scales of q8 and
 * q4 are chosen here (group.h). */
void lull_matrix_pack_f32(lull_matrix *m, int32_t block, const float *w, int32_t n_rows);

/* Pack one block from stored integers w (n_rows, cols), which are in -8..7 for q4, and their scales
 * (n_rows, n_groups). */
void lull_matrix_pack_quantised(lull_matrix *m, int32_t block, const int8_t *w, const float *scales,
                                int32_t n_rows);

/* One row as floats, out (cols): what the embedding lookup reads.  q * s, one rounding. */
void lull_matrix_row(const lull_matrix *m, int32_t row, float *out);

#endif
