/* See device.h. */
#include "cli/device.h"

#include "base/log.h"
#include "cli/terminal.h"

#include <stdio.h>
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

/* The device that opens with these settings, as models will ask for it; false: none does. */
static bool find_device(const struct settings *settings, char *name, size_t size)
{
    const struct sowlv2_device_options options = wanted_options(settings);
    sowlv2_device *device = NULL;
    const int status = sowlv2_device_open(&options, &device);

    if (!status && strncmp(sowlv2_device_name(device), "cuda", strlen("cuda")) == 0)
        snprintf(name, size, "%s", sowlv2_device_name(device));
    sowlv2_device_free(&device);
    return !status;
}

static bool cpu_is_f32; /* bf16 was for a GPU, and this CPU cannot */

/* What is said where the CPU stands in for a GPU. */
static void stand_in(const struct settings *settings)
{
    struct sowlv2_device_options options = wanted_options(settings);
    sowlv2_device *device = NULL;

    log_notice("--device %s: using the CPU: %s", settings->device, sowlv2_error_message());
    options.device = "cpu";
    options.cpu_level = settings->cpu;
    options.memory_limit = 0;
    options.memory_fraction = 0;
    if (strcmp(settings->precision, "bf16") == 0 && sowlv2_device_open(&options, &device) != 0) {
        log_notice("--precision bf16: using f32: %s", sowlv2_error_message());
        cpu_is_f32 = true;
    }
    sowlv2_device_free(&device);
}

const char *device_chosen(const struct settings *settings)
{
    static char chosen[32];

    if (chosen[0])
        return chosen;
    snprintf(chosen, sizeof(chosen), "cpu");
    if (strncmp(settings->device, "cuda", strlen("cuda")) == 0) {
        if (!find_device(settings, chosen, sizeof(chosen)))
            stand_in(settings);
    } else if (strcmp(settings->device, "auto") == 0 && settings->cpu) {
        log_debug("device auto: the CPU: --cpu is given");
    } else if (strcmp(settings->device, "auto") == 0) {
        (void)find_device(settings, chosen, sizeof(chosen)); /* what no CPU can do the models will say */
    }
    return chosen;
}

struct sowlv2_device_options device_options(const struct settings *settings)
{
    struct sowlv2_device_options options = wanted_options(settings);

    options.device = device_chosen(settings);
    if (strcmp(options.device, "cpu") == 0) {
        options.cpu_level = settings->cpu;
        if (cpu_is_f32)
            options.precision = "f32";
        if (options.memory_limit > 0 || options.memory_fraction > 0)
            log_notice("the limit of memory has no effect: it is for a GPU, and the CPU is used");
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
