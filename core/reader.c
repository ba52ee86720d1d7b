/* reader.c - see reader.h.  Plain read(2) and not mmap: a mapped file that is truncated by somebody
 * else kills the process, a read of it only comes back short. */
#include "reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define MOST_AT_ONCE ((size_t)1 << 28) /* some systems refuse reads of 2 GB and more */

/* ---- opening and closing */

static void take_stamp(uint64_t stamp[4], const struct stat *s)
{
    stamp[0] = (uint64_t)s->st_dev;
    stamp[1] = (uint64_t)s->st_ino;
    stamp[2] = (uint64_t)s->st_size;
    stamp[3] = (uint64_t)s->st_mtime * 1000000000u;
#if defined(_POSIX_VERSION) && _POSIX_VERSION >= 200809L
    stamp[3] += (uint64_t)s->st_mtim.tv_nsec;
#endif
}

static lull_status fail_system(const lull_reader *r, int sys, lull_error *error)
{
    return lull_fail(error, LULL_EIO, sys, r->offset, "%s: %s", lull_path_tail(r->name),
                     strerror(sys));
}

/* Everything that can be said about an open descriptor before reading from it. */
static lull_status check_file(lull_reader *r, uint64_t max_bytes, lull_error *error)
{
    const char *tail = lull_path_tail(r->name);
    struct stat s;
    if (fstat(r->fd, &s) != 0) return fail_system(r, errno, error);
    if (S_ISDIR(s.st_mode)) return fail_system(r, EISDIR, error);
    if (!S_ISREG(s.st_mode))
        return lull_fail(error, LULL_EFORMAT, 0, 0, "%s: not a regular file", tail);
    if (s.st_size <= 0) return lull_fail(error, LULL_EFORMAT, 0, 0, "%s: the file is empty", tail);
    if ((uint64_t)s.st_size > max_bytes)
        return lull_fail(error, LULL_ELIMIT, 0, 0,
                         "%s: the file has %" PRIu64 " bytes, the limit is %" PRIu64, tail,
                         (uint64_t)s.st_size, max_bytes);
    r->size = (uint64_t)s.st_size;
    take_stamp(r->stamp, &s);
    return LULL_OK;
}

lull_status lull_reader_open(lull_reader *r, const char *path, uint64_t max_bytes,
                             lull_error *error)
{
    /* O_NONBLOCK: opening a FIFO nobody writes to must fail the check below, not wait. */
    int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY;
    lull_status status;
    memset(r, 0, sizeof *r);
    r->name = path;
#ifdef O_CLOEXEC
    flags |= O_CLOEXEC;
#endif
    do r->fd = open(path, flags);
    while (r->fd < 0 && errno == EINTR);
    if (r->fd < 0) {
        status = fail_system(r, errno, error);
        lull_reader_close(r);
        return status;
    }
#ifndef O_CLOEXEC
    (void)fcntl(r->fd, F_SETFD, FD_CLOEXEC);
#endif
    status = check_file(r, max_bytes, error);
    if (status != LULL_OK) lull_reader_close(r);
    return status;
}

void lull_reader_open_memory(lull_reader *r, const void *bytes, size_t n, const char *name)
{
    static const unsigned char nothing[1] = {0};
    memset(r, 0, sizeof *r);
    r->name = name;
    r->memory = bytes ? bytes : nothing;
    r->fd = -1;
    r->size = bytes ? n : 0;
}

void lull_reader_close(lull_reader *r)
{
    /* A zeroed reader has descriptor 0 but no name. */
    if (r->name != NULL && r->memory == NULL && r->fd >= 0) (void)close(r->fd);
    memset(r, 0, sizeof *r);
    r->fd = -1;
}

lull_status lull_reader_check_unchanged(const lull_reader *r, lull_error *error)
{
    struct stat s;
    uint64_t now[4];
    if (r->memory != NULL) return LULL_OK;
    if (fstat(r->fd, &s) != 0) return fail_system(r, errno, error);
    take_stamp(now, &s);
    if (memcmp(now, r->stamp, sizeof now) != 0)
        return lull_fail(error, LULL_EIO, 0, 0, "%s: changed while reading",
                         lull_path_tail(r->name));
    return LULL_OK;
}

/* ---- reading */

static lull_status fail_short(const lull_reader *r, uint64_t n, const char *what, lull_error *error)
{
    return lull_fail(error, LULL_EFORMAT, 0, r->offset,
                     "%s: %s needs %" PRIu64 " bytes at offset %" PRIu64 ", file ends at %" PRIu64,
                     lull_path_tail(r->name), what, n, r->offset, r->size);
}

lull_status lull_reader_seek(lull_reader *r, uint64_t offset, const char *what, lull_error *error)
{
    if (offset > r->size)
        return lull_fail(error, LULL_EFORMAT, 0, offset,
                         "%s: %s begins at offset %" PRIu64 ", file ends at %" PRIu64,
                         lull_path_tail(r->name), what, offset, r->size);
    if (r->memory == NULL && offset != r->offset && lseek(r->fd, (off_t)offset, SEEK_SET) < 0)
        return fail_system(r, errno, error);
    r->offset = offset;
    return LULL_OK;
}

