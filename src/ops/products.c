/* The checked ops that multiply matrices: linear layers, convolutions, attention. */
#include "ops/check.h"
#include "ops/rows.h"

/* True where the op has nothing to do: the pass has failed already. */
static bool skip(const struct compute *compute)
{
    return compute_status(compute) != 0;
}

/* x and out agree in all dimensions but the last. */
static bool check_leading(struct compute *compute, const char *op, const char *name, const struct tensor *tensor,
                          const struct tensor *out)
{
    bool same = tensor->rank == out->rank;
    for (int i = 0; same && i < out->rank - 1; i++)
        same = tensor->dim[i] == out->dim[i];
    return same || check_failed(compute, op, "%s is %s, out is %s: their leading dimensions differ", name,
                                shape_text(tensor->rank, tensor->dim).text, shape_text(out->rank, out->dim).text);
}

/* Narrow, and F32 where something F32 is added to it. */
static bool check_out(struct compute *compute, const char *op, const struct tensor *residual, const struct tensor *out,
                      int rank)
{
    return residual != NULL ? check_tensor(compute, op, "out", out, DTYPE_F32, rank)
                            : check_narrow(compute, op, "out", out, rank);
}

void op_linear(struct compute *compute, const struct linear *linear, struct tensor x, enum activation activation,
               const struct tensor *residual, struct tensor out)
{
    const char *op = "op_linear";
    if (skip(compute) || !check_narrow(compute, op, "x", &x, -1) || !check_out(compute, op, residual, &out, -1) ||
        !check_leading(compute, op, "x", &x, &out))
        return;
    if (x.dim[x.rank - 1] != linear->inputs || out.dim[out.rank - 1] != linear->outputs) {
        check_failed(compute, op, "x is %s, out is %s: the layer has %lld inputs and %lld outputs",
                     shape_text(x.rank, x.dim).text, shape_text(out.rank, out.dim).text, (long long)linear->inputs,
                     (long long)linear->outputs);
        return;
    }
    if ((int)activation < 0 || activation > ACTIVATION_SIGMOID) {
        check_failed(compute, op, "there is no activation %d", (int)activation);
        return;
    }
    if (residual != NULL && (!check_tensor(compute, op, "residual", residual, DTYPE_F32, out.rank) ||
                             !check_shape(compute, op, "residual", residual, out.rank, out.dim) ||
                             !check_overlap(compute, op, "residual", residual, &out, true)))
        return;
    if (!check_overlap(compute, op, "x", &x, &out, false) || tensor_count(&out) == 0)
        return;
    const struct tensor *const tensors[] = {&x, &out, residual};
    struct rows rows = rows_join(residual != NULL ? 3 : 2, tensors);
    for (int64_t i = 0; i < rows.parts && !skip(compute); i++) {
        struct tensor part = residual != NULL ? rows_part(&rows, 2, i) : (struct tensor){0};
        compute_device(compute)->set->linear(compute, linear, rows_part(&rows, 0, i), activation,
                                             residual != NULL ? &part : NULL, rows_part(&rows, 1, i));
    }
}

void op_matmul_transposed(struct compute *compute, struct tensor a, struct tensor b, struct tensor out)
{
    const char *op = "op_matmul_transposed";
    if (skip(compute) || !check_narrow(compute, op, "a", &a, 2) || !check_narrow(compute, op, "b", &b, 2) ||
        !check_tensor(compute, op, "out", &out, DTYPE_F32, 2) ||
        !CHECK_SHAPE(compute, op, "b", &b, b.dim[0], a.dim[1]) ||
        !CHECK_SHAPE(compute, op, "out", &out, a.dim[0], b.dim[0]) ||
        !check_overlap(compute, op, "a", &a, &out, false) || !check_overlap(compute, op, "b", &b, &out, false))
        return;
    if (a.dim[1] == 0) {
        check_failed(compute, op, "a is %s: nothing to sum over", shape_text(2, a.dim).text);
        return;
    }
    if (tensor_count(&out) > 0)
        compute_device(compute)->set->matmul_transposed(compute, a, b, out);
}

/* Output entries along one axis, or -1 where the kernel is larger than the padded input. */
static int64_t conv_outputs(const struct conv2d *conv, int64_t inputs, int kernel)
{
    int64_t room = inputs + 2 * (int64_t)conv->padding - kernel;
    return room < 0 ? -1 : room / conv->stride + 1;
}

void op_conv2d(struct compute *compute, const struct conv2d *conv, struct tensor x, const struct tensor *residual,
               struct tensor out)
{
    const char *op = "op_conv2d";
    if (skip(compute) || !check_narrow(compute, op, "x", &x, 4) || !check_out(compute, op, residual, &out, 4) ||
        !CHECK_SHAPE(compute, op, "x", &x, x.dim[0], x.dim[1], x.dim[2], conv->inputs))
        return;
    int64_t height = conv_outputs(conv, x.dim[1], conv->kernel_height);
    int64_t width = conv_outputs(conv, x.dim[2], conv->kernel_width);
    if (height < 0 || width < 0) {
        check_failed(compute, op, "x %s is smaller than the kernel of %d x %d", shape_text(4, x.dim).text,
                     conv->kernel_height, conv->kernel_width);
        return;
    }
    if (!CHECK_SHAPE(compute, op, "out", &out, x.dim[0], height, width, conv->outputs) ||
        !check_overlap(compute, op, "x", &x, &out, false))
        return;
    if (residual != NULL && (!check_tensor(compute, op, "residual", residual, DTYPE_F32, 4) ||
                             !check_shape(compute, op, "residual", residual, 4, out.dim) ||
                             !check_overlap(compute, op, "residual", residual, &out, true)))
        return;
    if (tensor_count(&out) > 0)
        compute_device(compute)->set->conv2d(compute, conv, x, residual, out);
}

void op_attention(struct compute *compute, struct tensor q, struct tensor k, struct tensor v, float scale, bool causal,
                  struct tensor out)
{
    const char *op = "op_attention";
    if (skip(compute) || !check_narrow(compute, op, "q", &q, 4) || !check_tensor(compute, op, "k", &k, q.dtype, 4) ||
        !check_tensor(compute, op, "v", &v, q.dtype, 4) || !check_narrow(compute, op, "out", &out, 4) ||
        !CHECK_SHAPE(compute, op, "k", &k, q.dim[0], k.dim[1], q.dim[2], q.dim[3]) ||
        !CHECK_SHAPE(compute, op, "v", &v, q.dim[0], k.dim[1], q.dim[2], v.dim[3]) ||
        !CHECK_SHAPE(compute, op, "out", &out, q.dim[0], q.dim[1], q.dim[2], v.dim[3]))
        return;
    if (k.dim[1] == 0 || q.dim[3] == 0 || (causal && q.dim[1] != k.dim[1])) {
        check_failed(compute, op, "q is %s, k is %s%s", shape_text(4, q.dim).text, shape_text(4, k.dim).text,
                     causal ? ": causal attention needs as many keys as queries" : ": there is nothing to attend to");
        return;
    }
    if (check_overlap(compute, op, "q", &q, &out, false) && check_overlap(compute, op, "k", &k, &out, false) &&
        check_overlap(compute, op, "v", &v, &out, false) && tensor_count(&out) > 0)
        compute_device(compute)->set->attention(compute, q, k, v, scale, causal, out);
}
