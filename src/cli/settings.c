/* Defaults of the settings, and the checks that concern more than one value's form. */
#include "cli/settings.h"

#include "base/error.h"
#include "media/image.h"
#include "pipeline/detect_images.h"

#include <string.h>

struct settings settings_default(void)
{
    return (struct settings){
        .output = "output",
        .owl_model = "google/owlv2-base-patch16-ensemble",
        .threshold = 0.1,
        .prompt_template = "a photo of {}",
        .draw = DRAW_BOXES | DRAW_LABELS,
        .batch_size = 4,
        .max_pixels = IMAGE_DEFAULT_MAX_PIXELS,
        .vjepa2_frames_per_clip = 16,
        .temporal_detection_frames = 5,
        .temporal_merge_threshold = 0.7,
        .device = "auto",
        .precision = "auto",
    };
}

void settings_free(struct settings *settings)
{
    string_list_free(&settings->prompts);
    string_list_free(&settings->texts);
    string_list_free(&settings->owned);
}

int settings_check_common(const struct settings *settings)
{
    if (strcmp(settings->precision, "f32") != 0 && strcmp(settings->precision, "auto") != 0)
        return error_set(SOWLV2_ERROR_UNSUPPORTED,
                         "--precision: '%s' is not built into this version yet: use f32 or auto", settings->precision);
    return 0;
}

int settings_check_detect(const struct settings *settings)
{
    if (settings->prompts.count == 0)
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "--prompt: missing: name what to look for, for example --prompt cat dog");
    if (!settings->input)
        return error_set(SOWLV2_ERROR_ARGUMENT, "--input: missing: give an image or a folder of images");
    if (!strstr(settings->prompt_template, "{}"))
        return error_set(SOWLV2_ERROR_ARGUMENT, "--prompt-template: '%s' has no {}: write {} where the prompt goes",
                         settings->prompt_template);
    if (settings->draw & DRAW_MASKS)
        return error_set(SOWLV2_ERROR_UNSUPPORTED,
                         "--draw: masks are not built into this version yet: use boxes, labels or both");
    return 0;
}
