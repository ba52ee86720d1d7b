/* tokenizer_cases.h - what the tests of tokenizers share: vocabularies as lists and as files. */
#ifndef TOKENIZER_CASES_H
#define TOKENIZER_CASES_H

#include "failing.h"
#include "model.h"
#include "tiny.h"

#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- vocabularies as lists, and as files */

typedef struct entry {
    float score;
    uint32_t n;
    char text[24];
} entry;

static LULL_UNUSED void put32(unsigned char *out, uint32_t v, lull_byte_order order)
{
    int i;
    for (i = 0; i < 4; i++) {
        out[i] = (unsigned char)(v >> (order == LULL_LITTLE_ENDIAN ? 8 * i : 24 - 8 * i));
    }
}

/* The file of n entries; at[i] (may be NULL) gets where entry i begins, at[n] the end. */
static LULL_UNUSED unsigned char *make_file(const entry *e, size_t n, lull_byte_order order,
                                            size_t *at)
{
    unsigned char *file = malloc(4 + n * (8 + sizeof e->text));
    size_t i, used = 4;
    assert_non_null(file);
    put32(file, 7, order);
    for (i = 0; i < n; i++) {
        at[i] = used;
        put32(file + used, lull_float_bits(e[i].score), order);
        put32(file + used + 4, e[i].n, order);
        memcpy(file + used + 8, e[i].text, e[i].n);
        used += 8 + e[i].n;
    }
    at[n] = used;
    return file;
}

static LULL_UNUSED entry text_entry(const char *text, size_t n, float score)
{
    entry e;
    memset(&e, 0, sizeof e);
    e.score = score;
    e.n = (uint32_t)n;
    memcpy(e.text, text, n);
    return e;
}

/* A model that is nothing but a tokenizer.  Bytes are copied to a block of their exact size. */
static LULL_UNUSED lull_status load(lull_model *m, const unsigned char *bytes, size_t n,
                                    int32_t vocab_size, const lull_allocator *allocator,
                                    lull_error *error)
{
    unsigned char *copy = malloc(n ? n : 1);
    lull_reader r;
    lull_status status;
    assert_non_null(copy);
    memcpy(copy, bytes, n);
    memset(m, 0, sizeof *m);
    if (allocator != NULL) m->allocator = *allocator;
    memset(error, 0, sizeof *error);
    lull_reader_open_memory(&r, copy, n, "folder/tokenizer.bin");
    status = lull_tokenizer_load(&m->tokenizer, &r, vocab_size, &m->allocator, error);
    lull_reader_close(&r);
    free(copy);
    if ((status == LULL_OK) != (m->tokenizer != NULL))
        fail_msg("status %d and a tokenizer", status);
    if (status != error->code) fail_msg("status %d, error code %d", status, error->code);
    return status;
}

static LULL_UNUSED void load_entries(lull_model *m, const entry *e, size_t n)
{
    size_t at[600];
    unsigned char *file = make_file(e, n, LULL_LITTLE_ENDIAN, at);
    lull_error error;
    assert_int_equal(load(m, file, at[n], (int32_t)n, NULL, &error), LULL_OK);
    free(file);
}

static LULL_UNUSED void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part)) fail_msg("\"%s\" does not contain \"%s\"", text, part);
}

/* A small vocabulary with everything: 0..2 control, 3..258 bytes, then texts. */
#define SMALL 272

static LULL_UNUSED void small_vocabulary(entry *e)
{
    static const char *const texts[] = {" ",   "a",    "b",  "t",    "h",        "e", "th",
                                        "the", " the", "aa", "aaaa", "\xc3\xa9", ""};
    char byte[8];
    int i;
    e[0] = text_entry("<unk>", 5, 0);
    e[1] = text_entry("\n<s>\n", 5, 0);
    e[2] = text_entry("\n</s>\n", 6, 0);
    for (i = 0; i < 256; i++) {
        snprintf(byte, sizeof byte, "<0x%02X>", i);
        e[3 + i] = text_entry(byte, 6, 0);
    }
    for (i = 0; i < SMALL - 259; i++)
        e[259 + i] = text_entry(texts[i], strlen(texts[i]), (float)-i);
}

#endif
