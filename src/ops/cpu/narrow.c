#include "ops/cpu/narrow.h"

#include "ops/cpu/copy.h"
#include "ops/cpu/cpu.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/onednn.h"

#include "base/error.h"

#include <stdlib.h>

/* One of the two. */
struct product {
    struct onednn_product *library;
    struct narrow_weights own;
};

static int64_t even(int64_t depth)
{
    return depth + depth % 2;
}

/* ---- weights ---- */

static uint32_t pair_of(const float *row, int64_t at, int64_t inputs)
{
    const uint32_t low = host_round_bf16(row[at]), high = at + 1 < inputs ? host_round_bf16(row[at + 1]) : 0;
    return low | high << 16;
}

/* A panel from column `first` on. */
static void pack_panel(const float *weight, int64_t inputs, int64_t outputs, int64_t first, uint32_t *panel)
{
    const int64_t left = outputs - first, width = left > NARROW_PANEL / 2 ? NARROW_PANEL : NARROW_PANEL / 2;
    for (int64_t j = 0; j < width; j++)
        for (int64_t i = 0; i < inputs; i += 2)
            panel[i / 2 * width + j] = j < left ? pair_of(weight + (first + j) * inputs, i, inputs) : 0;
}

static void pack(const float *weight, int64_t inputs, int64_t outputs, int threads, uint32_t *pairs)
{
    enum { PARALLEL_VALUES = 1 << 16 };
#pragma omp parallel for num_threads(threads) schedule(static) if (inputs * outputs > PARALLEL_VALUES)
    for (int64_t first = 0; first < outputs; first += NARROW_PANEL)
        pack_panel(weight, inputs, outputs, first, pairs + first * (even(inputs) / 2));
}

/* Values of all panels, of which the last one may be of half the width. */
static int64_t packed_pairs(int64_t inputs, int64_t outputs)
{
    const int64_t half = NARROW_PANEL / 2;
    return (outputs + half - 1) / half * half * (even(inputs) / 2);
}

static int own_create(struct device *device, const struct linear_source *source, const struct host_weights *weights,
                      struct narrow_weights *out)
{
    const size_t bytes = (size_t)packed_pairs(source->inputs, source->outputs) * sizeof(*out->pairs);
    *out = (struct narrow_weights){.outputs = source->outputs, .depth = even(source->inputs)};
    const int status = onednn_start_threads(device_threads(device));
    if (status != 0)
        return status;
    out->pairs = aligned_alloc(64, (bytes + 63) / 64 * 64 + 64);
    out->bias = malloc((size_t)source->outputs * sizeof(*out->bias) + 1);
    if (!out->pairs || !out->bias)
        return error_memory("packed weights");
    if (weights->bias) {
        memcpy(out->bias, weights->bias, (size_t)source->outputs * sizeof(*out->bias));
    } else {
        free(out->bias);
        out->bias = NULL;
    }
    pack(weights->weight, source->inputs, source->outputs, device_threads(device), out->pairs);
    return 0;
}

/* oneDNN gets rows of even length too, so that whoever gathers rows need not know whose product it is. */
static int library_create(struct device *device, const struct linear_source *source, const struct host_weights *weights,
                          struct onednn_product **out)
{
    const int64_t inputs = source->inputs, depth = even(inputs);
    float *wide = NULL;
    if (depth != inputs) {
        wide = calloc((size_t)(source->outputs * depth), sizeof(*wide));
        if (!wide)
            return error_memory("a layer's weights");
        for (int64_t i = 0; i < source->outputs; i++)
            memcpy(wide + i * depth, weights->weight + i * inputs, (size_t)inputs * sizeof(*wide));
    }
    const int status = onednn_product_create(device_threads(device), DTYPE_BF16, source->outputs, depth,
                                             wide ? wide : weights->weight, weights->bias, source->rows_hint, out);
    free(wide);
    return status;
}

static int create(struct device *device, const struct linear_source *source, bool channels_last, void **state)
{
    struct host_weights weights;
    struct product *const product = calloc(1, sizeof(*product));
    int status = product ? host_weights_join(source, channels_last, &weights) : error_memory("a layer");
    if (status == 0) {
        status = cpu_level_of(device) == CPU_AMX ? library_create(device, source, &weights, &product->library)
                                                 : own_create(device, source, &weights, &product->own);
        host_weights_free(&weights);
    }
    if (status != 0) {
        if (product)
            narrow_linear_free(device, product);
        return status;
    }
    *state = product;
    return 0;
}

int narrow_linear_create(struct device *device, const struct linear_source *source, void **state)
{
    return create(device, source, false, state);
}

int narrow_conv2d_create(struct device *device, const struct linear_source *source, const struct conv2d *conv,
                         void **state)
{
    (void)conv;
    return create(device, source, true, state);
}

void narrow_linear_free(struct device *device, void *state)
{
    (void)device;
    struct product *const product = state;
    onednn_product_free(product->library);
    free(product->own.pairs);
    free(product->own.bias);
    free(product);
}

