/* Fused attention with an online softmax (Dao et al. 2022, FlashAttention; Milakov & Gimelshein 2018):
 * for a block of queries, keys and values go by in blocks; the running row maximum, row sum and output
 * are corrected when a larger score appears. No score matrix exists beyond one block.
 *
 * Layout. Keys are packed once into panels of PANEL keys, [d][PANEL], so that a product of query rows
 * and a panel is a small matrix product with dense vector loads; values are packed dense, [keys][dv
 * rounded up to whole vectors]. Both are shared by all query blocks. Scores are kept in base 2: the
 * scale times log2(e) is multiplied into the packed queries. */
#include "ops/cpu/kernels.h"
#include "ops/cpu/tile.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum {
    PANEL = TILE_COLUMNS, /* keys of a panel */
    QUERY_BLOCK = 48,     /* multiple of TILE_ROWS */
    KEY_BLOCK = 256,      /* multiple of PANEL */

};

static __attribute__((noinline)) void scores_product(int rows, int64_t depth, const float *q, const float *panel,
                                                     float *scores)
{
    tile_rows(rows, SIMD_PANEL_VECTORS, false, depth, q, depth, 1, panel, PANEL, scores, KEY_BLOCK);
}

static __attribute__((noinline)) void values_product(int rows, int vectors, int64_t keys, const float *scores,
                                                     const float *values, int64_t width, float *out)
{
    tile_rows(rows, vectors, true, keys, scores, KEY_BLOCK, 1, values, width, out, width);
}

/* What every query block of one (batch, head) pair reads. */
struct packed {
    const float *keys;   /* [panels][d][PANEL] */
    const float *values; /* [panels * PANEL][width] */
    int64_t count, panels, d, width;
};

static void pack_keys(const float *k, int64_t stride, int64_t first, int64_t count, int64_t d, float *panel)
{
    for (int64_t i = 0; i < PANEL; i++) {
        if (i < count) {
            const float *row = k + (first + i) * stride;
            for (int64_t j = 0; j < d; j++)
                panel[j * PANEL + i] = row[j];
        } else {
            for (int64_t j = 0; j < d; j++)
                panel[j * PANEL + i] = 0.0F;
        }
    }
}

static void pack_values(const float *v, int64_t stride, int64_t first, int64_t count, int64_t dv, int64_t width,
                        float *values)
{
    for (int64_t i = 0; i < PANEL; i++) {
        float *row = values + i * width;
        const int64_t used = i < count ? dv : 0;
        if (used > 0)
            memcpy(row, v + (first + i) * stride, (size_t)used * sizeof(float));
        memset(row + used, 0, (size_t)(width - used) * sizeof(float));
    }
}

/* The largest of scores[0..valid); several running maxima, since each waits for its last step. */
static float row_maximum(const float *scores, int valid)
{
    enum { CHAINS = 4 };
    vfloat top[CHAINS];
    for (int c = 0; c < CHAINS; c++)
        top[c] = v_set(MASKED);
    int i = 0;
    for (; i + CHAINS * SIMD_LANES <= valid; i += CHAINS * SIMD_LANES) {
#pragma GCC unroll 4
        for (int c = 0; c < CHAINS; c++)
            top[c] = v_max(top[c], v_load(scores + i + c * SIMD_LANES));
    }
    float largest = v_maximum(v_max(v_max(top[0], top[1]), v_max(top[2], top[3])));
    for (; i < valid; i++)
        largest = scores[i] > largest ? scores[i] : largest;
    return largest;
}

/* Scores of one row's block become weights relative to the running maximum; returns the factor that
 * corrects what was summed before. `valid` keys count, the rest of the padded block gets weight 0. */
static float softmax_row(float *scores, int valid, int padded, float *maximum, float *sum)
{
    const float largest = row_maximum(scores, valid);
    float correction = 1.0F;
    if (largest > *maximum) {
        correction = exp2f(*maximum - largest);
        *maximum = largest;
    }
    for (int i = valid; i < padded; i++)
        scores[i] = MASKED;
    const vfloat shift = v_set(*maximum);
    vfloat even = v_zero(), odd = v_zero();
    for (int i = 0; i < padded; i += 2 * SIMD_LANES) { /* PANEL is an even number of vectors */
        const vfloat a = v_exp2(v_sub(v_load(scores + i), shift));
        const vfloat b = v_exp2(v_sub(v_load(scores + i + SIMD_LANES), shift));
        even = v_add(even, a);
        odd = v_add(odd, b);
        v_store(scores + i, a);
        v_store(scores + i + SIMD_LANES, b);
    }
    *sum = *sum * correction + v_sum(v_add(even, odd));
    return correction;
}

/* Scratch of one thread. */
struct scratch {
    float *q;      /* [QUERY_BLOCK][d] */
    float *scores; /* [QUERY_BLOCK][KEY_BLOCK] */
    float *out;    /* [QUERY_BLOCK][width] */
};

static void scale_row(float *row, int64_t width, float factor)
{
    const vfloat f = v_set(factor);
    for (int64_t i = 0; i < width; i += SIMD_LANES)
        v_store(row + i, v_mul(v_load(row + i), f));
}

