/* test_reader.c - the cursor every byte of a file passes through: bounds, byte order, and what a
 * file system does to a reader.  read(2) is replaced here, so that short reads, interruptions and
 * errors happen on demand. */
#include "reader.h"
#include "scratch.h"
#include "tiny.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- a read(2) that misbehaves */

static struct {
    int one_byte;    /* give one byte at a time */
    int interrupted; /* every other call fails with EINTR */
    long fail_after; /* bytes until EIO; -1 = never */
    long end_after;  /* bytes until the file seems to end; -1 = never */
    long calls, given;
} weather;

static void fair_weather(void)
{
    memset(&weather, 0, sizeof weather);
    weather.fail_after = weather.end_after = -1;
}

ssize_t read(int fd, void *buffer, size_t n)
{
    struct iovec part;
    ssize_t got;
    if (weather.interrupted && weather.calls++ % 2 == 0) {
        errno = EINTR;
        return -1;
    }
    if (weather.one_byte && n > 1) n = 1;
    if (weather.fail_after >= 0 && weather.given >= weather.fail_after) {
        errno = EIO;
        return -1;
    }
    if (weather.end_after >= 0 && weather.given >= weather.end_after) return 0;
    part.iov_base = buffer;
    part.iov_len = n;
    got = readv(fd, &part, 1);
    if (got > 0) weather.given += got;
    return got;
}

static int set_up(void **state)
{
    fair_weather();
    return scratch_open(state);
}

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part)) fail_msg("\"%s\" does not contain \"%s\"", text, part);
}

/* ---- memory */

static void numbers_of_either_byte_order(void **state)
{
    static const unsigned char bytes[] = {1, 2, 3,    4,    0x3f, 0xc0, 0,    0,
                                          0, 0, 0xc0, 0x3f, 0xff, 0xff, 0xff, 0xfe};
    lull_reader r;
    uint32_t u;
    int32_t i;
    float f[1];
    (void)state;
    lull_reader_open_memory(&r, bytes, sizeof bytes, "memory");
    r.swap = !LULL_HOST_BIG_ENDIAN; /* read as big-endian */
    assert_int_equal(lull_reader_u32(&r, &u, "a number", NULL), LULL_OK);
    assert_int_equal(u, 0x01020304);
    assert_int_equal(lull_reader_f32(&r, f, 1, "a float", NULL), LULL_OK);
    assert_true(f[0] == 1.5f);
    r.swap = !r.swap; /* and on as little-endian */
    assert_int_equal(lull_reader_f32(&r, f, 1, "a float", NULL), LULL_OK);
    assert_true(f[0] == 1.5f);
    r.swap = !r.swap;
    assert_int_equal(lull_reader_i32(&r, &i, "a number", NULL), LULL_OK);
    assert_int_equal(i, -2);
    assert_int_equal(r.offset, sizeof bytes);
    lull_reader_close(&r);
}

/* A signalling NaN must come through with its bits, swapped or not. */
static void floats_keep_their_bits(void **state)
{
    static const uint32_t bits[] = {0x7f800001u, 0xff812345u, 0x00000001u, 0x80000000u};
    unsigned char bytes[16];
    uint32_t back[4];
    lull_reader r;
    size_t i;
    (void)state;
    for (i = 0; i < 16; i++) bytes[i] = (unsigned char)(bits[i / 4] >> (24 - 8 * (i % 4)));
    lull_reader_open_memory(&r, bytes, sizeof bytes, "memory");
    r.swap = !LULL_HOST_BIG_ENDIAN;
    assert_int_equal(lull_reader_f32(&r, (float *)back, 4, "floats", NULL), LULL_OK);
    assert_memory_equal(back, bits, sizeof bits);
    lull_reader_close(&r);
}

