/* Attention in bfloat16: the online softmax of attention.c, and its layout, queries in the lanes of the vectors, with
 * products of pairs. Of a block of keys and values each thread makes rows of pairs in the cache, which serve all panels
 * of its queries. Scores, maxima, sums and results are F32. The weights of the softmax are rounded before they multiply
 * values, and summed as they were rounded, so that they sum up to 1. */
#include "ops/cpu/elements.h"
#include "ops/cpu/kernels.h"
#if defined(ATTENTION_BY_TILES) || defined(SOWLV2_AMX_EMULATED)
#include "ops/cpu/attention_tiles.h"
#else
#include "ops/cpu/attention_pairs.h"
#endif

#include <float.h>
#include <math.h>
#include <omp.h>

enum {
    QUERY_BLOCK = 256, /* multiple of PAIR_LANES: what reads a block of keys while it is in the L2 cache */
    KEY_BLOCK = 256,   /* multiple of 2 ROW_STEP and of 2 PAIR_STEP */
};

/* A head's matrices with their row strides, in elements. */
struct head {
    struct elements q, k, v, out;
    int64_t q_stride, k_stride, v_stride, out_stride;
    int64_t queries, keys, d, dv;
    float scale;  /* of scores, to base 2; not negative */
    bool negated; /* the queries' signs are turned round */
    bool causal;
};

/* What a panel of queries keeps from block to block. */
struct panel {
    int vectors; /* 1 where there are no more queries */
    uint32_t *q; /* [pairs][lanes] */
    float *out;  /* [dv][lanes] */
    vfloat maximum[PAIR_VECTORS], sum[PAIR_VECTORS];
};

/* A thread's memory. */
struct scratch {
    float *scores;    /* [KEY_BLOCK][lanes]; then weights [KEY_BLOCK / 2][lanes] in pairs */
    uint32_t *keys;   /* [KEY_BLOCK][pairs]; queries before they are turned */
    uint32_t *values; /* [KEY_BLOCK / 2][dv] in pairs */
    uint32_t *turned; /* values as the products want them */
    uint32_t *panels;
};

static int64_t pairs_of(int64_t width)
{
    return tile_round_up((width + 1) / 2, PAIR_STEP);
}

/* ---- packing ---- */

/* 16 values from `i` on, of which `n` are there. */
SIMD_INLINE __m256i load_values(struct elements row, int64_t i, int n)
{
    if (row.narrow)
        return _mm256_maskz_loadu_epi16((__mmask16)((1U << n) - 1U), row.data + 2 * i);
    return v_narrow(elements_load_part(row, i, n));
}

static int part(int64_t left)
{
    return left < SIMD_LANES ? (int)left : SIMD_LANES;
}

/* `count` rows to [rows][pairs], of which those behind are 0. */
static void pack_rows(struct elements from, int64_t stride, int64_t count, int64_t rows, int64_t width, uint32_t *to)
{
    const int64_t pairs = pairs_of(width);
    for (int64_t r = 0; r < count; r++, to += pairs) {
        const struct elements row = elements_from(from, r * stride);
        to[(width + 1) / 2 - 1] = 0;
        for (int64_t i = 0; i < width; i += SIMD_LANES) {
            const int n = part(width - i);
            _mm256_mask_storeu_epi16((char *)to + 2 * i, (__mmask16)((1U << n) - 1U), load_values(row, i, n));
        }
        for (int64_t i = (width + 1) / 2; i < pairs; i++)
            to[i] = 0;
    }
    memset(to, 0, (size_t)((rows - count) * pairs) * sizeof(*to));
}

/* Values [keys][dv] to [keys / 2][dv] pairs of keys, the last one with a 0 where keys are odd. */
static void pack_values(struct elements from, int64_t stride, int64_t keys, int64_t dv, uint32_t *to)
{
    for (int64_t i = 0; i < keys; i += 2, to += dv) {
        const struct elements low = elements_from(from, i * stride), high = elements_from(low, stride);
        for (int64_t j = 0; j < dv; j += SIMD_LANES) {
            const int n = part(dv - j);
            __m512i pair = _mm512_cvtepu16_epi32(load_values(low, j, n));
            if (i + 1 < keys)
                pair = _mm512_or_si512(pair, _mm512_slli_epi32(_mm512_cvtepu16_epi32(load_values(high, j, n)), 16));
            _mm512_mask_storeu_epi32(to + j, (__mmask16)((1U << n) - 1U), pair);
        }
    }
}

