#include "models/vjepa2/config.h"

#include "base/error.h"
#include "nn/activation.h"
#include "nn/pixels.h"
#include "weights/config.h"
#include "weights/model_kind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bounds that keep every size computation far from overflow and refuse nonsense early. */
enum { MAX_WIDTH = 1 << 16, MAX_LAYERS = 1024, MAX_SIDE = 8192, MAX_FRAMES = 1 << 16, MAX_LABELS = 1 << 20 };
static const double MAX_RATIO = 64.0;

/* The keys of one stack of layers and the class defaults. */
struct tower_keys {
    const char *width, *heads, *layers, *ratio;
    int64_t default_width, default_heads, default_layers;
};

static const struct tower_keys ENCODER_KEYS = {
    "hidden_size", "num_attention_heads", "num_hidden_layers", "mlp_ratio", 1024, 16, 24};
static const struct tower_keys PREDICTOR_KEYS = {
    "pred_hidden_size", "pred_num_attention_heads", "pred_num_hidden_layers", "pred_mlp_ratio", 384, 12, 12};

static int read_tower(const struct config *file, const struct tower_keys *keys, struct nn_tower *out)
{
    const struct config_node *root = config_root(file);
    double ratio;
    int status;
    if ((status = config_int(file, root, keys->width, keys->default_width, 1, MAX_WIDTH, &out->width)) != 0 ||
        (status = config_int(file, root, keys->heads, keys->default_heads, 1, MAX_WIDTH, &out->heads)) != 0 ||
        (status = config_int(file, root, keys->layers, keys->default_layers, 1, MAX_LAYERS, &out->layers)) != 0 ||
        (status = config_number(file, root, keys->ratio, 4.0, 0.0, MAX_RATIO, &ratio)) != 0)
        return status;
    out->mlp_width = (int64_t)((double)out->width * ratio); /* truncated, as the reference does */
    if (out->mlp_width < 1)
        return config_error(file, "%s %g leaves no width for the feed-forward part", keys->ratio, ratio);
    if (out->width % out->heads != 0) {
        return config_error(file, "%s %lld is not a multiple of %s %lld", keys->width, (long long)out->width,
                            keys->heads, (long long)out->heads);
    }
    return 0;
}

/* The classes' names: id2label of config.json, or LABEL_0, ... where it has none. */
static int read_labels(const struct config *file, int64_t count, struct vjepa2_config *out)
{
    const struct config_node *names;
    int status = config_object(file, config_root(file), "id2label", &names);
    if (status != 0 || count == 0)
        return status;
    if (count > MAX_LABELS || !(out->labels = calloc((size_t)count, sizeof(*out->labels))))
        return error_memory("class names");
    out->label_count = count;
    for (int64_t i = 0; i <= count && status == 0; i++) {
        char key[24], fallback[32];
        snprintf(key, sizeof(key), "%lld", (long long)i);
        snprintf(fallback, sizeof(fallback), "LABEL_%lld", (long long)i);
        if (names && config_has(names, key) != (i < count)) {
            return config_error(file, "id2label does not name the %lld classes of the classifier, 0 to %lld",
                                (long long)count, (long long)count - 1);
        }
        if (i == count)
            break;
        status = config_text(file, names, key, fallback, &out->labels[i]);
    }
    return status;
}

