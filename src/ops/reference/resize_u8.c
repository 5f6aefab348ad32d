/* Separable resize of an 8-bit image in whole numbers, then the normalisation of its channels. */
#include "ops/reference/reference.h"

enum { CHANNELS = 3 };

static uint8_t round_sum(int64_t sum, int precision)
{
    sum >>= precision;
    return (uint8_t)(sum < 0 ? 0 : sum > UINT8_MAX ? UINT8_MAX : sum);
}

/* row[outputs][3] from one line of pixels. */
static void resize_line(const uint8_t *line, const struct filter_u8 *filter, uint8_t *row)
{
    for (int64_t x = 0; x < filter->outputs; x++) {
        const int16_t *weight = filter->weight + x * filter->stride;
        for (int c = 0; c < CHANNELS; c++) {
            int64_t sum = (int64_t)1 << filter->precision >> 1;
            for (int32_t j = 0; j < filter->count[x]; j++)
                sum += weight[j] * (int64_t)line[(int64_t)(filter->first[x] + j) * CHANNELS + c];
            row[x * CHANNELS + c] = round_sum(sum, filter->precision);
        }
    }
}

void reference_resize_image_u8(struct compute *compute, struct tensor pixels, const struct resize *vertical,
                               const struct resize *horizontal, const struct pixel_scale *scale, struct tensor out)
{
    const struct filter_u8 down = host_filter_u8(vertical), across = host_filter_u8(horizontal);
    const uint8_t *const rows = host_data(pixels);
    const size_t mark = compute_mark(compute);
    const int64_t height = down.inputs, columns = (int64_t)across.outputs * CHANNELS;
    uint8_t *lines = host_data(COMPUTE_TENSOR(compute, DTYPE_U8, height, columns));
    for (int64_t y = 0; y < height && compute_status(compute) == 0; y++)
        resize_line(rows + y * pixels.stride[0], &across, lines + y * columns);
    for (int64_t y = 0; y < out.dim[0] && compute_status(compute) == 0; y++) {
        const int16_t *weight = down.weight + y * down.stride;
        for (int64_t i = 0; i < columns; i++) {
            int64_t sum = (int64_t)1 << down.precision >> 1;
            for (int32_t j = 0; j < down.count[y]; j++)
                sum += weight[j] * (int64_t)lines[(down.first[y] + j) * columns + i];
            const int64_t c = i % CHANNELS, at = y * out.stride[0] + i / CHANNELS * out.stride[1] + c;
            const uint8_t value = round_sum(sum, down.precision);
            ((float *)host_data(out))[at] =
                (float)(((double)value * (double)scale->scale - (double)scale->mean[c]) / (double)scale->std[c]);
        }
    }
    compute_release(compute, mark);
}
