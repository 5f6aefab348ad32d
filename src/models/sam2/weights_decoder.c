/* The mask decoder's weights. */
#include "models/sam2/weights.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TOKEN_ROWS = 64, /* tokens of some prompts at once */
    HEAD_ROWS = 512, /* the same for each head */
    PREFIX_BYTES = 96,
    TAPS = 4, /* pixels of an upscaling step */
};

/* A projection's weight and bias as the file has them. */
struct source {
    const struct host_tensor *weight, *bias;
};

static struct source find(struct loader *loader, int64_t outputs, int64_t inputs, const char *prefix, const char *name)
{
    struct source source;
    source.weight = loader_tensor(loader, false, LOADER_DIMS(outputs, inputs), "%s%s.weight", prefix, name);
    source.bias = loader_tensor(loader, false, LOADER_DIMS(outputs), "%s%s.bias", prefix, name);
    return source;
}

static void prepare(struct loader *loader, int64_t rows, const struct source *source, const struct linear **out)
{
    loader_prepare_linear(loader, rows, 1, &source->weight, &source->bias, out);
}

/* The layer of a weight [outputs, inputs] transposed, without bias. */
static void prepare_transposed(struct loader *loader, const struct host_tensor *weight, const struct linear **out)
{
    float *from = NULL;
    loader_host(loader, weight, &from);
    if (loader_preparing(loader)) {
        const int64_t outputs = weight->dim[0], inputs = weight->dim[1];
        float *to = malloc((size_t)(outputs * inputs) * sizeof(*to));
        if (!to) {
            loader_fail(loader, error_memory("a weight"));
        } else {
            for (int64_t o = 0; o < outputs; o++)
                for (int64_t i = 0; i < inputs; i++)
                    to[i * outputs + o] = from[o * inputs + i];
            loader_linear_values(loader, HEAD_ROWS, inputs, outputs, to, NULL, weight->name, out);
            free(to);
        }
    }
    free(from);
}

/* A bias [n] as the layer [1, n]. */
static void prepare_bias(struct loader *loader, const struct host_tensor *bias, const struct linear **out)
{
    float *values = NULL;
    loader_host(loader, bias, &values);
    if (loader_preparing(loader))
        loader_linear_values(loader, HEAD_ROWS, 1, bias->dim[0], values, NULL, bias->name, out);
    free(values);
}

/* A layer whose bias is added by each of `heads`. */
static void prepare_shared_bias(struct loader *loader, int64_t heads, const struct source *source,
                                const struct linear **out)
{
    float *values = NULL;
    loader_host(loader, source->bias, &values);
    if (loader_preparing(loader)) {
        struct host_tensor bias = *source->bias;
        bias.dtype = DTYPE_F32;
        bias.data = values;
        bias.bytes = (size_t)bias.dim[0] * sizeof(*values);
        for (int64_t i = 0; i < bias.dim[0]; i++)
            values[i] /= (float)heads;
        const struct host_tensor *const shared = &bias;
        loader_prepare_linear(loader, HEAD_ROWS, 1, &source->weight, &shared, out);
    }
    free(values);
}

static void load_image_attention(struct loader *loader, const struct sam2_config *config, bool first,
                                 const char *prefix, struct sam2_image_attention *out)
{
    const int64_t width = config->width, inner = width / config->downsample, pixels = config->grid * config->grid;
    loader_linear(loader, TOKEN_ROWS, inner, width, prefix, "q_proj", &out->q);
    loader_linear(loader, TOKEN_ROWS, width, inner, prefix, "o_proj", &out->out);
    const struct source key = find(loader, inner, width, prefix, "k_proj");
    loader_linear(loader, HEAD_ROWS, inner, width, prefix, "v_proj", &out->v);
    prepare_transposed(loader, key.weight, &out->k_of);
    if (first)
        prepare(loader, pixels, &key, &out->k);
}

static void load_layer(struct loader *loader, const struct sam2_config *config, int index,
                       struct sam2_decoder_layer *out)
{
    const int64_t width = config->width, inner = width / config->downsample;
    char prefix[PREFIX_BYTES];
    snprintf(prefix, sizeof(prefix), "mask_decoder.transformer.layers.%d.cross_attn_token_to_image.", index);
    load_image_attention(loader, config, index == 0, prefix, &out->image);
    snprintf(prefix, sizeof(prefix), "mask_decoder.transformer.layers.%d.", index);
    const struct loader_part self_qk[] = {{"self_attn.q_proj", width, false}, {"self_attn.k_proj", width, false}};
    loader_linear_parts(loader, TOKEN_ROWS, width, prefix, self_qk, 2, &out->self_qk);
    loader_linear(loader, TOKEN_ROWS, width, width, prefix, "self_attn.v_proj", &out->self_v);
    loader_linear(loader, TOKEN_ROWS, width, width, prefix, "self_attn.o_proj", &out->self_out);
    const struct source query = find(loader, inner, width, prefix, "cross_attn_image_to_token.q_proj");
    const struct source output = find(loader, width, inner, prefix, "cross_attn_image_to_token.o_proj");
    loader_linear(loader, TOKEN_ROWS, inner, width, prefix, "cross_attn_image_to_token.k_proj", &out->token_k);
    loader_linear(loader, TOKEN_ROWS, inner, width, prefix, "cross_attn_image_to_token.v_proj", &out->token_v);
    prepare_transposed(loader, query.weight, &out->q_of);
    prepare_bias(loader, query.bias, &out->q_bias);
    prepare_shared_bias(loader, config->decoder_heads, &output, &out->v_out);
    loader_norm(loader, width, prefix, "layer_norm1", &out->norm1);
    loader_norm(loader, width, prefix, "layer_norm2", &out->norm2);
    loader_norm(loader, width, prefix, "layer_norm3", &out->norm3);
    loader_norm(loader, width, prefix, "layer_norm4", &out->norm4);
    /* The reference gives this feed-forward as many layers as the transformer has. */
    loader_feed_forward(loader, TOKEN_ROWS, width, config->decoder_mlp, width, config->decoder_layers, prefix, "mlp",
                        &out->mlp);
}

