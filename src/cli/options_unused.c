/* Options that were given and change nothing: said once, before the work begins. */
#include "base/log.h"
#include "cli/options.h"

#include <string.h>

static bool is_given(const struct settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->given.count; i++)
        if (strcmp(settings->given.items[i], name) == 0)
            return true;
    return false;
}

/* The row of an option that was given; several verbs may have one of that name. */
static const struct option_spec *find_row(const char *name)
{
    return option_find(name, FOR_IMAGES, NULL);
}

static bool is_of_images(const struct option_spec *spec)
{
    return strcmp(spec->name, "batch-size") == 0 || strcmp(spec->name, "disable-gpu-batching") == 0;
}

static bool is_of_videos(const struct option_spec *spec)
{
    return spec->group == GROUP_VIDEO && spec->kind != OPTION_AS_VIDEO; /* which says itself what became of it */
}

static bool is_of_masks(const struct option_spec *spec)
{
    return spec->group == GROUP_MASKS;
}

/* One notice for all that were given of a kind. */
static void tell(const struct settings *settings, bool (*is_of_kind)(const struct option_spec *spec), const char *why)
{
    struct string names = {0};

    for (size_t i = 0; i < settings->given.count; i++) {
        const struct option_spec *const spec = find_row(settings->given.items[i]);

        if (spec && is_of_kind(spec))
            string_append_format(&names, "%s--%s", names.length > 0 ? ", " : "", spec->name);
    }
    if (names.length > 0 && !names.failed)
        log_notice("%s: has no effect: %s", names.data, why);
    string_free(&names);
}

/* Options that change nothing beside another one (`with`), or but for one of two others. */
static const struct {
    const char *name, *other, *second;
    bool with;
} pairs[] = {
    {"require-vjepa2", "enable-vjepa2", NULL, false},
    {"vjepa2-model", "enable-vjepa2", NULL, false},
    {"vjepa2-frames-per-clip", "enable-vjepa2", NULL, false},
    {"temporal-detection-frames", "enable-vjepa2", "use-temporal-detection", false},
    {"temporal-merge-threshold", "use-temporal-detection", NULL, false},
    {"detect-every", "use-temporal-detection", NULL, true},
    {"no-save-frames", "save-frames", NULL, true},
    {"mask-codec", "no-video", NULL, true},
    {"max-object-videos", "no-video", NULL, true},
    {"no-audio", "no-video", NULL, true},
    {"draw", "no-overlay", NULL, true},
};

static void tell_pairs(const struct settings *settings)
{
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        const char *const second = pairs[i].second;
        const bool there = is_given(settings, pairs[i].other) || (second && is_given(settings, second));

        if (is_given(settings, pairs[i].name) && there == pairs[i].with)
            log_notice("--%s: has no effect %s --%s%s%s", pairs[i].name, there ? "with" : "without", pairs[i].other,
                       second ? " or --" : "", second ? second : "");
    }
}

void options_tell_unused(const struct settings *settings, bool images, bool videos)
{
    if (!videos)
        tell(settings, is_of_videos, "for videos only, and there is none");
    if (!images)
        tell(settings, is_of_images, "for images only, and there is none");
    if (!settings_want_masks(settings))
        tell(settings, is_of_masks, "no masks are made with --sam-model none");
    if (videos)
        tell_pairs(settings);
}
