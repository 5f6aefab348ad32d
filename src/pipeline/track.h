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
    double merge_iou; /* detections of key frames whose masks overlap more than this are one object */
    bool both_ways;   /* follow each object from its best detection forward and backward; needs a source that can be
                         read twice. Else key frames are detected on as they come. */

    double *score_times; /* [score_count], rising; importance scores[score_count], 0 to 1; for a frame budget */
    float *scores;
    size_t score_count;
};

struct track_options {
    const char *source;         /* anything video_reader_open() takes */
    const char *name;           /* what rows call it */
    const char *output;         /* folder, made if missing; NULL: no files, the caller's sinks alone */
    struct output_claim *claim; /* on it, the caller's; NULL: the folder is claimed for the call */
    struct video_reader_options reader;

    const struct sowlv2_segment_prompt *given; /* what to follow from the first frame on, instead of detections; no
                                                  detector and no prompts are needed then; NULL: detect */
    size_t given_count;
    const char *const *prompts; /* bare prompts as the user typed them; labels */
    size_t prompt_count;
    const char *prompt_template;
    struct sowlv2_detect_options detect;
    struct sowlv2_track_options track; /* `pixels` is off always */
    bool multimask, refine; /* as in struct sowlv2_segment_options: objects are then followed from the mask that the
                               image's decoder makes so, not from the prompt itself */
    float dedupe_iou;       /* as in struct sowlv2_find_options; a find that overlaps what is followed this much is no
                               new object, of whatever prompt; 0: off */

    /* When to detect. While nothing is followed, every frame is looked at, later two a second; and: */
    bool cuts;            /* where a scene begins */
    int64_t every_frames; /* each so many frames; 0: off */
    double every_seconds; /* or seconds; 0: off */
    double match_iou;     /* a detection whose mask overlaps that of a followed object of its prompt at least this
                             much is that object */
    int64_t lost_after;   /* frames out of sight after which an object is given up */
    int64_t max_objects;  /* followed at once */
    double budget;        /* share of the frames that are tracked, the others filled in; 1: all */
    const struct track_plan *plan; /* NULL: none */

    struct output_options outputs; /* `pictures` and the audio's are chosen here: */
    int pictures;                  /* 1: a PNG a frame, 0: none, -1: for less than TRACK_FEW_FRAMES frames */
    bool audio;                    /* overlay videos get the source's sound */
    int io_threads;
    bool realtime; /* of live input: drop frames instead of lagging */

    pipeline_progress progress; /* done: frames; total: 0 where it is not known; may be NULL */
    void *progress_user_data;
    const volatile sig_atomic_t *interrupted; /* set to non-zero by a signal handler: finish the frame in hand, close
                                                 the files and stop; may be NULL */
};

enum { TRACK_FEW_FRAMES = 500, TRACK_MOST_THREADS = 64 };

struct track_report {
    int64_t frames, tracked, interpolated; /* written; of them encoded and tracked; filled in */
    int64_t objects;                       /* that were followed */
    int64_t covered;                       /* of those given: left out, since other masks cover them */
    int64_t detections;                    /* frames that the detector looked at */
    int64_t dropped;                       /* frames lost to realtime */
    bool interrupted;
    bool broken; /* the source ended before it should, which is the error that was given: all until then is done */
    /* Seconds: waiting for frames; forward passes of the detector; SAM's encoder; decoder and memory; waiting for the
     * output; drawing and writing, beside the others; all. */
    double read_seconds, detect_seconds, encode_seconds, track_seconds, wait_seconds, write_seconds, total_seconds;
};

/* Runs it; `detector` NULL: with `given`. An end before the source's (a cut, an error of reading, Ctrl-C) leaves what
 * was done complete; but for Ctrl-C it is an error: see report->broken. Errors: whatever opening the source gives,
 * ARGUMENT, IO (output), MEMORY, MODEL (a segmenter without the video part).
 */
int track_video(const sowlv2_detector *detector, const sowlv2_segmenter *segmenter, const struct track_options *options,
                struct track_report *report);

#endif
