/* See model_device.h. */
#include "model_device.h"

#include "ops/late_set.h"
#include "ops/reference/reference.h"

#include <stdlib.h>
#include <string.h>

static struct values_read values_read;

static void count(const struct tensor *tensor)
{
    *(tensor->dtype == DTYPE_BF16 ? &values_read.narrow : &values_read.wide) += tensor_count(tensor);
}

static void counting_linear(struct compute *compute, const struct linear *linear, struct tensor x,
                            enum activation activation, const struct tensor *residual, struct tensor out)
{
    count(&x);
    reference_linear(compute, linear, x, activation, residual, out);
}

static void counting_attention(struct compute *compute, struct tensor q, struct tensor k, struct tensor v, float scale,
                               bool causal, struct tensor out)
{
    count(&q);
    count(&k);
    count(&v);
    reference_attention(compute, q, k, v, scale, causal, out);
}

struct values_read model_device_values_read(void)
{
    const struct values_read read = values_read;
    values_read = (struct values_read){0};
    return read;
}

static int open_narrow(struct device **out)
{
    static struct ops_set counting;
    counting = ops_reference;
    counting.linear = counting_linear;
    counting.attention = counting_attention;
    return device_open_set(&counting, &(struct device_options){.precision = DTYPE_BF16}, out);
}

int model_device_open(struct device **out)
{
    const struct device_options options = {0};
    const char *const kind = getenv("SOWLV2_TEST_DEVICE"), *const level = getenv("SOWLV2_CPU");
    if (kind && strcmp(kind, "bf16") == 0)
        return open_narrow(out);
    if (kind && strcmp(kind, "cuda") == 0)
        return device_open(&(struct device_options){.device = "cuda"}, out);
    if (kind && strcmp(kind, "cpu bf16") == 0)
        return device_open(&(struct device_options){.device = "cpu", .precision = DTYPE_BF16}, out);
    if (kind && strcmp(kind, "int8") == 0)
        return device_open(&(struct device_options){.device = "reference", .precision = DTYPE_I8}, out);
    if (kind && strcmp(kind, "cpu int8") == 0)
        return device_open(&(struct device_options){.device = "cpu", .precision = DTYPE_I8}, out);
    if (kind && strcmp(kind, "cuda bf16") == 0)
        return device_open(&(struct device_options){.device = "cuda", .precision = DTYPE_BF16}, out);
    if (!kind || strcmp(kind, "late") != 0)
        return device_open(&options, out);
    const bool reference = level && strcmp(level, "reference") == 0;
    return late_device_open(reference ? &ops_reference : &ops_cpu, &options, out);
}
