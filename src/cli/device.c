/* See device.h. */
#include "cli/device.h"

#include "base/log.h"
#include "cli/terminal.h"

#include <string.h>

static struct sowlv2_device_options wanted_options(const struct settings *settings)
{
    struct sowlv2_device_options options = sowlv2_device_options_default();

    options.device = settings->device;
    options.precision = settings->precision;
    options.threads = (int)settings->threads;
    options.memory_limit = settings->memory_limit.bytes;
    options.memory_fraction = settings->memory_limit.fraction;
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
        if (options.memory_limit > 0 || options.memory_fraction > 0)
            log_notice("--memory-limit: without effect: it is for a GPU, and the CPU is used");
        options.memory_limit = 0;
        options.memory_fraction = 0;
    }
    return options;
}

void device_tell_memory(const struct settings *settings, const sowlv2_device *device)
{
    struct sowlv2_memory_use use = {.size = sizeof(use)};
    const double mebi = 1 << 20;

    if (!settings->verbose || !device || sowlv2_device_cpu_level(device))
        return;
    if (sowlv2_device_memory_use(device, &use) != 0)
        log_notice("%s", sowlv2_error_message());
    else
        terminal_say("%s: %.1f MiB of its memory were in use at most, %.1f MiB are taken, of %.1f MiB",
                     sowlv2_device_name(device), (double)use.peak / mebi, (double)use.reserved / mebi,
                     (double)use.total / mebi);
}
