/* test_gguf.c - GGUF files read: every type in either byte order, and the tokenizer inside. */
#include "failing.h"
#include "gguf_cases.h"
#include "half.h"

#include <stdio.h>

/* ---- good files */

static void every_type_in_either_order(void **state)
{
    static const struct {
        int type;
        lull_precision stored, loads_as;
        int32_t group;
    } cases[] = {{G_TENSOR_F32, LULL_F32, LULL_F32, 0},
                 {G_TENSOR_F16, LULL_F16, LULL_F32, 0},
                 {G_TENSOR_Q8_0, LULL_Q8, LULL_AS_STORED, 32},
                 {G_TENSOR_Q4_0, LULL_Q4, LULL_AS_STORED, 32}};
    const tiny_spec *head8 = tiny_find("head8");
    size_t i, o;
    int backwards;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (o = 0; o < 2; o++)
            for (backwards = 0; backwards < 2; backwards++) {
                gguf_spec s = spec_of(o ? &blocks : head8, cases[i].type);
                lull_model *m;
                s.order = orders[(o + (size_t)backwards) % 2];
                s.backwards = backwards;
                s.version = backwards ? 2 : 3;
                s.alignment = backwards ? 128 : 0;
                m = load_spec(&s, cases[i].loads_as, 0);
                assert_string_equal(m->info.format, backwards ? "GGUF v2" : "GGUF v3");
                assert_int_equal(m->info.byte_order, s.order);
                assert_int_equal(m->info.stored, cases[i].stored);
                assert_int_equal(m->info.stored_group, cases[i].group);
                assert_int_equal(m->info.group, cases[i].group);
                assert_memory_equal(&m->config, &s.model->config, sizeof m->config);
                check_weights(m, &s);
                lull_model_release(m);
            }
}

static void an_unshared_classifier_is_output(void **state)
{
    gguf_spec s = spec_of(&micro, G_TENSOR_F32);
    lull_model *m;
    (void)state;
    s.order = LULL_BIG_ENDIAN;
    m = load_spec(&s, LULL_F32, 0);
    assert_int_equal(m->config.shared_classifier, 0);
    check_weights(m, &s);
    lull_model_release(m);
}

/* What loading chooses: floats and mixtures become q8 in lull's groups, the rest stays; and all may be
 * asked for otherwise. */
static void precisions_that_are_asked_for(void **state)
{
    gguf_spec s = spec_of(&blocks, G_TENSOR_F16), mixed;
    lull_model *m;
    int type;
    (void)state;
    m = load_spec(&s, LULL_AS_STORED, 0);
    assert_int_equal(m->precision, LULL_Q8);
    assert_int_equal(m->group, 64);
    lull_model_release(m);
    for (type = G_TENSOR_Q4_0; type <= G_TENSOR_Q8_0; type += 6) {
        s.type = type;
        m = load_spec(&s, LULL_F32, 0);
        assert_int_equal(m->precision, LULL_F32);
        check_weights(m, &s);
        lull_model_release(m);
        m = load_spec(&s, type == G_TENSOR_Q8_0 ? LULL_Q4 : LULL_Q8, 16);
        assert_int_equal(m->group, 16);
        lull_model_release(m);
    }
    mixed = spec_of(&blocks, G_TENSOR_Q8_0);
    mixed.other = "blk.0.ffn_down.weight";
    mixed.other_type = G_TENSOR_F16;
    m = load_spec(&mixed, LULL_AS_STORED, 0);
    assert_int_equal(m->info.stored, LULL_MIXED);
    assert_int_equal(m->info.stored_group, 0);
    assert_int_equal(m->precision, LULL_Q8);
    assert_int_equal(m->group, 64);
    lull_model_release(m);
    m = load_spec(&mixed, LULL_F32, 0);
    check_matrix(&m->embedding, &mixed, G_EMBEDDING, 0);
    mixed.type = G_TENSOR_F16;
    check_matrix(&m->layers[0].w2, &mixed, LULL_W2, 0);
    lull_model_release(m);
}

