/* test_gguf_write.c - checkpoints rewritten as GGUF: the same bits as the options that equal them, the
 * same texts, files that are complete and laid out as llama.cpp's reader wants them. */
#include "failing.h"
#include "formats/formats.h"
#include "formats/gguf.h"
#include "gguf.h"
#include "quantize_cases.h"

#include <errno.h>
#include <math.h>
#include <unistd.h>

static const tiny_spec blocks = {"blocks", {32, 64, 2, 4, 2, 300, 16, 0}, 32};
static const lull_precision precisions[] = {LULL_F32, LULL_F16, LULL_Q8, LULL_Q4};

static char tokenizer[512];

static int set_up(void **state)
{
    if (scratch_open(state) != 0) return -1;
    snprintf(input, sizeof input, "%s", scratch_path("in.bin"));
    snprintf(output, sizeof output, "%s", scratch_path("out.gguf"));
    snprintf(tokenizer, sizeof tokenizer, "%s", scratch_path("tokenizer.bin"));
    return 0;
}

/* The checkpoint, and its tokenizer beside it. */
static void save_tiny(const tiny_spec *spec, int version, lull_byte_order order)
{
    size_t n;
    unsigned char *bytes = tiny_checkpoint(spec, version, order, &n);
    assert_true(tiny_save(input, bytes, n));
    free(bytes);
    bytes = tiny_tokenizer(spec->config.vocab_size, order, &n);
    assert_true(tiny_save(tokenizer, bytes, n));
    free(bytes);
}

static lull_model *load(const char *path, lull_precision precision, int32_t group)
{
    lull_load_options o;
    lull_model *m;
    lull_error e;
    lull_load_options_init(&o);
    o.precision = precision;
    o.group = group;
    if (lull_model_load(&m, path, &o, &e) != LULL_OK) fail_msg("%s", e.message);
    return m;
}

static lull_quantize_options options_of(lull_precision precision)
{
    lull_quantize_options o;
    lull_quantize_options_init(&o);
    o.format = LULL_FILE_GGUF;
    o.precision = precision;
    o.overwrite = 1;
    return o;
}

static lull_quantize_report quantize(const lull_quantize_options *o)
{
    lull_quantize_report report;
    lull_error e;
    if (lull_quantize_file(input, output, o, &report, &e) != LULL_OK) fail_msg("%s", e.message);
    return report;
}

/* ---- equality */

static void logits_of(lull_model *m, float *out)
{
    static const int32_t tokens[] = {1, 4, 2, 3, 0, 4};
    lull_context *c;
    lull_sequence *s;
    const float *logits;
    assert_int_equal(lull_context_open(&c, m, NULL, NULL), LULL_OK);
    assert_int_equal(lull_sequence_open(&s, c, NULL), LULL_OK);
    assert_int_equal(lull_sequence_feed(s, tokens, 6, NULL, NULL), LULL_OK);
    assert_int_equal(lull_context_step(c, 0, NULL, NULL), LULL_OK);
    assert_int_equal(lull_sequence_logits(s, &logits, NULL), LULL_OK);
    memcpy(out, logits, (size_t)m->config.vocab_size * sizeof *out);
    lull_sequence_close(s);
    lull_context_close(c);
}

static void check_logits(lull_model *a, lull_model *b)
{
    float x[512], y[512];
    logits_of(a, x);
    logits_of(b, y);
    assert_memory_equal(x, y, (size_t)a->config.vocab_size * sizeof *x);
    assert_true(x[0] != x[1]); /* and not all the same */
}

static void check_texts(const lull_model *a, const lull_model *b)
{
    static const char *const texts[] = {
        "Once upon the day",  "", " ", "caf\xc3\xa9 \xe2\x82\xac", "<s> \n</s>\n <0x41>\x80",
        "\xe2\x96\x81 is one"};
    size_t i;
    int32_t id;
    for (i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        int32_t x[64], y[64];
        size_t n_x, n_y;
        const size_t n = strlen(texts[i]);
        assert_int_equal(lull_encode(a, texts[i], n, LULL_ENCODE_START, x, 64, &n_x, NULL),
                         LULL_OK);
        assert_int_equal(lull_encode(b, texts[i], n, LULL_ENCODE_START, y, 64, &n_y, NULL),
                         LULL_OK);
        assert_int_equal(n_x, n_y);
        assert_memory_equal(x, y, n_x * sizeof *x);
    }
    assert_int_equal(a->info.n_byte_tokens, b->info.n_byte_tokens);
    assert_int_equal(a->tokenizer->prefix, b->tokenizer->prefix);
    for (id = 0; id < a->config.vocab_size; id++) {
        size_t n, m;
        const char *x = lull_piece(a, id, &n), *y = lull_piece(b, id, &m);
        assert_int_equal(n, m);
        assert_memory_equal(x, y, n);
        assert_true(a->tokenizer->score[id] == b->tokenizer->score[id]);
    }
}

