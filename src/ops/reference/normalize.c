/* Norms over rows. */
#include "ops/reference/reference.h"

#include <math.h>

void reference_layer_norm(struct compute *compute, struct tensor x, struct tensor gamma, struct tensor beta, float eps,
                          struct tensor out)
{
    const float *g = host_data(gamma), *b = host_data(beta);
    const int64_t count = x.dim[1];
    const size_t mark = compute_mark(compute);
    double *row = reference_doubles(compute, count);
    for (int64_t i = 0; i < x.dim[0] && row; i++) {
        double mean = 0.0, variance = 0.0;
        reference_load(&x, i * x.stride[0], count, row);
        for (int64_t j = 0; j < count; j++)
            mean += row[j];
        mean /= (double)count;
        for (int64_t j = 0; j < count; j++) {
            double difference = row[j] - mean;
            variance += difference * difference;
        }
        variance /= (double)count;
        double factor = 1.0 / sqrt(variance + (double)eps);
        for (int64_t j = 0; j < count; j++)
            row[j] = (row[j] - mean) * factor * (double)g[j] + (double)b[j];
        reference_store(&out, i * out.stride[0], count, row);
    }
    compute_release(compute, mark);
}

void reference_l2_normalize(struct compute *compute, struct tensor x, float eps, struct tensor out)
{
    (void)compute;
    for (int64_t i = 0; i < x.dim[0]; i++) {
        const float *row = matrix_row(&x, i);
        float *to = matrix_row(&out, i);
        double squares = 0.0;
        for (int64_t j = 0; j < x.dim[1]; j++)
            squares += (double)row[j] * (double)row[j];
        double norm = sqrt(squares) + (double)eps;
        for (int64_t j = 0; j < x.dim[1]; j++)
            to[j] = (float)((double)row[j] / norm);
    }
}