/* `rows` queries from `first` on: q and out are the head's, with their row strides. */
static void query_block(const struct packed *packed, const float *q, int64_t q_stride, int64_t first, int rows,
                        float scale, bool causal, int64_t dv, float *out, int64_t out_stride,
                        const struct scratch *scratch)
{
    const int64_t d = packed->d, width = packed->width;
    float maximum[QUERY_BLOCK], sum[QUERY_BLOCK];
    for (int r = 0; r < rows; r++) {
        const float *row = q + (first + r) * q_stride;
        for (int64_t j = 0; j < d; j++)
            scratch->q[r * d + j] = row[j] * scale;
        maximum[r] = -INFINITY;
        sum[r] = 0.0F;
    }
    memset(scratch->out, 0, (size_t)(rows * width) * sizeof(float));

    const int64_t limit = causal && first + rows < packed->count ? first + rows : packed->count;
    for (int64_t key = 0; key < limit; key += KEY_BLOCK) {
        const int valid = (int)(limit - key < KEY_BLOCK ? limit - key : KEY_BLOCK);
        const int padded = (valid + PANEL - 1) / PANEL * PANEL;
        for (int p = 0; p < padded; p += PANEL)
            scores_product(rows, d, scratch->q, packed->keys + (key + p) * d, scratch->scores + p);
        for (int r = 0; r < rows; r++) {
            const int64_t seen = causal && first + r + 1 - key < valid ? first + r + 1 - key : valid;
            const float correction =
                softmax_row(scratch->scores + r * KEY_BLOCK, seen < 0 ? 0 : (int)seen, padded, &maximum[r], &sum[r]);
            if (correction != 1.0F)
                scale_row(scratch->out + r * width, width, correction);
        }
        for (int64_t n = 0; n < width; n += PANEL) {
            const int64_t left = (width - n) / SIMD_LANES;
            values_product(rows, left < SIMD_PANEL_VECTORS ? (int)left : SIMD_PANEL_VECTORS, padded, scratch->scores,
                           packed->values + key * width + n, width, scratch->out + n);
        }
    }
    for (int r = 0; r < rows; r++) {
        const float *row = scratch->out + r * width;
        float *to = out + (first + r) * out_stride;
        const float inverse = 1.0F / sum[r];
        for (int64_t j = 0; j < dv; j++)
            to[j] = row[j] * inverse;
    }
}

static float *floats(struct compute *compute, int64_t count)
{
    return host_data(COMPUTE_TENSOR(compute, DTYPE_F32, count));
}

void SIMD_NAME(kernel_attention)(struct compute *compute, struct tensor q, struct tensor k, struct tensor v,
                                 float scale, bool causal, struct tensor out)
{
    const int64_t batch = q.dim[0], queries = q.dim[1], heads = q.dim[2], d = q.dim[3];
    const int64_t keys = k.dim[1], dv = v.dim[3];
    const int64_t panels = (keys + PANEL - 1) / PANEL;
    const int64_t width = (dv + SIMD_LANES - 1) / SIMD_LANES * SIMD_LANES;
    const int64_t pairs = batch * heads;
    const int threads = device_threads(compute_device(compute));

    const size_t mark = compute_mark(compute);
    float *packed_keys = floats(compute, pairs * panels * PANEL * d);
    float *packed_values = floats(compute, pairs * panels * PANEL * width);
    const int64_t per_thread = QUERY_BLOCK * (d + width + KEY_BLOCK);
    float *thread_scratch = floats(compute, threads * per_thread);
    if (compute_status(compute) != 0 || keys == 0) {
        compute_release(compute, mark);
        return;
    }

    const bool large = pairs * queries * keys * (d + dv) > TILE_SMALL_WORK;
#pragma omp parallel for num_threads(threads) schedule(static) if (large)
    for (int64_t i = 0; i < pairs * panels; i++) {
        const int64_t pair = i / panels, first = i % panels * PANEL, b = pair / heads, h = pair % heads;
        const int64_t count = keys - first < PANEL ? keys - first : PANEL;
        pack_keys((const float *)host_data(k) + b * k.stride[0] + h * k.stride[2], k.stride[1], first, count, d,
                  packed_keys + i * PANEL * d);
        pack_values((const float *)host_data(v) + b * v.stride[0] + h * v.stride[2], v.stride[1], first, count, dv,
                    width, packed_values + i * PANEL * width);
    }

    const float log2e = 1.44269504F;
    const int64_t blocks = (queries + QUERY_BLOCK - 1) / QUERY_BLOCK;
#pragma omp parallel for num_threads(threads) schedule(dynamic) if (large)
    for (int64_t i = 0; i < pairs * blocks; i++) {
        const int64_t pair = i / blocks, first = i % blocks * QUERY_BLOCK, b = pair / heads, h = pair % heads;
        const int rows = (int)(queries - first < QUERY_BLOCK ? queries - first : QUERY_BLOCK);
        float *base = thread_scratch + omp_get_thread_num() * per_thread;
        const struct scratch scratch = {base, base + QUERY_BLOCK * d, base + QUERY_BLOCK * (d + KEY_BLOCK)};
        const struct packed packed = {packed_keys + pair * panels * PANEL * d,
                                      packed_values + pair * panels * PANEL * width,
                                      keys,
                                      panels,
                                      d,
                                      width};
        query_block(&packed, (const float *)host_data(q) + b * q.stride[0] + h * q.stride[2], q.stride[1], first, rows,
                    scale * log2e, causal, dv, (float *)host_data(out) + b * out.stride[0] + h * out.stride[2],
                    out.stride[1], &scratch);
    }
    compute_release(compute, mark);
}
