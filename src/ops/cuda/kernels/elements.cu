// Ops on elements, or on each row alike.
#include "common.cuh"

namespace {

// A warp for each row: the rows of a block begin with this one's.
__device__ int64_t row_of_warp() { return (int64_t)blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32; }

__device__ float sum_of_lanes(float value, int lanes)
{
    for (int step = lanes / 2; step > 0; step /= 2)
        value += __shfl_xor_sync(~0u, value, step);
    return value;
}

// ROWS rows at once in registers, VECTORS of each lane.
template <int ROWS, int VECTORS, class In, class Out> __device__ void layer_norm_vectors(const norm_arguments &a)
{
    const int lane = threadIdx.x % 32, column = lane % a.lanes * 4, of_warp = 32 / a.lanes;
    const int64_t first = row_of_warp() * ROWS * of_warp + lane / a.lanes;
    float v[ROWS][VECTORS][4] = {};
#pragma unroll
    for (int r = 0; r < ROWS; r++) { // rows that are not there are the last one once more, and are not stored
        const int64_t row = first + r * of_warp < a.rows ? first + r * of_warp : a.rows - 1;
#pragma unroll
        for (int i = 0; i < VECTORS; i++)
            if (i * 128 + column < a.columns)
                load_4(v[r][i], (const In *)a.x + row * a.x_stride + i * 128 + column);
    }
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        float sum = 0.0f, squares = 0.0f;
#pragma unroll
        for (int i = 0; i < VECTORS; i++)
            sum += (v[r][i][0] + v[r][i][1]) + (v[r][i][2] + v[r][i][3]);
        const float mean = sum_of_lanes(sum, a.lanes) / (float)a.columns;
#pragma unroll
        for (int i = 0; i < VECTORS; i++)
#pragma unroll
            for (int j = 0; j < 4; j++) {
                v[r][i][j] -= mean;
                squares += i * 128 + column < a.columns ? v[r][i][j] * v[r][i][j] : 0.0f;
            }
        const float scale = 1.0f / sqrtf(sum_of_lanes(squares, a.lanes) / (float)a.columns + a.eps);
#pragma unroll
        for (int i = 0; i < VECTORS; i++) {
            if (i * 128 + column >= a.columns || first + r * of_warp >= a.rows)
                continue;
            float gamma[4], beta[4];
            load_4(gamma, a.gamma + i * 128 + column);
            load_4(beta, a.beta + i * 128 + column);
#pragma unroll
            for (int j = 0; j < 4; j++)
                v[r][i][j] = v[r][i][j] * scale * gamma[j] + beta[j];
            store_4((Out *)a.out + (first + r * of_warp) * a.out_stride + i * 128 + column, v[r][i]);
        }
    }
}

template <class In, class Out> __device__ void layer_norm(const norm_arguments &a)
{
    if (a.lanes > 0) {
        if (a.columns <= 128)
            layer_norm_vectors<4, 1, In, Out>(a);
        else
            layer_norm_vectors<1, 8, In, Out>(a);
        return;
    }
    const int64_t row = row_of_warp(), lane = threadIdx.x % 32;
    if (row >= a.rows)
        return;
    const In *const x = (const In *)a.x + row * a.x_stride;
    Out *const out = (Out *)a.out + row * a.out_stride;
    float sum = 0.0f, squares = 0.0f;
    for (int64_t i = lane; i < a.columns; i += 32)
        sum += load(x + i);
    const float mean = warp_sum(sum) / (float)a.columns;
    for (int64_t i = lane; i < a.columns; i += 32) {
        const float difference = load(x + i) - mean;
        squares += difference * difference;
    }
    const float scale = 1.0f / sqrtf(warp_sum(squares) / (float)a.columns + a.eps);
    for (int64_t i = lane; i < a.columns; i += 32)
        store(out + i, (load(x + i) - mean) * scale * a.gamma[i] + a.beta[i]);
}

template <class In, class Out> __device__ void activation(const activation_arguments &a)
{
    FOR_EACH(i, a.count) {
        const quotient at = divide(i, a.columns);
        if (!a.vector) {
            store((Out *)a.out + at.whole * a.out_stride + at.rest,
                  activate(a.activation, load((const In *)a.x + at.whole * a.x_stride + at.rest)));
            continue;
        }
        float v[4];
        load_4(v, (const In *)a.x + at.whole * a.x_stride + 4 * at.rest);
        for (int j = 0; j < 4; j++)
            v[j] = activate(a.activation, v[j]);
        store_4((Out *)a.out + at.whole * a.out_stride + 4 * at.rest, v);
    }
}

