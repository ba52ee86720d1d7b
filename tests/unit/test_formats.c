/* test_formats.c - which bytes are a checkpoint: every format in both byte orders, every length a
 * cut can leave, every header field with every bad value, and what the messages say. */
#include "failing.h"
#include "formats/formats.h"
#include "tiny.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Small enough to try every cut of it; its numbers divide each other as little as they may. */
static const tiny_spec micro = {"micro", {4, 6, 2, 2, 1, 5, 8, 1}, 2};
static const tiny_spec micro_unshared = {"micro unshared", {4, 6, 2, 2, 1, 5, 8, 0}, 2};

static const lull_byte_order orders[] = {LULL_LITTLE_ENDIAN, LULL_BIG_ENDIAN};
static const char *const formats[] = {"llama2.c v0", "llama2.c v1", "llama2.c v2"};

/* A file under test: call f(file, argument) for both specs, all versions, both orders. */
typedef struct file {
    const tiny_spec *spec;
    int version;
    lull_byte_order order;
    unsigned char *bytes;
    size_t n;
} file;

static void for_each_file(void (*f)(const file *))
{
    const tiny_spec *const specs[] = {&micro, &micro_unshared};
    size_t s, o;
    for (s = 0; s < 2; s++)
        for (o = 0; o < 2; o++) {
            file one;
            one.spec = specs[s];
            one.order = orders[o];
            for (one.version = 0; one.version < 3; one.version++) {
                one.bytes = tiny_checkpoint(one.spec, one.version, one.order, &one.n);
                f(&one);
                free(one.bytes);
            }
        }
}

static lull_status read_layout(lull_layout *layout, const unsigned char *bytes, size_t n,
                               lull_byte_order wanted, lull_error *error)
{
    lull_reader r;
    lull_status status;
    unsigned char *exact = malloc(n ? n : 1); /* so that a sanitizer sees one byte too many */
    assert_non_null(exact);
    if (n) memcpy(exact, bytes, n);
    lull_error_clear(error);
    lull_reader_open_memory(&r, exact, n, "model.bin");
    status = lull_layout_read(layout, &r, wanted, NULL, error);
    lull_reader_close(&r);
    free(exact);
    return status;
}

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part)) fail_msg("\"%s\" does not contain \"%s\"", text, part);
}

/* These bytes must be refused, with this code and these words, and leave nothing behind. */
static void expect(const unsigned char *bytes, size_t n, lull_byte_order wanted, lull_status want,
                   const char *words)
{
    lull_layout layout;
    lull_error e;
    lull_status status = read_layout(&layout, bytes, n, wanted, &e);
    if (status != want)
        fail_msg("%s instead of %s: %s", lull_status_name(status), lull_status_name(want),
                 e.message);
    assert_int_equal(e.code, want);
    assert_contains(e.message, "model.bin: ");
    assert_contains(e.message, words);
    assert_null(layout.layers);
    assert_int_equal(read_layout(&layout, bytes, n, wanted, NULL), want);
}

static void put_u32(unsigned char *p, uint32_t v, lull_byte_order order)
{
    int i;
    for (i = 0; i < 4; i++) p[i] = (unsigned char)(v >> 8 * (order == LULL_BIG_ENDIAN ? 3 - i : i));
}

/* ---- good files */

