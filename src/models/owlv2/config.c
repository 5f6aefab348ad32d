#include "models/owlv2/config.h"

#include "base/log.h"
#include "nn/activation.h"
#include "nn/pixels.h"
#include "weights/config.h"
#include "weights/model_kind.h"

#include <string.h>

/* Bounds that keep every size computation far from overflow and refuse nonsense early. */
enum { MAX_WIDTH = 1 << 16, MAX_LAYERS = 1024, MAX_VOCABULARY = 1 << 24, MAX_TEXT = 4096, MAX_SIDE = 8192 };

/* The class defaults of one tower. */
struct tower_defaults {
    const char *key;
    int64_t width, mlp_width, layers, heads;
};

static const struct tower_defaults TEXT_DEFAULTS = {"text_config", 512, 2048, 12, 8};
static const struct tower_defaults VISION_DEFAULTS = {"vision_config", 768, 3072, 12, 12};

static int read_tower(const struct config *file, const struct tower_defaults *defaults, const struct config_node **node,
                      struct nn_tower *out)
{
    double eps;
    int status = config_object(file, config_root(file), defaults->key, node);
    if (status != 0 ||
        (status = config_int(file, *node, "hidden_size", defaults->width, 1, MAX_WIDTH, &out->width)) != 0 ||
        (status = config_int(file, *node, "intermediate_size", defaults->mlp_width, 1, MAX_WIDTH, &out->mlp_width)) !=
            0 ||
        (status = config_int(file, *node, "num_hidden_layers", defaults->layers, 1, MAX_LAYERS, &out->layers)) != 0 ||
        (status = config_int(file, *node, "num_attention_heads", defaults->heads, 1, MAX_WIDTH, &out->heads)) != 0 ||
        (status = config_number(file, *node, "layer_norm_eps", 1e-5, 0.0, 1.0, &eps)) != 0 ||
        (status = model_read_activation(file, *node, "hidden_act", "quick_gelu", &out->activation)) != 0)
        return status;
    out->eps = (float)eps;
    if (out->width % out->heads != 0) {
        return config_error(file, "%s: hidden_size %lld is not a multiple of num_attention_heads %lld", defaults->key,
                            (long long)out->width, (long long)out->heads);
    }
    return 0;
}

static int read_model(const char *folder, struct owlv2_config *out)
{
    struct config *file = NULL;
    const struct config_node *text, *vision;
    int64_t length, image_size, patch_size;
    int status = config_open(folder, "config.json", &file);
    if (status != 0 || (status = model_kind_check_config(file, config_name(file), "owlv2")) != 0 ||
        (status = read_tower(file, &TEXT_DEFAULTS, &text, &out->text)) != 0 ||
        (status = read_tower(file, &VISION_DEFAULTS, &vision, &out->vision)) != 0 ||
        (status = config_int(file, text, "vocab_size", 49408, 1, MAX_VOCABULARY, &out->vocab_size)) != 0 ||
        (status = config_int(file, text, "max_position_embeddings", 16, 2, MAX_TEXT, &length)) != 0 ||
        (status = config_int(file, vision, "image_size", 768, 1, MAX_SIDE, &image_size)) != 0 ||
        (status = config_int(file, vision, "patch_size", 16, 1, MAX_SIDE, &patch_size)) != 0 ||
        (status = config_int(file, config_root(file), "projection_dim", 512, 1, MAX_WIDTH, &out->projection)) != 0)
        goto done;
    int64_t channels;
    status = config_int(file, vision, "num_channels", 3, 1, 1024, &channels);
    if (status != 0)
        goto done;
    out->text_length = (int)length;
    out->image_size = (int)image_size;
    out->patch_size = (int)patch_size;
    out->grid = image_size / patch_size;
    if (channels != 3) {
        status = config_error(file, "num_channels: %lld is not supported, only 3 (RGB)", (long long)channels);
    } else if (out->grid < 1) {
        status = config_error(file, "image_size %lld is smaller than patch_size %lld", (long long)image_size,
                              (long long)patch_size);
    } else if (out->projection != out->text.width) {
        /* The class head's width is the text width, and it meets queries of the projection's width. */
        status = config_error(file, "projection_dim %lld must equal the text hidden_size %lld",
                              (long long)out->projection, (long long)out->text.width);
    }
done:
    config_close(&file);
    return status;
}

static int read_preprocessing(const struct processor *processor, struct owlv2_config *out)
{
    static const double clip_mean[3] = {0.48145466, 0.4578275, 0.40821073};
    static const double clip_std[3] = {0.26862954, 0.26130258, 0.27577711};
    struct pixel_scale scale;
    int64_t size[2];
    int status = processor_check_class(processor, PROCESSOR_IMAGE, "Owlv2ImageProcessor");
    if (status != 0 || (status = pixel_step_required(processor, "do_resize")) != 0 ||
        (status = pixel_step_required(processor, "do_rescale")) != 0 ||
        (status = pixel_step_required(processor, "rescale")) != 0 || /* what early releases call do_rescale */
        (status = config_switch(processor->file, processor->node, "do_pad", true, &out->pad)) != 0 ||
        (status = config_size(processor->file, processor->node, "size", 960, 1, MAX_SIDE, size)) != 0 ||
        (status = pixel_scale_read(processor, clip_mean, clip_std, &scale)) != 0)
        return status;
    if (size[0] != out->image_size || size[1] != out->image_size) {
        return config_field_error(processor->file, processor->node, "size",
                                  "%lldx%lld does not fit the model's image_size %d", (long long)size[0],
                                  (long long)size[1], out->image_size);
    }
    out->rescale = scale.scale;
    memcpy(out->mean, scale.mean, sizeof(out->mean));
    memcpy(out->std, scale.std, sizeof(out->std));
    if (!out->pad)
        log_notice("%s: do_pad is off: images are stretched to a square, not padded to one as for released OWLv2 "
                   "models, and boxes of images that are not square are off, as in transformers",
                   config_name(processor->file));
    return 0;
}

int owlv2_config_read(const char *folder, struct owlv2_config *out)
{
    struct processor processor = {0};
    int status = read_model(folder, out);
    if (status == 0)
        status = processor_open(folder, PROCESSOR_IMAGE, &processor);
    if (status == 0 && !processor.file)
        status = processor_report_missing(folder, PROCESSOR_IMAGE);
    if (status == 0)
        status = read_preprocessing(&processor, out);
    processor_close(&processor);
    return status;
}
