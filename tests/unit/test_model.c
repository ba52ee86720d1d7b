/* test_model.c - what loading makes of a file: every weight against the file's own numbers, the
 * same model from every format and byte order, limits, lack of memory, files that change. */
#include "failing.h"
#include "formats/formats.h"
#include "group.h"
#include "model.h"
#include "scratch.h"
#include "tiny.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static const tiny_spec micro = {"micro", {4, 6, 2, 2, 1, 5, 8, 0}, 2};
static const lull_byte_order orders[] = {LULL_LITTLE_ENDIAN, LULL_BIG_ENDIAN};

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part)) fail_msg("\"%s\" does not contain \"%s\"", text, part);
}

/* ---- loading from memory, without a tokenizer */

static lull_status load_bytes(lull_model **m, const void *bytes, size_t n, lull_precision precision,
                              int32_t group, lull_error *e)
{
    lull_load_options o;
    lull_load_options_init(&o);
    o.no_tokenizer = 1;
    o.precision = precision;
    o.group = group;
    return lull_model_load_memory(m, bytes, n, NULL, 0, &o, e);
}

static lull_model *load_tiny(const tiny_spec *spec, int version, lull_byte_order order,
                             lull_precision precision, int32_t group)
{
    size_t n;
    unsigned char *bytes = tiny_checkpoint(spec, version, order, &n);
    lull_model *m;
    lull_error e;
    if (load_bytes(&m, bytes, n, precision, group, &e) != LULL_OK)
        fail_msg("%s v%d: %s", spec->name, version, e.message);
    free(bytes);
    return m;
}

/* ---- the truth: the floats of a version 0 file, read here by hand */

typedef struct truth {
    float *floats;
    const float *embedding, *classifier, *rms_final;
    const float *kinds[LULL_LAYER_TENSORS]; /* of all layers */
    size_t sizes[LULL_LAYER_TENSORS];       /* of one layer */
} truth;

static void truth_open(truth *t, const tiny_spec *spec)
{
    const lull_config *c = &spec->config;
    const size_t dim = (size_t)c->dim, hidden = (size_t)c->hidden_dim;
    const size_t head_dim = dim / (size_t)c->n_heads, kv_dim = head_dim * (size_t)c->n_kv_heads;
    const size_t table = (size_t)c->vocab_size * dim;
    size_t n, i;
    unsigned char *bytes = tiny_checkpoint(spec, 0, LULL_HOST_ORDER, &n);
    const float *p;
    t->floats = malloc(n);
    assert_non_null(t->floats);
    memcpy(t->floats, bytes, n);
    free(bytes);
    t->sizes[LULL_RMS_ATT] = t->sizes[LULL_RMS_FFN] = dim;
    t->sizes[LULL_WQ] = t->sizes[LULL_WO] = dim * dim;
    t->sizes[LULL_WK] = t->sizes[LULL_WV] = kv_dim * dim;
    t->sizes[LULL_W1] = t->sizes[LULL_W2] = t->sizes[LULL_W3] = hidden * dim;
    t->embedding = t->floats + 7;
    p = t->embedding + table;
    for (i = 0; i < LULL_LAYER_TENSORS; i++) { /* rms_att wq wk wv wo rms_ffn w1 w2 w3 */
        t->kinds[i] = p;
        p += t->sizes[i] * (size_t)c->n_layers;
    }
    t->rms_final = p;
    p += dim + (size_t)c->seq_len * head_dim;
    t->classifier = c->shared_classifier ? t->embedding : p;
    if (!c->shared_classifier) p += table;
    assert_int_equal((p - t->floats) * 4, n);
}

static const float *true_weights(const truth *t, int kind, int32_t layer)
{
    return t->kinds[kind] + (size_t)layer * t->sizes[kind];
}

