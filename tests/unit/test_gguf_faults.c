/* test_gguf_faults.c - every way in which a GGUF file can be wrong, one after the other. */
#include "failing.h"
#include "gguf_cases.h"
#include "half.h"

#include <stdio.h>

/* ---- wrong keys */

static void wrong_keys_are_named(void **state)
{
#define F(x) UINT64_C(x)
    static const struct {
        gguf_key_change change;
        lull_status want;
        const char *words;
    } cases[] = {
        {{"general.architecture", G_SET, G_STRING, 0, 0, "mamba"},
         LULL_EUNSUPPORTED,
         "architecture is \"mamba\", only \"llama\" is computed"},
        {{"general.architecture", G_OMIT, 0, 0, 0, NULL},
         LULL_EFORMAT,
         "the key general.architecture is missing"},
        {{"general.architecture", G_SET, G_U32, 7, 0, NULL},
         LULL_EFORMAT,
         "general.architecture is u32, expected string"},
        {{"split.count", G_SET, G_U16, 3, 0, NULL}, LULL_EUNSUPPORTED, "one of 3 parts"},
        {{"llama.expert_count", G_SET, G_U32, 8, 0, NULL}, LULL_EUNSUPPORTED, "8 experts"},
        {{"general.alignment", G_SET, G_U32, 0, 0, NULL}, LULL_EFORMAT, "alignment is 0, expected"},
        {{"general.alignment", G_SET, G_U32, 1, 0, NULL}, LULL_EFORMAT, "alignment is 1, expected"},
        {{"general.alignment", G_SET, G_U32, 3, 0, NULL}, LULL_EFORMAT, "alignment is 3, expected"},
        {{"general.alignment", G_SET, G_U32, 13, 0, NULL}, LULL_EFORMAT, "alignment is 13, "},
        {{"general.alignment", G_SET, G_U32, 1u << 31, 0, NULL},
         LULL_EFORMAT,
         "general.alignment is 2147483648, expected a power of two in 8..65536"},
        {{"general.alignment", G_SET, G_I32, 32, 0, NULL},
         LULL_EFORMAT,
         "general.alignment is i32, expected u32"},
        {{"llama.block_count", G_SET, G_STRING, 0, 0, "2"},
         LULL_EFORMAT,
         "llama.block_count is string, expected u32"},
        {{"llama.block_count", G_SET, G_U64, 2, 0, NULL},
         LULL_EFORMAT,
         "llama.block_count is u64, expected u32"},
        {{"llama.block_count", G_SET, G_U32, 0, 0, NULL},
         LULL_EFORMAT,
         "llama.block_count is 0, expected 1.."},
        {{"llama.block_count", G_SET, G_U32, 513, 0, NULL},
         LULL_EFORMAT,
         "21 tensors are too few for 513 layers"},
        {{"llama.block_count", G_SET, G_U32, 4097, 0, NULL},
         LULL_EFORMAT,
         "n_layers is 4097, expected 1..4096"},
        {{"llama.block_count", G_SET, G_U32, 0xffffffffu, 0, NULL},
         LULL_EFORMAT,
         "llama.block_count is 4294967295, expected 1..2147483647"},
        {{"llama.block_count", G_SET, G_U32, 1, 0, NULL},
         LULL_EFORMAT,
         "tensor blk.1.attn_norm.weight: the model has 1 layers"},
        {{"llama.block_count", G_OMIT, 0, 0, 0, NULL},
         LULL_EFORMAT,
         "the key llama.block_count is missing"},
        {{"llama.block_count", G_TWICE, 0, 0, 0, NULL},
         LULL_EFORMAT,
         "the key llama.block_count occurs twice"},
        {{"llama.attention.head_count", G_SET, G_ARRAY, 2, G_U32, NULL},
         LULL_EFORMAT,
         "llama.attention.head_count is array of u32, expected u32"},
        {{"llama.attention.head_count", G_SET, G_U32, 3, 0, NULL},
         LULL_EFORMAT,
         "dim 4 is not a multiple of n_heads 3"},
        {{"llama.attention.head_count", G_SET, G_U32, 4, 0, NULL},
         LULL_EFORMAT,
         "head size 1 (dim / n_heads) is odd"},
        {{"llama.attention.head_count_kv", G_SET, G_U32, 0, 0, NULL},
         LULL_EFORMAT,
         "llama.attention.head_count_kv is 0"},
        {{"llama.attention.head_count_kv", G_SET, G_U32, 3, 0, NULL},
         LULL_EFORMAT,
         "n_heads 2 is not a multiple of n_kv_heads 3"},
        {{"llama.attention.head_count_kv", G_OMIT, 0, 0, 0, NULL},
         LULL_EFORMAT,
         "tensor blk.0.attn_k.weight has 2 rows of 4, expected 4 rows of 4"},
        {{"llama.embedding_length", G_SET, G_U32, 8, 0, NULL},
         LULL_EUNSUPPORTED,
         "expected the head size 4"},
        {{"llama.embedding_length", G_OMIT, 0, 0, 0, NULL},
         LULL_EFORMAT,
         "embedding_length is missing"},
        {{"llama.feed_forward_length", G_SET, G_U32, 7, 0, NULL},
         LULL_EFORMAT,
         "tensor blk.0.ffn_gate.weight has 6 rows of 4, expected 7 rows of 4"},
        {{"llama.feed_forward_length", G_OMIT, 0, 0, 0, NULL}, LULL_EFORMAT, "is missing"},
        {{"llama.context_length", G_SET, G_U32, 0, 0, NULL}, LULL_EFORMAT, "context_length is 0"},
        {{"llama.context_length", G_SET, G_U32, 1u << 31, 0, NULL},
         LULL_EFORMAT,
         "llama.context_length is 2147483648"},
        {{"llama.context_length", G_SET, G_U32, (1 << 20) + 1, 0, NULL},
         LULL_EFORMAT,
         "seq_len is 1048577, expected 1..1048576"},
        {{"llama.context_length", G_SET, G_U32, 1 << 20, 0, NULL}, LULL_ELIMIT, "bytes of memory"},
        {{"llama.vocab_size", G_SET, G_U32, 6, 0, NULL},
         LULL_EFORMAT,
         "tensor token_embd.weight has 5 rows of 4, expected 6 rows of 4"},
        {{"llama.rope.dimension_count", G_SET, G_U32, 1, 0, NULL},
         LULL_EUNSUPPORTED,
         "llama.rope.dimension_count is 1, expected the head size 2"},
        {{"llama.rope.dimension_count", G_SET, G_U32, 0, 0, NULL}, LULL_EFORMAT, "is 0, expected"},
        {{"llama.attention.key_length", G_SET, G_U32, 4, 0, NULL},
         LULL_EUNSUPPORTED,
         "llama.attention.key_length is 4, expected the head size 2"},
        {{"llama.attention.value_length", G_SET, G_U32, 4, 0, NULL},
         LULL_EUNSUPPORTED,
         "value_length is 4"},
        {{"llama.attention.layer_norm_rms_epsilon", G_OMIT, 0, 0, 0, NULL},
         LULL_EFORMAT,
         "layer_norm_rms_epsilon is missing"},
        {{"llama.attention.layer_norm_rms_epsilon", G_SET, G_F32, F(0x358637bd), 0, NULL},
         LULL_EUNSUPPORTED,
         "layer_norm_rms_epsilon is 1e-06, expected 1e-05"},
        {{"llama.attention.layer_norm_rms_epsilon", G_SET, G_F32, 0, 0, NULL},
         LULL_EFORMAT,
         "is 0, "},
        {{"llama.attention.layer_norm_rms_epsilon", G_SET, G_F32, F(0x7fc00000), 0, NULL},
         LULL_EFORMAT,
         "is nan, "},
        {{"llama.attention.layer_norm_rms_epsilon", G_SET, G_F64, 0, 0, NULL},
         LULL_EFORMAT,
         "is f64, expected f32"},
        {{"llama.rope.freq_base", G_SET, G_F32, 0, 0, NULL},
         LULL_EFORMAT,
         "llama.rope.freq_base is 0, expected 1..1e+10"},
        {{"llama.rope.freq_base", G_SET, G_F32, F(0x7fc00000), 0, NULL}, LULL_EFORMAT, "is nan"},
        {{"llama.rope.freq_base", G_SET, G_F32, F(0xc61c4000), 0, NULL}, LULL_EFORMAT, "is -10000"},
        {{"llama.rope.freq_base", G_SET, G_F32, F(0x7f800000), 0, NULL}, LULL_EFORMAT, "is inf"},
        {{"llama.rope.scaling.type", G_SET, G_STRING, 0, 0, "yarn"},
         LULL_EUNSUPPORTED,
         "llama.rope.scaling.type is \"yarn\""},
        {{"llama.rope.scaling.factor", G_SET, G_F32, F(0x40000000), 0, NULL},
         LULL_EUNSUPPORTED,
         "llama.rope.scaling.factor is 2, expected 1"},
        {{"llama.rope.scale_linear", G_SET, G_F32, F(0x7fc00000), 0, NULL}, LULL_EFORMAT, "is nan"},
        {{"tokenizer.ggml.model", G_OMIT, 0, 0, 0, NULL}, LULL_EFORMAT, "ggml.model is missing"},
        {{"tokenizer.ggml.tokens", G_SET, G_ARRAY, 5, G_U32, NULL},
         LULL_EFORMAT,
         "tokenizer.ggml.tokens is array of u32, expected array of string"},
        {{"tokenizer.ggml.tokens", G_SET, G_STRING, 0, 0, "a"},
         LULL_EFORMAT,
         "tokenizer.ggml.tokens is string, expected array of string"},
        {{"tokenizer.ggml.scores", G_SET, G_ARRAY, 5, G_I8, NULL},
         LULL_EFORMAT,
         "tokenizer.ggml.scores is array of i8, expected array of f32"},
        {{"tokenizer.ggml.token_type", G_SET, G_ARRAY, 5, G_F32, NULL},
         LULL_EFORMAT,
         "tokenizer.ggml.token_type is array of f32, expected array of i32"},
        {{"tokenizer.ggml.scores", G_SET, G_ARRAY, 4, G_F32, NULL},
         LULL_EFORMAT,
         "tokenizer.ggml.scores has 4 elements, tokenizer.ggml.tokens has 5"},
        {{"tokenizer.ggml.token_type", G_SET, G_ARRAY, 6, G_I32, NULL},
         LULL_EFORMAT,
         "tokenizer.ggml.token_type has 6 elements, tokenizer.ggml.tokens has 5"},
        {{"tokenizer.ggml.scores", G_OMIT, 0, 0, 0, NULL}, LULL_EFORMAT, "ggml.scores is missing"},
        {{"tokenizer.ggml.token_type", G_OMIT, 0, 0, 0, NULL},
         LULL_EFORMAT,
         "token_type is missing"},
        {{"tokenizer.ggml.bos_token_id", G_SET, G_U32, 5, 0, NULL},
         LULL_EFORMAT,
         "tokenizer.ggml.bos_token_id is 5, there are 5 tokens"},
        {{"tokenizer.ggml.eos_token_id", G_SET, G_U32, 0xffffffffu, 0, NULL},
         LULL_EFORMAT,
         "eos_token_id is 4294967295"},
        {{"tokenizer.ggml.unknown_token_id", G_SET, G_I32, 0, 0, NULL},
         LULL_EFORMAT,
         "is i32, expected u32"},
        {{"tokenizer.ggml.add_bos_token", G_SET, G_BOOL, 0, 0, NULL},
         LULL_EUNSUPPORTED,
         "add_bos_token is false"},
        {{"tokenizer.ggml.add_bos_token", G_SET, G_BOOL, 2, 0, NULL},
         LULL_EFORMAT,
         "add_bos_token is 2, expected 0 or 1"},
        {{"some.array", G_SET, G_ARRAY, 2, G_ARRAY, NULL},
         LULL_EFORMAT,
         "some.array is an array of arrays"},
        {{"some.array", G_SET, G_ARRAY, UINT64_C(1) << 61, G_U64, NULL},
         LULL_EFORMAT,
         "some.array has 2305843009213693952 elements"},
        {{"some.array", G_SET, G_ARRAY, UINT64_MAX, G_STRING, NULL},
         LULL_EFORMAT,
         "some.array has 18446744073709551615 elements"},
        {{"some.array", G_SET, G_ARRAY, 1000000, G_BOOL, NULL}, LULL_EFORMAT, "1000000 elements"},
        {{"some.array", G_SET, G_ARRAY, 0, 13, NULL}, LULL_EFORMAT, "some.array has type 13"},
        {{"some.number", G_SET, 13, 0, 0, NULL},
         LULL_EFORMAT,
         "some.number has type 13, expected 0..12"},
        {{"some.number", G_SET, 255, 0, 0, NULL}, LULL_EFORMAT, "some.number has type 255"},
        {{"some.number", G_SET, -1, 0, 0, NULL}, LULL_EFORMAT, "some.number has type 4294967295"},
        {{"some\nkey", G_SET, G_U8, 0, 0, NULL}, LULL_EFORMAT, "has byte 0x0a"},
        {{"some\xc3\xa9", G_SET, G_U8, 0, 0, NULL}, LULL_EFORMAT, "has byte 0xc3"},
        {{"", G_SET, G_U8, 0, 0, NULL}, LULL_EFORMAT, "a key has 0 bytes"},
    };
#undef F
    size_t i;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        gguf_spec s = spec_of(&micro, G_TENSOR_F32);
        s.order = orders[i % 2];
        s.keys[0] = cases[i].change;
        refuse(&s, cases[i].want, cases[i].words);
    }
}

