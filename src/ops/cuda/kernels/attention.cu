// Attention without a matrix of scores in memory: blocks of queries walk over tiles of keys, with a running maximum and
// sum (Dao et al. 2022, "FlashAttention"; Milakov and Gimelshein 2018 for the sums).
#include "common.cuh"

namespace {

constexpr float LOWEST = -1e30f; // under every score, and differences of it are finite

// A block's place: its queries, head and batch entry.
struct part {
    int64_t first, head, batch;
    __device__ part(const attention_arguments &a, int queries)
    {
        const quotient tile = divide(blockIdx.x, (a.queries + queries - 1) / queries);
        batch = tile.whole;
        first = tile.rest * queries;
        head = blockIdx.y;
    }
};
template <class T> __device__ T *head_of(const cuda_rows &rows, const part &p)
{
    return (T *)rows.data + p.batch * rows.stride[0] + p.head * rows.stride[2];
}

// Rows of a head to shared memory: [ROWS][WIDTH + 8], 0 where there is nothing. They are a group of copies that is on its
// way, where rows can be read by 16 bytes.
template <int ROWS, int WIDTH>
__device__ void begin_rows(narrow *to, const narrow *from, int64_t stride, int64_t rows, int64_t width, bool vector)
{
    for (int i = threadIdx.x; i < ROWS * (WIDTH / 8); i += blockDim.x) {
        const int row = i / (WIDTH / 8), column = i % (WIDTH / 8) * 8;
        narrow *const at = to + row * (WIDTH + 8) + column;
        const bool there = row < rows && column < width;
        if (vector)
            copy_begin_16(at, there ? from + row * stride + column : from, there);
        else
            put_8(at, from + row * stride + column, there ? width - column : 0, false);
    }
    copies_group();
}

// Narrow queries, keys and values of up to WIDTH and VALUES; 4 warps of 16 queries; KEYS at once.
template <int WIDTH, int VALUES, int KEYS, class Out> __device__ void attend(const attention_arguments &a)
{
    constexpr int QUERIES = 64;
    SHARED_DYNAMIC(narrow, shared);
    narrow *const query = shared, *const key = query + QUERIES * (WIDTH + 8), *const value = key + KEYS * (WIDTH + 8);
    const part p(a, QUERIES);
    const narrow *const q = head_of<const narrow>(a.q, p), *const k = head_of<const narrow>(a.k, p);
    const narrow *const v = head_of<const narrow>(a.v, p);
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, row = warp * 16 + lane / 4;
    const float scale = a.scale * 1.44269504088896341f; // powers of 2 instead of e
    const int64_t last = p.first + QUERIES < a.queries ? p.first + QUERIES : a.queries;
    const int64_t keys = a.causal ? last : a.keys;
    float sum[VALUES / 8][4] = {}, top[2] = {LOWEST, LOWEST}, total[2] = {};

    // Values are on their way while scores are computed, the next keys while values are multiplied.
    const auto begin_keys = [&](int64_t first) {
        begin_rows<KEYS, WIDTH>(key, k + first * a.k.stride[1], a.k.stride[1], a.keys - first, a.width, a.vector);
    };
    begin_rows<QUERIES, WIDTH>(query, q + p.first * a.q.stride[1], a.q.stride[1], a.queries - p.first, a.width,
                               a.vector);
    begin_keys(0);
    for (int64_t first = 0; first < keys; first += KEYS) {
        __syncthreads(); // the values of the step before have been read
        begin_rows<KEYS, VALUES>(value, v + first * a.v.stride[1], a.v.stride[1], a.keys - first, a.value_width,
                                 a.vector);
        copies_wait<1>();
        __syncthreads(); // queries and keys are there
        float score[KEYS / 8][4] = {};
        for (int d = 0; d < WIDTH; d += 16) {
            uint32_t left[4], right[4];
            matrix_load(left, query + (warp * 16 + left_row(lane)) * (WIDTH + 8) + d + left_column(lane));
#pragma unroll
            for (int j = 0; j < KEYS / 16; j++) {
                matrix_load(right, key + (j * 16 + right_row(lane)) * (WIDTH + 8) + d + right_column(lane));
                mma_16816(score[2 * j], left, right);
                mma_16816(score[2 * j + 1], left, right + 2);
            }
        }
        __syncthreads(); // the keys have been read
        if (first + KEYS < keys)
            begin_keys(first + KEYS);
        else
            copies_group();
#pragma unroll
        for (int h = 0; h < 2; h++) { // rows `row` and `row` + 8
            const int64_t seen = a.causal ? p.first + row + 8 * h + 1 : a.keys;
            float best = top[h], added = 0.0f;
#pragma unroll
            for (int j = 0; j < KEYS / 4; j++) {
                float &s = score[j / 2][2 * h + j % 2];
                const int64_t at = first + j / 2 * 8 + lane % 4 * 2 + j % 2;
                s = at < seen && at < a.keys ? s * scale : LOWEST;
                best = larger(best, s);
            }
            best = larger(best, __shfl_xor_sync(~0u, best, 1));
            best = larger(best, __shfl_xor_sync(~0u, best, 2));
            const float shrink = exp2f(top[h] - best);
            top[h] = best;
#pragma unroll
            for (int j = 0; j < KEYS / 4; j++) {
                float &s = score[j / 2][2 * h + j % 2];
                s = rounded(exp2f(s - best)); // as it is multiplied: the weights sum up to 1
                added += s;
            }
            total[h] = total[h] * shrink + added;
#pragma unroll
            for (int j = 0; j < VALUES / 4; j++)
                sum[j / 2][2 * h + j % 2] *= shrink;
        }
        copies_wait<1>();
        __syncthreads(); // the values are there
#pragma unroll
        for (int i = 0; i < KEYS / 16; i++) {
            const float *const s = score[2 * i], *const next = score[2 * i + 1];
            const uint32_t left[4] = {pack(s[0], s[1]), pack(s[2], s[3]), pack(next[0], next[1]),
                                      pack(next[2], next[3])};
#pragma unroll
            for (int j = 0; j < VALUES / 16; j++) {
                uint32_t right[4];
                matrix_load_transposed(right, value + (i * 16 + left_row(lane)) * (VALUES + 8) + j * 16 +
                                                  left_column(lane));
                mma_16816(sum[2 * j], left, right);
                mma_16816(sum[2 * j + 1], left, right + 2);
            }
        }
    }
#pragma unroll
    for (int h = 0; h < 2; h++) {
        float all = total[h];
        all += __shfl_xor_sync(~0u, all, 1);
        all += __shfl_xor_sync(~0u, all, 2);
        const int64_t at = p.first + row + 8 * h;
        Out *const out = head_of<Out>(a.out, p) + at * a.out.stride[1];
#pragma unroll
        for (int j = 0; j < VALUES / 4; j++) {
            const int column = j / 2 * 8 + lane % 4 * 2 + j % 2;
            if (at < a.queries && column < a.value_width)
                store(out + column, sum[j / 2][2 * h + j % 2] / all);
        }
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
ATTENTION_ANY(attention_any_ff, float, float, true)
ATTENTION_ANY(attention_any_fn, float, narrow, true)
ATTENTION_ANY(attention_any_nf, narrow, float, false)
ATTENTION_ANY(attention_any_nn, narrow, narrow, false)

#define ATTENTION(WIDTH, VALUES, KEYS)                                                                                 \
    extern "C" __global__ void __launch_bounds__(128) attention_##WIDTH##_##VALUES##_nf(const attention_arguments a)   \
    {                                                                                                                  \
        attend<WIDTH, VALUES, KEYS, float>(a);                                                                         \
    }                                                                                                                  \
    extern "C" __global__ void __launch_bounds__(128) attention_##WIDTH##_##VALUES##_nn(const attention_arguments a)   \
    {                                                                                                                  \
        attend<WIDTH, VALUES, KEYS, narrow>(a);                                                                        \
    }
ATTENTION(64, 64, 64)
ATTENTION(128, 128, 32)
ATTENTION(256, 64, 32)
ATTENTION(256, 256, 32)