/* One input and output, in all there is to say about them. */
static void round_trip(const tiny_spec *spec, lull_byte_order in, lull_byte_order out,
                       lull_precision precision)
{
    static const char *const names[] = {"", "f32", "q8", "q4", "f16"};
    lull_quantize_options o = options_of(precision);
    const int quantised = precision == LULL_Q8 || precision == LULL_Q4;
    lull_quantize_report report;
    lull_model *written, *original;
    size_t n;
    save_tiny(spec, in == LULL_BIG_ENDIAN, in);
    o.byte_order = out;
    report = quantize(&o);
    /* the file must not lean on the tokenizer beside it */
    assert_int_equal(unlink(tokenizer), 0);
    written = load(output, quantised ? LULL_AS_STORED : LULL_F32, 0);
    assert_string_equal(written->info.format, "GGUF v3");
    assert_int_equal(written->info.byte_order, out);
    if (written->info.stored != precision) fail_msg("not stored as %s", names[precision]);
    assert_int_equal(report.group, quantised ? 32 : 0);
    assert_int_equal(written->info.group, report.group);
    free(slurp(output, &n));
    assert_int_equal(report.output_bytes, n);
    assert_int_equal(n % 32, 0);
    save_tiny(spec, in == LULL_BIG_ENDIAN, in);
    original = load(input, quantised ? precision : LULL_F32, report.group);
    check_models(written, original);
    check_texts(written, original);
    check_logits(written, original);
    assert_int_equal(report.rms_error > 0, quantised); /* tiny's weights are exact in f16 */
    lull_model_release(written);
    lull_model_release(original);
}

static void output_equals_the_input(void **state)
{
    size_t p;
    int in, out;
    (void)state;
    for (p = 0; p < 4; p++)
        for (in = LULL_LITTLE_ENDIAN; in <= LULL_BIG_ENDIAN; in++)
            for (out = LULL_LITTLE_ENDIAN; out <= LULL_BIG_ENDIAN; out++) {
                const tiny_spec *spec = in == out ? tiny_find("head8") : &blocks;
                round_trip(spec, (lull_byte_order)in, (lull_byte_order)out, precisions[p]);
                if (precisions[p] == LULL_F32 || precisions[p] == LULL_F16) {
                    round_trip(tiny_find("gqa"), (lull_byte_order)in, (lull_byte_order)out,
                               precisions[p]);
                    round_trip(&micro, (lull_byte_order)in, (lull_byte_order)out, precisions[p]);
                }
            }
}

/* Float GGUF is as good an input as a llama2.c checkpoint, and its tokenizer comes along. */
static void gguf_is_an_input_too(void **state)
{
    size_t p, n;
    int from_f16, order;
    (void)state;
    for (p = 0; p < 4; p++)
        for (from_f16 = 0; from_f16 < 2; from_f16++)
            for (order = LULL_LITTLE_ENDIAN; order <= LULL_BIG_ENDIAN; order++) {
                lull_quantize_options o = options_of(precisions[p]);
                unsigned char *direct, *detour;
                size_t m;
                gguf_spec s;
                gguf_bytes *file;
                memset(&s, 0, sizeof s);
                s.model = &blocks;
                s.type = from_f16 ? G_TENSOR_F16 : G_TENSOR_F32;
                s.order = (lull_byte_order)order;
                save_tiny(&blocks, 0, LULL_LITTLE_ENDIAN);
                quantize(&o);
                direct = slurp(output, &n);
                assert_int_equal(unlink(tokenizer), 0);
                file = gguf_make(&s);
                assert_true(tiny_save(input, file->bytes, file->n));
                quantize(&o);
                detour = slurp(output, &m);
                assert_int_equal(n, m);
                assert_memory_equal(direct, detour, n);
                gguf_free(file);
                free(direct);
                free(detour);
            }
}

