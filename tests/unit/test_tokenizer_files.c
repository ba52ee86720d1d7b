/* test_tokenizer_files.c - tokenizer files whole, damaged and hostile. */
#include "tokenizer_cases.h"

/* ---- files */

static void both_byte_orders_load_alike(void **unused)
{
    entry e[SMALL];
    size_t at[SMALL + 1];
    lull_byte_order order;
    (void)unused;
    small_vocabulary(e);
    for (order = LULL_LITTLE_ENDIAN; order <= LULL_BIG_ENDIAN; order++) {
        unsigned char *file = make_file(e, SMALL, order, at);
        const lull_tokenizer *t;
        lull_model m;
        lull_error error;
        int i;
        assert_int_equal(load(&m, file, at[SMALL], SMALL, NULL, &error), LULL_OK);
        t = m.tokenizer;
        assert_int_equal(t->vocab_size, SMALL);
        assert_int_equal(t->max_token_bytes, 6);
        assert_int_equal(t->n_byte_tokens, 256);
        assert_int_equal(t->bos, 1);
        assert_int_equal(t->eos, 2);
        assert_int_equal(t->unknown, 0);
        assert_int_equal(t->prefix, 259);
        for (i = 0; i < 256; i++) assert_int_equal(t->byte_token[i], 3 + i);
        for (i = 0; i < SMALL; i++) {
            assert_int_equal(t->start[i + 1] - t->start[i], e[i].n);
            assert_memory_equal(t->text + t->start[i], e[i].text, e[i].n);
            assert_true(t->score[i] == e[i].score);
        }
        assert_true(t->bytes > 0);
        lull_tokenizer_free(m.tokenizer);
        free(file);
    }
}

/* Whatever the header says of the longest token. */
static void longest_token_of_the_header_is_not_believed(void **unused)
{
    static const int32_t words[] = {0, -1, INT_MAX, INT_MIN, 1};
    entry e[SMALL];
    size_t at[SMALL + 1], i;
    unsigned char *file;
    (void)unused;
    small_vocabulary(e);
    file = make_file(e, SMALL, LULL_LITTLE_ENDIAN, at);
    for (i = 0; i < sizeof words / sizeof words[0]; i++) {
        lull_model m;
        lull_error error;
        put32(file, (uint32_t)words[i], LULL_LITTLE_ENDIAN);
        assert_int_equal(load(&m, file, at[SMALL], SMALL, NULL, &error), LULL_OK);
        assert_int_equal(m.tokenizer->max_token_bytes, 6);
        lull_tokenizer_free(m.tokenizer);
    }
    free(file);
}

/* Every length short of the file is refused, in both byte orders, with what is missing. */
static void every_truncation_is_refused(void **unused)
{
    entry e[SMALL];
    size_t at[SMALL + 1], n;
    lull_byte_order order;
    (void)unused;
    small_vocabulary(e);
    for (order = LULL_LITTLE_ENDIAN; order <= LULL_BIG_ENDIAN; order++) {
        unsigned char *file = make_file(e, SMALL, order, at);
        size_t whole = 0;
        for (n = 0; n < at[SMALL]; n++) {
            char expected[64];
            lull_model m;
            lull_error error;
            assert_int_equal(load(&m, file, n, SMALL, NULL, &error), LULL_EFORMAT);
            while (whole < SMALL && at[whole + 1] <= n) whole++;
            assert_contains(error.message, "folder/tokenizer.bin: ");
            if (n < 4)
                snprintf(expected, sizeof expected, "needs 4 bytes, file has %d", (int)n);
            else if (n == at[whole]) {
                snprintf(expected, sizeof expected, "tokenizer has %d tokens, model wants 272",
                         (int)whole);
            } else {
                snprintf(expected, sizeof expected, ": token %d: ", (int)whole);
            }
            assert_contains(error.message, expected);
        }
        free(file);
    }
}

static void wrong_counts_are_refused(void **unused)
{
    static const int32_t wanted[] = {0, -1, INT_MIN, 1, SMALL - 1, SMALL + 1, 32000, INT_MAX};
    entry e[SMALL];
    size_t at[SMALL + 1], i;
    unsigned char *file;
    (void)unused;
    small_vocabulary(e);
    file = make_file(e, SMALL, LULL_BIG_ENDIAN, at);
    for (i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        char expected[64];
        lull_model m;
        lull_error error;
        assert_int_equal(load(&m, file, at[SMALL], wanted[i], NULL, &error), LULL_EFORMAT);
        snprintf(expected, sizeof expected, "tokenizer has 272 tokens, model wants %d", wanted[i]);
        assert_contains(error.message, expected);
    }
    free(file);
}

