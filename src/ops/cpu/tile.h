/* The inner product of our own kernels: a few rows times a panel of columns, sums in registers. */
#ifndef OPS_CPU_TILE_H
#define OPS_CPU_TILE_H

#include "ops/cpu/simd.h"

#include <stdbool.h>

enum {
    TILE_ROWS = 6,                                  /* rows of the inner product */
    TILE_COLUMNS = SIMD_PANEL_VECTORS * SIMD_LANES, /* columns of a panel */
};

/* Multiplications that are not worth a second thread. */
enum { TILE_SMALL_WORK = 1 << 21 };

static inline int64_t tile_round_up(int64_t count, int64_t step)
{
    return (count + step - 1) / step * step;
}

/* Queries of a block of attention, of so many heads of entries: `most`, or halves of it down to `least` until every
 * thread gets some blocks. */
static inline int64_t tile_queries(int64_t most, int64_t least, int64_t heads, int64_t queries, int threads)
{
    int64_t size = most;
    while (size > least && heads * ((queries + size - 1) / size) < 4 * threads)
        size /= 2;
    return size;
}

/* A score that does not count: finite, since v_exp2 is; 2^MASKED is 0. */
static const float MASKED = -1e30F;

/* c[rows][vectors * LANES] (+)= a[rows][depth] b[depth][vectors * LANES]; rows and vectors are constants where
 * this is inlined. Row r of a is a[r * a_stride + i * a_step]. */
SIMD_INLINE void tile_product(const int rows, const int vectors, const bool accumulate, int64_t depth, const float *a,
                              int64_t a_stride, int64_t a_step, const float *b, int64_t b_stride, float *c,
                              int64_t c_stride)
{
    vfloat sum[TILE_ROWS][SIMD_PANEL_VECTORS];
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 4
        for (int n = 0; n < vectors; n++)
            sum[r][n] = accumulate ? v_load(c + r * c_stride + n * SIMD_LANES) : v_zero();
    }
    for (int64_t i = 0; i < depth; i++) {
        vfloat column[SIMD_PANEL_VECTORS];
#pragma GCC unroll 4
        for (int n = 0; n < vectors; n++)
            column[n] = v_load(b + i * b_stride + n * SIMD_LANES);
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            const vfloat x = v_set(a[r * a_stride + i * a_step]);
#pragma GCC unroll 4
            for (int n = 0; n < vectors; n++)
                sum[r][n] = v_fma(x, column[n], sum[r][n]);
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 4
        for (int n = 0; n < vectors; n++)
            v_store(c + r * c_stride + n * SIMD_LANES, sum[r][n]);
    }
}

#define TILE_CASE(vectors)                                                                                             \
    case vectors:                                                                                                      \
        for (; rows >= TILE_ROWS; rows -= TILE_ROWS, a += TILE_ROWS * a_stride, c += TILE_ROWS * c_stride)             \
            tile_product(TILE_ROWS, vectors, accumulate, depth, a, a_stride, a_step, b, b_stride, c, c_stride);        \
        for (; rows > 0; rows--, a += a_stride, c += c_stride)                                                         \
            tile_product(1, vectors, accumulate, depth, a, a_stride, a_step, b, b_stride, c, c_stride);                \
        break;

/* The same for any number of rows and 1 to SIMD_PANEL_VECTORS vectors. */
SIMD_INLINE void tile_rows(int64_t rows, int vectors, const bool accumulate, int64_t depth, const float *a,
                           int64_t a_stride, const int64_t a_step, const float *b, int64_t b_stride, float *c,
                           int64_t c_stride)
{
    switch (vectors) {
        TILE_CASE(1)
        TILE_CASE(2)
#if defined(__AVX512F__)
        TILE_CASE(3)
        TILE_CASE(4)
#endif
    }
}

#endif
