/* reader.h - the one bounds-checked, byte-order-aware cursor.  Every byte of a file or of a buffer
 * given in its place passes through it, so truncation, short reads, EINTR, swapping and "changed
 * while reading" are handled once. */
#ifndef LULL_READER_H
#define LULL_READER_H

#include "base.h"

typedef struct lull_reader {
    const char *name;            /* for messages: the path (owned by the caller), or "memory" */
    const unsigned char *memory; /* the bytes, or NULL for a file */
    int fd;                      /* or -1 */
    uint64_t size;               /* bytes there are */
    uint64_t offset;             /* of the next byte */
    int swap;                    /* 1: numbers are in the order that is not the host's */
    uint64_t stamp[4]; /* device, inode, size, mtime when opened: changed while reading? */
} lull_reader;

/* Open a regular file of at most max_bytes.  EIO (with strerror), EFORMAT (empty, not a regular
 * file), ELIMIT.  The reader must then be closed. */
lull_status lull_reader_open(lull_reader *r, const char *path, uint64_t max_bytes,
                             lull_error *error);
void lull_reader_open_memory(lull_reader *r, const void *bytes, size_t n, const char *name);
void lull_reader_close(lull_reader *r); /* safe on a zeroed or closed reader */

/* Is the file still what it was when opened?  EIO "changed while reading". */
lull_status lull_reader_check_unchanged(const lull_reader *r, lull_error *error);

/* Each fails with EFORMAT "what needs N bytes at offset O, file ends at E", or EIO. */
lull_status lull_reader_seek(lull_reader *r, uint64_t offset, const char *what, lull_error *error);
lull_status lull_reader_bytes(lull_reader *r, void *out, size_t n, const char *what,
                              lull_error *error);
lull_status lull_reader_u32(lull_reader *r, uint32_t *out, const char *what, lull_error *error);
lull_status lull_reader_i32(lull_reader *r, int32_t *out, const char *what, lull_error *error);
lull_status lull_reader_f32(lull_reader *r, float *out, size_t n, const char *what,
                            lull_error *error);

/* What a file that is no checkpoint looks like, from its first bytes: "an HTML page", "a gzip
 * archive", "a Git LFS pointer (fetch the real file with git lfs pull)", ...; NULL when unknown. */
const char *lull_reader_looks_like(const unsigned char *head, size_t n);

#endif
