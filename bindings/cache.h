/* cache.h - one copy of a model per process, however many Lua states and threads load it. */
#ifndef LULL_CACHE_H
#define LULL_CACHE_H

#include "../core/lull.h"

/* A loaded model and the number of Lua objects (model handles and contexts) that use it. */
typedef struct lull_shared lull_shared;

/* Load path, or share what is loaded already under the same key.  Limits in options are checked
 * on a hit as on a load.  A second thread that wants a file while it is being loaded waits for
 * it.
 *
 *  share  0 = load a copy of its own, which nobody else gets
 *  fresh  out, bytes this call took from the system; 0 for a hit
 *  Errors as lull_model_load.  *out is used by one object; end with lull_shared_release. */
lull_status lull_shared_load(lull_shared **out, const char *path, const lull_load_options *options,
                             int share, uint64_t *fresh, lull_error *error);

lull_shared *lull_shared_retain(lull_shared *shared);
void lull_shared_release(lull_shared *shared); /* NULL is fine; the last user frees the model */
lull_model *lull_shared_model(const lull_shared *shared);

#endif
