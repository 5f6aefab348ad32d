#include "ops/cpu/linear.h"

#include "ops/cpu/onednn.h"
#include "ops/cpu/rows.h"

#include <string.h>

int cpu_linear_create(struct device *device, int64_t outputs, int64_t inputs, const float *weight, const float *bias,
                      int64_t rows_hint, void **state)
{
    struct onednn_product *product = NULL;
    const int status =
        onednn_product_create(device_threads(device), outputs, inputs, weight, bias, rows_hint, &product);
    *state = product;
    return status;
}

void cpu_linear_free(void *state)
{
    onednn_product_free(state);
}

/* Copies the residual into `out`, where the product then adds to it. */
static void place_residual(struct compute *compute, const struct tensor *residual, struct tensor out)
{
    if (residual == NULL || residual->data == out.data) {
        return;
    }
    const int64_t count = out.dim[out.rank - 1], rows = count == 0 ? 0 : tensor_count(&out) / count;
    const int threads = device_threads(compute_device(compute));
#pragma omp parallel for num_threads(threads) schedule(static) if (rows * count > 65536)
    for (int64_t i = 0; i < rows; i++) {
        memcpy(rows_at(&out, i), rows_at(residual, i), (size_t)count * sizeof(float));
    }
}

/* One product where all rows of x and of out lie at one distance, else one for each entry of the first
 * axis. */
static void run_rows(struct compute *compute, const struct linear *linear, struct tensor x, enum activation activation,
                     bool accumulate, struct tensor out)
{
    int64_t x_stride, out_stride;
    if (rows_uniform(&x, &x_stride) && rows_uniform(&out, &out_stride)) {
        const int64_t rows = tensor_count(&x) / linear->inputs;
        const int status = rows == 0 ? 0
                                     : onednn_product_run(linear->state, compute, rows, x.data, x_stride, activation,
                                                          accumulate, out.data, out_stride);
        if (status != 0) {
            compute_fail(compute, status);
        }
        return;
    }
    for (int64_t i = 0; i < x.dim[0]; i++) {
        run_rows(compute, linear, tensor_at(x, i), activation, accumulate, tensor_at(out, i));
    }
}

void cpu_linear(struct compute *compute, const struct linear *linear, struct tensor x, enum activation activation,
                const struct tensor *residual, struct tensor out)
{
    place_residual(compute, residual, out);
    run_rows(compute, linear, x, activation, residual != NULL, out);
}

void cpu_matmul_transposed(struct compute *compute, struct tensor a, struct tensor b, struct tensor out)
{
    if (a.dim[0] == 0 || b.dim[0] == 0) {
        return;
    }
    const int status = onednn_matmul_transposed(compute, a.dim[0], b.dim[0], a.dim[1], a.data, a.stride[0], b.data,
                                                b.stride[0], out.data, out.stride[0]);
    if (status != 0) {
        compute_fail(compute, status);
    }
}

/* The window of one output position as a row [kernel_height][kernel_width][inputs]; zero outside. */
static void gather_window(const struct conv2d *conv, const struct tensor *x, int64_t n, int64_t top, int64_t left,
                          float *row)
{
    const int64_t channels = conv->inputs;
    for (int64_t ky = 0; ky < conv->kernel_height; ky++) {
        const int64_t y = top + ky;
        for (int64_t kx = 0; kx < conv->kernel_width; kx++, row += channels) {
            const int64_t column = left + kx;
            if (y < 0 || y >= x->dim[1] || column < 0 || column >= x->dim[2]) {
                memset(row, 0, (size_t)channels * sizeof(float));
            } else {
                const float *from =
                    (const float *)x->data + n * x->stride[0] + y * x->stride[1] + column * x->stride[2];
                memcpy(row, from, (size_t)channels * sizeof(float));
            }
        }
    }
}

void cpu_conv2d(struct compute *compute, const struct conv2d *conv, struct tensor x, const struct tensor *residual,
                struct tensor out)
{
    const int64_t count = out.dim[0], height = out.dim[1], width = out.dim[2];
    const int64_t taps = conv->product->inputs;
    const int threads = device_threads(compute_device(compute));
    const size_t mark = compute_mark(compute);
    struct tensor windows = COMPUTE_TENSOR(compute, DTYPE_F32, count, height, width, taps);
    if (compute_status(compute) == 0) {
#pragma omp parallel for num_threads(threads) schedule(static) collapse(2)
        for (int64_t n = 0; n < count; n++) {
            for (int64_t y = 0; y < height; y++) {
                float *row = (float *)windows.data + (n * height + y) * width * taps;
                for (int64_t i = 0; i < width; i++, row += taps) {
                    gather_window(conv, &x, n, y * conv->stride - conv->padding, i * conv->stride - conv->padding, row);
                }
            }
        }
        cpu_linear(compute, conv->product, windows, ACTIVATION_NONE, residual, out);
    }
    compute_release(compute, mark);
}
