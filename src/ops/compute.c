/* A thread's forward passes: scratch memory and the sticky error. */
#include "ops/set.h"

#include "base/arena.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_BYTES = 1024 };

struct compute {
    struct device *device;
    struct arena *arena;
    int status;
    char message[MESSAGE_BYTES]; /* of `status`: the thread's own may be overwritten before it is asked for */
};

int compute_create(struct device *device, struct compute **out)
{
    *out = NULL;
    struct compute *compute = calloc(1, sizeof(*compute));
    if (compute == NULL)
        return error_memory("a forward pass");
    compute->device = device;
    compute->arena = arena_create();
    if (compute->arena == NULL) {
        free(compute);
        return error_memory("a forward pass");
    }
    *out = compute;
    return 0;
}

void compute_free(struct compute **compute)
{
    if (*compute == NULL)
        return;
    arena_free(&(*compute)->arena);
    free(*compute);
    *compute = NULL;
}

struct device *compute_device(const struct compute *compute)
{
    return compute->device;
}

void compute_begin(struct compute *compute)
{
    compute->status = 0;
    compute->message[0] = '\0';
    arena_reset(compute->arena);
}

int compute_status(const struct compute *compute)
{
    if (compute->status == 0)
        return 0;
    return error_set(compute->status, "%s", compute->message);
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
    return arena_peak(compute->arena);
}

size_t compute_mark(const struct compute *compute)
{
    return arena_mark(compute->arena);
}

void compute_release(struct compute *compute, size_t mark)
{
    arena_release(compute->arena, mark);
}

/* Sets the dense strides; false where the number of bytes does not fit. */
static bool layout(struct tensor *tensor, size_t *bytes)
{
    size_t count = 1;
    for (int i = tensor->rank - 1; i >= 0; i--) {
        tensor->stride[i] = (int64_t)count;
        if (tensor->dim[i] < 0 || __builtin_mul_overflow(count, (size_t)tensor->dim[i], &count) || count > INT64_MAX)
            return false;
        if (count == 0) {
            *bytes = 0;
            for (int j = i - 1; j >= 0; j--)
                tensor->stride[j] = 0;
            return true;
        }
    }
    size_t size = dtype_size(tensor->dtype);
    return size > 0 && !__builtin_mul_overflow(count, size, bytes) && *bytes <= PTRDIFF_MAX;
}

struct tensor compute_tensor(struct compute *compute, enum dtype dtype, int rank, const int64_t *dim)
{
    struct tensor tensor = {.dtype = dtype, .rank = rank >= 0 && rank <= TENSOR_MAX_RANK ? rank : 0};
    for (int i = 0; i < tensor.rank; i++)
        tensor.dim[i] = dim[i];
    size_t bytes;
    if (tensor.rank != rank || !layout(&tensor, &bytes)) {
        if (compute->status == 0)
            compute_fail(compute, error_set(SOWLV2_ERROR_ARGUMENT, "scratch tensor: its shape is out of range"));
        return tensor;
    }
    if (compute->status != 0)
        return tensor;
    tensor.data = arena_alloc(compute->arena, bytes);
    if (tensor.data == NULL)
        compute_fail(compute, error_memory("scratch of a forward pass"));
    return tensor;
}

struct tensor op_upload(struct compute *compute, enum dtype dtype, int rank, const int64_t *dim, const void *from)
{
    struct tensor tensor = compute_tensor(compute, dtype, rank, dim);
    if (tensor.data != NULL) {
        size_t bytes = (size_t)tensor_count(&tensor) * dtype_size(dtype);
        if (bytes > 0)
            memcpy(tensor.data, from, bytes);
    }
    return tensor;
}

void op_download(struct compute *compute, struct tensor from, void *to)
{
    if (compute->status != 0 || tensor_count(&from) == 0)
        return;
    if (from.data == NULL) {
        compute_fail(compute, error_set(SOWLV2_ERROR_ARGUMENT, "op_download: the tensor has no memory"));
        return;
    }
    size_t size = dtype_size(from.dtype);
    if (tensor_is_dense(&from)) {
        memcpy(to, from.data, (size_t)tensor_count(&from) * size);
        return;
    }
    /* Innermost rows that are dense are copied whole; the counters in `index` walk the rest. */
    int last = from.rank - 1;
    int64_t row = from.stride[last] == 1 ? from.dim[last] : 1;
    int outer = row == 1 ? from.rank : last;
    int64_t index[TENSOR_MAX_RANK] = {0};
    char *target = to;
    for (;;) {
        int64_t offset = 0;
        for (int i = 0; i < outer; i++)
            offset += index[i] * from.stride[i];
        memcpy(target, (const char *)from.data + (size_t)offset * size, (size_t)row * size);
        target += (size_t)row * size;
        int axis = outer - 1;
        while (axis >= 0 && ++index[axis] == from.dim[axis])
            index[axis--] = 0;
        if (axis < 0)
            return;
    }
}
