/* The checked ops of prompts and masks: points as tokens, masks out of a grid, the choice among them, their parts. */
#include "ops/check.h"

void op_embed_points(struct compute *compute, const struct point_embedding *embedding, struct tensor points,
                     struct tensor kinds, struct tensor out)
{
    const char *const op = "op_embed_points";
    const int64_t batch = out.dim[0], tokens = out.dim[1], width = out.dim[2];
    if (!CHECK_OPERANDS(compute, op, {"out", &out, IS_OUT, SHAPE(ANY, ANY, ANY)},
                        {"points", &points, IS_DENSE, SHAPE(batch, tokens, 2)},
                        {"kinds", &kinds, IS_I32 | IS_DENSE, SHAPE(batch, tokens)},
                        {"fourier", &embedding->fourier, IS_DENSE, SHAPE(2, width / 2)},
                        {"embedding of kinds", &embedding->kinds, IS_DENSE, SHAPE(ANY, width)},
                        {"not_a_point", &embedding->not_a_point, IS_DENSE, SHAPE(1, width)}))
        return;
    if (width % 2 != 0)
        check_failed(compute, op, "out is %s: its width is odd", shape_text(&out).text);
    else if (tensor_count(&out) > 0)
        set_of(compute)->embed_points(compute, embedding, points, kinds, out);
}

void op_upscale_masks(struct compute *compute, const struct mask_upscaling *u, struct tensor out)
{
    const char *const op = "op_upscale_masks";
    const int64_t batch = out.dim[0], masks = out.dim[1], side = out.dim[2] / 4;
    const int64_t c = u->x.dim[2], c1 = u->gamma.dim[0], c2 = u->hyper.dim[2];
    if (!CHECK_OPERANDS(
            compute, op, {"out", &out, IS_DENSE | IS_OUT, SHAPE(ANY, ANY, 4 * side, 4 * side)},
            {"x", &u->x, IS_DENSE, SHAPE(batch, side * side, ANY)}, {"gamma", &u->gamma, IS_DENSE, SHAPE(ANY)},
            {"beta", &u->beta, IS_DENSE, SHAPE(c1)}, {"hyper", &u->hyper, IS_DENSE, SHAPE(batch, masks, ANY)},
            {"weight1", &u->weight1, IS_DENSE, SHAPE(c, 4 * c1)}, {"bias1", &u->bias1, IS_DENSE, SHAPE(4 * c1)},
            {"features1", &u->features1, IS_DENSE, SHAPE(side * side, 4 * c1)},
            {"weight2", &u->weight2, IS_DENSE, SHAPE(c1, 4 * c2)}, {"bias2", &u->bias2, IS_DENSE, SHAPE(4 * c2)},
            {"features2", &u->features2, IS_DENSE, SHAPE(4 * side * side, 4 * c2)}))
        return;
    if (c == 0 || c1 == 0 || c2 == 0) {
        check_failed(compute, op, "%lld, %lld and %lld channels: each needs at least one", (long long)c, (long long)c1,
                     (long long)c2);
    } else if (tensor_count(&out) > 0) {
        set_of(compute)->upscale_masks(compute, u, out);
    }
}

void op_choose_mask(struct compute *compute, const struct mask_choice *choice, struct tensor masks,
                    struct tensor scores, struct tensor index)
{
    const char *const op = "op_choose_mask";
    const int least = choice->several || choice->fallback ? 2 : 1;
    if (!CHECK_OPERANDS(compute, op, {"masks", &masks, IS_DENSE, SHAPE(ANY, ANY, ANY)},
                        {"scores", &scores, IS_DENSE, SHAPE(masks.dim[0], masks.dim[1])},
                        {"index", &index, IS_I32 | IS_DENSE | IS_OUT, SHAPE(masks.dim[0])}))
        return;
    if (masks.dim[1] < least)
        check_failed(compute, op, "masks are %s: there is nothing to choose from", shape_text(&masks).text);
    else if (tensor_count(&index) > 0)
        set_of(compute)->choose_mask(compute, choice, masks, scores, index);
}

void op_clean_masks(struct compute *compute, struct tensor masks, float threshold, int64_t hole_area,
                    int64_t sprinkle_area)
{
    const char *const op = "op_clean_masks";
    if (!CHECK_OPERANDS(compute, op, {"masks", &masks, IS_DENSE | IS_OUT, SHAPE(ANY, ANY, ANY)}))
        return;
    if (masks.dim[1] > INT16_MAX || masks.dim[2] > INT16_MAX)
        check_failed(compute, op, "masks are %s: sides of at most %d are possible", shape_text(&masks).text, INT16_MAX);
    else if (tensor_count(&masks) > 0 && (hole_area > 0 || sprinkle_area > 0))
        set_of(compute)->clean_masks(compute, masks, threshold, hole_area, sprinkle_area);
}

void op_separate_masks(struct compute *compute, struct tensor masks, float outside)
{
    if (CHECK_OPERANDS(compute, "op_separate_masks", {"masks", &masks, IS_DENSE | IS_OUT, SHAPE(ANY, ANY)}) &&
        masks.dim[0] > 1 && masks.dim[1] > 0)
        set_of(compute)->separate_masks(compute, masks, outside);
}
