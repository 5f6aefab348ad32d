/* See model_device.h. */
#include "model_device.h"

#include "ops/late_set.h"

#include <stdlib.h>
#include <string.h>

int model_device_open(struct device **out)
{
    const struct device_options options = {0};
    const char *const wrapper = getenv("SOWLV2_TEST_DEVICE"), *const level = getenv("SOWLV2_CPU");
    if (wrapper == NULL || strcmp(wrapper, "late") != 0)
        return device_open(&options, out);
    const bool reference = level != NULL && strcmp(level, "reference") == 0;
    return late_device_open(reference ? &ops_reference : &ops_cpu, &options, out);
}
