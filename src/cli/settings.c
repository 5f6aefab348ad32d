/* Defaults of the settings, and the checks that concern more than one value's form. */
#include "cli/settings.h"

#include "base/error.h"

#include <string.h>

struct settings settings_default(void)
{
    struct settings settings = {
        .owl_model = "google/owlv2-base-patch16-ensemble",
        .sam_model = "facebook/sam2.1-hiera-small",
        .run = sowlv2_run_options_default(),
        .detect = sowlv2_detect_options_default(),
        .segment = sowlv2_segment_options_default(),
        .track = sowlv2_track_options_default(),
        .frames = {.model = "facebook/vjepa2-vitl-fpc16-256-ssv2",
                   .importance = "change",
                   .fps = 6,
                   .spacing = 10,
                   .motion_weight = -1},
        .device = "auto",
        .precision = "auto",
    };

    settings.run.output = "output";
    settings.run.prompt_template = "a photo of {}";
    return settings;
}

void settings_free(struct settings *settings)
{
    string_list_free(&settings->prompts);
    string_list_free(&settings->prompt_files);
    string_list_free(&settings->as_video.paths);
    string_list_free(&settings->given);
    string_list_free(&settings->texts);
    string_list_free(&settings->inputs);
    marks_free(&settings->marks);
    string_list_free(&settings->owned);
}

int settings_check_common(const struct settings *settings)
{
    const char *const precision = settings->precision;

    if (strcmp(precision, "f32") != 0 && strcmp(precision, "bf16") != 0 && strcmp(precision, "int8") != 0 &&
        strcmp(precision, "auto") != 0)
        return error_set(SOWLV2_ERROR_UNSUPPORTED,
                         "--precision: '%s' is not built into this version yet: use bf16, f32, int8 or auto",
                         precision);
    if (strcmp(precision, "int8") == 0 && strncmp(settings->device, "cuda", strlen("cuda")) == 0)
        return error_set(SOWLV2_ERROR_UNSUPPORTED,
                         "--precision int8: only CPUs compute in it: use --device cpu, or --precision bf16 or f32");
    if (settings->isolate && settings->run.allow_playlists)
        return error_set(SOWLV2_ERROR_ARGUMENT, "--isolate cannot be combined with --allow-playlists: the decoder may "
                                                "not open the files that a playlist names");
#ifndef __linux__
    if (settings->isolate)
        return error_set(SOWLV2_ERROR_UNSUPPORTED, "--isolate is available on Linux only");
#endif
    return 0;
}

static int check_inputs(const struct settings *settings)
{
    if (settings->inputs.count == 0 && settings->as_video.paths.count == 0)
        return error_set(SOWLV2_ERROR_ARGUMENT, "--input: missing: give an image, a video or a folder of them");
    return 0;
}

int settings_check_detect(const struct settings *settings)
{
    int status = 0;

    if (settings->prompts.count == 0)
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "--prompt: missing: name what to look for, for example --prompt cat dog");
    status = check_inputs(settings);
    if (status)
        return status;
    if (settings->run.end > 0 && settings->run.end <= settings->run.start)
        return error_set(SOWLV2_ERROR_ARGUMENT, "--end: %g s is not after --start, %g s", settings->run.end,
                         settings->run.start);
    if (!strstr(settings->run.prompt_template, "{}"))
        return error_set(SOWLV2_ERROR_ARGUMENT, "--prompt-template: '%s' has no {}: write {} where the prompt goes",
                         settings->run.prompt_template);
    if (!settings_want_masks(settings) && (settings->run.draw & SOWLV2_DRAW_MASKS))
        return error_set(SOWLV2_ERROR_ARGUMENT, "--draw: masks need a model: not with --sam-model none");
    if (!settings_want_masks(settings) && settings->run.crops)
        return error_set(SOWLV2_ERROR_ARGUMENT, "--crops: needs masks: not with --sam-model none");
    return 0;
}

bool settings_want_masks(const struct settings *settings)
{
    return strcmp(settings->sam_model, "none") != 0;
}

int settings_check_segment(const struct settings *settings)
{
    int status = check_inputs(settings);

    if (status)
        return status;
    if (settings->marks.count == 0)
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "--box or --point: missing: say what to cut out, for example --box 10,20,200,150");
    if (!settings_want_masks(settings))
        return error_set(SOWLV2_ERROR_ARGUMENT, "--sam-model none: segment makes only masks: name a model");
    return 0;
}