static void reading_past_the_end_says_where(void **state)
{
    static const unsigned char bytes[10] = {0};
    unsigned char out[16];
    float f[4];
    lull_reader r;
    lull_error e;
    size_t at, n;
    (void)state;
    for (at = 0; at <= 10; at++) {
        for (n = 0; n <= 12; n++) {
            lull_status status;
            lull_reader_open_memory(&r, bytes, sizeof bytes, "memory");
            assert_int_equal(lull_reader_seek(&r, at, "it", NULL), LULL_OK);
            status = lull_reader_bytes(&r, out, n, "it", &e);
            assert_int_equal(status, at + n <= 10 ? LULL_OK : LULL_EFORMAT);
            assert_int_equal(r.offset, status == LULL_OK ? at + n : at);
        }
    }
    assert_int_equal(lull_reader_seek(&r, 4, "section wq", NULL), LULL_OK);
    assert_int_equal(lull_reader_f32(&r, f, 3, "section wq", &e), LULL_EFORMAT);
    assert_string_equal(e.message,
                        "memory: section wq needs 12 bytes at offset 4, file ends at 10");
    assert_int_equal(e.offset, 4);
    assert_int_equal(lull_reader_f32(&r, f, SIZE_MAX / 2, "it", &e), LULL_EFORMAT);
    assert_int_equal(lull_reader_bytes(&r, out, SIZE_MAX, "it", &e), LULL_EFORMAT);
    assert_int_equal(lull_reader_seek(&r, 11, "section wk", &e), LULL_EFORMAT);
    assert_string_equal(e.message, "memory: section wk begins at offset 11, file ends at 10");
    assert_int_equal(lull_reader_seek(&r, UINT64_MAX, "it", &e), LULL_EFORMAT);
    lull_reader_close(&r);
}

static void no_bytes_at_all(void **state)
{
    lull_reader r;
    unsigned char c;
    (void)state;
    lull_reader_open_memory(&r, NULL, 0, "memory");
    assert_int_equal(lull_reader_bytes(&r, &c, 0, "nothing", NULL), LULL_OK);
    assert_int_equal(lull_reader_bytes(&r, &c, 1, "it", NULL), LULL_EFORMAT);
    assert_int_equal(lull_reader_check_unchanged(&r, NULL), LULL_OK);
    lull_reader_close(&r);
}

/* ---- files */

static void file_is_read_whatever_the_weather(void **state)
{
    const char *path = scratch_path("file");
    unsigned char bytes[1000], back[1000];
    int mode, before;
    size_t i;
    (void)state;
    for (i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i * 7 + i / 251);
    assert_true(tiny_save(path, bytes, sizeof bytes));
    before = scratch_descriptor();
    for (mode = 0; mode < 4; mode++) {
        lull_reader r;
        lull_error e;
        fair_weather();
        weather.one_byte = mode & 1;
        weather.interrupted = mode >> 1;
        memset(back, 0, sizeof back);
        assert_int_equal(lull_reader_open(&r, path, 1000, &e), LULL_OK);
        assert_int_equal(r.size, sizeof bytes);
        assert_int_equal(lull_reader_bytes(&r, back, 300, "a", &e), LULL_OK);
        assert_int_equal(lull_reader_seek(&r, 700, "c", &e), LULL_OK);
        assert_int_equal(lull_reader_bytes(&r, back + 700, 300, "c", &e), LULL_OK);
        assert_int_equal(lull_reader_seek(&r, 300, "b", &e), LULL_OK);
        assert_int_equal(lull_reader_bytes(&r, back + 300, 400, "b", &e), LULL_OK);
        assert_memory_equal(back, bytes, sizeof bytes);
        assert_int_equal(lull_reader_check_unchanged(&r, &e), LULL_OK);
        lull_reader_close(&r);
    }
    assert_int_equal(scratch_descriptor(), before);
}

static void read_error_names_the_offset(void **state)
{
    const char *path = scratch_path("file");
    static const unsigned char bytes[100] = {0};
    unsigned char back[100];
    lull_reader r;
    lull_error e;
    (void)state;
    assert_true(tiny_save(path, bytes, sizeof bytes));
    weather.one_byte = 1;
    weather.fail_after = 37;
    assert_int_equal(lull_reader_open(&r, path, 1000, &e), LULL_OK);
    assert_int_equal(lull_reader_bytes(&r, back, 100, "section wq", &e), LULL_EIO);
    assert_int_equal(e.sys, EIO);
    assert_int_equal(e.offset, 37);
    assert_contains(e.message, "section wq at offset 37 cannot be read");
    lull_reader_close(&r);
}

