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

void reference_resize_u8_normalize(struct compute *compute, const uint8_t *pixels, size_t row_bytes,
                                   const struct filter_u8 *vertical, const struct filter_u8 *horizontal, float scale,
                                   const float mean[3], const float std[3], struct tensor out)
{
    const size_t mark = compute_mark(compute);
    const int64_t height = vertical->inputs, columns = (int64_t)horizontal->outputs * CHANNELS;
    uint8_t *lines = COMPUTE_TENSOR(compute, DTYPE_U8, height, columns).data;
    for (int64_t y = 0; y < height && compute_status(compute) == 0; y++)
        resize_line(pixels + (size_t)y * row_bytes, horizontal, lines + y * columns);
    for (int64_t y = 0; y < out.dim[0] && compute_status(compute) == 0; y++) {
        const int16_t *weight = vertical->weight + y * vertical->stride;
        for (int64_t i = 0; i < columns; i++) {
            int64_t sum = (int64_t)1 << vertical->precision >> 1;
            for (int32_t j = 0; j < vertical->count[y]; j++)
                sum += weight[j] * (int64_t)lines[(vertical->first[y] + j) * columns + i];
            const int64_t x = i / CHANNELS, c = i % CHANNELS;
            ((float *)out.data)[y * out.stride[0] + x * out.stride[1] + c] =
                (float)(((double)round_sum(sum, vertical->precision) * (double)scale - (double)mean[c]) /
                        (double)std[c]);
        }
    }
    compute_release(compute, mark);
}