static void keys_of_no_interest_are_passed_over(void **state)
{
    static const gguf_key_change cases[] = {
        {"llama.rope.scaling.type", G_SET, G_STRING, 0, 0, "none"},
        {"llama.rope.scaling.factor", G_SET, G_F32, 0x3f800000u, 0, NULL},
        {"llama.expert_count", G_SET, G_U32, 0, 0, NULL},
        {"split.count", G_SET, G_U16, 1, 0, NULL},
        {"some.array", G_SET, G_ARRAY, 0, G_F64, NULL},
        {"some.array", G_SET, G_ARRAY, 5000, G_I16, NULL},
        {"some.array", G_SET, G_ARRAY, 700, G_STRING, NULL},
        {"some.number", G_SET, G_I64, 1, 0, NULL},
        {"some.number", G_SET, G_BOOL, 7, 0, NULL},
        {"tokenizer.chat_template", G_SET, G_STRING, 0, 0, "{{ a }}\n\xff"},
        {"a.very.long.key.that.is.longer.than.any.key.which.means.something.to.lull.at.all", G_SET,
         G_U8, 0, 0, NULL},
        {"general.name", G_SET, G_STRING, 0, 0, "caf\xc3\xa9, and longer than is kept of a text"},
    };
    size_t i;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        gguf_spec s = spec_of(&micro, G_TENSOR_F32);
        lull_model *m;
        s.order = orders[i % 2];
        s.keys[0] = cases[i];
        m = load_spec(&s, LULL_F32, 0);
        check_weights(m, &s);
        lull_model_release(m);
    }
}

