// Products of rows and weights, with what comes after: bias, activation, residual sum. A convolution's windows are read
// where they lie: the rows of its left factor are never in memory.
#include "common.cuh"
#include "hopper.cuh"

namespace {

constexpr int TILE = 64; // rows and outputs of a block of product_exact

// One row of x: of a matrix its values, of a map what the kernel's window covers.
template <class In> struct source {
    const In *base; // of a window: of its image
    int32_t y, x;   // the window's corner
    bool there;

    __device__ source() {}
    __device__ source(const product_arguments &a, int64_t row)
    {
        base = (const In *)a.x.data;
        there = row < a.rows;
        y = x = 0;
        if (!there)
            return;
        if (!a.window) {
            base += row * a.x.stride[2];
            return;
        }
        const quotient line = divide(row, a.out_width), image = divide(line.whole, a.out_height);
        base += image.whole * a.x.stride[0];
        y = (int32_t)(image.rest * a.stride - a.padding);
        x = (int32_t)(line.rest * a.stride - a.padding);
    }
    // Where value k of the row lies, NULL outside of the map; `count`: how many lie behind each other from there.
    __device__ const In *at(const product_arguments &a, int64_t k, int64_t *count) const
    {
        *count = there && k < a.depth ? a.depth - k : 0;
        if (!a.window || *count == 0)
            return base + k;
        const quotient tap = divide(k, a.inputs), line = divide(tap.whole, a.kernel_width);
        const int64_t row = y + line.whole, column = x + line.rest;
        *count = a.inputs - tap.rest;
        if (row < 0 || row >= a.height || column < 0 || column >= a.width)
            return nullptr;
        return base + row * a.x.stride[1] + column * a.x.stride[2] + tap.rest;
    }
};

// Where row `row` of the result and of the residual begin.
struct target {
    int64_t out, residual;
    __device__ target(const product_arguments &a, int64_t row)
    {
        if (!a.window) {
            out = row * a.out.stride[2];
            residual = row * a.residual.stride[2];
            return;
        }
        const quotient line = divide(row, a.out_width), image = divide(line.whole, a.out_height);
        out = image.whole * a.out.stride[0] + image.rest * a.out.stride[1] + line.rest * a.out.stride[2];
        residual =
            image.whole * a.residual.stride[0] + image.rest * a.residual.stride[1] + line.rest * a.residual.stride[2];
    }
};

template <class Out>
__device__ void finish(const product_arguments &a, const target &place, int64_t column, float value)
{
    if (a.bias)
        value += a.bias[column];
    value = activate(a.activation, value);
    if (a.residual.data)
        value += ((const float *)a.residual.data)[place.residual + column];
    store((Out *)a.out.data + place.out + column, value);
}

// Four values from k on.
__device__ float4 get_4(const product_arguments &a, const source<float> &from, int64_t k)
{
    int64_t count;
    if (a.vector_x) { // four of them are always in one tap
        const float *p = from.at(a, k, &count);
        return p && count > 0 ? *(const float4 *)p : float4{0.0f, 0.0f, 0.0f, 0.0f};
    }
    float v[4];
    for (int i = 0; i < 4; i++) {
        const float *p = from.at(a, k + i, &count);
        v[i] = p && count > 0 ? *p : 0.0f;
    }
    return {v[0], v[1], v[2], v[3]};
}

template <class In> __device__ void get_8(const product_arguments &a, const source<In> &from, int64_t k, narrow *to)
{
    int64_t count;
    const In *p = from.at(a, k, &count);
    if (p && count >= 8) {
        put_8(to, p, 8, a.vector_x);
        return;
    }
#pragma unroll 1
    for (int i = 0; i < 8; i++) { // ends of rows, and taps of few channels
        if (count <= 0)
            p = from.at(a, k + i, &count);
        to[i] = __float2bfloat16(p && count > 0 ? load(p) : 0.0f);
        p = p ? p + 1 : p;
        count--;
    }
}

// The sums of a warp to a tile of floats in shared memory; they are as the instructions leave them, 16 rows and 8 columns
// each.
template <int WIDTH, int ROWS, int COLUMNS>
__device__ __forceinline__ void put_sums(float *tile, const float (&sum)[ROWS][COLUMNS][4])
{
    const int lane = threadIdx.x % 32;
    tile += lane / 4 * WIDTH + lane % 4 * 2;
#pragma unroll
    for (int i = 0; i < 2 * ROWS; i++)
#pragma unroll
        for (int j = 0; j < COLUMNS; j++)
            *(float2 *)(tile + 8 * i * WIDTH + 8 * j) = {sum[i / 2][j][i % 2 * 2], sum[i / 2][j][i % 2 * 2 + 1]};
}

__device__ __forceinline__ void put_8(float *to, const float v[8])
{
    store_4(to, v);
    store_4(to + 4, v + 4);
}
__device__ __forceinline__ void put_8(narrow *to, const float v[8])
{
    *(uint4 *)to = {pack(v[0], v[1]), pack(v[2], v[3]), pack(v[4], v[5]), pack(v[6], v[7])};
}

template <int ACTIVATION> __device__ __forceinline__ void activate_8(float v[8])
{
#pragma unroll
    for (int i = 0; i < 8; i++)
        v[i] = activate_fast<ACTIVATION>(v[i]);
}

// What follows the sums, eight columns at a time, so that memory is read and written in whole lines.
template <bool WINDOW, int SIDE, int WIDTH, class Out>
__device__ void finish_tile(const product_arguments &a, const float *tile, int64_t first_row, int64_t first_column)
{
    constexpr int EIGHTS = SIDE / 8;
    for (int i = threadIdx.x; i < SIDE * EIGHTS; i += 2 * SIDE) {
        const int64_t row = first_row + i / EIGHTS, column = first_column + i % EIGHTS * 8;
        const int count = (int)(a.outputs - column < 8 ? a.outputs - column : 8);
        if (row >= a.rows || count <= 0)
            continue;
        float v[8];
        load_4(v, tile + i / EIGHTS * WIDTH + i % EIGHTS * 8);
        load_4(v + 4, tile + i / EIGHTS * WIDTH + i % EIGHTS * 8 + 4);
        if (a.bias) {
#pragma unroll
            for (int k = 0; k < 8; k++)
                v[k] += k < count ? a.bias[column + k] : 0.0f;
        }
        switch (WINDOW ? 0 : a.activation) { // convolutions have none
        case 0: break;
        case 1: activate_8<1>(v); break;
        case 2: activate_8<2>(v); break;
        case 3: activate_8<3>(v); break;
        case 4: activate_8<4>(v); break;
        default: activate_8<5>(v); break;
        }
        const target place(a, row);
        Out *const out = (Out *)a.out.data + place.out + column;
        const float *const residual = a.residual.data ? (const float *)a.residual.data + place.residual + column : nullptr;
        if (a.vector_out && count == 8) {
            if (residual) {
                float more[8];
                load_4(more, residual);
                load_4(more + 4, residual + 4);
#pragma unroll
                for (int k = 0; k < 8; k++)
                    v[k] += more[k];
            }
            put_8(out, v);
            continue;
        }
#pragma unroll
        for (int k = 0; k < 8; k++)
            if (k < count)
                store(out + k, residual ? v[k] + residual[k] : v[k]);
    }
}

// In bfloat16, sums in f32: tiles of SIDE x SIDE by SIDE / 64 groups of 4 warps. What the next steps need is on its way
// while a step is computed.
template <int SIDE, int STAGES, bool WINDOW, class In, class Out> __device__ void multiply(const product_arguments &a)
{
    constexpr int THREADS = 2 * SIDE, STAGE = 2 * SIDE * DEPTH, PIECES = SIDE * DEPTH / 8 / THREADS, STEP = THREADS / 8;
    constexpr bool NARROW = sizeof(In) == sizeof(narrow), SURE = SIDE == 128; // the host gives large tiles vectors alone
    constexpr int WIDTH = SIDE + 8; // of a row of sums: rows begin at different banks
    constexpr int TOGETHER = 8; // tiles of rows whose weights are read together, so that they are near
    SHARED_DYNAMIC(narrow, dynamic);
    narrow *const shared = aligned_1024(dynamic);
    float *const tile_sums = (float *)shared; // when the steps are done
    const int t = threadIdx.x, warp = t / 32, piece_row = t / 8, piece_column = t % 8 * 8;

    const int64_t tiles_down = (a.rows + SIDE - 1) / SIDE, tiles_across = (a.outputs + SIDE - 1) / SIDE;
    const quotient group = divide(blockIdx.x, TOGETHER * tiles_across);
    const int64_t of_group = tiles_down - group.whole * TOGETHER < TOGETHER ? tiles_down - group.whole * TOGETHER : TOGETHER;
    const quotient tile = divide(group.rest, of_group);
    const int64_t first_row = (group.whole * TOGETHER + tile.rest) * SIDE, first_column = tile.whole * SIDE;

    const int64_t row = first_row + piece_row, output = first_column + piece_row;
    const narrow *const weight = (const narrow *)a.weight + output * a.weight_stride;
    source<In> rows[WINDOW ? PIECES : 1]; // of a matrix they have equal distances
#pragma unroll
    for (int i = 0; i < (WINDOW ? PIECES : 1); i++)
        rows[i] = source<In>(a, row + STEP * i);
    const int depth = (int)a.depth, steps = (depth + DEPTH - 1) / DEPTH;

    const auto begin_window = [&](narrow *left, int k) {
        const int tap = k / (int)a.inputs, line = tap / a.kernel_width, across = tap - line * a.kernel_width;
#pragma unroll
        for (int i = 0; i < PIECES; i++) {
            narrow *const to = left + place_of(piece_row + STEP * i, piece_column);
            const int y = rows[i].y + line, x = rows[i].x + across;
            const bool there = rows[i].there && k < depth && y >= 0 && y < (int)a.height && x >= 0 && x < (int)a.width;
            const In *const from = rows[i].base + y * a.x.stride[1] + x * a.x.stride[2] + (k - tap * (int)a.inputs);
            if (NARROW && (SURE || a.vector_x))
                copy_begin_16(to, there ? (const void *)from : a.x.data, there);
            else
                get_8(a, rows[i], k, to);
        }
    };
    const auto begin_matrix = [&](narrow *left, int k) {
#pragma unroll
        for (int i = 0; i < PIECES; i++) {
            narrow *const to = left + place_of(piece_row + STEP * i, piece_column);
            const bool there = row + STEP * i < a.rows && k < depth;
            const In *const from = rows[0].base + (int64_t)(STEP * i) * a.x.stride[2] + k;
            if (NARROW && (SURE || a.vector_x))
                copy_begin_16(to, there ? (const void *)from : a.x.data, there);
            else
                put_8(to, from, there ? depth - k : 0, a.vector_x);
        }
    };
    const auto begin = [&](int step) {
        if (step < steps) {
            narrow *const left = shared + step % STAGES * STAGE, *const right = left + SIDE * DEPTH;
            const int k = step * DEPTH + piece_column;
            if (WINDOW)
                begin_window(left, k);
            else
                begin_matrix(left, k);
#pragma unroll
            for (int i = 0; i < PIECES; i++) {
                narrow *const to = right + place_of(piece_row + STEP * i, piece_column);
                const bool there = output + STEP * i < a.outputs && k < depth;
                const narrow *const from = weight + (int64_t)(STEP * i) * a.weight_stride + k;
                if (SURE || a.vector_weight)
                    copy_begin_16(to, there ? from : a.weight, there);
                else
                    put_8(to, from, there ? depth - k : 0, false);
            }
        }
        copies_group();
    };
#pragma unroll 1
    for (int step = 0; step < STAGES - 1; step++)
        begin(step);
#ifdef HAS_WGMMA
    float sum[1][SIDE / 8][4] = {};
    for (int step = 0; step < steps; step++) {
        copies_wait<STAGES - 2>();
        wgmma_wait<0>(); // the step before has been read
        shared_to_wgmma();
        __syncthreads();
        const narrow *const left = shared + step % STAGES * STAGE + warp / 4 * 64 * DEPTH;
        const narrow *const right = shared + step % STAGES * STAGE + SIDE * DEPTH;
        wgmma_begin();
#pragma unroll
        for (int k = 0; k < DEPTH; k += 16)
            wgmma_64_16<SIDE>(sum[0], left + k, right + k);
        wgmma_group();
        begin(step + STAGES - 1);
    }
    wgmma_wait<0>();
    __syncthreads(); // all have read
    put_sums<WIDTH>(tile_sums + 16 * warp * WIDTH, sum);
#else
    // Warps of 64 x 32 in a tile of 128, of 32 x 32 in one of 64.
    constexpr int HIGH = SIDE / 2, PARTS = HIGH / 16;
    const int lane = t % 32, warp_row = warp % 2 * HIGH, warp_column = warp / 2 * 32;
    float sum[PARTS][4][4] = {};
    for (int step = 0; step < steps; step++) {
        copies_wait<STAGES - 2>();
        __syncthreads(); // this step's values are there, and the step before has been read
        begin(step + STAGES - 1);
        const narrow *const left = shared + step % STAGES * STAGE, *const right = left + SIDE * DEPTH;
#pragma unroll
        for (int k = 0; k < DEPTH; k += 16) {
            uint32_t x[PARTS][4], w[2][4];
#pragma unroll
            for (int i = 0; i < PARTS; i++)
                matrix_load(x[i], left + place_of(warp_row + 16 * i + left_row(lane), k + left_column(lane)));
#pragma unroll
            for (int i = 0; i < 2; i++)
                matrix_load(w[i], right + place_of(warp_column + 16 * i + right_row(lane), k + right_column(lane)));
#pragma unroll
            for (int i = 0; i < PARTS; i++)
#pragma unroll
                for (int j = 0; j < 4; j++)
                    mma_16816(sum[i][j], x[i], w[j / 2] + j % 2 * 2);
        }
    }
    __syncthreads(); // all have read
    put_sums<WIDTH>(tile_sums + warp_row * WIDTH + warp_column, sum);
#endif
    __syncthreads();
    finish_tile<WINDOW, SIDE, WIDTH, Out>(a, tile_sums, first_row, first_column);
}

} // namespace

