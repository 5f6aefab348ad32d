/* Products of 8-bit values by VNNI's dot products of fours, and rows as such values. A tile is a few rows times a panel
 * of two vectors over the whole depth, its sums in registers; what follows the sums is done when they are there. A
 * block of rows stays in the second cache while all panels go by. */
#include "ops/cpu/activate.h"
#include "ops/cpu/int8.h"
#include "ops/cpu/tile.h"
#include "ops/int8.h"

enum {
    FOUR = 4,
    VECTORS = 2,
    WIDTH = VECTORS * SIMD_LANES, /* columns of a panel */
    GROUP = 3,                    /* rows that share a pointer: x86 addresses base, base + stride and base + 2 stride */
    ROW_BLOCK = 192,              /* multiple of TILE */
    BLOCK_BYTES = 512 << 10,
};

#if defined(__AVX512F__)
enum { TILE = 12 }; /* rows */
typedef __m512i vint;

SIMD_INLINE vint i_zero(void)
{
    return _mm512_setzero_si512();
}
SIMD_INLINE vint i_set(int32_t x)
{
    return _mm512_set1_epi32(x);
}
SIMD_INLINE vint i_load(const void *p)
{
    return _mm512_loadu_si512(p);
}
SIMD_INLINE void i_store(void *p, vint x)
{
    _mm512_storeu_si512(p, x);
}
SIMD_INLINE vint i_add(vint a, vint b)
{
    return _mm512_add_epi32(a, b);
}
SIMD_INLINE vint i_sub(vint a, vint b)
{
    return _mm512_sub_epi32(a, b);
}
SIMD_INLINE vint i_mul(vint a, vint b)
{
    return _mm512_mullo_epi32(a, b);
}
/* Each lane: its four unsigned bytes of `a` times its four signed ones of `b`, added. */
SIMD_INLINE vint i_dot(vint a, vint b, vint sum)
{
    return _mm512_dpbusd_epi32(sum, a, b);
}
SIMD_INLINE vfloat i_floats(vint x)
{
    return _mm512_cvtepi32_ps(x);
}
/* To the nearest, ties to even. */
SIMD_INLINE vint i_round(vfloat x)
{
    return _mm512_cvtps_epi32(x);
}
/* Lanes as bytes, clamped to 0 and 255. */
SIMD_INLINE void i_store_bytes(uint8_t *p, vint x)
{
    _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtusepi32_epi8(_mm512_max_epi32(x, i_zero())));
}
#else
enum { TILE = 6 };
typedef __m256i vint;

SIMD_INLINE vint i_zero(void)
{
    return _mm256_setzero_si256();
}
SIMD_INLINE vint i_set(int32_t x)
{
    return _mm256_set1_epi32(x);
}
SIMD_INLINE vint i_load(const void *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}
SIMD_INLINE void i_store(void *p, vint x)
{
    _mm256_storeu_si256((__m256i *)p, x);
}
SIMD_INLINE vint i_add(vint a, vint b)
{
    return _mm256_add_epi32(a, b);
}
SIMD_INLINE vint i_sub(vint a, vint b)
{
    return _mm256_sub_epi32(a, b);
}
SIMD_INLINE vint i_mul(vint a, vint b)
{
    return _mm256_mullo_epi32(a, b);
}
SIMD_INLINE vint i_dot(vint a, vint b, vint sum)
{
    return _mm256_dpbusd_avx_epi32(sum, a, b);
}
SIMD_INLINE vfloat i_floats(vint x)
{
    return _mm256_cvtepi32_ps(x);
}
SIMD_INLINE vint i_round(vfloat x)
{
    return _mm256_cvtps_epi32(x);
}
SIMD_INLINE void i_store_bytes(uint8_t *p, vint x)
{
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    _mm_storel_epi64((__m128i *)(void *)p, _mm_packus_epi16(words, words));
}
#endif

const int SIMD_NAME(kernel_int8_width) = WIDTH;

/* ---- rows ---- */

