/* A tensor seen as rows of its last dimension. */
#ifndef OPS_CPU_ROWS_H
#define OPS_CPU_ROWS_H

#include "ops/cpu/elements.h"

/* Where row `index` begins, rows counted over the leading dimensions in order. */
static inline struct elements rows_at(const struct tensor *tensor, int64_t index)
{
    int64_t offset = 0;
    for (int axis = tensor->rank - 2; axis >= 0; axis--) {
        offset += index % tensor->dim[axis] * tensor->stride[axis];
        index /= tensor->dim[axis];
    }
    return elements_of(tensor, offset);
}

/* Whether all rows lie at one distance, given in *stride (elements); also true for at most one row. */
static inline bool rows_uniform(const struct tensor *tensor, int64_t *stride)
{
    int64_t step = tensor->dim[tensor->rank - 1], count = 1;
    bool first = true;
    for (int axis = tensor->rank - 2; axis >= 0; axis--) {
        if (tensor->dim[axis] == 1)
            continue;
        if (first) {
            step = tensor->stride[axis];
            first = false;
        } else if (tensor->stride[axis] != step * count) {
            return false;
        }
        count *= tensor->dim[axis];
    }
    *stride = step;
    return true;
}

#endif