static void llama2c_is_written_from_gguf(void **state)
{
    lull_quantize_options o;
    gguf_spec s;
    gguf_bytes *file;
    lull_model *m;
    size_t bytes;
    (void)state;
    memset(&s, 0, sizeof s);
    s.model = &blocks;
    s.type = G_TENSOR_F16;
    s.order = LULL_BIG_ENDIAN;
    file = gguf_make(&s);
    assert_true(tiny_save(input, file->bytes, file->n));
    gguf_free(file);
    lull_quantize_options_init(&o);
    assert_int_equal(quantize(&o).group, 32);
    save_tiny(&blocks, 0, LULL_LITTLE_ENDIAN);
    m = load(output, LULL_AS_STORED, 0);
    assert_string_equal(m->info.format, "llama2.c v2");
    {
        lull_model *original = load(input, LULL_Q8, 32);
        check_models(m, original);
        lull_model_release(original);
    }
    lull_model_release(m);
    s.keys[0].key = "llama.rope.freq_base"; /* which llama2.c cannot say */
    s.keys[0].type = G_F32;
    s.keys[0].bits = 0x48f42400u; /* 500000 */
    s.keys[1].key = "tokenizer.chat_template";
    s.keys[1].type = G_STRING;
    s.keys[1].text = "{{ messages }}";
    file = gguf_make(&s);
    assert_true(tiny_save(input, file->bytes, file->n));
    gguf_free(file);
    o.overwrite = 1;
    expect(&o, LULL_EUNSUPPORTED, "no base of the rotary positions but 10000; write GGUF");
    o = options_of(LULL_F32);
    quantize(&o);
    m = load(output, LULL_F32, 0);
    assert_true(m->rope_cos[3 * 4 + 1] == (float)lull_cos(3 * lull_pow(500000.0, -2.0 / 8)));
    assert_memory_equal(lull_chat_template(m, &bytes), "{{ messages }}", 14);
    assert_int_equal(bytes, 14);
    lull_model_release(m);
}

/* ---- the file as llama.cpp sees it */

static uint64_t number(const unsigned char *p, size_t n)
{
    uint64_t v = 0;
    while (n-- > 0) v = v << 8 | p[n];
    return v;
}

/* The value of a key, as text, in a little-endian file; "" where it is not there. */
static const unsigned char *value_of(const unsigned char *bytes, size_t n, const char *key,
                                     uint32_t type)
{
    const size_t length = strlen(key);
    size_t i;
    for (i = 24; i + length + 12 < n; i++)
        if (number(bytes + i, 8) == length && memcmp(bytes + i + 8, key, length) == 0) {
            assert_int_equal(number(bytes + i + 8 + length, 4), type);
            return bytes + i + 12 + length;
        }
    fail_msg("no key %s", key);
    return NULL;
}