/* Tensors must lie one after the other, from the header's end to the file's. */
static void check_extents(const lull_layout *l, const file *f)
{
    const size_t n = (size_t)l->config.n_layers * LULL_LAYER_TENSORS;
    uint64_t sum = f->version ? 256 : 28, i;
    const lull_tensor *all[3];
    all[0] = &l->embedding;
    all[1] = &l->rms_final;
    all[2] = &l->classifier;
    for (i = 0; i < n + (l->config.shared_classifier ? 2 : 3); i++) {
        const lull_tensor *t = i < n ? &l->layers[i] : all[i - n];
        const uint64_t weights = (uint64_t)t->rows * (uint64_t)t->cols;
        const int vector = t->rows == 1;
        assert_int_equal(t->type, f->version == 2 && !vector ? LULL_TENSOR_Q8 : LULL_TENSOR_F32);
        assert_int_equal(t->group, t->type == LULL_TENSOR_Q8 ? f->spec->group : 0);
        if (t->type == LULL_TENSOR_Q8) {
            assert_int_equal(t->scales, t->offset + weights);
            sum += weights + weights / (uint64_t)t->group * 4;
            assert_true(t->scales + weights / (uint64_t)t->group * 4 <= f->n);
        } else {
            sum += weights * 4;
            assert_true(t->offset + weights * 4 <= f->n);
        }
    }
    if (f->version == 0) /* the rotary tables, which are skipped */
        sum += 4 * (uint64_t)l->config.seq_len * (uint64_t)(l->config.dim / l->config.n_heads);
    assert_int_equal(sum, f->n);
}

static void accept(const file *f)
{
    lull_layout l;
    lull_error e;
    size_t i;
    if (read_layout(&l, f->bytes, f->n, LULL_ANY_ORDER, &e) != LULL_OK) fail_msg("%s", e.message);
    assert_string_equal(l.format, formats[f->version]);
    assert_int_equal(l.byte_order, f->order);
    assert_memory_equal(&l.config, &f->spec->config, sizeof l.config);
    assert_int_equal(l.stored, f->version == 2 ? LULL_Q8 : LULL_F32);
    assert_int_equal(l.group, f->version == 2 ? f->spec->group : 0);
    check_extents(&l, f);
    lull_layout_free(&l, NULL);
    for (i = 0; i < 2; i++) { /* asked for by name: only the right one fits */
        lull_status status = read_layout(&l, f->bytes, f->n, orders[i], &e);
        assert_int_equal(status, orders[i] == f->order ? LULL_OK : LULL_EFORMAT);
        lull_layout_free(&l, NULL);
        if (status != LULL_OK)
            assert_contains(e.message, i ? "as big-endian: " : "as little-endian: ");
    }
}

static void every_format_in_either_order(void **state)
{
    (void)state;
    for_each_file(accept);
}

/* ---- cuts and surpluses */

static void cut_everywhere(const file *f)
{
    size_t n;
    for (n = 0; n < f->n; n++) expect(f->bytes, n, LULL_ANY_ORDER, LULL_EFORMAT, "");
    for (n = 0; n < f->n; n += 41) expect(f->bytes, n, f->order, LULL_EFORMAT, "");
}

static void no_cut_is_accepted(void **state)
{
    (void)state;
    for_each_file(cut_everywhere);
}

static void append(const file *f)
{
    static const size_t surplus[] = {1, 2, 4, 16, 4096};
    unsigned char *longer = calloc(1, f->n + 4096);
    char words[64];
    size_t i;
    assert_non_null(longer);
    memcpy(longer, f->bytes, f->n);
    snprintf(words, sizeof words, "the last section ends at %lu, file ends at",
             (unsigned long)f->n);
    for (i = 0; i < sizeof surplus / sizeof surplus[0]; i++)
        expect(longer, f->n + surplus[i], LULL_ANY_ORDER, LULL_EFORMAT, words);
    free(longer);
}

static void no_surplus_is_accepted(void **state)
{
    (void)state;
    for_each_file(append);
}

