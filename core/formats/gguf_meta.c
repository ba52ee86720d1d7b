/* gguf_meta.c - the keys and values at the beginning of a GGUF file:
 *
 *   key     u64 length, bytes (ASCII, dots between its parts)
 *   type    u32, as listed in gguf.h
 *   value   a number; a bool of one byte; a string: u64 length, bytes;
 *           an array: u32 type of its elements, u64 count, the elements
 *
 * Files are strangers' (over a dozen CVEs are about this very list in other readers), so: no number
 * of the file is used before it is compared with the bytes that are left; what is not known is
 * walked over and never stored; arrays of arrays, which nothing uses, are refused, so nothing
 * recurses.  Comparisons are made once an array, and once a string. */
#include "gguf.h"

#include <inttypes.h>

#define LONGEST_KEY    65535 /* by the specification */
#define SHORTEST_ENTRY 14    /* bytes: a key of one letter and a value of one byte */

static const char *const type_names[LULL_GGUF_TYPES] = {
    "u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64"};

/* Bytes of a value; 0 = it tells itself. */
static const unsigned char type_bytes[LULL_GGUF_TYPES] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

const lull_gguf_key lull_gguf_keys[LULL_KEYS] = {
    {"general.architecture", LULL_GGUF_STRING, 0},
    {"general.name", LULL_GGUF_STRING, 0},
    {"general.alignment", LULL_GGUF_U32, 0},
    {"general.file_type", LULL_GGUF_U32, 0},
    {"general.quantization_version", LULL_GGUF_U32, 0},
    {"split.count", LULL_GGUF_U16, 0},
    {"llama.vocab_size", LULL_GGUF_U32, 0},
    {"llama.context_length", LULL_GGUF_U32, 0},
    {"llama.embedding_length", LULL_GGUF_U32, 0},
    {"llama.block_count", LULL_GGUF_U32, 0},
    {"llama.feed_forward_length", LULL_GGUF_U32, 0},
    {"llama.attention.head_count", LULL_GGUF_U32, 0},
    {"llama.attention.head_count_kv", LULL_GGUF_U32, 0},
    {"llama.attention.key_length", LULL_GGUF_U32, 0},
    {"llama.attention.value_length", LULL_GGUF_U32, 0},
    {"llama.attention.layer_norm_rms_epsilon", LULL_GGUF_F32, 0},
    {"llama.rope.dimension_count", LULL_GGUF_U32, 0},
    {"llama.rope.freq_base", LULL_GGUF_F32, 0},
    {"llama.rope.scale_linear", LULL_GGUF_F32, 0},
    {"llama.rope.scaling.type", LULL_GGUF_STRING, 0},
    {"llama.rope.scaling.factor", LULL_GGUF_F32, 0},
    {"llama.expert_count", LULL_GGUF_U32, 0},
    {"tokenizer.ggml.model", LULL_GGUF_STRING, 0},
    {"tokenizer.ggml.tokens", LULL_GGUF_ARRAY, LULL_GGUF_STRING},
    {"tokenizer.ggml.scores", LULL_GGUF_ARRAY, LULL_GGUF_F32},
    {"tokenizer.ggml.token_type", LULL_GGUF_ARRAY, LULL_GGUF_I32},
    {"tokenizer.ggml.bos_token_id", LULL_GGUF_U32, 0},
    {"tokenizer.ggml.eos_token_id", LULL_GGUF_U32, 0},
    {"tokenizer.ggml.unknown_token_id", LULL_GGUF_U32, 0},
    {"tokenizer.ggml.add_bos_token", LULL_GGUF_BOOL, 0},
    {"tokenizer.ggml.add_space_prefix", LULL_GGUF_BOOL, 0},
    {"tokenizer.chat_template", LULL_GGUF_STRING, 0},
};

/* ---- the cursor */

void lull_gguf_cursor_open(lull_gguf_cursor *c, lull_reader *r, const char *reading,
                           uint64_t offset)
{
    c->reader = r;
    c->reading = reading;
    c->offset = offset;
    c->block_from = 0;
    c->block_bytes = 0;
}

static lull_status fill_block(lull_gguf_cursor *c, const char *what, lull_error *error)
{
    const uint64_t left = c->reader->size - c->offset;
    const size_t n = left < sizeof c->block ? (size_t)left : sizeof c->block;
    lull_status status = lull_reader_seek(c->reader, c->offset, what, error);
    c->block_from = c->offset;
    c->block_bytes = 0;
    if (status == LULL_OK) status = lull_reader_bytes(c->reader, c->block, n, what, error);
    if (status == LULL_OK) c->block_bytes = n;
    return status;
}

