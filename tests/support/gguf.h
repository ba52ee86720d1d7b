/* gguf.h - GGUF files of tiny models, right or wrong in chosen places; written independently of
 * core/formats, so that the reader is not tested with lull's own writer. */
#ifndef GGUF_H
#define GGUF_H

#include "tiny.h"

/* Types of values, as the specification numbers them. */
enum {
    G_U8,
    G_I8,
    G_U16,
    G_I16,
    G_U32,
    G_I32,
    G_F32,
    G_BOOL,
    G_STRING,
    G_ARRAY,
    G_U64,
    G_I64,
    G_F64
};

/* Types of tensors. */
enum { G_TENSOR_F32 = 0, G_TENSOR_F16 = 1, G_TENSOR_Q4_0 = 2, G_TENSOR_Q8_0 = 8 };

/* A key that is to be otherwise; one that is not among the usual ones is added at the end. */
enum { G_SET, G_OMIT, G_TWICE };

typedef struct gguf_key_change {
    const char *key;
    int what;
    int type;         /* G_SET: of the value */
    uint64_t bits;    /* a number's bits; of an array the count, of zeros */
    int element;      /* of an array */
    const char *text; /* of a string */
} gguf_key_change;

/* A tensor of the list that is to be otherwise; its data stay where they are. */
enum { G_T_OMIT, G_T_NAME, G_T_TYPE, G_T_DIMS, G_T_DIM0, G_T_DIM1, G_T_OFFSET, G_T_EXTRA };

typedef struct gguf_tensor_change {
    const char *tensor;
    int what;
    uint64_t value;   /* type, number of dimensions, size, or what is added to the offset */
    const char *text; /* G_T_NAME, and G_T_EXTRA: a further tensor of 8 floats after this one */
} gguf_tensor_change;

typedef struct gguf_spec {
    const tiny_spec *model; /* group 32 for the quantised types */
    int type;               /* of matrices */
    lull_byte_order order;
    uint32_t version;   /* 0 = 3 */
    uint32_t alignment; /* 0 = 32, not said */
    int backwards;      /* tensors from the last to the first */
    const char *other;  /* this matrix has other_type */
    int other_type;
    gguf_key_change keys[3];   /* those with a key count */
    gguf_tensor_change tensor; /* if it names one */
} gguf_spec;

/* Where a number of the header stands. */
typedef struct gguf_field {
    size_t offset, bytes;
} gguf_field;

typedef struct gguf_bytes {
    unsigned char *bytes; /* malloc'd; never NULL */
    size_t n, header;     /* of the file, and where its data begin */
    gguf_field fields[1024];
    size_t n_fields;
} gguf_bytes;

/* Make a file; give it back with gguf_free. */
gguf_bytes *gguf_make(const gguf_spec *spec);
void gguf_free(gguf_bytes *file);

/* What a weight of a matrix in such a file is: kind as LULL_WQ ... in core/formats/formats.h, or
 * one of these. */
enum { G_EMBEDDING = 100, G_CLASSIFIER };
void gguf_row(const gguf_spec *spec, int kind, int32_t layer, int32_t row, float *out);

#endif
