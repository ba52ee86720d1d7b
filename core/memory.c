/* memory.c - aligned blocks from the allocator hook.
 *
 * A block is [padding] [head: what the hook returned, bytes asked of it] [the caller's bytes]; the
 * caller's bytes start on 64.  posix_memalign is not everywhere, so the alignment is made by hand. */
#if defined(__linux__)
#define _DEFAULT_SOURCE 1 /* madvise */ /* NOLINT(bugprone-reserved-identifier) */
#endif

#include "memory.h"

#include <inttypes.h>
#include <stdlib.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#define ALIGNMENT 64
#define HUGE_FROM ((size_t)4 << 20) /* bytes from which huge pages are asked for */

typedef struct head {
    void *raw;    /* what the hook returned */
    size_t bytes; /* what it was asked for */
} head;

static void *hook(const lull_allocator *allocator, void *block, size_t old_bytes, size_t new_bytes)
{
    if (allocator != NULL && allocator->realloc != NULL)
        return allocator->realloc(allocator->user, block, old_bytes, new_bytes);
    if (new_bytes != 0) return realloc(block, new_bytes);
    free(block);
    return NULL;
}

/* Large blocks are weights, read from end to end for each token: with small pages the processor would
 * spend much of that looking up addresses.  Advice only: a system without it ignores it. */
static void advise(unsigned char *block, size_t bytes)
{
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    const size_t page = 4096, skip = (page - (uintptr_t)block % page) % page;
    if (bytes >= HUGE_FROM)
        (void)madvise(block + skip, (bytes - skip) / page * page, MADV_HUGEPAGE);
#else
    (void)block, (void)bytes;
#endif
}

void *lull_memory_get(const lull_allocator *allocator, size_t bytes)
{
    const size_t extra = sizeof(head) + ALIGNMENT - 1;
    unsigned char *block, *raw;
    head h;

    if (bytes > SIZE_MAX / 2 - extra) return NULL;
    raw = hook(allocator, NULL, 0, bytes + extra);
    if (raw == NULL) return NULL;
    block = raw + sizeof(head);
    block += (ALIGNMENT - (uintptr_t)block % ALIGNMENT) % ALIGNMENT;
    h.raw = raw;
    h.bytes = bytes + extra;
    memcpy(block - sizeof h, &h, sizeof h);
    advise(block, bytes);
    return block;
}

void *lull_memory_get_zeroed(const lull_allocator *allocator, size_t bytes)
{
    void *block = lull_memory_get(allocator, bytes);
    if (block != NULL) memset(block, 0, bytes);
    return block;
}

void lull_memory_put(const lull_allocator *allocator, void *block)
{
    head h;
    if (block == NULL) return;
    memcpy(&h, (unsigned char *)block - sizeof h, sizeof h);
    hook(allocator, h.raw, h.bytes, 0);
}

lull_status lull_memory_fail(lull_error *error, const char *what, uint64_t bytes)
{
    return lull_fail(error, LULL_ENOMEM, 0, 0, "%s: out of memory (%" PRIu64 " bytes wanted)", what,
                     bytes);
}
