/* The checked ops that move: copies between views, filling, pooling. */
#include "ops/check.h"

static bool skip(const struct compute *compute)
{
    return compute_status(compute) != 0;
}

/* The tensor with axes of 1 put in front. */
static struct tensor widen(struct tensor tensor, int rank)
{
    const int added = rank - tensor.rank;
    struct tensor out = tensor;
    out.rank = rank;
    for (int i = 0; i < rank; i++) {
        out.dim[i] = i < added ? 1 : tensor.dim[i - added];
        out.stride[i] = i < added ? 0 : tensor.stride[i - added];
    }
    return out;
}

/* A tensor whose axes may have any order, and stride 0 where `repeats`. */
static bool check_view(struct compute *compute, const char *op, const char *name, const struct tensor *tensor,
                       bool repeats)
{
    if (tensor->rank < 1 || tensor->rank > TENSOR_MAX_RANK || dtype_size(tensor->dtype) == 0)
        return check_failed(compute, op, "%s has rank %d or a type that cannot be copied", name, tensor->rank);
    bool ordered[TENSOR_MAX_RANK] = {false};
    int64_t reach = 0; /* the last element of the axes looked at so far */
    for (int n = 0; n < tensor->rank; n++) {
        int next = -1;
        for (int i = 0; i < tensor->rank; i++)
            if (!ordered[i] && (next < 0 || tensor->stride[i] < tensor->stride[next]))
                next = i;
        ordered[next] = true;
        const bool repeated = repeats && tensor->stride[next] == 0;
        if (tensor->dim[next] < 0 || (tensor->dim[next] > 1 && !repeated && tensor->stride[next] <= reach)) {
            return check_failed(compute, op, "%s %s has stride %lld along axis %d", name,
                                shape_text(tensor->rank, tensor->dim).text, (long long)tensor->stride[next], next);
        }
        reach += tensor->dim[next] > 1 ? (tensor->dim[next] - 1) * tensor->stride[next] : 0;
    }
    return tensor->buffer != NULL || tensor_count(tensor) == 0 ||
           check_failed(compute, op, "%s %s has no memory", name, shape_text(tensor->rank, tensor->dim).text);
}

void op_copy(struct compute *compute, struct tensor from, struct tensor out)
{
    const char *op = "op_copy";
    if (skip(compute) || !check_view(compute, op, "from", &from, true) ||
        !check_view(compute, op, "out", &out, false) || !check_shape(compute, op, "out", &out, from.rank, from.dim))
        return;
    const bool rounds = from.dtype == DTYPE_F32 && out.dtype == DTYPE_BF16;
    const bool widens = (from.dtype == DTYPE_BF16 || from.dtype == DTYPE_U8) && out.dtype == DTYPE_F32;
    if (from.dtype != out.dtype && !rounds && !widens) {
        check_failed(compute, op, "from is %s, out is %s", dtype_name(from.dtype), dtype_name(out.dtype));
        return;
    }
    if (tensor_count(&out) > 0 && check_overlap(compute, op, "from", &from, &out, false))
        compute_device(compute)->set->copy(compute, widen(from, TENSOR_MAX_RANK), widen(out, TENSOR_MAX_RANK));
}

void op_fill(struct compute *compute, float value, struct tensor out)
{
    const char *op = "op_fill";
    if (skip(compute) || !check_narrow(compute, op, "out", &out, -1))
        return;
    if (out.rank > 4)
        check_failed(compute, op, "out has rank %d, at most 4 is needed", out.rank);
    else if (tensor_count(&out) > 0)
        compute_device(compute)->set->fill(compute, value, widen(out, 4));
}

void op_max_pool2d(struct compute *compute, struct tensor x, int size, struct tensor out)
{
    const char *op = "op_max_pool2d";
    if (skip(compute) || !check_narrow(compute, op, "x", &x, 4) || !check_narrow(compute, op, "out", &out, 4))
        return;
    if (size < 1) {
        check_failed(compute, op, "windows of %d", size);
        return;
    }
    if (CHECK_SHAPE(compute, op, "out", &out, x.dim[0], x.dim[1] / size, x.dim[2] / size, x.dim[3]) &&
        check_overlap(compute, op, "x", &x, &out, false) && tensor_count(&out) > 0)
        compute_device(compute)->set->max_pool2d(compute, x, size, out);
}
