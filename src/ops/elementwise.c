/* The checked ops that work on elements or rows: norms, sums, activations, look-ups. */
#include "ops/check.h"
#include "ops/rows.h"

static bool skip(const struct compute *compute)
{
    return compute_status(compute) != 0;
}

/* x and out: F32, the same shape, apart from each other or the same view. */
static bool check_same(struct compute *compute, const char *op, const struct tensor *x, const struct tensor *out)
{
    return check_tensor(compute, op, "x", x, DTYPE_F32, -1) && check_tensor(compute, op, "out", out, DTYPE_F32, -1) &&
           check_shape(compute, op, "out", out, x->rank, x->dim) && check_overlap(compute, op, "x", x, out, true);
}

/* The same, both of them narrow. */
static bool check_same_narrow(struct compute *compute, const char *op, const struct tensor *x, const struct tensor *out)
{
    return check_narrow(compute, op, "x", x, -1) && check_narrow(compute, op, "out", out, -1) &&
           check_shape(compute, op, "out", out, x->rank, x->dim) && check_overlap(compute, op, "x", x, out, true);
}

void op_layer_norm(struct compute *compute, struct tensor x, struct tensor gamma, struct tensor beta, float eps,
                   struct tensor out)
{
    const char *op = "op_layer_norm";
    if (skip(compute) || !check_same_narrow(compute, op, &x, &out) ||
        !check_tensor(compute, op, "gamma", &gamma, DTYPE_F32, 1) ||
        !check_tensor(compute, op, "beta", &beta, DTYPE_F32, 1) ||
        !CHECK_SHAPE(compute, op, "gamma", &gamma, x.dim[x.rank - 1]) ||
        !CHECK_SHAPE(compute, op, "beta", &beta, x.dim[x.rank - 1]) ||
        !check_overlap(compute, op, "gamma", &gamma, &out, false) ||
        !check_overlap(compute, op, "beta", &beta, &out, false) || tensor_count(&out) == 0)
        return;
    const struct tensor *const tensors[] = {&x, &out};
    struct rows rows = rows_join(2, tensors);
    for (int64_t i = 0; i < rows.parts && !skip(compute); i++) {
        compute_device(compute)->set->layer_norm(compute, rows_part(&rows, 0, i), gamma, beta, eps,
                                                 rows_part(&rows, 1, i));
    }
}

void op_l2_normalize(struct compute *compute, struct tensor x, float eps, struct tensor out)
{
    if (skip(compute) || !check_same(compute, "op_l2_normalize", &x, &out) || tensor_count(&out) == 0)
        return;
    const struct tensor *const tensors[] = {&x, &out};
    struct rows rows = rows_join(2, tensors);
    for (int64_t i = 0; i < rows.parts && !skip(compute); i++)
        compute_device(compute)->set->l2_normalize(compute, rows_part(&rows, 0, i), eps, rows_part(&rows, 1, i));
}

void op_activation(struct compute *compute, struct tensor x, enum activation activation, struct tensor out)
{
    if (skip(compute) || !check_same_narrow(compute, "op_activation", &x, &out))
        return;
    if ((int)activation < 0 || activation > ACTIVATION_SIGMOID) {
        check_failed(compute, "op_activation", "there is no activation %d", (int)activation);
        return;
    }
    if (tensor_count(&out) == 0)
        return;
    const struct tensor *const tensors[] = {&x, &out};
    struct rows rows = rows_join(2, tensors);
    for (int64_t i = 0; i < rows.parts && !skip(compute); i++)
        compute_device(compute)->set->activation(compute, rows_part(&rows, 0, i), activation, rows_part(&rows, 1, i));
}

/* The tensor with axes of 1 put in front, rank 4. */
static struct tensor rank4(struct tensor tensor)
{
    int added = 4 - tensor.rank;
    struct tensor out = tensor;
    out.rank = 4;
    for (int i = 0; i < 4; i++) {
        out.dim[i] = i < added ? 1 : tensor.dim[i - added];
        out.stride[i] = i < added ? tensor.dim[0] * tensor.stride[0] : tensor.stride[i - added];
    }
    return out;
}

