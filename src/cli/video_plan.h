/* What V-JEPA 2 says of a video before it is tracked. */
#ifndef CLI_VIDEO_PLAN_H
#define CLI_VIDEO_PLAN_H

#include "cli/settings.h"
#include "pipeline/track.h"

struct video_plan {
    bool used;
    bool no_model;          /* the error is that the model cannot be had */
    struct track_plan plan; /* its arrays are owned */
};

/* Looks at the video where the settings ask for it: with V-JEPA 2, or, where that cannot be had, in equal steps, with
 * a notice. A pipe or a camera is not looked at before. `out` is given to video_plan_free() in any case. Errors:
 * MODEL and the like with --require-vjepa2, else those of reading the video; CANCELLED. */
int video_plan_make(const struct settings *settings, const struct track_options *options, struct video_plan *out);
void video_plan_free(struct video_plan *plan);

#endif
