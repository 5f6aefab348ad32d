/* Prompts and masks: points as tokens, masks out of a grid, the choice among them, their parts. */
#include "ops/cuda/cuda.h"

#include "base/error.h"

enum { THREADS = 256 };

/* A few pixels of a grid become masks with narrow factors: the widths that a kernel has been made for. */
static bool upscale_models(struct compute *compute, struct upscale_arguments *a)
{
    enum {
        WIDTH = 256,
        WIDTH1 = 64,
        WIDTH2 = 32,
        MOST_MASKS = 8,
        PITCH = 128 + 8,
        WARPS = 6,
        TILE = 16,
        MOST_PIXELS = 1 << 20
    };
    const struct cuda_device *const cuda = cuda_of(compute_device(compute));
    const size_t shared = (size_t)(WIDTH + WIDTH1) * PITCH * dtype_size(DTYPE_BF16);
    if (compute_narrow(compute) != DTYPE_BF16 || a->width != WIDTH || a->width1 != WIDTH1 || a->width2 != WIDTH2 ||
        a->masks > MOST_MASKS || a->batch * a->pixels > MOST_PIXELS || shared > cuda->shared_bytes)
        return false;
    const void *const read[] = {a->x,       a->weight1, a->bias1,     a->features1, a->gamma, a->beta,
                                a->weight2, a->bias2,   a->features2, a->hyper,     a->out};
    if (!cuda_are_aligned(read, sizeof(read) / sizeof(read[0])))
        return false;
    const int64_t tiles = a->batch * ((a->pixels + TILE - 1) / TILE);
    const int64_t workers = tiles < cuda->multiprocessors ? tiles : cuda->multiprocessors;
    cuda_launch(compute, KERNEL_upscale_256, (struct cuda_grid){2 * workers, 1, 1}, 32 * WARPS, shared, a);
    return true;
}

void cuda_upscale_masks(struct compute *compute, const struct mask_upscaling *u, struct tensor out)
{
    enum { TAPS = 4, MOST_PIXELS = 8 };
    struct upscale_arguments a = {
        .x = cuda_data(u->x),
        .weight1 = cuda_data(u->weight1),
        .bias1 = cuda_data(u->bias1),
        .features1 = cuda_data(u->features1),
        .gamma = cuda_data(u->gamma),
        .beta = cuda_data(u->beta),
        .weight2 = cuda_data(u->weight2),
        .bias2 = cuda_data(u->bias2),
        .features2 = cuda_data(u->features2),
        .hyper = cuda_data(u->hyper),
        .out = cuda_data(out),
        .batch = out.dim[0],
        .pixels = u->x.dim[1],
        .side = out.dim[2] / 4,
        .width = u->x.dim[2],
        .width1 = u->gamma.dim[0],
        .width2 = u->hyper.dim[2],
        .masks = out.dim[1],
        .tile = MOST_PIXELS,
        .eps = u->eps,
    };
    if (upscale_models(compute, &a))
        return;
    const int64_t room = (int64_t)(cuda_of(compute_device(compute))->shared_bytes / sizeof(float));
    const int64_t of_pixel = a.width + TAPS * a.width1 + TAPS * TAPS * a.width2;
    while (a.tile > 1 && a.tile * of_pixel > room)
        a.tile /= 2;
    if (a.tile * of_pixel > room) {
        compute_fail(compute, error_set(SOWLV2_ERROR_UNSUPPORTED,
                                        "op_upscale_masks: %lld values a pixel do not fit into what a block of this "
                                        "GPU may have: use --device cpu",
                                        (long long)of_pixel));
        return;
    }
    cuda_launch(compute, compute_narrow(compute) == DTYPE_F32 ? KERNEL_upscale_exact : KERNEL_upscale_rounded,
                (struct cuda_grid){(a.pixels + a.tile - 1) / a.tile, out.dim[0], 1}, THREADS,
                (size_t)(a.tile * of_pixel) * sizeof(float), &a);
}

void cuda_embed_points(struct compute *compute, const struct point_embedding *embedding, struct tensor points,
                       struct tensor kinds, struct tensor out)
{
    const struct points_arguments a = {
        .fourier = cuda_data(embedding->fourier),
        .kinds = cuda_data(embedding->kinds),
        .not_a_point = cuda_data(embedding->not_a_point),
        .points = cuda_data(points),
        .kind = cuda_data(kinds),
        .out = cuda_data(out),
        .out_stride = {out.stride[0], out.stride[1]},
        .tokens = out.dim[1],
        .half = out.dim[2] / 2,
        .known = embedding->kinds.dim[0],
        .count = tensor_count(&out) / 2,
    };
    cuda_launch_each(compute, KERNEL_embed_points, a.count, &a);
}

void cuda_choose_mask(struct compute *compute, const struct mask_choice *choice, struct tensor masks,
                      struct tensor scores, struct tensor index)
{
    const struct choose_arguments a = {
        .masks = cuda_data(masks),
        .scores = cuda_data(scores),
        .index = cuda_data(index),
        .planes = masks.dim[1],
        .area = masks.dim[2],
        .several = choice->several,
        .fallback = choice->fallback,
        .delta = choice->delta,
        .threshold = choice->threshold,
    };
    enum { CHOICE_THREADS = 1024 };
    cuda_launch(compute, KERNEL_choose_mask, (struct cuda_grid){masks.dim[0], 1, 1}, CHOICE_THREADS, 0, &a);
}

/* Each pixel points to one of its part, at last to its first; those are counted. */
void cuda_clean_masks(struct compute *compute, struct tensor masks, float threshold, int64_t hole_area,
                      int64_t sprinkle_area)
{
    const int64_t count = tensor_count(&masks);
    const size_t mark = compute_mark(compute);
    const struct tensor labels = COMPUTE_TENSOR(compute, DTYPE_I32, count),
                        areas = COMPUTE_TENSOR(compute, DTYPE_I32, count);
    const struct clean_arguments a = {
        .masks = cuda_data(masks),
        .labels = cuda_data(labels),
        .areas = cuda_data(areas),
        .height = masks.dim[1],
        .width = masks.dim[2],
        .count = count,
        .hole_area = hole_area,
        .sprinkle_area = sprinkle_area,
        .threshold = threshold,
    };
    cuda_launch_each(compute, KERNEL_clean_begin, count, &a);
    cuda_launch_each(compute, KERNEL_clean_join, count, &a);
    cuda_launch_each(compute, KERNEL_clean_count, count, &a);
    cuda_launch_each(compute, KERNEL_clean_end, count, &a);
    compute_release(compute, mark);
}

void cuda_separate_masks(struct compute *compute, struct tensor masks, float outside)
{
    const struct separate_arguments a = {
        .masks = cuda_data(masks),
        .count = masks.dim[0],
        .area = masks.dim[1],
        .outside = outside,
    };
    cuda_launch_each(compute, KERNEL_separate_masks, a.area, &a);
}
