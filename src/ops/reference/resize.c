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

void reference_resize_image(struct compute *compute, struct tensor pixels, const struct resize *vertical,
                            const struct resize *horizontal, const struct pixel_scale *scale, struct tensor out)
{
    if (vertical->weight.dtype == DTYPE_I16) {
        reference_resize_image_u8(compute, pixels, vertical, horizontal, scale, out);
        return;
    }
    const struct filter down = host_filter(vertical), across = host_filter(horizontal);
    const size_t mark = compute_mark(compute);
    const int64_t inputs = (int64_t)across.inputs * CHANNELS;
    /* One row of doubles: eight bytes each, whatever the type is called. */
    double *row = host_data(COMPUTE_TENSOR(compute, DTYPE_I64, inputs));
    for (int64_t y = 0; y < out.dim[0] && compute_status(compute) == 0; y++) {
        filter_vertically(host_data(pixels), (size_t)pixels.stride[0], &down, y, inputs, row);
        for (int64_t x = 0; x < out.dim[1]; x++) {
            const float *weight = across.weight + x * across.stride;
            float *to = (float *)host_data(out) + y * out.stride[0] + x * out.stride[1];
            for (int c = 0; c < CHANNELS; c++) {
                double sum = 0.0;
                for (int32_t j = 0; j < across.count[x]; j++)
                    sum += (double)weight[j] * row[(int64_t)(across.first[x] + j) * CHANNELS + c];
                to[c] = (float)(((double)scale->scale * sum - (double)scale->mean[c]) / (double)scale->std[c]);
            }
        }
    }
    compute_release(compute, mark);
}
