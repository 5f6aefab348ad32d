/* Fused attention with an online softmax (Dao et al. 2022, FlashAttention; Milakov & Gimelshein 2018):
 * for a block of queries, keys and values go by in blocks; the running maximum, sum and output of a query
 * are corrected when a larger score appears. No score matrix exists beyond one block.
 *
 * Layout. The lanes of a vector are queries: scores are [keys][queries], results [dv][queries]. Queries are
 * turned once, results at the end; keys and values are read a number at a time. So these need no layout of
 * their own and no padding, and maxima, sums and corrections nothing across a vector. Scores are kept in
 * base 2: the scale times log2(e) is multiplied into the turned queries. */
#include "ops/cpu/attention_tile.h"
#include "ops/cpu/kernels.h"

#include <omp.h>

enum {
    QUERY_BLOCK = 256, /* multiple of PANEL: what reads a block of keys while it is in the L2 cache */
    KEY_BLOCK = 256,
};

/* A head's matrices with their row strides. */
struct head {
    const float *q, *k, *v;
    float *out;
    int64_t q_stride, k_stride, v_stride, out_stride;
    int64_t queries, keys, d, dv;
};

/* What a panel of queries keeps from block to block. */
struct panel {
    int vectors; /* 1 where there are no more queries */
    float *q;    /* [d][lanes] */
    float *out;  /* [dv][lanes] */
    vfloat maximum[PANEL_VECTORS], sum[PANEL_VECTORS];
};

/* Scores of `keys` keys from `k` on. */
SIMD_INLINE void score(const int most, const int vectors, const struct head *head, const float *k, int64_t keys,
                       const float *q, float *scores, vfloat top[PANEL_VECTORS])
{
    const int64_t d = head->d, stride = head->k_stride, lanes = vectors * SIMD_LANES;
#pragma GCC unroll 2
    for (int n = 0; n < vectors; n++)
        top[n] = v_set(MASKED);
    int64_t i = 0;
    for (; i + most <= keys; i += most)
        score_tile(most, vectors, d, k + i * stride, stride, q, scores + i * lanes, top);
    for (; i + 4 <= keys; i += 4)
        score_tile(4, vectors, d, k + i * stride, stride, q, scores + i * lanes, top);
    for (; i < keys; i++)
        score_tile(1, vectors, d, k + i * stride, stride, q, scores + i * lanes, top);
}

/* Key i and those after it do not count for the panel's first `i - visible` queries. */
static void mask_future(int vectors, int64_t visible, int64_t keys, float *scores, vfloat top[PANEL_VECTORS])
{
    const int64_t lanes = vectors * SIMD_LANES;
    for (int n = 0; n < vectors; n++)
        top[n] = v_set(MASKED);
    for (int64_t i = 0; i < keys; i++, scores += lanes) {
        for (int64_t lane = 0; lane < lanes && lane < i - visible; lane++)
            scores[lane] = MASKED;
        for (int n = 0; n < vectors; n++)
            top[n] = v_max(top[n], v_load(scores + n * SIMD_LANES));
    }
}

/* Scores of a block become weights relative to the running maximum; `correction` becomes the factors of what was
 * summed before. */
SIMD_INLINE void weigh(const int vectors, int64_t keys, float *scores, const vfloat top[PANEL_VECTORS],
                       struct panel *panel, vfloat correction[PANEL_VECTORS])
{
    vfloat shift[PANEL_VECTORS], sum[PANEL_VECTORS];
#pragma GCC unroll 2
    for (int n = 0; n < vectors; n++) {
        shift[n] = v_max(panel->maximum[n], top[n]);
        correction[n] = v_exp2(v_sub(panel->maximum[n], shift[n]));
        panel->maximum[n] = shift[n];
        sum[n] = v_mul(panel->sum[n], correction[n]);
    }
    for (int64_t i = 0; i < keys; i++) {
#pragma GCC unroll 2
        for (int n = 0; n < vectors; n++) {
            float *at = scores + (i * vectors + n) * SIMD_LANES;
            const vfloat weight = v_exp2(v_sub(v_load(at), shift[n]));
            v_store(at, weight);
            sum[n] = v_add(sum[n], weight);
        }
    }
#pragma GCC unroll 2
    for (int n = 0; n < vectors; n++)
        panel->sum[n] = sum[n];
}

