/* A matrix whose rows become the columns of products: packed into panels, a whole number of vectors wide, that are
 * as equal as can be. Columns that are added are zero. */
#ifndef OPS_CPU_COLUMNS_H
#define OPS_CPU_COLUMNS_H

#include "ops/cpu/factors.h"
#include "ops/cpu/tile.h"

struct columns {
    int64_t count, depth;
    int64_t vectors, panels;
    int64_t padded; /* columns of all vectors */
};

static inline struct columns columns_of(int64_t count, int64_t depth)
{
    const int64_t vectors = (count + SIMD_LANES - 1) / SIMD_LANES;
    return (struct columns){count, depth, vectors, (vectors + SIMD_PANEL_VECTORS - 1) / SIMD_PANEL_VECTORS,
                            vectors * SIMD_LANES};
}

/* The first vector of panel `p`; of `panels`: one past the last. */
static inline int64_t columns_first(const struct columns *columns, int64_t p)
{
    return columns->vectors * p / columns->panels;
}

/* rows [count][depth], as factors, times `factor` -> packed [padded * depth]: panels of [depth][their vectors]. */
static inline void columns_pack(const struct columns *columns, const float *rows, float factor, float *packed)
{
    for (int64_t p = 0; p < columns->panels; p++) {
        const int64_t first = columns_first(columns, p) * SIMD_LANES;
        const int64_t width = columns_first(columns, p + 1) * SIMD_LANES - first;
        float *panel = packed + first * columns->depth;
        for (int64_t i = 0; i < columns->depth; i++) {
            for (int64_t j = 0; j < width; j++) {
                const int64_t row = first + j;
                panel[i * width + j] = row < columns->count ? factor_of(rows[row * columns->depth + i]) * factor : 0.0F;
            }
        }
    }
}

/* out[rows][padded] (+)= a[rows][depth] times the columns. */
SIMD_INLINE void columns_product(const struct columns *columns, const float *packed, int64_t rows, const float *a,
                                 const bool accumulate, float *out)
{
    for (int64_t p = 0; p < columns->panels; p++) {
        const int64_t first = columns_first(columns, p), vectors = columns_first(columns, p + 1) - first;
        tile_rows(rows, (int)vectors, accumulate, columns->depth, a, columns->depth, 1,
                  packed + first * SIMD_LANES * columns->depth, vectors * SIMD_LANES, out + first * SIMD_LANES,
                  columns->padded);
    }
}

#endif
