/* Tensors as rows: joining leading dimensions. */
#include "ops/rows.h"

struct tensor rows_widen(struct tensor tensor, int rank)
{
    const int added = rank - tensor.rank;
    struct tensor out = tensor;
    if (added <= 0)
        return tensor;
    out.rank = rank;
    for (int i = 0; i < rank; i++) {
        out.dim[i] = i < added ? 1 : tensor.dim[i - added];
        out.stride[i] = i < added ? tensor.dim[0] * tensor.stride[0] : tensor.stride[i - added];
    }
    return out;
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

struct rows rows_join(struct compute *compute, const struct tensor *a, const struct tensor *b, const struct tensor *c)
{
    const struct tensor *const given[ROWS_MAX_TENSORS] = {a, b, c};
    struct rows rows = {.compute = compute, .count = c ? 3 : 2, .parts = 1};
    for (int i = 0; i < rows.count; i++)
        rows.tensor[i] = rows_widen(*given[i], 2);
    for (int axis = rows.tensor[0].rank - 2; axis > 0; axis--) {
        bool possible = true;
        for (int i = 0; i < rows.count; i++)
            possible = possible && joins(&rows.tensor[i], axis);
        for (int i = 0; possible && i < rows.count; i++)
            join(&rows.tensor[i], axis);
    }
    rows.outer_rank = rows.tensor[0].rank - 2;
    for (int i = 0; i < rows.outer_rank; i++)
        rows.parts *= rows.tensor[0].dim[i];
    if (tensor_count(b) == 0)
        rows.parts = 0;
    return rows;
}

/* Entry number `part` of the walked axes, rank 2. */
static struct tensor part_of(struct tensor tensor, const struct rows *rows, int64_t part)
{
    int64_t divisor = rows->parts;
    for (int i = 0; i < rows->outer_rank; i++) {
        divisor /= tensor.dim[0];
        tensor = tensor_at(tensor, part / divisor);
        part %= divisor;
    }
    return tensor;
}

bool rows_next(struct rows *rows)
{
    if (rows->next == rows->parts || compute_status(rows->compute) != 0)
        return false;
    for (int i = 0; i < rows->count; i++)
        rows->part[i] = part_of(rows->tensor[i], rows, rows->next);
    rows->next++;
    return true;
}
