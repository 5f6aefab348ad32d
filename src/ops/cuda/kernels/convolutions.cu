// Depthwise convolution: each channel has a kernel of its own. (Dense ones are products.)
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