SIMD_INLINE float most_of(vfloat x)
{
    float lane[SIMD_LANES], most = 0.0F;
    v_store(lane, x);
    for (int i = 0; i < SIMD_LANES; i++)
        most = lane[i] > most ? lane[i] : most;
    return most;
}

/* Where its numbers end: 0, the largest, and 0, the smallest with its sign taken away. */
static struct int8_row measure(const float *x, int64_t count)
{
    const int64_t whole = count / SIMD_LANES * SIMD_LANES;
    vfloat high = v_zero(), below = v_zero(), spoilt = v_zero();
    for (int64_t i = 0; i < count; i += SIMD_LANES) {
        const vfloat part = i < whole ? v_load(x + i) : v_load_part(x + i, (int)(count - whole));
        high = v_max(high, part);
        below = v_max(below, v_sub(v_zero(), part));
        spoilt = v_fma(part, v_zero(), spoilt); /* NaN where one is infinite or NaN, else 0 */
    }
    return int8_row_of(-most_of(below), most_of(high), v_sum(spoilt) == 0.0F);
}

static void convert(const struct int8_row *row, const float *x, int64_t count, int64_t depth, uint8_t *to)
{
    const vfloat inverse = v_set(row->inverse);
    const vint zero = i_set(row->zero);
    int64_t i = 0;
    for (; i + SIMD_LANES <= count; i += SIMD_LANES)
        i_store_bytes(to + i, i_add(i_round(v_mul(v_load(x + i), inverse)), zero));
    if (i < depth) {
        uint8_t bytes[SIMD_LANES + FOUR] = {0};
        const int part = (int)(count - i);
        i_store_bytes(bytes, i_add(i_round(v_mul(v_load_part(x + i, part), inverse)), zero));
        memset(bytes + part, 0, (size_t)(SIMD_LANES + FOUR - part));
        memcpy(to + i, bytes, (size_t)(depth - i));
    }
}

void SIMD_NAME(kernel_int8_rows)(const float *x, int64_t stride, int64_t inputs, int threads,
                                 const struct int8_rows *out)
{
    enum { PARALLEL_VALUES = 1 << 16 };
#pragma omp parallel for num_threads(threads) schedule(static) if (out->count * inputs > PARALLEL_VALUES)
    for (int64_t i = 0; i < out->count; i++) {
        const struct int8_row row = measure(x + i * stride, inputs);
        convert(&row, x + i * stride, inputs, out->depth, out->values + i * out->depth);
        out->scale[i] = row.scale;
        out->zero[i] = row.zero;
    }
}

/* ---- products ---- */

/* What follows the sums of `rows` rows in one vector of columns, of which `part` are there; the rows of `sums` are
 * WIDTH apart. */
static void finish(const struct int8_product *p, int64_t row, int rows, int64_t first, int part, const int32_t *sums)
{
    const struct int8_panels *const weights = p->weights;
    const vint weight_sum = i_load(weights->sum + first);
    const vfloat weight_scale = v_load(weights->scale + first);
    const vfloat bias = weights->bias ? v_load(weights->bias + first) : v_zero();
    for (int r = 0; r < rows; r++) {
        const vint sum = i_sub(i_load(sums + r * WIDTH), i_mul(i_set(p->x->zero[row + r]), weight_sum));
        const vfloat scale = v_mul(v_set(p->x->scale[row + r]), weight_scale);
        vfloat y = v_activate(p->activation, v_fma(i_floats(sum), scale, bias));
        float *const out = p->out + (row + r) * p->out_stride + first;
        const float *const residual = p->residual ? p->residual + (row + r) * p->residual_stride + first : NULL;
        if (part == SIMD_LANES)
            v_store(out, residual ? v_add(y, v_load(residual)) : y);
        else
            v_store_part(out, part, residual ? v_add(y, v_load_part(residual, part)) : y);
    }
}

