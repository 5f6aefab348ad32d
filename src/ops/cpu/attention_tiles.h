/* The products of attention with AMX: 32 keys, or columns of values, times a panel of queries. A tile's rows are keys
 * as they were packed, or columns of values turned round; the other factor is the panel as it is. Tiles 0 to 3 sum, 4
 * and 5 are rows, 6 and 7 columns. */
#ifndef OPS_CPU_ATTENTION_TILES_H
#define OPS_CPU_ATTENTION_TILES_H

#include "ops/cpu/amx.h"
#include "ops/cpu/tile.h"

enum {
    PAIR_VECTORS = 2,
    PAIR_LANES = PAIR_VECTORS * SIMD_LANES, /* columns of a panel */
    PAIR_STEP = 16,                         /* pairs of a row are padded to a multiple of it */
    ROW_STEP = 32,                          /* and rows of keys and of results */
};

static inline void products_begin(void)
{
    amx_begin();
}

static inline void products_end(void)
{
    amx_end();
}

/* Tiles 0 to 3 += rows[32][pairs] columns[pairs][32]; both in pairs, so far apart. */
static void multiply_wide(int64_t pairs, const uint32_t *rows, int64_t stride, const uint32_t *columns)
{
    const int64_t row_bytes = stride * (int64_t)sizeof(*rows), lane_bytes = PAIR_LANES * (int64_t)sizeof(*columns);
    for (int64_t p = 0; p < pairs; p += PAIR_STEP) {
        AMX_LOAD(6, columns + p * PAIR_LANES, lane_bytes);
        AMX_LOAD(4, rows + p, row_bytes);
        AMX_DOT(0, 4, 6);
        AMX_LOAD(7, columns + p * PAIR_LANES + SIMD_LANES, lane_bytes);
        AMX_DOT(1, 4, 7);
        AMX_LOAD(5, rows + AMX_ROWS * stride + p, row_bytes);
        AMX_DOT(2, 5, 6);
        AMX_DOT(3, 5, 7);
    }
}

/* Tiles 0 and 2 += rows[32][pairs] columns[pairs][16]. */
static void multiply_slim(int64_t pairs, const uint32_t *rows, int64_t stride, const uint32_t *columns)
{
    const int64_t row_bytes = stride * (int64_t)sizeof(*rows), lane_bytes = SIMD_LANES * (int64_t)sizeof(*columns);
    for (int64_t p = 0; p < pairs; p += PAIR_STEP) {
        AMX_LOAD(6, columns + p * SIMD_LANES, lane_bytes);
        AMX_LOAD(4, rows + p, row_bytes);
        AMX_DOT(0, 4, 6);
        AMX_LOAD(5, rows + AMX_ROWS * stride + p, row_bytes);
        AMX_DOT(2, 5, 6);
    }
}

/* The sums of 32 rows from and to [32][lanes]. */
static void load_sums(int vectors, const float *from)
{
    const int64_t bytes = vectors * AMX_BYTES, lanes = vectors * SIMD_LANES;
    AMX_LOAD(0, from, bytes);
    AMX_LOAD(2, from + AMX_ROWS * lanes, bytes);
    if (vectors == 2) {
        AMX_LOAD(1, from + SIMD_LANES, bytes);
        AMX_LOAD(3, from + AMX_ROWS * lanes + SIMD_LANES, bytes);
    }
}

static void store_sums(int vectors, float *to)
{
    const int64_t bytes = vectors * AMX_BYTES, lanes = vectors * SIMD_LANES;
    AMX_STORE(0, to, bytes);
    AMX_STORE(2, to + AMX_ROWS * lanes, bytes);
    if (vectors == 2) {
        AMX_STORE(1, to + SIMD_LANES, bytes);
        AMX_STORE(3, to + AMX_ROWS * lanes + SIMD_LANES, bytes);
    }
}

/* scores[keys][lanes] = k[keys][pairs] q[pairs][lanes], to whole tiles of keys; `top` becomes each query's largest
 * where that is larger. */
static void products_score(int vectors, int64_t keys, int64_t pairs, const uint32_t *k, const uint32_t *q,
                           float *scores, vfloat top[PAIR_VECTORS])
{
    const int64_t lanes = vectors * SIMD_LANES;
    for (int64_t i = 0; i < keys; i += ROW_STEP) {
        AMX_ZERO(0);
        AMX_ZERO(1);
        AMX_ZERO(2);
        AMX_ZERO(3);
        (vectors == 2 ? multiply_wide : multiply_slim)(pairs, k + i * pairs, pairs, q);
        store_sums(vectors, scores + i * lanes);
    }
    for (int n = 0; n < vectors; n++) {
        vfloat largest[4] = {top[n], top[n], top[n], top[n]}; /* each waits for its last step */
        for (int64_t i = 0; i < keys; i++)
            largest[i % 4] = v_max(largest[i % 4], v_load(scores + i * lanes + n * SIMD_LANES));
        top[n] = v_max(v_max(largest[0], largest[1]), v_max(largest[2], largest[3]));
    }
}

/* Whether all lanes are 1. */
static bool is_one(int vectors, const vfloat *correction)
{
    for (int n = 0; n < vectors; n++)
        if (_mm512_cmp_ps_mask(correction[n], v_set(1.0F), _CMP_EQ_OQ) != 0xFFFF)
            return false;
    return true;
}

/* out[dv][lanes] = out * correction + v[dv][pairs] weights[pairs][lanes]. */
static void products_add(int vectors, int64_t pairs, int64_t dv, const uint32_t *v, const uint32_t *weights,
                         const vfloat correction[PAIR_VECTORS], float *out)
{
    const int64_t lanes = vectors * SIMD_LANES;
    if (!is_one(vectors, correction)) {
        for (int64_t j = 0; j < dv; j++)
            for (int n = 0; n < vectors; n++) {
                float *const at = out + j * lanes + n * SIMD_LANES;
                v_store(at, v_mul(v_load(at), correction[n]));
            }
    }
    for (int64_t j = 0; j < dv; j += ROW_STEP) {
        load_sums(vectors, out + j * lanes);
        (vectors == 2 ? multiply_wide : multiply_slim)(pairs, v + j * pairs, pairs, weights);
        store_sums(vectors, out + j * lanes);
    }
}

/* Values as products_add reads them: pairs of keys [pairs][dv] turned to [dv][pairs], with zeros to whole tiles. */
static const uint32_t *products_values(int64_t pairs, int64_t dv, const uint32_t *values, uint32_t *scratch)
{
    const int64_t width = tile_round_up(pairs, PAIR_STEP);
    for (int64_t j = 0; j < tile_round_up(dv, ROW_STEP); j += SIMD_LANES) {
        const int columns = dv - j >= SIMD_LANES ? SIMD_LANES : dv > j ? (int)(dv - j) : 0;
        for (int64_t i = 0; i < width; i += SIMD_LANES) {
            vfloat x[SIMD_LANES];
            for (int r = 0; r < SIMD_LANES; r++) {
                const __mmask16 there = (__mmask16)(i + r < pairs ? (1U << columns) - 1U : 0U);
                x[r] = _mm512_castsi512_ps(_mm512_maskz_loadu_epi32(there, values + (i + r) * dv + j));
            }
            v_turn(x);
            for (int c = 0; c < SIMD_LANES; c++)
                _mm512_storeu_si512(scratch + (j + c) * width + i, _mm512_castps_si512(x[c]));
        }
    }
    return scratch;
}

static int64_t products_scratch(int64_t pairs, int64_t dv)
{
    return tile_round_up(dv, ROW_STEP) * tile_round_up(pairs, PAIR_STEP);
}

#endif
