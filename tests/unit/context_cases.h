/* Models, contexts and texts that the tests of contexts share. */
#ifndef CONTEXT_CASES_H
#define CONTEXT_CASES_H

#include "context.h"
#include "tiny.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static LULL_UNUSED lull_model *load(const char *name, const lull_allocator *allocator)
{
    lull_load_options options;
    lull_model *model;
    size_t bytes;
    unsigned char *file = tiny_checkpoint(tiny_find(name), 2, LULL_LITTLE_ENDIAN, &bytes);
    lull_load_options_init(&options);
    options.no_tokenizer = 1;
    if (allocator != NULL) options.allocator = *allocator;
    assert_int_equal(lull_model_load_memory(&model, file, bytes, NULL, 0, &options, NULL), LULL_OK);
    free(file);
    return model;
}

static LULL_UNUSED lull_context *open_context(lull_model *model, int32_t sequences, int32_t length)
{
    lull_context_options options;
    lull_context *c;
    lull_context_options_init(&options);
    options.sequences = sequences;
    options.length = length;
    options.batch = 8;
    assert_int_equal(lull_context_open(&c, model, &options, NULL), LULL_OK);
    return c;
}

static LULL_UNUSED lull_sequence *open_sequence(lull_context *c)
{
    lull_sequence *s;
    assert_int_equal(lull_sequence_open(&s, c, NULL), LULL_OK);
    return s;
}

/* Token i of text number `text`. */
static LULL_UNUSED int32_t token(size_t i, int text)
{
    return (int32_t)((i * 31 + (size_t)text * 101 + 5) % 200);
}

static LULL_UNUSED void feed(lull_sequence *s, size_t from, size_t to, int text)
{
    for (; from < to; from++) {
        int32_t id = token(from, text);
        assert_int_equal(lull_sequence_feed(s, &id, 1, 0, NULL), LULL_OK);
    }
}

static LULL_UNUSED void step(lull_context *c)
{
    size_t remaining = 1;
    assert_int_equal(lull_context_step(c, 0, &remaining, NULL), LULL_OK);
    assert_int_equal(remaining, 0);
}

static LULL_UNUSED const float *logits_of(lull_sequence *s)
{
    const float *logits;
    assert_int_equal(lull_sequence_logits(s, &logits, NULL), LULL_OK);
    return logits;
}

static LULL_UNUSED size_t logits_bytes(const lull_context *c)
{
    return (size_t)c->model->config.vocab_size * sizeof(float);
}

/* The logits that a sequence of its own, fed one token at a time, has after n tokens of a text. */
static LULL_UNUSED void fresh_logits(lull_model *model, size_t n, int text, float *out)
{
    lull_context *c = open_context(model, 1, 0);
    lull_sequence *s = open_sequence(c);
    size_t i;
    for (i = 0; i < n; i++) {
        feed(s, i, i + 1, text);
        step(c);
    }
    memcpy(out, logits_of(s), logits_bytes(c));
    lull_sequence_close(s);
    lull_context_close(c);
}

static LULL_UNUSED void assert_like_fresh(lull_model *model, lull_sequence *s, int text)
{
    float expected[4096];
    fresh_logits(model, lull_sequence_length(s), text, expected);
    assert_memory_equal(logits_of(s), expected, logits_bytes(lull_sequence_context(s)));
}

#endif
