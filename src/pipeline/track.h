/* Objects through a video: detect -> segment -> track -> write, streaming. Memory does not grow with the video's
 * length. Stands on the public API. */
#ifndef PIPELINE_TRACK_H
#define PIPELINE_TRACK_H

#include "pipeline/detect_images.h"
#include "video/video_in.h"

/* Frames that are detected on before tracking begins, and what else is known of them before. */
struct track_plan {
    double *key_times; /* [key_count], rising: times of key frames in seconds */
    size_t key_count;
    size_t steps; /* key_times are so many equal steps through a length that was not measured: where it is another one,
                     or was not known at all, they are chosen anew among the frames that are there; 0: they are not */
    double end;   /* seconds: of that length; 0: not known */

    double *score_times; /* [score_count], rising; importance scores[score_count], 0 to 1; for a frame budget */
    float *scores;
    size_t score_count;
};

struct track_options {
    const struct sowlv2_run_options *job; /* whole, as run_take_options() (run/run.h) leaves them */
    const char *source;                   /* anything video_reader_open() takes */
    const char *name;                     /* what rows call it */
    struct output_claim *claim;           /* NULL: no files, the caller's sinks alone */
    struct video_reader_options reader;
    const struct track_plan *plan; /* NULL: none */
    struct output_options outputs; /* the caller's sinks; the rest is filled in */
    atomic_bool *prompts_told;     /* as of struct detect_images_options */

    pipeline_progress progress; /* done: frames; total: 0 where it is not known; may be NULL */
    void *progress_user_data;
};

enum { TRACK_FEW_FRAMES = 500, TRACK_MOST_THREADS = 64 };

struct track_report {
    int64_t frames, tracked, interpolated; /* written; of them encoded and tracked; filled in */
    int64_t objects;                       /* that were followed */
    int64_t covered;                       /* of the marked ones: left out, since other masks cover them */
    int64_t detections;                    /* frames that the detector looked at */
    int64_t dropped;                       /* frames lost to realtime */
    bool interrupted;
    bool broken; /* the source ended before it should, which is the error that was given: all until then is done */
    /* Seconds: waiting for frames; forward passes of the detector; SAM's encoder; decoder and memory; waiting for the
     * output; drawing and writing, beside the others; all. */
    double read_seconds, detect_seconds, encode_seconds, track_seconds, wait_seconds, write_seconds, total_seconds;
};

/* Runs it; `detector` NULL: with marks. An end before the source's (a cut, an error of reading, Ctrl-C) leaves what
 * was done complete; but for Ctrl-C it is an error: see report->broken. Errors: whatever opening the source gives,
 * ARGUMENT, IO (output), MEMORY, MODEL (a segmenter without the video part).
 */
int track_video(const sowlv2_detector *detector, const sowlv2_segmenter *segmenter, const struct track_options *options,
                struct track_report *report);

#endif
