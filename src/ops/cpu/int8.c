#include "ops/cpu/int8.h"

#include "ops/cpu/cpu.h"
#include "ops/cpu/linear.h"
#include "ops/cpu/onednn.h"
#include "ops/int8.h"

#include "base/error.h"

#include <stdlib.h>

enum { FOUR = 4 };

/* One of the two. */
struct layer {
    void *wide; /* linear.c's */
    struct int8_panels own;
};

static int64_t round_up(int64_t count, int64_t step)
{
    return (count + step - 1) / step * step;
}

/* ---- weights ---- */

static void *allocate(int64_t count, size_t size)
{
    return aligned_alloc(64, (size_t)round_up(count * (int64_t)size, 64) + 64);
}

static int allocate_panels(const struct linear_source *source, bool has_bias, int64_t width, struct int8_panels *out)
{
    const int64_t columns = round_up(source->outputs, width);
    *out = (struct int8_panels){.outputs = source->outputs, .depth = round_up(source->inputs, FOUR), .width = width};
    out->values = allocate(columns * out->depth, sizeof(*out->values));
    out->scale = allocate(columns, sizeof(*out->scale));
    out->sum = allocate(columns, sizeof(*out->sum));
    if (has_bias)
        out->bias = allocate(columns, sizeof(*out->bias));
    if (!out->values || !out->scale || !out->sum || (has_bias && !out->bias))
        return error_memory("packed weights");
    return 0;
}

static void free_panels(struct int8_panels *panels)
{
    free(panels->values);
    free(panels->scale);
    free(panels->sum);
    free(panels->bias);
}

/* A column's values and what belongs to it, to its place in a panel; `column` has room for the depth. */
static void pack_column(const struct host_weights *weights, int64_t inputs, int64_t output, int8_t *column,
                        struct int8_panels *out)
{
    int8_t *const to = out->values + output / out->width * out->width * out->depth + output % out->width * FOUR;
    memset(column, 0, (size_t)out->depth);
    out->scale[output] = 0.0F;
    if (output < out->outputs)
        out->scale[output] = int8_weights(weights->weight + output * inputs, inputs, column);
    if (out->bias)
        out->bias[output] = output < out->outputs ? weights->bias[output] : 0.0F;
    out->sum[output] = 0;
    for (int64_t i = 0; i < out->depth; i += FOUR) {
        memcpy(to + i * out->width, column + i, FOUR);
        out->sum[output] += column[i] + column[i + 1] + column[i + 2] + column[i + 3];
    }
}

static int pack(struct device *device, const struct linear_source *source, const struct host_weights *weights,
                struct int8_panels *out)
{
    enum { PARALLEL_VALUES = 1 << 16 };
    const int threads = device_threads(device);
    const int64_t width = cpu_level_of(device) == CPU_AVX2 ? kernel_int8_width_avx2 : kernel_int8_width_avx512;
    int status = onednn_start_threads(threads);
    if (status == 0)
        status = allocate_panels(source, weights->bias, width, out);
    if (status != 0)
        return status;
    const int64_t panels = round_up(source->outputs, width) / width, room = round_up(out->depth, 64);
    int8_t *const columns = allocate(panels * room, sizeof(*columns));
    if (!columns)
        return error_memory("packed weights");
#pragma omp parallel for num_threads(threads) schedule(static) if (source->outputs * out->depth > PARALLEL_VALUES)
    for (int64_t panel = 0; panel < panels; panel++)
        for (int64_t i = 0; i < width; i++)
            pack_column(weights, source->inputs, panel * width + i, columns + panel * room, out);
    free(columns);
    return 0;
}

int int8_linear_create(struct device *device, const struct linear_source *source, void **state)
{
    struct layer *const layer = calloc(1, sizeof(*layer));
    if (!layer)
        return error_memory("a layer");
    int status;
    if (!source->int8 || source->inputs > INT8_MOST_INPUTS) {
        status = cpu_linear_create(device, source, &layer->wide);
    } else {
        struct host_weights weights;
        status = host_weights_join(source, false, &weights);
        if (status == 0) {
            status = pack(device, source, &weights, &layer->own);
            host_weights_free(&weights);
        }
    }
    if (status != 0) {
        int8_linear_free(device, layer);
        return status;
    }
    *state = layer;
    return 0;
}

void int8_linear_free(struct device *device, void *state)
{
    struct layer *const layer = state;
    if (layer->wide)
        cpu_linear_free(device, layer->wide);
    free_panels(&layer->own);
    free(layer);
}

/* ---- products ---- */

static void multiply(struct compute *compute, const struct int8_panels *weights, struct tensor x,
                     enum activation activation, const struct tensor *residual, struct tensor out)
{
    struct device *const device = compute_device(compute);
    const bool narrow_vectors = cpu_level_of(device) == CPU_AVX2;
    const int threads = device_threads(device);
    const int64_t rows = x.dim[0], inputs = x.dim[1];
    const size_t mark = compute_mark(compute);
    const struct tensor values = COMPUTE_TENSOR(compute, DTYPE_U8, rows, weights->depth);
    const struct tensor scale = COMPUTE_TENSOR(compute, DTYPE_F32, rows),
                        zero = COMPUTE_TENSOR(compute, DTYPE_I32, rows);
    if (compute_status(compute) == 0)
        compute_fail(compute, onednn_start_threads(threads));
    if (compute_status(compute) == 0) {
        const struct int8_rows factors = {rows, weights->depth, host_data(values), host_data(scale), host_data(zero)};
        (narrow_vectors ? kernel_int8_rows_avx2 : kernel_int8_rows_avx512)(host_data(x), x.stride[0], inputs, threads,
                                                                           &factors);
        (narrow_vectors ? kernel_product_int8_avx2 : kernel_product_int8_avx512)(&(struct int8_product){
            .weights = weights,
            .x = &factors,
            .activation = activation,
            .residual = residual ? host_data(*residual) : NULL,
            .out = host_data(out),
            .residual_stride = residual ? residual->stride[0] : 0,
            .out_stride = out.stride[0],
            .threads = threads,
        });
    }
    compute_release(compute, mark);
}

void int8_linear(struct compute *compute, const struct linear *linear, struct tensor x, enum activation activation,
                 const struct tensor *residual, struct tensor out)
{
    const struct layer *const layer = linear->state;
    if (!layer->wide) {
        multiply(compute, &layer->own, x, activation, residual, out);
        return;
    }
    const struct linear wide = {linear->outputs, linear->inputs, layer->wide};
    cpu_linear(compute, &wide, x, activation, residual, out);
}