/* ---- wrong tensors */

static void wrong_tensors_are_named(void **state)
{
    static const struct {
        gguf_tensor_change change;
        lull_status want;
        const char *words;
    } cases[] = {
        {{"blk.1.ffn_up.weight", G_T_OMIT, 0, NULL},
         LULL_EFORMAT,
         "tensor blk.1.ffn_up.weight is missing"},
        {{"output_norm.weight", G_T_OMIT, 0, NULL}, LULL_EFORMAT, "output_norm.weight is missing"},
        {{"token_embd.weight", G_T_NAME, 0, "token_embd.weighs"},
         LULL_EFORMAT,
         "token_embd.weight is missing"},
        {{"blk.0.attn_v.weight", G_T_NAME, 0, "blk.0.attn_k.weight"},
         LULL_EFORMAT,
         "tensor blk.0.attn_k.weight occurs twice"},
        {{"blk.0.attn_v.weight", G_T_NAME, 0, "blk.536870912.attn_v.weight"},
         LULL_EFORMAT,
         "tensor blk.536870912.attn_v.weight: the model has 2 layers"},
        {{"blk.0.attn_v.weight", G_T_NAME, 0, "blk.99999999999999999999.attn_v.weight"},
         LULL_EFORMAT,
         "blk.0.attn_v.weight is missing"},
        {{"blk.0.attn_v.weight", G_T_NAME, 0, "blk.-1.attn_v.weight"}, LULL_EFORMAT, "is missing"},
        {{"blk.0.attn_v.weight", G_T_NAME, 0, "blk..attn_v.weight"}, LULL_EFORMAT, "is missing"},
        {{"blk.0.attn_v.weight", G_T_NAME, 0, "blk.0.attn_q.bias"},
         LULL_EUNSUPPORTED,
         "tensor blk.0.attn_q.bias is not known"},
        {{"blk.0.attn_v.weight", G_T_NAME, 0, "rope_freqs.weight"},
         LULL_EUNSUPPORTED,
         "rope_freqs.weight scales the rotary positions"},
        {{"blk.0.attn_v.weight", G_T_NAME, 0, ""}, LULL_EFORMAT, "a tensor's name has 0 bytes"},
        {{"blk.0.attn_v.weight", G_T_NAME, 0,
          "a.name.of.sixty.five.letters.is.one.letter.longer.than.ggml.allows"},
         LULL_EFORMAT,
         "a tensor's name has 66 bytes"},
        {{"blk.0.attn_v.weight", G_T_NAME, 0, "blk\x01"}, LULL_EFORMAT, "has byte 0x01"},
        {{"blk.0.attn_v.weight", G_T_DIMS, 0, NULL},
         LULL_EFORMAT,
         "tensor blk.0.attn_v.weight has 0 dimensions, expected 1..4"},
        {{"blk.0.attn_v.weight", G_T_DIMS, 5, NULL}, LULL_EFORMAT, "has 5 dimensions"},
        {{"blk.0.attn_v.weight", G_T_DIMS, 0xffffffffu, NULL}, LULL_EFORMAT, "has 4294967295 dim"},
        {{"blk.0.attn_v.weight", G_T_DIMS, 1, NULL},
         LULL_EFORMAT,
         "has 1 rows of 4, expected 2 rows of 4"},
        {{"blk.0.attn_v.weight", G_T_DIM0, 0, NULL},
         LULL_EFORMAT,
         "dimension 0 of tensor blk.0.attn_v.weight is 0"},
        {{"blk.0.attn_v.weight", G_T_DIM1, 0, NULL}, LULL_EFORMAT, "dimension 1 of tensor"},
        {{"blk.0.attn_v.weight", G_T_DIM0, UINT64_MAX, NULL}, LULL_EFORMAT, "dimension 0 of"},
        {{"blk.0.attn_v.weight", G_T_DIM0, (UINT64_C(1) << 62) - 1, NULL},
         LULL_EFORMAT,
         "is larger than any file"},
        {{"blk.0.attn_v.weight", G_T_DIM1, UINT64_C(1) << 61, NULL},
         LULL_EFORMAT,
         "larger than any"},
        {{"blk.0.attn_v.weight", G_T_DIM1, UINT64_C(1) << 40, NULL},
         LULL_EFORMAT,
         "needs 17592186044416 bytes"},
        {{"blk.0.attn_v.weight", G_T_DIM0, 2, NULL},
         LULL_EFORMAT,
         "has 2 rows of 2, expected 2 rows of 4"},
        {{"blk.0.ffn_up.weight", G_T_DIM0, 6, NULL}, LULL_EFORMAT, "has 6 rows of 6, expected"},
        {{"blk.0.attn_v.weight", G_T_TYPE, 8, NULL},
         LULL_EFORMAT,
         "rows of tensor blk.0.attn_v.weight have 4 weights, which are no whole blocks of 32"},
        {{"blk.0.attn_v.weight", G_T_TYPE, 4, NULL},
         LULL_EUNSUPPORTED,
         "tensor blk.0.attn_v.weight has type 4 (unknown); F32, F16, Q4_0 and Q8_0 are read"},
        {{"blk.0.attn_v.weight", G_T_TYPE, 12, NULL}, LULL_EUNSUPPORTED, "has type 12 (Q4_K)"},
        {{"blk.0.attn_v.weight", G_T_TYPE, 30, NULL}, LULL_EUNSUPPORTED, "has type 30 (BF16)"},
        {{"blk.0.attn_v.weight", G_T_TYPE, 99, NULL}, LULL_EUNSUPPORTED, "has type 99 (unknown)"},
        {{"blk.0.attn_v.weight", G_T_TYPE, 1u << 31, NULL}, LULL_EUNSUPPORTED, "type 2147483648"},
        {{"blk.0.attn_norm.weight", G_T_TYPE, 1, NULL},
         LULL_EUNSUPPORTED,
         "blk.0.attn_norm.weight has type F16, norms are read as F32 only"},
        {{"blk.0.attn_v.weight", G_T_OFFSET, 1, NULL}, LULL_EFORMAT, "begin at"},
        {{"blk.0.attn_v.weight", G_T_OFFSET, 32, NULL}, LULL_EFORMAT, "begin at"},
        {{"blk.0.attn_v.weight", G_T_OFFSET, (uint64_t)0 - 32, NULL},
         LULL_EFORMAT,
         "where those before end"},
        {{"token_embd.weight", G_T_OFFSET, UINT64_C(1) << 63, NULL},
         LULL_EFORMAT,
         "data of tensor token_embd.weight begin at 9223372036854775808, expected 0"},
    };
    size_t i;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        gguf_spec s = spec_of(&micro, G_TENSOR_F32);
        s.order = orders[i % 2];
        s.tensor = cases[i].change;
        refuse(&s, cases[i].want, cases[i].words);
    }
}