template <class In, class Out> __device__ void pair(const pair_arguments &a)
{
    FOR_EACH(i, a.count) {
        int64_t rest = i, from = 0, other = 0, to = 0;
        for (int axis = 3; axis >= 0; axis--) {
            if (a.dim[axis] == 1)
                continue;
            const quotient at = divide(rest, a.dim[axis]);
            rest = at.whole;
            from += at.rest * a.a_stride[axis];
            other += at.rest * a.b_stride[axis];
            to += at.rest * a.out_stride[axis];
        }
        if (!a.vector) {
            const float x = load((const In *)a.a + from), y = a.b[other];
            store((Out *)a.out + to, a.multiply ? x * y : x + y);
            continue;
        }
        float x[4], y[4];
        load_4(x, (const In *)a.a + 4 * from);
        load_4(y, a.b + 4 * other);
        for (int j = 0; j < 4; j++)
            x[j] = a.multiply ? x[j] * y[j] : x[j] + y[j];
        store_4((Out *)a.out + 4 * to, x);
    }
}

// Two pairs at once.
template <class T> __device__ void rope_vectors(const rope_arguments &a)
{
    FOR_EACH(i, a.count / 2) {
        const quotient four = divide(i, a.pairs / 2), head = divide(four.whole, a.heads),
                       token = divide(head.whole, a.tokens);
        const int64_t at = 4 * four.rest;
        T *const place = (T *)a.x.data + token.whole * a.x.stride[0] + token.rest * a.x.stride[1] +
                         head.rest * a.x.stride[2] + at;
        float x[4], c[4], s[4];
        load_4(x, place);
        load_4(c, a.cosines + token.whole * a.cosine_stride[0] + token.rest * a.cosine_stride[1] + at);
        load_4(s, a.sines + token.whole * a.sine_stride[0] + token.rest * a.sine_stride[1] + at);
        const float turned[4] = {x[0] * c[0] - x[1] * s[0], x[1] * c[1] + x[0] * s[1], x[2] * c[2] - x[3] * s[2],
                                 x[3] * c[3] + x[2] * s[3]};
        store_4(place, turned);
    }
}

template <class T> __device__ void rope(const rope_arguments &a)
{
    const int64_t strides = a.x.stride[0] | a.x.stride[1] | a.x.stride[2] | a.cosine_stride[0] | a.cosine_stride[1] |
                            a.sine_stride[0] | a.sine_stride[1];
    const uintptr_t begin = (uintptr_t)a.x.data | (uintptr_t)a.cosines | (uintptr_t)a.sines;
    if (a.pairs % 2 == 0 && strides % 4 == 0 && begin % 16 == 0) {
        rope_vectors<T>(a);
        return;
    }
    FOR_EACH(i, a.count) {
        const quotient pair = divide(i, a.pairs), head = divide(pair.whole, a.heads), token = divide(head.whole, a.tokens);
        const int64_t at = 2 * pair.rest;
        T *const x = (T *)a.x.data + token.whole * a.x.stride[0] + token.rest * a.x.stride[1] +
                     head.rest * a.x.stride[2] + at;
        const float *const c = a.cosines + token.whole * a.cosine_stride[0] + token.rest * a.cosine_stride[1] + at;
        const float *const s = a.sines + token.whole * a.sine_stride[0] + token.rest * a.sine_stride[1] + at;
        const float even = load(x), odd = load(x + 1);
        store(x, even * c[0] - odd * s[0]);
        store(x + 1, odd * c[1] + even * s[1]);
    }
}

} // namespace

#define FOUR(KERNEL, arguments, ...)                                                                                   \
    extern "C" __global__ void __launch_bounds__(__VA_ARGS__) KERNEL##_ff(const arguments a) { KERNEL<float, float>(a); } \
    extern "C" __global__ void __launch_bounds__(__VA_ARGS__) KERNEL##_fn(const arguments a) { KERNEL<float, narrow>(a); } \
    extern "C" __global__ void __launch_bounds__(__VA_ARGS__) KERNEL##_nf(const arguments a) { KERNEL<narrow, float>(a); } \
    extern "C" __global__ void __launch_bounds__(__VA_ARGS__) KERNEL##_nn(const arguments a) { KERNEL<narrow, narrow>(a); }
FOUR(layer_norm, norm_arguments, 128, 7)
FOUR(activation, activation_arguments, 256)
FOUR(pair, pair_arguments, 256)

