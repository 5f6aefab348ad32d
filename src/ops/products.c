/* The checked ops that multiply by weights: linear layers, matrix products, convolutions. */
#include "ops/check.h"
#include "ops/rows.h"

/* Of an op that may add a residual: F32 where it does, since that is F32. */
static unsigned sum_type(const struct tensor *residual)
{
    return residual ? IS_F32 : IS_NARROW;
}

void op_linear(struct compute *compute, const struct linear *linear, struct tensor x, enum activation activation,
               const struct tensor *residual, struct tensor out)
{
    const char *const op = "op_linear";
    if (!CHECK_OPERANDS(compute, op, {"x", &x, IS_NARROW, shape_with_last(&x, linear->inputs)},
                        {"out", &out, sum_type(residual) | IS_OUT, shape_with_last(&x, linear->outputs)},
                        {"residual", residual, IS_IN_PLACE, shape_of(&out)}) ||
        !check_activation(compute, op, activation))
        return;
    struct rows rows = rows_join(compute, &x, &out, residual);
    while (rows_next(&rows)) {
        set_of(compute)->linear(compute, linear, rows.part[0], activation, residual ? &rows.part[2] : NULL,
                                rows.part[1]);
    }
}

void op_matmul_transposed(struct compute *compute, struct tensor a, struct tensor b, struct tensor out)
{
    const char *const op = "op_matmul_transposed";
    if (!CHECK_OPERANDS(compute, op, {"a", &a, IS_NARROW, SHAPE(ANY, ANY)}, {"b", &b, IS_NARROW, SHAPE(ANY, a.dim[1])},
                        {"out", &out, IS_OUT, SHAPE(a.dim[0], b.dim[0])}))
        return;
    if (a.dim[1] == 0)
        check_failed(compute, op, "a is %s: there is nothing to sum over", shape_text(&a).text);
    else if (tensor_count(&out) > 0)
        set_of(compute)->matmul_transposed(compute, a, b, out);
}

struct window {
    int64_t height, width;
    int stride, padding;
};

/* out[., y, x, .] is what windows of x[., h, w, .] give. */
static bool check_windows(struct compute *compute, const char *op, const struct tensor *x, const struct window *window,
                          const struct tensor *out)
{
    const int64_t room_down = x->dim[1] + 2 * (int64_t)window->padding - window->height;
    const int64_t room_across = x->dim[2] + 2 * (int64_t)window->padding - window->width;
    if (window->height < 1 || window->width < 1 || window->padding < 0 || room_down < 0 || room_across < 0) {
        return check_failed(compute, op, "x %s with padding %d is smaller than the kernel of %lld x %lld",
                            shape_text(x).text, window->padding, (long long)window->height, (long long)window->width);
    }
    const int64_t height = room_down / window->stride + 1, width = room_across / window->stride + 1;
    return (out->dim[1] == height && out->dim[2] == width) ||
           check_failed(compute, op, "out is %s where %lld x %lld windows fit into x %s", shape_text(out).text,
                        (long long)height, (long long)width, shape_text(x).text);
}

void op_conv2d(struct compute *compute, const struct conv2d *conv, struct tensor x, const struct tensor *residual,
               struct tensor out)
{
    const char *const op = "op_conv2d";
    const struct window window = {conv->kernel_height, conv->kernel_width, conv->stride, conv->padding};
    if (CHECK_OPERANDS(compute, op, {"x", &x, IS_NARROW, SHAPE(ANY, ANY, ANY, conv->inputs)},
                       {"out", &out, sum_type(residual) | IS_OUT, SHAPE(x.dim[0], ANY, ANY, conv->outputs)},
                       {"residual", residual, IS_IN_PLACE, shape_of(&out)}) &&
        check_windows(compute, op, &x, &window, &out) && tensor_count(&out) > 0)
        set_of(compute)->conv2d(compute, conv, x, residual, out);
}

void op_depthwise_conv2d(struct compute *compute, struct tensor x, struct tensor weight, struct tensor bias,
                         int padding, struct tensor out)
{
    const char *const op = "op_depthwise_conv2d";
    const struct window window = {weight.dim[0], weight.dim[1], 1, padding};
    if (CHECK_OPERANDS(compute, op, {"x", &x, IS_F32, SHAPE(ANY, ANY, ANY, ANY)},
                       {"weight", &weight, IS_F32, SHAPE(ANY, ANY, x.dim[3])}, {"bias", &bias, IS_F32, SHAPE(x.dim[3])},
                       {"out", &out, IS_OUT, SHAPE(x.dim[0], ANY, ANY, x.dim[3])}) &&
        check_windows(compute, op, &x, &window, &out) && tensor_count(&out) > 0)
        set_of(compute)->depthwise_conv2d(compute, x, weight, bias, padding, out);
}
