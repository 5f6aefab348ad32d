/* A device: one set of ops with its memory. */
#include "ops/set.h"

#include "base/error.h"
#include "ops/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENTRY(name)                                                                                                    \
    {                                                                                                                  \
#name, offsetof(struct ops_set, name)                                                                          \
    }

/* The name of an entry that the set lacks, or NULL. */
static const char *missing_entry(const struct ops_set *set)
{
    static const struct {
        const char *name;
        size_t offset;
    } entries[] = {
        ENTRY(open),
        ENTRY(close),
        ENTRY(allocate),
        ENTRY(release),
        ENTRY(guard),
        ENTRY(memory),
        ENTRY(memory_release),
        ENTRY(share),
        ENTRY(constant_create),
        ENTRY(linear_create),
        ENTRY(linear_free),
        ENTRY(conv2d_create),
        ENTRY(conv2d_free),
        ENTRY(compute_create),
        ENTRY(compute_free),
        ENTRY(upload),
        ENTRY(upload_rows),
        ENTRY(download),
        ENTRY(wait),
        ENTRY(linear),
        ENTRY(conv2d),
        ENTRY(matmul_transposed),
        ENTRY(layer_norm),
        ENTRY(l2_normalize),
        ENTRY(attention),
        ENTRY(attend_rows),
        ENTRY(attend_tokens),
        ENTRY(upscale_masks),
        ENTRY(rope),
        ENTRY(add),
        ENTRY(mul),
        ENTRY(activation),
        ENTRY(embed),
        ENTRY(gather_rows),
        ENTRY(gather_blocks),
        ENTRY(shift_scale),
        ENTRY(copy),
        ENTRY(fill),
        ENTRY(max_pool2d),
        ENTRY(depthwise_conv2d),
        ENTRY(step),
        ENTRY(affine),
        ENTRY(select),
        ENTRY(max_rows),
        ENTRY(variance),
        ENTRY(sine),
        ENTRY(embed_points),
        ENTRY(choose_mask),
        ENTRY(clean_masks),
        ENTRY(separate_masks),
        ENTRY(resize_planes),
        ENTRY(resize_image),
    };
    _Static_assert(sizeof(entries) / sizeof(entries[0]) * sizeof(void (*)(void)) + sizeof(const char *) ==
                       sizeof(struct ops_set),
                   "every entry of struct ops_set is listed");
    static const void *const nothing = NULL;
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
        if (memcmp((const char *)set + entries[i].offset, &nothing, sizeof(nothing)) == 0)
            return entries[i].name;
    return NULL;
}

int device_open_set(const struct ops_set *set, const struct device_options *options, struct device **out)
{
    *out = NULL;
    struct device *device = calloc(1, sizeof(*device));
    if (!device)
        return error_memory("a device");
    device->set = set;
    device->precision = options->precision;
    snprintf(device->name, sizeof(device->name), "%s", set->name);
    int status = set->open(device, options);
    if (status != 0) {
        free(device);
        return status;
    }
    const char *const missing = missing_entry(device->set);
    if (missing) {
        status = error_set(SOWLV2_ERROR_UNSUPPORTED, "device %s: it has no %s: choose another device", device->name,
                           missing);
        if (device->set->close)
            device->set->close(device);
        free(device);
        return status;
    }
    *out = device;
    return 0;
}

/* The CPU level that is asked for, in the options or the environment; NULL: the best. */
static const char *wanted_level(const struct device_options *options)
{
    const char *level = options->cpu_level;
    if (!level || strcmp(level, "auto") == 0)
        level = getenv("SOWLV2_CPU");
    return !level || level[0] == '\0' || strcmp(level, "auto") == 0 ? NULL : level;
}

int device_open(const struct device_options *options, struct device **out)
{
    static const struct device_options defaults = {0};
    options = options ? options : &defaults;
    *out = NULL;
    const char *const name = options->device ? options->device : "auto";
    const char *const level = wanted_level(options);
    if (strcmp(name, "reference") == 0)
        return device_open_set(&ops_reference, options, out);
    if (strncmp(name, "cuda", strlen("cuda")) == 0)
        return device_open_set(&ops_cuda, options, out);
    if (strcmp(name, "auto") != 0 && strcmp(name, "cpu") != 0)
        return error_set(SOWLV2_ERROR_UNSUPPORTED, "device %s: there is no such device: use cpu, cuda or auto", name);
    const bool reference = level && strcmp(level, "reference") == 0;
    return device_open_set(reference ? &ops_reference : &ops_cpu, options, out);
}

void device_close(struct device **device)
{
    if (!*device)
        return;
    (*device)->set->close(*device);
    free(*device);
    *device = NULL;
}

int device_threads(const struct device *device)
{
    return device->threads;
}

enum dtype device_precision(const struct device *device)
{
    return device->precision;
}

const char *device_name(const struct device *device)
{
    return device->name;
}

struct device_hints device_hints(const struct device *device)
{
    return device->hints;
}

void device_share(struct device *device, size_t count, pool_task task, void *data)
{
    device->set->share(device, count, task, data);
}

bool device_is_host(const struct device *device)
{
    return device->set->memory == host_memory;
}

int device_memory(struct device *device, struct device_memory *out)
{
    *out = (struct device_memory){0};
    return device->set->memory(device, out);
}

int device_memory_release(struct device *device)
{
    return device->set->memory_release(device);
}

int device_tensor_create(struct device *device, enum dtype dtype, int rank, const int64_t *dim, struct tensor *out)
{
    size_t bytes;
    if (rank < 1 || !tensor_layout(dtype, rank, dim, out, &bytes) || bytes > PTRDIFF_MAX / 2) {
        *out = (struct tensor){0};
        return error_set(SOWLV2_ERROR_ARGUMENT, "device tensor: its shape or type is out of range");
    }
    struct buffer *buffer = malloc(sizeof(*buffer));
    int status = buffer ? device->set->allocate(device, bytes, buffer) : error_memory("a tensor");
    if (status != 0) {
        free(buffer);
        *out = (struct tensor){0};
        return status;
    }
    out->buffer = buffer;
    return 0;
}

void device_tensor_free(struct device *device, struct tensor *tensor)
{
    if (tensor->buffer) {
        device->set->release(device, tensor->buffer);
        free(tensor->buffer);
    }
    *tensor = (struct tensor){0};
}
