/* The checked ops of prompts and masks: points as tokens, the choice among masks, their small parts. */
#include "ops/check.h"

static bool skip(const struct compute *compute)
{
    return compute_status(compute) != 0;
}

static bool check_dense(struct compute *compute, const char *op, const char *name, const struct tensor *tensor,
                        enum dtype dtype, int rank)
{
    return check_tensor(compute, op, name, tensor, dtype, rank) &&
           (tensor_is_dense(tensor) ||
            check_failed(compute, op, "%s %s is not dense", name, shape_text(tensor->rank, tensor->dim).text));
}

void op_embed_points(struct compute *compute, const struct point_embedding *embedding, struct tensor points,
                     struct tensor kinds, struct tensor out)
{
    const char *const op = "op_embed_points";
    if (skip(compute) || !check_dense(compute, op, "points", &points, DTYPE_F32, 3) ||
        !check_dense(compute, op, "kinds", &kinds, DTYPE_I32, 2) ||
        !check_tensor(compute, op, "out", &out, DTYPE_F32, 3) ||
        !CHECK_SHAPE(compute, op, "points", &points, out.dim[0], out.dim[1], 2) ||
        !CHECK_SHAPE(compute, op, "kinds", &kinds, out.dim[0], out.dim[1]) ||
        !check_dense(compute, op, "fourier", &embedding->fourier, DTYPE_F32, 2) ||
        !check_dense(compute, op, "kinds", &embedding->kinds, DTYPE_F32, 2) ||
        !check_dense(compute, op, "not_a_point", &embedding->not_a_point, DTYPE_F32, 2))
        return;
    const int64_t width = out.dim[2];
    if (width % 2 != 0) {
        check_failed(compute, op, "out %s: its width is odd", shape_text(3, out.dim).text);
        return;
    }
    if (CHECK_SHAPE(compute, op, "fourier", &embedding->fourier, 2, width / 2) &&
        CHECK_SHAPE(compute, op, "kinds", &embedding->kinds, embedding->kinds.dim[0], width) &&
        CHECK_SHAPE(compute, op, "not_a_point", &embedding->not_a_point, 1, width) && tensor_count(&out) > 0)
        compute_device(compute)->set->embed_points(compute, embedding, points, kinds, out);
}

void op_choose_mask(struct compute *compute, const struct mask_choice *choice, struct tensor masks,
                    struct tensor scores, struct tensor index)
{
    const char *const op = "op_choose_mask";
    if (skip(compute) || !check_dense(compute, op, "masks", &masks, DTYPE_F32, 3) ||
        !check_dense(compute, op, "scores", &scores, DTYPE_F32, 2) ||
        !check_dense(compute, op, "index", &index, DTYPE_I32, 1) ||
        !CHECK_SHAPE(compute, op, "scores", &scores, masks.dim[0], masks.dim[1]) ||
        !CHECK_SHAPE(compute, op, "index", &index, masks.dim[0]))
        return;
    if (masks.dim[1] < (choice->several || choice->fallback ? 2 : 1))
        check_failed(compute, op, "masks are %s: there is nothing to choose from", shape_text(3, masks.dim).text);
    else if (masks.dim[0] > 0)
        compute_device(compute)->set->choose_mask(compute, choice, masks, scores, index);
}

void op_clean_masks(struct compute *compute, struct tensor masks, float threshold, int64_t hole_area,
                    int64_t sprinkle_area)
{
    const char *const op = "op_clean_masks";
    if (skip(compute) || !check_dense(compute, op, "masks", &masks, DTYPE_F32, 3))
        return;
    if (masks.dim[1] > INT16_MAX || masks.dim[2] > INT16_MAX)
        check_failed(compute, op, "masks %s are too large", shape_text(3, masks.dim).text);
    else if (tensor_count(&masks) > 0 && (hole_area > 0 || sprinkle_area > 0))
        compute_device(compute)->set->clean_masks(compute, masks, threshold, hole_area, sprinkle_area);
}

void op_separate_masks(struct compute *compute, struct tensor masks, float outside)
{
    if (skip(compute) || !check_dense(compute, "op_separate_masks", "masks", &masks, DTYPE_F32, 2))
        return;
    if (masks.dim[0] > 1 && masks.dim[1] > 0)
        compute_device(compute)->set->separate_masks(compute, masks, outside);
}