// In f32: each of 256 threads has 4 x 4 sums.
extern "C" __global__ void __launch_bounds__(256) product_exact(const product_arguments a)
{
    constexpr int DEPTH = 16, WIDTH = TILE + 4;
    __shared__ __align__(16) float left[DEPTH * WIDTH];
    __shared__ __align__(16) float right[DEPTH * WIDTH];
    const int t = threadIdx.x, row = t / 4, k4 = t % 4 * 4;
    const int64_t first_row = (int64_t)blockIdx.x * TILE, first_column = (int64_t)blockIdx.y * TILE;
    const source<float> from(a, first_row + row);
    const int64_t output = first_column + row;
    const float *weight = (const float *)a.weight + output * a.weight_stride;
    float sum[4][4] = {};
    for (int64_t k = 0; k < a.depth; k += DEPTH) {
        const float4 x = get_4(a, from, k + k4);
        float w[4];
        for (int i = 0; i < 4; i++)
            w[i] = output < a.outputs && k + k4 + i < a.depth ? weight[k + k4 + i] : 0.0f;
        __syncthreads();
        left[(k4 + 0) * WIDTH + row] = x.x;
        left[(k4 + 1) * WIDTH + row] = x.y;
        left[(k4 + 2) * WIDTH + row] = x.z;
        left[(k4 + 3) * WIDTH + row] = x.w;
        for (int i = 0; i < 4; i++)
            right[(k4 + i) * WIDTH + row] = w[i];
        __syncthreads();
        const int steps = (int)(a.depth - k < DEPTH ? a.depth - k : DEPTH);
        for (int step = 0; step < steps; step++) {
            const float4 l = *(const float4 *)(left + step * WIDTH + t / 16 * 4);
            const float4 r = *(const float4 *)(right + step * WIDTH + t % 16 * 4);
            const float x4[4] = {l.x, l.y, l.z, l.w}, w4[4] = {r.x, r.y, r.z, r.w};
            for (int i = 0; i < 4; i++)
                for (int j = 0; j < 4; j++)
                    sum[i][j] += x4[i] * w4[j];
        }
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const int64_t at = first_row + t / 16 * 4 + i;
        if (at >= a.rows)
            continue;
        const target place(a, at);
#pragma unroll
        for (int j = 0; j < 4; j++) {
            const int64_t column = first_column + t % 16 * 4 + j;
            if (column < a.outputs)
                finish<float>(a, place, column, sum[i][j]);
        }
    }
}

