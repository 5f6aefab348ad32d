/* sowlv2 devices: what there is to compute on. */
#include "base/log.h"
#include "cli/exit_status.h"
#include "cli/verbs.h"

#include <stdio.h>

static void print(const char *name, const char *description)
{
    printf("%-10s %s\n", name, description);
}

static void print_gpu(const sowlv2_device *device)
{
    const double gibi = 1 << 30;
    int64_t total, available;
    char line[256];

    if (sowlv2_device_memory(device, &total, &available) == 0)
        snprintf(line, sizeof(line), "%s, %.1f GiB of memory, %.1f GiB free", sowlv2_device_description(device),
                 (double)total / gibi, (double)available / gibi);
    else
        snprintf(line, sizeof(line), "%s, memory unknown: %s", sowlv2_device_description(device),
                 sowlv2_error_message());
    print(sowlv2_device_name(device), line);
}

/* The GPUs, also those that cannot be used. */
static void print_gpus(void)
{
    struct sowlv2_device_options options = sowlv2_device_options_default();
    char name[16];
    int count;

    if (sowlv2_gpu_count(&count) != 0)
        log_notice("no GPU: %s", sowlv2_error_message());
    options.device = name;
    for (int i = 0; i < count; i++) {
        sowlv2_device *device = NULL;

        snprintf(name, sizeof(name), "cuda:%d", i);
        if (sowlv2_device_open(&options, &device) == 0)
            print_gpu(device);
        else
            log_notice("%s cannot be used: %s", name, sowlv2_error_message());
        sowlv2_device_free(&device);
    }
}

int verb_devices(struct settings *settings)
{
    struct sowlv2_devices devices;

    (void)settings;
    if (sowlv2_devices_list(&devices) != 0)
        return verb_fail(EXIT_ALL_FAILED);
    for (size_t i = 0; i < devices.count; i++)
        print(devices.items[i].name, devices.items[i].description);
    sowlv2_devices_free(&devices);
    print_gpus();
    return EXIT_DONE;
}