/* A transposed 2 x 2 convolution with stride 2 is a product to 2 x 2 pixels: weight [inputs, outputs, 2, 2] ->
 * [inputs, 2, 2, outputs], and the bias for each pixel. */
static void load_upscale(struct loader *loader, int64_t outputs, int64_t inputs, const char *name,
                         struct tensor *out_weight, struct tensor *out_bias)
{
    const struct host_tensor *weight =
        loader_tensor(loader, false, LOADER_DIMS(inputs, outputs, 2, 2), "mask_decoder.%s.weight", name);
    const struct host_tensor *bias = loader_tensor(loader, false, LOADER_DIMS(outputs), "mask_decoder.%s.bias", name);
    float *from = NULL, *from_bias = NULL;
    loader_host(loader, weight, &from);
    loader_host(loader, bias, &from_bias);
    if (loader_preparing(loader)) {
        float *matrix = malloc((size_t)(inputs * TAPS * outputs) * sizeof(*matrix));
        float *biases = malloc((size_t)(TAPS * outputs) * sizeof(*biases));
        if (!matrix || !biases) {
            loader_fail(loader, error_memory("an upscaling layer"));
        } else {
            for (int64_t n = 0; n < TAPS * outputs; n++) {
                const int64_t tap = n / outputs, o = n % outputs;
                biases[n] = from_bias[o];
                for (int64_t i = 0; i < inputs; i++)
                    matrix[i * TAPS * outputs + n] = from[(i * outputs + o) * TAPS + tap];
            }
            loader_values(loader, matrix, LOADER_DIMS(inputs, TAPS * outputs), out_weight);
            loader_values(loader, biases, LOADER_DIMS(TAPS * outputs), out_bias);
        }
        free(matrix);
        free(biases);
    }
    free(from);
    free(from_bias);
}

static void load_upscaling(struct loader *loader, const struct sam2_config *config, struct sam2_upscaling *out)
{
    const int64_t width = config->width;
    load_upscale(loader, width / 4, width, "upscale_conv1", &out->weight1, &out->bias1);
    load_upscale(loader, width / 8, width / 4, "upscale_conv2", &out->weight2, &out->bias2);
    loader_norm(loader, width / 4, "mask_decoder.", "upscale_layer_norm", &out->norm);
}

/* Object score, IoU and mask tokens as one matrix. */
static void load_output_tokens(struct loader *loader, const struct sam2_config *config, struct sam2_weights *out)
{
    const int64_t width = config->width;
    const struct host_tensor *object =
        loader_tensor(loader, false, LOADER_DIMS(1, width), "mask_decoder.obj_score_token.weight");
    const struct host_tensor *iou =
        loader_tensor(loader, false, LOADER_DIMS(1, width), "mask_decoder.iou_token.weight");
    const struct host_tensor *masks =
        loader_tensor(loader, false, LOADER_DIMS(config->mask_tokens, width), "mask_decoder.mask_tokens.weight");
    if (!loader_preparing(loader))
        return;
    const int64_t count = 2 + config->mask_tokens;
    float *const tokens = malloc((size_t)(count * width) * sizeof(*tokens));
    if (!tokens) {
        loader_fail(loader, error_memory("mask tokens"));
        return;
    }
    const struct host_tensor *const parts[] = {object, iou, masks};
    float *at = tokens;
    for (int i = 0; i < 3; i++) {
        float *values = NULL;
        loader_host(loader, parts[i], &values);
        if (values)
            memcpy(at, values, (size_t)host_tensor_count(parts[i]) * sizeof(*at));
        at += host_tensor_count(parts[i]);
        free(values);
    }
    loader_values(loader, tokens, LOADER_DIMS(1, count, width), &out->output_tokens);
    free(tokens);
}

void sam2_load_decoder(struct loader *loader, const struct sam2_config *config, struct sam2_weights *out)
{
    const int64_t width = config->width;
    const char *const decoder = "mask_decoder.";
    load_output_tokens(loader, config, out);
    out->layers = loader_layers(loader, config->decoder_layers, sizeof(*out->layers), out->layers);
    for (int i = 0; i < config->decoder_layers && out->layers; i++)
        load_layer(loader, config, i, &out->layers[i]);
    load_image_attention(loader, config, false, "mask_decoder.transformer.final_attn_token_to_image.", &out->final);
    loader_norm(loader, width, decoder, "transformer.layer_norm_final_attn", &out->final_norm);
    load_upscaling(loader, config, &out->upscaling);
    out->hypernetworks = loader_layers(loader, config->mask_tokens, sizeof(*out->hypernetworks), out->hypernetworks);
    for (int i = 0; i < config->mask_tokens && out->hypernetworks; i++) {
        char name[PREFIX_BYTES];
        snprintf(name, sizeof(name), "output_hypernetworks_mlps.%d", i);
        loader_feed_forward(loader, TOKEN_ROWS, width, width, width / 8, 3, decoder, name, &out->hypernetworks[i]);
    }
    loader_feed_forward(loader, TOKEN_ROWS, width, config->iou_width, config->mask_tokens, config->iou_depth, decoder,
                        "iou_prediction_head", &out->iou_head);
    loader_feed_forward(loader, TOKEN_ROWS, width, width, 1, 3, decoder, "pred_obj_score_head", &out->object_head);
}