static void tensors_of_no_interest_are_passed_over(void **state)
{
    static const char *const names[] = {"v.blk.0.attn_q.weight", "blk.0.attn_rot_embd.weight",
                                        "mm.0.bias"};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof names / sizeof names[0]; i++) {
        gguf_spec s = spec_of(&micro, G_TENSOR_F32);
        lull_model *m;
        s.order = orders[i % 2];
        s.tensor.tensor = i == 2 ? "output.weight" : "blk.0.attn_q.weight";
        s.tensor.what = G_T_EXTRA;
        s.tensor.text = names[i];
        m = load_spec(&s, LULL_F32, 0);
        check_weights(m, &s);
        lull_model_release(m);
    }
}

/* ---- headers, cuts and bits */

static void set_number(unsigned char *p, size_t bytes, uint64_t v, lull_byte_order order)
{
    size_t i;
    for (i = 0; i < bytes; i++)
        p[i] = (unsigned char)(v >> 8 * (order == LULL_BIG_ENDIAN ? bytes - 1 - i : i));
}

static void headers_that_are_none(void **state)
{
    static const struct {
        size_t at, bytes;
        uint64_t value;
        const char *words;
    } cases[] = {{4, 4, 0, "GGUF version is 0, expected 2 or 3"},
                 {4, 4, 1, "GGUF version 1 is not read"},
                 {4, 4, 4, "GGUF version is 4, expected 2 or 3"},
                 {4, 4, 0x03000000, "18446744073709551615 tensors are more than"},
                 {8, 8, UINT64_C(1) << 63, "9223372036854775808 tensors are more than"},
                 {8, 8, UINT64_C(1) << 32, "tensors are more than"},
                 {8, 8, UINT64_MAX, "tensors are more than"},
                 {8, 8, 1000000000, "1000000000 tensors are more than"},
                 {8, 8, 0, "0 tensors are too few for 2 layers"},
                 {8, 8, 18, "tensor blk.1.ffn_up.weight is missing"},
                 {8, 8, 20, "the last tensor ends at"},
                 {16, 8, UINT64_C(1) << 63, "9223372036854775808 keys are more than"},
                 {16, 8, UINT64_C(1) << 32, "keys are more than"},
                 {16, 8, UINT64_MAX, "keys are more than"},
                 {16, 8, 1000000000, "keys are more than"},
                 {16, 8, 0, "the key general.architecture is missing"},
                 {24, 8, 0, "a key has 0 bytes at offset 24, expected 1..65535"},
                 {24, 8, UINT64_MAX, "a key has 18446744073709551615 bytes"},
                 {24, 8, 65000, "key needs 65000 bytes"},
                 {56, 8, UINT64_MAX, "general.architecture needs 18446744073709551615 bytes"},
                 {56, 8, UINT64_C(1) << 32, "general.architecture needs 4294967296 bytes"}};
    size_t i, o;
    (void)state;
    for (o = 0; o < 2; o++)
        for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            gguf_spec s = spec_of(&micro, G_TENSOR_F32);
            gguf_bytes *file;
            s.order = orders[o];
            file = gguf_make(&s);
            set_number(file->bytes + cases[i].at, cases[i].bytes, cases[i].value, s.order);
            if (cases[i].value == 0x03000000) memset(file->bytes + 8, 0xff, 8);
            refuse_bytes(file->bytes, file->n, LULL_EFORMAT, cases[i].words);
            gguf_free(file);
        }
}

