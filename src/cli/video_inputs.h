/* What the values of --input are: images and videos. */
#ifndef CLI_VIDEO_INPUTS_H
#define CLI_VIDEO_INPUTS_H

#include "cli/settings.h"

struct video_inputs {
    struct string_list videos;      /* files, URLs, cameras, "-"; with --as-video folders of frames */
    struct string_list names;       /* what rows call each: the path below the input */
    struct string_list images;      /* all others, to be opened */
    struct string_list image_names; /* the same of them */
};

/* Lists and sorts the values of --input and --as-video, once for the whole run. Errors: as inputs_list(). */
int video_inputs_sort(const struct settings *settings, struct video_inputs *out);
void video_inputs_free(struct video_inputs *inputs);

#endif
