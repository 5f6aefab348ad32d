/* config.json: the decoder's part, and the whole; the encoder's is in config_vision.c, the image
 * processor's in config_image.c. */
#include "models/sam2/config_parts.h"

#include "nn/activation.h"
#include "weights/model_kind.h"

#include <string.h>

int sam2_read_number(const struct config *file, const struct config_node *node, const char *key, double fallback,
                     double minimum, double maximum, float *out)
{
    double value;
    const int status = config_number(file, node, key, fallback, minimum, maximum, &value);
    *out = (float)value;
    return status;
}

int sam2_read_side(const struct config *file, const struct config_node *node, const char *key, int64_t fallback,
                   int64_t minimum, int64_t maximum, int *out)
{
    int64_t value[2] = {fallback, fallback};
    int count;
    const int status = config_int_list(file, node, key, 2, minimum, maximum, value, &count);
    if (status != 0)
        return status;
    if (count == 0 || (count == 2 && value[0] != value[1]))
        return config_error(file, "%s: only equal heights and widths are supported", key);
    *out = (int)value[0];
    return 0;
}

static int read_prompt_encoder(const struct config *file, struct sam2_config *out)
{
    const struct config_node *node;
    int patch = 1;
    int64_t width;
    int status = config_object(file, config_root(file), "prompt_encoder_config", &node);
    if (status != 0 || (status = config_int(file, node, "hidden_size", 256, 1, SAM2_MAX_WIDTH, &width)) != 0 ||
        (status = sam2_read_side(file, node, "image_size", 1024, 1, SAM2_MAX_SIDE, &out->image_size)) != 0 ||
        (status = sam2_read_side(file, node, "patch_size", 16, 1, SAM2_MAX_SIDE, &patch)) != 0 ||
        (status = config_int(file, node, "mask_input_channels", 16, 4, SAM2_MAX_WIDTH, &out->mask_channels)) != 0 ||
        (status = config_int(file, node, "num_point_embeddings", 4, 4, 64, &out->point_kinds)) != 0 ||
        (status = sam2_read_number(file, node, "layer_norm_eps", 1e-6, 0.0, 1.0, &out->prompt_eps)) != 0 ||
        (status = model_read_activation(file, node, "hidden_act", "gelu", &out->prompt_activation)) != 0)
        return status;
    out->grid = out->image_size / patch;
    out->mask_side = 4 * (int64_t)out->image_size / patch;
    if (out->grid < 1 || out->mask_side != 4 * out->grid) {
        return config_error(file, "prompt_encoder_config: image_size %d is not a multiple of patch_size %d",
                            out->image_size, patch);
    }
    if (out->mask_channels % 4 != 0) {
        return config_error(file, "prompt_encoder_config: mask_input_channels %lld is not a multiple of 4",
                            (long long)out->mask_channels);
    }
    out->width = width;
    return 0;
}

static int read_decoder(const struct config *file, struct sam2_config *out)
{
    const struct config_node *node;
    int64_t width, layers, masks, depth;
    int status = config_object(file, config_root(file), "mask_decoder_config", &node);
    if (status != 0 || (status = config_int(file, node, "hidden_size", 256, 1, SAM2_MAX_WIDTH, &width)) != 0 ||
        (status = config_int(file, node, "mlp_dim", 2048, 1, SAM2_MAX_WIDTH, &out->decoder_mlp)) != 0 ||
        (status = config_int(file, node, "num_hidden_layers", 2, 1, SAM2_MAX_DEPTH, &layers)) != 0 ||
        (status = config_int(file, node, "num_attention_heads", 8, 1, SAM2_MAX_WIDTH, &out->decoder_heads)) != 0 ||
        (status = config_int(file, node, "attention_downsample_rate", 2, 1, SAM2_MAX_WIDTH, &out->downsample)) != 0 ||
        (status = config_int(file, node, "num_multimask_outputs", 3, 1, 64, &masks)) != 0 ||
        (status = config_int(file, node, "iou_head_depth", 3, 1, SAM2_MAX_DEPTH, &depth)) != 0 ||
        (status = config_int(file, node, "iou_head_hidden_dim", 256, 1, SAM2_MAX_WIDTH, &out->iou_width)) != 0 ||
        (status = config_bool(file, node, "dynamic_multimask_via_stability", true, &out->stability_fallback)) != 0 ||
        (status = sam2_read_number(file, node, "dynamic_multimask_stability_delta", 0.05, 0.0, 1e6,
                                   &out->stability_delta)) != 0 ||
        (status = sam2_read_number(file, node, "dynamic_multimask_stability_thresh", 0.98, -1e6, 1e6,
                                   &out->stability_threshold)) != 0)
        return status;
    out->decoder_layers = (int)layers;
    out->mask_tokens = masks + 1;
    out->iou_depth = (int)depth;
    if (width != out->width) {
        return config_error(file, "mask_decoder_config: hidden_size %lld must equal prompt_encoder_config's %lld",
                            (long long)width, (long long)out->width);
    }
    if (width % 8 != 0 || width % out->downsample != 0 || width % out->decoder_heads != 0 ||
        width / out->downsample % out->decoder_heads != 0) {
        return config_error(file,
                            "mask_decoder_config: hidden_size %lld does not divide into 8, "
                            "attention_downsample_rate %lld and num_attention_heads %lld",
                            (long long)width, (long long)out->downsample, (long long)out->decoder_heads);
    }
    return 0;
}

int sam2_config_read(const char *folder, struct sam2_config *out)
{
    struct config *file = NULL;
    memset(out, 0, sizeof(*out));
    int status = config_open(folder, "config.json", &file);
    if (status == 0 && (status = model_kind_check_config(file, config_name(file), "sam2")) == 0 &&
        (status = read_prompt_encoder(file, out)) == 0 && (status = read_decoder(file, out)) == 0)
        status = sam2_config_vision(file, out);
    config_close(&file);
    return status != 0 ? status : sam2_config_image(folder, out);
}
