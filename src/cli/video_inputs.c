/* See video_inputs.h. */
#include "cli/video_inputs.h"

#include "pipeline/inputs.h"

static struct string_list take(struct string_list *list)
{
    const struct string_list taken = *list;

    *list = (struct string_list){0};
    return taken;
}

int video_inputs_sort(const struct settings *settings, struct video_inputs *out)
{
    const struct films *const films = &settings->video.as_video;
    const struct inputs_options options = {.given = (const char *const *)settings->inputs.items,
                                           .count = settings->inputs.count,
                                           .recursive = settings->recursive,
                                           .output = settings->output,
                                           .videos = true,
                                           .as_video = films->all,
                                           .films = (const char *const *)films->paths.items,
                                           .film_count = films->paths.count};
    struct inputs inputs = {0};
    const int status = inputs_list(&options, &inputs);

    *out = (struct video_inputs){.videos = take(&inputs.video_paths),
                                 .names = take(&inputs.video_names),
                                 .images = take(&inputs.paths),
                                 .image_names = take(&inputs.names)};
    inputs_free(&inputs);
    return status;
}

void video_inputs_free(struct video_inputs *inputs)
{
    string_list_free(&inputs->videos);
    string_list_free(&inputs->names);
    string_list_free(&inputs->images);
    string_list_free(&inputs->image_names);
}
