/* See model_device.h. */
#include "model_device.h"

#include "ops/late_set.h"

#include <stdlib.h>
#include <string.h>

int model_device_open(struct device **out)
{
    const struct device_options options = {0}, narrow = {.device = "reference", .precision = DTYPE_BF16};
    const char *const kind = getenv("SOWLV2_TEST_DEVICE"), *const level = getenv("SOWLV2_CPU");
    if (kind != NULL && strcmp(kind, "bf16") == 0)
        return device_open(&narrow, out);
    if (kind == NULL || strcmp(kind, "late") != 0)
        return device_open(&options, out);
    const bool reference = level != NULL && strcmp(level, "reference") == 0;
    return late_device_open(reference ? &ops_reference : &ops_cpu, &options, out);
}
