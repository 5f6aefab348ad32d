/* Products in bfloat16, by AVX512-BF16's dot products or in f32 of the rounded numbers. A tile is 12 rows times a panel
 * of 32 columns over the whole depth, its sums in registers; what follows the sums is done when they are there. A block
 * of rows stays in the second cache while all panels go by. Rows are read where they lie, a pair at a time; those for
 * f32 are widened once a block. */
#include "ops/cpu/activate.h"
#include "ops/cpu/elements.h"
#include "ops/cpu/narrow.h"
#include "ops/cpu/tile_bf16.h"

#include <omp.h>

enum {
    ROW_BLOCK = 192, /* multiple of PAIR_WIDE_ROWS */
    BLOCK_BYTES = 512 << 10,
};

/* One row's columns from `first` on: its sums, with what follows. */
static void finish_row(const struct narrow_product *p, int64_t row, int64_t first, int columns, const float *sums)
{
    const struct elements out = elements_from((struct elements){p->out, p->narrow}, row * p->out_stride + first);
    const float *const bias = p->weights->bias ? p->weights->bias + first : NULL;
    const float *const residual = p->residual ? p->residual + row * p->residual_stride + first : NULL;
    for (int i = 0; i < columns; i += SIMD_LANES) {
        const int part = columns - i < SIMD_LANES ? columns - i : SIMD_LANES;
        vfloat y = v_load(sums + i);
        if (bias)
            y = v_add(y, v_load_part(bias + i, part));
        y = v_activate(p->activation, y);
        if (residual)
            y = v_add(y, v_load_part(residual + i, part));
        if (part == SIMD_LANES)
            elements_store(out, i, y);
        else
            elements_store_part(out, i, part, y);
    }
}

/* `block`: NULL, or the rows from `block_row` on as F32. */
SIMD_INLINE void tile(const bool wide, const int rows, const int vectors, const struct narrow_product *p, int64_t row,
                      int64_t first, const float *block, int64_t block_row, const uint32_t *panel)
{
    float sums[PAIR_MOST_ROWS * PAIR_LANES] __attribute__((aligned(64)));
    const int64_t left = p->weights->outputs - first, width = vectors * SIMD_LANES, depth = p->weights->depth;
    pair_sums sum;
    pair_clear(rows, vectors, sum);
    if (wide) {
        pair_tile_wide(rows, vectors, depth / 2, block + (row - block_row) * depth, depth, panel, sum);
    } else {
        pair_tile(rows, vectors, depth / 2, (const char *)(p->x + row * p->x_stride),
                  p->x_stride * (int64_t)sizeof(*p->x), sizeof(uint32_t), panel, sum);
    }
    pair_store(rows, vectors, sum, sums);
    for (int r = 0; r < rows; r++)
        finish_row(p, row + r, first, (int)(left < width ? left : width), sums + r * width);
}

/* Rows [begin, last) of one panel of columns. */
#define PANEL_FUNCTION(name, wide, most, vectors)                                                                      \
    static __attribute__((noinline)) void name(const struct narrow_product *p, int64_t begin, int64_t last,            \
                                               int64_t first, const float *block, const uint32_t *panel)               \
    {                                                                                                                  \
        int64_t row = begin;                                                                                           \
        for (; row + (most) <= last; row += (most))                                                                    \
            tile(wide, most, vectors, p, row, first, block, begin, panel);                                             \
        for (; row + 4 <= last; row += 4)                                                                              \
            tile(wide, 4, vectors, p, row, first, block, begin, panel);                                                \
        for (; row < last; row++)                                                                                      \
            tile(wide, 1, vectors, p, row, first, block, begin, panel);                                                \
    }
PANEL_FUNCTION(dot_panel, false, PAIR_WIDE_ROWS, 2)
PANEL_FUNCTION(dot_panel_slim, false, PAIR_SLIM_ROWS, 1)
PANEL_FUNCTION(f32_panel, true, PAIR_WIDE_ROWS, 2)
PANEL_FUNCTION(f32_panel_slim, true, PAIR_SLIM_ROWS, 1)

/* Rows of a block: whole tiles, which fit the cache. */
static int64_t block_rows(int64_t depth)
{
    const int64_t fit = BLOCK_BYTES / (depth * (int64_t)sizeof(uint16_t)) / PAIR_WIDE_ROWS * PAIR_WIDE_ROWS;
    return fit < PAIR_WIDE_ROWS ? PAIR_WIDE_ROWS : fit < ROW_BLOCK ? fit : ROW_BLOCK;
}

int64_t kernel_product_wide_avx512_bf16(int64_t depth, int threads)
{
    return threads * block_rows(depth) * depth;
}

static void widen_rows(const struct narrow_product *p, int64_t row, int64_t last, float *block)
{
    const int64_t depth = p->weights->depth;
    for (; row < last; row++, block += depth) {
        const struct elements from = {(char *)(uintptr_t)(p->x + row * p->x_stride), true};
        int64_t i = 0;
        for (; i + SIMD_LANES <= depth; i += SIMD_LANES)
            v_store(block + i, elements_load(from, i));
        if (i < depth)
            v_store_part(block + i, (int)(depth - i), elements_load_part(from, i, (int)(depth - i)));
    }
}

void kernel_product_avx512_bf16(const struct narrow_product *p)
{
    const int64_t outputs = p->weights->outputs, depth = p->weights->depth, size = block_rows(depth);
    const int64_t panels = (outputs + NARROW_PANEL - 1) / NARROW_PANEL, blocks = (p->rows + size - 1) / size;
    /* Columns are shared out too where there are few rows. */
    const int64_t wanted = (4 * p->threads + blocks - 1) / blocks;
    const int64_t groups = p->threads == 1 ? 1 : wanted < panels ? wanted : panels;
    const bool large = p->rows * outputs * depth > TILE_SMALL_WORK;
#pragma omp parallel for num_threads(p->threads) schedule(dynamic) if (large)
    for (int64_t i = 0; i < blocks * groups; i++) {
        const int64_t row = i / groups * size, last = row + size < p->rows ? row + size : p->rows;
        const int64_t group = i % groups, end = panels * (group + 1) / groups;
        float *const block = p->wide ? p->wide + omp_get_thread_num() * size * depth : NULL;
        if (block)
            widen_rows(p, row, last, block);
        for (int64_t n = panels * group / groups; n < end; n++) {
            const int64_t first = n * NARROW_PANEL;
            const bool slim = outputs - first <= SIMD_LANES;
            (block  ? slim ? f32_panel_slim : f32_panel
             : slim ? dot_panel_slim
                    : dot_panel)(p, row, last, first, block, p->weights->pairs + first * (depth / 2));
        }
    }
}
