/* tile_emulation.h - the names of core/kernels/tiles.h in plain C, so that core/kernels/amx.c runs
 * on processors without tiles (make EMULATE_AMX=1).
 *
 * As strict as the processor: what would raise an exception there ends the program here, with a
 * word about it.  A load or store touches rows x bytes of the tile's shape and nothing else; rows
 * and bytes past them are zero.  After Intel's SDM, volume 1, chapter 18, and volume 2, LDTILECFG,
 * TILELOADD, TDPBSUD. */
#ifndef TILE_EMULATION_H
#define TILE_EMULATION_H

#include "kernels/tables.h"

#include <stdio.h>
#include <stdlib.h>

#define TILES_CONFIGURE(config)         tiles_configure(config)
#define TILES_RELEASE()                 tiles_release()
#define TILE_ZERO(tile)                 memset(tile_of(tile)->byte, 0, sizeof tile_of(tile)->byte)
#define TILE_LOAD(tile, from, stride)   tile_load(tile, from, stride)
#define TILE_STORE(tile, to, stride)    tile_store(tile, to, stride)
#define TILE_MULTIPLY_UNSIGNED(c, a, b) tile_multiply(c, a, b, 0)
#define TILE_MULTIPLY_SIGNED(c, a, b)   tile_multiply(c, a, b, 1)

/* Who asks whether this machine has AMX, is told about what the rest of amx.c needs. */
#define lull_has_amx tiles_can_be_emulated

#define TILES     8
#define TILE_ROWS 16
#define ROW_BYTES 64

typedef struct emulated_tile {
    int rows, bytes; /* its shape: rows, and bytes in each */
    unsigned char byte[TILE_ROWS][ROW_BYTES];
} emulated_tile;

/* Each thread has its own. */
static __thread struct {
    int configured;
    emulated_tile tile[TILES];
} tiles;

static inline int tiles_can_be_emulated(void)
{
    return lull_has_avx512() && __builtin_cpu_supports("gfni");
}

static inline void tiles_fail(const char *what)
{
    fprintf(stderr, "emulated AMX: %s\n", what);
    abort();
}

/* The 64 bytes: palette, first row, zeros, 16 x bytes per row (16 bit), 16 x rows, where only the
 * first eight of each are tiles and the rest is 0. */
static inline void tiles_configure(const void *config)
{
    const unsigned char *c = config;
    int i;
    if (tiles.configured) tiles_fail("configured again and not released (or a crash came between)");
    if (c[0] != 1) tiles_fail("the palette is not 1");
    for (i = 1; i < 16; i++)
        if (c[i] != 0) tiles_fail("a first row, or a reserved byte, is not 0");
    memset(&tiles, 0, sizeof tiles);
    for (i = 0; i < 16; i++) {
        const int bytes = c[16 + 2 * i] | c[17 + 2 * i] << 8, rows = c[48 + i];
        if (i >= TILES && (bytes != 0 || rows != 0)) tiles_fail("a ninth tile");
        if (bytes > ROW_BYTES || rows > TILE_ROWS) tiles_fail("a tile is too large");
        if ((bytes == 0) != (rows == 0)) tiles_fail("a tile has one side");
        if (i >= TILES) continue;
        tiles.tile[i].bytes = bytes;
        tiles.tile[i].rows = rows;
    }
    tiles.configured = 1;
}

static inline void tiles_release(void)
{
    memset(&tiles, 0, sizeof tiles);
}

static inline emulated_tile *tile_of(int tile)
{
    if (!tiles.configured) tiles_fail("used before it was configured");
    if (tile < 0 || tile >= TILES || tiles.tile[tile].rows == 0) tiles_fail("no such tile");
    return &tiles.tile[tile];
}

static inline void tile_load(int tile, const void *from, size_t stride)
{
    emulated_tile *t = tile_of(tile);
    int r;
    memset(t->byte, 0, sizeof t->byte);
    for (r = 0; r < t->rows; r++)
        memcpy(t->byte[r], (const unsigned char *)from + (size_t)r * stride, (size_t)t->bytes);
}

static inline void tile_store(int tile, void *to, size_t stride)
{
    const emulated_tile *t = tile_of(tile);
    int r;
    for (r = 0; r < t->rows; r++)
        memcpy((unsigned char *)to + (size_t)r * stride, t->byte[r], (size_t)t->bytes);
}

static inline void tile_multiply(int to, int left, int right, int right_is_signed)
{
    emulated_tile *c = tile_of(to);
    const emulated_tile *a = tile_of(left), *b = tile_of(right);
    uint32_t sum[ROW_BYTES / 4]; /* wraps, as the processor's does */
    int m, n, k, i;

    if (to == left || to == right || left == right) tiles_fail("factors and result are not three");
    if (c->bytes % 4 != 0 || a->bytes % 4 != 0 || b->bytes % 4 != 0)
        tiles_fail("a row is not whole groups of four bytes");
    if (c->rows != a->rows || c->bytes != b->bytes || a->bytes / 4 != b->rows)
        tiles_fail("factors and result do not fit together");
    for (m = 0; m < c->rows; m++) {
        memcpy(sum, c->byte[m], sizeof sum);
        for (k = 0; k < b->rows; k++)
            for (n = 0; n < c->bytes / 4; n++)
                for (i = 0; i < 4; i++) {
                    const int x = (signed char)a->byte[m][4 * k + i], w = b->byte[k][4 * n + i];
                    sum[n] += (uint32_t)(x * (right_is_signed ? (signed char)w : w));
                }
        memcpy(c->byte[m], sum, sizeof sum);
    }
}

#endif
