#include "product.h"

#include "base/error.h"

#include <stdlib.h>
#include <time.h>

enum { RUNS = 9, WARM_UP = 2 };

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int time_on(struct device *device, int64_t rows, int64_t inputs, int64_t outputs, double *out)
{
    struct compute *compute = NULL;
    struct parameters *parameters = NULL;
    const struct linear *linear = NULL;
    float *const values = malloc((size_t)(inputs * outputs) * sizeof(*values));
    const struct host_tensor weight = {.dtype = DTYPE_F32,
                                       .rank = 2,
                                       .dim = {outputs, inputs},
                                       .data = values,
                                       .bytes = (size_t)(inputs * outputs) * sizeof(*values)};
    const struct host_tensor *const weights = &weight;
    double times[RUNS];
    if (!values)
        return error_memory("weights");
    for (int64_t i = 0; i < inputs * outputs; i++)
        values[i] = (float)(i % 31 - 15) / 16;
    int status = compute_create(device, &compute);
    if (!status)
        status = parameters_create(device, &parameters);
    if (!status)
        status = parameters_linear(parameters, 1, &weights, NULL, rows, &linear);
    for (int i = -WARM_UP; !status && i < RUNS; i++) {
        compute_begin(compute);
        const enum dtype narrow = compute_narrow(compute);
        const struct tensor x = COMPUTE_TENSOR(compute, narrow, 1, 1, rows, inputs);
        const struct tensor y = COMPUTE_TENSOR(compute, narrow, 1, 1, rows, outputs);
        op_fill(compute, 0.5F, x);
        status = compute_finish(compute);
        const double start = seconds();
        op_linear(compute, linear, x, ACTIVATION_NONE, NULL, y);
        status = status ? status : compute_finish(compute);
        if (i >= 0)
            times[i] = seconds() - start;
    }
    if (!status) {
        qsort(times, RUNS, sizeof(*times), by_size);
        *out = times[RUNS / 2];
    }
    parameters_free(&parameters);
    compute_free(&compute);
    free(values);
    return status;
}

int product_time(const struct device_options *options, int64_t rows, int64_t inputs, int64_t outputs, double *out)
{
    struct device *device = NULL;
    int status = device_open(options, &device);
    if (!status)
        status = time_on(device, rows, inputs, outputs, out);
    device_close(&device);
    return status;
}
