/* test_quantize.c - float32 checkpoints rewritten in 8 bits: the same bits as quantising while
 * loading, whole files or none, and never over the input. */
#include "failing.h"
#include "quantize_cases.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static int set_up(void **state)
{
    if (scratch_open(state) != 0) return -1;
    snprintf(input, sizeof input, "%s", scratch_path("in.bin"));
    snprintf(output, sizeof output, "%s", scratch_path("out.bin"));
    return 0;
}

static void save_tiny(const tiny_spec *spec, int version, lull_byte_order order)
{
    size_t n;
    unsigned char *bytes = tiny_checkpoint(spec, version, order, &n);
    assert_true(tiny_save(input, bytes, n));
    free(bytes);
}

static lull_model *load(const char *path, lull_precision precision, int32_t group)
{
    lull_load_options o;
    lull_model *m;
    lull_error e;
    lull_load_options_init(&o);
    o.no_tokenizer = 1;
    o.precision = precision;
    o.group = group;
    if (lull_model_load(&m, path, &o, &e) != LULL_OK) fail_msg("%s", e.message);
    return m;
}

/* ---- equality */

/* The logits of a few tokens are equal, bit for bit. */
static void check_logits(lull_model *a, lull_model *b)
{
    static const int32_t tokens[] = {1, 4, 2, 3, 0, 4};
    lull_model *models[2];
    lull_context *contexts[2];
    lull_sequence *sequences[2];
    const float *logits[2];
    size_t t;
    int i;
    models[0] = a;
    models[1] = b;
    for (i = 0; i < 2; i++) {
        lull_context_options o;
        lull_context_options_init(&o);
        o.threads = 1;
        assert_int_equal(lull_context_open(&contexts[i], models[i], &o, NULL), LULL_OK);
        assert_int_equal(lull_sequence_open(&sequences[i], contexts[i], NULL), LULL_OK);
    }
    for (t = 0; t < sizeof tokens / sizeof tokens[0]; t++) {
        for (i = 0; i < 2; i++) {
            assert_int_equal(lull_sequence_feed(sequences[i], &tokens[t], 1, 0, NULL), LULL_OK);
            assert_int_equal(lull_context_step(contexts[i], 0, NULL, NULL), LULL_OK);
            assert_int_equal(lull_sequence_logits(sequences[i], &logits[i], NULL), LULL_OK);
        }
        assert_memory_equal(logits[0], logits[1], (size_t)a->config.vocab_size * sizeof *logits[0]);
        assert_true(logits[0][0] != logits[0][1]); /* and not all the same */
    }
    for (i = 0; i < 2; i++) {
        lull_sequence_close(sequences[i]);
        lull_context_close(contexts[i]);
    }
}

static void output_equals_quantising_while_loading(void **state)
{
    size_t n_specs, s;
    const tiny_spec *all = tiny_all(&n_specs);
    int version, in, out;
    (void)state;
    for (s = 0; s < n_specs; s++)
        for (version = 0; version < 2; version++)
            for (in = LULL_LITTLE_ENDIAN; in <= LULL_BIG_ENDIAN; in++)
                for (out = LULL_ANY_ORDER; out <= LULL_BIG_ENDIAN; out++) {
                    lull_quantize_options o;
                    lull_quantize_report report;
                    lull_model *quantised, *original;
                    lull_error e;
                    struct stat st;
                    lull_quantize_options_init(&o);
                    o.byte_order = (lull_byte_order)out;
                    o.overwrite = 1;
                    save_tiny(&all[s], version, (lull_byte_order)in);
                    if (lull_quantize_file(input, output, &o, &report, &e) != LULL_OK)
                        fail_msg("%s", e.message);
                    quantised = load(output, LULL_AS_STORED, 0);
                    original = load(input, LULL_Q8, report.group);
                    assert_int_equal(report.group, all[s].group);
                    assert_int_equal(quantised->info.byte_order,
                                     out == LULL_BIG_ENDIAN ? out : LULL_LITTLE_ENDIAN);
                    assert_string_equal(quantised->info.format, "llama2.c v2");
                    assert_int_equal(stat(output, &st), 0);
                    assert_int_equal(report.output_bytes, st.st_size);
                    assert_int_equal(report.input_bytes, original->info.file_bytes);
                    check_models(quantised, original);
                    if (in == LULL_LITTLE_ENDIAN) check_logits(quantised, original);
                    lull_model_release(quantised);
                    lull_model_release(original);
                }
    assert_int_equal(scratch_entries(), 2);
}

