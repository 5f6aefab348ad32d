/* Separable resize of an 8-bit image, with the normalisation of its channels. */
#include "ops/reference/reference.h"

enum { CHANNELS = 3 };

/* One output row before the horizontal filter: row[inputs * CHANNELS]. */
static void filter_vertically(const uint8_t *pixels, size_t row_bytes, const struct filter *vertical, int64_t y,
                              int64_t count, double *row)
{
    const float *weight = vertical->weight + y * vertical->stride;
    for (int64_t i = 0; i < count; i++) {
        double sum = 0.0;
        for (int32_t j = 0; j < vertical->count[y]; j++)
            sum += (double)weight[j] * (double)pixels[(size_t)(vertical->first[y] + j) * row_bytes + (size_t)i];
        row[i] = sum;
    }
}

void reference_resize_normalize(struct compute *compute, const uint8_t *pixels, size_t row_bytes,
                                const struct filter *vertical, const struct filter *horizontal, float scale,
                                const float mean[3], const float std[3], struct tensor out)
{
    size_t mark = compute_mark(compute);
    int64_t inputs = (int64_t)horizontal->inputs * CHANNELS;
    /* One row of doubles: eight bytes each, whatever the type is called. */
    double *row = COMPUTE_TENSOR(compute, DTYPE_I64, inputs).data;
    for (int64_t y = 0; y < out.dim[0] && compute_status(compute) == 0; y++) {
        filter_vertically(pixels, row_bytes, vertical, y, inputs, row);
        for (int64_t x = 0; x < out.dim[1]; x++) {
            const float *weight = horizontal->weight + x * horizontal->stride;
            float *to = (float *)out.data + y * out.stride[0] + x * out.stride[1];
            for (int c = 0; c < CHANNELS; c++) {
                double sum = 0.0;
                for (int32_t j = 0; j < horizontal->count[x]; j++)
                    sum += (double)weight[j] * row[(int64_t)(horizontal->first[x] + j) * CHANNELS + c];
                to[c] = (float)(((double)scale * sum - (double)mean[c]) / (double)std[c]);
            }
        }
    }
    compute_release(compute, mark);
}
