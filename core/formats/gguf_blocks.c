/* gguf_blocks.c - how GGUF tensors hold their weights, 32 to a block (ggml, Gerganov 2022):
 *
 *     F16    2 bytes a weight
 *     Q8_0   f16 scale, 32 int8                      weight = scale * q
 *     Q4_0   f16 scale, 16 bytes                     weight = scale * (q - 8)
 *            byte j: low nibble = column j, high nibble = column j + 16
 *
 * In a big-endian file the f16 are big-endian; the rest is bytes. */
#include "../half.h"
#include "gguf.h"

static uint16_t get_u16(const unsigned char *raw, int swap)
{
    uint16_t v;
    memcpy(&v, raw, sizeof v);
    return swap ? (uint16_t)(v >> 8 | v << 8) : v;
}

static void put_u16(unsigned char *raw, uint16_t v, int swap)
{
    if (swap) v = (uint16_t)(v >> 8 | v << 8);
    memcpy(raw, &v, sizeof v);
}

void lull_f16_unpack(const unsigned char *raw, size_t n, int swap, float *out)
{
    size_t i;
    for (i = 0; i < n; i++) out[i] = lull_f16_float(get_u16(raw + 2 * i, swap));
}

void lull_f16_pack(const float *in, size_t n, int swap, unsigned char *raw)
{
    size_t i;
    for (i = 0; i < n; i++) put_u16(raw + 2 * i, lull_float_f16(in[i]), swap);
}

void lull_q8_0_unpack(const unsigned char *raw, size_t n_blocks, int swap, int8_t *q, float *scales)
{
    size_t b;
    for (b = 0; b < n_blocks; b++, raw += LULL_Q8_0_BYTES, q += LULL_GGUF_BLOCK) {
        scales[b] = lull_f16_float(get_u16(raw, swap));
        memcpy(q, raw + 2, LULL_GGUF_BLOCK);
    }
}

void lull_q8_0_pack(const int8_t *q, const float *scales, size_t n_blocks, int swap,
                    unsigned char *raw)
{
    size_t b;
    for (b = 0; b < n_blocks; b++, raw += LULL_Q8_0_BYTES, q += LULL_GGUF_BLOCK) {
        put_u16(raw, lull_float_f16(scales[b]), swap);
        memcpy(raw + 2, q, LULL_GGUF_BLOCK);
    }
}

void lull_q4_0_unpack(const unsigned char *raw, size_t n_blocks, int swap, int8_t *q, float *scales)
{
    size_t b, j;
    for (b = 0; b < n_blocks; b++, raw += LULL_Q4_0_BYTES, q += LULL_GGUF_BLOCK) {
        scales[b] = lull_f16_float(get_u16(raw, swap));
        for (j = 0; j < LULL_GGUF_BLOCK / 2; j++) {
            q[j] = (int8_t)((raw[2 + j] & 15) - 8);
            q[j + LULL_GGUF_BLOCK / 2] = (int8_t)((raw[2 + j] >> 4) - 8);
        }
    }
}

void lull_q4_0_pack(const int8_t *q, const float *scales, size_t n_blocks, int swap,
                    unsigned char *raw)
{
    size_t b, j;
    for (b = 0; b < n_blocks; b++, raw += LULL_Q4_0_BYTES, q += LULL_GGUF_BLOCK) {
        put_u16(raw, lull_float_f16(scales[b]), swap);
        for (j = 0; j < LULL_GGUF_BLOCK / 2; j++) {
            const int low = q[j] + 8, high = q[j + LULL_GGUF_BLOCK / 2] + 8;
            raw[2 + j] = (unsigned char)(low | high << 4);
        }
    }
}
