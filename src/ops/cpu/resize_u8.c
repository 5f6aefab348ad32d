/* Separable resize of an 8-bit image in whole numbers, each pass rounded to 8 bits, normalised at the
 * end. Sums of 16-bit weights that add up to 2^precision (at most 2^22) times 255 fit into 32 bits. */
#include "ops/cpu/kernels.h"
#include "ops/cpu/simd.h"

#include <omp.h>

enum { CHANNELS = 3 };

SIMD_INLINE uint8_t round_sum(int32_t sum, int precision)
{
    sum >>= precision;
    return (uint8_t)(sum < 0 ? 0 : sum > UINT8_MAX ? UINT8_MAX : sum);
}

static void resize_line(const uint8_t *line, const struct filter_u8 *filter, uint8_t *out)
{
    const int precision = filter->precision;
    const int32_t half = 1 << precision >> 1;
    for (int64_t x = 0; x < filter->outputs; x++, out += CHANNELS) {
        const int16_t *weight = filter->weight + x * filter->stride;
        const uint8_t *from = line + (int64_t)filter->first[x] * CHANNELS;
        int32_t sum[CHANNELS] = {half, half, half};
        for (int32_t j = 0; j < filter->count[x]; j++, from += CHANNELS) {
            sum[0] += weight[j] * from[0];
            sum[1] += weight[j] * from[1];
            sum[2] += weight[j] * from[2];
        }
        out[0] = round_sum(sum[0], precision);
        out[1] = round_sum(sum[1], precision);
        out[2] = round_sum(sum[2], precision);
    }
}

/* One output row from the resized lines under it; `sums` has room for it. */
static void resize_down(const uint8_t *lines, int64_t columns, const struct filter_u8 *filter, int64_t y, int32_t *sums)
{
    const int16_t *weight = filter->weight + y * filter->stride;
    const uint8_t *from = lines + filter->first[y] * columns;
    const int32_t half = 1 << filter->precision >> 1;
    for (int64_t i = 0; i < columns; i++)
        sums[i] = half;
    for (int32_t j = 0; j < filter->count[y]; j++, from += columns) {
        const int32_t w = weight[j];
        for (int64_t i = 0; i < columns; i++)
            sums[i] += w * from[i];
    }
    for (int64_t i = 0; i < columns; i++)
        sums[i] = round_sum(sums[i], filter->precision);
}

void SIMD_NAME(kernel_resize_image_u8)(struct compute *compute, struct tensor pixels, const struct resize *vertical,
                                       const struct resize *horizontal, const struct pixel_scale *scale,
                                       struct tensor out)
{
    const struct filter_u8 down = host_filter_u8(vertical), across = host_filter_u8(horizontal);
    const int threads = device_threads(compute_device(compute));
    const int64_t height = down.inputs, width = across.outputs, columns = width * CHANNELS;
    const uint8_t *const bytes = host_data(pixels);
    const size_t mark = compute_mark(compute);
    uint8_t *lines = host_data(COMPUTE_TENSOR(compute, DTYPE_U8, height, columns));
    int32_t *sums = host_data(COMPUTE_TENSOR(compute, DTYPE_I32, threads, columns));
    /* All there is to normalise: 256 values a channel. */
    float table[CHANNELS][UINT8_MAX + 1];
    for (int c = 0; c < CHANNELS; c++)
        for (int value = 0; value <= UINT8_MAX; value++)
            table[c][value] =
                (float)(((double)value * (double)scale->scale - (double)scale->mean[c]) / (double)scale->std[c]);
    if (compute_status(compute) == 0) {
#pragma omp parallel num_threads(threads)
        {
#pragma omp for schedule(static)
            for (int64_t y = 0; y < height; y++)
                resize_line(bytes + y * pixels.stride[0], &across, lines + y * columns);
#pragma omp for schedule(static)
            for (int64_t y = 0; y < down.outputs; y++) {
                int32_t *sum = sums + omp_get_thread_num() * columns;
                resize_down(lines, columns, &down, y, sum);
                float *const to = (float *)host_data(out) + y * out.stride[0];
                for (int64_t x = 0; x < width; x++)
                    for (int c = 0; c < CHANNELS; c++)
                        to[x * out.stride[1] + c] = table[c][sum[x * CHANNELS + c]];
            }
        }
    }
    compute_release(compute, mark);
}