/* Every length field of the file times every bad value. */
static void every_bad_length_is_refused(void **unused)
{
    static const int32_t bad[] = {-1, INT_MIN, INT_MAX, 1 << 20, (1 << 20) + 1, 1 << 24};
    entry e[SMALL];
    size_t at[SMALL + 1], i, k;
    unsigned char *file;
    failing f;
    (void)unused;
    small_vocabulary(e);
    file = make_file(e, SMALL, LULL_LITTLE_ENDIAN, at);
    for (i = 0; i < SMALL; i++) {
        for (k = 0; k < sizeof bad / sizeof bad[0]; k++) {
            char expected[64];
            lull_model m;
            lull_error error;
            failing_init(&f, 0, 0);
            put32(file + at[i] + 4, (uint32_t)bad[k], LULL_LITTLE_ENDIAN);
            assert_int_equal(load(&m, file, at[SMALL], SMALL, &f.allocator, &error), LULL_EFORMAT);
            assert_int_equal(f.calls, 0);
            snprintf(expected, sizeof expected, "token %d: ", (int)i);
            /* -1 is the same in both byte orders; what a bad first entry is called may differ. */
            if (i > 0) assert_contains(error.message, expected);
        }
        for (k = 0; k < 2; k++) { /* one byte off: all that follows is read shifted */
            lull_model m;
            lull_error error;
            put32(file + at[i] + 4, e[i].n + (k == 0 ? 1 : (uint32_t)-1), LULL_LITTLE_ENDIAN);
            assert_int_not_equal(load(&m, file, at[SMALL], SMALL, NULL, &error), LULL_OK);
        }
        put32(file + at[i] + 4, e[i].n, LULL_LITTLE_ENDIAN);
    }
    free(file);
}

/* 1 MiB is a token, one byte more is over the limit. */
static void longest_tokens(void **unused)
{
    const size_t limit = 1 << 20;
    unsigned char *file = calloc(1, 4 + 8 + limit + 1);
    lull_model m;
    lull_error error;
    (void)unused;
    assert_non_null(file);
    put32(file + 8, (uint32_t)limit, LULL_LITTLE_ENDIAN);
    assert_int_equal(load(&m, file, 12 + limit, 1, NULL, &error), LULL_OK);
    assert_int_equal(m.tokenizer->max_token_bytes, limit);
    lull_tokenizer_free(m.tokenizer);
    put32(file + 8, (uint32_t)limit + 1, LULL_LITTLE_ENDIAN);
    assert_int_equal(load(&m, file, 13 + limit, 1, NULL, &error), LULL_ELIMIT);
    assert_contains(error.message, "token 0: length is 1048577, the limit is 1048576");
    free(file);
}

static void other_files_are_named(void **unused)
{
    static const char page[] = "<!DOCTYPE html>\n<html><head><title>404</title></head></html>\n";
    lull_model m;
    lull_error error;
    (void)unused;
    assert_int_equal(load(&m, (const unsigned char *)page, sizeof page - 1, 512, NULL, &error),
                     LULL_EFORMAT);
    assert_contains(error.message, "HTML");
}

/* ---- memory */

static void running_out_of_memory_while_loading(void **unused)
{
    entry e[SMALL];
    size_t at[SMALL + 1];
    unsigned char *file;
    int for_ever;
    (void)unused;
    small_vocabulary(e);
    file = make_file(e, SMALL, LULL_LITTLE_ENDIAN, at);
    for (for_ever = 0; for_ever < 2; for_ever++) {
        long k;
        for (k = 1;; k++) {
            failing f;
            lull_model m;
            lull_error error;
            lull_status status;
            failing_init(&f, k, for_ever);
            status = load(&m, file, at[SMALL], SMALL, &f.allocator, &error);
            if (status == LULL_OK) {
                lull_tokenizer_free(m.tokenizer);
                assert_int_equal(f.blocks, 0);
                assert_true(f.calls < k);
                break;
            }
            assert_int_equal(status, LULL_ENOMEM);
            assert_contains(error.message, "tokenizer");
            assert_int_equal(f.blocks, 0);
        }
        assert_true(k > 5);
    }
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_byte_orders_load_alike),
        cmocka_unit_test(longest_token_of_the_header_is_not_believed),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(wrong_counts_are_refused),
        cmocka_unit_test(every_bad_length_is_refused),
        cmocka_unit_test(longest_tokens),
        cmocka_unit_test(other_files_are_named),
        cmocka_unit_test(running_out_of_memory_while_loading),
    };
    return cmocka_run_group_tests_name("tokenizer_files", tests, NULL, NULL);
}
