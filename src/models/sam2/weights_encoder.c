/* The encoder's and neck's weights. */
#include "models/sam2/positions.h"
#include "models/sam2/weights.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const BACKBONE = "vision_encoder.backbone.";

static void load_positions(struct loader *loader, const struct sam2_config *config, struct sam2_weights *out)
{
    const int64_t channels = config->stage_dim[0], side = config->block[0].side_in, window = config->position_window;
    const int64_t height = config->background_side[0], width = config->background_side[1];
    const struct host_tensor *background =
        loader_tensor(loader, false, LOADER_DIMS(1, channels, height, width), "%spos_embed", BACKBONE);
    const struct host_tensor *tile =
        loader_tensor(loader, false, LOADER_DIMS(1, channels, window, window), "%spos_embed_window", BACKBONE);
    float *large = NULL, *small = NULL;
    loader_host(loader, background, &large);
    loader_host(loader, tile, &small);
    if (loader_preparing(loader)) {
        float *const positions = malloc((size_t)(side * side * channels) * sizeof(*positions));
        loader_fail(loader, !positions ? error_memory("position embedding")
                                       : sam2_encoder_positions(large, height, width, small, window, channels, side,
                                                                positions));
        loader_values(loader, positions, LOADER_DIMS(1, side, side, channels), &out->positions);
        free(positions);
    }
    free(large);
    free(small);
}

static void load_block(struct loader *loader, const struct sam2_config *config, int index, struct sam2_block *out)
{
    const struct sam2_block_config *block = &config->block[index];
    const int64_t in = block->dim_in, dim = block->dim, hidden = (int64_t)((double)dim * config->mlp_ratio);
    const int64_t rows = block->side * block->side;
    char prefix[64];
    snprintf(prefix, sizeof(prefix), "%sblocks.%d.", BACKBONE, index);
    loader_norm(loader, in, prefix, "layer_norm1", &out->norm1);
    loader_norm(loader, dim, prefix, "layer_norm2", &out->norm2);
    parameters_let_int8(loader->parameters, index > 0); /* as loader_blocks() has it */
    loader_linear(loader, rows, 3 * dim, in, prefix, "attn.qkv", &out->qkv);
    loader_linear(loader, rows, dim, dim, prefix, "attn.proj", &out->out);
    loader_linear(loader, rows, hidden, dim, prefix, "mlp.proj_in", &out->fc1);
    loader_linear(loader, rows, dim, hidden, prefix, "mlp.proj_out", &out->fc2);
    parameters_let_int8(loader->parameters, false);
    if (in != dim)
        loader_linear(loader, rows, dim, in, prefix, "proj", &out->skip);
}

/* What a neck's level is made of, on the host. */
struct level_source {
    const struct host_tensor *lateral, *lateral_bias; /* [width, dim, k, k], [width] */
    const struct host_tensor *level, *level_bias;     /* [outputs, width, 1, 1], [outputs] */
    int64_t outputs, width, taps;                     /* taps = dim * k * k */
};

/* joined [outputs][taps] = level lateral; its bias behind it. */
static void multiply(const struct level_source *source, const float *lateral, const float *lateral_bias,
                     const float *level, const float *level_bias, float *joined)
{
    for (int64_t o = 0; o < source->outputs; o++) {
        const float *row = level + o * source->width;
        for (int64_t t = 0; t < source->taps; t++) {
            double sum = 0.0;
            for (int64_t i = 0; i < source->width; i++)
                sum += (double)row[i] * (double)lateral[i * source->taps + t];
            joined[o * source->taps + t] = (float)sum;
        }
        double sum = (double)level_bias[o];
        for (int64_t i = 0; i < source->width; i++)
            sum += (double)row[i] * (double)lateral_bias[i];
        joined[source->outputs * source->taps + o] = (float)sum;
    }
}

