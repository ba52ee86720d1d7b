/* writer.h - a file that is whole under its name or absent.  Bytes go to a temporary file beside
 * it, which is synced and renamed at the end; an error leaves nothing behind. */
#ifndef LULL_WRITER_H
#define LULL_WRITER_H

#include "memory.h"

typedef struct lull_writer {
    const char *name; /* the final path; the caller's */
    const lull_allocator *allocator;
    char *temporary; /* the path written to, or NULL when closed */
    int fd;
    int swap;      /* 1: numbers are written in the order that is not the host's */
    uint64_t size; /* bytes given so far */
    unsigned char *buffer;
    size_t used; /* of the buffer */
} lull_writer;

/* Create the temporary file.  EIO, ENOMEM; the name itself is not touched. */
lull_status lull_writer_open(lull_writer *w, const char *path, lull_byte_order order,
                             const lull_allocator *allocator, lull_error *error);

lull_status lull_writer_bytes(lull_writer *w, const void *bytes, size_t n, lull_error *error);
lull_status lull_writer_u32(lull_writer *w, uint32_t v, lull_error *error);
lull_status lull_writer_u64(lull_writer *w, uint64_t v, lull_error *error);
lull_status lull_writer_f32(lull_writer *w, const float *v, size_t n, lull_error *error);

/* Zeros until size is a multiple. */
lull_status lull_writer_pad(lull_writer *w, size_t multiple, lull_error *error);

/* Flush, sync, close and rename over the name.  The writer is closed either way. */
lull_status lull_writer_commit(lull_writer *w, lull_error *error);

/* Close without a trace; safe on a zeroed or closed writer. */
void lull_writer_abandon(lull_writer *w);

#endif