SIMD_INLINE void add_values(const int most, const int vectors, const struct head *head, const float *v, int64_t keys,
                            const float *weights, const vfloat correction[PANEL_VECTORS], bool first, float *out)
{
    const int64_t dv = head->dv, stride = head->v_stride, lanes = vectors * SIMD_LANES;
    int64_t j = 0;
    for (; j + most <= dv; j += most)
        value_tile(most, vectors, keys, v + j, stride, weights, correction, first, out + j * lanes);
    for (; j + 4 <= dv; j += 4)
        value_tile(4, vectors, keys, v + j, stride, weights, correction, first, out + j * lanes);
    for (; j < dv; j++)
        value_tile(1, vectors, keys, v + j, stride, weights, correction, first, out + j * lanes);
}

/* Functions of their own, so that every tile has all registers. */
#define PANEL_FUNCTIONS(name, most, vectors)                                                                           \
    static __attribute__((noinline)) void name##_score(const struct head *head, const float *k, int64_t keys,          \
                                                       const float *q, float *scores, vfloat *top)                     \
    {                                                                                                                  \
        score(most, vectors, head, k, keys, q, scores, top);                                                           \
    }                                                                                                                  \
    static __attribute__((noinline)) void name##_weigh(int64_t keys, float *scores, const vfloat *top,                 \
                                                       struct panel *panel, vfloat *correction)                        \
    {                                                                                                                  \
        weigh(vectors, keys, scores, top, panel, correction);                                                          \
    }                                                                                                                  \
    static __attribute__((noinline)) void name##_add(const struct head *head, const float *v, int64_t keys,            \
                                                     const float *weights, const vfloat *correction, bool first,       \
                                                     float *out)                                                       \
    {                                                                                                                  \
        add_values(most, vectors, head, v, keys, weights, correction, first, out);                                     \
    }
PANEL_FUNCTIONS(wide, WIDE_ROWS, 2)
PANEL_FUNCTIONS(slim, SLIM_ROWS, 1)

/* Keys from `key` on; where causal, the panel's first query sees `visible` of them beside itself. */
static void panel_block(const struct head *head, int64_t key, int64_t keys, int64_t visible, struct panel *panel,
                        float *scores)
{
    const bool wide = panel->vectors == 2;
    vfloat top[PANEL_VECTORS], correction[PANEL_VECTORS];
    (wide ? wide_score : slim_score)(head, head->k + key * head->k_stride, keys, panel->q, scores, top);
    if (visible < keys)
        mask_future(panel->vectors, visible, keys, scores, top);
    (wide ? wide_weigh : slim_weigh)(keys, scores, top, panel, correction);
    (wide ? wide_add : slim_add)(head, head->v + key * head->v_stride, keys, scores, correction, key == 0, panel->out);
}

/* x[0..LANES) of rows that lie `stride` apart: `rows` of them and `columns` of each, else 0. */
static void load_square(const float *from, int64_t stride, int64_t rows, int columns, vfloat x[SIMD_LANES])
{
    for (int r = 0; r < SIMD_LANES; r++) {
        x[r] = r >= rows               ? v_zero()
               : columns == SIMD_LANES ? v_load(from + r * stride)
                                       : v_load_part(from + r * stride, columns);
    }
}

static int part(int64_t left)
{
    return left < SIMD_LANES ? (int)left : SIMD_LANES;
}

/* Queries from `first` on, times `scale`, to lanes. */
static void turn_queries(const struct head *head, int64_t first, float scale, struct panel *panel)
{
    const int vectors = panel->vectors;
    const vfloat factor = v_set(scale);
    for (int n = 0; n < vectors; n++) {
        const int64_t row = first + n * SIMD_LANES;
        for (int64_t i = 0; i < head->d; i += SIMD_LANES) {
            const int columns = part(head->d - i);
            vfloat x[SIMD_LANES];
            load_square(head->q + row * head->q_stride + i, head->q_stride, head->queries - row, columns, x);
            v_turn(x);
            for (int c = 0; c < columns; c++)
                v_store(panel->q + ((i + c) * vectors + n) * SIMD_LANES, v_mul(x[c], factor));
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
            load_square(panel->out + j * stride + n * SIMD_LANES, stride, columns, SIMD_LANES, x);
            for (int c = 0; c < SIMD_LANES; c++)
                x[c] = v_mul(x[c], inverse);
            v_turn(x);
            for (int r = 0; r < rows; r++) {
                float *to = head->out + (row + r) * head->out_stride + j;
                if (columns == SIMD_LANES)
                    v_store(to, x[r]);
                else
                    v_store_part(to, columns, x[r]);
            }
        }
    }
}

