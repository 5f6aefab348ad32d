#include "ops/cpu/linear.h"

#include "ops/cpu/copy.h"
#include "ops/cpu/onednn.h"

#include <string.h>

static int create(struct device *device, const struct linear_source *source, bool channels_last, void **state)
{
    struct host_weights weights;
    struct onednn_product *product = NULL;
    int status = host_weights_join(source, channels_last, &weights);
    if (status != 0)
        return status;
    status = onednn_product_create(device_threads(device), DTYPE_F32, source->outputs, source->inputs, weights.weight,
                                   weights.bias, source->rows_hint, &product);
    host_weights_free(&weights);
    *state = product;
    return status;
}

int cpu_linear_create(struct device *device, const struct linear_source *source, void **state)
{
    return create(device, source, false, state);
}

int cpu_conv2d_create(struct device *device, const struct linear_source *source, const struct conv2d *conv,
                      void **state)
{
    (void)conv;
    return create(device, source, true, state);
}

void cpu_linear_free(struct device *device, void *state)
{
    (void)device;
    onednn_product_free(state);
}

/* oneDNN runs rows that do not lie densely in a slow general way, so slices go through dense scratch. */
static struct tensor make_dense(struct compute *compute, struct tensor x)
{
    if (tensor_is_dense(&x))
        return x;
    struct tensor dense = compute_tensor(compute, DTYPE_F32, x.rank, x.dim);
    if (compute_status(compute) == 0)
        cpu_copy(compute, x, dense);
    return dense;
}

/* Where a product writes: `out` itself where it is dense, else dense scratch that deliver() copies to it. */
static struct tensor dense_target(struct compute *compute, struct tensor out)
{
    return tensor_is_dense(&out) ? out : compute_tensor(compute, DTYPE_F32, out.rank, out.dim);
}

static void deliver(struct compute *compute, struct tensor target, struct tensor out)
{
    if (compute_status(compute) == 0 && host_data(target) != host_data(out))
        cpu_copy(compute, target, out);
}

static void multiply(struct compute *compute, struct onednn_product *product, struct tensor x,
                     enum activation activation, const struct tensor *residual, struct tensor out)
{
    const size_t mark = compute_mark(compute);
    const struct tensor input = make_dense(compute, x);
    const struct tensor target = dense_target(compute, out);
    if (compute_status(compute) == 0 && residual && host_data(*residual) != host_data(target))
        cpu_copy(compute, *residual, target); /* the product adds to it */
    if (compute_status(compute) == 0) {
        compute_fail(compute, onednn_product_run(product, compute, x.dim[0], host_data(input), activation, residual,
                                                 DTYPE_F32, host_data(target)));
    }
    deliver(compute, target, out);
    compute_release(compute, mark);
}

void cpu_linear(struct compute *compute, const struct linear *linear, struct tensor x, enum activation activation,
                const struct tensor *residual, struct tensor out)
{
    multiply(compute, linear->state, x, activation, residual, out);
}

void cpu_matmul_transposed(struct compute *compute, struct tensor a, struct tensor b, struct tensor out)
{
    const size_t mark = compute_mark(compute);
    const struct tensor left = make_dense(compute, a), right = make_dense(compute, b);
    const struct tensor target = dense_target(compute, out);
    if (compute_status(compute) == 0) {
        const int status = onednn_matmul_transposed(compute, a.dim[0], b.dim[0], a.dim[1], host_data(left),
                                                    host_data(right), host_data(target));
        if (status != 0)
            compute_fail(compute, status);
    }
    deliver(compute, target, out);
    compute_release(compute, mark);
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
                    (const float *)host_data(*x) + n * x->stride[0] + y * x->stride[1] + column * x->stride[2];
                memcpy(row, from, (size_t)channels * sizeof(float));
            }
        }
    }
}

void cpu_conv2d(struct compute *compute, const struct conv2d *conv, struct tensor x, const struct tensor *residual,
                struct tensor out)
{
    const int64_t count = out.dim[0], height = out.dim[1], width = out.dim[2];
    const int64_t taps = conv->inputs * conv->kernel_height * conv->kernel_width;
    const int threads = device_threads(compute_device(compute));
    const size_t mark = compute_mark(compute);
    struct tensor windows = COMPUTE_TENSOR(compute, DTYPE_F32, count, height, width, taps);
    if (compute_status(compute) == 0) {
#pragma omp parallel for num_threads(threads) schedule(static) collapse(2)
        for (int64_t n = 0; n < count; n++) {
            for (int64_t y = 0; y < height; y++) {
                float *row = (float *)host_data(windows) + (n * height + y) * width * taps;
                for (int64_t i = 0; i < width; i++, row += taps)
                    gather_window(conv, &x, n, y * conv->stride - conv->padding, i * conv->stride - conv->padding, row);
            }
        }
        /* All as rows of channels: out and residual may be slices of an axis before, so their rows may lie apart. */
        const int64_t rows = count * height * width;
        struct tensor flat_residual;
        if (residual)
            flat_residual = TENSOR_RESHAPE(make_dense(compute, *residual), rows, conv->outputs);
        const struct tensor target = dense_target(compute, out);
        if (compute_status(compute) == 0) {
            multiply(compute, conv->state, TENSOR_RESHAPE(windows, rows, taps), ACTIVATION_NONE,
                     residual ? &flat_residual : NULL, TENSOR_RESHAPE(target, rows, conv->outputs));
        }
        deliver(compute, target, out);
    }
    compute_release(compute, mark);
}
