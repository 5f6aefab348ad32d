/* The encoder's and neck's part of config.json, and the plan of the encoder's blocks. */
#include "models/sam2/config_parts.h"

#include "nn/activation.h"

#include <string.h>

/* The lists of backbone_config, one entry a stage. */
struct stage_lists {
    int64_t blocks[SAM2_MAX_STAGES], dims[SAM2_MAX_STAGES], heads[SAM2_MAX_STAGES], windows[SAM2_MAX_STAGES];
    int64_t global[SAM2_MAX_BLOCKS];
    int global_count;
    int pool;
    int64_t pool_stages;
};

/* A list with one entry a stage; the first one read says how many stages there are. */
static int read_stages(const struct config *file, const struct config_node *node, const char *key,
                       const int64_t fallback[4], int64_t maximum, int *stages, int64_t *out)
{
    int count;
    const int status = config_int_list(file, node, key, SAM2_MAX_STAGES, 1, maximum, out, &count);
    if (status != 0)
        return status;
    if (count < 0) {
        memcpy(out, fallback, 4 * sizeof(*out));
        count = 4;
    }
    *stages = *stages == 0 ? count : *stages;
    return count == *stages ? 0 : config_error(file, "%s: %d entries for %d stages", key, count, *stages);
}

static int read_lists(const struct config *file, const struct config_node *node, int *stages, struct stage_lists *lists)
{
    static const int64_t blocks[4] = {1, 2, 7, 2}, dims[4] = {96, 192, 384, 768}, heads[4] = {1, 2, 4, 8},
                         windows[4] = {8, 4, 14, 7}, global[3] = {5, 7, 9};
    int status = read_stages(file, node, "blocks_per_stage", blocks, SAM2_MAX_BLOCKS, stages, lists->blocks);
    if (status != 0 ||
        (status = read_stages(file, node, "embed_dim_per_stage", dims, SAM2_MAX_WIDTH, stages, lists->dims)) != 0 ||
        (status = read_stages(file, node, "num_attention_heads_per_stage", heads, SAM2_MAX_WIDTH, stages,
                              lists->heads)) != 0 ||
        (status = read_stages(file, node, "window_size_per_stage", windows, SAM2_MAX_SIDE, stages, lists->windows)) !=
            0 ||
        (status = config_int_list(file, node, "global_attention_blocks", SAM2_MAX_BLOCKS, 0, SAM2_MAX_BLOCKS,
                                  lists->global, &lists->global_count)) != 0 ||
        (status = sam2_read_side(file, node, "query_stride", 2, 1, SAM2_MAX_SIDE, &lists->pool)) != 0)
        return status;
    if (lists->global_count < 0) {
        memcpy(lists->global, global, sizeof(global));
        lists->global_count = 3;
    }
    return config_int(file, node, "num_query_pool_stages", 3, 0, SAM2_MAX_STAGES, &lists->pool_stages);
}

static bool is_global(const struct stage_lists *lists, int block)
{
    for (int i = 0; i < lists->global_count; i++)
        if (lists->global[i] == block)
            return true;
    return false;
}

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* What the reference cannot compute is refused here, where the numbers have names. */
static int check_block(const struct config *file, int index, const struct sam2_block_config *block)
{
    if (block->dim % block->heads != 0) {
        return config_error(file, "block %d: %lld channels do not divide into %lld heads", index, (long long)block->dim,
                            (long long)block->heads);
    }
    if (block->pool == 1)
        return 0;
    if (block->window == 0)
        return config_error(file, "global_attention_blocks: block %d starts a stage, which needs a window", index);
    const int64_t pooled = block->window / block->pool;
    if (block->dim_in == block->dim || pooled < 1 || block->side < 1 ||
        ceil_div(block->side, pooled) != ceil_div(block->side_in, block->window)) {
        return config_error(file,
                            "block %d: a map of %lld with %lld channels in windows of %lld cannot be pooled by %d to "
                            "%lld channels",
                            index, (long long)block->side_in, (long long)block->dim_in, (long long)block->window,
                            block->pool, (long long)block->dim);
    }
    return 0;
}

/* Where a stage begins, its first block still has the stage before's window. */
static int plan_blocks(const struct config *file, const struct stage_lists *lists, struct sam2_config *out)
{
    int64_t side = out->stage_side[0];
    for (int stage = 0; stage < out->stages; stage++) {
        for (int64_t i = 0; i < lists->blocks[stage]; i++) {
            if (out->blocks == SAM2_MAX_BLOCKS)
                return config_error(file, "blocks_per_stage: more than %d blocks", SAM2_MAX_BLOCKS);
            const bool enters = stage > 0 && i == 0;
            struct sam2_block_config *block = &out->block[out->blocks];
            *block = (struct sam2_block_config){
                .side_in = side,
                .dim_in = lists->dims[enters ? stage - 1 : stage],
                .dim = lists->dims[stage],
                .heads = lists->heads[stage],
                .window = is_global(lists, out->blocks) ? 0 : lists->windows[enters ? stage - 1 : stage],
                .pool = enters && stage <= lists->pool_stages ? lists->pool : 1,
                .ends_stage = i == lists->blocks[stage] - 1,
            };
            side /= block->pool;
            block->side = side;
            const int status = check_block(file, out->blocks, block);
            if (status != 0)
                return status;
            out->blocks++;
        }
        out->stage_side[stage] = side;
        out->stage_dim[stage] = lists->dims[stage];
    }
    return 0;
}