/* ---- products ---- */

/* Rows [rows, inputs] as factors [rows, depth]: themselves where they are. */
static struct tensor factor_rows(struct compute *compute, struct tensor x, bool dense)
{
    const int64_t rows = x.dim[0], inputs = x.dim[1], depth = even(inputs);
    if (x.dtype == DTYPE_BF16 && depth == inputs && (!dense || tensor_is_dense(&x)))
        return x;
    struct tensor factors = COMPUTE_TENSOR(compute, DTYPE_BF16, rows, depth);
    if (compute_status(compute) != 0)
        return factors;
    cpu_copy(compute, x, tensor_slice(factors, 1, 0, inputs));
    if (depth != inputs)
        cpu_fill(compute, 0.0F, tensor_slice(factors, 1, inputs, 1));
    return factors;
}

static void run_own(struct compute *compute, const struct narrow_weights *weights, struct tensor x,
                    enum activation activation, const struct tensor *residual, struct tensor out)
{
    const struct tensor factors = factor_rows(compute, x, false);
    const int threads = device_threads(compute_device(compute));
    const bool dots = cpu_uses_dots();
    const int64_t room = dots ? 0 : kernel_product_wide_avx512_bf16(weights->depth, threads);
    const struct tensor wide = COMPUTE_TENSOR(compute, DTYPE_F32, room);
    if (compute_status(compute) == 0)
        compute_fail(compute, onednn_start_threads(threads));
    if (compute_status(compute) != 0)
        return;
    kernel_product_avx512_bf16(&(struct narrow_product){
        .weights = weights,
        .activation = activation,
        .rows = out.dim[0],
        .x = host_data(factors),
        .residual = residual ? host_data(*residual) : NULL,
        .out = host_data(out),
        .narrow = out.dtype == DTYPE_BF16,
        .x_stride = factors.stride[0],
        .residual_stride = residual ? residual->stride[0] : 0,
        .out_stride = out.stride[0],
        .threads = threads,
        .wide = dots ? NULL : host_data(wide),
    });
}

/* oneDNN adds a residual to what is there, and wants rows that lie densely. */
static void run_library(struct compute *compute, struct onednn_product *product, struct tensor x,
                        enum activation activation, const struct tensor *residual, struct tensor out)
{
    const struct tensor factors = factor_rows(compute, x, true);
    const struct tensor target = tensor_is_dense(&out) ? out : compute_tensor(compute, out.dtype, out.rank, out.dim);
    if (compute_status(compute) != 0)
        return;
    if (residual && host_data(*residual) != host_data(target))
        cpu_copy(compute, *residual, target);
    compute_fail(compute, onednn_product_run(product, compute, out.dim[0], host_data(factors), activation, residual,
                                             out.dtype, host_data(target)));
    if (compute_status(compute) == 0 && host_data(target) != host_data(out))
        cpu_copy(compute, target, out);
}

static void multiply(struct compute *compute, const struct product *product, struct tensor x,
                     enum activation activation, const struct tensor *residual, struct tensor out)
{
    const size_t mark = compute_mark(compute);
    if (product->library)
        run_library(compute, product->library, x, activation, residual, out);
    else
        run_own(compute, &product->own, x, activation, residual, out);
    compute_release(compute, mark);
}

void narrow_linear(struct compute *compute, const struct linear *linear, struct tensor x, enum activation activation,
                   const struct tensor *residual, struct tensor out)
{
    multiply(compute, linear->state, x, activation, residual, out);
}

/* With few prompts there is little to multiply: b is packed each time. */
void narrow_matmul_transposed(struct compute *compute, struct tensor a, struct tensor b, struct tensor out)
{
    const int64_t inputs = a.dim[1], outputs = b.dim[0];
    const size_t mark = compute_mark(compute);
    const struct tensor rows = COMPUTE_TENSOR(compute, DTYPE_F32, outputs, inputs);
    const struct tensor pairs = COMPUTE_TENSOR(compute, DTYPE_I32, packed_pairs(inputs, outputs));
    if (compute_status(compute) == 0) {
        const int threads = device_threads(compute_device(compute));
        const struct narrow_weights weights = {.outputs = outputs, .depth = even(inputs), .pairs = host_data(pairs)};
        cpu_copy(compute, b, rows);
        pack(host_data(rows), inputs, outputs, threads, weights.pairs);
        run_own(compute, &weights, a, ACTIVATION_NONE, NULL, out);
    }
    compute_release(compute, mark);
}

/* ---- attention ---- */

/* x [batch, rows, heads, width] as F32 with each head's rows dense, rounded to bfloat16. */
static struct tensor widen_heads(struct compute *compute, struct tensor x)
{
    const struct tensor wide = COMPUTE_TENSOR(compute, DTYPE_F32, x.dim[0], x.dim[2], x.dim[1], x.dim[3]);
    const struct tensor out = tensor_swap_axes(wide, 1, 2);
    if (x.dtype != DTYPE_BF16) {
        const size_t mark = compute_mark(compute);
        const struct tensor rounded = compute_tensor(compute, DTYPE_BF16, x.rank, x.dim);
        op_copy(compute, x, rounded);
        op_copy(compute, rounded, out);
        compute_release(compute, mark);
    } else {
        op_copy(compute, x, out);
    }
    return out;
}

