/* threads.h - a pool that runs one function on all its threads at once.  Work is split by rows or
 * heads, never inside a sum, so the number of threads changes no result. */
#ifndef LULL_THREADS_H
#define LULL_THREADS_H

#include "memory.h"

typedef struct lull_pool lull_pool;

/* part in 0..n_parts-1: do that share of the work. */
typedef void (*lull_task)(void *argument, int part, int n_parts);

/* n_threads 1..256, the caller's included (1 starts none).  The others have all signals blocked and
 * round to nearest.  ENOMEM where the system gives no more threads. */
lull_status lull_pool_open(lull_pool **out, int n_threads, const lull_allocator *allocator,
                           lull_error *error);
void lull_pool_run(lull_pool *pool, lull_task task, void *argument); /* returns when all are done */
void lull_pool_close(lull_pool *pool);                               /* joins; NULL is fine */

/* Was the pool opened by this process (and not by the parent of a fork)? */
int lull_pool_usable(const lull_pool *pool);

/* Cores in this process's affinity mask, at least 1. */
int lull_cpu_count(void);

#endif