/* Queries from `first` on to lanes; `rows` has room for a panel of them. */
static void turn_queries(const struct head *head, int64_t first, uint32_t *rows, struct panel *panel)
{
    const int64_t pairs = pairs_of(head->d), lanes = panel->vectors * SIMD_LANES, left = head->queries - first;
    const __m512i signs = _mm512_set1_epi32(head->negated ? (int)0x80008000U : 0);
    pack_rows(elements_from(head->q, first * head->q_stride), head->q_stride, left < lanes ? left : lanes, lanes,
              head->d, rows);
    for (int n = 0; n < panel->vectors; n++) {
        for (int64_t i = 0; i < pairs; i += SIMD_LANES) {
            const int columns = part(pairs - i);
            vfloat x[SIMD_LANES];
            for (int r = 0; r < SIMD_LANES; r++) {
                const __m512i row = _mm512_maskz_loadu_epi32((__mmask16)((1U << columns) - 1U),
                                                             rows + (n * SIMD_LANES + r) * pairs + i);
                x[r] = _mm512_castsi512_ps(_mm512_xor_si512(row, signs));
            }
            v_turn(x);
            for (int c = 0; c < columns; c++)
                _mm512_storeu_si512(panel->q + (i + c) * lanes + n * SIMD_LANES, _mm512_castps_si512(x[c]));
        }
    }
}

static void turn_results(const struct head *head, int64_t first, const struct panel *panel)
{
    const int vectors = panel->vectors;
    for (int n = 0; n < vectors; n++) {
        const int64_t row = first + n * SIMD_LANES, stride = vectors * SIMD_LANES;
        const int rows = part(head->queries - row);
        const vfloat inverse = v_div(v_set(1.0F), panel->sum[n]);
        for (int64_t j = 0; j < head->dv; j += SIMD_LANES) {
            const int columns = part(head->dv - j);
            vfloat x[SIMD_LANES];
            for (int c = 0; c < SIMD_LANES; c++)
                x[c] = c < columns ? v_mul(v_load(panel->out + (j + c) * stride + n * SIMD_LANES), inverse) : v_zero();
            v_turn(x);
            for (int r = 0; r < rows; r++)
                elements_store_part(elements_from(head->out, (row + r) * head->out_stride), j, columns, x[r]);
        }
    }
}

/* ---- softmax ---- */

/* 2^x for x <= 0 with a relative error of 7.5e-5, a fiftieth of what rounding to bfloat16 does. */
SIMD_INLINE vfloat exp2_coarse(vfloat x)
{
    const vfloat f = v_fraction(x);
    vfloat p = v_set(0.07802452F);
    p = v_fma(p, f, v_set(0.22606716F));
    p = v_fma(p, f, v_set(0.69583354F));
    p = v_fma(p, f, v_set(0.99992522F));
    return _mm512_scalef_ps(p, x);
}

/* Key i and those after it do not count for the panel's first `i - visible` queries. */
static void mask_future(int vectors, int64_t visible, int64_t keys, float *scores, vfloat top[PAIR_VECTORS])
{
    const int64_t lanes = vectors * SIMD_LANES;
    for (int n = 0; n < vectors; n++)
        top[n] = v_set(-INFINITY);
    for (int64_t i = 0; i < keys; i++, scores += lanes) {
        for (int64_t lane = 0; lane < lanes && lane < i - visible; lane++)
            scores[lane] = -INFINITY;
        for (int n = 0; n < vectors; n++)
            top[n] = v_max(top[n], v_load(scores + n * SIMD_LANES));
    }
}

/* Two rows of weights, rounded, as pairs: lane i has low[i] and high[i]. */
SIMD_INLINE __m512i pair_weights(vfloat low, vfloat high)
{
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                                           21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return _mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(high, low));
}

/* Scores of a block become pairs of weights relative to the running maximum, where they lie; `correction` becomes the
 * factors of what was summed before. */
