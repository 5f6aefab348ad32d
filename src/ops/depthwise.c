/* The checked op of depthwise convolution. */
#include "ops/check.h"

void op_depthwise_conv2d(struct compute *compute, struct tensor x, struct tensor weight, struct tensor bias,
                         int padding, struct tensor out)
{
    const char *op = "op_depthwise_conv2d";
    if (compute_status(compute) != 0 || !check_tensor(compute, op, "x", &x, DTYPE_F32, 4) ||
        !check_tensor(compute, op, "weight", &weight, DTYPE_F32, 3) ||
        !check_tensor(compute, op, "bias", &bias, DTYPE_F32, 1) ||
        !check_tensor(compute, op, "out", &out, DTYPE_F32, 4) ||
        !CHECK_SHAPE(compute, op, "weight", &weight, weight.dim[0], weight.dim[1], x.dim[3]) ||
        !CHECK_SHAPE(compute, op, "bias", &bias, x.dim[3]))
        return;
    const int64_t height = x.dim[1] + 2 * (int64_t)padding - weight.dim[0] + 1;
    const int64_t width = x.dim[2] + 2 * (int64_t)padding - weight.dim[1] + 1;
    if (padding < 0 || height < 0 || width < 0 || weight.dim[0] < 1 || weight.dim[1] < 1) {
        check_failed(compute, op, "x %s with padding %d is smaller than the kernel %s", shape_text(4, x.dim).text,
                     padding, shape_text(3, weight.dim).text);
        return;
    }
    if (CHECK_SHAPE(compute, op, "out", &out, x.dim[0], height, width, x.dim[3]) &&
        check_overlap(compute, op, "x", &x, &out, false) &&
        check_overlap(compute, op, "weight", &weight, &out, false) &&
        check_overlap(compute, op, "bias", &bias, &out, false) && tensor_count(&out) > 0)
        compute_device(compute)->set->depthwise_conv2d(compute, x, weight, bias, padding, out);
}