/* The sections of version 0 in words, cut one byte before their ends. */
static void a_cut_names_its_section(void **state)
{
    static const struct {
        const char *name;
        int floats; /* of micro_unshared, all layers */
    } sections[] = {{"embedding", 20}, {"rms_att", 8},    {"wq", 32},       {"wk", 16},
                    {"wv", 16},        {"wo", 32},        {"rms_ffn", 8},   {"w1", 48},
                    {"w2", 48},        {"w3", 48},        {"rms_final", 4}, {"rope_cos", 8},
                    {"rope_sin", 8},   {"classifier", 20}};
    size_t i, n, at = 28;
    unsigned char *bytes = tiny_checkpoint(&micro_unshared, 0, LULL_BIG_ENDIAN, &n);
    (void)state;
    for (i = 0; i < sizeof sections / sizeof sections[0]; i++) {
        const size_t size = 4 * (size_t)sections[i].floats;
        char words[128];
        int near;
        for (near = 0; near <= 1; near++) { /* nothing of it there; all but one byte */
            const size_t end = near ? at + size - 1 : at;
            snprintf(words, sizeof words,
                     "as big-endian: section %s needs %lu bytes at offset %lu, file ends at %lu",
                     sections[i].name, (unsigned long)size, (unsigned long)at, (unsigned long)end);
            expect(bytes, end, LULL_ANY_ORDER, LULL_EFORMAT, words);
            expect(bytes, end, LULL_ANY_ORDER, LULL_EFORMAT, "as little-endian: dim is 67108864");
        }
        at += size;
    }
    assert_int_equal(at, n);
    free(bytes);
}

static void a_cut_of_version_2_names_its_section(void **state)
{
    size_t n;
    unsigned char *bytes = tiny_checkpoint(&micro, 2, LULL_LITTLE_ENDIAN, &n);
    (void)state;
    expect(bytes, 255, LULL_ANY_ORDER, LULL_EFORMAT,
           "the header needs 256 bytes at offset 0, file ends at 255");
    /* 256 + (2 + 2) norms + rms_final of 16 bytes each = 336; 5 * 4 weights and 5 * 2 scales */
    expect(bytes, 395, LULL_ANY_ORDER, LULL_EFORMAT,
           "section embedding needs 60 bytes at offset 336, file ends at 395");
    expect(bytes, n - 1, LULL_ANY_ORDER, LULL_EFORMAT, "section w3 needs 144 bytes at offset ");
    free(bytes);
}

/* ---- header fields */

static const int32_t bad_values[] = {
    0,         -1,        1,   2,       3,    7,       -2,         INT32_MIN, 1 << 16,
    INT32_MAX, -16777216, 255, 1 << 20, 4097, 1 << 24, 0x01000000, 1048577,   -INT32_MAX};

static void spoil_fields(const file *f)
{
    static const char *const names[] = {"dim",        "hidden_dim", "n_layers", "n_heads",
                                        "n_kv_heads", "vocab_size", "seq_len"};
    static const int32_t most[] = {1 << 20, 1 << 20, 4096, 4096, 4096, 1 << 22, 1 << 20};
    size_t field, i;
    for (field = 0; field < 7; field++) {
        unsigned char *p = f->bytes + (f->version ? 8 : 0) + 4 * field;
        unsigned char good[4];
        memcpy(good, p, 4);
        for (i = 0; i < sizeof bad_values / sizeof bad_values[0]; i++) {
            const int32_t v = bad_values[i];
            const int out_of_range = v < (field == 0 ? 2 : 1) || v > most[field];
            char words[64] = "";
            put_u32(p, (uint32_t)v, f->order);
            if (memcmp(p, good, 4) == 0) continue;
            /* no section of versions 1 and 2 depends on seq_len: another length is no fault */
            if (f->version > 0 && field == 6 && !out_of_range) continue;
            /* a negative vocabulary of version 0 is one that is not shared */
            if (out_of_range && !(f->version == 0 && field == 5))
                snprintf(words, sizeof words, "%s is %ld, expected %d..%ld", names[field], (long)v,
                         field == 0 ? 2 : 1, (long)most[field]);
            expect(f->bytes, f->n, f->order, LULL_EFORMAT, words);
            expect(f->bytes, f->n, LULL_ANY_ORDER, LULL_EFORMAT, words);
        }
        memcpy(p, good, 4);
    }
}

static void no_bad_field_is_accepted(void **state)
{
    (void)state;
    for_each_file(spoil_fields);
}

