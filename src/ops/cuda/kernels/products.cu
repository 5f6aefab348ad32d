// Products of rows and weights, with what comes after: bias, activation, residual sum. A convolution's windows are read
// where they lie: the rows of its left factor are never in memory.
#include "common.cuh"

namespace {

constexpr int TILE = 64; // rows and outputs of a block

// One row of x: of a matrix its values, of a map what the kernel's window covers.
template <class In> struct source {
    const In *base; // of a window: of its image
    int64_t y, x;   // the window's corner
    bool there;

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
        y = image.rest * a.stride - a.padding;
        x = line.rest * a.stride - a.padding;
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
    for (int i = 0; i < 8; i++) { // ends of rows, and taps of few channels
        p = from.at(a, k + i, &count);
        to[i] = __float2bfloat16(p && count > 0 ? load(p) : 0.0f);
    }
}

// In bfloat16, sums in f32: 4 warps of 32 x 32 each.
template <class In, class Out> __device__ void multiply(const product_arguments &a)
{
    constexpr int DEPTH = 32, WIDTH = DEPTH + 8; // of a row in shared memory: rows begin at different banks
    __shared__ __align__(16) narrow left[TILE * WIDTH];
    __shared__ __align__(16) narrow right[TILE * WIDTH];
    const int t = threadIdx.x, lane = t % 32, warp_row = t / 32 / 2 * 32, warp_column = t / 32 % 2 * 32;
    const int64_t first_row = (int64_t)blockIdx.x * TILE, first_column = (int64_t)blockIdx.y * TILE;
    const source<In> rows[2] = {source<In>(a, first_row + t / 4), source<In>(a, first_row + 32 + t / 4)};
    const narrow *weight = (const narrow *)a.weight;
    float sum[2][4][4] = {};
    for (int64_t k = 0; k < a.depth; k += DEPTH) {
        const int64_t at = k + t % 4 * 8;
        __syncthreads();
        for (int i = 0; i < 2; i++) {
            const int row = t / 4 + 32 * i;
            const int64_t output = first_column + row;
            get_8(a, rows[i], at, left + row * WIDTH + t % 4 * 8);
            put_8(right + row * WIDTH + t % 4 * 8, weight + output * a.weight_stride + at,
                  output < a.outputs ? a.depth - at : 0, a.vector_weight);
        }
        __syncthreads();
        for (int step = 0; step < DEPTH; step += 16) {
            uint32_t x[2][4], w[2][4];
            for (int i = 0; i < 2; i++) {
                matrix_load(x[i], left + (warp_row + 16 * i + left_row(lane)) * WIDTH + step + left_column(lane));
                matrix_load(w[i], right + (warp_column + 16 * i + right_row(lane)) * WIDTH + step + right_column(lane));
            }
            for (int i = 0; i < 2; i++)
                for (int j = 0; j < 4; j++)
                    mma_16816(sum[i][j], x[i], w[j / 2] + j % 2 * 2);
        }
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const int64_t row = first_row + warp_row + i / 2 * 16 + i % 2 * 8 + lane / 4;
        if (row >= a.rows)
            continue;
        const target place(a, row);
#pragma unroll
        for (int j = 0; j < 8; j++) {
            const int64_t column = first_column + warp_column + j / 2 * 8 + lane % 4 * 2 + j % 2;
            if (column < a.outputs)
                finish<Out>(a, place, column, sum[i / 2][j / 2][i % 2 * 2 + j % 2]);
        }
    }
}

// The same for many rows of narrow values that can be read by 16 bytes: tiles of 128 x 128 by 8 warps of 64 x 32 each, and
// what the next steps need is on its way while a step is computed.
template <class Out> __device__ void multiply_many(const product_arguments &a)
{
    constexpr int SIDE = 128, DEPTH = 32, WIDTH = DEPTH + 8, STAGES = 3, STAGE = 2 * SIDE * WIDTH;
    SHARED_DYNAMIC(narrow, shared);
    const int t = threadIdx.x, lane = t % 32, warp_row = t / 32 / 4 * 64, warp_column = t / 32 % 4 * 32;
    const int64_t first_row = (int64_t)blockIdx.x * SIDE, first_column = (int64_t)blockIdx.y * SIDE;
    const source<narrow> rows[2] = {source<narrow>(a, first_row + t / 4), source<narrow>(a, first_row + 64 + t / 4)};
    const narrow *const weight = (const narrow *)a.weight + (first_column + t / 4) * a.weight_stride;
    const int64_t steps = (a.depth + DEPTH - 1) / DEPTH;
    const int place = t / 4 * WIDTH + t % 4 * 8;
    float sum[4][4][4] = {};

    const auto begin = [&](int64_t step) {
        narrow *const left = shared + step % STAGES * STAGE + place, *const right = left + SIDE * WIDTH;
        const int64_t k = step * DEPTH + t % 4 * 8;
#pragma unroll
        for (int i = 0; i < 2 && step < steps; i++) {
            int64_t count;
            const narrow *const x = rows[i].at(a, k, &count);
            const bool has_x = x && count > 0, has_weight = first_column + t / 4 + 64 * i < a.outputs && k < a.depth;
            copy_begin_16(left + 64 * i * WIDTH, has_x ? x : (const narrow *)a.x.data, has_x);
            copy_begin_16(right + 64 * i * WIDTH, has_weight ? weight + 64 * i * a.weight_stride + k : a.weight, has_weight);
        }
        copies_group();
    };
    for (int64_t step = 0; step < STAGES - 1; step++)
        begin(step);
    for (int64_t step = 0; step < steps; step++) {
        copies_wait<STAGES - 2>();
        __syncthreads(); // this step's values are there, and the step before has been read
        begin(step + STAGES - 1);
        const narrow *const left = shared + step % STAGES * STAGE, *const right = left + SIDE * WIDTH;
#pragma unroll
        for (int k = 0; k < DEPTH; k += 16) {
            uint32_t x[4][4], w[2][4];
#pragma unroll
            for (int i = 0; i < 4; i++)
                matrix_load(x[i], left + (warp_row + 16 * i + left_row(lane)) * WIDTH + k + left_column(lane));
#pragma unroll
            for (int i = 0; i < 2; i++)
                matrix_load(w[i], right + (warp_column + 16 * i + right_row(lane)) * WIDTH + k + right_column(lane));
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < 4; j++)
                    mma_16816(sum[i][j], x[i], w[j / 2] + j % 2 * 2);
        }
    }
    copies_wait<0>();
#pragma unroll
    for (int i = 0; i < 8; i++) {
        const int64_t row = first_row + warp_row + i / 2 * 16 + i % 2 * 8 + lane / 4;
        if (row >= a.rows)
            continue;
        const target place_of_row(a, row);
#pragma unroll
        for (int j = 0; j < 8; j++) {
            const int64_t column = first_column + warp_column + j / 2 * 8 + lane % 4 * 2 + j % 2;
            if (column < a.outputs)
                finish<Out>(a, place_of_row, column, sum[i / 2][j / 2][i % 2 * 2 + j % 2]);
        }
    }
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

#define PRODUCT(name, In, Out)                                                                                         \
    extern "C" __global__ void __launch_bounds__(128) name(const product_arguments a) { multiply<In, Out>(a); }
PRODUCT(product_ff, float, float)
PRODUCT(product_fn, float, narrow)
PRODUCT(product_nf, narrow, float)
PRODUCT(product_nn, narrow, narrow)

extern "C" __global__ void __launch_bounds__(256) product_many_nf(const product_arguments a) { multiply_many<float>(a); }
extern "C" __global__ void __launch_bounds__(256) product_many_nn(const product_arguments a) { multiply_many<narrow>(a); }
