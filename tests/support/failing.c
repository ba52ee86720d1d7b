/* failing.c - see failing.h. */
#include "failing.h"

#include <stdlib.h>
#include <string.h>

static void *hook(void *user, void *block, size_t old_bytes, size_t new_bytes)
{
    failing *f = user;
    void *moved;
    if (new_bytes == 0) {
        free(block);
        f->blocks -= block != NULL;
        f->bytes -= old_bytes;
        return NULL;
    }
    f->calls++;
    if (f->largest && new_bytes > f->largest) return NULL;
    if (f->fail_at && (f->for_ever ? f->calls >= f->fail_at : f->calls == f->fail_at)) return NULL;
    moved = realloc(block, new_bytes);
    if (!moved) return NULL;
    f->blocks += block == NULL;
    f->bytes += new_bytes - old_bytes;
    if (f->bytes > f->peak) f->peak = f->bytes;
    return moved;
}

void failing_init(failing *f, long fail_at, int for_ever)
{
    memset(f, 0, sizeof *f);
    f->allocator.realloc = hook;
    f->allocator.user = f;
    f->fail_at = fail_at;
    f->for_ever = for_ever;
}
