/* Depthwise convolution: a vector of channels at a time, taps of one row behind each other. */
#include "ops/cpu/kernels.h"
#include "ops/cpu/simd.h"

/* What one output row reads: the taps that lie inside of the map, row by row. */
struct window {
    const float *x; /* the image */
    int64_t x_row, x_column;
    const float *weight;
    int64_t weight_row, weight_column;
    int64_t first_row, last_row; /* of the kernel */
    int64_t top;                 /* the map's row under the kernel's row 0, may be negative */
};

SIMD_INLINE vfloat sum_taps(const struct window *window, int64_t left, int64_t first, int64_t last, int64_t c, int part,
                            vfloat sum)
{
    for (int64_t dy = window->first_row; dy < window->last_row; dy++) {
        const float *from = window->x + (window->top + dy) * window->x_row + left * window->x_column + c;
        const float *weight = window->weight + dy * window->weight_row + c;
        for (int64_t dx = first; dx < last; dx++) {
            const float *value = from + dx * window->x_column, *factor = weight + dx * window->weight_column;
            sum = part == SIMD_LANES ? v_fma(v_load(value), v_load(factor), sum)
                                     : v_fma(v_load_part(value, part), v_load_part(factor, part), sum);
        }
    }
    return sum;
}

static void output_pixel(const struct window *window, int64_t left, int64_t first, int64_t last, const float *bias,
                         int64_t channels, float *out)
{
    int64_t c = 0;
    for (; c + SIMD_LANES <= channels; c += SIMD_LANES)
        v_store(out + c, sum_taps(window, left, first, last, c, SIMD_LANES, v_load(bias + c)));
    const int part = (int)(channels - c);
    if (part > 0)
        v_store_part(out + c, part, sum_taps(window, left, first, last, c, part, v_load_part(bias + c, part)));
}

void SIMD_NAME(kernel_depthwise_conv2d)(struct compute *compute, struct tensor x, struct tensor weight,
                                        struct tensor bias, int padding, struct tensor out)
{
    const int threads = device_threads(compute_device(compute));
    const int64_t height = out.dim[1], width = out.dim[2], kernel = weight.dim[0], taps = weight.dim[1];
#pragma omp parallel for num_threads(threads) schedule(static) if (tensor_count(&out) * kernel * taps > 1 << 16)
    for (int64_t i = 0; i < out.dim[0] * height; i++) {
        const int64_t n = i / height, y = i % height, top = y - padding;
        const struct window window = {
            .x = (const float *)host_data(x) + n * x.stride[0],
            .x_row = x.stride[1],
            .x_column = x.stride[2],
            .weight = host_data(weight),
            .weight_row = weight.stride[0],
            .weight_column = weight.stride[1],
            .first_row = top < 0 ? -top : 0,
            .last_row = top + kernel > x.dim[1] ? x.dim[1] - top : kernel,
            .top = top,
        };
        float *row = (float *)host_data(out) + n * out.stride[0] + y * out.stride[1];
        for (int64_t column = 0; column < width; column++) {
            const int64_t left = column - padding;
            output_pixel(&window, left, left < 0 ? -left : 0, left + taps > x.dim[2] ? x.dim[2] - left : taps,
                         host_data(bias), out.dim[3], row + column * out.stride[2]);
        }
    }
}
