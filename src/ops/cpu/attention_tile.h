/* The products of attention: a few numbers of keys or values times a panel of queries, whose lanes are the queries.
 * Sums stay in registers. Rows and vectors are constants where functions are inlined. */
#ifndef OPS_CPU_ATTENTION_TILE_H
#define OPS_CPU_ATTENTION_TILE_H

#include "ops/cpu/tile.h"

enum {
    PANEL_VECTORS = 2,
    PANEL = PANEL_VECTORS * SIMD_LANES, /* queries of a panel: with d of 256, 32 KB or less that stay in the L1 cache */
#if defined(__AVX512F__)
    WIDE_ROWS = 12, /* keys or columns of values of a tile of two vectors */
    SLIM_ROWS = 16, /* and of one */
#else
    WIDE_ROWS = 6,
    SLIM_ROWS = 12,
#endif
    MOST_ROWS = SLIM_ROWS,
    GROUP = 3, /* rows that share a pointer: x86 addresses base, base + stride and base + 2 stride */
    GROUPS = (MOST_ROWS + GROUP - 1) / GROUP,
    CACHE_LINE = 16, /* floats */
    AHEAD = 12,      /* keys by which values are fetched early */
    MAXIMA = 4,      /* running ones, since each waits for its last step */
};

typedef vfloat tile[MOST_ROWS][PANEL_VECTORS];

/* sum[rows][vectors] += row[rows] b[vectors * LANES]; row r is group[r / GROUP][r % GROUP * stride + at]. */
SIMD_INLINE void tile_step(const int rows, const int vectors, const float *const group[GROUPS], int64_t stride,
                           int64_t at, const float *b, tile sum)
{
    vfloat column[PANEL_VECTORS];
#pragma GCC unroll 2
    for (int n = 0; n < vectors; n++)
        column[n] = v_load(b + n * SIMD_LANES);
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
        const vfloat x = v_set(group[r / GROUP][r % GROUP * stride + at]);
#pragma GCC unroll 2
        for (int n = 0; n < vectors; n++)
            sum[r][n] = v_fma(x, column[n], sum[r][n]);
    }
}

SIMD_INLINE void tile_groups(const int rows, const float *a, int64_t stride, const float *group[GROUPS])
{
#pragma GCC unroll 6
    for (int g = 0; g * GROUP < rows; g++)
        group[g] = a + g * GROUP * stride;
}

SIMD_INLINE void tile_store(const int rows, const int vectors, const tile sum, float *to)
{
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (int n = 0; n < vectors; n++)
            v_store(to + (r * vectors + n) * SIMD_LANES, sum[r][n]);
    }
}

/* scores[rows][lanes] = k[rows][d] q[d][lanes]; `top` becomes each query's largest where that is larger. The cache
 * lines of the next tile's keys are fetched meanwhile: its rows' first lines, then their second ones. */
SIMD_INLINE void score_tile(const int rows, const int vectors, int64_t d, const float *k, int64_t stride,
                            const float *q, float *scores, vfloat top[PANEL_VECTORS])
{
    const bool many = rows * 2 > CACHE_LINE;
    const float *group[GROUPS];
    tile_groups(rows, k, stride, group);
    tile sum;
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (int n = 0; n < vectors; n++)
            sum[r][n] = v_zero();
    }
    int64_t i = 0;
    for (; i + 2 <= d; i += 2) {
        const int64_t step = i % CACHE_LINE;
        const float *next = k + (rows + (many ? step : step / 2)) * stride + (i - step);
        v_prefetch(next);
        if (many)
            v_prefetch(next + stride);
        tile_step(rows, vectors, group, stride, i, q + i * vectors * SIMD_LANES, sum);
        tile_step(rows, vectors, group, stride, i + 1, q + (i + 1) * vectors * SIMD_LANES, sum);
    }
    if (i < d)
        tile_step(rows, vectors, group, stride, i, q + i * vectors * SIMD_LANES, sum);
    tile_store(rows, vectors, sum, scores);
#pragma GCC unroll 2
    for (int n = 0; n < vectors; n++) {
#pragma GCC unroll 16
        for (int r = MAXIMA; r < rows; r++)
            sum[r % MAXIMA][n] = v_max(sum[r % MAXIMA][n], sum[r][n]);
#pragma GCC unroll 4
        for (int r = 0; r < MAXIMA && r < rows; r++)
            top[n] = v_max(top[n], sum[r][n]);
    }
}

/* out[rows][lanes] = out * correction + v[keys][rows] weights[keys][lanes]; `first`: there is nothing in out. */
SIMD_INLINE void value_tile(const int rows, const int vectors, int64_t keys, const float *v, int64_t stride,
                            const float *weights, const vfloat correction[PANEL_VECTORS], bool first, float *out)
{
    const float *group[GROUPS];
    tile_groups(rows, v, 1, group);
    tile sum;
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (int n = 0; n < vectors; n++)
            sum[r][n] = first ? v_zero() : v_mul(v_load(out + (r * vectors + n) * SIMD_LANES), correction[n]);
    }
    for (int64_t i = 0; i < keys; i++) {
        v_prefetch(v + (i + AHEAD) * stride);
        tile_step(rows, vectors, group, 1, i * stride, weights + i * vectors * SIMD_LANES, sum);
    }
    tile_store(rows, vectors, sum, out);
}

#endif
