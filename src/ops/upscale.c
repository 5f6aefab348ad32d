/* The checked op that turns a grid's pixels into masks. */
#include "ops/check.h"

static bool check_part(struct compute *compute, const char *op, const char *name, const struct tensor *tensor, int rank,
                       const int64_t *dim, const struct tensor *out)
{
    return check_tensor(compute, op, name, tensor, DTYPE_F32, rank) &&
           check_shape(compute, op, name, tensor, rank, dim) &&
           (tensor_is_dense(tensor) || check_failed(compute, op, "%s is not dense", name)) &&
           check_overlap(compute, op, name, tensor, out, false);
}
#define CHECK_PART(member, ...)                                                                                        \
    check_part(compute, op, #member, &u->member, (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),            \
               (int64_t[]){__VA_ARGS__}, &out)

void op_upscale_masks(struct compute *compute, const struct mask_upscaling *u, struct tensor out)
{
    const char *op = "op_upscale_masks";
    if (compute_status(compute) != 0 || !check_tensor(compute, op, "out", &out, DTYPE_F32, 4) ||
        !check_tensor(compute, op, "x", &u->x, DTYPE_F32, 3) ||
        !check_tensor(compute, op, "gamma", &u->gamma, DTYPE_F32, 1) ||
        !check_tensor(compute, op, "hyper", &u->hyper, DTYPE_F32, 3))
        return;
    const int64_t batch = out.dim[0], masks = out.dim[1], side = out.dim[2] / 4, pixels = side * side;
    const int64_t c = u->x.dim[2], c1 = u->gamma.dim[0], c2 = u->hyper.dim[2];
    if (!CHECK_SHAPE(compute, op, "out", &out, batch, masks, 4 * side, 4 * side))
        return;
    if (!tensor_is_dense(&out) || c == 0 || c1 == 0 || c2 == 0) {
        check_failed(compute, op, "out %s is not dense, or there are no channels", shape_text(4, out.dim).text);
        return;
    }
    if (CHECK_PART(x, batch, pixels, c) && CHECK_PART(weight1, c, 4 * c1) && CHECK_PART(bias1, 4 * c1) &&
        CHECK_PART(features1, pixels, 4 * c1) && CHECK_PART(gamma, c1) && CHECK_PART(beta, c1) &&
        CHECK_PART(weight2, c1, 4 * c2) && CHECK_PART(bias2, 4 * c2) && CHECK_PART(features2, 4 * pixels, 4 * c2) &&
        CHECK_PART(hyper, batch, masks, c2) && tensor_count(&out) > 0)
        compute_device(compute)->set->upscale_masks(compute, u, out);
}
