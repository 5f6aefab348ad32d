/* Views that only op_copy takes: exchanged axes and repeated entries. */
#include "ops/ops.h"

#include <assert.h>

struct tensor tensor_swap_axes(struct tensor tensor, int a, int b)
{
    assert(a >= 0 && a < tensor.rank && b >= 0 && b < tensor.rank);
    struct tensor out = tensor;
    out.dim[a] = tensor.dim[b];
    out.stride[a] = tensor.stride[b];
    out.dim[b] = tensor.dim[a];
    out.stride[b] = tensor.stride[a];
    return out;
}

struct tensor tensor_repeat(struct tensor tensor, int axis, int64_t count)
{
    assert(axis >= 0 && axis < tensor.rank && tensor.dim[axis] == 1 && count >= 0);
    tensor.dim[axis] = count;
    tensor.stride[axis] = 0;
    return tensor;
}