lull_status lull_gguf_take(lull_gguf_cursor *c, void *out, uint64_t n, const char *what,
                           lull_error *error)
{
    unsigned char *to = out;
    if (n > c->reader->size - c->offset)
        return lull_fail(error, LULL_EFORMAT, 0, c->offset,
                         "%s: %s needs %" PRIu64 " bytes at offset %" PRIu64
                         ", file ends at %" PRIu64,
                         c->reading, what, n, c->offset, c->reader->size);
    if (to == NULL) {
        c->offset += n;
        return LULL_OK;
    }
    while (n > 0) {
        size_t inside, count;
        if (c->offset < c->block_from || c->offset - c->block_from >= c->block_bytes) {
            lull_status status = fill_block(c, what, error);
            if (status != LULL_OK) return status;
        }
        inside = (size_t)(c->offset - c->block_from);
        count = c->block_bytes - inside;
        if (count > n) count = (size_t)n;
        memcpy(to, c->block + inside, count);
        to += count;
        c->offset += count;
        n -= count;
    }
    return LULL_OK;
}

lull_status lull_gguf_u32(lull_gguf_cursor *c, uint32_t *out, const char *what, lull_error *error)
{
    uint32_t v = 0;
    lull_status status = lull_gguf_take(c, &v, sizeof v, what, error);
    *out = c->reader->swap ? lull_swap32(v) : v;
    return status;
}

lull_status lull_gguf_u64(lull_gguf_cursor *c, uint64_t *out, const char *what, lull_error *error)
{
    uint64_t v = 0;
    lull_status status = lull_gguf_take(c, &v, sizeof v, what, error);
    *out = c->reader->swap
               ? (uint64_t)lull_swap32((uint32_t)v) << 32 | lull_swap32((uint32_t)(v >> 32))
               : v;
    return status;
}

/* ---- strings and keys */

/* The first bytes of a string of n into text, made printable; the rest is passed over. */
static lull_status take_text(lull_gguf_cursor *c, char *text, size_t room, uint64_t n,
                             const char *what, lull_error *error)
{
    const size_t kept = n < room - 1 ? (size_t)n : room - 1;
    size_t i;
    lull_status status = LULL_OK;
    if (n > c->reader->size - c->offset) return lull_gguf_take(c, NULL, n, what, error);
    status = lull_gguf_take(c, text, kept, what, error);
    if (status != LULL_OK) return status;
    text[kept] = 0;
    for (i = 0; i < kept; i++)
        if (text[i] < 0x20 || text[i] > 0x7e) text[i] = '?';
    return lull_gguf_take(c, NULL, n - kept, what, error);
}

/* A key; its beginning, as long as every key that is known and one letter more, into key. */
static lull_status take_key(lull_gguf_cursor *c, char *key, size_t room, lull_error *error)
{
    const uint64_t at = c->offset;
    uint64_t n = 0, i;
    lull_status status = lull_gguf_u64(c, &n, "length of a key", error);
    if (status != LULL_OK) return status;
    if (n < 1 || n > LONGEST_KEY)
        return lull_fail(error, LULL_EFORMAT, 0, at,
                         "%s: a key has %" PRIu64 " bytes at offset %" PRIu64 ", expected 1..%d",
                         c->reading, n, at, LONGEST_KEY);
    if (n > c->reader->size - c->offset) return lull_gguf_take(c, NULL, n, "key", error);
    for (i = 0; i < n && status == LULL_OK; i++) {
        char letter = 0;
        status = lull_gguf_take(c, &letter, 1, "key", error);
        if (status == LULL_OK && (letter < 0x21 || letter > 0x7e))
            return lull_fail(error, LULL_EFORMAT, 0, c->offset - 1,
                             "%s: the key at offset %" PRIu64
                             " has byte 0x%02x, expected printable "
                             "ASCII",
                             c->reading, at, (unsigned)(unsigned char)letter);
        if (i < room - 1) key[i] = letter;
    }
    key[n < room - 1 ? n : room - 1] = 0;
    return status;
}

/* ---- values */

static lull_status check_type(const lull_gguf_cursor *c, uint32_t type, const char *key,
                              lull_error *error)
{
    if (type < LULL_GGUF_TYPES) return LULL_OK;
    return lull_fail(error, LULL_EFORMAT, 0, c->offset - 4, "%s: %s has type %lu, expected 0..%d",
                     c->reading, key, (unsigned long)type, LULL_GGUF_TYPES - 1);
}

/* Type and count of an array, checked against what is left of the file. */
static lull_status take_array_head(lull_gguf_cursor *c, uint32_t *element, uint64_t *n,
                                   const char *key, lull_error *error)
{
    uint64_t least, at;
    lull_status status = lull_gguf_u32(c, element, key, error);
    if (status == LULL_OK) status = check_type(c, *element, key, error);
    at = c->offset;
    if (status == LULL_OK && *element == LULL_GGUF_ARRAY)
        return lull_fail(error, LULL_EFORMAT, 0, at - 4, "%s: %s is an array of arrays", c->reading,
                         key);
    if (status == LULL_OK) status = lull_gguf_u64(c, n, key, error);
    if (status != LULL_OK) return status;
    least = type_bytes[*element] ? type_bytes[*element] : 8;
    if (*n <= (c->reader->size - c->offset) / least) return LULL_OK;
    return lull_fail(error, LULL_EFORMAT, 0, at,
                     "%s: %s has %" PRIu64 " elements at offset %" PRIu64 ", file ends at %" PRIu64,
                     c->reading, key, *n, c->offset, c->reader->size);
}