void narrow_attention(struct compute *compute, struct tensor q, struct tensor k, struct tensor v, float scale,
                      bool causal, struct tensor out)
{
    const size_t mark = compute_mark(compute);
    const struct tensor queries = widen_heads(compute, q), keys = widen_heads(compute, k);
    const struct tensor values = widen_heads(compute, v);
    const struct tensor sum = out.dtype == DTYPE_F32 ? out : compute_tensor(compute, DTYPE_F32, out.rank, out.dim);
    if (compute_status(compute) == 0)
        kernel_attention_avx512(compute, queries, keys, values, scale, causal, sum);
    if (out.dtype != DTYPE_F32)
        op_copy(compute, sum, out);
    compute_release(compute, mark);
}

/* ---- convolutions ---- */

/* `count` values from `x` on as factors. */
static void copy_factors(const struct tensor *x, int64_t at, int64_t count, uint16_t *to)
{
    if (x->dtype == DTYPE_BF16) {
        memcpy(to, (const uint16_t *)host_data(*x) + at, (size_t)count * sizeof(*to));
        return;
    }
    const float *const from = (const float *)host_data(*x) + at;
#pragma omp simd
    for (int64_t i = 0; i < count; i++)
        to[i] = host_round_bf16(from[i]);
}

/* The window of one output position as a row [kernel_height][kernel_width][inputs]; zero outside and behind. A row of
 * the window is one piece where it lies in the map, and its pixels behind each other. */
static void gather_window(const struct conv2d *conv, const struct tensor *x, int64_t n, int64_t top, int64_t left,
                          uint16_t *row)
{
    const int64_t channels = conv->inputs, width = conv->kernel_width, taps = width * conv->kernel_height * channels;
    const int64_t first = left < 0 ? -left : 0;
    const int64_t last = left + width > x->dim[2] ? x->dim[2] - left : width;
    uint16_t *to = row;
    for (int64_t ky = 0; ky < conv->kernel_height; ky++, to += width * channels) {
        const int64_t y = top + ky, at = n * x->stride[0] + y * x->stride[1] + left * x->stride[2];
        const bool whole = y >= 0 && y < x->dim[1] && first == 0 && last == width;
        if (!whole)
            memset(to, 0, (size_t)(width * channels) * sizeof(*to));
        if (y < 0 || y >= x->dim[1])
            continue;
        if (x->stride[2] == channels && last > first) {
            copy_factors(x, at + first * channels, (last - first) * channels, to + first * channels);
            continue;
        }
        for (int64_t kx = first; kx < last; kx++)
            copy_factors(x, at + kx * x->stride[2], channels, to + kx * channels);
    }
    if (taps % 2 != 0)
        *to = 0;
}

void narrow_conv2d(struct compute *compute, const struct conv2d *conv, struct tensor x, const struct tensor *residual,
                   struct tensor out)
{
    const int64_t count = out.dim[0], height = out.dim[1], width = out.dim[2], rows = count * height * width;
    const int64_t depth = even(conv->inputs * conv->kernel_height * conv->kernel_width);
    const int threads = device_threads(compute_device(compute));
    const size_t mark = compute_mark(compute);
    const struct tensor windows = COMPUTE_TENSOR(compute, DTYPE_BF16, rows, depth);
    /* Rows of channels may lie apart. */
    const struct tensor target = tensor_is_dense(&out) ? out : compute_tensor(compute, out.dtype, out.rank, out.dim);
    struct tensor sum = {0};
    if (residual) {
        sum = tensor_is_dense(residual) ? *residual
                                        : compute_tensor(compute, residual->dtype, residual->rank, residual->dim);
    }
    if (compute_status(compute) == 0) {
        if (residual && host_data(sum) != host_data(*residual))
            cpu_copy(compute, *residual, sum);
#pragma omp parallel for num_threads(threads) schedule(static) collapse(2)
        for (int64_t n = 0; n < count; n++) {
            for (int64_t y = 0; y < height; y++) {
                uint16_t *row = (uint16_t *)host_data(windows) + (n * height + y) * width * depth;
                for (int64_t i = 0; i < width; i++, row += depth)
                    gather_window(conv, &x, n, y * conv->stride - conv->padding, i * conv->stride - conv->padding, row);
            }
        }
        if (residual)
            sum = TENSOR_RESHAPE(sum, rows, conv->outputs);
        multiply(compute, conv->state, windows, ACTIVATION_NONE, residual ? &sum : NULL,
                 TENSOR_RESHAPE(target, rows, conv->outputs));
        if (compute_status(compute) == 0 && host_data(target) != host_data(out))
            cpu_copy(compute, target, out);
    }
    compute_release(compute, mark);
}