SIMD_INLINE void weigh(const int vectors, int64_t keys, float scale, float *scores, const vfloat top[PAIR_VECTORS],
                       struct panel *panel, vfloat correction[PAIR_VECTORS])
{
    const vfloat factor = v_set(scale);
    const __m512i ones = _mm512_set1_epi32(0x3F803F80);
    uint32_t *to = (uint32_t *)(void *)scores;
    vfloat shift[PAIR_VECTORS], sum[PAIR_VECTORS];
#pragma GCC unroll 2
    for (int n = 0; n < vectors; n++) {
        const vfloat largest = v_max(panel->maximum[n], v_mul(top[n], factor));
        correction[n] = v_exp2(v_sub(panel->maximum[n], largest));
        panel->maximum[n] = largest;
        shift[n] = v_sub(v_zero(), largest);
        sum[n] = v_mul(panel->sum[n], correction[n]);
    }
    for (int64_t i = 0; i < keys; i += 2) {
#pragma GCC unroll 2
        for (int n = 0; n < vectors; n++) {
            const float *at = scores + (i * vectors + n) * SIMD_LANES;
            const vfloat low = exp2_coarse(v_fma(v_load(at), factor, shift[n]));
            const vfloat high =
                i + 1 < keys ? exp2_coarse(v_fma(v_load(at + vectors * SIMD_LANES), factor, shift[n])) : v_zero();
            const __m512i pair = pair_weights(low, high);
            sum[n] = v_dot_pairs(pair, ones, sum[n]);
            _mm512_storeu_si512(to + (i / 2 * vectors + n) * SIMD_LANES, pair);
        }
    }
#pragma GCC unroll 2
    for (int n = 0; n < vectors; n++)
        panel->sum[n] = sum[n];
}

static __attribute__((noinline)) void weigh_wide(int64_t keys, float scale, float *scores, const vfloat *top,
                                                 struct panel *panel, vfloat *correction)
{
    weigh(2, keys, scale, scores, top, panel, correction);
}

static __attribute__((noinline)) void weigh_slim(int64_t keys, float scale, float *scores, const vfloat *top,
                                                 struct panel *panel, vfloat *correction)
{
    weigh(1, keys, scale, scores, top, panel, correction);
}

/* ---- blocks ---- */

/* Keys of a block that were packed; where causal, the panel's first query sees `visible` of them beside itself. */
static void panel_block(const struct head *head, int64_t keys, int64_t visible, const struct scratch *scratch,
                        const uint32_t *values, struct panel *panel)
{
    const int vectors = panel->vectors;
    const int64_t pairs = (keys + 1) / 2, padded = tile_round_up(pairs, PAIR_STEP);
    vfloat top[PAIR_VECTORS], correction[PAIR_VECTORS];
    for (int n = 0; n < vectors; n++)
        top[n] = v_set(-INFINITY);
    products_score(vectors, keys, pairs_of(head->d), scratch->keys, panel->q, scratch->scores, top);
    if (visible < keys)
        mask_future(vectors, visible, keys, scratch->scores, top);
    (vectors == 2 ? weigh_wide : weigh_slim)(keys, head->scale, scratch->scores, top, panel, correction);
    uint32_t *const weights = (uint32_t *)(void *)scratch->scores;
    memset(weights + pairs * vectors * SIMD_LANES, 0,
           (size_t)((padded - pairs) * vectors * SIMD_LANES) * sizeof(*weights));
    products_add(vectors, padded, head->dv, values, weights, correction, panel->out);
}

static int64_t panel_size(int64_t d, int64_t dv)
{
    return PAIR_LANES * (pairs_of(d) + tile_round_up(dv, ROW_STEP));
}

/* Words of a thread's memory, and where in it what lies. */
static int64_t scratch_layout(int64_t queries, int64_t d, int64_t dv, uint32_t *memory, struct scratch *out)
{
    const int64_t scores = KEY_BLOCK * PAIR_LANES, keys = KEY_BLOCK * pairs_of(d);
    const int64_t values = tile_round_up(KEY_BLOCK / 2 * dv, SIMD_LANES), turned = products_scratch(KEY_BLOCK / 2, dv);
    const int64_t panels = tile_round_up(queries, PAIR_LANES) / PAIR_LANES * panel_size(d, dv);
    if (memory) {
        out->scores = (float *)(void *)memory;
        out->keys = memory + scores;
        out->values = out->keys + keys;
        out->turned = out->values + values;
        out->panels = out->turned + turned;
    }
    return tile_round_up(scores + keys + values + turned + panels, SIMD_LANES);
}

