/* See video_config.h. */
#include "models/sam2/video_config.h"
#include "models/sam2/config_parts.h"

#include "base/error.h"
#include "nn/activation.h"

#include <string.h>

enum { MEMORY_WIDTH = 64 }; /* the reference's memory attention takes no other */

static int check_kind(const struct config *file)
{
    const char *kind;
    const int status = config_string(file, config_root(file), "model_type", "", &kind);
    if (status != 0 || strcmp(kind, "sam2_video") == 0)
        return status;
    config_error(file, "model_type is \"%s\"", kind);
    return error_set(
        SOWLV2_ERROR_MODEL,
        "%s, but tracking through video needs \"sam2_video\": give a SAM 2 checkpoint with its memory, for "
        "example facebook/sam2.1-hiera-small",
        error_message());
}

/* A width that the reference could set otherwise, though only one fits the rest. */
static int check_width(const struct config *file, const char *key, int64_t wanted)
{
    int64_t value;
    const int status = config_int(file, config_root(file), key, 256, 1, SAM2_MAX_WIDTH, &value);
    if (status == 0 && value != wanted) {
        return config_error(file, "%s: %lld does not fit the model's width %lld", key, (long long)value,
                            (long long)wanted);
    }
    return status;
}

static int read_int(const struct config *file, const char *key, int64_t fallback, int64_t minimum, int64_t maximum,
                    int *out)
{
    int64_t value = 0;
    const int status = config_int(file, config_root(file), key, fallback, minimum, maximum, &value);
    *out = (int)value;
    return status;
}

static int read_bank(const struct config *file, const struct sam2_config *image, struct sam2_video_config *out)
{
    const struct config_node *root = config_root(file);
    int image_size = 0;
    int status = sam2_read_side(file, root, "image_size", 1024, 1, SAM2_MAX_SIDE, &image_size);
    if (status != 0 || (status = read_int(file, "num_maskmem", 7, 1, SAM2_MAX_MEMORIES, &out->memories)) != 0 ||
        (status = read_int(file, "max_object_pointers_in_encoder", 16, 2, SAM2_MAX_MEMORIES, &out->pointers)) != 0 ||
        (status = read_int(file, "max_cond_frame_num", -1, -1, 1 << 30, &out->max_conditioning)) != 0 ||
        (status = config_int(file, root, "memory_encoder_output_channels", 64, 1, SAM2_MAX_WIDTH,
                             &out->memory_width)) != 0 ||
        (status = config_bool(file, root, "enable_temporal_pos_encoding_for_object_pointers", true,
                              &out->pointer_time)) != 0 ||
        (status = config_bool(file, root, "enable_occlusion_spatial_embedding", true, &out->occlusion_embedding)) !=
            0 ||
        (status = config_bool(file, root, "multimask_output_in_sam", true, &out->multimask)) != 0 ||
        (status = config_bool(file, root, "multimask_output_for_tracking", true, &out->multimask_tracking)) != 0 ||
        (status = config_int(file, root, "multimask_min_pt_num", 0, 0, 1 << 30, &out->multimask_from)) != 0 ||
        (status = config_int(file, root, "multimask_max_pt_num", 1, 0, 1 << 30, &out->multimask_to)) != 0 ||
        (status = sam2_read_number(file, root, "sigmoid_scale_for_mem_enc", 20.0, -1e6, 1e6, &out->mask_scale)) != 0 ||
        (status = sam2_read_number(file, root, "sigmoid_bias_for_mem_enc", -10.0, -1e6, 1e6, &out->mask_bias)) != 0)
        return status;
    if (image_size != image->image_size) {
        return config_error(file, "image_size: %d differs from prompt_encoder_config's %d", image_size,
                            image->image_size);
    }
    if (out->memory_width != MEMORY_WIDTH || image->width % out->memory_width != 0) {
        return config_error(file,
                            "memory_encoder_output_channels: %lld: it must be 64 and divide the model's width %lld",
                            (long long)out->memory_width, (long long)image->width);
    }
    if (out->max_conditioning == 0)
        return config_error(file, "max_cond_frame_num: 0: give -1 for all, or at least 1");
    out->pointer_parts = (int)(image->width / out->memory_width);
    return 0;
}

