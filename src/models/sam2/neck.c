/* The feature pyramid (Lin et al. 2017): a lateral convolution for each stage, coarse maps added to finer
 * ones, and what the mask decoder wants of the two finest ones, in the order it wants it. */
#include "models/sam2/forward.h"

/* coarse [1, h, w, c] -> out [1, 2 h, 2 w, c], nearest. */
static void upsample(struct compute *compute, struct tensor coarse, struct tensor out)
{
    const int64_t height = coarse.dim[1], width = coarse.dim[2], channels = coarse.dim[3];
    struct tensor each = TENSOR_RESHAPE(coarse, height, 1, width, 1, channels);
    op_copy(compute, tensor_repeat(tensor_repeat(each, 1, 2), 3, 2),
            TENSOR_RESHAPE(out, height, 2, width, 2, channels));
}

/* map [2 h, 2 w, c] -> out [h * w * 4, c]: pixels of 2 x 2 blocks behind each other. */
static void gather_blocks(struct compute *compute, int64_t height, int64_t width, int64_t channels, struct tensor map,
                          struct tensor out)
{
    op_copy(compute, tensor_swap_axes(TENSOR_RESHAPE(map, height, 2, width, 2, channels), 1, 2),
            TENSOR_RESHAPE(out, height, width, 2, 2, channels));
}

/* The map of stage 0 or 1 that the decoder takes, [side, side, outputs]; lateral is that stage's where the two
 * convolutions are apart. */
static void level_map(const struct sam2 *model, struct compute *compute, int stage, const struct tensor *maps,
                      struct tensor lateral, struct tensor out)
{
    const struct sam2_weights *weights = &model->weights;
    const int64_t side = model->config.stage_side[stage], dim = model->config.stage_dim[stage];
    if (weights->level_of_stage[stage])
        op_conv2d(compute, weights->level_of_stage[stage], TENSOR_RESHAPE(maps[stage], 1, side, side, dim), NULL, out);
    else
        op_linear(compute, weights->level_of_lateral[stage], lateral, ACTIVATION_NONE, NULL, out);
}

/* lateral(stage's map), plus the coarser level upsampled where the configuration says so. */
static struct tensor lateral_map(const struct sam2 *model, struct compute *compute, int stage,
                                 const struct tensor *maps, struct tensor coarser)
{
    const struct sam2_config *config = &model->config;
    const int64_t side = config->stage_side[stage], width = config->width;
    struct tensor out = COMPUTE_TENSOR(compute, DTYPE_F32, 1, side, side, width);
    if (config->top_down[stage])
        upsample(compute, coarser, out);
    op_conv2d(compute, model->weights.lateral[stage],
              TENSOR_RESHAPE(maps[stage], 1, side, side, config->stage_dim[stage]),
              config->top_down[stage] ? &out : NULL, out);
    return out;
}

void sam2_neck(const struct sam2 *model, struct compute *compute, const struct tensor *maps,
               const struct model_trace *trace, const struct sam2_features *features)
{
    const struct sam2_config *config = &model->config;
    const int64_t grid = config->grid, width = config->width;
    struct tensor level[SAM2_MAX_STAGES] = {0};
    for (int stage = config->stages - 1; stage >= 0; stage--) {
        const bool unused = stage >= SAM2_LEVELS && !config->top_down[stage - 1];
        if (model->weights.lateral[stage] && !unused) {
            level[stage] = lateral_map(model, compute, stage, maps, level[stage + 1 < config->stages ? stage + 1 : 0]);
            model_emit_numbered(trace, compute, level[stage], "fpn.%d", stage);
        }
    }
    op_add(compute, TENSOR_RESHAPE(level[SAM2_LEVELS - 1], grid * grid, width), model->weights.no_memory,
           features->embedding);
    model_emit(trace, compute, features->embedding, "image_embedding");

    const size_t mark = compute_mark(compute);
    struct tensor middle = COMPUTE_TENSOR(compute, DTYPE_F32, 1, 2 * grid, 2 * grid, width / 4);
    level_map(model, compute, 1, maps, level[1], middle);
    model_emit(trace, compute, middle, "s1");
    gather_blocks(compute, grid, grid, width / 4, middle, features->middle);
    compute_release(compute, mark);

    struct tensor fine = COMPUTE_TENSOR(compute, DTYPE_F32, 1, 4 * grid, 4 * grid, width / 8);
    struct tensor blocks = COMPUTE_TENSOR(compute, DTYPE_F32, 4 * grid * grid, width / 2);
    level_map(model, compute, 0, maps, level[0], fine);
    model_emit(trace, compute, fine, "s0");
    gather_blocks(compute, 2 * grid, 2 * grid, width / 8, fine, blocks);
    gather_blocks(compute, grid, grid, width / 2, blocks, features->fine);
    compute_release(compute, mark);
}