static void groups_that_fit_and_that_do_not(void **state)
{
    static const struct {
        int32_t group;
        lull_status want;
        const char *words;
    } cases[] = {{1, LULL_OK, ""},
                 {2, LULL_OK, ""},
                 {4, LULL_OK, ""},
                 {8, LULL_EINVAL,
                  "group 8 divides not both dim 64 and hidden_dim 172, as llama2.c version 2 "
                  "demands; 4 does"},
                 {64, LULL_EINVAL, "group 64 divides not both"},
                 {43, LULL_EINVAL, "group 43 divides not both"},
                 {-1, LULL_EINVAL, "group is -1, expected 1..65536 (or 0)"},
                 {65537, LULL_EINVAL, "group is 65537"}};
    size_t i;
    (void)state;
    save_tiny(tiny_find("gqa"), 0, LULL_LITTLE_ENDIAN);
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lull_quantize_options o;
        lull_model *quantised, *original;
        lull_quantize_options_init(&o);
        o.group = cases[i].group;
        if (cases[i].want != LULL_OK) {
            expect(&o, cases[i].want, cases[i].words);
            continue;
        }
        assert_int_equal(lull_quantize_file(input, output, &o, NULL, NULL), LULL_OK);
        quantised = load(output, LULL_AS_STORED, 0);
        original = load(input, LULL_Q8, o.group);
        check_models(quantised, original);
        lull_model_release(quantised);
        lull_model_release(original);
        assert_int_equal(unlink(output), 0);
    }
}

/* The error that is reported is the one there is. */
static void error_is_measured(void **state)
{
    lull_quantize_report report;
    lull_model *quantised, *original;
    double squares = 0;
    float *x, *y;
    size_t n = 0;
    int32_t row, i;
    int k;
    (void)state;
    save_tiny(tiny_find("head8"), 1, LULL_BIG_ENDIAN);
    assert_int_equal(lull_quantize_file(input, output, NULL, &report, NULL), LULL_OK);
    quantised = load(output, LULL_F32, 0);
    original = load(input, LULL_F32, 0);
    x = calloc(128, sizeof *x);
    assert_non_null(x);
    y = x + 64;
    for (i = -1; i < original->config.n_layers; i++)
        for (k = 0; k < (i < 0 ? 1 : 7); k++) {
            const lull_matrix *a[8], *b[8];
            const lull_layer *p = &quantised->layers[i < 0 ? 0 : i];
            const lull_layer *q = &original->layers[i < 0 ? 0 : i];
            int32_t c;
            a[0] = i < 0 ? &quantised->embedding : &p->wq,
            b[0] = i < 0 ? &original->embedding : &q->wq;
            a[1] = &p->wk, a[2] = &p->wv, a[3] = &p->wo, a[4] = &p->w1, a[5] = &p->w2,
            a[6] = &p->w3;
            b[1] = &q->wk, b[2] = &q->wv, b[3] = &q->wo, b[4] = &q->w1, b[5] = &q->w2,
            b[6] = &q->w3;
            for (row = 0; row < a[k]->rows; row++) {
                lull_matrix_row(a[k], row, x);
                lull_matrix_row(b[k], row, y);
                for (c = 0; c < a[k]->cols; c++, n++)
                    squares += ((double)x[c] - y[c]) * ((double)x[c] - y[c]);
            }
        }
    assert_true(report.rms_error > 0);
    assert_true(fabs(sqrt(squares / (double)n) / report.rms_error - 1) < 1e-6);
    free(x);
    lull_model_release(quantised);
    lull_model_release(original);
}

/* ---- refusals */

static void eight_bits_are_not_quantised_again(void **state)
{
    (void)state;
    save_tiny(&micro, 2, LULL_LITTLE_ENDIAN);
    expect(NULL, LULL_EUNSUPPORTED,
           "in.bin: has 8 bits already (groups of 2); quantise the float32 original");
}

static void bad_input_leaves_no_output(void **state)
{
    lull_quantize_options o;
    size_t n, cut;
    unsigned char *bytes = tiny_checkpoint(&micro, 0, LULL_BIG_ENDIAN, &n);
    (void)state;
    lull_quantize_options_init(&o);
    expect(&o, LULL_EIO, "in.bin: No such file");
    for (cut = 0; cut < n; cut += 7) {
        assert_true(tiny_save(input, bytes, cut));
        expect(&o, LULL_EFORMAT, "in.bin: ");
    }
    assert_true(tiny_save(input, bytes, n));
    o.input_byte_order = LULL_LITTLE_ENDIAN;
    expect(&o, LULL_EFORMAT, "as little-endian");
    o.input_byte_order = (lull_byte_order)3;
    expect(&o, LULL_EINVAL, "byte order");
    free(bytes);
    assert_int_equal(lull_quantize_file(NULL, output, NULL, NULL, NULL), LULL_EINVAL);
    assert_int_equal(lull_quantize_file(input, NULL, NULL, NULL, NULL), LULL_EINVAL);
}

