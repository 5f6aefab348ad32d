/* The parts of the table of flags as one. */
#include "cli/option_tables.h"

#include <string.h>

static const struct {
    const struct option_spec *rows;
    const size_t *count;
} parts[] = {
    {options_images, &options_images_count},
    {options_video, &options_video_count},
    {options_frames, &options_frames_count},
    {options_common, &options_common_count},
};

#define PARTS (sizeof(parts) / sizeof(parts[0]))

size_t option_count(void)
{
    size_t count = 0;

    for (size_t i = 0; i < PARTS; i++)
        count += *parts[i].count;
    return count;
}

const struct option_spec *option_at(size_t index)
{
    for (size_t i = 0; i < PARTS; i++) {
        if (index < *parts[i].count)
            return &parts[i].rows[index];
        index -= *parts[i].count;
    }
    return NULL;
}

static bool same_name(const char *name, const char *typed)
{
    for (; *name && *typed; name++, typed++)
        if (*name != (*typed == '_' ? '-' : *typed))
            return false;
    return *name == *typed;
}

const struct option_spec *option_find(const char *name, unsigned verbs, size_t *index)
{
    const struct option_spec *spec;

    for (size_t i = 0; (spec = option_at(i)); i++)
        if ((spec->verbs & verbs) && same_name(spec->name, name)) {
            if (index)
                *index = i;
            return spec;
        }
    return NULL;
}