static void spoil_ak42(const file *f)
{
    static const int32_t groups[] = {0, -1, INT32_MIN, INT32_MAX, 65537, 3, 4, 5, 6, 8, 64};
    static const int32_t versions[] = {0, 3, -1, 256, INT32_MIN, 0x02000000};
    size_t i;
    unsigned char was;
    if (f->version == 0) return;
    for (i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        put_u32(f->bytes + 4, (uint32_t)versions[i], f->order);
        expect(f->bytes, f->n, LULL_ANY_ORDER, LULL_EFORMAT, "version is ");
    }
    put_u32(f->bytes + 4, (uint32_t)f->version, f->order);
    was = f->bytes[36];
    f->bytes[36] = !was; /* shared, but the file has one classifier more or less */
    expect(f->bytes, f->n, LULL_ANY_ORDER, LULL_EFORMAT,
           was ? "section classifier needs" : "the last section ends at");
    f->bytes[36] = 2;
    expect(f->bytes, f->n, LULL_ANY_ORDER, LULL_EFORMAT, "shared_classifier is 2, expected 0..1");
    f->bytes[36] = was;
    for (i = 0; i < sizeof groups / sizeof groups[0] && f->version == 2; i++) {
        put_u32(f->bytes + 37, (uint32_t)groups[i], f->order);
        expect(f->bytes, f->n, LULL_ANY_ORDER, LULL_EFORMAT, "group ");
    }
}

static void versions_flags_and_groups_are_checked(void **state)
{
    (void)state;
    for_each_file(spoil_ak42);
}

static void rules_of_a_configuration(void **state)
{
    static const struct {
        lull_config c;
        const char *want; /* NULL = fine */
    } cases[] = {
        {{64, 172, 5, 8, 4, 512, 512, 1}, NULL},
        {{1 << 20, 1 << 20, 4096, 4096, 4096, 1 << 22, 1 << 20, 0}, NULL},
        {{2, 1, 1, 1, 1, 1, 1, 0}, NULL},
        {{64, 172, 5, 7, 7, 512, 512, 1}, "x: dim 64 is not a multiple of n_heads 7"},
        {{64, 172, 5, 8, 3, 512, 512, 1}, "x: n_heads 8 is not a multiple of n_kv_heads 3"},
        {{64, 172, 5, 8, 16, 512, 512, 1}, "x: n_heads 8 is not a multiple of n_kv_heads 16"},
        {{24, 172, 5, 8, 4, 512, 512, 1},
         "x: head size 3 (dim / n_heads) is odd, rotary positions need pairs"},
        {{64, 172, 5, 0, 4, 512, 512, 1}, "x: n_heads is 0, expected 1..4096"},
        {{64, 172, 4097, 8, 4, 512, 512, 1}, "x: n_layers is 4097, expected 1..4096"},
        {{64, 172, 5, 8, 4, (1 << 22) + 1, 512, 1}, "x: vocab_size is 4194305, expected 1.."},
        {{(1 << 20) + 2, 172, 5, 2, 1, 512, 512, 1}, "x: dim is 1048578, expected 2..1048576"},
        {{64, 172, 5, 8, 4, 512, 512, 2}, "x: shared_classifier is 2, expected 0..1"},
    };
    size_t i;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lull_error e;
        lull_status status;
        lull_error_clear(&e);
        status = lull_config_check(&cases[i].c, "x", &e);
        assert_int_equal(status, cases[i].want ? LULL_EFORMAT : LULL_OK);
        if (cases[i].want) assert_contains(e.message, cases[i].want);
    }
}

/* Sizes past 32 bits: a header alone, whose first section is larger than any 32-bit number. */
static void sizes_are_counted_in_64_bits(void **state)
{
    static const int32_t fields[] = {65536, 65536, 2, 8, 8, 65536, 16};
    static const int32_t most[] = {1 << 20, 1 << 20, 4096, 4096, 4096, 1 << 22, 1 << 20};
    unsigned char bytes[28];
    size_t i;
    (void)state;
    for (i = 0; i < 7; i++) put_u32(bytes + 4 * i, (uint32_t)fields[i], LULL_LITTLE_ENDIAN);
    expect(bytes, 28, LULL_ANY_ORDER, LULL_EFORMAT,
           "section embedding needs 17179869184 bytes at offset 28, file ends at 28");
    for (i = 0; i < 7; i++) put_u32(bytes + 4 * i, (uint32_t)most[i], LULL_BIG_ENDIAN);
    expect(bytes, 28, LULL_ANY_ORDER, LULL_EFORMAT,
           "section embedding needs 17592186044416 bytes at offset 28, file ends at 28");
}