static void magic_and_order_are_checked(void **state)
{
    gguf_spec s = spec_of(&micro, G_TENSOR_F32);
    gguf_bytes *file = gguf_make(&s);
    lull_load_options o;
    lull_model *m;
    lull_error e;
    (void)state;
    lull_load_options_init(&o);
    o.byte_order = LULL_BIG_ENDIAN;
    assert_int_equal(load(&m, file->bytes, file->n, &o, &e), LULL_EFORMAT);
    assert_string_equal(e.message,
                        "memory: as big-endian: GGUF version is 50331648, expected 2 or 3");
    o.byte_order = LULL_LITTLE_ENDIAN;
    assert_int_equal(load(&m, file->bytes, file->n, &o, &e), LULL_OK);
    lull_model_release(m);
    memcpy(file->bytes, "FUGG", 4);
    refuse_bytes(file->bytes, file->n, LULL_EFORMAT, "a GGUF file with its magic number reversed");
    memcpy(file->bytes, "GGUG", 4);
    refuse_bytes(file->bytes, file->n, LULL_EFORMAT, "no whole checkpoint");
    gguf_free(file);
}

/* Every length that is not the file's; only the padding after the last tensor may be cut. */
static void no_cut_is_accepted(void **state)
{
    size_t o, n;
    (void)state;
    for (o = 0; o < 2; o++) {
        gguf_spec s = spec_of(&micro, G_TENSOR_F32);
        gguf_bytes *file;
        s.order = orders[o];
        file = gguf_make(&s);
        for (n = 0; n < file->n; n++) {
            const size_t data = 80; /* of output.weight, the last: (5, 4) floats, padded to 96 */
            if (n < file->n - 96 + data)
                refuse_bytes(file->bytes, n, LULL_EFORMAT, "");
            else {
                lull_model *m;
                assert_int_equal(load(&m, file->bytes, n, NULL, NULL), LULL_OK);
                lull_model_release(m);
            }
        }
        refuse_bytes(file->bytes, file->n - 17, LULL_EFORMAT, "the tensors end at");
        gguf_free(file);
    }
}

