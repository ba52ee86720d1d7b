/* tokenizer.h - text to token ids and back (lull_encode and lull_decode of lull.h over this). */
#ifndef LULL_TOKENIZER_H
#define LULL_TOKENIZER_H

#include "memory.h"
#include "reader.h"

typedef enum lull_token_kind {
    LULL_TOKEN_TEXT,
    LULL_TOKEN_BYTE,    /* its text is <0xHH> */
    LULL_TOKEN_CONTROL, /* never matched by text, gives no bytes */
    LULL_TOKEN_OTHER    /* never matched by text */
} lull_token_kind;

typedef struct lull_tokenizer {
    lull_allocator allocator;
    int32_t vocab_size;
    int32_t max_token_bytes; /* measured, not the file's word for it */
    int32_t n_byte_tokens;
    int32_t bos, eos, unknown; /* 1, 2, 0 in llama2.c files; -1 where the vocabulary ends before */
    int32_t prefix;            /* the token " ", or -1: put before the text after BOS */
    int no_prefix;             /* 1: nothing is put there, and nothing dropped there */
    int32_t byte_token[256];   /* id of <0xHH>, or -1 */
    unsigned char *text;       /* all token texts, one after the other */
    uint32_t *start;           /* (vocab_size + 1): text of id is start[id] .. start[id + 1] */
    float *score;              /* (vocab_size) */
    unsigned char *kind; /* (vocab_size) of lull_token_kind; NULL = by llama2.c's rule: ids 0 to 2
                                * are never matched, <0xHH> are bytes */
    int32_t *table;      /* open-addressing hash of the texts that may be matched -> id */
    uint32_t table_mask;
    uint32_t joins[2048];         /* bit a << 8 | b: some such text has byte a before byte b */
    unsigned char byte_text[256]; /* 0, 1, ... 255: what byte tokens are as text */
    char *chat_template;          /* (chat_template_bytes) of a GGUF file, or NULL */
    size_t chat_template_bytes;
    uint64_t bytes; /* all of this in memory */
} lull_tokenizer;

/* Read a llama2.c tokenizer.bin of exactly vocab_size entries, in whichever byte order its entries
 * walk to the end of the file.  EFORMAT names the entry. (formats/llama2c_tokenizer.c) */
lull_status lull_tokenizer_load(lull_tokenizer **out, lull_reader *r, int32_t vocab_size,
                                const lull_allocator *allocator, lull_error *error);
void lull_tokenizer_free(lull_tokenizer *t);

/* Read the tokenizer that a GGUF file holds; it must have vocab_size tokens.  EFORMAT names the token,
 * EUNSUPPORTED the kind of vocabulary. (formats/gguf_tokenizer.c) */
struct lull_vocabulary;
lull_status lull_gguf_tokenizer_load(lull_tokenizer **out, lull_reader *r,
                                     const struct lull_vocabulary *vocabulary, int32_t vocab_size,
                                     const lull_allocator *allocator, lull_error *error);

/* What token id is, by the file's word or llama2.c's rule. (tokenizer.c) */
lull_token_kind lull_tokenizer_kind(const lull_tokenizer *t, int32_t id);

/* How many bytes at the start of token id's text are dropped when it follows BOS: 1 for the space of
 * the dummy prefix, else 0. (tokenizer.c) */
size_t lull_tokenizer_dropped(const lull_tokenizer *t, int32_t id);

/* Does this text have the form <0xHH>?  The byte, or -1. */
int lull_tokenizer_byte(const unsigned char *text, size_t n);

/* Build the hash table from text, start, score and kind, and, where kind is NULL, the special ids.
 * ENOMEM. (tokenizer.c) */
lull_status lull_tokenizer_index(lull_tokenizer *t, lull_error *error);

#endif