static void keys_are_what_llama_cpp_wants(void **state)
{
    static const struct {
        const char *key;
        uint64_t want;
    } numbers[] = {{"general.alignment", 32},
                   {"general.file_type", 7},
                   {"general.quantization_version", 2},
                   {"llama.vocab_size", 300},
                   {"llama.context_length", 16},
                   {"llama.embedding_length", 32},
                   {"llama.block_count", 2},
                   {"llama.feed_forward_length", 64},
                   {"llama.attention.head_count", 4},
                   {"llama.attention.head_count_kv", 2},
                   {"llama.rope.dimension_count", 8},
                   {"tokenizer.ggml.bos_token_id", 1},
                   {"tokenizer.ggml.eos_token_id", 2},
                   {"tokenizer.ggml.unknown_token_id", 0}};
    static const struct {
        const char *key, *want;
    } words[] = {{"general.architecture", "llama"},
                 {"general.name", "in"},
                 {"tokenizer.ggml.model", "llama"}};
    static const char *const tokens[] = {"<unk>", "<s>", "</s>", "<0x00>"};
    lull_quantize_options o = options_of(LULL_Q8);
    unsigned char *bytes;
    const unsigned char *p;
    size_t n, i;
    (void)state;
    save_tiny(&blocks, 0, LULL_LITTLE_ENDIAN);
    quantize(&o);
    bytes = slurp(output, &n);
    assert_memory_equal(bytes, "GGUF\3\0\0\0", 8);
    assert_int_equal(number(bytes + 8, 8), 21);
    for (i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        assert_int_equal(number(value_of(bytes, n, numbers[i].key, 4), 4), numbers[i].want);
    for (i = 0; i < sizeof words / sizeof words[0]; i++) {
        p = value_of(bytes, n, words[i].key, 8);
        assert_int_equal(number(p, 8), strlen(words[i].want));
        assert_memory_equal(p + 8, words[i].want, strlen(words[i].want));
    }
    assert_int_equal(number(value_of(bytes, n, "llama.attention.layer_norm_rms_epsilon", 6), 4),
                     0x3727c5ac);
    assert_int_equal(number(value_of(bytes, n, "llama.rope.freq_base", 6), 4), 0x461c4000);
    assert_int_equal(*value_of(bytes, n, "tokenizer.ggml.add_bos_token", 7), 1);
    assert_int_equal(*value_of(bytes, n, "tokenizer.ggml.add_space_prefix", 7), 1);
    p = value_of(bytes, n, "tokenizer.ggml.tokens", 9);
    assert_int_equal(number(p, 4), 8);
    assert_int_equal(number(p + 4, 8), 300);
    for (p += 12, i = 0; i < 300; i++, p += 8 + number(p, 8)) {
        if (i < 4) assert_memory_equal(p + 8, tokens[i], number(p, 8));
        if (i == 259) assert_memory_equal(p + 8, "\xe2\x96\x81", number(p, 8)); /* a space */
    }
    p = value_of(bytes, n, "tokenizer.ggml.token_type", 9);
    assert_int_equal(number(p, 4), 5);
    for (i = 0; i < 300; i++)
        assert_int_equal(number(p + 12 + 4 * i, 4), i == 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1);
    free(bytes);
}

/* ---- refusals */

static void formats_and_precisions_go_together(void **state)
{
    lull_quantize_options o;
    (void)state;
    save_tiny(&blocks, 0, LULL_LITTLE_ENDIAN);
    lull_quantize_options_init(&o);
    o.precision = LULL_Q4;
    expect(&o, LULL_EINVAL, "llama2.c version 2 holds 8 bits only; q4, f16 and f32 are written as");
    o.precision = LULL_F16;
    expect(&o, LULL_EINVAL, "holds 8 bits only");
    o.precision = LULL_F32;
    expect(&o, LULL_EINVAL, "holds 8 bits only");
    o.precision = LULL_MIXED;
    expect(&o, LULL_EINVAL, "precision is 5, expected 0..4");
    o.precision = LULL_Q8;
    o.format = (lull_file_format)2;
    expect(&o, LULL_EINVAL, "format is 2, expected 0..1");
    o = options_of(LULL_Q4);
    o.group = 64;
    expect(&o, LULL_EINVAL, "group is 64, GGUF's Q4_0 has groups of 32");
    o.group = 32;
    assert_int_equal(quantize(&o).group, 32);
    o.precision = LULL_F16;
    expect(&o, LULL_EINVAL, "group is 32, but floats have no groups");
    save_tiny(tiny_find("gqa"), 0, LULL_LITTLE_ENDIAN); /* hidden size 172 */
    o = options_of(LULL_Q8);
    expect(&o, LULL_EINVAL,
           "in.bin: rows of blk.0.ffn_down.weight have 172 weights, Q8_0 needs a multiple of 32");
    o.precision = LULL_Q4;
    save_tiny(tiny_find("odd"), 0, LULL_LITTLE_ENDIAN);
    expect(&o, LULL_EINVAL, "rows of token_embd.weight have 24 weights, Q4_0 needs a multiple");
}

static void what_is_quantised_is_not_quantised_again(void **state)
{
    static const int types[] = {G_TENSOR_Q8_0, G_TENSOR_Q4_0, G_TENSOR_F32};
    static const char *const words[] = {"in.bin: has 8 bits already (groups of 32)",
                                        "in.bin: has 4 bits already (groups of 32)",
                                        "in.bin: has matrices of several types"};
    size_t i;
    (void)state;
    for (i = 0; i < 3; i++) {
        lull_quantize_options o = options_of(LULL_Q4);
        gguf_spec s;
        gguf_bytes *file;
        memset(&s, 0, sizeof s);
        s.model = &blocks;
        s.type = types[i];
        s.order = LULL_LITTLE_ENDIAN;
        if (i == 2) s.other = "token_embd.weight";
        s.other_type = G_TENSOR_F16;
        file = gguf_make(&s);
        assert_true(tiny_save(input, file->bytes, file->n));
        gguf_free(file);
        expect(&o, LULL_EUNSUPPORTED, words[i]);
        lull_quantize_options_init(&o);
        expect(&o, LULL_EUNSUPPORTED, words[i]);
    }
}

static void the_tokenizer_is_part_of_it(void **state)
{
    static const unsigned char space[3] = {0xe2, 0x96, 0x81};
    lull_quantize_options o = options_of(LULL_Q8);
    lull_model *m;
    size_t n;
    unsigned char *bytes, *longer;
    (void)state;
    save_tiny(&blocks, 0, LULL_LITTLE_ENDIAN);
    assert_int_equal(rename(tokenizer, scratch_path("other.bin")), 0);
    expect(&o, LULL_EIO, "in.bin: no tokenizer in it or beside it, and GGUF holds one");
    o.tokenizer_path = scratch_path("nowhere.bin");
    expect(&o, LULL_EIO, "nowhere.bin: no such tokenizer file");
    o.tokenizer_path = scratch_path("other.bin");
    quantize(&o);
    m = load(output, LULL_AS_STORED, 0);
    assert_int_equal(m->info.n_tokenizer, 300);
    lull_model_release(m);
    bytes = tiny_tokenizer(299, LULL_LITTLE_ENDIAN, &n);
    assert_true(tiny_save(tokenizer, bytes, n));
    free(bytes);
    o.tokenizer_path = NULL;
    expect(&o, LULL_EFORMAT, "tokenizer has 299 tokens, model wants 300");
    bytes = tiny_tokenizer(300, LULL_LITTLE_ENDIAN, &n);
    longer = malloc(n + 2); /* the last text has one byte, and a length of 4 before it */
    assert_non_null(longer);
    memcpy(longer, bytes, n);
    longer[n - 5] = 3;
    memcpy(longer + n - 1, space, sizeof space);
    assert_true(tiny_save(tokenizer, longer, n + 2));
    free(longer);
    free(bytes);
    expect(&o, LULL_EUNSUPPORTED, "token 299 has the character U+2581");
}

/* Change one weight of the last tensor, w3 of the last layer or the classifier, in a version 1 file. */
static void save_with(const tiny_spec *spec, float weight)
{
    size_t n;
    unsigned char *bytes = tiny_checkpoint(spec, 1, LULL_LITTLE_ENDIAN, &n);
    const uint32_t bits = lull_float_bits(weight);
    size_t i;
    save_tiny(spec, 1, LULL_LITTLE_ENDIAN);
    for (i = 0; i < 4; i++) bytes[n - 4 + i] = (unsigned char)(bits >> 8 * i);
    assert_true(tiny_save(input, bytes, n));
    free(bytes);
}

static void numbers_beyond_f16(void **state)
{
    lull_quantize_options o;
    lull_model *m, *original;
    (void)state;
    save_with(&blocks, 65519.0f); /* rounds to the largest */
    o = options_of(LULL_F16);
    quantize(&o);
    m = load(output, LULL_F32, 0);
    {
        float row[32];
        lull_matrix_row(&m->classifier, 299, row);
        assert_true(row[31] == 65504.0f);
    }
    lull_model_release(m);
    save_with(&blocks, -65520.0f);
    expect(&o, LULL_EUNSUPPORTED, "in.bin: output.weight has a weight beyond 65504");
    o = options_of(LULL_Q8); /* a scale of 516 is fine */
    quantize(&o);
    save_with(&blocks, 1e7f);
    expect(&o, LULL_EUNSUPPORTED, "in.bin: output.weight has a scale beyond 65504");
    o = options_of(LULL_Q4);
    expect(&o, LULL_EUNSUPPORTED, "output.weight has a scale beyond 65504");
    o = options_of(LULL_F32);
    quantize(&o);
    lull_quantize_options_init(&o); /* llama2.c's scales are float32 */
    o.overwrite = 1;
    quantize(&o);
    m = load(output, LULL_AS_STORED, 0);
    original = load(input, LULL_Q8, 32);
    check_models(m, original);
    lull_model_release(m);
    lull_model_release(original);
}

/* Weights that are no numbers: a group's scale is NaN then, written and loaded, as when loading. */
static void weights_that_are_no_numbers(void **state)
{
    static const uint32_t bits[] = {0x7fc00000u, 0x7f800000u, 0xff800000u};
    size_t i, p;
    (void)state;
    for (i = 0; i < 3; i++)
        for (p = 0; p < 4; p++) {
            lull_quantize_options o = options_of(precisions[p]);
            const int quantised = precisions[p] == LULL_Q8 || precisions[p] == LULL_Q4;
            lull_model *m, *original;
            float x[32], y[32];
            int32_t k;
            save_with(&blocks, lull_bits_float(bits[i]));
            quantize(&o);
            m = load(output, quantised ? LULL_AS_STORED : LULL_F32, 0);
            original = load(input, quantised ? precisions[p] : LULL_F32, quantised ? 32 : 0);
            lull_matrix_row(&m->classifier, 299, x);
            lull_matrix_row(&original->classifier, 299, y);
            for (k = 0; k < 32; k++) {
                assert_int_equal(x[k] != x[k], y[k] != y[k]);
                assert_true(x[k] == y[k] || x[k] != x[k]);
            }
            assert_false(lull_is_finite(x[31]));
            lull_model_release(m);
            lull_model_release(original);
        }
}

static void no_allocation_is_taken_for_granted(void **state)
{
    long k;
    (void)state;
    save_tiny(&blocks, 0, LULL_LITTLE_ENDIAN);
    for (k = 1; k < 100; k++) {
        failing memory;
        lull_quantize_options o = options_of(LULL_Q4);
        lull_status status;
        failing_init(&memory, k, 0);
        o.allocator = memory.allocator;
        status = lull_quantize_file(input, output, &o, NULL, NULL);
        assert_int_equal(memory.blocks, 0);
        if (status == LULL_OK) break;
        assert_int_equal(status, LULL_ENOMEM);
        assert_int_equal(scratch_entries(), 2);
    }
    assert_true(k > 6 && k < 100);
}

static void inspecting_needs_no_loading(void **state)
{
    lull_quantize_options o = options_of(LULL_Q4);
    lull_load_options without;
    lull_model_info info;
    lull_model *m;
    lull_error e;
    (void)state;
    save_tiny(&blocks, 0, LULL_LITTLE_ENDIAN);
    o.byte_order = LULL_BIG_ENDIAN;
    quantize(&o);
    if (lull_inspect(output, NULL, &info, &e) != LULL_OK) fail_msg("%s", e.message);
    m = load(output, LULL_AS_STORED, 0);
    assert_string_equal(info.format, m->info.format);
    assert_memory_equal(&info.config, &m->info.config, sizeof info.config);
    assert_int_equal(info.byte_order, LULL_BIG_ENDIAN);
    assert_int_equal(info.precision, m->info.precision);
    assert_int_equal(info.group, m->info.group);
    assert_int_equal(info.model_bytes, m->info.model_bytes);
    assert_int_equal(info.n_tokenizer, m->info.n_tokenizer);
    assert_int_equal(info.bos, 1);
    lull_model_release(m);
    lull_load_options_init(&without);
    without.no_tokenizer = 1;
    assert_int_equal(lull_inspect(output, &without, &info, &e), LULL_OK);
    assert_int_equal(info.n_tokenizer, 0);
    assert_int_equal(info.stored, LULL_Q4);
    assert_true(info.needs_bytes[LULL_Q4] < info.needs_bytes[LULL_Q8]);
}

int main(void)
{
#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, set_up, scratch_close)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(output_equals_the_input),
        IN_FOLDER(gguf_is_an_input_too),
        IN_FOLDER(llama2c_is_written_from_gguf),
        IN_FOLDER(keys_are_what_llama_cpp_wants),
        IN_FOLDER(formats_and_precisions_go_together),
        IN_FOLDER(what_is_quantised_is_not_quantised_again),
        IN_FOLDER(the_tokenizer_is_part_of_it),
        IN_FOLDER(numbers_beyond_f16),
        IN_FOLDER(weights_that_are_no_numbers),
        IN_FOLDER(no_allocation_is_taken_for_granted),
        IN_FOLDER(inspecting_needs_no_loading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