static void no_surplus_is_accepted(void **state)
{
    gguf_spec s = spec_of(&micro, G_TENSOR_F32);
    gguf_bytes *file = gguf_make(&s);
    unsigned char *longer = calloc(1, file->n + 4096);
    static const size_t surplus[] = {1, 31, 32, 4096};
    size_t i;
    (void)state;
    assert_non_null(longer);
    memcpy(longer, file->bytes, file->n);
    for (i = 0; i < sizeof surplus / sizeof surplus[0]; i++)
        refuse_bytes(longer, file->n + surplus[i], LULL_EFORMAT, "the last tensor ends at");
    free(longer);
    gguf_free(file);
}

/* Three tokens of whatever could be loaded. */
static void tell(lull_model *m)
{
    lull_context *c;
    lull_sequence *sequence;
    const int32_t ids[3] = {0, 0, 0};
    const float *logits;
    assert_int_equal(lull_context_open(&c, m, NULL, NULL), LULL_OK);
    assert_int_equal(lull_sequence_open(&sequence, c, NULL), LULL_OK);
    if (lull_sequence_feed(sequence, ids, 3, NULL, NULL) == LULL_OK) {
        assert_int_equal(lull_context_step(c, 0, NULL, NULL), LULL_OK);
        assert_int_equal(lull_sequence_logits(sequence, &logits, NULL), LULL_OK);
    }
    lull_sequence_close(sequence);
    lull_context_close(c);
}