static void existing_output_stays(void **state)
{
    lull_quantize_options o;
    unsigned char *bytes;
    size_t n;
    (void)state;
    lull_quantize_options_init(&o);
    save_tiny(&micro, 0, LULL_LITTLE_ENDIAN);
    assert_true(tiny_save(output, "mine", 4));
    expect(&o, LULL_ESTATE, "out.bin: exists already");
    bytes = slurp(output, &n);
    assert_int_equal(n, 4);
    assert_memory_equal(bytes, "mine", 4);
    free(bytes);
    o.overwrite = 1;
    assert_int_equal(lull_quantize_file(input, output, &o, NULL, NULL), LULL_OK);
    lull_model_release(load(output, LULL_AS_STORED, 0));
}

static void input_is_never_the_output(void **state)
{
    lull_quantize_options o;
    unsigned char *before, *after;
    size_t n, m;
    int way;
    (void)state;
    lull_quantize_options_init(&o);
    o.overwrite = 1;
    save_tiny(&micro, 0, LULL_LITTLE_ENDIAN);
    before = slurp(input, &n);
    for (way = 0; way < 3; way++) {
        if (way == 0) snprintf(output, sizeof output, "%s", input);
        if (way == 1) snprintf(output, sizeof output, "%s", scratch_path("out.bin"));
        if (way == 1) assert_int_equal(link(input, output), 0);
        if (way == 2) assert_int_equal(unlink(output) | symlink(input, output), 0);
        expect(&o, LULL_ESTATE, "is the input itself");
        after = slurp(input, &m);
        assert_int_equal(n, m);
        assert_memory_equal(before, after, n);
        free(after);
    }
    free(before);
}

static void output_that_cannot_be(void **state)
{
    lull_quantize_options o;
    struct rlimit old, low;
    (void)state;
    lull_quantize_options_init(&o);
    o.overwrite = 1;
    save_tiny(tiny_find("odd"), 0, LULL_LITTLE_ENDIAN);
    snprintf(output, sizeof output, "%s", scratch_folder());
    expect(&o, LULL_EIO, "exists and is not a regular file");
    snprintf(output, sizeof output, "%s", scratch_path("fifo")); /* never try this on a device */
    assert_int_equal(mkfifo(output, 0600), 0);
    expect(&o, LULL_EIO, "fifo: exists and is not a regular file");
    snprintf(output, sizeof output, "%s", scratch_path("no/where.bin"));
    expect(&o, LULL_EIO, "where.bin: cannot be written: No such file or directory");
    snprintf(output, sizeof output, "%s", scratch_path("in.bin/x"));
    expect(&o, LULL_EIO, "Not a directory");
    /* a disk that is full in the middle: a file may not grow past 10 KB */
    snprintf(output, sizeof output, "%s", scratch_path("out.bin"));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    low = old;
    low.rlim_cur = 10240;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    expect(&o, LULL_EIO, "out.bin: cannot be written: File too large");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(lull_quantize_file(input, output, &o, NULL, NULL), LULL_OK);
}

/* What a killed run left does not stand in the way, and is not touched. */
static void leftovers_are_passed_by(void **state)
{
    unsigned char *bytes;
    size_t n;
    (void)state;
    save_tiny(&micro, 1, LULL_LITTLE_ENDIAN);
    assert_true(tiny_save(scratch_path("out.bin.part0"), "old", 3));
    assert_int_equal(lull_quantize_file(input, output, NULL, NULL, NULL), LULL_OK);
    assert_int_equal(scratch_entries(), 3);
    bytes = slurp(scratch_path("out.bin.part0"), &n);
    assert_int_equal(n, 3);
    free(bytes);
}

static void no_allocation_is_taken_for_granted(void **state)
{
    long k;
    int for_ever;
    (void)state;
    save_tiny(&micro, 0, LULL_LITTLE_ENDIAN);
    for (for_ever = 0; for_ever < 2; for_ever++) {
        for (k = 1; k < 100; k++) {
            failing memory;
            lull_quantize_options o;
            lull_status status;
            lull_quantize_options_init(&o);
            failing_init(&memory, k, for_ever);
            o.allocator = memory.allocator;
            status = lull_quantize_file(input, output, &o, NULL, NULL);
            assert_int_equal(memory.blocks, 0);
            if (status == LULL_OK) break;
            assert_int_equal(status, LULL_ENOMEM);
            assert_int_equal(scratch_entries(), 1);
        }
        assert_true(k > 3 && k < 100);
        assert_int_equal(unlink(output), 0);
    }
}

int main(void)
{
#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, set_up, scratch_close)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(output_equals_quantising_while_loading),
        IN_FOLDER(groups_that_fit_and_that_do_not),
        IN_FOLDER(error_is_measured),
        IN_FOLDER(eight_bits_are_not_quantised_again),
        IN_FOLDER(bad_input_leaves_no_output),
        IN_FOLDER(existing_output_stays),
        IN_FOLDER(input_is_never_the_output),
        IN_FOLDER(output_that_cannot_be),
        IN_FOLDER(leftovers_are_passed_by),
        IN_FOLDER(no_allocation_is_taken_for_granted),
    };
    signal(SIGXFSZ, SIG_IGN); /* the host's business: the library sees EFBIG then */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
