/* gguf.h - what the files about GGUF share: its numbers and names, a cursor over its header, the
 * metadata that lull knows, and the blocks of its tensors.  The layout is drawn in gguf.c. */
#ifndef LULL_GGUF_H
#define LULL_GGUF_H

#include "../reader.h"
#include "formats.h"

/* ---- types of metadata values, and of tensors (those that are read) */

enum {
    LULL_GGUF_U8,
    LULL_GGUF_I8,
    LULL_GGUF_U16,
    LULL_GGUF_I16,
    LULL_GGUF_U32,
    LULL_GGUF_I32,
    LULL_GGUF_F32,
    LULL_GGUF_BOOL,
    LULL_GGUF_STRING,
    LULL_GGUF_ARRAY,
    LULL_GGUF_U64,
    LULL_GGUF_I64,
    LULL_GGUF_F64,
    LULL_GGUF_TYPES
};

enum { LULL_GGML_F32 = 0, LULL_GGML_F16 = 1, LULL_GGML_Q4_0 = 2, LULL_GGML_Q8_0 = 8 };

/* tokenizer.ggml.token_type */
enum {
    LULL_GGUF_NORMAL = 1,
    LULL_GGUF_UNKNOWN = 2,
    LULL_GGUF_CONTROL = 3,
    LULL_GGUF_USER = 4,
    LULL_GGUF_UNUSED = 5,
    LULL_GGUF_BYTE = 6
};

#define LULL_GGUF_ALIGNMENT 32
#define LULL_GGUF_SPACE     "\xe2\x96\x81" /* U+2581: a space, in token texts */

/* "attn_q" for LULL_WQ and so on: blk.N.attn_q.weight. (gguf.c) */
extern const char *const lull_gguf_layer_names[LULL_LAYER_TENSORS];

/* ---- a cursor that reads the file in blocks, every take checked against its end (gguf_meta.c) */

typedef struct lull_gguf_cursor {
    lull_reader *reader;
    const char *reading; /* begins every message */
    uint64_t offset;     /* of the next byte */
    uint64_t block_from; /* where in the file block begins */
    size_t block_bytes;  /* valid ones */
    unsigned char block[4096];
} lull_gguf_cursor;

void lull_gguf_cursor_open(lull_gguf_cursor *c, lull_reader *r, const char *reading,
                           uint64_t offset);

/* The next n bytes into out, or passed over where out is NULL.  EFORMAT "what needs N bytes ...". */
lull_status lull_gguf_take(lull_gguf_cursor *c, void *out, uint64_t n, const char *what,
                           lull_error *error);
lull_status lull_gguf_u32(lull_gguf_cursor *c, uint32_t *out, const char *what, lull_error *error);
lull_status lull_gguf_u64(lull_gguf_cursor *c, uint64_t *out, const char *what, lull_error *error);

/* ---- metadata */

/* The keys that mean something to lull. */
enum {
    LULL_KEY_ARCHITECTURE,
    LULL_KEY_NAME,
    LULL_KEY_ALIGNMENT,
    LULL_KEY_FILE_TYPE,
    LULL_KEY_QUANTIZATION,
    LULL_KEY_SPLIT,
    LULL_KEY_VOCABULARY,
    LULL_KEY_CONTEXT,
    LULL_KEY_EMBEDDING,
    LULL_KEY_BLOCKS,
    LULL_KEY_FEED_FORWARD,
    LULL_KEY_HEADS,
    LULL_KEY_KV_HEADS,
    LULL_KEY_KEY_LENGTH,
    LULL_KEY_VALUE_LENGTH,
    LULL_KEY_EPSILON,
    LULL_KEY_ROPE_DIMENSIONS,
    LULL_KEY_ROPE_BASE,
    LULL_KEY_ROPE_SCALE,
    LULL_KEY_ROPE_SCALING,
    LULL_KEY_ROPE_FACTOR,
    LULL_KEY_EXPERTS,
    LULL_KEY_TOKENIZER,
    LULL_KEY_TOKENS,
    LULL_KEY_SCORES,
    LULL_KEY_TOKEN_TYPES,
    LULL_KEY_BOS,
    LULL_KEY_EOS,
    LULL_KEY_UNKNOWN,
    LULL_KEY_ADD_BOS,
    LULL_KEY_ADD_SPACE,
    LULL_KEY_CHAT_TEMPLATE,
    LULL_KEYS
};

/* Name and type of each; element is the type of an array's elements. */
typedef struct lull_gguf_key {
    const char *name;
    uint32_t type, element;
} lull_gguf_key;

extern const lull_gguf_key lull_gguf_keys[LULL_KEYS];

typedef struct lull_gguf_value {
    int given;
    uint32_t u;         /* u16, u32, bool */
    float f;            /* f32 */
    char text[32];      /* string, cut, and with '?' for what is not printable */
    uint64_t offset, n; /* array: of its first element, number of elements; string: of its length */
} lull_gguf_value;

typedef struct lull_gguf_meta {
    lull_gguf_value values[LULL_KEYS];
} lull_gguf_meta;

/* Read n keys and values; those of other names are passed over.  EFORMAT where the structure is
 * broken, or a known key has another type or occurs twice. */
lull_status lull_gguf_meta_read(lull_gguf_meta *meta, lull_gguf_cursor *c, uint64_t n,
                                lull_error *error);

/* ---- blocks of tensors, 32 weights each (gguf_blocks.c).  Raw bytes are in the file's order, of
 * which swap tells whether it is the other one than the host's. */

#define LULL_GGUF_BLOCK 32
#define LULL_Q8_0_BYTES 34
#define LULL_Q4_0_BYTES 18

void lull_f16_unpack(const unsigned char *raw, size_t n, int swap, float *out);
void lull_q8_0_unpack(const unsigned char *raw, size_t n_blocks, int swap, int8_t *q,
                      float *scales);
void lull_q4_0_unpack(const unsigned char *raw, size_t n_blocks, int swap, int8_t *q,
                      float *scales);

void lull_f16_pack(const float *in, size_t n, int swap, unsigned char *raw);
void lull_q8_0_pack(const int8_t *q, const float *scales, size_t n_blocks, int swap,
                    unsigned char *raw);
void lull_q4_0_pack(const int8_t *q, const float *scales, size_t n_blocks, int swap,
                    unsigned char *raw);

#endif