SIMD_INLINE void tile(const int rows, const int vectors, const struct int8_product *p, int64_t row, int64_t first,
                      const int8_t *panel)
{
    int32_t sums[TILE * WIDTH] __attribute__((aligned(64)));
    const int64_t left = p->weights->outputs - first, depth = p->weights->depth;
    const uint8_t *group[(TILE + GROUP - 1) / GROUP];
    vint sum[TILE][VECTORS];
#pragma GCC unroll 4
    for (int g = 0; g * GROUP < rows; g++)
        group[g] = p->x->values + (row + g * GROUP) * depth;
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (int n = 0; n < vectors; n++)
            sum[r][n] = i_zero();
    }
    for (int64_t i = 0; i < depth; i += FOUR) {
        vint column[VECTORS];
#pragma GCC unroll 2
        for (int n = 0; n < vectors; n++)
            column[n] = i_load(panel + i * WIDTH + n * FOUR * SIMD_LANES);
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++) {
            int32_t four;
            memcpy(&four, group[r / GROUP] + r % GROUP * depth + i, sizeof(four));
            const vint x = i_set(four);
#pragma GCC unroll 2
            for (int n = 0; n < vectors; n++)
                sum[r][n] = i_dot(x, column[n], sum[r][n]);
        }
    }
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (int n = 0; n < vectors; n++)
            i_store(sums + r * WIDTH + n * SIMD_LANES, sum[r][n]);
    }
    for (int n = 0; n < vectors && n * SIMD_LANES < left; n++) {
        const int64_t part = left - n * SIMD_LANES;
        finish(p, row, rows, first + n * SIMD_LANES, (int)(part < SIMD_LANES ? part : SIMD_LANES),
               sums + n * SIMD_LANES);
    }
}

/* Rows [begin, last) of one panel of columns. */
#define PANEL_FUNCTION(name, vectors)                                                                                  \
    static __attribute__((noinline)) void name(const struct int8_product *p, int64_t begin, int64_t last,              \
                                               int64_t first, const int8_t *panel)                                     \
    {                                                                                                                  \
        int64_t row = begin;                                                                                           \
        for (; row + TILE <= last; row += TILE)                                                                        \
            tile(TILE, vectors, p, row, first, panel);                                                                 \
        for (; row + GROUP <= last; row += GROUP)                                                                      \
            tile(GROUP, vectors, p, row, first, panel);                                                                \
        for (; row < last; row++)                                                                                      \
            tile(1, vectors, p, row, first, panel);                                                                    \
    }
PANEL_FUNCTION(whole_panel, VECTORS)
PANEL_FUNCTION(slim_panel, 1)

/* Rows of a block: whole tiles, which fit the cache. */
static int64_t block_rows(int64_t depth)
{
    const int64_t fit = BLOCK_BYTES / (depth > 0 ? depth : 1) / TILE * TILE;
    return fit < TILE ? TILE : fit < ROW_BLOCK ? fit : ROW_BLOCK;
}

void SIMD_NAME(kernel_product_int8)(const struct int8_product *p)
{
    const int64_t outputs = p->weights->outputs, depth = p->weights->depth, rows = p->x->count;
    const int64_t size = block_rows(depth), panels = (outputs + WIDTH - 1) / WIDTH, blocks = (rows + size - 1) / size;
    /* Columns are shared out too where there are few rows. */
    const int64_t wanted = blocks > 0 ? (4 * p->threads + blocks - 1) / blocks : 1;
    const int64_t groups = p->threads == 1 ? 1 : wanted < panels ? wanted : panels;
    const bool large = rows * outputs * depth > TILE_SMALL_WORK;
#pragma omp parallel for num_threads(p->threads) schedule(dynamic) if (large)
    for (int64_t i = 0; i < blocks * groups; i++) {
        const int64_t row = i / groups * size, last = row + size < rows ? row + size : rows;
        const int64_t group = i % groups, end = panels * (group + 1) / groups;
        for (int64_t n = panels * group / groups; n < end; n++) {
            const int64_t first = n * WIDTH;
            (outputs - first <= SIMD_LANES ? slim_panel : whole_panel)(p, row, last, first,
                                                                       p->weights->values + first * depth);
        }
    }
}