/* Lateral convolution and level's convolution as one. */
static void join_level(struct loader *loader, const struct sam2_config *config, const struct level_source *source,
                       const struct conv2d **out)
{
    float *lateral = NULL, *lateral_bias = NULL, *level = NULL, *level_bias = NULL, *joined = NULL;
    loader_host(loader, source->lateral, &lateral);
    loader_host(loader, source->lateral_bias, &lateral_bias);
    loader_host(loader, source->level, &level);
    loader_host(loader, source->level_bias, &level_bias);
    if (loader_preparing(loader)) {
        const size_t count = (size_t)(source->outputs * source->taps);
        joined = malloc((count + (size_t)source->outputs) * sizeof(*joined));
        if (!joined) {
            loader_fail(loader, error_memory("a convolution"));
        } else {
            multiply(source, lateral, lateral_bias, level, level_bias, joined);
            struct host_tensor weight = *source->lateral, bias = *source->level_bias;
            weight.dtype = bias.dtype = DTYPE_F32;
            weight.dim[0] = source->outputs;
            weight.data = joined;
            weight.bytes = count * sizeof(*joined);
            bias.data = joined + count;
            bias.bytes = (size_t)source->outputs * sizeof(*joined);
            loader_fail(loader, parameters_conv2d(loader->parameters, &weight, &bias, 1, config->neck_padding, out));
        }
    }
    free(lateral);
    free(lateral_bias);
    free(level);
    free(level_bias);
    free(joined);
}

static void load_level(struct loader *loader, const struct sam2_config *config, int stage, struct sam2_weights *out)
{
    const int64_t width = config->width, dim = config->stage_dim[stage], kernel = config->neck_kernel;
    const int conv = config->stages - 1 - stage; /* numbered from the lowest resolution */
    struct level_source source = {.width = width, .taps = dim * kernel * kernel};
    source.lateral = loader_tensor(loader, false, LOADER_DIMS(width, dim, kernel, kernel),
                                   "vision_encoder.neck.convs.%d.weight", conv);
    source.lateral_bias = loader_tensor(loader, false, LOADER_DIMS(width), "vision_encoder.neck.convs.%d.bias", conv);
    const bool high_resolution = stage < SAM2_LEVELS - 1;
    if (high_resolution) {
        source.outputs = stage == 0 ? width / 8 : width / 4;
        source.level = loader_tensor(loader, false, LOADER_DIMS(source.outputs, width, 1, 1),
                                     "mask_decoder.conv_s%d.weight", stage);
        source.level_bias =
            loader_tensor(loader, false, LOADER_DIMS(source.outputs), "mask_decoder.conv_s%d.bias", stage);
        const bool alone = !config->top_down[stage] && (stage == 0 || !config->top_down[stage - 1]);
        if (alone) {
            join_level(loader, config, &source, &out->level_of_stage[stage]);
            return;
        }
    }
    loader_prepare_conv2d(loader, source.lateral, source.lateral_bias, 1, config->neck_padding, &out->lateral[stage]);
    if (high_resolution && loader_preparing(loader)) {
        struct host_tensor matrix = *source.level;
        matrix.rank = 2;
        const struct host_tensor *const weight[] = {&matrix}, *const bias[] = {source.level_bias};
        loader_prepare_linear(loader, config->stage_side[stage] * config->stage_side[stage], 1, weight, bias,
                              &out->level_of_lateral[stage]);
    }
}

void sam2_load_encoder(struct loader *loader, const struct sam2_config *config, struct sam2_weights *out)
{
    loader_conv2d(loader, config->stage_dim[0], 3, config->patch_kernel, config->patch_stride, config->patch_padding,
                  "vision_encoder.backbone.patch_embed.projection", &out->patch);
    load_positions(loader, config, out);
    out->blocks = loader_layers(loader, config->blocks, sizeof(*out->blocks), out->blocks);
    for (int i = 0; i < config->blocks && out->blocks; i++)
        load_block(loader, config, i, &out->blocks[i]);
    for (int stage = 0; stage < config->stages; stage++)
        load_level(loader, config, stage, out);
}
