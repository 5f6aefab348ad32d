/* Tensors as rows: ops that treat every row alike need not know about leading dimensions. */
#ifndef OPS_ROWS_H
#define OPS_ROWS_H

#include "ops/ops.h"

enum { ROWS_MAX_TENSORS = 3 };

/* `count` tensors with equal leading dimensions, as parts that are matrices [rows, columns]. */
struct rows {
    int count;
    int outer_rank;                         /* axes that are walked, one part an entry */
    int64_t parts;                          /* product of the walked axes */
    struct tensor tensor[ROWS_MAX_TENSORS]; /* joined as far as all the strides allow */
};

/* Joins as many of the innermost leading axes as all the tensors allow. The tensors have been checked
 * and have the same leading dimensions. */
struct rows rows_join(int count, const struct tensor *const *tensors);

/* Tensor `which` of part `part`, rank 2. */
struct tensor rows_part(const struct rows *rows, int which, int64_t part);

#endif
