/* formats.c - which format and byte order a file has, and the checks that all formats share.
 *
 * The byte order is found by reading the header in both: one whose numbers are in range and whose
 * tensors end exactly where the file ends is taken.  Both cannot be, since a number of layers that
 * is in range in one order is above its bound in the other (config.c). */
#include "formats.h"

#include <inttypes.h>
#include <string.h>

#define SMALLEST_HEADER 28 /* bytes: seven int32 */
#define HEAD_BYTES      64 /* looked at to name a file that is no checkpoint */

/* ---- tensors */

lull_precision lull_tensor_precision(lull_tensor_type type)
{
    switch (type) {
    case LULL_TENSOR_Q8:
    case LULL_TENSOR_Q8_0: return LULL_Q8;
    case LULL_TENSOR_Q4_0: return LULL_Q4;
    default: return LULL_F32;
    }
}

void lull_layer_shape(const lull_config *c, int kind, int32_t *rows, int32_t *cols)
{
    *rows = *cols = c->dim;
    if (kind == LULL_RMS_ATT || kind == LULL_RMS_FFN) *rows = 1;
    if (kind == LULL_WK || kind == LULL_WV) *rows = c->dim / c->n_heads * c->n_kv_heads;
    if (kind == LULL_W1 || kind == LULL_W3) *rows = c->hidden_dim;
    if (kind == LULL_W2) *cols = c->hidden_dim;
}

/* ---- sections */

static lull_status take(lull_walk *w, const char *what, uint64_t bytes, lull_error *error)
{
    if (bytes > w->size - w->offset)
        return lull_fail(error, LULL_EFORMAT, 0, w->offset,
                         "%s: section %s needs %" PRIu64 " bytes at offset %" PRIu64
                         ", file ends at %" PRIu64,
                         w->reading, what, bytes, w->offset, w->size);
    w->offset += bytes;
    return LULL_OK;
}

/* count tensors of (rows, cols), stride apart in memory, one after the other in the file. */
static lull_status place(lull_walk *w, const char *what, lull_tensor *first, size_t stride,
                         int32_t count, int32_t rows, int32_t cols, int32_t group,
                         lull_error *error)
{
    uint64_t weights = (uint64_t)rows * (uint64_t)cols; /* below 2^42 by lull_config_check */
    uint64_t data = group ? weights : 4 * weights;
    uint64_t scales = group ? 4 * (weights / (uint64_t)group) : 0;
    uint64_t offset = w->offset;
    lull_status status = take(w, what, (uint64_t)count * (data + scales), error);
    int32_t i;
    if (status != LULL_OK) return status;
    for (i = 0; i < count; i++) {
        lull_tensor *t = first + (size_t)i * stride;
        t->type = group ? LULL_TENSOR_Q8 : LULL_TENSOR_F32;
        t->rows = rows;
        t->cols = cols;
        t->group = group;
        t->offset = offset;
        t->scales = group ? offset + data : 0;
        offset += data + scales;
    }
    return LULL_OK;
}

lull_status lull_walk_vector(lull_walk *w, const char *what, lull_tensor *t, int32_t n,
                             lull_error *error)
{
    return place(w, what, t, 0, 1, 1, n, 0, error);
}

lull_status lull_walk_matrix(lull_walk *w, const char *what, lull_tensor *t, int32_t rows,
                             int32_t cols, lull_error *error)
{
    return place(w, what, t, 0, 1, rows, cols, w->group, error);
}

lull_status lull_walk_layers(lull_walk *w, lull_layout *layout, int kind, lull_error *error)
{
    static const char *const names[LULL_LAYER_TENSORS] = {"rms_att", "wq", "wk", "wv", "wo",
                                                          "rms_ffn", "w1", "w2", "w3"};
    const int vector = kind == LULL_RMS_ATT || kind == LULL_RMS_FFN;
    int32_t rows, cols;
    lull_layer_shape(&layout->config, kind, &rows, &cols);
    return place(w, names[kind], layout->layers + kind, LULL_LAYER_TENSORS, layout->config.n_layers,
                 rows, cols, vector ? 0 : w->group, error);
}

lull_status lull_walk_skip(lull_walk *w, const char *what, uint64_t bytes, lull_error *error)
{
    return take(w, what, bytes, error);
}

lull_status lull_walk_end(const lull_walk *w, lull_error *error)
{
    if (w->offset == w->size) return LULL_OK;
    return lull_fail(error, LULL_EFORMAT, 0, w->offset,
                     "%s: the last section ends at %" PRIu64 ", file ends at %" PRIu64, w->reading,
                     w->offset, w->size);
}

lull_status lull_layout_reserve(lull_layout *layout, const lull_allocator *allocator,
                                lull_error *error)
{
    size_t bytes = (size_t)layout->config.n_layers * LULL_LAYER_TENSORS * sizeof *layout->layers;
    layout->layers = lull_memory_get_zeroed(allocator, bytes);
    return layout->layers ? LULL_OK : lull_memory_fail(error, "layout", bytes);
}

void lull_layout_free(lull_layout *layout, const lull_allocator *allocator)
{
    lull_memory_put(allocator, layout->layers);
    layout->layers = NULL;
}

/* ---- the search */

