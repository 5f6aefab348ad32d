/* Defaults of the option structs, and what callers of other versions of the header give. */
#include "api/options.h"

#include "base/error.h"

#include <string.h>

enum { LARGEST = 4096 }; /* bytes of any options struct of any version */

void options_init(void *options, size_t size, const void *defaults, size_t known)
{
    if (options == NULL || size < sizeof(size))
        return;
    memset(options, 0, size);
    memcpy(options, defaults, size < known ? size : known);
    memcpy(options, &size, sizeof(size));
}

int options_take(const char *struct_name, const char *maker, const void *given, void *out, size_t known)
{
    size_t size;
    if (given == NULL)
        return 0;
    memcpy(&size, given, sizeof(size));
    if (size < 2 * sizeof(size) || size > LARGEST || size % sizeof(void *) != 0)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: its size is %zu: make it with %s, then change fields", struct_name,
                         size, maker);
    for (size_t i = known; i < size; i++) {
        if (((const unsigned char *)given)[i] != 0) {
            return error_set(
                SOWLV2_ERROR_UNSUPPORTED,
                "%s: a field is set that version %s of the library does not have: leave it as %s makes it, "
                "or use a newer library",
                struct_name, sowlv2_version(), maker);
        }
    }
    memcpy(out, given, size < known ? size : known);
    memcpy(out, &known, sizeof(known));
    return 0;
}

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

void sowlv2_frames_model_options_init(struct sowlv2_model_options *options, size_t size)
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
