/* Depthwise convolution. */
#include "ops/reference/reference.h"

void reference_depthwise_conv2d(struct compute *compute, struct tensor x, struct tensor weight, struct tensor bias,
                                int padding, struct tensor out)
{
    (void)compute;
    for (int64_t i = 0; i < out.dim[0] * out.dim[1] * out.dim[2]; i++) {
        const int64_t n = i / out.dim[2] / out.dim[1], oy = i / out.dim[2] % out.dim[1], ox = i % out.dim[2];
        float *to = (float *)host_data(out) + n * out.stride[0] + oy * out.stride[1] + ox * out.stride[2];
        for (int64_t c = 0; c < out.dim[3]; c++) {
            double sum = (double)((const float *)host_data(bias))[c];
            for (int64_t tap = 0; tap < weight.dim[0] * weight.dim[1]; tap++) {
                const int64_t dy = tap / weight.dim[1], dx = tap % weight.dim[1];
                const int64_t y = oy + dy - padding, column = ox + dx - padding;
                if (y >= 0 && y < x.dim[1] && column >= 0 && column < x.dim[2]) {
                    const float *from =
                        (const float *)host_data(x) + n * x.stride[0] + y * x.stride[1] + column * x.stride[2];
                    const float *kernel =
                        (const float *)host_data(weight) + dy * weight.stride[0] + dx * weight.stride[1];
                    sum += (double)from[c] * (double)kernel[c];
                }
            }
            to[c] = (float)sum;
        }
    }
}