/* Row after row: what is read back is the truth, quantised by the rule where the model did that. */
static void check_matrix(const lull_matrix *m, const float *w, int32_t rows, int32_t cols,
                         int32_t own_group)
{
    float *got = malloc((size_t)cols * sizeof *got), *want = malloc((size_t)cols * sizeof *want);
    int8_t *q = malloc((size_t)cols);
    int32_t row, k, at;
    assert_true(got && want && q);
    assert_int_equal(m->rows, rows);
    assert_int_equal(m->cols, cols);
    assert_int_equal((uintptr_t)m->data % 64, 0);
    for (row = 0; row < rows; row++, w += cols) {
        memcpy(want, w, (size_t)cols * sizeof *want);
        for (at = 0; own_group && at < cols; at += own_group) {
            const int32_t n = cols - at < own_group ? cols - at : own_group;
            const lull_grid grid = lull_grid_choose(m->precision, w + at, (size_t)n);
            lull_grid_apply(&grid, w + at, (size_t)n, q);
            for (k = 0; k < n; k++) want[at + k] = (float)q[k] * grid.scale;
        }
        lull_matrix_row(m, row, got);
        for (k = 0; k < cols; k++)
            if (got[k] != want[k])
                fail_msg("row %d column %d: %g instead of %g", (int)row, (int)k, (double)got[k],
                         (double)want[k]);
    }
    free(got);
    free(want);
    free(q);
}

static void check_vector(const float *got, const float *want, int32_t n)
{
    assert_int_equal((uintptr_t)got % 64, 0);
    assert_memory_equal(got, want, (size_t)n * sizeof *want);
}

static void check_model(const lull_model *m, const tiny_spec *spec, int32_t own_group)
{
    const lull_config *c = &m->config;
    const int32_t dim = c->dim, hidden = c->hidden_dim, kv = m->kv_dim;
    truth t;
    int32_t i;
    truth_open(&t, spec);
    assert_memory_equal(c, &spec->config, sizeof *c);
    assert_int_equal(m->head_dim, dim / c->n_heads);
    assert_int_equal(kv, m->head_dim * c->n_kv_heads);
    check_matrix(&m->embedding, t.embedding, c->vocab_size, dim, own_group);
    check_matrix(&m->classifier, t.classifier, c->vocab_size, dim, own_group);
    assert_int_equal(m->embedding.data == m->classifier.data, c->shared_classifier);
    check_vector(m->rms_final, t.rms_final, dim);
    for (i = 0; i < c->n_layers; i++) {
        const lull_layer *l = &m->layers[i];
        check_vector(l->rms_att, true_weights(&t, LULL_RMS_ATT, i), dim);
        check_matrix(&l->wq, true_weights(&t, LULL_WQ, i), dim, dim, own_group);
        check_matrix(&l->wk, true_weights(&t, LULL_WK, i), kv, dim, own_group);
        check_matrix(&l->wv, true_weights(&t, LULL_WV, i), kv, dim, own_group);
        check_matrix(&l->wo, true_weights(&t, LULL_WO, i), dim, dim, own_group);
        check_vector(l->rms_ffn, true_weights(&t, LULL_RMS_FFN, i), dim);
        check_matrix(&l->w1, true_weights(&t, LULL_W1, i), hidden, dim, own_group);
        check_matrix(&l->w2, true_weights(&t, LULL_W2, i), dim, hidden, own_group);
        check_matrix(&l->w3, true_weights(&t, LULL_W3, i), hidden, dim, own_group);
    }
    free(t.floats);
}

static void every_weight_arrives(void **state)
{
    static const lull_precision precisions[] = {LULL_AS_STORED, LULL_F32, LULL_Q8};
    size_t n, s, o, p;
    const tiny_spec *all = tiny_all(&n);
    int version;
    (void)state;
    for (s = 0; s <= n; s++)
        for (version = 0; version < 3; version++)
            for (o = 0; o < 2; o++)
                for (p = 0; p < 3; p++) {
                    const tiny_spec *spec = s < n ? &all[s] : &micro;
                    lull_model *m = load_tiny(spec, version, orders[o], precisions[p], 0);
                    const int f32 = precisions[p] == LULL_F32;
                    assert_int_equal(m->precision, f32 ? LULL_F32 : LULL_Q8);
                    assert_int_equal(m->group, f32 ? 0 : version == 2 ? spec->group : 64);
                    check_model(m, spec, f32 || version == 2 ? 0 : 64);
                    lull_model_release(m);
                }
}

