/* quantize_cases.h - what the tests of written files share: where they are, refusals, equality. */
#ifndef QUANTIZE_CASES_H
#define QUANTIZE_CASES_H

#include "model.h"
#include "scratch.h"
#include "tiny.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const tiny_spec micro = {"micro", {4, 6, 2, 2, 1, 5, 8, 0}, 2};
static char input[512], output[512];

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part)) fail_msg("\"%s\" does not contain \"%s\"", text, part);
}

static unsigned char *slurp(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    unsigned char *bytes;
    assert_non_null(f);
    bytes = malloc(1 << 20);
    assert_non_null(bytes);
    *n = fread(bytes, 1, 1 << 20, f);
    fclose(f);
    return bytes;
}

/* Quantising must be refused so, leaving the folder as it was. */
static void expect(const lull_quantize_options *o, lull_status want, const char *words)
{
    lull_quantize_report report;
    lull_error e;
    const int entries = scratch_entries(), descriptor = scratch_descriptor();
    const lull_status status = lull_quantize_file(input, output, o, &report, &e);
    if (status != want) fail_msg("%s: %s", lull_status_name(status), e.message);
    assert_contains(e.message, words);
    assert_int_equal(report.output_bytes, 0);
    assert_int_equal(scratch_entries(), entries);
    assert_int_equal(scratch_descriptor(), descriptor);
}

/* Every weight of two models. */
static void check_matrix(const lull_matrix *a, const lull_matrix *b)
{
    float *x = malloc((size_t)a->cols * sizeof *x), *y = malloc((size_t)a->cols * sizeof *y);
    int32_t row;
    assert_true(x && y);
    assert_int_equal(a->rows, b->rows);
    assert_int_equal(a->cols, b->cols);
    assert_int_equal(a->group, b->group);
    for (row = 0; row < a->rows; row++) {
        lull_matrix_row(a, row, x);
        lull_matrix_row(b, row, y);
        assert_memory_equal(x, y, (size_t)a->cols * sizeof *x);
    }
    free(x);
    free(y);
}

static void check_models(const lull_model *a, const lull_model *b)
{
    const size_t vector = (size_t)a->config.dim * sizeof(float);
    int32_t i;
    assert_memory_equal(&a->config, &b->config, sizeof a->config);
    check_matrix(&a->embedding, &b->embedding);
    check_matrix(&a->classifier, &b->classifier);
    assert_memory_equal(a->rms_final, b->rms_final, vector);
    for (i = 0; i < a->config.n_layers; i++) {
        const lull_layer *x = &a->layers[i], *y = &b->layers[i];
        assert_memory_equal(x->rms_att, y->rms_att, vector);
        assert_memory_equal(x->rms_ffn, y->rms_ffn, vector);
        check_matrix(&x->wq, &y->wq);
        check_matrix(&x->wk, &y->wk);
        check_matrix(&x->wv, &y->wv);
        check_matrix(&x->wo, &y->wo);
        check_matrix(&x->w1, &y->w1);
        check_matrix(&x->w2, &y->w2);
        check_matrix(&x->w3, &y->w3);
    }
}

#endif
