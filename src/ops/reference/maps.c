/* Pooling of maps and resizing of planes. */
#include "ops/reference/reference.h"

#include <math.h>
#include <string.h>

/* row[c] = the maximum of its window, NaN where it holds one. `corner`: the window's first element. */
static void window_maximum(const struct tensor *x, int64_t corner, int size, double *other, double *row)
{
    const int64_t channels = x->dim[3];
    reference_load(x, corner, channels, row);
    for (int dy = 0; dy < size; dy++) {
        for (int dx = 0; dx < size; dx++) {
            reference_load(x, corner + dy * x->stride[1] + dx * x->stride[2], channels, other);
            for (int64_t c = 0; c < channels; c++)
                row[c] = other[c] > row[c] || isnan(other[c]) ? other[c] : row[c];
        }
    }
}

void reference_max_pool2d(struct compute *compute, struct tensor x, int size, struct tensor out)
{
    const size_t mark = compute_mark(compute);
    double *other = reference_doubles(compute, x.dim[3]), *row = reference_doubles(compute, x.dim[3]);
    for (int64_t n = 0; n < out.dim[0] && row; n++) {
        for (int64_t y = 0; y < out.dim[1]; y++) {
            for (int64_t i = 0; i < out.dim[2]; i++) {
                const int64_t corner = n * x.stride[0] + y * size * x.stride[1] + i * size * x.stride[2];
                window_maximum(&x, corner, size, other, row);
                reference_store(&out, n * out.stride[0] + y * out.stride[1] + i * out.stride[2], out.dim[3], row);
            }
        }
    }
    compute_release(compute, mark);
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
            if (out.dtype == DTYPE_U8)
                memset((uint8_t *)host_data(out) + row, 0, (size_t)out.dim[2]);
            for (int i = 0; i < across.outputs; i++) {
                const float value = (float)resized(plane, x.stride[1], &down, &across, y, i);
                if (out.dtype == DTYPE_F32)
                    ((float *)host_data(out))[row + i] = value;
                else if (value > threshold)
                    ((uint8_t *)host_data(out))[row + i / 8] |= (uint8_t)(1 << i % 8);
            }
        }
    }
}
