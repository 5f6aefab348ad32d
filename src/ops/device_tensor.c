/* Device memory that outlives forward passes. */
#include "ops/set.h"

#include "base/arena.h"
#include "base/error.h"

#include <stdlib.h>

int device_tensor_create(struct device *device, enum dtype dtype, int rank, const int64_t *dim, struct tensor *out)
{
    (void)device; /* the CPU's memory is the host's */
    *out = (struct tensor){0};
    struct tensor tensor = {.dtype = dtype, .rank = rank};
    size_t bytes = dtype_size(dtype);
    if (rank < 1 || rank > TENSOR_MAX_RANK || bytes == 0)
        return error_set(SOWLV2_ERROR_ARGUMENT, "device tensor: its rank or type is out of range");
    int64_t stride = 1;
    for (int i = rank - 1; i >= 0; i--) {
        tensor.dim[i] = dim[i];
        tensor.stride[i] = stride;
        if (dim[i] < 0 || __builtin_mul_overflow(bytes, (size_t)dim[i], &bytes) || bytes > PTRDIFF_MAX / 2)
            return error_set(SOWLV2_ERROR_ARGUMENT, "device tensor: its shape is out of range");
        stride *= dim[i];
    }
    bytes = (bytes + ARENA_ALIGNMENT) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
    tensor.data = aligned_alloc(ARENA_ALIGNMENT, bytes);
    if (tensor.data == NULL)
        return error_memory("a tensor");
    *out = tensor;
    return 0;
}

void device_tensor_free(struct device *device, struct tensor *tensor)
{
    (void)device;
    free(tensor->data);
    *tensor = (struct tensor){0};
}