/* A mixture loaded in the group of its blocks keeps those that are 8 bits already. */
static void mixtures_keep_what_fits(void **state)
{
    gguf_spec s = spec_of(&blocks, G_TENSOR_Q8_0);
    lull_model *m;
    (void)state;
    s.other = "blk.0.attn_q.weight";
    s.other_type = G_TENSOR_F32;
    m = load_spec(&s, LULL_Q8, 32);
    check_matrix(&m->embedding, &s, G_EMBEDDING, 0);
    check_matrix(&m->layers[0].w2, &s, LULL_W2, 0);
    assert_int_equal(m->layers[0].wq.scales, LULL_SCALE_BF16);
    assert_int_equal(m->embedding.scales, LULL_SCALE_F32);
    lull_model_release(m);
}

static void the_rotary_base_is_used(void **state)
{
    gguf_spec s = spec_of(&blocks, G_TENSOR_F32);
    lull_model *plain = load_spec(&s, LULL_F32, 0), *other;
    double angle;
    (void)state;
    s.keys[0].key = "llama.rope.freq_base";
    s.keys[0].type = G_F32;
    s.keys[0].bits = lull_float_bits(500000.0f);
    other = load_spec(&s, LULL_F32, 0);
    angle = 3 * lull_pow(500000.0, -2.0 / 8);
    assert_true(other->rope_cos[3 * 4 + 1] == (float)lull_cos(angle)); /* position 3, pair 1 of 4 */
    assert_true(plain->rope_cos[3 * 4 + 1] == (float)lull_cos(3 * lull_pow(10000.0, -2.0 / 8)));
    lull_model_release(plain);
    lull_model_release(other);
}

static void half_precision_is_exact(void **state)
{
    uint32_t h;
    (void)state;
    for (h = 0; h < 65536; h++) {
        const float f = lull_f16_float((uint16_t)h);
        const int exponent = (int)(h >> 10 & 31), mantissa = (int)(h & 1023);
        if (exponent == 31) {
            assert_int_equal(f != f, mantissa != 0);
            assert_false(lull_is_finite(f));
        } else {
            double want = exponent ? 1024 + mantissa : mantissa;
            int e;
            for (e = exponent ? exponent : 1; e < 25; e++) want /= 2;
            for (; e > 25; e--) want *= 2;
            assert_true(f == (float)(h & 0x8000 ? -want : want));
        }
        if (f == f) assert_int_equal(lull_float_f16(f), h);
        if (f == f && exponent < 30) { /* halfway to the next goes to the even one, beyond it up */
            const float next = lull_f16_float((uint16_t)(h + 1)), middle = f + (next - f) / 2;
            const uint32_t above = lull_float_bits(middle) + 1, below = lull_float_bits(middle) - 1;
            assert_int_equal(lull_float_f16(middle), h & 1 ? h + 1 : h);
            assert_int_equal(lull_float_f16(lull_bits_float(above)), h + 1);
            assert_int_equal(lull_float_f16(lull_bits_float(below)), h);
        }
    }
    assert_int_equal(lull_float_f16(65519.0f), 0x7bff);
    assert_int_equal(lull_float_f16(65520.0f), 0x7c00);
    assert_int_equal(lull_float_f16(-1e30f), 0xfc00);
    assert_int_equal(lull_float_f16(lull_bits_float(0x7fc00000u)), 0x7e00);
}

/* ---- the tokenizer inside */

static const char *const texts[] = {
    "Once upon the day",   "",          " ", "caf\xc3\xa9 \xe2\x82\xac", "\xe2\x96\x81 is one",
    "<s> \n</s>\n <0x41>", "\xff\xfe a"};