/* n bytes from the file, however many calls that takes. */
static lull_status read_file(lull_reader *r, unsigned char *out, size_t n, const char *what,
                             lull_error *error)
{
    while (n > 0) {
        ssize_t got = read(r->fd, out, n < MOST_AT_ONCE ? n : MOST_AT_ONCE);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            return lull_fail(error, LULL_EIO, errno, r->offset,
                             "%s: %s at offset %" PRIu64 " cannot be read: %s",
                             lull_path_tail(r->name), what, r->offset, strerror(errno));
        if (got == 0)
            return lull_fail(error, LULL_EIO, 0, r->offset,
                             "%s: changed while reading: it had %" PRIu64
                             " bytes and now ends at %" PRIu64,
                             lull_path_tail(r->name), r->size, r->offset);
        out += got;
        n -= (size_t)got;
        r->offset += (uint64_t)got;
    }
    return LULL_OK;
}

lull_status lull_reader_bytes(lull_reader *r, void *out, size_t n, const char *what,
                              lull_error *error)
{
    if (n > r->size - r->offset) return fail_short(r, n, what, error);
    if (r->memory == NULL) return read_file(r, out, n, what, error);
    if (n > 0) memcpy(out, r->memory + r->offset, n);
    r->offset += n;
    return LULL_OK;
}

lull_status lull_reader_u32(lull_reader *r, uint32_t *out, const char *what, lull_error *error)
{
    lull_status status = lull_reader_bytes(r, out, sizeof *out, what, error);
    if (status == LULL_OK && r->swap) *out = lull_swap32(*out);
    return status;
}

lull_status lull_reader_i32(lull_reader *r, int32_t *out, const char *what, lull_error *error)
{
    uint32_t u = 0;
    lull_status status = lull_reader_u32(r, &u, what, error);
    if (status == LULL_OK) memcpy(out, &u, sizeof u);
    return status;
}

/* The swap goes through integers: a float register may quieten a signalling NaN. */
lull_status lull_reader_f32(lull_reader *r, float *out, size_t n, const char *what,
                            lull_error *error)
{
    unsigned char *bytes = (unsigned char *)out;
    lull_status status;
    size_t i;
    if (n > SIZE_MAX / sizeof *out) return fail_short(r, UINT64_MAX, what, error);
    status = lull_reader_bytes(r, out, n * sizeof *out, what, error);
    if (status != LULL_OK || !r->swap) return status;
    for (i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, bytes + 4 * i, sizeof u);
        u = lull_swap32(u);
        memcpy(bytes + 4 * i, &u, sizeof u);
    }
    return LULL_OK;
}

/* ---- what is it then? */

typedef struct signature {
    const char *bytes;
    size_t n;
    const char *name;
} signature;

static const signature signatures[] = {
    {"version https://git-lfs", 23, "a Git LFS pointer (fetch the real file with git lfs pull)"},
    {"\x89PNG", 4, "a PNG image"},
    {"\xff\xd8\xff", 3, "a JPEG image"},
    {"\x1f\x8b", 2, "a gzip archive (unpack it first)"},
    {"PK\x03\x04", 4, "a zip archive, as PyTorch checkpoints are (export it first)"},
    {"BZh", 3, "a bzip2 archive (unpack it first)"},
    {"\xfd"
     "7zXZ",
     5, "an xz archive (unpack it first)"},
    {"\x28\xb5\x2f\xfd", 4, "a zstd archive (unpack it first)"},
    {"\x7f"
     "ELF",
     4, "an ELF program"},
    {"%PDF", 4, "a PDF document"},
    {"GGUF", 4, "a GGUF file"},
    {"FUGG", 4, "a GGUF file with its magic number reversed"},
    {"lmgg", 4, "a GGML file, the forerunner of GGUF"},
    {"tjgg", 4, "a GGML file, the forerunner of GGUF"},
    {"\x80\x02", 2, "a Python pickle, as old PyTorch checkpoints are (export it first)"},
    {"\x93NUMPY", 6, "a NumPy array"},
    {"#!", 2, "a script"},
    {"{", 1, "a JSON file"},
    {"[", 1, "a JSON file"},
    {"<!doctype html", 14, "an HTML page"},
    {"<html", 5, "an HTML page"},
    {"<head", 5, "an HTML page"},
    {"<?xml", 5, "an XML file"},
};

/* ASCII only and by hand: tolower follows the host's locale. */
static int begins(const unsigned char *head, size_t n, const signature *s)
{
    size_t i;
    if (n < s->n) return 0;
    for (i = 0; i < s->n; i++) {
        unsigned char c = head[i], want = (unsigned char)s->bytes[i];
        if (s->bytes[0] == '<' && c >= 'A' && c <= 'Z') c = (unsigned char)(c - 'A' + 'a');
        if (c != want) return 0;
    }
    return 1;
}

static int is_space(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int is_text(const unsigned char *head, size_t n)
{
    size_t i;
    for (i = 0; i < n; i++)
        if (!is_space(head[i]) && (head[i] < 0x20 || head[i] == 0x7f)) return 0;
    return n > 0;
}

const char *lull_reader_looks_like(const unsigned char *head, size_t n)
{
    size_t i;
    /* safetensors: the length of a JSON header, 64 bits little-endian, then the header */
    if (n > 8 && head[8] == '{' && (head[5] | head[6] | head[7]) == 0) return "a safetensors file";
    if (n >= 3 && memcmp(head, "\xef\xbb\xbf", 3) == 0) { /* UTF-8 byte order mark */
        head += 3;
        n -= 3;
    }
    while (n > 0 && is_space(*head)) {
        head++;
        n--;
    }
    for (i = 0; i < sizeof signatures / sizeof signatures[0]; i++)
        if (begins(head, n, &signatures[i])) return signatures[i].name;
    return is_text(head, n) ? "a text file" : NULL;
}
