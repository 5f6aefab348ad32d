/* Defaults of the option structs. */
#include "sowlv2.h"

struct sowlv2_device_options sowlv2_device_options_default(void)
{
    return (struct sowlv2_device_options){.device = "auto", .precision = "auto", .cpu_level = NULL, .threads = 0};
}

struct sowlv2_model_options sowlv2_model_options_default(void)
{
    return (struct sowlv2_model_options){
        .model = "google/owlv2-base-patch16-ensemble",
        .device = sowlv2_device_options_default(),
    };
}

struct sowlv2_prompt_options sowlv2_prompt_options_default(void)
{
    return (struct sowlv2_prompt_options){.prompt_template = "a photo of {}"};
}

struct sowlv2_detect_options sowlv2_detect_options_default(void)
{
    return (struct sowlv2_detect_options){.threshold = 0.1F, .nms_iou = 0.0F, .objectness = false, .clip = true};
}

struct sowlv2_model_options sowlv2_segmenter_options_default(void)
{
    struct sowlv2_model_options options = sowlv2_model_options_default();
    options.model = "facebook/sam2.1-hiera-small";
    return options;
}

struct sowlv2_segment_options sowlv2_segment_options_default(void)
{
    return (struct sowlv2_segment_options){.mask_threshold = 0.0F, .pixels = true, .logits = true};
}

struct sowlv2_find_options sowlv2_find_options_default(void)
{
    return (struct sowlv2_find_options){
        .detect = sowlv2_detect_options_default(),
        .segment = sowlv2_segment_options_default(),
    };
}

struct sowlv2_track_options sowlv2_track_options_default(void)
{
    return (struct sowlv2_track_options){.max_cond_frames = 4};
}
