/* logits.h - what the files with the verbs of logits share beside objects.h. */
#ifndef LULL_BINDINGS_LOGITS_H
#define LULL_BINDINGS_LOGITS_H

#include "objects.h"

/* The view at argument 1, whatever its values are now. */
lull_lua_logits *lull_open_view(lua_State *L);

/* The view at another argument, which must be of as many tokens as v. */
lull_lua_logits *lull_open_other(lua_State *L, int arg, const lull_lua_logits *v);

/* Raise unless the values are logits. */
void lull_need_logits(lua_State *L, const lull_lua_logits *v);

int32_t lull_id_argument(lua_State *L, int arg, const lull_lua_logits *v);

/* Push the buffer of the view at argument 1 that holds a lull_candidate per token. */
lull_candidate *lull_push_scratch(lua_State *L);

/* ---- the few that are left
 *
 * After a narrow filter the view knows which tokens are left, up to LULL_FEW, and verbs work on a
 * short vector of their values.  What is known is that all others are banned (as probabilities: 0), not
 * that these are not: so verbs that change values in place may ignore it as long as they leave banned
 * tokens banned; one that may bring a token back calls lull_few_forget.  Whether anything is known is a
 * function of the calls alone, and so is what verbs do. */

/* What a verb works on: all values, in place, or copies of the few. */
typedef struct lull_part {
    float *values;
    size_t n;
    const int32_t *ids; /* (n); NULL where it is all */
} lull_part;

lull_part lull_part_open(const lull_lua_logits *v);

/* Put changed values back. */
void lull_part_store(lull_lua_logits *v, const lull_part *part);

/* After a filter, which may have left few. */
void lull_few_find(lull_lua_logits *v);

void lull_few_forget(lull_lua_logits *v);

/* The id of what has index i in a part. */
static inline int32_t lull_part_id(const lull_part *part, int32_t i)
{
    return part->ids != NULL ? part->ids[i] : i;
}

/* ---- verbs; NULL ends each table */
extern const luaL_Reg lull_logits_filters[]; /* logits_filters.c */
extern const luaL_Reg lull_logits_readers[]; /* logits_readers.c */

#endif
