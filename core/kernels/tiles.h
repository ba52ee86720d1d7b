/* tiles.h - the instructions of AMX on its eight tile registers, each of up to 16 rows of 64 bytes.
 *
 * Written out here because GCC 12's intrinsics do not say that they read memory: stores into what a
 * tile is loaded from, the configuration included, then come too late.  tests/kernels has the same
 * names as plain C.  Tiles are numbers written in the source, 0 to 7; strides are in bytes. */
#ifndef LULL_KERNELS_TILES_H
#define LULL_KERNELS_TILES_H

/* The shapes of all tiles, 64 bytes as LDTILECFG reads them; it also clears the tiles. */
#define TILES_CONFIGURE(config) __asm__ volatile("ldtilecfg (%0)" ::"r"(config) : "memory")
#define TILES_RELEASE()         __asm__ volatile("tilerelease" ::: "memory")

#define TILE_ZERO(tile) __asm__ volatile("tilezero %%tmm" #tile ::: "memory")
#define TILE_LOAD(tile, from, stride)                                                              \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #tile ::"r"(from), "r"((size_t)(stride))         \
                     : "memory")
#define TILE_STORE(tile, to, stride)                                                               \
    __asm__ volatile("tilestored %%tmm" #tile ", (%0,%1,1)" ::"r"(to), "r"((size_t)(stride))       \
                     : "memory")

/* c[m][n] += sum over k of a[m][k] * b[k / 4][4 * n + k % 4]: int32, of signed bytes in a, and of
 * unsigned or signed ones in b. */
#define TILE_MULTIPLY_UNSIGNED(c, a, b)                                                            \
    __asm__ volatile("tdpbsud %%tmm" #b ", %%tmm" #a ", %%tmm" #c ::: "memory")
#define TILE_MULTIPLY_SIGNED(c, a, b)                                                              \
    __asm__ volatile("tdpbssd %%tmm" #b ", %%tmm" #a ", %%tmm" #c ::: "memory")

#endif