/* An error in words, or a model; told says how often it has been tried out. */
static void try_bytes(const gguf_bytes *file, size_t *loaded)
{
    lull_load_options o;
    lull_model *m;
    lull_error e;
    lull_status status;
    lull_load_options_init(&o);
    o.max_memory_bytes = 64 << 10;
    status = load(&m, file->bytes, file->n, &o, &e);
    assert_int_equal(status == LULL_OK, m != NULL);
    if (status != LULL_OK) {
        assert_contains(e.message, "memory: ");
    } else {
        if (*loaded % 16 == 0) tell(m);
        lull_model_release(m);
        ++*loaded;
    }
}

static void no_header_number_breaks_anything(void **state)
{
    static const uint64_t values[] = {0,
                                      1,
                                      2,
                                      3,
                                      7,
                                      8,
                                      12,
                                      13,
                                      255,
                                      65536,
                                      0x7fffffff,
                                      0x80000000,
                                      0xffffffff,
                                      UINT64_C(1) << 32,
                                      UINT64_C(1) << 61,
                                      (UINT64_C(1) << 62) - 1,
                                      UINT64_C(1) << 63,
                                      UINT64_MAX - 31,
                                      UINT64_MAX};
    size_t o, f, v, loaded = 0;
    (void)state;
    for (o = 0; o < 2; o++) {
        gguf_spec s = spec_of(&micro, G_TENSOR_F32);
        gguf_bytes *file;
        s.order = orders[o];
        file = gguf_make(&s);
        assert_true(file->n_fields > 150);
        for (f = 0; f < file->n_fields; f++)
            for (v = 0; v < sizeof values / sizeof values[0]; v++) {
                unsigned char *p = file->bytes + file->fields[f].offset, good[8];
                memcpy(good, p, file->fields[f].bytes);
                set_number(p, file->fields[f].bytes, values[v], s.order);
                try_bytes(file, &loaded);
                memcpy(p, good, file->fields[f].bytes);
            }
        gguf_free(file);
    }
    assert_true(loaded > 0);
}

