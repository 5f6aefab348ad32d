/* Activations, sums and products of elements. */
#include "ops/reference/reference.h"

#include <math.h>

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

double reference_activate(enum activation activation, double x)
{
    const double inverse_sqrt2 = 0.70710678118654752440, sqrt_2_over_pi = 0.79788456080286535588;
    switch (activation) {
    case ACTIVATION_RELU:
        return x < 0.0 ? 0.0 : x;
    case ACTIVATION_GELU:
        return 0.5 * x * (1.0 + erf(x * inverse_sqrt2));
    case ACTIVATION_GELU_TANH:
        return 0.5 * x * (1.0 + tanh(sqrt_2_over_pi * (x + 0.044715 * x * x * x)));
    case ACTIVATION_QUICK_GELU:
        return x * sigmoid(1.702 * x);
    case ACTIVATION_SIGMOID:
        return sigmoid(x);
    case ACTIVATION_NONE:
    default:
        return x;
    }
}

void reference_activation(struct compute *compute, struct tensor x, enum activation activation, struct tensor out)
{
    const size_t mark = compute_mark(compute);
    double *row = reference_doubles(compute, x.dim[1]);
    for (int64_t i = 0; i < x.dim[0] && row; i++) {
        reference_load(&x, i * x.stride[0], x.dim[1], row);
        for (int64_t j = 0; j < x.dim[1]; j++)
            row[j] = reference_activate(activation, row[j]);
        reference_store(&out, i * out.stride[0], x.dim[1], row);
    }
    compute_release(compute, mark);
}

/* out = a + b or a * b of rank 4; b stands still along its axes of 1. */
static void combine(struct compute *compute, const struct tensor *a, const struct tensor *b, bool multiply,
                    const struct tensor *out)
{
    const size_t mark = compute_mark(compute);
    double *row = reference_doubles(compute, a->dim[3]);
    int64_t step[4];
    for (int i = 0; i < 4; i++)
        step[i] = b->dim[i] == 1 ? 0 : b->stride[i];
    for (int64_t i = 0; i < a->dim[0] * a->dim[1] * a->dim[2] && row; i++) {
        int64_t i0 = i / a->dim[2] / a->dim[1], i1 = i / a->dim[2] % a->dim[1], i2 = i % a->dim[2];
        const float *row_b = (const float *)host_data(*b) + i0 * step[0] + i1 * step[1] + i2 * step[2];
        reference_load(a, i0 * a->stride[0] + i1 * a->stride[1] + i2 * a->stride[2], a->dim[3], row);
        for (int64_t j = 0; j < a->dim[3]; j++) {
            const double y = (double)row_b[j * step[3]];
            row[j] = multiply ? row[j] * y : row[j] + y;
        }
        reference_store(out, i0 * out->stride[0] + i1 * out->stride[1] + i2 * out->stride[2], a->dim[3], row);
    }
    compute_release(compute, mark);
}

void reference_add(struct compute *compute, struct tensor a, struct tensor b, struct tensor out)
{
    combine(compute, &a, &b, false, &out);
}

void reference_mul(struct compute *compute, struct tensor a, struct tensor b, struct tensor out)
{
    combine(compute, &a, &b, true, &out);
}

void reference_shift_scale(struct compute *compute, struct tensor x, struct tensor shift, struct tensor scale,
                           struct tensor out)
{
    (void)compute;
    for (int64_t i = 0; i < x.dim[0]; i++) {
        const float *row = matrix_row(&x, i);
        float *to = matrix_row(&out, i);
        double offset = (double)*matrix_row(&shift, i), factor = (double)*matrix_row(&scale, i);
        factor = (factor > 0.0 ? factor : expm1(factor)) + 1.0;
        for (int64_t j = 0; j < x.dim[1]; j++)
            to[j] = (float)(((double)row[j] + offset) * factor);
    }
}
