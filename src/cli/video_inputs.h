/* Which values of --input are videos. */
#ifndef CLI_VIDEO_INPUTS_H
#define CLI_VIDEO_INPUTS_H

#include "cli/settings.h"

struct video_inputs {
    struct string_list videos; /* files, URLs, cameras, "-"; with --as-video folders of frames */
    struct string_list names;  /* what rows call each: the path below the input */
    struct string_list images; /* all others, for inputs_list() */
};

/* Sorts the values of --input. A file is a video by its suffix, or else by how it begins; of a folder the videos in
 * it are taken, and the folder itself where it has images too, or no video. Patterns that no shell has seen are
 * resolved. What is not there goes with the images, whose run says so. Errors: IO (standard input), MEMORY. */
int video_inputs_sort(const struct settings *settings, struct video_inputs *out);
void video_inputs_free(struct video_inputs *inputs);

#endif