/* The rope's parameters stand under one of two names; the older one counts first. */
static int find_rope(const struct config *file, const struct config_node **rope)
{
    const int status = config_object(file, config_root(file), "rope_scaling", rope);
    if (status != 0 || config_has(*rope, "rope_type") || config_has(*rope, "type") || config_has(*rope, "rope_theta"))
        return status;
    return config_object(file, config_root(file), "rope_parameters", rope);
}

/* The base, which has had three names: what is the oldest name's counts before the parameters' own. */
static int read_theta(const struct config *file, const struct config_node *rope, double *out)
{
    const struct config_node *root = config_root(file);
    int status = config_number(file, root, "rope_theta", 10000.0, 1e-3, 1e12, out);
    if (status == 0)
        status = config_number(file, rope, "rope_theta", *out, 1e-3, 1e12, out);
    return status != 0 ? status : config_number(file, root, "memory_attention_rope_theta", *out, 1e-3, 1e12, out);
}

/* "default" is what this model's is by default. */
static int check_rope_type(const struct config *file, const struct config_node *rope)
{
    const char *key = config_has(rope, "rope_type") ? "rope_type" : "type", *kind;
    const int status = config_string(file, rope, key, "axial", &kind);
    if (status != 0 || strcmp(kind, "axial") == 0 || strcmp(kind, "default") == 0)
        return status;
    return config_field_error(file, rope, key, "is \"%s\", which is not supported: it must be \"axial\"", kind);
}

static int read_rope(const struct config *file, const struct sam2_config *image, struct sam2_video_config *out)
{
    const struct config_node *rope;
    int64_t side[2] = {64, 64};
    int count;
    int status =
        config_int_list(file, config_root(file), "memory_attention_rope_feat_sizes", 2, 1, SAM2_MAX_SIDE, side, &count);
    if (status != 0 || (status = find_rope(file, &rope)) != 0 ||
        (status = read_theta(file, rope, &out->rope_theta)) != 0 || (status = check_rope_type(file, rope)) != 0)
        return status;
    if (count == 1 || side[0] != image->grid || side[1] != image->grid) {
        return config_error(file, "memory_attention_rope_feat_sizes: the image embedding is %lld x %lld",
                            (long long)image->grid, (long long)image->grid);
    }
    return 0;
}

static int read_attention(const struct config *file, const struct sam2_config *image, struct sam2_video_config *out)
{
    const struct config_node *root = config_root(file);
    int64_t downsample;
    int status = check_width(file, "memory_attention_hidden_size", image->width);
    if (status != 0 ||
        (status = read_int(file, "memory_attention_num_layers", 4, 1, SAM2_MAX_DEPTH, &out->attention_layers)) != 0 ||
        (status = config_int(file, root, "memory_attention_num_attention_heads", 1, 1, SAM2_MAX_WIDTH, &out->heads)) !=
            0 ||
        (status = config_int(file, root, "memory_attention_downsample_rate", 1, 1, SAM2_MAX_WIDTH, &downsample)) != 0 ||
        (status = config_int(file, root, "memory_attention_feed_forward_hidden_size", 2048, 1, SAM2_MAX_WIDTH,
                             &out->feed_forward)) != 0 ||
        (status = model_read_activation(file, root, "memory_attention_feed_forward_hidden_act", "relu",
                                        &out->feed_forward_activation)) != 0)
        return status;
    out->inner = image->width / downsample;
    if (image->width % downsample != 0 || out->inner % (4 * out->heads) != 0) {
        return config_error(file,
                            "memory_attention_downsample_rate %lld and memory_attention_num_attention_heads %lld do "
                            "not divide the width %lld into heads of a multiple of 4",
                            (long long)downsample, (long long)out->heads, (long long)image->width);
    }
    return read_rope(file, image, out);
}