static void every_group_is_honoured(void **state)
{
    static const int32_t groups[] = {1, 2, 3, 4, 5, 15, 16, 17, 31, 32, 63, 64, 65, 172, 65536};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        const tiny_spec *spec = groups[i] > 200 ? &micro : tiny_find("gqa");
        lull_model *m = load_tiny(spec, 1, LULL_BIG_ENDIAN, LULL_Q8, groups[i]);
        assert_int_equal(m->group, groups[i]);
        check_model(m, spec, groups[i]);
        lull_model_release(m);
    }
}

/* cos and sin of a small angle by their series, and from there by rotation: no libm, which some
 * emulated machines cannot run. */
static void rotary_tables(void **state)
{
    static const double steps[] = {1, 0.1, 0.01, 0.001}; /* 10000^(-2i / 8) */
    lull_model *m = load_tiny(tiny_find("gqa"), 0, LULL_LITTLE_ENDIAN, LULL_F32, 0);
    const int32_t half = m->head_dim / 2;
    int32_t position, i, k;
    (void)state;
    assert_int_equal(half, 4);
    for (i = 0; i < half; i++) {
        double term = 1, c1 = 0, s1 = 0, c = 1, s = 0;
        for (k = 0; k < 20; term *= steps[i] / ++k) { /* steps^k / k! with signs + + - - */
            if (k % 2 == 0) c1 += k % 4 == 0 ? term : -term;
            if (k % 2 == 1) s1 += k % 4 == 1 ? term : -term;
        }
        for (position = 0; position < m->config.seq_len; position++) {
            const double turned = c * c1 - s * s1;
            const size_t at = (size_t)position * (size_t)half + (size_t)i;
            assert_true(fabs(m->rope_cos[at] - c) < 6e-8);
            assert_true(fabs(m->rope_sin[at] - s) < 6e-8);
            s = s * c1 + c * s1;
            c = turned;
        }
    }
    lull_model_release(m);
}

/* ---- what is said about a model */

static void facts_of_a_model(void **state)
{
    const tiny_spec *spec = tiny_find("unshared");
    lull_model *m = load_tiny(spec, 2, LULL_BIG_ENDIAN, LULL_AS_STORED, 0);
    lull_model_info i;
    uint64_t parameters, padding;
    (void)state;
    lull_model_info_get(m, &i);
    /* dim 32, hidden 88, 3 layers, 2 of 2 heads, vocabulary 290 */
    parameters = 2 * 290 * 32 + 3 * (4 * 32 * 32 + 3 * 32 * 88 + 2 * 32) + 32;
    assert_string_equal(i.architecture, "llama");
    assert_string_equal(i.format, "llama2.c v2");
    assert_int_equal(i.byte_order, LULL_BIG_ENDIAN);
    assert_int_equal(i.stored, LULL_Q8);
    assert_int_equal(i.stored_group, 8);
    assert_int_equal(i.precision, LULL_Q8);
    assert_int_equal(i.group, 8);
    assert_int_equal(i.n_parameters, parameters);
    assert_int_equal(i.kv_bytes_f32, 2 * 3 * 2 * 16 * 4);
    assert_int_equal(i.kv_bytes_bf16, 2 * 3 * 2 * 16 * 2);
    assert_int_equal(i.needs_bytes[LULL_AS_STORED], i.weight_bytes);
    assert_int_equal(i.needs_bytes[LULL_Q8], i.weight_bytes);
    /* 304 rows with padding, 4 groups of 2 units and a scale unit each per block of 16 */
    assert_int_equal(i.weight_bytes, 2 * 19 * (4 + 8) * 64 +
                                         3 * (4 * 2 * 12 * 64 + 2 * 6 * 12 * 64 + 2 * 33 * 64) +
                                         7 * 32 * 4);
    padding = (uint64_t)32 * (2 * 14 + 3 * 2 * 8); /* 14 rows of each table, 8 of w1 and w3 */
    assert_int_equal(i.needs_bytes[LULL_F32], 4 * (parameters + padding));
    assert_true(i.needs_bytes[LULL_Q4] < i.needs_bytes[LULL_Q8]);
    assert_true(i.model_bytes > i.weight_bytes);
    assert_int_equal(i.n_tokenizer, 0);
    assert_int_equal(i.bos, -1);
    lull_model_release(m);
}

