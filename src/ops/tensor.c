/* Tensor handles and the views of them. */
#include "ops/ops.h"

#include <assert.h>

int64_t tensor_count(const struct tensor *tensor)
{
    int64_t count = 1;
    for (int i = 0; i < tensor->rank; i++)
        count *= tensor->dim[i];
    return count;
}

bool tensor_is_dense(const struct tensor *tensor)
{
    int64_t expected = 1;
    for (int i = tensor->rank - 1; i >= 0; i--) {
        if (tensor->dim[i] == 0)
            return true;
        if (tensor->dim[i] != 1 && tensor->stride[i] != expected)
            return false;
        expected *= tensor->dim[i];
    }
    return true;
}

bool tensor_layout(enum dtype dtype, int rank, const int64_t *dim, struct tensor *out, size_t *bytes)
{
    const size_t size = dtype_size(dtype);
    const bool fits = rank >= 0 && rank <= TENSOR_MAX_RANK;
    *out = (struct tensor){.dtype = dtype, .rank = fits ? rank : 0};
    *bytes = 0;
    for (int i = 0; i < out->rank; i++)
        out->dim[i] = dim[i];
    size_t count = 1;
    for (int i = out->rank - 1; i >= 0; i--) {
        out->stride[i] = (int64_t)count;
        if (dim[i] < 0 || __builtin_mul_overflow(count, (size_t)dim[i], &count) || count > PTRDIFF_MAX)
            return false;
    }
    return fits && size > 0 && !__builtin_mul_overflow(count, size, bytes) && *bytes <= PTRDIFF_MAX;
}

static size_t advance(const struct tensor *tensor, int64_t elements)
{
    return tensor->offset + (size_t)elements * dtype_size(tensor->dtype);
}

struct tensor tensor_slice(struct tensor tensor, int axis, int64_t first, int64_t count)
{
    assert(axis >= 0 && axis < tensor.rank);
    assert(first >= 0 && count >= 0 && first <= tensor.dim[axis] - count);
    tensor.offset = advance(&tensor, first * tensor.stride[axis]);
    tensor.dim[axis] = count;
    return tensor;
}

struct tensor tensor_at(struct tensor tensor, int64_t index)
{
    assert(tensor.rank > 0 && index >= 0 && index < tensor.dim[0]);
    struct tensor out = {.dtype = tensor.dtype, .rank = tensor.rank - 1, .buffer = tensor.buffer};
    out.offset = advance(&tensor, index * tensor.stride[0]);
    for (int i = 0; i < out.rank; i++) {
        out.dim[i] = tensor.dim[i + 1];
        out.stride[i] = tensor.stride[i + 1];
    }
    return out;
}

/* Strides of a dense tensor of `out`'s dimensions. */
static void set_dense_strides(struct tensor *out)
{
    int64_t stride = 1;
    for (int i = out->rank - 1; i >= 0; i--) {
        out->stride[i] = stride;
        stride *= out->dim[i] > 0 ? out->dim[i] : 1;
    }
}

/* Walks both shapes from the last axis. A run of the old axes that lie densely over each other must be
 * filled exactly by new axes; the next run starts with the stride of the next old axis. */
static bool reshape_strides(const struct tensor *old, struct tensor *out)
{
    int next = out->rank - 1;
    int64_t run_stride = old->rank > 0 ? old->stride[old->rank - 1] : 1;
    int64_t old_run = 1, new_run = 1;
    for (int i = old->rank - 1; i >= 0; i--) {
        old_run *= old->dim[i];
        if (i > 0 && (old->dim[i - 1] == 1 || old->stride[i - 1] == old_run * run_stride))
            continue;
        while (next >= 0 && (new_run < old_run || out->dim[next] == 1)) {
            out->stride[next] = new_run * run_stride;
            new_run *= out->dim[next];
            next--;
        }
        if (new_run != old_run)
            return false;
        if (i > 0) {
            run_stride = old->stride[i - 1];
            old_run = 1;
            new_run = 1;
        }
    }
    for (; next >= 0 && out->dim[next] == 1; next--)
        out->stride[next] = run_stride;
    return next < 0;
}

struct tensor tensor_reshape(struct tensor tensor, int rank, const int64_t *dim)
{
    assert(rank >= 0 && rank <= TENSOR_MAX_RANK);
    struct tensor out = {.dtype = tensor.dtype, .rank = rank, .buffer = tensor.buffer, .offset = tensor.offset};
    for (int i = 0; i < rank; i++)
        out.dim[i] = dim[i];
    assert(tensor_count(&out) == tensor_count(&tensor));
    if (tensor_is_dense(&tensor)) {
        set_dense_strides(&out);
        return out;
    }
    bool possible = reshape_strides(&tensor, &out);
    assert(possible);
    (void)possible;
    return out;
}

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