static void it_encodes_as_tokenizer_bin(void **state)
{
    const tiny_spec *head8 = tiny_find("head8");
    size_t n, n_tokens, i, o;
    unsigned char *checkpoint = tiny_checkpoint(head8, 1, LULL_LITTLE_ENDIAN, &n);
    unsigned char *tokens = tiny_tokenizer(288, LULL_LITTLE_ENDIAN, &n_tokens);
    lull_model *other;
    (void)state;
    assert_int_equal(lull_model_load_memory(&other, checkpoint, n, tokens, n_tokens, NULL, NULL),
                     LULL_OK);
    for (o = 0; o < 2; o++) {
        gguf_spec s = spec_of(head8, G_TENSOR_Q8_0);
        lull_model *m;
        s.order = orders[o];
        m = load_spec(&s, LULL_AS_STORED, 0);
        assert_int_equal(m->info.n_tokenizer, 288);
        assert_int_equal(m->info.n_byte_tokens, 256);
        assert_int_equal(m->info.bos, 1);
        assert_int_equal(m->info.eos, 2);
        for (i = 0; i < sizeof texts / sizeof texts[0]; i++) {
            int32_t a[64], b[64];
            size_t n_a, n_b, bytes, length = strlen(texts[i]);
            char back[64];
            assert_int_equal(lull_encode(m, texts[i], length, LULL_ENCODE_START, a, 64, &n_a, NULL),
                             LULL_OK);
            assert_int_equal(
                lull_encode(other, texts[i], length, LULL_ENCODE_START, b, 64, &n_b, NULL),
                LULL_OK);
            assert_int_equal(n_a, n_b);
            assert_memory_equal(a, b, n_a * sizeof *a);
            assert_int_equal(lull_decode(m, a, n_a, back, 64, &bytes, NULL), LULL_OK);
            assert_int_equal(bytes, length);
            assert_memory_equal(back, texts[i], length);
        }
        lull_model_release(m);
    }
    lull_model_release(other);
    free(checkpoint);
    free(tokens);
}

/* Types decide what is matched, wherever control tokens stand; spaces before texts can be declined. */
static void token_types_are_obeyed(void **state)
{
    const tiny_spec *head8 = tiny_find("head8");
    gguf_spec s = spec_of(head8, G_TENSOR_Q8_0);
    gguf_bytes *file;
    lull_model *m;
    int32_t ids[8];
    unsigned char *type; /* of token 260 */
    size_t n, i, bytes;
    char back[8];
    (void)state;
    s.keys[0].key = "tokenizer.ggml.add_space_prefix";
    s.keys[0].type = G_BOOL;
    file = gguf_make(&s);
    for (i = 0; memcmp(file->bytes + i, "tokenizer.ggml.token_type", 25) != 0; i++)
        assert_true(i < file->header);
    i += 25 + 16;                            /* the key; type, element type, count */
    assert_int_equal(file->bytes[i], 2);     /* <unk> */
    assert_int_equal(file->bytes[i + 4], 3); /* <s> */
    type = file->bytes + i + 1040;           /* 4 * 260 */
    assert_int_equal(*type, 1);
    *type = 3; /* "e" is a control token now, "t" is not used */
    type[4] = 5;
    assert_int_equal(load(&m, file->bytes, file->n, NULL, NULL), LULL_OK);
    assert_int_equal(lull_encode(m, "ete", 3, LULL_ENCODE_START, ids, 8, &n, NULL), LULL_OK);
    assert_int_equal(n, 4); /* BOS and three byte tokens: no space */
    assert_int_equal(ids[1], 3 + 'e');
    assert_int_equal(ids[2], 3 + 't');
    assert_non_null(lull_piece(m, 260, &n));
    assert_int_equal(n, 0);
    assert_non_null(lull_piece(m, 261, &n));
    assert_int_equal(n, 1);
    ids[0] = 1;
    ids[1] = 259; /* " " after BOS stays, where none was put before */
    assert_int_equal(lull_decode(m, ids, 2, back, 8, &bytes, NULL), LULL_OK);
    assert_int_equal(bytes, 1);
    lull_model_release(m);
    *type = 6; /* a byte token must look like one */
    refuse_bytes(file->bytes, file->n, LULL_EFORMAT,
                 "token 260 is a byte, but its text has not the form <0xHH>");
    *type = 0;
    refuse_bytes(file->bytes, file->n, LULL_EFORMAT, "token 260 has type 0, expected 1..6");
    *type = 7;
    refuse_bytes(file->bytes, file->n, LULL_EFORMAT, "token 260 has type 7, expected 1..6");
    gguf_free(file);
}