static void save_tiny(const char *name, const tiny_spec *spec, int version, int32_t vocabulary)
{
    size_t n;
    unsigned char *bytes = tiny_checkpoint(spec, version, LULL_LITTLE_ENDIAN, &n);
    assert_true(tiny_save(scratch_path(name), bytes, n));
    free(bytes);
    if (!vocabulary) return;
    bytes = tiny_tokenizer(vocabulary, LULL_BIG_ENDIAN, &n);
    assert_true(tiny_save(scratch_path("tokenizer.bin"), bytes, n));
    free(bytes);
}

static void inspecting_says_what_loading_does(void **state)
{
    lull_precision precision;
    int tokenizer;
    (void)state;
    save_tiny("model.bin", tiny_find("gqa"), 0, 300);
    for (precision = LULL_AS_STORED; precision <= LULL_Q8; precision++)
        for (tokenizer = 0; tokenizer < 2; tokenizer++) {
            lull_load_options o;
            lull_model_info seen, loaded;
            lull_model *m;
            lull_load_options_init(&o);
            o.precision = precision;
            o.no_tokenizer = !tokenizer;
            assert_int_equal(lull_inspect(scratch_path("model.bin"), &o, &seen, NULL), LULL_OK);
            assert_int_equal(lull_model_load(&m, scratch_path("model.bin"), &o, NULL), LULL_OK);
            lull_model_info_get(m, &loaded);
            lull_model_release(m);
            assert_memory_equal(&seen, &loaded, sizeof seen);
            assert_int_equal(seen.n_tokenizer, tokenizer ? 300 : 0);
            assert_int_equal(seen.n_byte_tokens, tokenizer ? 256 : 0);
            assert_int_equal(seen.bos, tokenizer ? 1 : -1);
            assert_int_equal(seen.eos, tokenizer ? 2 : -1);
        }
}

/* ---- tokenizers */

static void tokenizer_is_found_beside_the_model(void **state)
{
    lull_load_options o;
    lull_model_info info;
    lull_model *m;
    lull_error e;
    char other[512]; /* scratch_path keeps its word for three calls only */
    (void)state;
    snprintf(other, sizeof other, "%s", scratch_path("other.bin"));
    lull_load_options_init(&o);
    save_tiny("model.bin", tiny_find("odd"), 0, 0);
    assert_int_equal(lull_model_load(&m, scratch_path("model.bin"), NULL, &e), LULL_EIO);
    assert_null(m);
    assert_int_equal(e.sys, ENOENT);
    assert_contains(e.message, "/tokenizer.bin: no such tokenizer file; give the path of");
    assert_int_equal(lull_inspect(scratch_path("model.bin"), NULL, &info, &e), LULL_OK);
    assert_int_equal(info.n_tokenizer, 0);
    o.tokenizer_path = other; /* asked for: missing is an error everywhere */
    assert_int_equal(lull_inspect(scratch_path("model.bin"), &o, &info, &e), LULL_EIO);
    assert_contains(e.message, "other.bin: no such tokenizer file");

    save_tiny("model.bin", tiny_find("odd"), 0, 300); /* of 277 */
    assert_int_equal(lull_model_load(&m, scratch_path("model.bin"), NULL, &e), LULL_EFORMAT);
    assert_contains(e.message, "tokenizer has 300 tokens, model wants 277");
    assert_int_equal(lull_inspect(scratch_path("model.bin"), NULL, &info, &e), LULL_EFORMAT);

    save_tiny("model.bin", tiny_find("odd"), 0, 277);
    assert_int_equal(lull_model_load(&m, scratch_path("model.bin"), NULL, &e), LULL_OK);
    assert_int_equal(m->tokenizer->vocab_size, 277);
    lull_model_release(m);
    assert_int_equal(rename(scratch_path("tokenizer.bin"), other), 0);
    assert_int_equal(lull_model_load(&m, scratch_path("model.bin"), &o, &e), LULL_OK);
    lull_model_release(m);
}

static void tokenizer_without_a_folder(void **state)
{
    char before[1024];
    lull_model *m;
    (void)state;
    save_tiny("model.bin", tiny_find("odd"), 1, 277);
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(scratch_folder()), 0);
    assert_int_equal(lull_model_load(&m, "model.bin", NULL, NULL), LULL_OK);
    lull_model_release(m);
    assert_int_equal(chdir(before), 0);
}

