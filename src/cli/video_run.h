/* detect on videos. */
#ifndef CLI_VIDEO_RUN_H
#define CLI_VIDEO_RUN_H

#include "cli/video_inputs.h"

/* What became of several inputs. */
struct run_count {
    size_t done, failed;
    bool interrupted;
    bool no_model; /* some failed for want of a model */
};

/* Tracks through each video what the prompts name, or, with `given` (else NULL), that from the first frame
 * on. One video after the other; each has the output folder for itself, or, where there are several inputs, a folder
 * in it. One that fails is named, and the others are done. */
int video_run(const struct settings *settings, const struct mark_objects *given, const sowlv2_detector *detector,
              const sowlv2_segmenter *segmenter, const struct video_inputs *inputs, struct run_count *count);

#endif
