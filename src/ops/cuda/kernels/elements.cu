// Ops on elements, or on each row alike.
#include "common.cuh"

namespace {

// A warp for each row: the rows of a block begin with this one's.
__device__ int64_t row_of_warp() { return (int64_t)blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32; }

template <class In, class Out> __device__ void layer_norm(const norm_arguments &a)
{
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
        store((Out *)a.out + at.whole * a.out_stride + at.rest,
              activate(a.activation, load((const In *)a.x + at.whole * a.x_stride + at.rest)));
    }
}

template <class In, class Out> __device__ void pair(const pair_arguments &a)
{
    FOR_EACH(i, a.count) {
        int64_t rest = i, from = 0, other = 0, to = 0;
        for (int axis = 3; axis >= 0; axis--) {
            const quotient at = divide(rest, a.dim[axis]);
            rest = at.whole;
            from += at.rest * a.a_stride[axis];
            other += at.rest * a.b_stride[axis];
            to += at.rest * a.out_stride[axis];
        }
        const float x = load((const In *)a.a + from), y = a.b[other];
        store((Out *)a.out + to, a.multiply ? x * y : x + y);
    }
}

template <class T> __device__ void rope(const rope_arguments &a)
{
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

#define FOUR(KERNEL, name, arguments)                                                                                  \
    extern "C" __global__ void name##_ff(const arguments a) { KERNEL<float, float>(a); }                               \
    extern "C" __global__ void name##_fn(const arguments a) { KERNEL<float, narrow>(a); }                              \
    extern "C" __global__ void name##_nf(const arguments a) { KERNEL<narrow, float>(a); }                              \
    extern "C" __global__ void name##_nn(const arguments a) { KERNEL<narrow, narrow>(a); }
FOUR(layer_norm, layer_norm, norm_arguments)
FOUR(activation, activation, activation_arguments)
FOUR(pair, pair, pair_arguments)

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
