/* The inner product of kernels in bfloat16: rows whose numbers are taken in pairs, one pair for all lanes, times pairs
 * in the lanes of a few vectors. Sums stay in registers, in F32. Rows and vectors are constants where this is inlined.
 */
#ifndef OPS_CPU_TILE_BF16_H
#define OPS_CPU_TILE_BF16_H

#include "ops/cpu/tile.h"

#include <string.h>

enum {
    PAIR_VECTORS = 2,
    PAIR_LANES = PAIR_VECTORS * SIMD_LANES, /* columns of a panel */
    PAIR_WIDE_ROWS = 12,                    /* of a tile of two vectors */
    PAIR_SLIM_ROWS = 16,                    /* and of one */
    PAIR_MOST_ROWS = PAIR_SLIM_ROWS,
    PAIR_GROUP = 3, /* rows that share a pointer: x86 addresses base, base + stride and base + 2 stride */
    PAIR_GROUPS = (PAIR_MOST_ROWS + PAIR_GROUP - 1) / PAIR_GROUP,
};

typedef vfloat pair_sums[PAIR_MOST_ROWS][PAIR_VECTORS];

/* sum[rows][vectors] (+)= rows[rows][2 pairs] panel[pairs][vectors * LANES][2]. Row r begins `r * stride` bytes after
 * `a`, its pairs lie `step` bytes apart. */
SIMD_INLINE void pair_tile(const int rows, const int vectors, int64_t pairs, const char *a, int64_t stride,
                           int64_t step, const uint32_t *panel, pair_sums sum)
{
    const char *group[PAIR_GROUPS];
#pragma GCC unroll 6
    for (int g = 0; g * PAIR_GROUP < rows; g++)
        group[g] = a + g * PAIR_GROUP * stride;
    for (int64_t i = 0; i < pairs; i++) {
        __m512i column[PAIR_VECTORS];
#pragma GCC unroll 2
        for (int n = 0; n < vectors; n++)
            column[n] = _mm512_loadu_si512(panel + (i * vectors + n) * SIMD_LANES);
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            int32_t pair;
            memcpy(&pair, group[r / PAIR_GROUP] + r % PAIR_GROUP * stride + i * step, sizeof(pair));
            const __m512i x = _mm512_set1_epi32(pair);
#pragma GCC unroll 2
            for (int n = 0; n < vectors; n++)
                sum[r][n] = v_dot_pairs(x, column[n], sum[r][n]);
        }
    }
}

/* The same in f32: each number of a row is one of F32, 4 bytes behind the one before; those of the panel are widened on
 * their way. */
SIMD_INLINE void pair_tile_wide(const int rows, const int vectors, int64_t pairs, const float *a, int64_t stride,
                                const uint32_t *panel, pair_sums sum)
{
    const __m512i upper = _mm512_set1_epi32((int)0xFFFF0000U);
    const float *group[PAIR_GROUPS];
#pragma GCC unroll 6
    for (int g = 0; g * PAIR_GROUP < rows; g++)
        group[g] = a + g * PAIR_GROUP * stride;
    for (int64_t i = 0; i < pairs; i++) {
        vfloat low[PAIR_VECTORS], high[PAIR_VECTORS];
#pragma GCC unroll 2
        for (int n = 0; n < vectors; n++) {
            const __m512i column = _mm512_loadu_si512(panel + (i * vectors + n) * SIMD_LANES);
            low[n] = _mm512_castsi512_ps(_mm512_slli_epi32(column, 16));
            high[n] = _mm512_castsi512_ps(_mm512_and_si512(column, upper));
        }
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            const float *const at = group[r / PAIR_GROUP] + r % PAIR_GROUP * stride + 2 * i;
            const vfloat first = v_set(at[0]);
#pragma GCC unroll 2
            for (int n = 0; n < vectors; n++)
                sum[r][n] = v_fma(first, low[n], sum[r][n]);
            const vfloat second = v_set(at[1]);
#pragma GCC unroll 2
            for (int n = 0; n < vectors; n++)
                sum[r][n] = v_fma(second, high[n], sum[r][n]);
        }
    }
}

SIMD_INLINE void pair_clear(const int rows, const int vectors, pair_sums sum)
{
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (int n = 0; n < vectors; n++)
            sum[r][n] = v_zero();
    }
}

SIMD_INLINE void pair_store(const int rows, const int vectors, const pair_sums sum, float *to)
{
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (int n = 0; n < vectors; n++)
            v_store(to + (r * vectors + n) * SIMD_LANES, sum[r][n]);
    }
}

#endif
