/* Tensors as rows: joining leading dimensions. */
#include "ops/rows.h"

/* The tensor with an axis of 1 put in front, until it has `rank` axes. */
static struct tensor widen(struct tensor tensor, int rank)
{
    while (tensor.rank < rank) {
        for (int i = tensor.rank; i > 0; i--) {
            tensor.dim[i] = tensor.dim[i - 1];
            tensor.stride[i] = tensor.stride[i - 1];
        }
        tensor.dim[0] = 1;
        tensor.stride[0] = tensor.dim[1] * tensor.stride[1];
        tensor.rank++;
    }
    return tensor;
}

/* Whether axis - 1 and axis can become one in this tensor. */
static bool joins(const struct tensor *tensor, int axis)
{
    return tensor->dim[axis - 1] == 1 || tensor->dim[axis] == 1 ||
           tensor->stride[axis - 1] == tensor->dim[axis] * tensor->stride[axis];
}

static void join(struct tensor *tensor, int axis)
{
    if (tensor->dim[axis] == 1)
        tensor->stride[axis] = tensor->stride[axis - 1];
    tensor->dim[axis - 1] *= tensor->dim[axis];
    tensor->stride[axis - 1] = tensor->stride[axis];
    for (int i = axis + 1; i < tensor->rank; i++) {
        tensor->dim[i - 1] = tensor->dim[i];
        tensor->stride[i - 1] = tensor->stride[i];
    }
    tensor->rank--;
}

struct rows rows_join(int count, const struct tensor *const *tensors)
{
    struct rows rows = {.count = count, .parts = 1};
    for (int i = 0; i < count; i++)
        rows.tensor[i] = widen(*tensors[i], 2);
    for (int axis = rows.tensor[0].rank - 2; axis > 0; axis--) {
        bool possible = true;
        for (int i = 0; i < count; i++)
            possible = possible && joins(&rows.tensor[i], axis);
        for (int i = 0; possible && i < count; i++)
            join(&rows.tensor[i], axis);
    }
    rows.outer_rank = rows.tensor[0].rank - 2;
    for (int i = 0; i < rows.outer_rank; i++)
        rows.parts *= rows.tensor[0].dim[i];
    return rows;
}

struct tensor rows_part(const struct rows *rows, int which, int64_t part)
{
    struct tensor tensor = rows->tensor[which];
    int64_t divisor = rows->parts;
    for (int i = 0; i < rows->outer_rank; i++) {
        divisor /= tensor.dim[0];
        tensor = tensor_at(tensor, part / divisor);
        part %= divisor;
    }
    return tensor;
}
