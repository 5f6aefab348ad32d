/* A thread's forward passes: scratch memory, the sticky error, and what goes to the device and comes back. */
#include "ops/check.h"
#include "ops/scratch.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>

enum { MESSAGE_BYTES = 1024 };

/* Buffers that show memory of callers (op_upload_rows), of one pass. */
struct shown {
    struct shown *next;
    struct buffer buffer;
};

struct compute {
    struct device *device;
    struct scratch *scratch;
    void *state; /* the set's own */
    struct shown *shown;
    int status;
    char message[MESSAGE_BYTES]; /* of `status`: the thread's own may be overwritten before it is asked for */
};

int compute_create(struct device *device, struct compute **out)
{
    *out = NULL;
    struct compute *compute = calloc(1, sizeof(*compute));
    if (!compute)
        return error_memory("a forward pass");
    compute->device = device;
    int status = scratch_create(device, &compute->scratch);
    if (status == 0)
        status = device->set->compute_create(device, &compute->state);
    if (status != 0) {
        scratch_free(&compute->scratch);
        free(compute);
        return status;
    }
    *out = compute;
    return 0;
}

static void forget_shown(struct compute *compute)
{
    for (struct shown *shown = compute->shown, *next; shown; shown = next) {
        next = shown->next;
        free(shown);
    }
    compute->shown = NULL;
}

void compute_free(struct compute **compute)
{
    struct compute *old = *compute;
    if (!old)
        return;
    old->device->set->wait(old);
    forget_shown(old);
    scratch_free(&old->scratch);
    old->device->set->compute_free(old->device, old->state);
    free(old);
    *compute = NULL;
}

struct device *compute_device(const struct compute *compute)
{
    return compute->device;
}

void *compute_state(const struct compute *compute)
{
    return compute->state;
}

void compute_begin(struct compute *compute)
{
    /* Memory that goes back to the system, and what a failed pass left, must not be in use any more. */
    if (compute->status != 0 || scratch_in_parts(compute->scratch))
        compute->device->set->wait(compute);
    compute->status = 0;
    compute->message[0] = '\0';
    forget_shown(compute);
    scratch_reset(compute->scratch);
}

int compute_status(const struct compute *compute)
{
    if (compute->status == 0)
        return 0;
    return error_set(compute->status, "%s", compute->message);
}

int compute_finish(struct compute *compute)
{
    compute->device->set->wait(compute);
    return compute_status(compute);
}

void compute_fail(struct compute *compute, int status)
{
    if (compute->status != 0 || status == 0)
        return;
    compute->status = status;
    snprintf(compute->message, sizeof(compute->message), "%s", error_message());
}

size_t compute_peak_scratch(const struct compute *compute)
{
    return scratch_peak(compute->scratch);
}

enum dtype compute_narrow(const struct compute *compute)
{
    return compute->device->precision == DTYPE_BF16 ? DTYPE_BF16 : DTYPE_F32;
}

size_t compute_mark(const struct compute *compute)
{
    return scratch_mark(compute->scratch);
}

void compute_release(struct compute *compute, size_t mark)
{
    scratch_release(compute->scratch, mark);
}

struct tensor compute_tensor(struct compute *compute, enum dtype dtype, int rank, const int64_t *dim)
{
    struct tensor tensor;
    size_t bytes;
    if (!tensor_layout(dtype, rank, dim, &tensor, &bytes)) {
        if (compute->status == 0)
            compute_fail(compute, error_set(SOWLV2_ERROR_ARGUMENT, "scratch tensor: its shape is out of range"));
        return tensor;
    }
    if (compute->status == 0)
        compute_fail(compute, scratch_allocate(compute->scratch, bytes, &tensor.buffer, &tensor.offset));
    return tensor;
}

struct tensor op_upload(struct compute *compute, enum dtype dtype, int rank, const int64_t *dim, const void *from)
{
    struct tensor tensor = compute_tensor(compute, dtype, rank, dim);
    if (tensor.buffer && tensor_count(&tensor) > 0)
        compute->device->set->upload(compute, from, tensor);
    return tensor;
}

struct tensor op_upload_rows(struct compute *compute, const uint8_t *from, size_t row_bytes, int64_t rows,
                             int64_t columns)
{
    struct tensor tensor = {.dtype = DTYPE_U8, .rank = 2, .dim = {rows, columns}, .stride = {columns, 1}};
    if (compute->status != 0)
        return tensor;
    if (!from || rows < 1 || columns < 1 || row_bytes < (size_t)columns) {
        check_failed(compute, "op_upload_rows", "%lld rows of %zu bytes cannot hold %lld columns", (long long)rows,
                     row_bytes, (long long)columns);
        return tensor;
    }
    struct shown *shown = calloc(1, sizeof(*shown));
    if (!shown) {
        compute_fail(compute, error_memory("an image"));
        return tensor;
    }
    shown->next = compute->shown;
    compute->shown = shown;
    tensor.buffer = &shown->buffer;
    compute->device->set->upload_rows(compute, from, row_bytes, &tensor);
    return tensor;
}

void op_download(struct compute *compute, struct tensor from, void *to)
{
    if (compute->status != 0 || tensor_count(&from) == 0)
        return;
    if (!from.buffer)
        check_failed(compute, "op_download", "the tensor has no memory");
    else
        compute->device->set->download(compute, from, to);
}
