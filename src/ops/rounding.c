/* The checked ops that make few values of many: steps and the rounding to bfloat16. */
#include "ops/check.h"
#include "ops/rows.h"

static bool check(struct compute *compute, const char *op, const struct tensor *x, const struct tensor *out)
{
    return compute_status(compute) == 0 && check_tensor(compute, op, "x", x, DTYPE_F32, -1) &&
           check_tensor(compute, op, "out", out, DTYPE_F32, -1) &&
           check_shape(compute, op, "out", out, x->rank, x->dim) && check_overlap(compute, op, "x", x, out, true) &&
           tensor_count(out) > 0;
}

void op_step(struct compute *compute, struct tensor x, float threshold, float low, float high, struct tensor out)
{
    if (!check(compute, "op_step", &x, &out))
        return;
    const struct tensor *const tensors[] = {&x, &out};
    const struct rows rows = rows_join(2, tensors);
    for (int64_t i = 0; i < rows.parts; i++) {
        compute_device(compute)->set->step(compute, rows_part(&rows, 0, i), threshold, low, high,
                                           rows_part(&rows, 1, i));
    }
}

void op_round_bf16(struct compute *compute, struct tensor x, struct tensor out)
{
    if (!check(compute, "op_round_bf16", &x, &out))
        return;
    const struct tensor *const tensors[] = {&x, &out};
    const struct rows rows = rows_join(2, tensors);
    for (int64_t i = 0; i < rows.parts; i++)
        compute_device(compute)->set->round_bf16(compute, rows_part(&rows, 0, i), rows_part(&rows, 1, i));
}