extern "C" __global__ void rope_f(const rope_arguments a) { rope<float>(a); }
extern "C" __global__ void rope_n(const rope_arguments a) { rope<narrow>(a); }

extern "C" __global__ void l2_normalize(const norm_arguments a)
{
    const int64_t row = row_of_warp(), lane = threadIdx.x % 32;
    if (row >= a.rows)
        return;
    const float *const x = (const float *)a.x + row * a.x_stride;
    float *const out = (float *)a.out + row * a.out_stride;
    float squares = 0.0f;
    for (int64_t i = lane; i < a.columns; i += 32)
        squares += x[i] * x[i];
    const float norm = sqrtf(warp_sum(squares)) + a.eps;
    for (int64_t i = lane; i < a.columns; i += 32)
        out[i] = x[i] / norm;
}

extern "C" __global__ void step(const values_arguments a)
{
    FOR_EACH(i, a.count) {
        const quotient at = divide(i, a.columns);
        a.out[at.whole * a.out_stride + at.rest] =
            a.x[at.whole * a.x_stride + at.rest] > a.threshold ? a.high : a.low;
    }
}

extern "C" __global__ void affine(const values_arguments a)
{
    FOR_EACH(i, a.count) {
        const quotient at = divide(i, a.columns);
        a.out[at.whole * a.out_stride + at.rest] = a.x[at.whole * a.x_stride + at.rest] * a.low + a.high;
    }
}

extern "C" __global__ void shift_scale(const values_arguments a)
{
    FOR_EACH(i, a.count) {
        const quotient at = divide(i, a.columns);
        const float scale = a.factor[at.whole * a.factor_stride], shift = a.other[at.whole * a.other_stride];
        const float elu = scale > 0.0f ? scale : expm1f(scale);
        a.out[at.whole * a.out_stride + at.rest] = (a.x[at.whole * a.x_stride + at.rest] + shift) * (elu + 1.0f);
    }
}

extern "C" __global__ void select_rows(const values_arguments a)
{
    FOR_EACH(i, a.count) {
        const quotient at = divide(i, a.columns);
        const bool over = a.factor[at.whole * a.factor_stride] > a.threshold;
        a.out[at.whole * a.out_stride + at.rest] = over ? a.x[at.whole * a.x_stride + at.rest]
                                                        : a.other[at.whole * a.other_stride + at.rest * a.other_step];
    }
}

extern "C" __global__ void max_rows(const max_rows_arguments a)
{
    const int64_t row = row_of_warp();
    if (row >= a.rows)
        return;
    const float *const x = a.x + row * a.x_stride;
    float best = x[0];
    for (int64_t i = threadIdx.x % 32; i < a.columns; i += 32)
        best = larger(best, x[i]);
    best = warp_max(best);
    if (threadIdx.x % 32 == 0)
        a.out[row * a.out_stride] = best;
}

// A thread has some columns. Of rows that are much alike little is left in f32.
extern "C" __global__ void variance(const variance_arguments a)
{
    __shared__ double sums[VARIANCE_THREADS];
    const float *const x = a.x + blockIdx.x * a.x_stride[0];
    double all = 0.0;
    for (int64_t c = threadIdx.x; c < a.columns; c += VARIANCE_THREADS) {
        double mean = 0.0;
        for (int64_t r = 0; r < a.rows; r++)
            mean += (double)x[r * a.x_stride[1] + c];
        mean /= (double)a.rows;
        for (int64_t r = 0; r < a.rows; r++) {
            const double difference = (double)x[r * a.x_stride[1] + c] - mean;
            all += difference * difference;
        }
    }
    sums[threadIdx.x] = all;
    for (int count = VARIANCE_THREADS / 2; count > 0; count /= 2) {
        __syncthreads();
        if ((int)threadIdx.x < count)
            sums[threadIdx.x] += sums[threadIdx.x + count];
    }
    if (threadIdx.x == 0)
        a.out[blockIdx.x * a.out_stride] = (float)(sums[0] / (double)(a.rows * a.columns));
}

extern "C" __global__ void sine(const sine_arguments a)
{
    FOR_EACH(i, a.count) {
        const quotient at = divide(i, a.half);
        const float angle = a.x[at.whole * a.x_stride] / a.periods[at.rest];
        float *const out = a.out + at.whole * a.out_stride + at.rest;
        out[0] = sinf(angle);
        out[a.half] = cosf(angle);
    }
}
