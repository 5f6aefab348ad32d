// Depthwise convolution: each channel has a kernel of its own. (Dense ones are products.)
#include "common.cuh"

extern "C" __global__ void depthwise(const depthwise_arguments a)
{
    FOR_EACH(i, a.count) {
        const quotient pixel = divide(i, a.channels), line = divide(pixel.whole, a.out_width),
                       image = divide(line.whole, a.out_height);
        const float *const x = a.x + image.whole * a.x_stride[0] + pixel.rest, *const weight = a.weight + pixel.rest;
        float sum = a.bias[pixel.rest];
        for (int dy = 0; dy < a.kernel_height; dy++) {
            const int64_t row = image.rest + dy - a.padding;
            if (row < 0 || row >= a.height)
                continue;
            for (int dx = 0; dx < a.kernel_width; dx++) {
                const int64_t column = line.rest + dx - a.padding;
                if (column >= 0 && column < a.width)
                    sum += x[row * a.x_stride[1] + column * a.x_stride[2]] *
                           weight[dy * a.weight_stride[0] + dx * a.weight_stride[1]];
            }
        }
        a.out[image.whole * a.out_stride[0] + image.rest * a.out_stride[1] + line.rest * a.out_stride[2] +
              pixel.rest] = sum;
    }
}
