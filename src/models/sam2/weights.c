/* The two walks over a SAM 2 checkpoint, and the prompt encoder's and decoder's weights. */
#include "models/sam2/loader.h"
#include "models/sam2/positions.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKEN_ROWS = 64, PREFIX_BYTES = 96 }; /* tokens of some prompts at once */

/* Fourier features of the image's grid. */
static void load_image_positions(struct loader *loader, const struct sam2_config *config,
                                 const struct host_tensor *fourier, struct sam2_weights *out)
{
    const int64_t grid = config->grid, width = config->width;
    float *matrix = NULL;
    loader_host(loader, fourier, &matrix);
    if (loader_preparing(loader)) {
        const size_t bytes = (size_t)(grid * grid * width) * sizeof(float);
        out->image_positions_data = malloc(bytes);
        if (out->image_positions_data == NULL) {
            loader_fail(loader, error_memory("image positions"));
        } else {
            sam2_grid_positions(matrix, grid, width, out->image_positions_data);
            const struct host_tensor positions = {DTYPE_F32, 2, {grid * grid, width}, out->image_positions_data, bytes};
            loader_fail(loader, parameters_tensor(loader->parameters, &positions, &out->image_positions));
        }
    }
    free(matrix);
}

void sam2_load_prompt_encoder(struct loader *loader, const struct sam2_config *config, struct sam2_weights *out)
{
    const int64_t width = config->width, channels = config->mask_channels;
    const struct host_tensor *no_memory = loader_tensor(loader, false, LOADER_DIMS(1, 1, width), "no_memory_embedding");
    const struct host_tensor *image =
        loader_tensor(loader, false, LOADER_DIMS(2, width / 2), "shared_image_embedding.positional_embedding");
    /* Older releases tied the two and saved one. */
    const struct host_tensor *prompt =
        loader_tensor(loader, true, LOADER_DIMS(2, width / 2), "prompt_encoder.shared_embedding.positional_embedding");
    const struct host_tensor *kinds =
        loader_tensor(loader, false, LOADER_DIMS(config->point_kinds, width), "prompt_encoder.point_embed.weight");
    const struct host_tensor *none =
        loader_tensor(loader, false, LOADER_DIMS(1, width), "prompt_encoder.not_a_point_embed.weight");
    const struct host_tensor *no_mask =
        loader_tensor(loader, false, LOADER_DIMS(1, width), "prompt_encoder.no_mask_embed.weight");
    loader_device(loader, no_memory, LOADER_DIMS(1, width), &out->no_memory);
    loader_device(loader, no_mask, LOADER_DIMS(1, width), &out->no_mask);
    load_image_positions(loader, config, image, out);
    loader_host(loader, loader_preparing(loader) && prompt->data == NULL ? image : prompt, &out->prompt_fourier);
    loader_host(loader, kinds, &out->point_kinds);
    loader_host(loader, none, &out->not_a_point);

    const char *const mask = "prompt_encoder.mask_embed.";
    loader_conv2d(loader, channels / 4, 1, 2, 2, 0, "prompt_encoder.mask_embed.conv1", &out->mask_conv[0]);
    loader_conv2d(loader, channels, channels / 4, 2, 2, 0, "prompt_encoder.mask_embed.conv2", &out->mask_conv[1]);
    loader_conv2d(loader, width, channels, 1, 1, 0, "prompt_encoder.mask_embed.conv3", &out->mask_conv[2]);
    loader_norm(loader, channels / 4, mask, "layer_norm1", &out->mask_norm[0]);
    loader_norm(loader, channels, mask, "layer_norm2", &out->mask_norm[1]);
}

