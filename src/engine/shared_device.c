/* See shared_device.h. */
#include "engine/shared_device.h"

#include "base/error.h"
#include "base/log.h"
#include "ops/gpus.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct shared {
    struct shared *next;
    struct device *device;
    char *wanted, *level; /* as asked for */
    enum dtype precision;
    int threads;
    size_t memory_limit;
    double memory_fraction;
    bool memory_at_once;
    int users;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct shared *first;

/* What a name stands for that is not given. */
static const char *given(const char *name)
{
    return name ? name : "auto";
}

static struct shared *find(const struct device_options *options)
{
    for (struct shared *shared = first; shared; shared = shared->next)
        if (strcmp(shared->wanted, given(options->device)) == 0 &&
            strcmp(shared->level, given(options->cpu_level)) == 0 && shared->precision == options->precision &&
            shared->threads == options->threads && shared->memory_limit == options->memory_limit &&
            shared->memory_fraction == options->memory_fraction && shared->memory_at_once == options->memory_at_once)
            return shared;
    return NULL;
}

static void free_shared(struct shared *shared)
{
    device_close(&shared->device);
    free(shared->wanted);
    free(shared->level);
    free(shared);
}

static int open_new(const struct device_options *options, struct shared **out)
{
    struct shared *shared = calloc(1, sizeof(*shared));
    if (!shared)
        return error_memory("a device");
    shared->precision = options->precision;
    shared->threads = options->threads;
    shared->memory_limit = options->memory_limit;
    shared->memory_fraction = options->memory_fraction;
    shared->memory_at_once = options->memory_at_once;
    shared->wanted = strdup(given(options->device));
    shared->level = strdup(given(options->cpu_level));
    int status = shared->wanted && shared->level ? 0 : error_memory("a device");
    if (status == 0)
        status = device_open(options, &shared->device);
    if (status != 0) {
        free_shared(shared);
        return status;
    }
    shared->next = first;
    first = shared;
    *out = shared;
    return 0;
}

int shared_device_open(const struct device_options *options, struct device **out)
{
    *out = NULL;
    pthread_mutex_lock(&mutex);
    struct shared *shared = find(options);
    const int status = !shared ? open_new(options, &shared) : 0;
    if (status == 0) {
        shared->users++;
        *out = shared->device;
    }
    pthread_mutex_unlock(&mutex);
    return status;
}

struct device *shared_device_keep(struct device *device)
{
    pthread_mutex_lock(&mutex);
    for (struct shared *shared = first; shared; shared = shared->next)
        if (shared->device == device)
            shared->users++;
    pthread_mutex_unlock(&mutex);
    return device;
}

void shared_device_close(struct device **device)
{
    if (!*device)
        return;
    pthread_mutex_lock(&mutex);
    for (struct shared **place = &first; *place; place = &(*place)->next) {
        struct shared *const shared = *place;
        if (shared->device == *device) {
            if (--shared->users == 0) {
                *place = shared->next;
                free_shared(shared);
            }
            break;
        }
    }
    pthread_mutex_unlock(&mutex);
    *device = NULL;
}

int precision_of_name(const char *device, const char *name, enum dtype *out)
{
    const bool gpu = strncmp(given(device), "cuda", strlen("cuda")) == 0;
    const bool automatic = strcmp(given(name), "auto") == 0;
    *out = DTYPE_F32;
    if (strcmp(given(name), "f32") == 0 || (automatic && !gpu))
        return 0;
    if (strcmp(given(name), "bf16") == 0 || automatic) {
        *out = DTYPE_BF16;
        return 0;
    }
    if (gpu) {
        return error_set(SOWLV2_ERROR_UNSUPPORTED,
                         "precision %s: cuda computes in bf16 or f32 so far: use bf16, f32 or auto%s", name,
                         strcmp(name, "int8") == 0 ? ", or device cpu" : "");
    }
    if (strcmp(name, "int8") == 0) {
        *out = DTYPE_I8;
        return 0;
    }
    return error_set(SOWLV2_ERROR_UNSUPPORTED,
                     "precision %s: the CPU computes in f32, bf16 or int8 so far: use one of them, or auto", name);
}

const char *precision_name(enum dtype precision)
{
    return precision == DTYPE_BF16 ? "bf16" : precision == DTYPE_I8 ? "int8" : "f32";
}

static int open_named(const struct device_options *wanted, const char *name, const char *precision, struct device **out)
{
    struct device_options options = *wanted;
    options.device = name;
    const int status = precision_of_name(name, precision, &options.precision);
    return status != 0 ? status : shared_device_open(&options, out);
}

int shared_device_open_best(const struct device_options *wanted, const char *precision, struct device **out)
{
    char name[32], why[512] = "a CPU level is given";
    int count = 0;
    *out = NULL;
    if (strcmp(given(wanted->cpu_level), "auto") == 0 && gpus_count(&count) != 0)
        snprintf(why, sizeof(why), "%s", error_message());
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "cuda:%d", i);
        if (open_named(wanted, name, precision, out) == 0) {
            log_debug("device auto: %s", device_name(*out));
            return 0;
        }
        if (i == 0)
            snprintf(why, sizeof(why), "%s", error_message());
        log_debug("device auto: not %s: %s", name, error_message());
    }
    struct device_options options = *wanted;
    if (options.memory_limit > 0 || options.memory_fraction > 0.0)
        log_notice("the limit of memory has no effect: it is for a GPU, and the CPU is used");
    options.memory_limit = 0;
    options.memory_fraction = 0.0;
    options.memory_at_once = false;
    const int status = open_named(&options, "auto", precision, out);
    if (status == 0)
        log_debug("device auto: %s: %s", device_name(*out), why);
    return status;
}
