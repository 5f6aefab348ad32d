/* Pooling of maps and resizing of planes. */
#include "ops/cpu/elements.h"
#include "ops/cpu/kernels.h"

#include <omp.h>
#include <string.h>

/* out[c] = maximum over the window whose corner is x[c]; NaN where one of them is. */
static void pool_window(struct elements x, int64_t row_stride, int64_t column_stride, int size, int64_t channels,
                        struct elements out)
{
    for (int64_t c = 0; c < channels; c += SIMD_LANES) {
        const int left = channels - c < SIMD_LANES ? (int)(channels - c) : SIMD_LANES;
        const bool whole = left == SIMD_LANES;
        vfloat largest = whole ? elements_load(x, c) : elements_load_part(x, c, left);
        for (int dy = 0; dy < size; dy++) {
            for (int dx = 0; dx < size; dx++) {
                const int64_t at = dy * row_stride + dx * column_stride + c;
                largest = v_max_or_nan(largest, whole ? elements_load(x, at) : elements_load_part(x, at, left));
            }
        }
        if (whole)
            elements_store(out, c, largest);
        else
            elements_store_part(out, c, left, largest);
    }
}

void SIMD_NAME(kernel_max_pool2d)(struct compute *compute, struct tensor x, int size, struct tensor out)
{
    const int threads = device_threads(compute_device(compute));
#pragma omp parallel for num_threads(threads) schedule(static) collapse(2)
    for (int64_t n = 0; n < out.dim[0]; n++) {
        for (int64_t y = 0; y < out.dim[1]; y++) {
            const struct elements from = elements_of(&x, n * x.stride[0] + y * size * x.stride[1]);
            const struct elements to = elements_of(&out, n * out.stride[0] + y * out.stride[1]);
            for (int64_t i = 0; i < out.dim[2]; i++) {
                pool_window(elements_from(from, i * size * x.stride[2]), x.stride[1], x.stride[2], size, out.dim[3],
                            elements_from(to, i * out.stride[2]));
            }
        }
    }
}

/* Across first: masks grow, so that there are few rows to do this to. */
static void resize_across(const float *row, const struct filter *horizontal, float *out)
{
    for (int64_t x = 0; x < horizontal->outputs; x++) {
        const float *weight = horizontal->weight + x * horizontal->stride;
        const float *from = row + horizontal->first[x];
        float sum = 0.0F;
        for (int32_t j = 0; j < horizontal->count[x]; j++)
            sum += weight[j] * from[j];
        out[x] = sum;
    }
}

/* One output row of `count` values from the resized rows under it. */
static void resize_down(const float *rows, int64_t count, const struct filter *vertical, int64_t y, float *out)
{
    const float *weight = vertical->weight + y * vertical->stride;
    const float *from = rows + vertical->first[y] * count;
    int64_t i = 0;
    for (; i + SIMD_LANES <= count; i += SIMD_LANES) {
        vfloat sum = v_zero();
        for (int32_t j = 0; j < vertical->count[y]; j++)
            sum = v_fma(v_set(weight[j]), v_load(from + j * count + i), sum);
        v_store(out + i, sum);
    }
    for (; i < count; i++) {
        float sum = 0.0F;
        for (int32_t j = 0; j < vertical->count[y]; j++)
            sum += weight[j] * from[j * count + i];
        out[i] = sum;
    }
}

static void resize_plane_row(const float *rows, int64_t count, const struct filter *vertical, int64_t y,
                             float threshold, float *line, const struct tensor *out, int64_t offset)
{
    if (out->dtype != DTYPE_U8) {
        resize_down(rows, count, vertical, y, (float *)host_data(*out) + offset);
        return;
    }
    uint8_t *to = (uint8_t *)host_data(*out) + offset;
    resize_down(rows, count, vertical, y, line);
    memset(to, 0, (size_t)out->dim[2]);
    for (int64_t i = 0; i < count; i += SIMD_LANES) {
        const int left = count - i < SIMD_LANES ? (int)(count - i) : SIMD_LANES;
        const vfloat values = left == SIMD_LANES ? v_load(line + i) : v_load_part(line + i, left);
        const uint32_t bits = v_over(values, v_set(threshold)) & ((1U << left) - 1U);
        memcpy(to + i / 8, &bits, SIMD_LANES / 8);
    }
}

void SIMD_NAME(kernel_resize_planes)(struct compute *compute, struct tensor x, const struct resize *vertical,
                                     const struct resize *horizontal, float threshold, struct tensor out)
{
    const int threads = device_threads(compute_device(compute));
    const struct filter down = host_filter(vertical), across = host_filter(horizontal);
    const int64_t count = across.outputs;
    const size_t mark = compute_mark(compute);
    float *rows = host_data(COMPUTE_TENSOR(compute, DTYPE_F32, down.inputs, count));
    float *lines = host_data(COMPUTE_TENSOR(compute, DTYPE_F32, threads, count));
    for (int64_t n = 0; n < out.dim[0] && compute_status(compute) == 0; n++) {
#pragma omp parallel num_threads(threads)
        {
#pragma omp for schedule(static)
            for (int64_t y = 0; y < down.inputs; y++)
                resize_across((const float *)host_data(x) + n * x.stride[0] + y * x.stride[1], &across,
                              rows + y * count);
#pragma omp for schedule(static)
            for (int64_t y = 0; y < down.outputs; y++) {
                resize_plane_row(rows, count, &down, y, threshold, lines + omp_get_thread_num() * count, &out,
                                 n * out.stride[0] + y * out.stride[1]);
            }
        }
    }
    compute_release(compute, mark);
}