// What each window of a map of few channels covers, as rows of whole pieces of 8 with zeros behind them.
#define UNFOLD(name, In)                                                                                               \
    extern "C" __global__ void __launch_bounds__(256) name(const product_arguments a)                                  \
    {                                                                                                                  \
        const int64_t pieces = a.out.stride[2] / 8;                                                                    \
        FOR_EACH(i, a.rows * pieces)                                                                                   \
        {                                                                                                              \
            const quotient place = divide(i, pieces);                                                                  \
            get_8(a, source<In>(a, place.whole), place.rest * 8,                                                       \
                  (narrow *)a.out.data + place.whole * a.out.stride[2] + place.rest * 8);                              \
        }                                                                                                              \
    }
UNFOLD(unfold_f, float)
UNFOLD(unfold_n, narrow)

#ifdef HAS_WGMMA
constexpr int LARGE_BLOCKS = 2; // on a multiprocessor
#else
constexpr int LARGE_BLOCKS = 1; // its memory has room for no more on most cards
#endif

#define PRODUCT(SIDE, STAGES, WINDOW, name, In, Out)                                                                   \
    extern "C" __global__ void __launch_bounds__(2 * SIDE, SIDE == 128 ? LARGE_BLOCKS : 2) name(const product_arguments a)                          \
    {                                                                                                                  \
        multiply<SIDE, STAGES, WINDOW, In, Out>(a);                                                                    \
    }
#define PRODUCTS(SIDE, STAGES, WINDOW, name)                                                                           \
    PRODUCT(SIDE, STAGES, WINDOW, name##_nf, narrow, float)                                                            \
    PRODUCT(SIDE, STAGES, WINDOW, name##_nn, narrow, narrow)
PRODUCT(64, 4, false, product_small_ff, float, float)
PRODUCT(64, 4, false, product_small_fn, float, narrow)
PRODUCTS(64, 4, false, product_small)
PRODUCT(64, 4, true, window_small_ff, float, float)
PRODUCT(64, 4, true, window_small_fn, float, narrow)
PRODUCTS(64, 4, true, window_small)
PRODUCTS(128, 3, false, product_large)
PRODUCTS(128, 3, true, window_large)
