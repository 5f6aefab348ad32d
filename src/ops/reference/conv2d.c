/* Convolution as a product: the taps of every output pixel are gathered into a row. */
#include "ops/reference/reference.h"

#include <string.h>

enum { BUFFER_FLOATS = 1 << 20 };

/* The taps of output pixel (oy, ox) of one image [h, w, inputs], zeros outside of it. */
static void gather_taps(const struct conv2d *conv, const struct tensor *image, int64_t oy, int64_t ox, char *row)
{
    const size_t size = dtype_size(image->dtype), bytes = (size_t)conv->inputs * size;
    for (int ky = 0; ky < conv->kernel_height; ky++) {
        int64_t y = oy * conv->stride - conv->padding + ky;
        for (int kx = 0; kx < conv->kernel_width; kx++, row += bytes) {
            int64_t x = ox * conv->stride - conv->padding + kx;
            if (y < 0 || y >= image->dim[0] || x < 0 || x >= image->dim[1])
                memset(row, 0, bytes);
            else
                memcpy(row,
                       (const char *)host_data(*image) + (size_t)(y * image->stride[0] + x * image->stride[1]) * size,
                       bytes);
        }
    }
}

int reference_conv2d_create(struct device *device, const struct linear_source *source, const struct conv2d *conv,
                            void **state)
{
    (void)conv;
    return reference_weights_create(device, source, true, state);
}

/* Output rows of one image. Rows that do not lie densely over each other are given to the product one by one. */
static void multiply(struct compute *compute, const struct conv2d *conv, struct tensor taps,
                     const struct tensor *residual, struct tensor out)
{
    const int64_t rows = out.dim[0], width = out.dim[1];
    for (int64_t i = 0; i < rows; i++) {
        const struct tensor part = residual ? tensor_at(*residual, i) : (struct tensor){0};
        reference_product(compute, conv->state, tensor_slice(taps, 0, i * width, width), ACTIVATION_NONE,
                          residual ? &part : NULL, tensor_at(out, i));
    }
}

void reference_conv2d(struct compute *compute, const struct conv2d *conv, struct tensor x,
                      const struct tensor *residual, struct tensor out)
{
    int64_t height = out.dim[1], width = out.dim[2], depth = ((const struct reference_weights *)conv->state)->inputs;
    int64_t chunk = BUFFER_FLOATS / depth / width;
    chunk = chunk < 1 ? 1 : chunk > height ? height : chunk;
    size_t mark = compute_mark(compute);
    struct tensor taps = COMPUTE_TENSOR(compute, x.dtype, chunk * width, depth);
    const int64_t row_bytes = depth * (int64_t)dtype_size(x.dtype);
    for (int64_t n = 0; n < out.dim[0] && compute_status(compute) == 0; n++) {
        struct tensor image = tensor_at(x, n);
        for (int64_t first = 0; first < height && compute_status(compute) == 0; first += chunk) {
            int64_t count = height - first < chunk ? height - first : chunk;
            for (int64_t i = 0; i < count * width; i++)
                gather_taps(conv, &image, first + i / width, i % width, (char *)host_data(taps) + i * row_bytes);
            struct tensor part = residual ? tensor_slice(tensor_at(*residual, n), 0, first, count) : out;
            multiply(compute, conv, taps, residual ? &part : NULL, tensor_slice(tensor_at(out, n), 0, first, count));
        }
    }
    compute_release(compute, mark);
}
