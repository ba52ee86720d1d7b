/* gguf_cases.h - what the tests of GGUF files share: small models, loading, refusals. */
#ifndef GGUF_CASES_H
#define GGUF_CASES_H

#include "formats/gguf.h"
#include "gguf.h"
#include "model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* Small enough to try every cut and every bit; blocks of 32 fit the second. */
static LULL_UNUSED const tiny_spec micro = {"micro", {4, 6, 2, 2, 1, 5, 8, 0}, 2};
static LULL_UNUSED const tiny_spec blocks = {"blocks", {32, 64, 1, 4, 2, 5, 8, 1}, 32};

static LULL_UNUSED const lull_byte_order orders[] = {LULL_LITTLE_ENDIAN, LULL_BIG_ENDIAN};

static LULL_UNUSED gguf_spec spec_of(const tiny_spec *model, int type)
{
    gguf_spec s;
    memset(&s, 0, sizeof s);
    s.model = model;
    s.type = type;
    s.order = LULL_LITTLE_ENDIAN;
    return s;
}

static LULL_UNUSED void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part)) fail_msg("\"%s\" does not contain \"%s\"", text, part);
}

/* Load from a block of exactly n bytes, so that a sanitizer sees one byte too many. */
static LULL_UNUSED lull_status load(lull_model **m, const unsigned char *bytes, size_t n,
                                    const lull_load_options *o, lull_error *error)
{
    unsigned char *exact = malloc(n ? n : 1);
    lull_status status;
    assert_non_null(exact);
    if (n) memcpy(exact, bytes, n);
    status = lull_model_load_memory(m, exact, n, NULL, 0, o, error);
    free(exact);
    return status;
}

static LULL_UNUSED lull_model *load_spec(const gguf_spec *s, lull_precision precision,
                                         int32_t group)
{
    gguf_bytes *file = gguf_make(s);
    lull_load_options o;
    lull_model *m;
    lull_error e;
    lull_load_options_init(&o);
    o.precision = precision;
    o.group = group;
    if (load(&m, file->bytes, file->n, &o, &e) != LULL_OK) fail_msg("%s", e.message);
    gguf_free(file);
    return m;
}

static LULL_UNUSED void refuse_bytes(const unsigned char *bytes, size_t n, lull_status want,
                                     const char *words)
{
    lull_load_options o;
    lull_model *m;
    lull_error e;
    lull_status status;
    lull_load_options_init(&o);
    o.max_memory_bytes = 1 << 20;
    status = load(&m, bytes, n, &o, &e);
    if (status != want)
        fail_msg("%s instead of %s (%s): %s", lull_status_name(status), lull_status_name(want),
                 words, e.message);
    assert_null(m);
    assert_contains(e.message, "memory: ");
    assert_contains(e.message, words);
}

static LULL_UNUSED void refuse(const gguf_spec *s, lull_status want, const char *words)
{
    gguf_bytes *file = gguf_make(s);
    refuse_bytes(file->bytes, file->n, want, words);
    gguf_free(file);
}

/* All weights of a model are those of the spec. */
static LULL_UNUSED void check_matrix(const lull_matrix *m, const gguf_spec *s, int kind,
                                     int32_t layer)
{
    float have[256], want[256];
    int32_t row;
    for (row = 0; row < m->rows; row++) {
        lull_matrix_row(m, row, have);
        gguf_row(s, kind, layer, row, want);
        assert_memory_equal(have, want, (size_t)m->cols * sizeof *have);
    }
}

static LULL_UNUSED void check_weights(const lull_model *m, const gguf_spec *s)
{
    int32_t i;
    float want[256];
    check_matrix(&m->embedding, s, G_EMBEDDING, 0);
    if (!m->config.shared_classifier) check_matrix(&m->classifier, s, G_CLASSIFIER, 0);
    gguf_row(s, LULL_RMS_ATT, -1, 0, want); /* the last norm; norms are F32 whatever the type */
    assert_memory_equal(m->rms_final, want, sizeof(float) * (size_t)m->config.dim);
    for (i = 0; i < m->config.n_layers; i++) {
        const lull_layer *l = &m->layers[i];
        check_matrix(&l->wq, s, LULL_WQ, i);
        check_matrix(&l->wk, s, LULL_WK, i);
        check_matrix(&l->wv, s, LULL_WV, i);
        check_matrix(&l->wo, s, LULL_WO, i);
        check_matrix(&l->w1, s, LULL_W1, i);
        check_matrix(&l->w2, s, LULL_W2, i);
        check_matrix(&l->w3, s, LULL_W3, i);
    }
}

#endif
