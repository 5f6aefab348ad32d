/* See device.h. */
#include "cli/device.h"

#include "base/log.h"

#include <string.h>

static struct sowlv2_device_options wanted_options(const struct settings *settings)
{
    struct sowlv2_device_options options = sowlv2_device_options_default();

    options.device = settings->device;
    options.precision = settings->precision;
    options.threads = (int)settings->threads;
    return options;
}

/* Whether the GPU opens, as models will ask for it. */
static bool opens(const struct settings *settings)
{
    const struct sowlv2_device_options options = wanted_options(settings);
    sowlv2_device *device = NULL;
    const int status = sowlv2_device_open(&options, &device);

    sowlv2_device_free(&device);
    return !status;
}

const char *device_chosen(const struct settings *settings)
{
    static const char *chosen;

    if (chosen)
        return chosen;
    chosen = "cpu";
    if (strncmp(settings->device, "cuda", strlen("cuda")) == 0) {
        if (opens(settings))
            chosen = settings->device;
        else
            log_notice("--device %s: using the CPU: %s", settings->device, sowlv2_error_message());
    }
    return chosen;
}

struct sowlv2_device_options device_options(const struct settings *settings)
{
    struct sowlv2_device_options options = wanted_options(settings);

    options.device = device_chosen(settings);
    if (strcmp(options.device, "cpu") == 0) {
        options.cpu_level = settings->cpu;
        if (strcmp(settings->precision, "f32") != 0)
            options.precision = "auto";
    }
    return options;
}
