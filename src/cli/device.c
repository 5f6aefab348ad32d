/* See device.h. */
#include "cli/device.h"

#include "base/error.h"
#include "base/log.h"
#include "engine/shared_device.h"

#include <string.h>

/* Whether the GPU opens, as models will ask for it. */
static bool opens(const struct settings *settings)
{
    struct device *device = NULL;
    struct device_options options = {.device = settings->device, .threads = (int)settings->threads};
    int status = device_precision(settings->device, settings->precision, &options.precision);

    if (!status)
        status = shared_device_open(&options, &device);
    shared_device_close(&device);
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
            log_notice("--device %s: using the CPU: %s", settings->device, error_message());
    }
    return chosen;
}

const char *precision_chosen(const struct settings *settings)
{
    const bool gpu = strcmp(device_chosen(settings), "cpu") != 0;

    return gpu || strcmp(settings->precision, "f32") == 0 ? settings->precision : "auto";
}
