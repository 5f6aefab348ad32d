// Attention without a matrix of scores in memory: blocks of queries walk over tiles of keys, with a running maximum and
// sum (Dao et al. 2022, "FlashAttention"; Milakov and Gimelshein 2018 for the sums).
#include "attention.cuh"

namespace {

// Rows of a head to shared memory: WIDTH + GAP values each, 0 where there is nothing. Where rows can be read by 16
// bytes they are copies on their way, of the group that the caller ends.
constexpr int GAP = 8; // eight rows begin at eight different sixteenths of all banks
template <int WIDTH, int THREADS> struct rows {
    // A row's lanes take 64 or 128 bytes at once, and all threads together every STEP-th row.
    static constexpr int LANES = WIDTH % 64 == 0 ? 8 : 4, STEP = THREADS / LANES;
    static_assert(WIDTH % (8 * LANES) == 0, "a part of a row is left");
    const narrow *from; // this thread's place in the rows to come
    int64_t step;
    int left, width; // of them, of a row, from that place on
    int at;          // that place in shared memory
    bool vector;
    __device__ __forceinline__ rows(const narrow *first, int64_t stride, int count, int columns, bool by_16)
    {
        const int row = threadIdx.x / LANES, column = threadIdx.x % LANES * 8;
        from = first + row * stride + column;
        step = STEP * stride;
        left = count - row;
        width = columns - column;
        at = row * (WIDTH + GAP) + column;
        vector = by_16;
    }
    // The next ROWS of them.
    template <int ROWS> __device__ __forceinline__ void begin(narrow *shared)
    {
        static_assert(ROWS % STEP == 0, "a part of the rows is left");
        narrow *const to = shared + at;
        if (vector) {
#pragma unroll
            for (int j = 0; j < ROWS; j += STEP, from += step)
#pragma unroll
                for (int i = 0; i < WIDTH; i += 8 * LANES)
                    copy_begin_16(to + j * (WIDTH + GAP) + i, from + i, j < left && i < width);
        } else {
#pragma unroll 1
            for (int j = 0; j < ROWS; j += STEP, from += step)
#pragma unroll 1
                for (int i = 0; i < WIDTH; i += 8 * LANES)
                    put_8(to + j * (WIDTH + GAP) + i, from + i, j < left && i < width ? width - i : 0, false);
        }
        left -= ROWS;
    }
};

// Narrow queries, keys and values of up to WIDTH and VALUES: WARPS warps of TILES x 16 queries, KEYS at once. Where
// queries are KEPT, as registers, there are two places for keys and values, and the next ones are on their way
// meanwhile; queries come by the second place. Where not there is one: values come while scores are computed, the next
// keys while values are multiplied.
template <int WIDTH, int VALUES, int KEYS, int WARPS, int TILES, bool KEPT, class Out>
__device__ __forceinline__ void attend_tile(const attention_arguments &a, int64_t tile, int first_step, int last_step)
{
    constexpr int THREADS = 32 * WARPS, QUERIES = 16 * TILES * WARPS, DEPTH = WIDTH / 16;
    constexpr int K_ROW = WIDTH + GAP, V_ROW = VALUES + GAP, PLACE = KEYS * (K_ROW + V_ROW);
    constexpr float SLACK = 8.0f; // powers of 2 that a weight may exceed 1 by
    SHARED_DYNAMIC(narrow, shared);
    narrow *const query = KEPT ? shared + PLACE : shared;
    narrow *const places = KEPT ? shared : shared + QUERIES * K_ROW;
    const part p(a, QUERIES, tile);
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, first_query = (int)p.first;
    const int row = warp * TILES * 16 + lane / 4; // and 8 below, and so each 16 of TILES
    const int last = first_query + QUERIES < (int)a.queries ? first_query + QUERIES : (int)a.queries;
    // Keys of these steps that a query sees.
    const int of_tile = a.causal ? last : (int)a.keys, of_steps = last_step * KEYS;
    const int first_key = first_step * KEYS, keys = (of_steps < of_tile ? of_steps : of_tile) - first_key;
    const narrow *const k = head_of<const narrow>(a.k, p) + first_key * a.k.stride[1];
    const narrow *const v = head_of<const narrow>(a.v, p) + first_key * a.v.stride[1];
    rows<WIDTH, THREADS> key_rows(k, a.k.stride[1], keys, (int)a.width, a.vector);
    rows<VALUES, THREADS> value_rows(v, a.v.stride[1], keys, (int)a.value_width, a.vector);
    const float scale = a.scale * 1.44269504088896341f, slack = SLACK / scale; // powers of 2 instead of e

    const narrow *const of_warp = query + (warp * TILES * 16 + left_row(lane)) * K_ROW + left_column(lane);
    uint32_t kept[KEPT ? TILES : 1][KEPT ? DEPTH : 1][4];
    rows<WIDTH, THREADS> query_rows(head_of<const narrow>(a.q, p) + p.first * a.q.stride[1], a.q.stride[1],
                                    (int)a.queries - first_query, (int)a.width, a.vector);
    query_rows.template begin<QUERIES>(query);
    key_rows.template begin<KEYS>(places);
    if (KEPT)
        value_rows.template begin<KEYS>(places + KEYS * K_ROW);
    copies_group();
    if (KEPT) {
        copies_wait<0>();
        __syncthreads();
#pragma unroll
        for (int m = 0; m < TILES; m++)
#pragma unroll
            for (int d = 0; d < DEPTH; d++)
                matrix_load(kept[KEPT ? m : 0][KEPT ? d : 0], of_warp + m * 16 * K_ROW + d * 16);
    }

    float sum[TILES][VALUES / 8][4] = {}, total[TILES][4] = {}, top[TILES][2];
#pragma unroll
    for (int m = 0; m < TILES; m++)
        top[m][0] = top[m][1] = LOWEST;
    narrow *now = places, *next = places + PLACE;
    for (int first = 0; first < keys; first += KEYS) {
        if (!KEPT || first > 0)
            copies_wait<0>();
        __syncthreads(); // this step's keys are there; what the step before read, or the queries, may be written
        if (!KEPT) {
            value_rows.template begin<KEYS>(places + KEYS * K_ROW);
            copies_group();
        } else if (first + KEYS < keys) {
            key_rows.template begin<KEYS>(next);
            value_rows.template begin<KEYS>(next + KEYS * K_ROW);
            copies_group();
        }

        float score[TILES][KEYS / 8][4] = {};
        const narrow *const key = now + right_row(lane) * K_ROW + right_column(lane);
#pragma unroll
        for (int d = 0; d < DEPTH; d++) {
            uint32_t left[TILES][4], right[4];
#pragma unroll
            for (int m = 0; m < TILES; m++)
                if (KEPT)
                    memcpy(left[m], kept[KEPT ? m : 0][KEPT ? d : 0], sizeof(left[m]));
                else
                    matrix_load(left[m], of_warp + m * 16 * K_ROW + d * 16);
#pragma unroll
            for (int j = 0; j < KEYS / 16; j++) {
                matrix_load(right, key + j * 16 * K_ROW + d * 16);
#pragma unroll
                for (int m = 0; m < TILES; m++) {
                    mma_16816(score[m][2 * j], left[m], right);
                    mma_16816(score[m][2 * j + 1], left[m], right + 2);
                }
            }
        }
        if (!KEPT) {
            copies_wait<0>();
            __syncthreads(); // the values are there, the keys have been read
            if (first + KEYS < keys) {
                key_rows.template begin<KEYS>(places);
                copies_group();
            }
        }

        if (first + KEYS > (a.causal ? first_query + 1 : keys)) { // not every query sees every key
#pragma unroll
            for (int m = 0; m < TILES; m++)
#pragma unroll
                for (int h = 0; h < 2; h++) {
                    const int own = first_query + row + 16 * m + 8 * h + 1, seen = a.causal && own < keys ? own : keys;
#pragma unroll
                    for (int j = 0; j < KEYS / 4; j++)
                        if (first + j / 2 * 8 + lane % 4 * 2 + j % 2 >= seen)
                            score[m][j / 2][2 * h + j % 2] = -INFINITY;
                }
        }
        // Weights are relative to a maximum of the keys so far, or to one that is lower by less than `slack`: sums are
        // rescaled at a few steps only. A NaN comes through as its weight.
        float best[TILES][2], lowered[TILES][2];
        bool rises = false;
#pragma unroll
        for (int m = 0; m < TILES; m++)
#pragma unroll
            for (int h = 0; h < 2; h++) {
                float most = score[m][0][2 * h];
#pragma unroll
                for (int j = 1; j < KEYS / 4; j++)
                    most = fmaxf(most, score[m][j / 2][2 * h + j % 2]);
                most = fmaxf(most, __shfl_xor_sync(~0u, most, 1));
                most = fmaxf(most, __shfl_xor_sync(~0u, most, 2));
                best[m][h] = most;
                rises = rises || most > top[m][h] + slack;
            }
        if (rises) {
#pragma unroll
            for (int m = 0; m < TILES; m++)
#pragma unroll
                for (int h = 0; h < 2; h++) {
                    const float most = fmaxf(best[m][h], top[m][h]);
                    const float shrink = power_of_2((top[m][h] - most) * scale);
                    top[m][h] = most;
                    total[m][2 * h] *= shrink;
#pragma unroll
                    for (int j = 0; j < VALUES / 4; j++)
                        sum[m][j / 2][2 * h + j % 2] *= shrink;
                }
        }
#pragma unroll
        for (int m = 0; m < TILES; m++)
#pragma unroll
            for (int h = 0; h < 2; h++)
                lowered[m][h] = -top[m][h] * scale;

        const narrow *const value = now + KEYS * K_ROW + left_row(lane) * V_ROW + left_column(lane);
#pragma unroll
        for (int i = 0; i < KEYS / 16; i++) {
            uint32_t left[TILES][4], right[4];
            const uint32_t ones[2] = {0x3f803f80, 0x3f803f80};
#pragma unroll
            for (int m = 0; m < TILES; m++) {
#pragma unroll
                for (int part = 0; part < 4; part++) {
                    const float *const s = score[m][2 * i + part / 2] + part % 2 * 2;
                    left[m][part] = round_pair(power_of_2(fmaf(s[0], scale, lowered[m][part % 2])),
                                               power_of_2(fmaf(s[1], scale, lowered[m][part % 2])));
                }
                mma_16816(total[m], left[m], ones); // weights as they are multiplied: they sum up to 1
            }
#pragma unroll
            for (int j = 0; j < VALUES / 16; j++) {
                matrix_load_transposed(right, value + i * 16 * V_ROW + j * 16);
#pragma unroll
                for (int m = 0; m < TILES; m++) {
                    mma_16816(sum[m][2 * j], left[m], right);
                    mma_16816(sum[m][2 * j + 1], left[m], right + 2);
                }
            }
        }
        if (KEPT) {
            narrow *const other = now;
            now = next;
            next = other;
        }
    }
#pragma unroll
    for (int m = 0; m < TILES; m++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
            const int at = first_query + row + 16 * m + 8 * h, left = (int)a.value_width - lane % 4 * 2;
            if (at >= (int)a.queries)
                continue;
            if (first_step > 0 || last_step < a.steps) {
                float *const to = partial_of(a, blockIdx.x, first_step == 0, at - first_query);
                to[0] = top[m][h] * scale;
                to[1] = total[m][2 * h];
#pragma unroll
                for (int j = 0; j < VALUES / 8; j++)
                    store_two(to + 2 + lane % 4 * 2 + j * 8, sum[m][j][2 * h], sum[m][j][2 * h + 1], left - j * 8,
                              a.value_width % 2 == 0);
                continue;
            }
            const float factor = 1.0f / total[m][2 * h];
            Out *const out = head_of<Out>(a.out, p) + at * a.out.stride[1] + lane % 4 * 2;
#pragma unroll
            for (int j = 0; j < VALUES / 8; j++)
                store_two(out + j * 8, sum[m][j][2 * h] * factor, sum[m][j][2 * h + 1] * factor, left - j * 8,
                          a.pairs);
        }
}

template <int WIDTH, int VALUES, int KEYS, int WARPS, int TILES, bool KEPT, class Out>
__device__ __forceinline__ void attend(const attention_arguments &a)
{
    each_tile(a, [&](int64_t tile, int first_step, int last_step) {
        attend_tile<WIDTH, VALUES, KEYS, WARPS, TILES, KEPT, Out>(a, tile, first_step, last_step);
    });
}

// What blocks found for steps of the same tile becomes the result: a warp for each query of each head.
template <class Out> __device__ void attend_join(const attention_arguments &a)
{
    const int lane = threadIdx.x % 32;
    const int64_t warp = (int64_t)blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
    const quotient tile = divide(warp, a.tile_queries);
    const int64_t first = block_of(a, tile.whole * a.steps), last = block_of(a, (tile.whole + 1) * a.steps - 1);
    const part p(a, a.tile_queries, tile.whole);
    if (p.batch >= a.batch || p.first + tile.rest >= a.queries || first == last)
        return;
    float top = LOWEST, total = 0.0f;
    for (int64_t block = first; block <= last; block++)
        top = fmaxf(top, partial_of(a, block, block == first, tile.rest)[0]);
    for (int64_t block = first; block <= last; block++) {
        const float *const from = partial_of(a, block, block == first, tile.rest);
        total += from[1] * power_of_2(from[0] - top);
    }
    const float factor = 1.0f / total;
    Out *const out = head_of<Out>(a.out, p) + (p.first + tile.rest) * a.out.stride[1];
    for (int64_t c = lane; c < a.value_width; c += 32) {
        float value = 0.0f;
        for (int64_t block = first; block <= last; block++) {
            const float *const from = partial_of(a, block, block == first, tile.rest);
            value += from[2 + c] * power_of_2(from[0] - top);
        }
        store(out + c, value * factor);
    }
}

// Of any widths, and in f32: 32 queries, 32 keys at once, 64 values of each block.
template <class In, class Out, bool ROUNDED> __device__ void attend_any(const attention_arguments &a)
{
    constexpr int QUERIES = 32, KEYS = 32, DEPTH = 32, VALUES = 64;
    __shared__ float query[QUERIES][DEPTH + 1], key[KEYS][DEPTH + 1], weight[QUERIES][KEYS + 1], value[KEYS][VALUES];
    __shared__ float top[QUERIES], total[QUERIES], shrink[QUERIES];
    const part p(a, QUERIES);
    const In *const q = head_of<const In>(a.q, p), *const k = head_of<const In>(a.k, p);
    const In *const v = head_of<const In>(a.v, p);
    const int t = threadIdx.x, row = t / 16 * 4, column = t % 16;
    const int64_t first_value = (int64_t)blockIdx.z * VALUES;
    const int64_t last = p.first + QUERIES < a.queries ? p.first + QUERIES : a.queries;
    const int64_t keys = a.causal ? last : a.keys;
    float sum[4][4] = {};
    if (t < QUERIES) {
        top[t] = LOWEST;
        total[t] = 0.0f;
    }
    for (int64_t first = 0; first < keys; first += KEYS) {
        float score[4][2] = {};
        for (int64_t d = 0; d < a.width; d += DEPTH) {
            const int depth = (int)(a.width - d < DEPTH ? a.width - d : DEPTH);
            __syncthreads();
            for (int i = t; i < QUERIES * DEPTH; i += 128) {
                const int r = i / DEPTH, c = i % DEPTH;
                const bool has_query = c < depth && p.first + r < a.queries, has_key = c < depth && first + r < a.keys;
                query[r][c] = has_query ? factor<ROUNDED>(load(q + (p.first + r) * a.q.stride[1] + d + c)) : 0.0f;
                key[r][c] = has_key ? factor<ROUNDED>(load(k + (first + r) * a.k.stride[1] + d + c)) : 0.0f;
            }
            __syncthreads();
            for (int c = 0; c < depth; c++)
                for (int i = 0; i < 4; i++)
                    for (int j = 0; j < 2; j++)
                        score[i][j] += query[row + i][c] * key[column + 16 * j][c];
        }
        for (int i = 0; i < 4; i++)
            for (int j = 0; j < 2; j++) {
                const int64_t at = first + column + 16 * j;
                const int64_t seen = a.causal ? p.first + row + i + 1 : a.keys;
                weight[row + i][column + 16 * j] = at < seen && at < a.keys ? score[i][j] * a.scale : LOWEST;
            }
        for (int i = t; i < KEYS * VALUES; i += 128) {
            const int r = i / VALUES, c = i % VALUES;
            const bool there = first + r < a.keys && first_value + c < a.value_width;
            value[r][c] = there ? factor<ROUNDED>(load(v + (first + r) * a.v.stride[1] + first_value + c)) : 0.0f;
        }
        __syncthreads();
        float *const of_row = weight[t / 4] + t % 4 * (KEYS / 4); // four threads a row
        const float old = top[t / 4];
        float best = old, added = 0.0f;
        for (int i = 0; i < KEYS / 4; i++)
            best = larger(best, of_row[i]);
        best = larger(best, __shfl_xor_sync(~0u, best, 1));
        best = larger(best, __shfl_xor_sync(~0u, best, 2));
        for (int i = 0; i < KEYS / 4; i++) {
            of_row[i] = expf(of_row[i] - best);
            added += of_row[i];
        }
        added += __shfl_xor_sync(~0u, added, 1);
        added += __shfl_xor_sync(~0u, added, 2);
        __syncwarp(); // all four have read the old one
        if (t % 4 == 0) {
            shrink[t / 4] = expf(old - best);
            top[t / 4] = best;
            total[t / 4] = total[t / 4] * shrink[t / 4] + added;
        }
        __syncthreads();
        const int count = (int)(keys - first < KEYS ? keys - first : KEYS);
        for (int i = 0; i < 4; i++)
            for (int j = 0; j < 4; j++)
                sum[i][j] *= shrink[row + i];
        for (int r = 0; r < count; r++)
            for (int i = 0; i < 4; i++)
                for (int j = 0; j < 4; j++)
                    sum[i][j] += weight[row + i][r] * value[r][column + 16 * j];
    }
    for (int i = 0; i < 4; i++) {
        const int64_t at = p.first + row + i;
        Out *const out = head_of<Out>(a.out, p) + at * a.out.stride[1];
        for (int j = 0; j < 4; j++) {
            const int64_t c = first_value + column + 16 * j;
            if (at < a.queries && c < a.value_width)
                store(out + c, sum[i][j] / total[row + i]);
        }
    }
}

} // namespace

