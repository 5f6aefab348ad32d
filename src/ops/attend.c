/* The checked ops of attention between few tokens and many rows. */
#include "ops/check.h"

static bool check_dense(struct compute *compute, const char *op, const char *name, const struct tensor *tensor,
                        int rank)
{
    return check_tensor(compute, op, name, tensor, DTYPE_F32, rank) &&
           (tensor_is_dense(tensor) ||
            check_failed(compute, op, "%s %s is not dense", name, shape_text(tensor->rank, tensor->dim).text));
}

/* x [1 or batch, n, c] with positions [n, c], and a last dimension that is something. */
static bool check_rows(struct compute *compute, const char *op, const struct tensor *x, const struct tensor *positions,
                       int64_t batch)
{
    if (!check_dense(compute, op, "x", x, 3) || !check_dense(compute, op, "positions", positions, 2) ||
        !CHECK_SHAPE(compute, op, "positions", positions, x->dim[1], x->dim[2]))
        return false;
    return ((x->dim[0] == 1 || x->dim[0] == batch) && x->dim[1] > 0 && x->dim[2] > 0) ||
           check_failed(compute, op, "x is %s for a batch of %lld", shape_text(3, x->dim).text, (long long)batch);
}

void op_attend_rows(struct compute *compute, struct tensor q, struct tensor x, struct tensor positions, float scale,
                    struct tensor out)
{
    const char *op = "op_attend_rows";
    if (compute_status(compute) != 0 || !check_dense(compute, op, "q", &q, 3) ||
        !check_dense(compute, op, "out", &out, 3) || !check_rows(compute, op, &x, &positions, q.dim[0]) ||
        !CHECK_SHAPE(compute, op, "q", &q, q.dim[0], q.dim[1], x.dim[2]) ||
        !check_shape(compute, op, "out", &out, 3, q.dim) || !check_overlap(compute, op, "q", &q, &out, false) ||
        !check_overlap(compute, op, "x", &x, &out, false) ||
        !check_overlap(compute, op, "positions", &positions, &out, false) || tensor_count(&out) == 0)
        return;
    compute_device(compute)->set->attend_rows(compute, q, x, positions, scale, out);
}

void op_attend_tokens(struct compute *compute, const struct token_attention *a, struct tensor out)
{
    const char *op = "op_attend_tokens";
    if (compute_status(compute) != 0 || !check_dense(compute, op, "out", &out, 3) ||
        !check_dense(compute, op, "k", &a->k, 4) || !check_dense(compute, op, "v", &a->v, 4) ||
        !check_dense(compute, op, "bias", &a->bias, 3) || !check_dense(compute, op, "gamma", &a->gamma, 1) ||
        !check_dense(compute, op, "beta", &a->beta, 1) || !check_rows(compute, op, &a->x, &a->positions, out.dim[0]))
        return;
    const int64_t batch = out.dim[0], tokens = a->k.dim[1], heads = a->k.dim[2], width = a->x.dim[2];
    if (!CHECK_SHAPE(compute, op, "out", &out, batch, a->x.dim[1], width) ||
        !CHECK_SHAPE(compute, op, "k", &a->k, batch, tokens, heads, width) ||
        !CHECK_SHAPE(compute, op, "v", &a->v, batch, tokens, heads, width) ||
        !CHECK_SHAPE(compute, op, "bias", &a->bias, batch, tokens, heads) ||
        !CHECK_SHAPE(compute, op, "gamma", &a->gamma, width) || !CHECK_SHAPE(compute, op, "beta", &a->beta, width))
        return;
    if (tokens == 0 || heads == 0) {
        check_failed(compute, op, "k is %s: there is nothing to attend to", shape_text(4, a->k.dim).text);
        return;
    }
    const bool own = a->x.dim[0] == batch;
    if (check_overlap(compute, op, "x", &a->x, &out, own) &&
        check_overlap(compute, op, "positions", &a->positions, &out, false) &&
        check_overlap(compute, op, "k", &a->k, &out, false) && check_overlap(compute, op, "v", &a->v, &out, false) &&
        check_overlap(compute, op, "bias", &a->bias, &out, false) && tensor_count(&out) > 0)
        compute_device(compute)->set->attend_tokens(compute, a, out);
}
