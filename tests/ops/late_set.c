/* See late_set.h. */
#include "ops/late_set.h"

#include "base/error.h"
#include "ops/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A device's table, first so that the device's set leads here, and what it wraps. */
struct late_set {
    struct ops_set table;
    const struct ops_set *wrapped; /* of the wrapped device: a CPU level's, ... */
    struct late_compute *first;
};

/* What a tensor held when it was asked for, on its way. */
struct download {
    struct download *next;
    void *to;
    size_t bytes;
    char elements[];
};

struct late_compute {
    struct late_compute *next;
    struct transfers transfers;
    struct download *first, **end;
};

/* What device_open_set is opening, for open_wrapped. */
static _Thread_local const struct ops_set *to_wrap;

static struct late_set *late_of(struct device *device)
{
    struct late_set *late;
    memcpy(&late, &device->set, sizeof(late)); /* the table is ours, though a device's is const */
    return late;
}

static struct late_compute *state_of(const struct compute *compute)
{
    return compute_state(compute);
}

static void require(bool condition, const char *text)
{
    if (condition)
        return;
    fprintf(stderr, "late set: %s\n", text);
    abort();
}

static void close_device(struct device *device)
{
    struct late_set *late = late_of(device);
    require(!late->first, "a device is closed before its computes are freed");
    late->wrapped->close(device);
    free(late);
}

static int create_compute(struct device *device, void **state)
{
    struct late_set *late = late_of(device);
    void *wrapped;
    const int status = late->wrapped->compute_create(device, &wrapped);
    if (status != 0)
        return status;
    require(!wrapped, "the wrapped set has a state of its own for a compute");
    struct late_compute *created = calloc(1, sizeof(*created));
    if (!created)
        return error_memory("a forward pass");
    created->end = &created->first;
    created->next = late->first;
    late->first = created;
    *state = created;
    return 0;
}

static void free_compute(struct device *device, void *state)
{
    struct late_set *late = late_of(device);
    struct late_compute **link = &late->first, *old = state;
    while (*link != old)
        link = &(*link)->next;
    *link = old->next;
    late->wrapped->compute_free(device, NULL);
    free(old);
}

static void upload(struct compute *compute, const void *from, struct tensor to)
{
    state_of(compute)->transfers.uploads++;
    late_of(compute_device(compute))->wrapped->upload(compute, from, to);
}

static void upload_rows(struct compute *compute, const uint8_t *from, size_t row_bytes, struct tensor *to)
{
    state_of(compute)->transfers.uploads++;
    late_of(compute_device(compute))->wrapped->upload_rows(compute, from, row_bytes, to);
}

static void download(struct compute *compute, struct tensor from, void *to)
{
    struct late_compute *state = state_of(compute);
    const size_t bytes = (size_t)tensor_count(&from) * dtype_size(from.dtype);
    struct download *added = malloc(sizeof(*added) + bytes);
    if (!added) {
        compute_fail(compute, error_memory("a download"));
        return;
    }
    added->next = NULL;
    added->to = to;
    added->bytes = bytes;
    late_of(compute_device(compute))->wrapped->download(compute, from, added->elements);
    memset(to, 0xFF, bytes); /* NaN */
    *state->end = added;
    state->end = &added->next;
    state->transfers.downloads++;
}

static void wait_for_all(struct compute *compute)
{
    struct late_compute *state = state_of(compute);
    late_of(compute_device(compute))->wrapped->wait(compute);
    for (struct download *download = state->first, *next; download; download = next) {
        next = download->next;
        memcpy(download->to, download->elements, download->bytes);
        free(download);
    }
    state->first = NULL;
    state->end = &state->first;
    state->transfers.waits++;
}

static int open_wrapped(struct device *device, const struct device_options *options)
{
    const struct ops_set *const self = device->set;
    device->set = to_wrap;
    const int status = to_wrap->open(device, options);
    if (status != 0) {
        device->set = self;
        return status;
    }
    struct late_set *late = calloc(1, sizeof(*late));
    if (!late) {
        device->set->close(device);
        return error_memory("a device");
    }
    late->wrapped = device->set;
    late->table = *device->set;
    late->table.close = close_device;
    late->table.compute_create = create_compute;
    late->table.compute_free = free_compute;
    late->table.upload = upload;
    late->table.upload_rows = upload_rows;
    late->table.download = download;
    late->table.wait = wait_for_all;
    device->set = &late->table;
    return 0;
}

int late_device_open(const struct ops_set *set, const struct device_options *options, struct device **out)
{
    static const struct ops_set late = {.name = "late", .open = open_wrapped};
    to_wrap = set;
    return device_open_set(&late, options, out);
}

struct transfers late_take_transfers(struct compute *compute)
{
    struct late_compute *state = state_of(compute);
    const struct transfers transfers = state->transfers;
    state->transfers = (struct transfers){0};
    return transfers;
}