static void both_from_memory(void **state)
{
    size_t n, n_tokens;
    const tiny_spec *spec = tiny_find("odd");
    unsigned char *bytes = tiny_checkpoint(spec, 0, LULL_LITTLE_ENDIAN, &n);
    unsigned char *tokens = tiny_tokenizer(277, LULL_LITTLE_ENDIAN, &n_tokens);
    lull_load_options o;
    lull_model *m;
    lull_error e;
    (void)state;
    assert_int_equal(lull_model_load_memory(&m, bytes, n, NULL, 0, NULL, &e), LULL_EINVAL);
    assert_contains(e.message, "no tokenizer given");
    assert_int_equal(lull_model_load_memory(&m, bytes, n, tokens, n_tokens, NULL, &e), LULL_OK);
    memset(bytes, 0xff, n); /* only read during the call */
    memset(tokens, 0xff, n_tokens);
    check_model(m, spec, 64);
    assert_int_equal(m->info.n_tokenizer, 277);
    assert_int_equal(m->info.bos, 1);
    lull_model_release(m);
    assert_int_equal(lull_model_load_memory(&m, NULL, 1, tokens, 1, NULL, &e), LULL_EINVAL);
    assert_int_equal(lull_model_load_memory(&m, NULL, 0, tokens, 1, NULL, &e), LULL_EFORMAT);
    lull_load_options_init(&o);
    o.max_file_bytes = n - 1;
    assert_int_equal(lull_model_load_memory(&m, bytes, n, tokens, 1, &o, &e), LULL_ELIMIT);
    free(bytes);
    free(tokens);
}

/* ---- options and limits */

static void bad_options_are_named(void **state)
{
    static const struct {
        int precision, group, order;
        lull_status want;
        const char *words;
    } cases[] = {{4, 0, 0, LULL_EINVAL, "precision is 4, expected 0..3"},
                 {-1, 0, 0, LULL_EINVAL, "precision is -1"},
                 {0, -1, 0, LULL_EINVAL, "group is -1, expected 1..65536"},
                 {0, 65537, 0, LULL_EINVAL, "group is 65537"},
                 {0, INT32_MIN, 0, LULL_EINVAL, "group is -2147483648"},
                 {0, 0, 3, LULL_EINVAL, "byte_order is 3, expected 0..2"},
                 {0, 64, 0, LULL_EUNSUPPORTED, "is stored in groups of 2 and cannot be regrouped"},
                 {0, 0, LULL_BIG_ENDIAN, LULL_EFORMAT, "memory: "}};
    size_t i, n;
    unsigned char *bytes = tiny_checkpoint(&micro, 2, LULL_LITTLE_ENDIAN, &n);
    lull_model *m;
    lull_model_info info;
    lull_error e;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lull_load_options o;
        lull_load_options_init(&o);
        o.no_tokenizer = 1;
        o.precision = (lull_precision)cases[i].precision;
        o.group = cases[i].group;
        o.byte_order = (lull_byte_order)cases[i].order;
        m = (lull_model *)bytes;
        assert_int_equal(lull_model_load_memory(&m, bytes, n, NULL, 0, &o, &e), cases[i].want);
        assert_null(m);
        assert_contains(e.message, cases[i].words);
    }
    assert_int_equal(load_bytes(&m, bytes, n, LULL_Q8, 2, &e), LULL_OK); /* its own group */
    lull_model_release(m);
    free(bytes);
    assert_int_equal(lull_model_load(&m, NULL, NULL, &e), LULL_EINVAL);
    assert_int_equal(lull_inspect(NULL, NULL, &info, &e), LULL_EINVAL);
    assert_int_equal(lull_model_load(&m, "", NULL, &e), LULL_EIO);
    lull_model_release(NULL);
}