static void shrinking_file_is_noticed(void **state)
{
    const char *path = scratch_path("file");
    static const unsigned char bytes[100] = {0};
    unsigned char back[100];
    lull_reader r;
    lull_error e;
    (void)state;
    assert_true(tiny_save(path, bytes, sizeof bytes));
    assert_int_equal(lull_reader_open(&r, path, 1000, &e), LULL_OK);
    assert_int_equal(truncate(path, 60), 0);
    assert_int_equal(lull_reader_bytes(&r, back, 100, "it", &e), LULL_EIO);
    assert_contains(e.message, "changed while reading: it had 100 bytes and now ends at 60");
    assert_int_equal(lull_reader_check_unchanged(&r, &e), LULL_EIO);
    assert_contains(e.message, "changed while reading");
    lull_reader_close(&r);
    weather.given = 0;
    weather.end_after = 10; /* the same, when only read notices */
    assert_int_equal(lull_reader_open(&r, path, 1000, &e), LULL_OK);
    weather.one_byte = 1;
    assert_int_equal(lull_reader_bytes(&r, back, 60, "it", &e), LULL_EIO);
    assert_contains(e.message, "now ends at 10");
    lull_reader_close(&r);
}

static void growing_file_is_noticed(void **state)
{
    const char *path = scratch_path("file");
    static const unsigned char bytes[100] = {0};
    lull_reader r;
    lull_error e;
    (void)state;
    assert_true(tiny_save(path, bytes, sizeof bytes));
    assert_int_equal(lull_reader_open(&r, path, 1000, &e), LULL_OK);
    assert_int_equal(truncate(path, 101), 0);
    assert_int_equal(lull_reader_check_unchanged(&r, &e), LULL_EIO);
    lull_reader_close(&r);
}

/* ---- what cannot be opened */

static void expect_refusal(const char *name, uint64_t limit, lull_status want, int sys,
                           const char *text)
{
    int before = scratch_descriptor();
    lull_reader r;
    lull_error e;
    lull_error_clear(&e);
    assert_int_equal(lull_reader_open(&r, name, limit, &e), want);
    assert_int_equal(e.code, want);
    assert_int_equal(e.sys, sys);
    assert_contains(e.message, text);
    lull_reader_close(&r);
    lull_reader_close(&r);
    assert_int_equal(lull_reader_open(&r, name, limit, NULL), want);
    assert_int_equal(scratch_descriptor(), before);
}

static void what_is_no_file_is_refused(void **state)
{
    const char *path = scratch_path("fifo");
    char *endless;
    int fd;
    (void)state;
    expect_refusal(scratch_path("missing"), 100, LULL_EIO, ENOENT, "missing: No such file");
    expect_refusal(scratch_folder(), 100, LULL_EIO, EISDIR, "Is a directory");
    expect_refusal("", 100, LULL_EIO, ENOENT, "No such file");
    expect_refusal("/dev/null", 100, LULL_EFORMAT, 0, "/dev/null: not a regular file");
    expect_refusal("/dev/zero", 100, LULL_EFORMAT, 0, "not a regular file");
    expect_refusal("/proc/self/status", 100, LULL_EFORMAT, 0, "the file is empty");
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_refusal(path, 100, LULL_EFORMAT, 0, "fifo: not a regular file");
    path = scratch_path("loop");
    assert_int_equal(symlink("loop", path), 0);
    expect_refusal(path, 100, LULL_EIO, ELOOP, "loop: ");
    path = scratch_path("empty");
    assert_true(tiny_save(path, "", 0));
    expect_refusal(path, 100, LULL_EFORMAT, 0, "empty: the file is empty");
    expect_refusal(scratch_path("empty/"), 100, LULL_EIO, ENOTDIR, "Not a directory");
    path = scratch_path("sparse");
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
    close(fd);
    expect_refusal(path, (uint64_t)64 << 30, LULL_ELIMIT, 0,
                   "the file has 1099511627776 bytes, the limit is 68719476736");
    endless = malloc(5001);
    assert_non_null(endless);
    memset(endless, 'x', 5000);
    endless[5000] = 0;
    expect_refusal(endless, 100, LULL_EIO, ENAMETOOLONG, "File name too long");
    free(endless);
}

static void what_may_not_be_read_is_refused(void **state)
{
    const char *path = scratch_path("secret");
    const int root = geteuid() == 0; /* who reads everything: be nobody for a while */
    (void)state;
    assert_true(tiny_save(path, "x", 1));
    assert_int_equal(chmod(path, 0), 0);
    if (root) assert_int_equal(seteuid(65534), 0);
    expect_refusal(path, 100, LULL_EIO, EACCES, "Permission denied");
    if (root) assert_int_equal(seteuid(0), 0);
}

