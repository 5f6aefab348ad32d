/* detect on videos. */
#ifndef CLI_VIDEO_RUN_H
#define CLI_VIDEO_RUN_H

#include "cli/video_inputs.h"
#include "cli/video_places.h"

/* What became of several inputs. */
struct run_count {
    size_t done, failed;
    bool interrupted;
    bool no_model; /* some failed for want of a model */
};

/* Where the results of a run go. */
struct run_output {
    struct output_claim *claim; /* on the output folder */
    struct string_list job;     /* as of job_describe() */
    struct video_place *places; /* of each video */
};

/* Tracks through each video what the prompts name, or, with `given` (else NULL), that from the first frame
 * on. One video after the other, each into its place; those that are done there already are passed over. One that fails
 * is named, and the others are done. */
void video_run(const struct settings *settings, const struct mark_objects *given, const sowlv2_detector *detector,
               const sowlv2_segmenter *segmenter, const struct video_inputs *inputs, const struct run_output *output,
               struct run_count *count);

#endif