static void memory_limit_is_exact(void **state)
{
    size_t n;
    unsigned char *bytes = tiny_checkpoint(tiny_find("odd"), 0, LULL_LITTLE_ENDIAN, &n);
    lull_load_options o;
    lull_model_info info;
    lull_model *m;
    lull_error e;
    char words[96];
    uint64_t needs;
    (void)state;
    lull_load_options_init(&o);
    o.no_tokenizer = 1;
    assert_int_equal(lull_model_load_memory(&m, bytes, n, NULL, 0, &o, &e), LULL_OK);
    lull_model_info_get(m, &info);
    lull_model_release(m);
    needs = info.model_bytes;
    o.max_memory_bytes = needs;
    assert_int_equal(lull_model_load_memory(&m, bytes, n, NULL, 0, &o, &e), LULL_OK);
    lull_model_release(m);
    o.max_memory_bytes = needs - 1;
    assert_int_equal(lull_model_load_memory(&m, bytes, n, NULL, 0, &o, &e), LULL_ELIMIT);
    snprintf(words, sizeof words, "memory: needs %lu bytes of memory, the limit is %lu",
             (unsigned long)needs, (unsigned long)needs - 1);
    assert_string_equal(e.message, words);
    free(bytes);
}

/* A model of 4.3 GB: too much for a 32-bit build to address, and for the allocator of a 64-bit one
 * here.  The file is a hole of that size. */
static void what_32_bits_cannot_hold(void **state)
{
    static const unsigned char header[28] = {0, 1, 0, 0, 0, 1, 0, 0, 1,    0, 0, 0, 1, 0,
                                             0, 0, 1, 0, 0, 0, 0, 0, 0x40, 0, 1, 0, 0, 0};
    /* embedding; 4 squares and 3 of the feed-forward; 3 norms; rotary tables */
    const off_t dim = 256, floats = dim * (1 << 22) + 7 * dim * dim + 3 * dim + dim;
    lull_load_options o;
    lull_model_info info;
    lull_model *m;
    lull_error e;
    failing memory;
    int fd;
    (void)state;
    assert_true(tiny_save(scratch_path("hole.bin"), header, sizeof header));
    fd = open(scratch_path("hole.bin"), O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 28 + 4 * floats), 0);
    close(fd);
    failing_init(&memory, 0, 0);
    memory.largest = 1 << 30;
    lull_load_options_init(&o);
    o.allocator = memory.allocator;
    o.precision = LULL_F32;
    o.no_tokenizer = 1;
    if (lull_inspect(scratch_path("hole.bin"), &o, &info, &e) != LULL_OK) fail_msg("%s", e.message);
    assert_true(info.needs_bytes[LULL_F32] > UINT32_MAX);
    if (SIZE_MAX > UINT32_MAX) {
        assert_int_equal(lull_model_load(&m, scratch_path("hole.bin"), &o, &e), LULL_ENOMEM);
        assert_contains(e.message, "hole.bin: out of memory (4296");
    } else {
        assert_int_equal(lull_model_load(&m, scratch_path("hole.bin"), &o, &e), LULL_ELIMIT);
        assert_contains(e.message, "hole.bin: needs 4.3 GB, this build can address 2 GB");
    }
    assert_int_equal(memory.blocks, 0);
}

/* ---- hostile files */

static void weights_need_not_be_numbers(void **state)
{
    static const uint32_t bits[] = {0x7fc00000u, 0x7f800000u, 0xff800000u, 0x7f800001u,
                                    0x00000001u, 0x80000000u, 0x7f7fffffu, 0xffffffffu};
    size_t n, i, kind;
    (void)state;
    for (kind = 0; kind <= sizeof bits / sizeof bits[0]; kind++) {
        unsigned char *bytes = tiny_checkpoint(&micro, 0, LULL_LITTLE_ENDIAN, &n);
        lull_precision precision;
        uint32_t noise = 7;
        for (i = 28; i < n; i++) {
            noise = noise * 1664525u + 1013904223u;
            bytes[i] = (unsigned char)(kind < 8 ? bits[kind] >> (8 * (i % 4)) : noise >> 24);
        }
        for (precision = LULL_F32; precision <= LULL_Q8; precision++) {
            lull_model *m;
            float row[4];
            assert_int_equal(load_bytes(&m, bytes, n, precision, 3, NULL), LULL_OK);
            for (i = 0; i < 5; i++) lull_matrix_row(&m->embedding, (int32_t)i, row);
            if (kind == 0) assert_true(row[0] != row[0]); /* a NaN stays seen */
            lull_model_release(m);
        }
        free(bytes);
    }
}

