/* Devices: which there are, opening one, what it is. */
#include "api/checks.h"
#include "api/types.h"
#include "base/error.h"
#include "base/options.h"
#include "engine/devices.h"
#include "engine/shared_device.h"
#include "ops/gpus.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_STRUCT = 4096 /* bytes: no header of any version has one as large */ };

/* What is said of a GPU's memory. */
static int take_memory(const struct sowlv2_device_options *options, struct device_options *wanted)
{
    const char *const device = options->device ? options->device : "auto";
    const bool host = strcmp(device, "cpu") == 0 || strcmp(device, "reference") == 0;
    if (options->memory_limit < 0 || (uint64_t)options->memory_limit > SIZE_MAX)
        return error_set(SOWLV2_ERROR_ARGUMENT, "memory_limit: %" PRId64 " is not a number of bytes",
                         options->memory_limit);
    if (!(options->memory_fraction >= 0.0 && options->memory_fraction <= 1.0))
        return error_set(SOWLV2_ERROR_ARGUMENT, "memory_fraction: %g is not from 0 to 1", options->memory_fraction);
    wanted->memory_limit = (size_t)options->memory_limit;
    wanted->memory_fraction = options->memory_fraction;
    wanted->memory_at_once = options->memory_at_once;
    const bool limited = options->memory_limit > 0 || options->memory_fraction > 0.0;
    if (options->memory_at_once && !limited)
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "memory_at_once: set memory_limit or memory_fraction too, to say how much to take");
    if (host && limited)
        return error_set(SOWLV2_ERROR_ARGUMENT, "memory_limit, memory_fraction: of a GPU only, not of device %s",
                         device);
    return 0;
}

int open_device(const struct sowlv2_device_options *given, struct device **out)
{
    struct sowlv2_device_options options;
    const int status = OPTIONS_TAKE(device, given, &options);
    if (status != 0)
        return status;
    struct device_options wanted = {
        .device = options.device, .cpu_level = options.cpu_level, .threads = options.threads};
    const int sized = take_memory(&options, &wanted);
    if (sized != 0)
        return sized;
    if (strcmp(options.device ? options.device : "auto", "auto") == 0)
        return shared_device_open_best(&wanted, options.precision, out);
    const int known = precision_of_name(options.device, options.precision, &wanted.precision);
    if (known != 0)
        return known;
    return shared_device_open(&wanted, out);
}

/* "cpu" and "avx512" of "cpu avx512"; "cuda:0" of "cuda:0 (NVIDIA H100)", whose rest describes it. */
static int name_parts(sowlv2_device *device)
{
    const char *const full = device_name(device->device), *const space = strchr(full, ' ');
    const bool gpu = strncmp(full, "cuda", strlen("cuda")) == 0;
    device->name = space ? strndup(full, (size_t)(space - full)) : strdup(full);
    if (!device->name)
        return error_memory("a device");
    if (!gpu) {
        device->cpu_level = space ? space + 1 : full;
        return devices_describe(device->name, &device->description);
    }
    device->description = space ? strndup(space + 2, strcspn(space + 2, ")")) : strdup("a GPU of NVIDIA's");
    return device->description ? 0 : error_memory("a device");
}

int sowlv2_device_open(const struct sowlv2_device_options *options, sowlv2_device **out)
{
    if (out)
        *out = NULL;
    if (!out)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_device_open: out is needed");
    sowlv2_device *device = calloc(1, sizeof(*device));
    if (!device)
        return error_memory("a device");
    int status = open_device(options, &device->device);
    if (status == 0)
        status = name_parts(device);
    if (status != 0) {
        sowlv2_device_free(&device);
        return status;
    }
    *out = device;
    return 0;
}

void sowlv2_device_free(sowlv2_device **device)
{
    if (!device || !*device)
        return;
    shared_device_close(&(*device)->device);
    free((*device)->name);
    free((*device)->description);
    free(*device);
    *device = NULL;
}

const char *sowlv2_device_name(const sowlv2_device *device)
{
    return device ? device->name : NULL;
}

const char *sowlv2_device_description(const sowlv2_device *device)
{
    return device ? device->description : NULL;
}

const char *sowlv2_device_cpu_level(const sowlv2_device *device)
{
    return device ? device->cpu_level : NULL;
}

const char *sowlv2_device_precision(const sowlv2_device *device)
{
    return device ? precision_name(device_precision(device->device)) : NULL;
}

int sowlv2_device_threads(const sowlv2_device *device)
{
    return device ? device_threads(device->device) : 0;
}

int sowlv2_device_memory(const sowlv2_device *device, int64_t *total, int64_t *available)
{
    struct device_memory memory = {0};
    if (total)
        *total = 0;
    if (available)
        *available = 0;
    if (!device || !total || !available)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_device_memory: a device, total and available are needed");
    const int status = device_memory(device->device, &memory);
    if (status == 0) {
        *total = memory.total;
        *available = memory.available;
    }
    return status;
}

int sowlv2_device_memory_use(const sowlv2_device *device, struct sowlv2_memory_use *out)
{
    struct sowlv2_memory_use use = {.size = out ? out->size : 0};
    struct device_memory memory = {0};
    if (!device || !out)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_device_memory_use: a device and out are needed");
    if (use.size < offsetof(struct sowlv2_memory_use, available) || use.size > MOST_STRUCT || use.size % 8 != 0)
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "sowlv2_device_memory_use: out->size is %zu: set it to sizeof(struct sowlv2_memory_use)",
                         use.size);
    const int status = device_memory(device->device, &memory);
    use.total = memory.total;
    use.available = memory.available;
    use.reserved = memory.reserved;
    use.used = memory.used;
    use.peak = memory.peak;
    memset(out, 0, use.size);
    memcpy(out, &use, use.size < sizeof(use) ? use.size : sizeof(use));
    return status;
}

int sowlv2_device_memory_release(const sowlv2_device *device)
{
    if (!device)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_device_memory_release: a device is needed");
    return device_memory_release(device->device);
}

int sowlv2_gpu_count(int *count)
{
    if (!count)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_gpu_count: count is needed");
    return gpus_count(count);
}

static int add(struct sowlv2_devices *out, const char *name, const char *kind)
{
    struct sowlv2_device_entry *const item = &out->items[out->count++];
    item->name = strdup(name);
    item->kind = strdup(kind);
    return item->name && item->kind ? devices_describe(name, &item->description) : error_memory("devices");
}

int sowlv2_devices_list(struct sowlv2_devices *out)
{
    if (!out)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_devices_list: out is needed");
    *out = (struct sowlv2_devices){.items = calloc(DEVICES_MOST, sizeof(*out->items))};
    int status = out->items ? 0 : error_memory("devices");
    const char *name, *kind;
    for (int i = 0; status == 0 && devices_get(i, &name, &kind); i++)
        status = add(out, name, kind);
    if (status != 0)
        sowlv2_devices_free(out);
    return status;
}

void sowlv2_devices_free(struct sowlv2_devices *devices)
{
    if (!devices)
        return;
    for (size_t i = 0; i < devices->count; i++) {
        free(devices->items[i].name); // NOLINT(clang-analyzer-core.NullDereference): count is 0 then
        free(devices->items[i].kind);
        free(devices->items[i].description);
    }
    free(devices->items);
    *devices = (struct sowlv2_devices){0};
}

const char *sowlv2_cpu_level(int number)
{
    return devices_cpu_level(number);
}
