/* Matrix products: rows of one matrix against rows of another, summed in double. */
#include "ops/reference/reference.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

struct layer {
    float *bias;    /* [outputs], or NULL */
    float weight[]; /* [outputs, inputs] */
};

int reference_linear_create(struct device *device, int64_t outputs, int64_t inputs, const float *weight,
                            const float *bias, int64_t rows_hint, void **state)
{
    (void)device;
    (void)rows_hint;
    *state = NULL;
    size_t count, bytes;
    if (__builtin_mul_overflow((size_t)outputs, (size_t)inputs, &count) ||
        __builtin_add_overflow(count, (size_t)outputs, &bytes) ||
        __builtin_mul_overflow(bytes, sizeof(float), &bytes) ||
        __builtin_add_overflow(bytes, sizeof(struct layer), &bytes))
        return error_memory("a linear layer");
    struct layer *layer = malloc(bytes);
    if (layer == NULL)
        return error_memory("a linear layer");
    memcpy(layer->weight, weight, count * sizeof(float));
    layer->bias = NULL;
    if (bias != NULL) {
        layer->bias = layer->weight + count;
        memcpy(layer->bias, bias, (size_t)outputs * sizeof(float));
    }
    *state = layer;
    return 0;
}

void reference_linear_free(void *state)
{
    free(state);
}

static double dot(const float *a, const float *b, int64_t count)
{
    double sum = 0.0;
    for (int64_t i = 0; i < count; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

void reference_linear(struct compute *compute, const struct linear *linear, struct tensor x, enum activation activation,
                      const struct tensor *residual, struct tensor out)
{
    (void)compute;
    const struct layer *layer = linear->state;
    for (int64_t i = 0; i < x.dim[0]; i++) {
        const float *row = matrix_row(&x, i);
        float *to = matrix_row(&out, i);
        for (int64_t o = 0; o < linear->outputs; o++) {
            double y = dot(row, layer->weight + o * linear->inputs, linear->inputs);
            if (layer->bias != NULL)
                y += (double)layer->bias[o];
            y = reference_activate(activation, y);
            if (residual != NULL)
                y += (double)matrix_row(residual, i)[o];
            to[o] = (float)y;
        }
    }
}

void reference_matmul_transposed(struct compute *compute, struct tensor a, struct tensor b, struct tensor out)
{
    (void)compute;
    for (int64_t i = 0; i < a.dim[0]; i++)
        for (int64_t j = 0; j < b.dim[0]; j++)
            matrix_row(&out, i)[j] = (float)dot(matrix_row(&a, i), matrix_row(&b, j), a.dim[1]);
}