/* Past n values of a type that is no array. */
static lull_status pass(lull_gguf_cursor *c, uint32_t type, uint64_t n, const char *key,
                        lull_error *error)
{
    lull_status status = LULL_OK;
    if (type_bytes[type]) return lull_gguf_take(c, NULL, n * type_bytes[type], key, error);
    for (; n > 0 && status == LULL_OK; n--) {
        uint64_t bytes = 0;
        status = lull_gguf_u64(c, &bytes, key, error);
        if (status == LULL_OK) status = lull_gguf_take(c, NULL, bytes, key, error);
    }
    return status;
}

static lull_status fail_type(const lull_gguf_cursor *c, const lull_gguf_key *key, const char *of,
                             uint32_t found, lull_error *error)
{
    const int array = key->type == LULL_GGUF_ARRAY;
    return lull_fail(error, LULL_EFORMAT, 0, c->offset, "%s: %s is %s%s, expected %s%s", c->reading,
                     key->name, of, type_names[found], array ? "array of " : "",
                     type_names[array ? key->element : key->type]);
}

/* A value of any type; kept where key is one that is known. */
static lull_status take_value(lull_gguf_cursor *c, uint32_t type, const lull_gguf_key *key,
                              lull_gguf_value *value, const char *name, lull_error *error)
{
    uint32_t element = type;
    uint64_t n = 1;
    unsigned char byte = 0;
    uint16_t half = 0;
    lull_status status = LULL_OK;
    if (type == LULL_GGUF_ARRAY) status = take_array_head(c, &element, &n, name, error);
    if (status != LULL_OK || key == NULL)
        return status == LULL_OK ? pass(c, element, n, name, error) : status;
    if (type != key->type || (type == LULL_GGUF_ARRAY && element != key->element))
        return fail_type(c, key, type == LULL_GGUF_ARRAY ? "array of " : "", element, error);
    value->offset = c->offset;
    value->n = n;
    switch (type) {
    case LULL_GGUF_U32: return lull_gguf_u32(c, &value->u, name, error);
    case LULL_GGUF_F32:
        status = lull_gguf_u32(c, &value->u, name, error);
        value->f = lull_bits_float(value->u);
        return status;
    case LULL_GGUF_U16:
        status = lull_gguf_take(c, &half, sizeof half, name, error);
        value->u = c->reader->swap ? (half >> 8 | half << 8) & 0xffffu : half;
        return status;
    case LULL_GGUF_BOOL:
        status = lull_gguf_take(c, &byte, 1, name, error);
        value->u = byte;
        if (status != LULL_OK || byte <= 1) return status;
        return lull_fail(error, LULL_EFORMAT, 0, c->offset - 1, "%s: %s is %d, expected 0 or 1",
                         c->reading, name, byte);
    case LULL_GGUF_STRING:
        status = lull_gguf_u64(c, &n, name, error);
        return status == LULL_OK ? take_text(c, value->text, sizeof value->text, n, name, error)
                                 : status;
    default: return pass(c, element, n, name, error);
    }
}

static lull_status take_entry(lull_gguf_meta *meta, lull_gguf_cursor *c, lull_error *error)
{
    char name[64];
    uint32_t type = 0;
    int k;
    lull_status status = take_key(c, name, sizeof name, error);
    if (status == LULL_OK) status = lull_gguf_u32(c, &type, name, error);
    if (status == LULL_OK) status = check_type(c, type, name, error);
    if (status != LULL_OK) return status;
    for (k = 0; k < LULL_KEYS; k++)
        if (strcmp(name, lull_gguf_keys[k].name) == 0) break;
    if (k == LULL_KEYS) return take_value(c, type, NULL, NULL, name, error);
    if (meta->values[k].given)
        return lull_fail(error, LULL_EFORMAT, 0, c->offset, "%s: the key %s occurs twice",
                         c->reading, name);
    meta->values[k].given = 1;
    return take_value(c, type, &lull_gguf_keys[k], &meta->values[k], name, error);
}

lull_status lull_gguf_meta_read(lull_gguf_meta *meta, lull_gguf_cursor *c, uint64_t n,
                                lull_error *error)
{
    lull_status status = LULL_OK;
    memset(meta, 0, sizeof *meta);
    if (n > (c->reader->size - c->offset) / SHORTEST_ENTRY)
        return lull_fail(error, LULL_EFORMAT, 0, 16,
                         "%s: %" PRIu64 " keys are more than %" PRIu64 " bytes can hold",
                         c->reading, n, c->reader->size);
    for (; n > 0 && status == LULL_OK; n--) status = take_entry(meta, c, error);
    return status;
}