#define ATTENTION_ANY(name, In, Out, ROUNDED)                                                                          \
    extern "C" __global__ void __launch_bounds__(128) name(const attention_arguments a) { attend_any<In, Out, ROUNDED>(a); }
ATTENTION_ANY(attention_exact, float, float, false)
ATTENTION_ANY(attention_any_nf, narrow, float, false)
ATTENTION_ANY(attention_any_nn, narrow, narrow, false)

extern "C" __global__ void __launch_bounds__(128) attention_join_f(const attention_arguments a) { attend_join<float>(a); }
extern "C" __global__ void __launch_bounds__(128) attention_join_n(const attention_arguments a) { attend_join<narrow>(a); }

// By widths and queries of a block: attention.c has the same numbers.
#define ATTENTION(WIDTH, VALUES, KEYS, WARPS, TILES, KEPT, QUERIES, BLOCKS)                                            \
    extern "C" __global__ void __launch_bounds__(32 * WARPS, BLOCKS)                                                   \
        attention_##WIDTH##_##VALUES##_##QUERIES##_nf(const attention_arguments a)                                     \
    {                                                                                                                  \
        static_assert(QUERIES == 16 * TILES * WARPS, "attention.c and the kernel differ");                             \
        attend<WIDTH, VALUES, KEYS, WARPS, TILES, KEPT, float>(a);                                                     \
    }                                                                                                                  \
    extern "C" __global__ void __launch_bounds__(32 * WARPS, BLOCKS)                                                   \
        attention_##WIDTH##_##VALUES##_##QUERIES##_nn(const attention_arguments a)                                     \
    {                                                                                                                  \
        attend<WIDTH, VALUES, KEYS, WARPS, TILES, KEPT, narrow>(a);                                                    \
    }
ATTENTION(64, 64, 16, 1, 1, true, 16, 16)
ATTENTION(64, 64, 64, 4, 1, true, 64, 3)
ATTENTION(64, 64, 64, 4, 2, true, 128, 2)
ATTENTION(96, 96, 16, 1, 1, true, 16, 16)
ATTENTION(96, 96, 32, 4, 1, true, 64, 4)
ATTENTION(96, 96, 32, 4, 2, true, 128, 2)
ATTENTION(128, 128, 64, 4, 1, true, 64, 2)
ATTENTION(128, 128, 32, 4, 2, false, 128, 2)
ATTENTION(256, 64, 32, 4, 2, false, 128, 2)
ATTENTION(256, 256, 48, 4, 1, false, 64, 2)