static int read_backbone(const struct config *file, const struct config_node *vision, struct sam2_config *out)
{
    const struct config_node *node;
    struct stage_lists lists = {0};
    int64_t channels;
    int count;
    int status = config_object(file, vision, "backbone_config", &node);
    if (status != 0 || (status = config_int(file, node, "num_channels", 3, 1, 1024, &channels)) != 0 ||
        (status = sam2_read_side(file, node, "patch_kernel_size", 7, 1, 256, &out->patch_kernel)) != 0 ||
        (status = sam2_read_side(file, node, "patch_stride", 4, 1, 256, &out->patch_stride)) != 0 ||
        (status = sam2_read_side(file, node, "patch_padding", 3, 0, 256, &out->patch_padding)) != 0 ||
        (status = config_int_list(file, node, "window_positional_embedding_background_size", 2, 1, SAM2_MAX_SIDE,
                                  out->background_side, &count)) != 0 ||
        (status = config_number(file, node, "mlp_ratio", 4.0, 1e-3, 1024.0, &out->mlp_ratio)) != 0 ||
        (status = sam2_read_number(file, node, "layer_norm_eps", 1e-6, 0.0, 1.0, &out->eps)) != 0 ||
        (status = model_read_activation(file, node, "hidden_act", "gelu", &out->activation)) != 0 ||
        (status = read_lists(file, node, &out->stages, &lists)) != 0)
        return status;
    if (count < 0)
        out->background_side[0] = out->background_side[1] = 7;
    else if (count != 2)
        return config_error(file, "window_positional_embedding_background_size: a height and a width are needed");
    if (channels != 3)
        return config_error(file, "num_channels: %lld is not supported, only 3 (RGB)", (long long)channels);
    const int64_t room = out->image_size + 2 * (int64_t)out->patch_padding - out->patch_kernel;
    out->stage_side[0] = room < 0 ? 0 : room / out->patch_stride + 1;
    out->position_window = lists.windows[0];
    if (out->stage_side[0] < 1 || out->stage_side[0] % out->position_window != 0) {
        return config_error(file, "the map of %lld patches a side is not a multiple of the first window %lld",
                            (long long)out->stage_side[0], (long long)out->position_window);
    }
    return plan_blocks(file, &lists, out);
}

static int read_neck(const struct config *file, const struct config_node *vision, struct sam2_config *out)
{
    int64_t width, levels, top_down[SAM2_MAX_STAGES] = {2, 3};
    int count, stride;
    int status = config_int(file, vision, "fpn_hidden_size", 256, 1, SAM2_MAX_WIDTH, &width);
    if (status != 0 || (status = config_int(file, vision, "num_feature_levels", 3, 1, 16, &levels)) != 0 ||
        (status = sam2_read_side(file, vision, "fpn_kernel_size", 1, 1, 31, &out->neck_kernel)) != 0 ||
        (status = sam2_read_side(file, vision, "fpn_stride", 1, 1, 31, &stride)) != 0 ||
        (status = sam2_read_side(file, vision, "fpn_padding", 0, 0, 31, &out->neck_padding)) != 0 ||
        (status = config_int_list(file, vision, "fpn_top_down_levels", SAM2_MAX_STAGES, 0, 64, top_down, &count)) != 0)
        return status;
    count = count < 0 ? 2 : count;
    for (int i = 0; i < count; i++) {
        /* The lowest stage has nothing below it to add. */
        if (top_down[i] < out->stages - 1)
            out->top_down[top_down[i]] = true;
    }
    if (width != out->width) {
        return config_error(file, "fpn_hidden_size %lld must equal prompt_encoder_config's hidden_size %lld",
                            (long long)width, (long long)out->width);
    }
    if (levels != SAM2_LEVELS || out->stages < SAM2_LEVELS) {
        return config_error(file, "num_feature_levels: %lld of %d stages: the mask decoder takes 3", (long long)levels,
                            out->stages);
    }
    if (stride != 1 || out->neck_kernel != 2 * out->neck_padding + 1) {
        return config_error(file, "fpn_kernel_size %d with stride %d and padding %d changes a map's size",
                            out->neck_kernel, stride, out->neck_padding);
    }
    return 0;
}

int sam2_config_vision(const struct config *file, struct sam2_config *out)
{
    const struct config_node *vision;
    int64_t channels[SAM2_MAX_STAGES];
    int count;
    int status = config_object(file, config_root(file), "vision_config", &vision);
    if (status != 0 || (status = read_backbone(file, vision, out)) != 0 ||
        (status = read_neck(file, vision, out)) != 0 ||
        (status = config_int_list(file, vision, "backbone_channel_list", SAM2_MAX_STAGES, 1, SAM2_MAX_WIDTH, channels,
                                  &count)) != 0)
        return status;
    for (int i = 0; i < count; i++)
        if (count != out->stages || channels[i] != out->stage_dim[out->stages - 1 - i])
            return config_error(file, "backbone_channel_list is not embed_dim_per_stage from last to first");
    for (int i = 0; i + 1 < out->stages; i++) {
        if ((i < SAM2_LEVELS - 1 || out->top_down[i]) && out->stage_side[i] != 2 * out->stage_side[i + 1]) {
            return config_error(file, "stage %d has a map of %lld, stage %d one of %lld: half of it is needed", i,
                                (long long)out->stage_side[i], i + 1, (long long)out->stage_side[i + 1]);
        }
    }
    if (out->stage_side[SAM2_LEVELS - 1] != out->grid) {
        return config_error(file, "the encoder's map of %lld does not fit the prompt encoder's grid of %lld",
                            (long long)out->stage_side[SAM2_LEVELS - 1], (long long)out->grid);
    }
    return 0;
}