static void limit_is_inclusive(void **state)
{
    const char *path = scratch_path("file");
    lull_reader r;
    (void)state;
    assert_true(tiny_save(path, "12345", 5));
    assert_int_equal(lull_reader_open(&r, path, 5, NULL), LULL_OK);
    lull_reader_close(&r);
    assert_int_equal(lull_reader_open(&r, path, 4, NULL), LULL_ELIMIT);
}

static void descriptors_may_run_out(void **state)
{
    const char *path = scratch_path("file");
    struct rlimit old, low;
    lull_reader r;
    lull_error e;
    lull_status status;
    (void)state;
    assert_true(tiny_save(path, "12345", 5));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    low.rlim_cur = (rlim_t)scratch_descriptor();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    status = lull_reader_open(&r, path, 5, &e);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    if (status == LULL_OK) { /* emulators keep the limit to themselves */
        lull_reader_close(&r);
        skip();
    }
    assert_int_equal(status, LULL_EIO);
    assert_int_equal(e.sys, EMFILE);
    assert_contains(e.message, "Too many open files");
}

static void closing_what_was_never_open(void **state)
{
    lull_reader r;
    int before = scratch_descriptor();
    (void)state;
    memset(&r, 0, sizeof r);
    lull_reader_close(&r);
    lull_reader_close(&r);
    assert_int_equal(scratch_descriptor(), before); /* descriptor 0 is still there */
}

/* ---- what it looks like */

static void strangers_are_named(void **state)
{
    static const struct {
        const char *head;
        size_t n;
        const char *want;
    } cases[] = {
        {"<!DOCTYPE html><html>", 21, "an HTML page"},
        {"  \n<HTML lang=en>", 16, "an HTML page"},
        {"\xef\xbb\xbf<html>", 9, "an HTML page"},
        {"version https://git-lfs.github.com/spec/v1", 42, "a Git LFS pointer"},
        {"\x89PNG\r\n\x1a\n", 8, "a PNG image"},
        {"\x1f\x8b\x08\x00", 4, "a gzip archive"},
        {"PK\x03\x04\x14", 5, "a zip archive"},
        {"\x7f"
         "ELF\x02",
         5, "an ELF program"},
        {"GGUF\x03\x00\x00\x00", 8, "a GGUF file"},
        {"\x40\x00\x00\x00\x00\x00\x00\x00{\"__metadata__\"", 20, "a safetensors file"},
        {"{\"architectures\": [", 19, "a JSON file"},
        {"#!/bin/sh\n", 10, "a script"},
        {"Once upon a time", 16, "a text file"},
    };
    static const unsigned char header[28] = {0x20, 1, 0, 0, 0, 3, 0, 0, 6, 0, 0, 0, 6};
    size_t i, n;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const unsigned char *head = (const unsigned char *)cases[i].head;
        const char *found = lull_reader_looks_like(head, cases[i].n);
        assert_non_null(found);
        assert_contains(found, cases[i].want);
        for (n = 0; n < cases[i].n; n++) { /* no cut may be read past */
            unsigned char *cut = malloc(n ? n : 1);
            assert_non_null(cut);
            memcpy(cut, head, n);
            (void)lull_reader_looks_like(cut, n);
            free(cut);
        }
    }
    assert_null(lull_reader_looks_like(header, sizeof header));
    assert_null(lull_reader_looks_like(header, 0));
}

int main(void)
{
#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, set_up, scratch_close)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_either_byte_order),
        cmocka_unit_test(floats_keep_their_bits),
        cmocka_unit_test(reading_past_the_end_says_where),
        cmocka_unit_test(no_bytes_at_all),
        IN_FOLDER(file_is_read_whatever_the_weather),
        IN_FOLDER(read_error_names_the_offset),
        IN_FOLDER(shrinking_file_is_noticed),
        IN_FOLDER(growing_file_is_noticed),
        IN_FOLDER(what_is_no_file_is_refused),
        IN_FOLDER(what_may_not_be_read_is_refused),
        IN_FOLDER(limit_is_inclusive),
        IN_FOLDER(descriptors_may_run_out),
        cmocka_unit_test(closing_what_was_never_open),
        cmocka_unit_test(strangers_are_named),
    };
    fair_weather();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