static int read_model(const char *folder, int64_t label_count, struct vjepa2_config *out)
{
    struct config *file = NULL;
    int64_t patch, crop, tubelet, frames, channels, pooler_layers;
    enum activation activation;
    double eps;
    int status = config_open(folder, "config.json", &file);
    const struct config_node *root = status == 0 ? config_root(file) : NULL;
    if (status != 0 || (status = model_kind_check_config(file, config_name(file), "vjepa2")) != 0 ||
        (status = read_tower(file, &ENCODER_KEYS, &out->encoder)) != 0 ||
        (status = read_tower(file, &PREDICTOR_KEYS, &out->predictor)) != 0 ||
        (status = model_read_activation(file, config_root(file), "hidden_act", "gelu", &activation)) != 0 ||
        (status = config_int(file, root, "patch_size", 16, 1, MAX_SIDE, &patch)) != 0 ||
        (status = config_int(file, root, "crop_size", 256, 1, MAX_SIDE, &crop)) != 0 ||
        (status = config_int(file, root, "tubelet_size", 2, 1, 64, &tubelet)) != 0 ||
        (status = config_int(file, root, "frames_per_clip", 64, 1, MAX_FRAMES, &frames)) != 0 ||
        (status = config_int(file, root, "in_chans", 3, 1, 1024, &channels)) != 0 ||
        (status = config_int(file, root, "num_pooler_layers", 3, 0, MAX_LAYERS, &pooler_layers)) != 0 ||
        (status = config_int(file, root, "pred_num_mask_tokens", 10, 1, MAX_WIDTH, &out->mask_tokens)) != 0 ||
        (status = config_bool(file, root, "qkv_bias", true, &out->qkv_bias)) != 0 ||
        (status = config_number(file, root, "layer_norm_eps", 1e-6, 0.0, 1.0, &eps)) != 0 ||
        (status = read_labels(file, label_count, out)) != 0)
        goto done;
    out->encoder.eps = out->predictor.eps = (float)eps;
    out->encoder.activation = out->predictor.activation = activation;
    out->patch_size = (int)patch;
    out->crop_size = (int)crop;
    out->tubelet_size = (int)tubelet;
    out->frames_per_clip = (int)frames;
    out->grid = crop / patch;
    /* The pooler's feed-forward part has the reference's ratio of 4, whatever mlp_ratio says. */
    out->pooler = out->encoder;
    out->pooler.mlp_width = 4 * out->encoder.width;
    out->pooler.layers = pooler_layers;
    if (channels != 3) {
        status = config_error(file, "in_chans: %lld is not supported, only 3 (RGB)", (long long)channels);
    } else if (out->grid < 1) {
        status =
            config_error(file, "crop_size %lld is smaller than patch_size %lld", (long long)crop, (long long)patch);
    }
done:
    config_close(&file);
    return status;
}

static int read_preprocessing(const struct processor *processor, struct vjepa2_config *out)
{
    static const double imagenet_mean[3] = {0.485, 0.456, 0.406};
    static const double imagenet_std[3] = {0.229, 0.224, 0.225};
    struct pixel_scale scale;
    int64_t crop[2];
    int status;
    if ((status = processor_check_class(processor, PROCESSOR_VIDEO, "VJEPA2VideoProcessor")) != 0 ||
        (status = pixel_step_required(processor, "do_resize")) != 0 ||
        (status = pixel_step_required(processor, "do_center_crop")) != 0 ||
        (status = config_size(processor->file, processor->node, "crop_size", 256, 1, MAX_SIDE, crop)) != 0 ||
        (status = pixel_resample_check(processor)) != 0 ||
        (status = pixel_scale_read(processor, imagenet_mean, imagenet_std, &scale)) != 0)
        return status;
    if (crop[0] != out->crop_size || crop[1] != out->crop_size) {
        /* Positions are counted on the grid of the model's crop: another one would be wrong in silence. */
        return config_field_error(processor->file, processor->node, "crop_size",
                                  "%lldx%lld does not fit the model's crop_size %d", (long long)crop[0],
                                  (long long)crop[1], out->crop_size);
    }
    /* The reference's processor sets the short side itself, whatever "size" says. */
    out->short_side = (int)((double)(out->crop_size * 256) / 224.0);
    out->rescale = scale.scale;
    memcpy(out->mean, scale.mean, sizeof(out->mean));
    memcpy(out->std, scale.std, sizeof(out->std));
    return 0;
}

int64_t vjepa2_axis(const struct nn_tower *tower)
{
    return 2 * (tower->width / tower->heads / 3 / 2);
}

int vjepa2_config_read(const char *folder, int64_t label_count, struct vjepa2_config *out)
{
    struct processor processor = {0};
    memset(out, 0, sizeof(*out));
    int status = read_model(folder, label_count, out);
    if (status == 0)
        status = processor_open(folder, PROCESSOR_VIDEO, &processor);
    if (status == 0 && !processor.file)
        status = processor_report_missing(folder, PROCESSOR_VIDEO);
    if (status == 0)
        status = read_preprocessing(&processor, out);
    processor_close(&processor);
    return status;
}

void vjepa2_config_free(struct vjepa2_config *config)
{
    for (int64_t i = 0; config->labels && i < config->label_count; i++)
        free(config->labels[i]);
    free(config->labels);
    memset(config, 0, sizeof(*config));
}
