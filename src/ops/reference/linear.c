/* Matrix products: rows of one matrix against rows of another, summed in double. */
#include "ops/reference/reference.h"

#include "ops/int8.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

int reference_linear_create(struct device *device, const struct linear_source *source, void **state)
{
    return reference_weights_create(device, source, false, state);
}

void reference_linear_free(struct device *device, void *state)
{
    (void)device;
    struct reference_weights *const weights = state;
    free(weights->values);
    free(weights->scale);
    free(weights);
}

/* Weights as whole numbers of 8 bits. */
static int make_int8(struct reference_weights *weights)
{
    const int64_t inputs = weights->inputs;
    int8_t *const row = malloc((size_t)inputs + 1);
    weights->scale = malloc(((size_t)weights->outputs + 1) * sizeof(*weights->scale));
    if (!row || !weights->scale) {
        free(row);
        return error_memory("a layer");
    }
    for (int64_t o = 0; o < weights->outputs; o++) {
        float *const values = weights->values + o * inputs;
        weights->scale[o] = int8_weights(values, inputs, row);
        for (int64_t i = 0; i < inputs; i++)
            values[i] = row[i];
    }
    free(row);
    return 0;
}

/* The weights of a layer or, `channels_last`, of a convolution. */
int reference_weights_create(const struct device *device, const struct linear_source *source, bool channels_last,
                             void **state)
{
    struct host_weights joined;
    struct reference_weights *const weights = calloc(1, sizeof(*weights));
    const size_t count = (size_t)source->outputs * (size_t)source->inputs, outputs = (size_t)source->outputs;
    int status = weights ? host_weights_join(source, channels_last, &joined) : error_memory("a layer");
    if (status == 0 && !(weights->values = malloc((count + outputs) * sizeof(float)))) {
        host_weights_free(&joined);
        status = error_memory("a layer");
    }
    if (status != 0) {
        free(weights);
        return status;
    }
    weights->inputs = source->inputs;
    weights->outputs = source->outputs;
    weights->bias = joined.bias ? weights->values + count : NULL;
    memcpy(weights->values, joined.weight, count * sizeof(float));
    for (size_t i = 0; i < count && device->precision == DTYPE_BF16; i++)
        weights->values[i] = host_widen_bf16(host_round_bf16(weights->values[i]));
    if (joined.bias)
        memcpy(weights->bias, joined.bias, outputs * sizeof(float));
    host_weights_free(&joined);
    if (device->precision == DTYPE_I8 && source->int8 && source->inputs <= INT8_MOST_INPUTS)
        status = make_int8(weights);
    if (status != 0) {
        reference_linear_free(NULL, weights);
        return status;
    }
    *state = weights;
    return 0;
}

static double dot(const double *a, const float *b, int64_t count)
{
    double sum = 0.0;
    for (int64_t i = 0; i < count; i++)
        sum += a[i] * (double)b[i];
    return sum;
}

/* A row as the whole numbers that its values are, of which `zero` was taken away; returns the scale of them. */
static double int8_factors(double *row, int64_t count)
{
    double low = 0.0, high = 0.0, spoilt = 0.0;
    for (int64_t i = 0; i < count; i++) {
        low = row[i] < low ? row[i] : low;
        high = row[i] > high ? row[i] : high;
        spoilt += row[i] * 0.0;
    }
    const struct int8_row scale = int8_row_of((float)low, (float)high, spoilt == 0.0);
    for (int64_t i = 0; i < count; i++)
        row[i] = spoilt == 0.0 ? int8_value(&scale, (float)row[i]) - scale.zero : 0.0;
    return (double)scale.scale;
}

void reference_product(struct compute *compute, const struct reference_weights *weights, struct tensor x,
                       enum activation activation, const struct tensor *residual, struct tensor out)
{
    const size_t mark = compute_mark(compute);
    double *row = reference_doubles(compute, weights->inputs), *y = reference_doubles(compute, weights->outputs);
    for (int64_t i = 0; i < x.dim[0] && y; i++) {
        reference_load_factors(compute, &x, i * x.stride[0], weights->inputs, row);
        const double scale = weights->scale ? int8_factors(row, weights->inputs) : 1.0;
        for (int64_t o = 0; o < weights->outputs; o++) {
            y[o] = dot(row, weights->values + o * weights->inputs, weights->inputs);
            if (weights->scale)
                y[o] *= scale * (double)weights->scale[o];
            if (weights->bias)
                y[o] += (double)weights->bias[o];
            y[o] = reference_activate(activation, y[o]);
            if (residual)
                y[o] += (double)matrix_row(residual, i)[o];
        }
        reference_store(&out, i * out.stride[0], weights->outputs, y);
    }
    compute_release(compute, mark);
}

void reference_linear(struct compute *compute, const struct linear *linear, struct tensor x, enum activation activation,
                      const struct tensor *residual, struct tensor out)
{
    reference_product(compute, linear->state, x, activation, residual, out);
}

void reference_matmul_transposed(struct compute *compute, struct tensor a, struct tensor b, struct tensor out)
{
    const int64_t depth = a.dim[1];
    const size_t mark = compute_mark(compute);
    double *row = reference_doubles(compute, depth), *other = reference_doubles(compute, depth);
    for (int64_t j = 0; j < b.dim[0] && other; j++) {
        reference_load_factors(compute, &b, j * b.stride[0], depth, other);
        for (int64_t i = 0; i < a.dim[0]; i++) {
            reference_load_factors(compute, &a, i * a.stride[0], depth, row);
            matrix_row(&out, i)[j] = (float)reference_dot(row, other, depth);
        }
    }
    compute_release(compute, mark);
}