/* ---- strangers */

static void strangers_are_named(void **state)
{
    static const struct {
        const char *bytes;
        lull_status want;
        const char *words;
    } cases[] = {
        {"", LULL_EFORMAT, "the file is empty"},
        {"\1", LULL_EFORMAT, "it has 1 bytes, the smallest header has 28"},
        {"<!DOCTYPE html>\n<html><head><title>404</title>", LULL_EFORMAT,
         "looks like an HTML page"},
        {"version https://git-lfs.github.com/spec/v1\noid", LULL_EFORMAT, "git lfs pull"},
        {"\x89PNG\r\n\x1a\n", LULL_EFORMAT, "looks like a PNG image"},
        {"{\"config\": 1}", LULL_EFORMAT, "looks like a JSON file"},
        {"Once upon a time there was a little girl named Lily", LULL_EFORMAT, "a text file"},
        {"GGUF\3", LULL_EFORMAT, "the header needs 24 bytes at offset 0, file ends at 5"},
        {"FUGG\3", LULL_EFORMAT, "a GGUF file with its magic number reversed"},
        {"24k", LULL_EFORMAT, "looks like a text file"},
        {"ak42", LULL_EFORMAT, "the header needs 256 bytes at offset 0, file ends at 4"},
    };
    size_t i;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect((const unsigned char *)cases[i].bytes, strlen(cases[i].bytes), LULL_ANY_ORDER,
               cases[i].want, cases[i].words);
}

static void long_names_are_cut_at_their_beginning(void **state)
{
    char name[300];
    lull_reader r;
    lull_layout layout;
    lull_error e;
    (void)state;
    memset(name, 'x', sizeof name);
    snprintf(name + 280, sizeof name - 280, "/model.bin");
    lull_reader_open_memory(&r, "abc", 3, name);
    assert_int_equal(lull_layout_read(&layout, &r, LULL_ANY_ORDER, NULL, &e), LULL_EFORMAT);
    assert_contains(e.message, "x/model.bin: no checkpoint; it looks like a text file");
}

/* ---- memory */

static void run_out_of_memory(const file *f)
{
    lull_layout layout;
    lull_reader r;
    lull_error e;
    failing memory;
    failing_init(&memory, 1, 0);
    lull_reader_open_memory(&r, f->bytes, f->n, "model.bin");
    assert_int_equal(lull_layout_read(&layout, &r, LULL_ANY_ORDER, &memory.allocator, &e),
                     LULL_ENOMEM);
    assert_contains(e.message, "out of memory");
    assert_null(layout.layers);
    assert_int_equal(lull_layout_read(&layout, &r, LULL_ANY_ORDER, &memory.allocator, &e), LULL_OK);
    lull_layout_free(&layout, &memory.allocator);
    lull_layout_free(&layout, &memory.allocator);
    assert_int_equal(memory.blocks, 0);
}

static void out_of_memory_is_no_format_error(void **state)
{
    (void)state;
    for_each_file(run_out_of_memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_in_either_order),
        cmocka_unit_test(no_cut_is_accepted),
        cmocka_unit_test(no_surplus_is_accepted),
        cmocka_unit_test(a_cut_names_its_section),
        cmocka_unit_test(a_cut_of_version_2_names_its_section),
        cmocka_unit_test(no_bad_field_is_accepted),
        cmocka_unit_test(versions_flags_and_groups_are_checked),
        cmocka_unit_test(rules_of_a_configuration),
        cmocka_unit_test(sizes_are_counted_in_64_bits),
        cmocka_unit_test(strangers_are_named),
        cmocka_unit_test(long_names_are_cut_at_their_beginning),
        cmocka_unit_test(out_of_memory_is_no_format_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