static void no_header_bit_breaks_anything(void **state)
{
    static const int types[] = {G_TENSOR_F32, G_TENSOR_Q8_0, G_TENSOR_Q4_0};
    size_t i, bit, loaded = 0;
    (void)state;
    for (i = 0; i < 3; i++) {
        gguf_spec s = spec_of(i ? &blocks : &micro, types[i]);
        gguf_bytes *file;
        s.order = orders[i % 2];
        file = gguf_make(&s);
        for (bit = 0; bit < 8 * file->header; bit++) {
            file->bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
            try_bytes(file, &loaded);
            file->bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        }
        gguf_free(file);
    }
    assert_true(loaded > 0);
}

static void scales_need_not_be_numbers(void **state)
{
    int type;
    (void)state;
    for (type = G_TENSOR_Q4_0; type <= G_TENSOR_Q8_0; type += 6) {
        gguf_spec s = spec_of(&blocks, type);
        gguf_bytes *file = gguf_make(&s);
        lull_precision precision;
        memset(file->bytes + file->header, 0xff, file->n - file->header);
        for (precision = LULL_AS_STORED; precision <= LULL_Q4; precision++) {
            lull_load_options o;
            lull_model *m;
            float row[32];
            lull_load_options_init(&o);
            o.precision = precision;
            assert_int_equal(load(&m, file->bytes, file->n, &o, NULL), LULL_OK);
            lull_matrix_row(&m->embedding, 3, row);
            assert_true(row[31] != row[31]);
            tell(m);
            lull_model_release(m);
        }
        gguf_free(file);
    }
}

static void no_allocation_is_taken_for_granted(void **state)
{
    gguf_spec s = spec_of(&blocks, G_TENSOR_Q8_0);
    gguf_bytes *file = gguf_make(&s);
    long k;
    (void)state;
    for (k = 1; k < 100; k++) {
        failing memory;
        lull_load_options o;
        lull_model *m;
        lull_error e;
        lull_status status;
        lull_load_options_init(&o);
        failing_init(&memory, k, 0);
        o.allocator = memory.allocator;
        status = load(&m, file->bytes, file->n, &o, &e);
        if (status == LULL_OK) {
            lull_model_release(m);
            assert_int_equal(memory.blocks, 0);
            break;
        }
        assert_int_equal(status, LULL_ENOMEM);
        assert_contains(e.message, "out of memory");
        assert_int_equal(memory.blocks, 0);
    }
    assert_true(k > 8 && k < 100);
    gguf_free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_keys_are_named),
        cmocka_unit_test(keys_of_no_interest_are_passed_over),
        cmocka_unit_test(wrong_tensors_are_named),
        cmocka_unit_test(tensors_of_no_interest_are_passed_over),
        cmocka_unit_test(headers_that_are_none),
        cmocka_unit_test(magic_and_order_are_checked),
        cmocka_unit_test(no_cut_is_accepted),
        cmocka_unit_test(no_surplus_is_accepted),
        cmocka_unit_test(no_header_number_breaks_anything),
        cmocka_unit_test(no_header_bit_breaks_anything),
        cmocka_unit_test(scales_need_not_be_numbers),
        cmocka_unit_test(no_allocation_is_taken_for_granted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