/* `count` queries from `first` on. */
static void query_block(const struct head *head, int64_t first, int64_t count, const struct scratch *scratch)
{
    struct panel panels[QUERY_BLOCK / PAIR_LANES];
    const int64_t size = panel_size(head->d, head->dv);
    const int64_t limit = head->causal && first + count < head->keys ? first + count : head->keys;
    for (int64_t p = 0; p * PAIR_LANES < count; p++) {
        uint32_t *const memory = scratch->panels + p * size;
        panels[p] = (struct panel){.vectors = count - p * PAIR_LANES > SIMD_LANES ? 2 : 1,
                                   .q = memory,
                                   .out = (float *)(void *)(memory + PAIR_LANES * pairs_of(head->d))};
        for (int n = 0; n < PAIR_VECTORS; n++) {
            panels[p].maximum[n] = v_set(MASKED);
            panels[p].sum[n] = v_zero();
        }
        memset(panels[p].out, 0, (size_t)(PAIR_LANES * tile_round_up(head->dv, ROW_STEP)) * sizeof(float));
        turn_queries(head, first + p * PAIR_LANES, scratch->keys, &panels[p]);
    }
    for (int64_t key = 0; key < limit; key += KEY_BLOCK) {
        const int64_t keys = limit - key < KEY_BLOCK ? limit - key : KEY_BLOCK, pairs = (keys + 1) / 2;
        pack_rows(elements_from(head->k, key * head->k_stride), head->k_stride, keys, tile_round_up(keys, ROW_STEP),
                  head->d, scratch->keys);
        pack_values(elements_from(head->v, key * head->v_stride), head->v_stride, keys, head->dv, scratch->values);
        const uint32_t *const values = products_values(pairs, head->dv, scratch->values, scratch->turned);
        for (int64_t p = 0; p * PAIR_LANES < count; p++) {
            const int64_t visible = head->causal ? first + p * PAIR_LANES - key : keys;
            if (visible + PAIR_LANES > 0)
                panel_block(head, keys, visible, scratch, values, &panels[p]);
        }
    }
    for (int64_t p = 0; p * PAIR_LANES < count; p++)
        turn_results(head, first + p * PAIR_LANES, &panels[p]);
}

void SIMD_NAME(kernel_attention)(struct compute *compute, struct tensor q, struct tensor k, struct tensor v,
                                 float scale, bool causal, struct tensor out)
{
    const int64_t queries = q.dim[1], heads = q.dim[2], d = q.dim[3], keys = k.dim[1], dv = v.dim[3];
    const int64_t pairs = q.dim[0] * heads;
    const int threads = device_threads(compute_device(compute));
    const int64_t size = tile_queries(QUERY_BLOCK, PAIR_LANES, pairs, queries, threads),
                  blocks = (queries + size - 1) / size;
    const int64_t per_thread = scratch_layout(size < queries ? size : queries, d, dv, NULL, NULL);
    const size_t mark = compute_mark(compute);
    uint32_t *memory = host_data(COMPUTE_TENSOR(compute, DTYPE_I32, threads * per_thread));
    if (compute_status(compute) != 0) {
        compute_release(compute, mark);
        return;
    }
    const float base2 = fabsf(scale) * 1.44269504F;
    const bool large = pairs * queries * keys * (d + dv) > TILE_SMALL_WORK;
#pragma omp parallel num_threads(threads) if (large)
    {
        products_begin();
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < pairs * blocks; i++) {
            const int64_t first = i % blocks * size, b = i / blocks / heads, h = i / blocks % heads;
            const struct head head = {
                .q = elements_of(&q, b * q.stride[0] + h * q.stride[2]),
                .k = elements_of(&k, b * k.stride[0] + h * k.stride[2]),
                .v = elements_of(&v, b * v.stride[0] + h * v.stride[2]),
                .out = elements_of(&out, b * out.stride[0] + h * out.stride[2]),
                .q_stride = q.stride[1],
                .k_stride = k.stride[1],
                .v_stride = v.stride[1],
                .out_stride = out.stride[1],
                .queries = queries,
                .keys = keys,
                .d = d,
                .dv = dv,
                .scale = base2 > 0.0F ? base2 : FLT_MIN, /* masked scores are infinite */
                .negated = scale < 0.0F,
                .causal = causal,
            };
            struct scratch scratch = {0};
            scratch_layout(size, d, dv, memory + omp_get_thread_num() * per_thread, &scratch);
            query_block(&head, first, queries - first < size ? queries - first : size, &scratch);
        }
        products_end();
    }
    compute_release(compute, mark);
}