static int64_t scratch_size(int64_t queries, int64_t d, int64_t dv)
{
    return queries * (d + dv) + KEY_BLOCK * PANEL;
}

/* `count` queries from `first` on. */
static void query_block(const struct head *head, int64_t first, int64_t count, float scale, bool causal, float *scratch)
{
    struct panel panels[QUERY_BLOCK / PANEL];
    float *scores = scratch, *next = scratch + KEY_BLOCK * PANEL;
    for (int64_t p = 0; p * PANEL < count; p++) {
        panels[p] =
            (struct panel){.vectors = count - p * PANEL > SIMD_LANES ? 2 : 1, .q = next, .out = next + PANEL * head->d};
        next += PANEL * (head->d + head->dv);
        for (int n = 0; n < PANEL_VECTORS; n++) {
            panels[p].maximum[n] = v_set(MASKED);
            panels[p].sum[n] = v_zero();
        }
        turn_queries(head, first + p * PANEL, scale, &panels[p]);
    }
    for (int64_t key = 0; key < head->keys; key += KEY_BLOCK) {
        for (int64_t p = 0; p * PANEL < count; p++) {
            const int64_t query = first + p * PANEL, last = query + PANEL;
            const int64_t limit = causal && last < head->keys ? last : head->keys;
            const int64_t keys = limit - key < KEY_BLOCK ? limit - key : KEY_BLOCK;
            if (keys > 0)
                panel_block(head, key, keys, causal ? query - key : keys, &panels[p], scores);
        }
    }
    for (int64_t p = 0; p * PANEL < count; p++)
        turn_results(head, first + p * PANEL, &panels[p]);
}

/* x [batch, rows, heads, width] with each head's rows dense: rows that lie a multiple of 4 KB apart have few places
 * in the caches. */
static struct tensor dense_rows(struct compute *compute, struct tensor x)
{
    if (x.stride[1] == x.dim[3])
        return x;
    struct tensor dense = COMPUTE_TENSOR(compute, DTYPE_F32, x.dim[0], x.dim[2], x.dim[1], x.dim[3]);
    op_copy(compute, tensor_swap_axes(x, 1, 2), dense);
    return tensor_swap_axes(dense, 1, 2);
}

void SIMD_NAME(kernel_attention)(struct compute *compute, struct tensor q, struct tensor k, struct tensor v,
                                 float scale, bool causal, struct tensor out)
{
    const int64_t queries = q.dim[1], heads = q.dim[2], d = q.dim[3], keys = k.dim[1], dv = v.dim[3];
    const int64_t pairs = q.dim[0] * heads;
    const int threads = device_threads(compute_device(compute));

    const size_t mark = compute_mark(compute);
    if (queries > QUERY_BLOCK) {
        k = dense_rows(compute, k);
        v = dense_rows(compute, v);
    }
    const int64_t size = tile_queries(QUERY_BLOCK, PANEL, pairs, queries, threads),
                  blocks = (queries + size - 1) / size;
    const int64_t per_thread = scratch_size(size, d, dv);
    float *scratch = host_data(COMPUTE_TENSOR(compute, DTYPE_F32, threads * per_thread));
    if (compute_status(compute) != 0 || keys == 0) {
        compute_release(compute, mark);
        return;
    }
    const float log2e = 1.44269504F;
    const bool large = pairs * queries * keys * (d + dv) > TILE_SMALL_WORK;
#pragma omp parallel for num_threads(threads) schedule(dynamic) if (large)
    for (int64_t i = 0; i < pairs * blocks; i++) {
        const int64_t first = i % blocks * size, b = i / blocks / heads, h = i / blocks % heads;
        const struct head head = {
            .q = (const float *)host_data(q) + b * q.stride[0] + h * q.stride[2],
            .k = (const float *)host_data(k) + b * k.stride[0] + h * k.stride[2],
            .v = (const float *)host_data(v) + b * v.stride[0] + h * v.stride[2],
            .out = (float *)host_data(out) + b * out.stride[0] + h * out.stride[2],
            .q_stride = q.stride[1],
            .k_stride = k.stride[1],
            .v_stride = v.stride[1],
            .out_stride = out.stride[1],
            .queries = queries,
            .keys = keys,
            .d = d,
            .dv = dv,
        };
        query_block(&head, first, queries - first < size ? queries - first : size, scale * log2e, causal,
                    scratch + omp_get_thread_num() * per_thread);
    }
    compute_release(compute, mark);
}