/* a, b and out of op_add and op_mul, checked. */
static bool check_pair(struct compute *compute, const char *op, const struct tensor *a, const struct tensor *b,
                       const struct tensor *out)
{
    if (skip(compute) || !check_narrow(compute, op, "a", a, -1) || !check_tensor(compute, op, "b", b, DTYPE_F32, -1) ||
        !check_narrow(compute, op, "out", out, -1) || !check_shape(compute, op, "out", out, a->rank, a->dim))
        return false;
    bool fits = a->rank == b->rank && a->rank <= 4;
    for (int i = 0; fits && i < a->rank; i++)
        fits = b->dim[i] == a->dim[i] || b->dim[i] == 1;
    if (!fits) {
        return check_failed(compute, op, "a is %s, b is %s: they do not fit each other",
                            shape_text(a->rank, a->dim).text, shape_text(b->rank, b->dim).text);
    }
    return check_overlap(compute, op, "a", a, out, true) && check_overlap(compute, op, "b", b, out, false) &&
           tensor_count(out) > 0;
}

void op_add(struct compute *compute, struct tensor a, struct tensor b, struct tensor out)
{
    if (check_pair(compute, "op_add", &a, &b, &out))
        compute_device(compute)->set->add(compute, rank4(a), rank4(b), rank4(out));
}

void op_mul(struct compute *compute, struct tensor a, struct tensor b, struct tensor out)
{
    if (check_pair(compute, "op_mul", &a, &b, &out))
        compute_device(compute)->set->mul(compute, rank4(a), rank4(b), rank4(out));
}

void op_embed(struct compute *compute, struct tensor ids, struct tensor table, struct tensor positions,
              struct tensor out)
{
    const char *op = "op_embed";
    if (skip(compute) || !check_tensor(compute, op, "ids", &ids, DTYPE_I32, 2) ||
        !check_tensor(compute, op, "table", &table, DTYPE_F32, 2) ||
        !check_tensor(compute, op, "positions", &positions, DTYPE_F32, 2) ||
        !check_tensor(compute, op, "out", &out, DTYPE_F32, 3) ||
        !CHECK_SHAPE(compute, op, "out", &out, ids.dim[0], ids.dim[1], table.dim[1]) ||
        !CHECK_SHAPE(compute, op, "positions", &positions, positions.dim[0], table.dim[1]))
        return;
    if (positions.dim[0] < ids.dim[1]) {
        check_failed(compute, op, "ids are %s: there are only %lld positions", shape_text(2, ids.dim).text,
                     (long long)positions.dim[0]);
        return;
    }
    if (check_overlap(compute, op, "ids", &ids, &out, false) &&
        check_overlap(compute, op, "table", &table, &out, false) &&
        check_overlap(compute, op, "positions", &positions, &out, false) && tensor_count(&out) > 0)
        compute_device(compute)->set->embed(compute, ids, table, positions, out);
}

void op_gather_rows(struct compute *compute, struct tensor x, struct tensor index, struct tensor out)
{
    const char *op = "op_gather_rows";
    if (skip(compute) || !check_tensor(compute, op, "x", &x, DTYPE_F32, 3) ||
        !check_tensor(compute, op, "index", &index, DTYPE_I32, 2) ||
        !check_tensor(compute, op, "out", &out, DTYPE_F32, 3) ||
        !CHECK_SHAPE(compute, op, "x", &x, x.dim[0] == 1 ? 1 : index.dim[0], x.dim[1], x.dim[2]) ||
        !CHECK_SHAPE(compute, op, "out", &out, index.dim[0], index.dim[1], x.dim[2]) ||
        !check_overlap(compute, op, "x", &x, &out, false) ||
        !check_overlap(compute, op, "index", &index, &out, false) || tensor_count(&out) == 0)
        return;
    compute_device(compute)->set->gather_rows(compute, x, index, out);
}