/* The strides of the mask downsampler's layers make the grid of the mask's full size. */
static int plan_downsampler(const struct config *file, const struct sam2_config *image, int64_t total,
                            struct sam2_video_config *out)
{
    int stride_bits = 0, total_bits = 0;
    while (out->downsampler_stride >> (stride_bits + 1) != 0)
        stride_bits++;
    while (total >> (total_bits + 1) != 0)
        total_bits++;
    int64_t side = 4 * image->mask_side, channels = 1;
    out->downsampler_layers = total_bits / stride_bits; // NOLINT(clang-analyzer-core.DivideZero): read as at least 2
    for (int i = 0; i < out->downsampler_layers; i++) {
        side = (side + 2 * out->downsampler_padding - out->downsampler_kernel) / out->downsampler_stride + 1;
        channels *= (int64_t)out->downsampler_stride * out->downsampler_stride;
        if (side < image->grid || channels > SAM2_MAX_WIDTH)
            break;
    }
    if (side != image->grid || channels > SAM2_MAX_WIDTH || out->downsampler_layers > SAM2_MAX_DEPTH) {
        return config_error(file,
                            "mask_downsampler_*: masks of %lld x %lld do not become the image embedding's %lld x %lld",
                            4 * (long long)image->mask_side, 4 * (long long)image->mask_side, (long long)image->grid,
                            (long long)image->grid);
    }
    return 0;
}

static int read_encoder(const struct config *file, const struct sam2_config *image, struct sam2_video_config *out)
{
    const struct config_node *root = config_root(file);
    int64_t total;
    int status = check_width(file, "memory_encoder_hidden_size", image->width);
    if (status != 0 || (status = check_width(file, "mask_downsampler_embed_dim", image->width)) != 0 ||
        (status = check_width(file, "memory_fuser_embed_dim", image->width)) != 0 ||
        (status = read_int(file, "mask_downsampler_kernel_size", 3, 1, 64, &out->downsampler_kernel)) != 0 ||
        (status = read_int(file, "mask_downsampler_stride", 2, 2, 64, &out->downsampler_stride)) != 0 ||
        (status = read_int(file, "mask_downsampler_padding", 1, 0, 64, &out->downsampler_padding)) != 0 ||
        (status = config_int(file, root, "mask_downsampler_total_stride", 16, 2, 1 << 16, &total)) != 0 ||
        (status = model_read_activation(file, root, "mask_downsampler_hidden_act", "gelu",
                                        &out->downsampler_activation)) != 0 ||
        (status = read_int(file, "memory_fuser_num_layers", 2, 1, SAM2_MAX_DEPTH, &out->fuser_layers)) != 0 ||
        (status = read_int(file, "memory_fuser_kernel_size", 7, 1, 63, &out->fuser_kernel)) != 0 ||
        (status = read_int(file, "memory_fuser_padding", 3, 0, 63, &out->fuser_padding)) != 0 ||
        (status = config_int(file, root, "memory_fuser_intermediate_dim", 1024, 1, SAM2_MAX_WIDTH,
                             &out->fuser_hidden)) != 0 ||
        (status = model_read_activation(file, root, "memory_fuser_hidden_act", "gelu", &out->fuser_activation)) != 0)
        return status;
    if (out->fuser_kernel != 2 * out->fuser_padding + 1) {
        return config_error(file, "memory_fuser_kernel_size %d with memory_fuser_padding %d changes the map's size",
                            out->fuser_kernel, out->fuser_padding);
    }
    return plan_downsampler(file, image, total, out);
}

/* Frames are prepared by the video processor, which may differ from the one of images. */
static int read_frames(const char *folder, const struct sam2_config *image, struct sam2_video_config *out)
{
    struct processor processor;
    int status = processor_open(folder, PROCESSOR_VIDEO, &processor);
    out->scale = image->scale;
    if (status == 0 && processor.file) {
        status = processor_check_class(&processor, PROCESSOR_VIDEO, "Sam2VideoVideoProcessor");
        if (status == 0)
            status = sam2_read_pixels(&processor, 1024, image->image_size, &out->scale);
    }
    processor_close(&processor);
    return status;
}

int sam2_video_config_read(const char *folder, const struct sam2_config *image, struct sam2_video_config *out)
{
    struct config *file = NULL;
    memset(out, 0, sizeof(*out));
    int status = config_open(folder, "config.json", &file);
    if (status == 0 && (status = check_kind(file)) == 0 && (status = read_bank(file, image, out)) == 0 &&
        (status = read_attention(file, image, out)) == 0)
        status = read_encoder(file, image, out);
    config_close(&file);
    return status != 0 ? status : read_frames(folder, image, out);
}
