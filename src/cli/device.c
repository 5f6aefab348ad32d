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

enum { NAME_BYTES = 32 };

/* The device of this name with these settings, as models will ask for it; false: it does not open. `found` is its name
 * where it is a GPU. */
static bool find_device(const struct settings *settings, const char *name, char found[NAME_BYTES])
{
    struct sowlv2_device_options options = wanted_options(settings);
    sowlv2_device *device = NULL;

    options.device = name;
    const int status = sowlv2_device_open(&options, &device);

    if (!status && strncmp(sowlv2_device_name(device), "cuda", strlen("cuda")) == 0)
        snprintf(found, NAME_BYTES, "%s", sowlv2_device_name(device));
    sowlv2_device_free(&device);
    return !status;
}

static bool cpu_is_f32; /* bf16 was for a GPU, and this CPU cannot */

/* What is said where the CPU stands in for a GPU. */
static void stand_in(const struct settings *settings, const char *why)
{
    struct sowlv2_device_options options = wanted_options(settings);
    sowlv2_device *device = NULL;

    log_notice("--device %s: using the CPU: %s", settings->device, why);
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

/* One more of `count` devices, unless it is among them or cannot be used, which is told. */
static size_t add_gpu(const struct settings *settings, const char *name, char chosen[][NAME_BYTES], size_t count)
{
    char found[NAME_BYTES] = "";

    if (!find_device(settings, name, found)) {
        log_notice("--device %s: not used: %s", name, sowlv2_error_message());
        return count;
    }
    for (size_t i = 0; i < count; i++)
        if (strcmp(chosen[i], found) == 0)
            return count;
    if (count == DEVICE_MOST) {
        log_notice("--device %s: not used: at most %d can be used", name, DEVICE_MOST);
        return count;
    }
    snprintf(chosen[count], NAME_BYTES, "%s", found);
    return count + 1;
}

/* Those of "cuda:0,1" that can be used. */
static size_t find_several(const struct settings *settings, char chosen[][NAME_BYTES])
{
    size_t count = 0;

    for (const char *at = settings->device + strlen("cuda:"); at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        char name[NAME_BYTES];

        snprintf(name, sizeof(name), "cuda:%.*s", (int)strcspn(at, ","), at);
        count = add_gpu(settings, name, chosen, count);
    }
    if (count == 0)
        stand_in(settings, "none of them can be used");
    return count;
}

static bool asks_for_several(const struct settings *settings)
{
    return strncmp(settings->device, "cuda:", strlen("cuda:")) == 0 && strchr(settings->device, ',');
}

/* The one of a --device that is no list; "cpu" unless it is a GPU. */
static void find_one(const struct settings *settings, char found[NAME_BYTES])
{
    const bool automatic = strcmp(settings->device, "auto") == 0;

    snprintf(found, NAME_BYTES, "cpu");
    if (automatic && settings->cpu)
        log_debug("device auto: the CPU: --cpu is given");
    else if (automatic)
        (void)find_device(settings, "auto", found); /* what no CPU can do the models will say */
    else if (strncmp(settings->device, "cuda", strlen("cuda")) == 0 && !find_device(settings, settings->device, found))
        stand_in(settings, sowlv2_error_message());
}

/* The name of the device of this number, and how many there are. */
static const char *chosen_device(const struct settings *settings, size_t number, size_t *count)
{
    static char chosen[DEVICE_MOST][NAME_BYTES];
    static size_t found;

    if (found == 0 && asks_for_several(settings)) {
        found = find_several(settings, chosen);
        if (found == 0)
            snprintf(chosen[found++], NAME_BYTES, "cpu");
    } else if (found == 0) {
        find_one(settings, chosen[found++]);
    }
    *count = found;
    return chosen[number];
}

size_t device_count(const struct settings *settings)
{
    size_t count;

    chosen_device(settings, 0, &count);
    return count;
}

struct sowlv2_device_options device_options(const struct settings *settings, size_t number)
{
    struct sowlv2_device_options options = wanted_options(settings);
    size_t count;

    options.device = chosen_device(settings, number, &count);
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

void device_only_one(const struct settings *settings)
{
    size_t count;
    const char *const name = chosen_device(settings, 0, &count);

    if (count > 1)
        log_notice("--device %s: one GPU is used for this: %s", settings->device, name);
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