static void load_layer(struct loader *loader, const struct sam2_config *config, int index,
                       struct sam2_decoder_layer *out)
{
    const int64_t width = config->width, inner = width / config->downsample, pixels = config->grid * config->grid;
    char prefix[PREFIX_BYTES];
    snprintf(prefix, sizeof(prefix), "mask_decoder.transformer.layers.%d.", index);
    loader_linear_pair(loader, TOKEN_ROWS, width, width, prefix, "self_attn.q_proj", "self_attn.k_proj", &out->self_qk);
    loader_linear(loader, TOKEN_ROWS, width, width, prefix, "self_attn.v_proj", &out->self_v);
    loader_linear(loader, TOKEN_ROWS, width, width, prefix, "self_attn.o_proj", &out->self_out);
    loader_linear(loader, TOKEN_ROWS, inner, width, prefix, "cross_attn_token_to_image.q_proj", &out->token_q);
    loader_linear(loader, TOKEN_ROWS, width, inner, prefix, "cross_attn_token_to_image.o_proj", &out->token_out);
    loader_linear_pair(loader, pixels, inner, width, prefix, "cross_attn_token_to_image.k_proj",
                       "cross_attn_image_to_token.q_proj", &out->image_kq);
    loader_linear(loader, pixels, inner, width, prefix, "cross_attn_token_to_image.v_proj", &out->image_v);
    loader_linear(loader, TOKEN_ROWS, inner, width, prefix, "cross_attn_image_to_token.k_proj", &out->token_k);
    loader_linear(loader, TOKEN_ROWS, inner, width, prefix, "cross_attn_image_to_token.v_proj", &out->token_v);
    loader_linear(loader, pixels, width, inner, prefix, "cross_attn_image_to_token.o_proj", &out->image_out);
    loader_norm(loader, width, prefix, "layer_norm1", &out->norm1);
    loader_norm(loader, width, prefix, "layer_norm2", &out->norm2);
    loader_norm(loader, width, prefix, "layer_norm3", &out->norm3);
    loader_norm(loader, width, prefix, "layer_norm4", &out->norm4);
    /* The reference gives this feed-forward as many layers as the transformer has. */
    loader_feed_forward(loader, TOKEN_ROWS, width, config->decoder_mlp, width, config->decoder_layers, prefix, "mlp",
                        &out->mlp);
}

/* A transposed 2 x 2 convolution with stride 2 is a linear layer to 2 x 2 pixels:
 * weight [inputs, outputs, 2, 2] -> [2, 2, outputs, inputs]. */
static void load_upscale(struct loader *loader, int64_t rows, int64_t outputs, int64_t inputs, const char *name,
                         const struct linear **out)
{
    enum { TAPS = 4 };
    const struct host_tensor *weight =
        loader_tensor(loader, false, LOADER_DIMS(inputs, outputs, 2, 2), "mask_decoder.%s.weight", name);
    const struct host_tensor *bias = loader_tensor(loader, false, LOADER_DIMS(outputs), "mask_decoder.%s.bias", name);
    float *from = NULL, *to = NULL;
    loader_host(loader, weight, &from);
    loader_host(loader, bias, &to);
    if (loader_preparing(loader)) {
        const size_t count = (size_t)(TAPS * outputs * inputs);
        float *matrix = malloc((count + TAPS * (size_t)outputs) * sizeof(*matrix));
        if (matrix == NULL) {
            loader_fail(loader, error_memory("an upscaling layer"));
        } else {
            float *biases = matrix + count;
            for (int64_t tap = 0; tap < TAPS; tap++) {
                for (int64_t o = 0; o < outputs; o++) {
                    biases[tap * outputs + o] = to[o];
                    for (int64_t i = 0; i < inputs; i++) {
                        matrix[(tap * outputs + o) * inputs + i] = from[(i * outputs + o) * TAPS + tap];
                    }
                }
            }
            const struct host_tensor joined = {DTYPE_F32, 2, {TAPS * outputs, inputs}, matrix, count * sizeof(*matrix)};
            const struct host_tensor joined_bias = {
                DTYPE_F32, 1, {TAPS * outputs}, biases, TAPS * (size_t)outputs * sizeof(*biases)};
            const struct host_tensor *const weights[] = {&joined}, *const all_biases[] = {&joined_bias};
            loader_fail(loader, parameters_linear(loader->parameters, 1, weights, all_biases, rows, out));
            free(matrix);
        }
    }
    free(from);
    free(to);
}

/* Object score, IoU and mask tokens as one host matrix. */
static void load_output_tokens(struct loader *loader, const struct sam2_config *config, struct sam2_weights *out)
{
    const int64_t width = config->width;
    const struct host_tensor *object =
        loader_tensor(loader, false, LOADER_DIMS(1, width), "mask_decoder.obj_score_token.weight");
    const struct host_tensor *iou =
        loader_tensor(loader, false, LOADER_DIMS(1, width), "mask_decoder.iou_token.weight");
    const struct host_tensor *masks =
        loader_tensor(loader, false, LOADER_DIMS(config->mask_tokens, width), "mask_decoder.mask_tokens.weight");
    if (!loader_preparing(loader)) {
        return;
    }
    out->output_tokens = malloc((size_t)((2 + config->mask_tokens) * width) * sizeof(float));
    if (out->output_tokens == NULL) {
        loader_fail(loader, error_memory("mask tokens"));
        return;
    }
    loader_fail(loader, dtype_to_f32(object->dtype, object->data, width, out->output_tokens));
    loader_fail(loader, dtype_to_f32(iou->dtype, iou->data, width, out->output_tokens + width));
    loader_fail(loader,
                dtype_to_f32(masks->dtype, masks->data, config->mask_tokens * width, out->output_tokens + 2 * width));
}

