/* writer.c - see writer.h. */
#include "writer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define BUFFER_BYTES 65536
#define MOST_TRIES   100 /* temporary names, in case a killed run left some */

static lull_status fail_system(const lull_writer *w, int sys, lull_error *error)
{
    return lull_fail(error, LULL_EIO, sys, w->size, "%s: cannot be written: %s",
                     lull_path_tail(w->name), strerror(sys));
}

/* The first free name of "<path>.part0" ... */
static lull_status create(lull_writer *w, size_t room, lull_error *error)
{
    int flags = O_WRONLY | O_CREAT | O_EXCL, i;
#ifdef O_CLOEXEC
    flags |= O_CLOEXEC;
#endif
    for (i = 0; i < MOST_TRIES; i++) {
        snprintf(w->temporary, room, "%s.part%d", w->name, i);
        w->fd = open(w->temporary, flags, 0666);
        if (w->fd >= 0 || (errno != EEXIST && errno != EINTR)) break;
    }
    if (w->fd < 0) return fail_system(w, errno, error);
#ifndef O_CLOEXEC
    (void)fcntl(w->fd, F_SETFD, FD_CLOEXEC);
#endif
    return LULL_OK;
}

lull_status lull_writer_open(lull_writer *w, const char *path, lull_byte_order order,
                             const lull_allocator *allocator, lull_error *error)
{
    const size_t room = strlen(path) + sizeof ".part99";
    lull_status status;
    memset(w, 0, sizeof *w);
    w->name = path;
    w->allocator = allocator;
    w->fd = -1;
    w->swap = order != LULL_ANY_ORDER && order != LULL_HOST_ORDER;
    w->temporary = lull_memory_get(allocator, room);
    w->buffer = lull_memory_get(allocator, BUFFER_BYTES);
    if (w->temporary != NULL && w->buffer != NULL)
        status = create(w, room, error);
    else
        status = lull_memory_fail(error, "output buffer", room + BUFFER_BYTES);
    if (status != LULL_OK) lull_writer_abandon(w);
    return status;
}

/* Give everything back; the temporary file goes unless it has got its final name. */
static void release(lull_writer *w, int unlink_it)
{
    if (w->name == NULL) return;
    if (w->fd >= 0) (void)close(w->fd);
    if (unlink_it && w->temporary) (void)unlink(w->temporary);
    lull_memory_put(w->allocator, w->temporary);
    lull_memory_put(w->allocator, w->buffer);
    memset(w, 0, sizeof *w);
    w->fd = -1;
}

void lull_writer_abandon(lull_writer *w)
{
    release(w, w->fd >= 0);
}

static lull_status flush(lull_writer *w, lull_error *error)
{
    const unsigned char *p = w->buffer;
    while (w->used > 0) {
        ssize_t put = write(w->fd, p, w->used);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return fail_system(w, put < 0 ? errno : EIO, error);
        p += put;
        w->used -= (size_t)put;
    }
    return LULL_OK;
}

lull_status lull_writer_bytes(lull_writer *w, const void *bytes, size_t n, lull_error *error)
{
    const unsigned char *p = bytes;
    while (n > 0) {
        const size_t left = BUFFER_BYTES - w->used, part = n < left ? n : left;
        memcpy(w->buffer + w->used, p, part);
        w->used += part;
        w->size += part;
        p += part;
        n -= part;
        if (w->used == BUFFER_BYTES) {
            lull_status status = flush(w, error);
            if (status != LULL_OK) return status;
        }
    }
    return LULL_OK;
}

lull_status lull_writer_u32(lull_writer *w, uint32_t v, lull_error *error)
{
    if (w->swap) v = lull_swap32(v);
    return lull_writer_bytes(w, &v, sizeof v, error);
}

lull_status lull_writer_u64(lull_writer *w, uint64_t v, lull_error *error)
{
    if (w->swap) v = (uint64_t)lull_swap32((uint32_t)v) << 32 | lull_swap32((uint32_t)(v >> 32));
    return lull_writer_bytes(w, &v, sizeof v, error);
}

lull_status lull_writer_pad(lull_writer *w, size_t multiple, lull_error *error)
{
    static const unsigned char zeros[64] = {0};
    size_t left = (size_t)(w->size % multiple);
    lull_status status = LULL_OK;
    for (left = left ? multiple - left : 0; left > 0 && status == LULL_OK;) {
        const size_t n = left < sizeof zeros ? left : sizeof zeros;
        status = lull_writer_bytes(w, zeros, n, error);
        left -= n;
    }
    return status;
}

lull_status lull_writer_f32(lull_writer *w, const float *v, size_t n, lull_error *error)
{
    lull_status status = LULL_OK;
    size_t i;
    for (i = 0; i < n && status == LULL_OK; i++)
        status = lull_writer_u32(w, lull_float_bits(v[i]), error);
    return status;
}

lull_status lull_writer_commit(lull_writer *w, lull_error *error)
{
    lull_status status = flush(w, error);
    int closed;
    if (status == LULL_OK && fsync(w->fd) != 0) status = fail_system(w, errno, error);
    if (status != LULL_OK) {
        lull_writer_abandon(w);
        return status;
    }
    closed = close(w->fd) == 0;
    w->fd = -1;
    if (!closed || rename(w->temporary, w->name) != 0) {
        status = fail_system(w, errno, error);
        release(w, 1);
        return status;
    }
    release(w, 0);
    return LULL_OK;
}
