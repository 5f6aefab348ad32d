/* Pooling of maps and resizing of planes. */
#include "ops/reference/reference.h"

static float window_maximum(const struct tensor *x, int64_t n, int64_t y, int64_t column, int64_t channel, int size)
{
    const float *corner = (const float *)host_data(*x) + n * x->stride[0] + y * size * x->stride[1] +
                          column * size * x->stride[2] + channel;
    float largest = corner[0];
    for (int dy = 0; dy < size; dy++) {
        for (int dx = 0; dx < size; dx++) {
            const float value = corner[dy * x->stride[1] + dx * x->stride[2]];
            /* NaN stays. */
            largest = !(value <= largest) ? value : largest;
        }
    }
    return largest;
}

void reference_max_pool2d(struct compute *compute, struct tensor x, int size, struct tensor out)
{
    (void)compute;
    for (int64_t n = 0; n < out.dim[0]; n++) {
        for (int64_t y = 0; y < out.dim[1]; y++) {
            for (int64_t i = 0; i < out.dim[2]; i++) {
                float *to = (float *)host_data(out) + n * out.stride[0] + y * out.stride[1] + i * out.stride[2];
                for (int64_t c = 0; c < out.dim[3]; c++)
                    to[c] = window_maximum(&x, n, y, i, c, size);
            }
        }
    }
}

/* One value of the resized plane. */
static double resized(const float *plane, int64_t row_stride, const struct filter *vertical,
                      const struct filter *horizontal, int64_t y, int64_t x)
{
    const float *down = vertical->weight + y * vertical->stride, *across = horizontal->weight + x * horizontal->stride;
    double sum = 0.0;
    for (int32_t j = 0; j < vertical->count[y]; j++) {
        const float *row = plane + (vertical->first[y] + j) * row_stride + horizontal->first[x];
        for (int32_t i = 0; i < horizontal->count[x]; i++)
            sum += (double)down[j] * (double)across[i] * (double)row[i];
    }
    return sum;
}

void reference_resize_planes(struct compute *compute, struct tensor x, const struct resize *vertical,
                             const struct resize *horizontal, float threshold, struct tensor out)
{
    (void)compute;
    const struct filter down = host_filter(vertical), across = host_filter(horizontal);
    for (int64_t n = 0; n < out.dim[0]; n++) {
        const float *plane = (const float *)host_data(x) + n * x.stride[0];
        for (int64_t y = 0; y < out.dim[1]; y++) {
            const int64_t row = n * out.stride[0] + y * out.stride[1];
            for (int64_t i = 0; i < out.dim[2]; i++) {
                const float value = (float)resized(plane, x.stride[1], &down, &across, y, i);
                if (out.dtype == DTYPE_U8)
                    ((uint8_t *)host_data(out))[row + i] = value > threshold;
                else
                    ((float *)host_data(out))[row + i] = value;
            }
        }
    }
}
