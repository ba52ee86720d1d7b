/* logits.h - what the files with the verbs of logits share beside objects.h. */
#ifndef LULL_BINDINGS_LOGITS_H
#define LULL_BINDINGS_LOGITS_H

#include "objects.h"

/* The view at an argument, whatever its values are now. */
lull_lua_logits *lull_open_view(lua_State *L, int arg);

/* The view at another argument, which must be of as many tokens as v. */
lull_lua_logits *lull_open_other(lua_State *L, int arg, const lull_lua_logits *v);

/* Raise unless the values are logits. */
void lull_need_logits(lua_State *L, const lull_lua_logits *v);

int32_t lull_id_argument(lua_State *L, int arg, const lull_lua_logits *v);

/* Push the buffer of the view at argument 1 that holds a lull_candidate per token. */
lull_candidate *lull_push_scratch(lua_State *L);

/* ---- how a view holds its values (logits_form.c)
 *
 *   LULL_CHANGED  the raw ones, but for the few: at most LULL_CHANGES.  A fresh view has none.
 *   LULL_NARROW   those of the few; all others are banned (as probabilities: 0).  So it is after a
 *                 filter that left at most LULL_FEW; some of these may be banned since.
 *   LULL_WHOLE    all, in an array.
 *
 * A vocabulary is long, and every pass over it costs: of the usual chain only its first filter makes
 * one.  Which form a view has is a function of the calls alone, and so is what verbs do. */
enum { LULL_CHANGES = 64 };

/* Make it LULL_WHOLE.  May allocate, and with that run finalizers: what was opened before is to be
 * opened again. */
lull_lua_logits *lull_make_whole(lua_State *L, int arg);

/* All its values to be read, the raw ones where they are these.  A narrow view stays narrow.  May
 * allocate. */
const float *lull_read_whole(lua_State *L, int arg);

/* Make it the raw logits. */
void lull_reset_view(lull_lua_logits *v);

float lull_value(const lull_lua_logits *v, int32_t id);

/* Change one value; 0 where it has to be whole for that. */
int lull_change(lull_lua_logits *v, int32_t id, float value);

/* Change one value of the view at argument 1.  May allocate. */
void lull_change_any(lua_State *L, int32_t id, float value);

/* What verbs of the view at argument 1 work on: the few of a narrow one, or all values.  Opening may
 * allocate.  To be changed: banned ones must stay banned. */
typedef struct lull_part {
    float *values;
    size_t n;
    const int32_t *ids; /* (n); NULL where it is all */
} lull_part;

lull_part lull_part_open(lua_State *L);

typedef struct lull_reading {
    const float *values;
    size_t n;
    const int32_t *ids; /* (n); NULL where it is all */
} lull_reading;

lull_reading lull_part_read(lua_State *L);

/* The id of what has index i in a part. */
static inline int32_t lull_part_id(const int32_t *ids, int32_t i)
{
    return ids != NULL ? ids[i] : i;
}

/* After a filter: make the view at argument 1 narrow if few are left. */
void lull_find_few(lua_State *L);

/* Keep the k largest, so that it is narrow.  0, and nothing has changed, where that is not possible: it
 * is so already, k is too large, or there is a NaN or +INFINITY, which stays for the draw to report. */
int lull_narrow(lull_lua_logits *v, size_t k);

/* ---- verbs; NULL ends each table */
extern const luaL_Reg lull_logits_filters[]; /* logits_filters.c */
extern const luaL_Reg lull_logits_readers[]; /* logits_readers.c */

#endif
