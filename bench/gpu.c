/* Times what takes most of the models' time, at their shapes, on a device: `bench_gpu DEVICE PRECISION [PART]`, PART
 * dividing the rows, for slow devices. A line each: what, microseconds, GFLOP/s. */
#include "ops/ops.h"

#include "base/error.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void stop(int status)
{
    if (status == 0)
        return;
    fprintf(stderr, "bench_gpu: %s\n", error_message());
    exit(1);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static struct device *device;
static struct compute *compute;
static int64_t part = 1;

enum { REPEATS = 10, ROUNDS = 5 };

static int64_t cut(int64_t rows)
{
    return rows > part ? rows / part : 1;
}

/* Repeats in one pass, the best of several passes. */
#define TIME(what, gflop, op)                                                                                          \
    do {                                                                                                               \
        double best = INFINITY;                                                                                        \
        for (int round = 0; round < ROUNDS; round++) {                                                                 \
            stop(compute_finish(compute));                                                                             \
            const double start = seconds();                                                                            \
            for (int i = 0; i < REPEATS; i++)                                                                          \
                op;                                                                                                    \
            stop(compute_finish(compute));                                                                             \
            best = fmin(best, (seconds() - start) / REPEATS);                                                          \
        }                                                                                                              \
        printf("%-40s %10.1f us %10.0f GFLOP/s\n", what, best * 1e6, (gflop) / best);                                  \
        fflush(stdout);                                                                                                \
    } while (0)

static struct tensor filled(enum dtype dtype, int64_t a, int64_t b, int64_t c, int64_t d)
{
    const struct tensor tensor = COMPUTE_TENSOR(compute, dtype, a, b, c, d);
    op_fill(compute, 0.5F, tensor);
    return tensor;
}

static void time_linear(int64_t rows, int64_t inputs, int64_t outputs, enum activation activation)
{
    struct parameters *parameters;
    const struct linear *linear;
    float *const values = calloc((size_t)(inputs * outputs), sizeof(*values));
    const struct host_tensor weight = {.dtype = DTYPE_F32,
                                       .rank = 2,
                                       .dim = {outputs, inputs},
                                       .data = values,
                                       .bytes = (size_t)(inputs * outputs) * sizeof(*values)};
    const struct host_tensor *const weights = &weight;
    if (!values)
        stop(error_memory("weights"));
    rows = cut(rows);
    stop(parameters_create(device, &parameters));
    stop(parameters_linear(parameters, 1, &weights, NULL, rows, &linear));
    free(values);
    compute_begin(compute);
    const enum dtype narrow = compute_narrow(compute);
    const struct tensor x = filled(narrow, 1, 1, rows, inputs), out = filled(narrow, 1, 1, rows, outputs);
    char what[64];
    snprintf(what, sizeof(what), "linear %lld x %lld x %lld%s", (long long)rows, (long long)outputs, (long long)inputs,
             activation != ACTIVATION_NONE ? ", activation" : "");
    TIME(what, 2e-9 * (double)rows * (double)inputs * (double)outputs,
         op_linear(compute, linear, x, activation, NULL, out));
    parameters_free(&parameters);
}

static void time_attention(int64_t batch, int64_t queries, int64_t keys, int64_t heads, int64_t d, int64_t dv)
{
    queries = cut(queries);
    keys = cut(keys);
    compute_begin(compute);
    const enum dtype narrow = compute_narrow(compute);
    const struct tensor q = filled(narrow, batch, queries, heads, d), k = filled(narrow, batch, keys, heads, d);
    const struct tensor v = filled(narrow, batch, keys, heads, dv), out = filled(narrow, batch, queries, heads, dv);
    char what[64];
    snprintf(what, sizeof(what), "attention %lld x %lld of %lld, %lld: %lld, %lld", (long long)batch,
             (long long)queries, (long long)keys, (long long)heads, (long long)d, (long long)dv);
    TIME(what, 2e-9 * (double)(batch * queries) * (double)(keys * heads * (d + dv)),
         op_attention(compute, q, k, v, 0.125F, false, out));
}

static void time_norm(int64_t rows, int64_t columns)
{
    rows = cut(rows);
    compute_begin(compute);
    const struct tensor x = filled(DTYPE_F32, 1, 1, rows, columns);
    const struct tensor out = filled(compute_narrow(compute), 1, 1, rows, columns);
    const struct tensor gamma = TENSOR_RESHAPE(filled(DTYPE_F32, 1, 1, 1, columns), columns);
    char what[64];
    snprintf(what, sizeof(what), "layer_norm %lld x %lld", (long long)rows, (long long)columns);
    TIME(what, 8e-9 * (double)rows * (double)columns, op_layer_norm(compute, x, gamma, gamma, 1e-5F, out));
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "bench_gpu DEVICE f32|bf16 [PART]\n");
        return 2;
    }
    part = argc > 3 && atoi(argv[3]) > 0 ? atoi(argv[3]) : 1;
    const enum dtype precision = strcmp(argv[2], "bf16") == 0 ? DTYPE_BF16 : DTYPE_F32;
    stop(device_open(&(struct device_options){.device = argv[1], .precision = precision}, &device));
    stop(compute_create(device, &compute));
    printf("%s, %s\n", device_name(device), argv[2]);
    time_linear(3601, 768, 3072, ACTIVATION_QUICK_GELU);
    time_linear(3601, 3072, 768, ACTIVATION_NONE);
    time_linear(3601, 768, 2304, ACTIVATION_NONE);
    time_linear(8 * 3601, 768, 3072, ACTIVATION_QUICK_GELU);
    time_linear(4096, 384, 1152, ACTIVATION_NONE);
    time_linear(65536, 96, 384, ACTIVATION_GELU);
    time_linear(2048, 1024, 4096, ACTIVATION_GELU);
    time_attention(1, 3601, 3601, 12, 64, 64);
    time_attention(8, 3601, 3601, 12, 64, 64);
    time_attention(1, 2048, 2048, 16, 64, 64);
    time_attention(1, 4096, 28736, 1, 256, 64);
    time_attention(1, 4096, 4096, 1, 256, 256);
    time_attention(1024, 64, 64, 1, 96, 96);
    time_norm(3601, 768);
    time_norm(65536, 96);
    compute_free(&compute);
    device_close(&device);
    return 0;
}
