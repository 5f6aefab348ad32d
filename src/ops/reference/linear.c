/* Matrix products: rows of one matrix against rows of another, summed in double. */
#include "ops/reference/reference.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

int reference_linear_create(struct device *device, const struct linear_source *source, void **state)
{
    (void)device;
    return reference_weights_create(source, false, state);
}

void reference_linear_free(struct device *device, void *state)
{
    (void)device;
    struct reference_weights *const weights = state;
    free(weights->values);
    free(weights);
}

/* The weights of a layer or, `channels_last`, of a convolution. */
int reference_weights_create(const struct linear_source *source, bool channels_last, void **state)
{
    struct host_weights joined;
    struct reference_weights *const weights = calloc(1, sizeof(*weights));
    const size_t count = (size_t)source->outputs * (size_t)source->inputs, outputs = (size_t)source->outputs;
    int status = weights != NULL ? host_weights_join(source, channels_last, &joined) : error_memory("a layer");
    if (status == 0 && (weights->values = malloc((count + outputs) * sizeof(float))) == NULL) {
        host_weights_free(&joined);
        status = error_memory("a layer");
    }
    if (status != 0) {
        free(weights);
        return status;
    }
    weights->inputs = source->inputs;
    weights->outputs = source->outputs;
    weights->bias = joined.bias != NULL ? weights->values + count : NULL;
    memcpy(weights->values, joined.weight, count * sizeof(float));
    if (joined.bias != NULL)
        memcpy(weights->bias, joined.bias, outputs * sizeof(float));
    host_weights_free(&joined);
    *state = weights;
    return 0;
}

static double dot(const float *a, const float *b, int64_t count)
{
    double sum = 0.0;
    for (int64_t i = 0; i < count; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

void reference_product(const struct reference_weights *weights, struct tensor x, enum activation activation,
                       const struct tensor *residual, struct tensor out)
{
    for (int64_t i = 0; i < x.dim[0]; i++) {
        const float *row = matrix_row(&x, i);
        float *to = matrix_row(&out, i);
        for (int64_t o = 0; o < weights->outputs; o++) {
            double y = dot(row, weights->values + o * weights->inputs, weights->inputs);
            if (weights->bias != NULL)
                y += (double)weights->bias[o];
            y = reference_activate(activation, y);
            if (residual != NULL)
                y += (double)matrix_row(residual, i)[o];
            to[o] = (float)y;
        }
    }
}

void reference_linear(struct compute *compute, const struct linear *linear, struct tensor x, enum activation activation,
                      const struct tensor *residual, struct tensor out)
{
    (void)compute;
    reference_product(linear->state, x, activation, residual, out);
}

void reference_matmul_transposed(struct compute *compute, struct tensor a, struct tensor b, struct tensor out)
{
    (void)compute;
    for (int64_t i = 0; i < a.dim[0]; i++)
        for (int64_t j = 0; j < b.dim[0]; j++)
            matrix_row(&out, i)[j] = (float)dot(matrix_row(&a, i), matrix_row(&b, j), a.dim[1]);
}