static void scales_need_not_be_numbers(void **state)
{
    size_t n, i;
    unsigned char *bytes = tiny_checkpoint(&micro, 2, LULL_BIG_ENDIAN, &n);
    lull_precision precision;
    (void)state;
    for (i = 256; i < n; i++) bytes[i] = 0xff;
    for (precision = LULL_F32; precision <= LULL_Q8; precision++) {
        lull_model *m;
        float row[4];
        assert_int_equal(load_bytes(&m, bytes, n, precision, 0, NULL), LULL_OK);
        lull_matrix_row(&m->embedding, 4, row);
        assert_true(row[3] != row[3]);
        lull_model_release(m);
    }
    free(bytes);
}

/* One wrong bit in the header: an error, or a model within the limit that can be let go. */
static void no_header_bit_breaks_anything(void **state)
{
    int version;
    size_t o;
    (void)state;
    for (version = 0; version < 3; version++)
        for (o = 0; o < 2; o++) {
            size_t n, bit;
            unsigned char *bytes = tiny_checkpoint(&micro, version, orders[o], &n);
            const size_t header = version ? 256 : 28;
            for (bit = 0; bit < 8 * header; bit++) {
                lull_load_options opt;
                lull_model *m;
                lull_error e;
                lull_status status;
                lull_load_options_init(&opt);
                opt.no_tokenizer = 1;
                opt.max_memory_bytes = 64 << 10;
                bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
                status = lull_model_load_memory(&m, bytes, n, NULL, 0, &opt, &e);
                assert_int_equal(status == LULL_OK, m != NULL);
                if (status != LULL_OK) assert_contains(e.message, "memory: ");
                lull_model_release(m);
                bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
            }
            free(bytes);
        }
}

/* ---- lack of memory */

static void no_allocation_is_taken_for_granted(void **state)
{
    long k;
    int for_ever, precision;
    (void)state;
    save_tiny("model.bin", &micro, 2, 5);
    for (precision = LULL_F32; precision <= LULL_Q8; precision++)
        for (for_ever = 0; for_ever < 2; for_ever++) {
            for (k = 1;; k++) {
                failing memory;
                lull_load_options o;
                lull_model *m;
                lull_model_info info;
                lull_error e;
                lull_status status;
                const int before = scratch_descriptor();
                failing_init(&memory, k, for_ever);
                lull_load_options_init(&o);
                o.allocator = memory.allocator;
                o.precision = (lull_precision)precision;
                status = lull_inspect(scratch_path("model.bin"), &o, &info, &e);
                assert_true(status == LULL_OK || status == LULL_ENOMEM);
                assert_int_equal(memory.blocks, 0);
                memory.calls = 0;
                status = lull_model_load(&m, scratch_path("model.bin"), &o, &e);
                assert_int_equal(scratch_descriptor(), before);
                if (status == LULL_OK) {
                    lull_model_release(m);
                    assert_int_equal(memory.blocks, 0);
                    break;
                }
                assert_int_equal(status, LULL_ENOMEM);
                assert_contains(e.message, "out of memory (");
                assert_null(m);
                assert_int_equal(memory.blocks, 0);
                assert_int_equal(memory.bytes, 0);
                memory.fail_at = 0; /* memory is back, and so is everything */
                assert_int_equal(lull_model_load(&m, scratch_path("model.bin"), &o, &e), LULL_OK);
                lull_model_release(m);
                assert_int_equal(memory.blocks, 0);
                assert_true(k < 100);
            }
            assert_true(k > 5);
        }
}

static void peak_is_the_model_and_one_block(void **state)
{
    size_t n, block;
    unsigned char *bytes = tiny_checkpoint(tiny_find("gqa"), 0, LULL_LITTLE_ENDIAN, &n);
    failing memory;
    lull_load_options o;
    lull_model *m;
    lull_model_info info;
    (void)state;
    failing_init(&memory, 0, 0);
    lull_load_options_init(&o);
    o.no_tokenizer = 1;
    o.allocator = memory.allocator;
    assert_int_equal(lull_model_load_memory(&m, bytes, n, NULL, 0, &o, NULL), LULL_OK);
    lull_model_info_get(m, &info);
    assert_true(memory.bytes >= info.model_bytes);
    assert_true(memory.bytes <= info.model_bytes + 512);            /* what alignment costs */
    block = sizeof(float) * 16 * 172 + sizeof(lull_tensor) * 2 * 9; /* and where its rows lie */
    assert_true(memory.peak <= memory.bytes + block + 512);
    lull_model_release(m);
    assert_int_equal(memory.blocks, 0);
    assert_int_equal(memory.bytes, 0);
    free(bytes);
}

