/* The checked ops that work on elements, or on each row alike: norms, sums, activations, steps, choices. */
#include "ops/check.h"
#include "ops/rows.h"

/* x and out of one shape, both of them `is`; `out` may be `x`. */
static bool check_same(struct compute *compute, const char *op, const struct tensor *x, unsigned is,
                       const struct tensor *out)
{
    return CHECK_OPERANDS(compute, op, {"x", x, is | IS_IN_PLACE, ANY_SHAPE}, {"out", out, is | IS_OUT, shape_of(x)});
}

void op_layer_norm(struct compute *compute, struct tensor x, struct tensor gamma, struct tensor beta, float eps,
                   struct tensor out)
{
    if (!CHECK_OPERANDS(compute, "op_layer_norm", {"x", &x, IS_NARROW | IS_IN_PLACE, ANY_SHAPE},
                        {"gamma", &gamma, IS_F32, SHAPE(last_dim(&x))}, {"beta", &beta, IS_F32, SHAPE(last_dim(&x))},
                        {"out", &out, IS_NARROW | IS_OUT, shape_of(&x)}))
        return;
    struct rows rows = rows_join(compute, &x, &out, NULL);
    while (rows_next(&rows))
        set_of(compute)->layer_norm(compute, rows.part[0], gamma, beta, eps, rows.part[1]);
}

void op_l2_normalize(struct compute *compute, struct tensor x, float eps, struct tensor out)
{
    if (!check_same(compute, "op_l2_normalize", &x, IS_F32, &out))
        return;
    struct rows rows = rows_join(compute, &x, &out, NULL);
    while (rows_next(&rows))
        set_of(compute)->l2_normalize(compute, rows.part[0], eps, rows.part[1]);
}

void op_activation(struct compute *compute, struct tensor x, enum activation activation, struct tensor out)
{
    const char *const op = "op_activation";
    if (!check_same(compute, op, &x, IS_NARROW, &out) || !check_activation(compute, op, activation))
        return;
    struct rows rows = rows_join(compute, &x, &out, NULL);
    while (rows_next(&rows))
        set_of(compute)->activation(compute, rows.part[0], activation, rows.part[1]);
}

void op_affine(struct compute *compute, struct tensor x, float scale, float shift, struct tensor out)
{
    if (!check_same(compute, "op_affine", &x, IS_F32, &out))
        return;
    struct rows rows = rows_join(compute, &x, &out, NULL);
    while (rows_next(&rows))
        set_of(compute)->affine(compute, rows.part[0], scale, shift, rows.part[1]);
}

void op_step(struct compute *compute, struct tensor x, float threshold, float low, float high, struct tensor out)
{
    if (!check_same(compute, "op_step", &x, IS_F32, &out))
        return;
    struct rows rows = rows_join(compute, &x, &out, NULL);
    while (rows_next(&rows))
        set_of(compute)->step(compute, rows.part[0], threshold, low, high, rows.part[1]);
}

enum { PAIR_RANK = 4 };

/* a, b and out of op_add and op_mul: whether there is something to do. They are widened to the set's rank. */
static bool prepare_pair(struct compute *compute, const char *op, struct tensor *a, struct tensor *b,
                         struct tensor *out)
{
    struct shape repeated = shape_of(a);
    for (int i = 0; i < repeated.rank; i++)
        repeated.dim[i] = one_or(b->dim[i], a->dim[i]);
    if (!CHECK_OPERANDS(compute, op, {"a", a, IS_NARROW | IS_IN_PLACE, ANY_SHAPE}, {"b", b, IS_F32, repeated},
                        {"out", out, IS_NARROW | IS_OUT, shape_of(a)}))
        return false;
    if (a->rank > PAIR_RANK)
        return check_failed(compute, op, "a has rank %d, which may be at most %d", a->rank, PAIR_RANK);
    *a = rows_widen(*a, PAIR_RANK);
    *b = rows_widen(*b, PAIR_RANK);
    *out = rows_widen(*out, PAIR_RANK);
    return tensor_count(out) > 0;
}

void op_add(struct compute *compute, struct tensor a, struct tensor b, struct tensor out)
{
    if (prepare_pair(compute, "op_add", &a, &b, &out))
        set_of(compute)->add(compute, a, b, out);
}

void op_mul(struct compute *compute, struct tensor a, struct tensor b, struct tensor out)
{
    if (prepare_pair(compute, "op_mul", &a, &b, &out))
        set_of(compute)->mul(compute, a, b, out);
}

void op_shift_scale(struct compute *compute, struct tensor x, struct tensor shift, struct tensor scale,
                    struct tensor out)
{
    if (CHECK_OPERANDS(compute, "op_shift_scale", {"x", &x, IS_IN_PLACE, SHAPE(ANY, ANY)},
                       {"shift", &shift, IS_F32, SHAPE(x.dim[0], 1)}, {"scale", &scale, IS_F32, SHAPE(x.dim[0], 1)},
                       {"out", &out, IS_OUT, shape_of(&x)}) &&
        tensor_count(&out) > 0)
        set_of(compute)->shift_scale(compute, x, shift, scale, out);
}

void op_select(struct compute *compute, struct tensor score, float threshold, struct tensor x, struct tensor other,
               struct tensor out)
{
    if (CHECK_OPERANDS(compute, "op_select", {"x", &x, IS_IN_PLACE, SHAPE(ANY, ANY)},
                       {"score", &score, IS_F32, SHAPE(x.dim[0], 1)},
                       {"other", &other, IS_F32, SHAPE(one_or(other.dim[0], x.dim[0]), one_or(other.dim[1], x.dim[1]))},
                       {"out", &out, IS_OUT, shape_of(&x)}) &&
        tensor_count(&out) > 0)
        set_of(compute)->select(compute, score, threshold, x, other, out);
}

void op_max_rows(struct compute *compute, struct tensor x, struct tensor out)
{
    const char *const op = "op_max_rows";
    if (!CHECK_OPERANDS(compute, op, {"x", &x, IS_F32, SHAPE(ANY, ANY)}, {"out", &out, IS_OUT, SHAPE(x.dim[0], 1)}))
        return;
    if (x.dim[1] == 0)
        check_failed(compute, op, "x is %s: there is no largest value", shape_text(&x).text);
    else if (tensor_count(&out) > 0)
        set_of(compute)->max_rows(compute, x, out);
}

void op_variance(struct compute *compute, struct tensor x, struct tensor out)
{
    const char *const op = "op_variance";
    if (!CHECK_OPERANDS(compute, op, {"x", &x, IS_F32, SHAPE(ANY, ANY, ANY)},
                        {"out", &out, IS_OUT, SHAPE(x.dim[0], 1)}))
        return;
    if (x.dim[1] == 0 || x.dim[2] == 0)
        check_failed(compute, op, "x is %s: of nothing there is no variance", shape_text(&x).text);
    else if (tensor_count(&out) > 0)
        set_of(compute)->variance(compute, x, out);
}

void op_sine(struct compute *compute, struct tensor x, struct tensor periods, struct tensor out)
{
    if (CHECK_OPERANDS(compute, "op_sine", {"x", &x, IS_F32, SHAPE(ANY, 1)}, {"periods", &periods, IS_F32, SHAPE(ANY)},
                       {"out", &out, IS_OUT, SHAPE(x.dim[0], 2 * periods.dim[0])}) &&
        tensor_count(&out) > 0)
        set_of(compute)->sine(compute, x, periods, out);
}