/* A vocabulary that lull does not know hinders only those who want it. */
static void another_tokenizer_can_be_left_out(void **state)
{
    gguf_spec s = spec_of(&micro, G_TENSOR_F32);
    lull_load_options o;
    gguf_bytes *file;
    lull_model *m;
    size_t n, i;
    unsigned char *tokens = tiny_tokenizer(5, LULL_BIG_ENDIAN, &n);
    (void)state;
    s.keys[0].key = "tokenizer.ggml.model";
    s.keys[0].type = G_STRING;
    s.keys[0].text = "gpt2";
    refuse(&s, LULL_EUNSUPPORTED, "tokenizer.ggml.model is \"gpt2\", only \"llama\" is known");
    file = gguf_make(&s);
    lull_load_options_init(&o);
    o.no_tokenizer = 1;
    assert_int_equal(load(&m, file->bytes, file->n, &o, NULL), LULL_OK);
    assert_int_equal(m->info.n_tokenizer, 0);
    lull_model_release(m);
    assert_int_equal(lull_model_load_memory(&m, file->bytes, file->n, tokens, n, NULL, NULL),
                     LULL_OK);
    assert_int_equal(m->info.n_tokenizer, 5);
    lull_model_release(m);
    gguf_free(file);
    free(tokens);
    memset(s.keys, 0, sizeof s.keys); /* none inside, none given */
    for (i = 0; i < 3; i++) {
        static const char *const keys[] = {"tokenizer.ggml.tokens", "tokenizer.ggml.scores",
                                           "tokenizer.ggml.token_type"};
        s.keys[i].key = keys[i];
        s.keys[i].what = G_OMIT;
    }
    refuse(&s, LULL_EFORMAT, "the key llama.vocab_size is missing");
    s.keys[2].key = "llama.vocab_size";
    s.keys[2].what = G_SET;
    s.keys[2].type = G_U32;
    s.keys[2].bits = 5;
    refuse(&s, LULL_EFORMAT,
           "tokenizer.ggml.token_type has 5 elements, tokenizer.ggml.tokens has 0");
}

static void a_chat_template_comes_along(void **state)
{
    static char large[(1 << 20) + 2];
    static const char text[] = "{% for m in messages %}{{ m.content }}\xe2\x9c\x93{% endfor %}\n";
    gguf_spec s = spec_of(&micro, G_TENSOR_F32);
    int i;
    (void)state;
    for (i = 0; i < 2; i++) {
        lull_model *m;
        size_t n = 1;
        s.order = orders[i];
        s.keys[0].key = NULL;
        m = load_spec(&s, LULL_F32, 0);
        assert_null(lull_chat_template(m, &n));
        assert_int_equal(n, 0);
        lull_model_release(m);
        s.keys[0].key = "tokenizer.chat_template";
        s.keys[0].type = G_STRING;
        s.keys[0].text = text;
        m = load_spec(&s, LULL_F32, 0);
        assert_memory_equal(lull_chat_template(m, &n), text, sizeof text - 1);
        assert_int_equal(n, sizeof text - 1);
        lull_model_release(m);
        s.keys[0].text = "";
        m = load_spec(&s, LULL_F32, 0);
        assert_non_null(lull_chat_template(m, &n));
        assert_int_equal(n, 0);
        lull_model_release(m);
    }
    memset(large, 'x', sizeof large - 1);
    s.keys[0].text = large;
    refuse(&s, LULL_ELIMIT, "tokenizer.chat_template has 1048577 bytes, the limit is 1048576");
    large[1 << 20] = 0;
    lull_model_release(load_spec(&s, LULL_F32, 0));
}

static void tokens_are_found_by_their_spelling(void **state)
{
    gguf_spec s = spec_of(&micro, G_TENSOR_F32);
    lull_model *m = load_spec(&s, LULL_F32, 0);
    int32_t id;
    size_t n;
    (void)state;
    for (id = 0; id < 5; id++) {
        const char *text = lull_token_text(m, id, &n);
        assert_non_null(text);
        assert_true(lull_token_find(m, text, n) <= id);
        assert_true(n == 0 || lull_token_find(m, text, n) >= 0);
    }
    assert_null(lull_token_text(m, 5, &n));
    assert_null(lull_token_text(m, -1, &n));
    assert_int_equal(n, 0);
    assert_int_equal(lull_token_find(m, "no such token", 13), -1);
    lull_model_release(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_in_either_order),
        cmocka_unit_test(an_unshared_classifier_is_output),
        cmocka_unit_test(precisions_that_are_asked_for),
        cmocka_unit_test(mixtures_keep_what_fits),
        cmocka_unit_test(the_rotary_base_is_used),
        cmocka_unit_test(half_precision_is_exact),
        cmocka_unit_test(it_encodes_as_tokenizer_bin),
        cmocka_unit_test(token_types_are_obeyed),
        cmocka_unit_test(another_tokenizer_can_be_left_out),
        cmocka_unit_test(a_chat_template_comes_along),
        cmocka_unit_test(tokens_are_found_by_their_spelling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
