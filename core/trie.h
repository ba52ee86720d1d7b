/* trie.h - a vocabulary as a tree of bytes, so that what a grammar allows is found by walking through
 * all tokens at once. */
#ifndef LULL_TRIE_H
#define LULL_TRIE_H

#include "memory.h"

enum {
    LULL_MOST_PLAIN = 16, /* characters of plain text (utf8.h) that are counted */
    LULL_NOT_PLAIN = 255
};

/* Nodes stand in preorder: a node's first child is the next one, and what is not below it begins at
 * skip.  Node 0 is the root, the empty text. */
typedef struct lull_trie_node {
    uint32_t skip;       /* the first node that is no descendant */
    uint32_t first;      /* its tokens are tokens[first] .. tokens[first of the next node - 1] */
    uint32_t place;      /* depth << 8 | the byte that leads here from its parent */
    unsigned char plain; /* 1: its own text is whole plain characters, up to LULL_MOST_PLAIN */
    /* Where only plain text follows below, between characters: how many at most.  LULL_NOT_PLAIN
     * where other text follows, or in the middle of a character. */
    unsigned char below;
} lull_trie_node;

struct lull_trie {
    int references; /* atomic */
    lull_allocator allocator;
    int32_t vocab_size, eos; /* eos -1: none */
    int32_t n_byte_tokens;
    int drops_spaces; /* the space of the first token after BOS is dropped */
    uint32_t n_nodes, n_tokens;
    uint32_t depth;        /* bytes of the longest token */
    lull_trie_node *nodes; /* (n_nodes + 1): the last is only an end */
    int32_t *tokens;       /* (n_tokens), in the order of their texts */
    uint32_t *start;      /* (vocab_size + 1): the text of id is text[start[id]] .. start[id + 1] */
    unsigned char *text;  /* of control tokens and the like: none */
    unsigned char *drops; /* (vocab_size): bytes dropped from its start after BOS, 0 or 1 */
    /* (LULL_MOST_PLAIN + 1, (vocab_size + 31) / 32): the tokens whose text is up to so many
     * plain characters, as masks: bit id % 32 of word id / 32. */
    uint32_t *plain;
    uint64_t bytes; /* all of this in memory */
};

#endif
