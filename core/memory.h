/* memory.h - the allocator hook, with alignment.  Every block of the core comes from here, begins
 * at a multiple of 64 bytes and remembers its size. */
#ifndef LULL_MEMORY_H
#define LULL_MEMORY_H

#include "base.h"

/* bytes of uninitialised memory, 64-byte aligned, or NULL.  bytes 0 gives a valid block. */
void *lull_memory_get(const lull_allocator *allocator, size_t bytes);

/* The same, all zero. */
void *lull_memory_get_zeroed(const lull_allocator *allocator, size_t bytes);

/* Give back a block of the same allocator; NULL is fine. */
void lull_memory_put(const lull_allocator *allocator, void *block);

/* ENOMEM with the number of bytes wanted: "what: out of memory (123 bytes wanted)". */
lull_status lull_memory_fail(lull_error *error, const char *what, uint64_t bytes);

#endif
