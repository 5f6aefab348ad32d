/* Separable resize of an 8-bit RGB image, normalised: for each output row, the input rows it needs are
 * combined into one row of floats (vertical taps, vectorised along the row), then that row is resized
 * across. */
#include "ops/cpu/kernels.h"
#include "ops/cpu/simd.h"

#include <omp.h>
#include <string.h>

/* sum[0..count) = sum over the taps of output `y` of weight * pixel row. */
static void combine_rows(const uint8_t *pixels, size_t row_bytes, const struct filter *vertical, int64_t y,
                         int64_t count, float *sum)
{
    const int64_t first = vertical->first[y];
    const int taps = vertical->count[y];
    const float *weight = vertical->weight + y * vertical->stride;
    int64_t i = 0;
    for (; i + SIMD_LANES <= count; i += SIMD_LANES) {
        vfloat total = v_zero();
        for (int t = 0; t < taps; t++)
            total = v_fma(v_set(weight[t]), v_load_u8(pixels + (size_t)(first + t) * row_bytes + i), total);
        v_store(sum + i, total);
    }
    for (; i < count; i++) {
        float total = 0.0F;
        for (int t = 0; t < taps; t++)
            total += weight[t] * (float)pixels[(size_t)(first + t) * row_bytes + (size_t)i];
        sum[i] = total;
    }
}

/* One output row: horizontal taps of `sum`, then (value - mean) / std. */
static void resize_row(const float *sum, const struct filter *horizontal, float scale, const float mean[3],
                       const float std[3], float *out, int64_t out_stride)
{
    for (int64_t x = 0; x < horizontal->outputs; x++) {
        const float *from = sum + 3 * (int64_t)horizontal->first[x];
        const float *weight = horizontal->weight + x * horizontal->stride;
        float total[3] = {0.0F, 0.0F, 0.0F};
        for (int t = 0; t < horizontal->count[x]; t++) {
            total[0] += weight[t] * from[3 * t];
            total[1] += weight[t] * from[3 * t + 1];
            total[2] += weight[t] * from[3 * t + 2];
        }
        for (int c = 0; c < 3; c++)
            out[x * out_stride + c] = (total[c] * scale - mean[c]) / std[c];
    }
}

void SIMD_NAME(kernel_resize_image)(struct compute *compute, struct tensor pixels, const struct resize *vertical,
                                    const struct resize *horizontal, const struct pixel_scale *scale, struct tensor out)
{
    const struct filter down = host_filter(vertical), across = host_filter(horizontal);
    const int64_t count = 3 * (int64_t)across.inputs;
    const int threads = device_threads(compute_device(compute));
    const size_t mark = compute_mark(compute);
    float *rows = host_data(COMPUTE_TENSOR(compute, DTYPE_F32, threads, count));
    if (compute_status(compute) == 0) {
#pragma omp parallel for num_threads(threads) schedule(static)
        for (int64_t y = 0; y < down.outputs; y++) {
            float *sum = rows + omp_get_thread_num() * count;
            combine_rows(host_data(pixels), (size_t)pixels.stride[0], &down, y, count, sum);
            resize_row(sum, &across, scale->scale, scale->mean, scale->std, (float *)host_data(out) + y * out.stride[0],
                       out.stride[1]);
        }
    }
    compute_release(compute, mark);
}
