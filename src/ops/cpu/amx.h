/* AMX's tiles: eight registers of 16 rows of 64 bytes, all in use whole. A tile's number is a literal. For tests on
 * machines without them, SOWLV2_AMX_EMULATED makes plain C of the same instructions. */
#ifndef OPS_CPU_AMX_H
#define OPS_CPU_AMX_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { AMX_TILES = 8, AMX_ROWS = 16, AMX_BYTES = 64 };

/* What LDTILECFG reads. */
struct amx_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} __attribute__((aligned(64)));

static inline struct amx_config amx_config(void)
{
    struct amx_config config = {.palette = 1};
    for (int i = 0; i < AMX_TILES; i++) {
        config.row_bytes[i] = AMX_BYTES;
        config.rows[i] = AMX_ROWS;
    }
    return config;
}

#if defined(SOWLV2_AMX_EMULATED)

#include "ops/host.h"

static _Thread_local struct {
    struct amx_config config; /* palette 0: none */
    char tile[AMX_TILES][AMX_ROWS][AMX_BYTES];
} amx_state;

static inline void amx_begin(void)
{
    amx_state.config = amx_config();
    memset(amx_state.tile, 0, sizeof(amx_state.tile));
}

static inline void amx_end(void)
{
    memset(&amx_state, 0xFF, sizeof(amx_state));
    amx_state.config.palette = 0;
}

/* The processor raises an exception where nothing is configured. */
static inline int amx_checked(int tile)
{
    if (amx_state.config.palette != 1 || amx_state.config.rows[tile] != AMX_ROWS)
        __builtin_trap();
    return tile;
}

static inline void amx_zero_emulated(int tile)
{
    memset(amx_state.tile[amx_checked(tile)], 0, sizeof(amx_state.tile[tile]));
}

static inline void amx_load_emulated(int tile, const void *from, int64_t stride)
{
    for (int r = 0; r < AMX_ROWS; r++)
        memcpy(amx_state.tile[amx_checked(tile)][r], (const char *)from + r * stride, AMX_BYTES);
}

static inline void amx_store_emulated(int tile, void *to, int64_t stride)
{
    for (int r = 0; r < AMX_ROWS; r++)
        memcpy((char *)to + r * stride, amx_state.tile[amx_checked(tile)][r], AMX_BYTES);
}

/* c[m][n] += a[m][2 k] b[k][2 n] + a[m][2 k + 1] b[k][2 n + 1] */
static inline void amx_dot_emulated(int c, int a, int b)
{
    for (int m = 0; m < AMX_ROWS; m++) {
        float sum[16];
        uint16_t row[32], column[32];
        memcpy(sum, amx_state.tile[amx_checked(c)][m], sizeof(sum));
        memcpy(row, amx_state.tile[amx_checked(a)][m], sizeof(row));
        for (int k = 0; k < AMX_ROWS; k++) {
            memcpy(column, amx_state.tile[amx_checked(b)][k], sizeof(column));
            for (int n = 0; n < 16; n++) {
                sum[n] += host_widen_bf16(row[2 * k]) * host_widen_bf16(column[2 * n]);
                sum[n] += host_widen_bf16(row[2 * k + 1]) * host_widen_bf16(column[2 * n + 1]);
            }
        }
        memcpy(amx_state.tile[c][m], sum, sizeof(sum));
    }
}

#define AMX_ZERO(tile) amx_zero_emulated(tile)
#define AMX_LOAD(tile, from, stride) amx_load_emulated(tile, from, stride)
#define AMX_STORE(tile, to, stride) amx_store_emulated(tile, to, stride)
#define AMX_DOT(c, a, b) amx_dot_emulated(c, a, b)

#else

/* What was stored before is in memory: GCC does not know that the instructions that follow read it. */
static inline void amx_see(const void *memory)
{
    __asm__ volatile("" : : "r"(memory) : "memory");
}

/* The process has been allowed to use the tiles: see take_level in cpu.c. */
static inline void amx_begin(void)
{
    const struct amx_config config = amx_config();
    amx_see(&config);
    _tile_loadconfig(&config);
}

static inline void amx_end(void)
{
    _tile_release();
}

#define AMX_ZERO(tile) _tile_zero(tile)
#define AMX_LOAD(tile, from, stride)                                                                                   \
    do {                                                                                                               \
        const void *const amx_from = (from);                                                                           \
        amx_see(amx_from);                                                                                             \
        _tile_loadd(tile, amx_from, stride);                                                                           \
    } while (0)
#define AMX_STORE(tile, to, stride) _tile_stored(tile, to, stride)
#define AMX_DOT(c, a, b) _tile_dpbf16ps(c, a, b)

#endif

#endif