typedef lull_status (*probe)(lull_layout *layout, lull_reader *r, const char *reading,
                             const lull_allocator *allocator, lull_error *error);

/* One reading of the file.  A reading that fails leaves nothing behind. */
static lull_status try_order(lull_layout *layout, lull_reader *r, lull_byte_order order, probe read,
                             const lull_allocator *allocator, lull_error *error)
{
    const char *reading = order == LULL_BIG_ENDIAN ? "as big-endian" : "as little-endian";
    lull_status status;
    memset(layout, 0, sizeof *layout);
    layout->byte_order = order;
    layout->rope_base = LULL_ROPE_BASE;
    r->swap = order != LULL_HOST_ORDER;
    status = lull_reader_seek(r, 0, "header", error);
    if (status == LULL_OK) status = read(layout, r, reading, allocator, error);
    if (status != LULL_OK) lull_layout_free(layout, allocator);
    return status;
}

/* Neither reading fits: name the file for what it looks like, or say what is wrong with each
 * reading, the one that came further first. */
static lull_status fail_both(const lull_reader *r, const char *looks_like, const lull_error *little,
                             const lull_error *big, lull_error *error)
{
    const char *tail = lull_path_tail(r->name);
    const lull_error *further = big->offset > little->offset ? big : little;
    if (looks_like)
        return lull_fail(error, LULL_EFORMAT, 0, 0, "%s: no checkpoint; it looks like %s", tail,
                         looks_like);
    return lull_fail(error, LULL_EFORMAT, 0, further->offset, "%s: no whole checkpoint; %s; %s",
                     tail, further->message, further == big ? little->message : big->message);
}

/* The one order asked for; messages get the file's name. */
static lull_status read_one(lull_layout *layout, lull_reader *r, lull_byte_order order, probe read,
                            const lull_allocator *allocator, lull_error *error)
{
    lull_error e;
    lull_status status;
    lull_error_clear(&e);
    status = try_order(layout, r, order, read, allocator, &e);
    if (status == LULL_EFORMAT || status == LULL_EUNSUPPORTED)
        return lull_fail(error, status, e.sys, e.offset, "%s: %s", lull_path_tail(r->name),
                         e.message);
    if (status != LULL_OK && error != NULL) *error = e;
    return status;
}

/* The byte order of a GGUF file is that in which its version, at 4, is a small number. */
static lull_byte_order gguf_order(const unsigned char *head, size_t n)
{
    if (n < 8 || head[4] != 0 || head[5] != 0) return LULL_LITTLE_ENDIAN;
    return head[6] != 0 || head[7] != 0 ? LULL_BIG_ENDIAN : LULL_LITTLE_ENDIAN;
}

lull_status lull_layout_read(lull_layout *layout, lull_reader *r, lull_byte_order wanted,
                             const lull_allocator *allocator, lull_error *error)
{
    unsigned char head[HEAD_BYTES];
    size_t n = r->size < HEAD_BYTES ? (size_t)r->size : HEAD_BYTES;
    const char *tail = lull_path_tail(r->name), *looks_like;
    lull_error little, big;
    lull_status status;
    memset(layout, 0, sizeof *layout);
    if (n == 0) return lull_fail(error, LULL_EFORMAT, 0, 0, "%s: the file is empty", tail);
    status = lull_reader_seek(r, 0, "header", error);
    if (status == LULL_OK) status = lull_reader_bytes(r, head, n, "header", error);
    if (status != LULL_OK) return status;
    if (n >= 4 && memcmp(head, "24ka", 4) == 0 && wanted != LULL_BIG_ENDIAN)
        return read_one(layout, r, LULL_LITTLE_ENDIAN, lull_llama2c_ak42_layout, allocator, error);
    if (n >= 4 && memcmp(head, "ak42", 4) == 0 && wanted != LULL_LITTLE_ENDIAN)
        return read_one(layout, r, LULL_BIG_ENDIAN, lull_llama2c_ak42_layout, allocator, error);
    if (n >= 4 && memcmp(head, "GGUF", 4) == 0)
        return read_one(layout, r, wanted == LULL_ANY_ORDER ? gguf_order(head, n) : wanted,
                        lull_gguf_layout, allocator, error);
    looks_like = lull_reader_looks_like(head, n);
    if (n < SMALLEST_HEADER && !looks_like)
        return lull_fail(error, LULL_EFORMAT, 0, 0,
                         "%s: no checkpoint; it has %d bytes, the smallest header has %d", tail,
                         (int)n, SMALLEST_HEADER);
    lull_error_clear(&little);
    lull_error_clear(&big);
    if (wanted == LULL_LITTLE_ENDIAN || wanted == LULL_BIG_ENDIAN)
        return read_one(layout, r, wanted, lull_llama2c_v0_layout, allocator, error);
    status = try_order(layout, r, LULL_LITTLE_ENDIAN, lull_llama2c_v0_layout, allocator, &little);
    if (status != LULL_EFORMAT) {
        if (status != LULL_OK && error != NULL) *error = little;
        return status;
    }
    status = try_order(layout, r, LULL_BIG_ENDIAN, lull_llama2c_v0_layout, allocator, &big);
    if (status == LULL_EFORMAT) return fail_both(r, looks_like, &little, &big, error);
    if (status != LULL_OK && error != NULL) *error = big;
    return status;
}
