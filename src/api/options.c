/* Defaults of the option structs. */
#include "base/options.h"

void sowlv2_device_options_init(struct sowlv2_device_options *options, size_t size)
{
    const struct sowlv2_device_options defaults = {.device = "auto", .precision = "auto"};
    options_init(options, size, &defaults, sizeof(defaults));
}

static void init_model_options(struct sowlv2_model_options *options, size_t size, const char *model)
{
    const struct sowlv2_model_options defaults = {.model = model};
    options_init(options, size, &defaults, sizeof(defaults));
}

void sowlv2_model_options_init(struct sowlv2_model_options *options, size_t size)
{
    init_model_options(options, size, "google/owlv2-base-patch16-ensemble");
}

void sowlv2_segmenter_options_init(struct sowlv2_model_options *options, size_t size)
{
    init_model_options(options, size, "facebook/sam2.1-hiera-small");
}

void sowlv2_scorer_options_init(struct sowlv2_model_options *options, size_t size)
{
    init_model_options(options, size, "facebook/vjepa2-vitl-fpc16-256-ssv2");
}

void sowlv2_prompt_options_init(struct sowlv2_prompt_options *options, size_t size)
{
    const struct sowlv2_prompt_options defaults = {.prompt_template = "a photo of {}"};
    options_init(options, size, &defaults, sizeof(defaults));
}

void sowlv2_detect_options_init(struct sowlv2_detect_options *options, size_t size)
{
    const struct sowlv2_detect_options defaults = {.threshold = 0.1F, .clip = true};
    options_init(options, size, &defaults, sizeof(defaults));
}

void sowlv2_segment_options_init(struct sowlv2_segment_options *options, size_t size)
{
    const struct sowlv2_segment_options defaults = {.pixels = true, .logits = true};
    options_init(options, size, &defaults, sizeof(defaults));
}

void sowlv2_find_options_init(struct sowlv2_find_options *options, size_t size)
{
    const struct sowlv2_find_options defaults = {0};
    options_init(options, size, &defaults, sizeof(defaults));
}

void sowlv2_track_options_init(struct sowlv2_track_options *options, size_t size)
{
    const struct sowlv2_track_options defaults = {.max_cond_frames = 4};
    options_init(options, size, &defaults, sizeof(defaults));
}

void sowlv2_track_run_options_init(struct sowlv2_track_run_options *options, size_t size)
{
    const struct sowlv2_track_run_options defaults = {0};
    options_init(options, size, &defaults, sizeof(defaults));
}
