/* Elements as doubles, whatever type they have. */
#include "ops/reference/reference.h"

double *reference_doubles(struct compute *compute, int64_t count)
{
    return host_data(COMPUTE_TENSOR(compute, DTYPE_I64, count)); /* eight bytes each, whatever the type is called */
}

void reference_load(const struct tensor *tensor, int64_t at, int64_t count, double *row)
{
    if (tensor->dtype == DTYPE_BF16) {
        const uint16_t *from = (const uint16_t *)host_data(*tensor) + at;
        for (int64_t i = 0; i < count; i++)
            row[i] = (double)host_widen_bf16(from[i]);
    } else {
        const float *from = (const float *)host_data(*tensor) + at;
        for (int64_t i = 0; i < count; i++)
            row[i] = (double)from[i];
    }
}

void reference_round(const struct compute *compute, int64_t count, double *row)
{
    if (compute_narrow(compute) != DTYPE_BF16)
        return;
    for (int64_t i = 0; i < count; i++)
        row[i] = (double)host_widen_bf16(host_round_bf16((float)row[i]));
}

void reference_load_factors(const struct compute *compute, const struct tensor *tensor, int64_t at, int64_t count,
                            double *row)
{
    reference_load(tensor, at, count, row);
    if (tensor->dtype != DTYPE_BF16)
        reference_round(compute, count, row);
}

void reference_store(const struct tensor *tensor, int64_t at, int64_t count, const double *row)
{
    if (tensor->dtype == DTYPE_BF16) {
        uint16_t *to = (uint16_t *)host_data(*tensor) + at;
        for (int64_t i = 0; i < count; i++)
            to[i] = host_round_bf16((float)row[i]);
    } else {
        float *to = (float *)host_data(*tensor) + at;
        for (int64_t i = 0; i < count; i++)
            to[i] = (float)row[i];
    }
}

double reference_dot(const double *a, const double *b, int64_t count)
{
    double sum = 0.0;
    for (int64_t i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}
