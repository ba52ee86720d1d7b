/** lull_grammar.h - constrained texts.  lull.h includes it.
 *
 *  A grammar says which bytes a text may consist of, whatever tokens they come in; a matcher follows
 *  one text and says which tokens may be next.  The cheap way to use it: draw a token, ask
 *  lull_matcher_allows, and only when the answer is no mask the logits and draw again.
 *
 *      lull_trie     a model's vocabulary, made for this; immutable, shared by any threads
 *      lull_grammar  a program, and all that was found out about it so far; with its matchers used
 *                    by one thread at a time
 *      lull_matcher  where a text stands; a few words of memory */
#ifndef LULL_LULL_GRAMMAR_H
#define LULL_LULL_GRAMMAR_H

#include "lull.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lull_trie lull_trie;
typedef struct lull_grammar lull_grammar;
typedef struct lull_matcher lull_matcher;

/** Make the trie of a model's vocabulary; the model may be released then.  About 50 bytes a token.
 *  Tokens that give no text, or none that is meant (BOS, EOS, unknown, other control tokens), are
 *  not in it.  Errors  ESTATE (no tokenizer), ENOMEM, ELIMIT.  Begins with one reference. */
LULL_API lull_status lull_trie_open(lull_trie **out, const lull_model *model, lull_error *error);
LULL_API lull_trie *lull_trie_retain(lull_trie *trie);
LULL_API void lull_trie_release(lull_trie *trie);
LULL_API uint64_t lull_trie_bytes(const lull_trie *trie); /* of memory */

/** A context-free grammar over bytes.  Rule 0 is what the whole text must match; a rule matches what
 *  one of its alternatives does, an alternative what its elements do one after the other (without
 *  elements: nothing).  Only read during the call it is given to. */
typedef struct lull_program {
    int32_t n_rules, n_alternatives, n_elements, n_sets;
    /* (n_rules + 1): rule r has the alternatives rules[r] .. rules[r + 1] - 1 */
    const int32_t *rules;
    /* (n_alternatives + 1): alternative a has the elements alternatives[a] .. alternatives[a+1] - 1 */
    const int32_t *alternatives;
    /* (n_elements): i >= 0 is one byte of set i; -1 - r is what rule r matches */
    const int32_t *elements;
    const uint8_t *sets; /* (n_sets, 32): bit b % 8 of byte b / 8 says whether b is in the set */
    const char *const *names; /* (n_rules), for messages; NULL, or NULL for rules without one */
} lull_program;

typedef struct lull_grammar_options {
    uint64_t max_memory_bytes; /* for what is found out; 0 = 32 MiB, at most 4 GiB.  When full, all
                                * but the places of open matchers is thrown away and found again */
    int32_t max_depth; /* rules within rules that are not last in theirs; default 1000, 1..60000 */
    lull_allocator allocator;
} lull_grammar_options;

LULL_API void lull_grammar_options_init(lull_grammar_options *options);

/** Check and compile a program.
 *
 *  trie     retained; NULL for a grammar that is only asked about bytes
 *  Errors   EINVAL: an index out of range, an empty set, a rule that matches no finite text, one that
 *           can begin with itself (unless it is the last element of an alternative of its own, which
 *           is how repeats are written), over 2^20 rules, 2^22 elements or 2^16 sets; ENOMEM.
 *  Begins with one reference; matchers hold their own.  Not for several threads at once. */
LULL_API lull_status lull_grammar_open(lull_grammar **out, lull_trie *trie,
                                       const lull_program *program,
                                       const lull_grammar_options *options, lull_error *error);
LULL_API lull_grammar *lull_grammar_retain(lull_grammar *grammar);
LULL_API void lull_grammar_release(lull_grammar *grammar);

typedef struct lull_grammar_info {
    int32_t rules;
    int32_t states, masks; /* found so far: places in texts, and of those with a mask */
    uint64_t flushes;      /* times that they were thrown away */
    uint64_t memory_bytes; /* all but the trie */
} lull_grammar_info;

LULL_API void lull_grammar_info_get(const lull_grammar *grammar, lull_grammar_info *info);

/** A matcher before the first byte of a text.
 *
 *  at_start  1: the tokens come right after BOS, where decoding drops the space that the first one
 *            begins with: it is not part of the text for the grammar either
 *  Errors    ENOMEM, ELIMIT. */
LULL_API lull_status lull_matcher_open(lull_matcher **out, lull_grammar *grammar, int at_start,
                                       lull_error *error);
LULL_API lull_status lull_matcher_clone(lull_matcher **out, const lull_matcher *matcher,
                                        lull_error *error);
LULL_API void lull_matcher_close(lull_matcher *matcher);

/** Back to before the first byte.  Errors  ENOMEM, ELIMIT; then nothing has changed. */
LULL_API lull_status lull_matcher_reset(lull_matcher *matcher, lull_error *error);

/** May token come next?  Its bytes may cross any borders inside the grammar.  EOS may when the text
 *  may end here, and nothing after it; BOS, unknown and other control tokens never.
 *  Errors  EINVAL (no such token), ESTATE (no vocabulary); ELIMIT, when the text is nested deeper than
 *  max_depth, could go on in more than 65536 ways, or needs more than max_memory_bytes at once;
 *  ENOMEM.  These two are errors of all functions below, and leave the matcher as it was. */
LULL_API lull_status lull_matcher_allows(lull_matcher *matcher, int32_t token, int *allowed,
                                         lull_error *error);

/** Take token as the next one.  Errors  as allows; EINVAL where it is not allowed. */
LULL_API lull_status lull_matcher_accept(lull_matcher *matcher, int32_t token, lull_error *error);

/** Take bytes, in no particular tokens: all of them, or none when one is not allowed (EINVAL; its
 *  place, counted from the start of the text, is error->offset). */
LULL_API lull_status lull_matcher_accept_text(lull_matcher *matcher, const char *text, size_t bytes,
                                              lull_error *error);

/** Ban (-INFINITY) in values (n, the size of the vocabulary) all tokens that may not come next.
 *  The answer is kept for the next text that comes to the same place.  O(n); the first time at
 *  most O(bytes of all tokens).  Where a vocabulary lacks a byte token, all may be banned. */
LULL_API lull_status lull_matcher_mask(lull_matcher *matcher, float *values, size_t n,
                                       lull_error *error);

/** May the text end here?  Also 1 after EOS. */
LULL_API int lull_matcher_complete(const lull_matcher *matcher);

/** What must come next.
 *
 *  text      out, room for capacity bytes: those that every text goes on with, as many as there are
 *  bytes     out, how many
 *  token     out, the one token that is allowed, or -1 where there are more or none */
LULL_API lull_status lull_matcher_forced(lull_matcher *matcher, char *text, size_t capacity,
                                         size_t *bytes, int32_t *token, lull_error *error);

#ifdef __cplusplus
}
#endif
#endif