void sam2_load_decoder(struct loader *loader, const struct sam2_config *config, struct sam2_weights *out)
{
    const int64_t width = config->width, inner = width / config->downsample, pixels = config->grid * config->grid;
    const char *const decoder = "mask_decoder.", *const final = "mask_decoder.transformer.final_attn_token_to_image.";
    load_output_tokens(loader, config, out);
    for (int i = 0; i < config->decoder_layers; i++) {
        load_layer(loader, config, i, &out->layers[i]);
    }
    loader_linear(loader, TOKEN_ROWS, inner, width, final, "q_proj", &out->final_q);
    loader_linear(loader, pixels, inner, width, final, "k_proj", &out->final_k);
    loader_linear(loader, pixels, inner, width, final, "v_proj", &out->final_v);
    loader_linear(loader, TOKEN_ROWS, width, inner, final, "o_proj", &out->final_out);
    loader_norm(loader, width, decoder, "transformer.layer_norm_final_attn", &out->final_norm);
    load_upscale(loader, pixels, width / 4, width, "upscale_conv1", &out->upscale1);
    load_upscale(loader, 4 * pixels, width / 8, width / 4, "upscale_conv2", &out->upscale2);
    loader_norm(loader, width / 4, decoder, "upscale_layer_norm", &out->upscale_norm);
    for (int i = 0; i < config->mask_tokens; i++) {
        char name[PREFIX_BYTES];
        snprintf(name, sizeof(name), "output_hypernetworks_mlps.%d", i);
        loader_feed_forward(loader, TOKEN_ROWS, width, width, width / 8, 3, decoder, name, &out->hypernetworks[i]);
    }
    loader_feed_forward(loader, TOKEN_ROWS, width, config->iou_width, config->mask_tokens, config->iou_depth, decoder,
                        "iou_prediction_head", &out->iou_head);
    loader_feed_forward(loader, TOKEN_ROWS, width, width, 1, 3, decoder, "pred_obj_score_head", &out->object_head);
}

static void walk(struct loader *loader, const struct sam2_config *config, struct sam2_weights *out)
{
    sam2_load_encoder(loader, config, out);
    sam2_load_prompt_encoder(loader, config, out);
    sam2_load_decoder(loader, config, out);
}

int sam2_weights_load(const struct sam2_config *config, const struct checkpoint *checkpoint,
                      struct parameters *parameters, struct sam2_weights *out)
{
    /* The video model's part of a checkpoint, which the image model has no use for. */
    static const char *const video_part[] = {"memory_",
                                             "mask_downsample",
                                             "object_pointer_proj",
                                             "temporal_positional_encoding_projection_layer",
                                             "no_memory_positional_encoding",
                                             "no_object_pointer",
                                             "occlusion_spatial_embedding_parameter",
                                             NULL};
    memset(out, 0, sizeof(*out));
    struct loader loader = {.binding = true, .parameters = parameters, .ignored = video_part};
    out->blocks = calloc((size_t)config->blocks, sizeof(*out->blocks));
    out->layers = calloc((size_t)config->decoder_layers, sizeof(*out->layers));
    out->hypernetworks = calloc((size_t)config->mask_tokens, sizeof(*out->hypernetworks));
    if (out->blocks == NULL || out->layers == NULL || out->hypernetworks == NULL) {
        loader_fail(&loader, error_memory("model layers"));
    }
    walk(&loader, config, out);
    if (loader_bind(&loader, checkpoint) == 0) {
        walk(&loader, config, out);
    }
    const int status = loader.status;
    loader_free(&loader);
    if (status != 0) {
        sam2_weights_free(out);
    }
    return status;
}

void sam2_weights_free(struct sam2_weights *weights)
{
    free(weights->blocks);
    free(weights->layers);
    free(weights->hypernetworks);
    free(weights->prompt_fourier);
    free(weights->point_kinds);
    free(weights->not_a_point);
    free(weights->output_tokens);
    free(weights->positions_data);
    free(weights->image_positions_data);
    memset(weights, 0, sizeof(*weights));
}