/* ---- files that change while they are read: the allocator is the hook to do it from */

static struct {
    const char *path;
    long countdown; /* allocations until the deed */
    off_t size;     /* that the file is given then */
} saboteur;

static void *sabotage(void *user, void *block, size_t old_bytes, size_t new_bytes)
{
    (void)user;
    (void)old_bytes;
    if (new_bytes == 0) {
        free(block);
        return NULL;
    }
    if (--saboteur.countdown == 0 && truncate(saboteur.path, saboteur.size) != 0) return NULL;
    return realloc(block, new_bytes);
}

static void files_that_change_are_refused(void **state)
{
    static const int changes[] = {-1000, -1, 1};
    char path[512];
    size_t i;
    long k;
    (void)state;
    snprintf(path, sizeof path, "%s", scratch_path("model.bin"));
    for (i = 0; i < 3; i++)
        for (k = 1;; k++) {
            lull_load_options o;
            lull_model *m;
            lull_error e;
            lull_status status;
            size_t n;
            unsigned char *bytes = tiny_checkpoint(tiny_find("odd"), 1, LULL_BIG_ENDIAN, &n);
            assert_true(tiny_save(path, bytes, n));
            free(bytes);
            lull_load_options_init(&o);
            o.no_tokenizer = 1;
            o.allocator.realloc = sabotage;
            saboteur.path = path;
            saboteur.countdown = k;
            saboteur.size = (off_t)n + changes[i];
            status = lull_model_load(&m, path, &o, &e);
            if (saboteur.countdown > 0) { /* it was loaded before its time came */
                assert_int_equal(status, LULL_OK);
                lull_model_release(m);
                break;
            }
            assert_int_equal(status, LULL_EIO);
            assert_null(m);
            assert_contains(e.message, "model.bin: changed while reading");
            assert_true(k < 100);
        }
    assert_true(k > 3);
}

/* ---- references */

static void references_decide_the_life(void **state)
{
    size_t n;
    unsigned char *bytes = tiny_checkpoint(&micro, 1, LULL_LITTLE_ENDIAN, &n);
    failing memory;
    lull_load_options o;
    lull_model *m;
    int i;
    (void)state;
    failing_init(&memory, 0, 0);
    lull_load_options_init(&o);
    o.no_tokenizer = 1;
    o.allocator = memory.allocator;
    assert_int_equal(lull_model_load_memory(&m, bytes, n, NULL, 0, &o, NULL), LULL_OK);
    for (i = 0; i < 3; i++) assert_ptr_equal(lull_model_retain(m), m);
    for (i = 0; i < 3; i++) {
        lull_model_release(m);
        assert_true(memory.blocks > 0);
    }
    check_model(m, &micro, 64);
    lull_model_release(m);
    assert_int_equal(memory.blocks, 0);
    free(bytes);
}

int main(void)
{
#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, scratch_open, scratch_close)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_weight_arrives),
        cmocka_unit_test(every_group_is_honoured),
        cmocka_unit_test(rotary_tables),
        cmocka_unit_test(facts_of_a_model),
        IN_FOLDER(inspecting_says_what_loading_does),
        IN_FOLDER(tokenizer_is_found_beside_the_model),
        IN_FOLDER(tokenizer_without_a_folder),
        cmocka_unit_test(both_from_memory),
        cmocka_unit_test(bad_options_are_named),
        cmocka_unit_test(memory_limit_is_exact),
        IN_FOLDER(what_32_bits_cannot_hold),
        cmocka_unit_test(weights_need_not_be_numbers),
        cmocka_unit_test(scales_need_not_be_numbers),
        cmocka_unit_test(no_header_bit_breaks_anything),
        IN_FOLDER(no_allocation_is_taken_for_granted),
        cmocka_unit_test(peak_is_the_model_and_one_block),
        IN_FOLDER(files_that_change_are_refused),
        cmocka_unit_test(references_decide_the_life),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
