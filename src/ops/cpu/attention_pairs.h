/* The products of attention with AVX512-BF16: a few keys, or columns of values, times a panel of queries. */
#ifndef OPS_CPU_ATTENTION_PAIRS_H
#define OPS_CPU_ATTENTION_PAIRS_H

#include "ops/cpu/tile_bf16.h"

enum {
    PAIR_STEP = 1, /* pairs of a row are padded to a multiple of it */
    ROW_STEP = 1,  /* and rows of keys and of results */
    MAXIMA = 4,    /* running ones, since each waits for its last step */
};

static inline void products_begin(void)
{
}

static inline void products_end(void)
{
}

SIMD_INLINE void score_tile(const int rows, const int vectors, int64_t pairs, const uint32_t *k, const uint32_t *q,
                            float *scores, vfloat top[PAIR_VECTORS])
{
    pair_sums sum;
    pair_clear(rows, vectors, sum);
    pair_tile(rows, vectors, pairs, (const char *)k, pairs * (int64_t)sizeof(*k), sizeof(*k), q, sum);
    pair_store(rows, vectors, sum, scores);
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

SIMD_INLINE void score(const int most, const int vectors, int64_t keys, int64_t pairs, const uint32_t *k,
                       const uint32_t *q, float *scores, vfloat top[PAIR_VECTORS])
{
    const int64_t lanes = vectors * SIMD_LANES;
    int64_t i = 0;
    for (; i + most <= keys; i += most)
        score_tile(most, vectors, pairs, k + i * pairs, q, scores + i * lanes, top);
    for (; i + 4 <= keys; i += 4)
        score_tile(4, vectors, pairs, k + i * pairs, q, scores + i * lanes, top);
    for (; i < keys; i++)
        score_tile(1, vectors, pairs, k + i * pairs, q, scores + i * lanes, top);
}

SIMD_INLINE void value_tile(const int rows, const int vectors, int64_t pairs, int64_t dv, const uint32_t *v,
                            const uint32_t *weights, const vfloat correction[PAIR_VECTORS], float *out)
{
    pair_sums sum;
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (int n = 0; n < vectors; n++)
            sum[r][n] = v_mul(v_load(out + (r * vectors + n) * SIMD_LANES), correction[n]);
    }
    pair_tile(rows, vectors, pairs, (const char *)v, sizeof(*v), dv * (int64_t)sizeof(*v), weights, sum);
    pair_store(rows, vectors, sum, out);
}

SIMD_INLINE void add_values(const int most, const int vectors, int64_t pairs, int64_t dv, const uint32_t *v,
                            const uint32_t *weights, const vfloat correction[PAIR_VECTORS], float *out)
{
    const int64_t lanes = vectors * SIMD_LANES;
    int64_t j = 0;
    for (; j + most <= dv; j += most)
        value_tile(most, vectors, pairs, dv, v + j, weights, correction, out + j * lanes);
    for (; j + 4 <= dv; j += 4)
        value_tile(4, vectors, pairs, dv, v + j, weights, correction, out + j * lanes);
    for (; j < dv; j++)
        value_tile(1, vectors, pairs, dv, v + j, weights, correction, out + j * lanes);
}

/* Functions of their own, so that every tile has all registers. */
#define PANEL_FUNCTIONS(name, most, vectors)                                                                           \
    static __attribute__((noinline)) void name##_score(int64_t keys, int64_t pairs, const uint32_t *k,                 \
                                                       const uint32_t *q, float *scores, vfloat *top)                  \
    {                                                                                                                  \
        score(most, vectors, keys, pairs, k, q, scores, top);                                                          \
    }                                                                                                                  \
    static __attribute__((noinline)) void name##_add(int64_t pairs, int64_t dv, const uint32_t *v,                     \
                                                     const uint32_t *weights, const vfloat *correction, float *out)    \
    {                                                                                                                  \
        add_values(most, vectors, pairs, dv, v, weights, correction, out);                                             \
    }
PANEL_FUNCTIONS(wide, PAIR_WIDE_ROWS, 2)
PANEL_FUNCTIONS(slim, PAIR_SLIM_ROWS, 1)

/* scores[keys][lanes] = k[keys][pairs] q[pairs][lanes]; `top` becomes each query's largest where that is larger. */
static void products_score(int vectors, int64_t keys, int64_t pairs, const uint32_t *k, const uint32_t *q,
                           float *scores, vfloat top[PAIR_VECTORS])
{
    (vectors == 2 ? wide_score : slim_score)(keys, pairs, k, q, scores, top);
}

/* out[dv][lanes] = out * correction + the sum over `pairs` of keys of v weights. */
static void products_add(int vectors, int64_t pairs, int64_t dv, const uint32_t *v, const uint32_t *weights,
                         const vfloat correction[PAIR_VECTORS], float *out)
{
    (vectors == 2 ? wide_add : slim_add)(pairs, dv, v, weights, correction, out);
}

/* Values as products_add reads them: from the pairs of keys [pairs][dv], in place. */
static const uint32_t *products_values(int64_t pairs, int64_t dv, const uint32_t *values, uint32_t *scratch)
{
    (void)pairs;
    (void)dv;
    (void)scratch;
    return values;
}

static int64_t products_scratch(int64_t pairs, int64_t dv)
{
    (void)pairs;
    (void)dv;
    return 0;
}

#endif