void op_shift_scale(struct compute *compute, struct tensor x, struct tensor shift, struct tensor scale,
                    struct tensor out)
{
    const char *op = "op_shift_scale";
    if (skip(compute) || !check_same(compute, op, &x, &out) || !check_tensor(compute, op, "x", &x, DTYPE_F32, 2) ||
        !check_tensor(compute, op, "shift", &shift, DTYPE_F32, 2) ||
        !check_tensor(compute, op, "scale", &scale, DTYPE_F32, 2) ||
        !CHECK_SHAPE(compute, op, "shift", &shift, x.dim[0], 1) ||
        !CHECK_SHAPE(compute, op, "scale", &scale, x.dim[0], 1) ||
        !check_overlap(compute, op, "shift", &shift, &out, false) ||
        !check_overlap(compute, op, "scale", &scale, &out, false) || tensor_count(&out) == 0)
        return;
    compute_device(compute)->set->shift_scale(compute, x, shift, scale, out);
}

void op_affine(struct compute *compute, struct tensor x, float scale, float shift, struct tensor out)
{
    if (skip(compute) || !check_same(compute, "op_affine", &x, &out) || tensor_count(&out) == 0)
        return;
    const struct tensor *const tensors[] = {&x, &out};
    const struct rows rows = rows_join(2, tensors);
    for (int64_t i = 0; i < rows.parts && !skip(compute); i++)
        compute_device(compute)->set->affine(compute, rows_part(&rows, 0, i), scale, shift, rows_part(&rows, 1, i));
}

void op_select(struct compute *compute, struct tensor score, float threshold, struct tensor x, struct tensor other,
               struct tensor out)
{
    const char *const op = "op_select";
    if (skip(compute) || !check_same(compute, op, &x, &out) || !check_tensor(compute, op, "x", &x, DTYPE_F32, 2) ||
        !check_tensor(compute, op, "score", &score, DTYPE_F32, 2) ||
        !CHECK_SHAPE(compute, op, "score", &score, x.dim[0], 1) ||
        !check_tensor(compute, op, "other", &other, DTYPE_F32, 2))
        return;
    if ((other.dim[0] != 1 && other.dim[0] != x.dim[0]) || (other.dim[1] != 1 && other.dim[1] != x.dim[1])) {
        check_failed(compute, op, "other is %s, x is %s", shape_text(2, other.dim).text, shape_text(2, x.dim).text);
        return;
    }
    if (check_overlap(compute, op, "score", &score, &out, false) &&
        check_overlap(compute, op, "other", &other, &out, false) && tensor_count(&out) > 0)
        compute_device(compute)->set->select(compute, score, threshold, x, other, out);
}

void op_max_rows(struct compute *compute, struct tensor x, struct tensor out)
{
    const char *const op = "op_max_rows";
    if (skip(compute) || !check_tensor(compute, op, "x", &x, DTYPE_F32, 2) ||
        !check_tensor(compute, op, "out", &out, DTYPE_F32, 2) || !CHECK_SHAPE(compute, op, "out", &out, x.dim[0], 1) ||
        !check_overlap(compute, op, "x", &x, &out, false) || tensor_count(&out) == 0)
        return;
    if (x.dim[1] == 0)
        check_failed(compute, op, "x is %s: there is no largest value", shape_text(2, x.dim).text);
    else
        compute_device(compute)->set->max_rows(compute, x, out);
}

void op_sine(struct compute *compute, struct tensor x, struct tensor periods, struct tensor out)
{
    const char *const op = "op_sine";
    if (skip(compute) || !check_tensor(compute, op, "x", &x, DTYPE_F32, 2) ||
        !check_tensor(compute, op, "periods", &periods, DTYPE_F32, 1) ||
        !check_tensor(compute, op, "out", &out, DTYPE_F32, 2) || !CHECK_SHAPE(compute, op, "x", &x, x.dim[0], 1) ||
        !CHECK_SHAPE(compute, op, "out", &out, x.dim[0], 2 * periods.dim[0]) ||
        !check_overlap(compute, op, "x", &x, &out, false) ||
        !check_overlap(compute, op, "periods", &periods, &out, false) || tensor_count(&out) == 0)
        return;
    compute_device(compute)->set->sine(compute, x, periods, out);
}
