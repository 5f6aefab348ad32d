/* Tensors as rows: ops that treat every row alike need not know about leading dimensions. */
#ifndef OPS_ROWS_H
#define OPS_ROWS_H

#include "ops/ops.h"

enum { ROWS_MAX_TENSORS = 3 };

/* Walks tensors of equal leading dimensions in parts that are matrices [rows, columns], as few as strides allow:
 *
 *     struct rows rows = rows_join(compute, &x, &out, NULL);
 *     while (rows_next(&rows))
 *         ... rows.part[0], rows.part[1] ... */
struct rows {
    struct tensor part[ROWS_MAX_TENSORS];

    /* Of rows.c. */
    struct compute *compute;
    int count;
    int outer_rank;                         /* axes that are walked, one part an entry */
    int64_t parts, next;                    /* parts: the product of the walked axes */
    struct tensor tensor[ROWS_MAX_TENSORS]; /* joined as far as all the strides allow */
};

/* The tensors have been checked; `b` is what is written, `c` may be NULL. */
struct rows rows_join(struct compute *compute, const struct tensor *a, const struct tensor *b, const struct tensor *c);
/* False after the last part, where there is nothing to write, and once the pass has failed. */
bool rows_next(struct rows *rows);

/* The tensor with axes of 1 put in front, until it has `rank` axes. */
struct tensor rows_widen(struct tensor tensor, int rank);

#endif
