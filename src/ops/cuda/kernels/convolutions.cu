// Convolutions that are no products: those whose channels have each a kernel of its own, and those of few channels.
#include "common.cuh"

namespace {

// STRIP outputs beside each other: what a line of the kernel covers is read once for all of them.
template <int STRIP, int KERNEL>
__device__ void strip_of(const depthwise_arguments &a, const float *x, const float *weight, int64_t row, int64_t first,
                         float sum[STRIP])
{
    for (int dy = 0; dy < a.kernel_height; dy++) {
        const int64_t y = row + dy - a.padding;
        if (y < 0 || y >= a.height)
            continue;
        float value[STRIP + KERNEL - 1], w[KERNEL];
#pragma unroll
        for (int i = 0; i < STRIP + KERNEL - 1; i++) {
            const int64_t column = first + i - a.padding;
            value[i] = column >= 0 && column < a.width ? x[y * a.x_stride[1] + column * a.x_stride[2]] : 0.0f;
        }
#pragma unroll
        for (int dx = 0; dx < KERNEL; dx++)
            w[dx] = weight[dy * a.weight_stride[0] + dx * a.weight_stride[1]];
#pragma unroll
        for (int dx = 0; dx < KERNEL; dx++)
#pragma unroll
            for (int i = 0; i < STRIP; i++)
                sum[i] += value[i + dx] * w[dx];
    }
}

// One output, of any kernel.
__device__ void output_of(const depthwise_arguments &a, const float *x, const float *weight, int64_t row, int64_t first,
                          float *sum)
{
    for (int dy = 0; dy < a.kernel_height; dy++) {
        const int64_t y = row + dy - a.padding;
        if (y < 0 || y >= a.height)
            continue;
        for (int dx = 0; dx < a.kernel_width; dx++) {
            const int64_t column = first + dx - a.padding;
            if (column >= 0 && column < a.width)
                *sum += x[y * a.x_stride[1] + column * a.x_stride[2]] *
                        weight[dy * a.weight_stride[0] + dx * a.weight_stride[1]];
        }
    }
}

// A tile of tensor cores would be nearly empty: a thread has a pixel with all its OUTPUTS. Factors are rounded as products
// round them.
template <int OUTPUTS, class In, class Out> __device__ void convolve_few(const product_arguments &a, const float *weights)
{
    FOR_EACH(i, a.rows) {
        const quotient line = divide(i, a.out_width), image = divide(line.whole, a.out_height);
        const int64_t top = image.rest * a.stride - a.padding, left = line.rest * a.stride - a.padding;
        const In *const x = (const In *)a.x.data + image.whole * a.x.stride[0];
        const int kernel_height = (int)a.depth / (a.kernel_width * (int)a.inputs);
        float sum[OUTPUTS];
#pragma unroll
        for (int o = 0; o < OUTPUTS; o++)
            sum[o] = a.bias && o < a.outputs ? a.bias[o] : 0.0f;
        const float *weight = weights;
        for (int dy = 0; dy < kernel_height; dy++)
            for (int dx = 0; dx < a.kernel_width; dx++) {
                const int64_t row = top + dy, column = left + dx;
                const bool there = row >= 0 && row < a.height && column >= 0 && column < a.width;
                for (int c = 0; c < (int)a.inputs; c++, weight += OUTPUTS) {
                    const float value =
                        there ? rounded(load(x + row * a.x.stride[1] + column * a.x.stride[2] + c)) : 0.0f;
#pragma unroll
                    for (int o = 0; o < OUTPUTS; o++)
                        sum[o] += value * weight[o];
                }
            }
        Out *const out = (Out *)a.out.data + image.whole * a.out.stride[0] + image.rest * a.out.stride[1] +
                         line.rest * a.out.stride[2];
#pragma unroll
        for (int o = 0; o < OUTPUTS; o += 4) {
            if (a.vector_out && o + 4 <= a.outputs) {
                store_4(out + o, sum + o);
                continue;
            }
            for (int j = o; j < o + 4; j++)
                if (j < a.outputs)
                    store(out + j, sum[j]);
        }
    }
}

template <class In, class Out> __device__ void convolve(const product_arguments &a)
{
    constexpr int FEW = 4, MOST = FEW_OUTPUTS;
    __shared__ __align__(16) float weights[FEW_DEPTH * MOST]; // [depth][FEW or MOST]
    const int outputs = a.outputs <= FEW ? FEW : MOST;
    for (int i = threadIdx.x; i < (int)a.depth * outputs; i += blockDim.x) {
        const int k = i / outputs, o = i % outputs;
        weights[i] = o < a.outputs ? load((const narrow *)a.weight + o * a.weight_stride + k) : 0.0f;
    }
    __syncthreads();
    if (outputs == FEW)
        convolve_few<FEW, In, Out>(a, weights);
    else
        convolve_few<MOST, In, Out>(a, weights);
}

} // namespace

extern "C" __global__ void __launch_bounds__(256) depthwise(const depthwise_arguments a)
{
    constexpr int STRIP = 8, STRIP_KERNEL = 7;
    FOR_EACH(i, a.count) {
        const quotient place = divide(i, a.channels), line = divide(place.whole, (a.out_width + a.strip - 1) / a.strip),
                       image = divide(line.whole, a.out_height);
        const int64_t first = line.rest * a.strip;
        const float *const x = a.x + image.whole * a.x_stride[0] + place.rest, *const weight = a.weight + place.rest;
        float sum[STRIP];
#pragma unroll
        for (int j = 0; j < STRIP; j++)
            sum[j] = a.bias[place.rest];
        if (a.strip == STRIP)
            strip_of<STRIP, STRIP_KERNEL>(a, x, weight, image.rest, first, sum);
        else
            output_of(a, x, weight, image.rest, first, sum);
        float *const out = a.out + image.whole * a.out_stride[0] + image.rest * a.out_stride[1] + place.rest;
#pragma unroll
        for (int j = 0; j < STRIP; j++)
            if (j < a.strip && first + j < a.out_width)
                out[(first + j) * a.out_stride[2]] = sum[j];
    }
}

extern "C" __global__ void __launch_bounds__(256) convolve_ff(const product_arguments a) { convolve<float, float>(a); }
extern "C" __global__ void __launch_bounds__(256) convolve_fn(const product_arguments a) { convolve<float, narrow>(a); }
extern "C" __global__ void __launch_bounds__(256) convolve_nf(const product_arguments a) { convolve<narrow, float>(a); }
extern "C" __global__ void __launch_bounds__(256) convolve_nn(const product_arguments a) { convolve<narrow, narrow>(a); }
