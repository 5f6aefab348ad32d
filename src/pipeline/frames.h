/* Which frames of a video matter: V-JEPA 2 looks at it clip by clip, every frame gets a score, some are chosen.
 * Memory holds one clip and a few numbers a frame, however long the video is. */
#ifndef PIPELINE_FRAMES_H
#define PIPELINE_FRAMES_H

#include "engine/scorer.h"
#include "media/image.h"
#include "video/video_in.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum frames_kind {
    FRAMES_VARIANCE, /* how different the patches of a tubelet are */
    FRAMES_CHANGE,   /* how different a tubelet is from those before it */
    FRAMES_SURPRISE, /* how wrong the predictor is about a tubelet to come */
};

/* "variance", ... */
const char *frames_kind_name(enum frames_kind kind);

/* One frame that V-JEPA saw. */
struct frames_item {
    int64_t number;        /* from 1, among the frames at options.fps */
    int64_t source_number; /* the same frame's among all of the source's, from 1: see struct video_frame */
    double time;           /* seconds */
    float raw;             /* the importance as computed; NaN where there is none, as at the beginning of a video */
    float motion;          /* mean change of the pixels since the frame before, 0 to 1 */
    float score;           /* 0 to 1 over the video */
    bool chosen, scene_start;
};

/* The best classes of one clip, best first. */
enum { FRAMES_CLASSES = 5 };
struct frames_clip {
    double start, end; /* times of its first and last frame */
    int32_t label[FRAMES_CLASSES];
    float score[FRAMES_CLASSES];
};

struct frames_options {
    const char *input;                  /* anything video_reader_open() takes */
    struct video_reader_options reader; /* which part of it. `fps`: of the sequence that first_frame and last_frame
                                           count, and the rate at which a folder's images follow each other */
    double fps; /* frames a second of that part that V-JEPA sees; 0: every frame. A folder's images are all seen. */
    int64_t frames_per_clip; /* 0: what the model was trained with */
    int64_t clip_overlap;    /* frames that two clips share, less than frames_per_clip */
    bool whole;              /* whole frames stretched to the square, not the reference's centre crop */
    enum frames_kind kind;
    float motion_weight; /* share of pixel motion in the scores, 0 to 1 */
    int64_t window;      /* scores are from 0 to 1 over this many frames up to each one; 0: over the whole video */

    int64_t target_frames;  /* how many to choose; 0: min(8, frames) */
    double target_fraction; /* 0: not used; else this part of the frames, at least one */
    int64_t spacing;        /* least distance of chosen frames, in frames seen, relaxed where too few are left */

    const char *features; /* safetensors file of the features; NULL: none */
    bool pooled;          /* in it, the mean over the patches of each tubelet */
    bool labels;          /* classify clips */

    /* Receives the features of each clip as it is computed: features[tokens][width], or with `pooled`
     * [tubelets][width] (rows: tokens or tubelets), of `frames` frames from index `first` on. Valid during the call.
     * Returns 0 or an error that ends the run. NULL: not wanted. */
    int (*clip)(const float *features, int64_t rows, int64_t width, int64_t first, int64_t frames, void *user_data);
    void *clip_user_data;

    /* Receives the picture of each chosen frame, in time order, once the report is complete; returns 0 or an error
     * that ends the run. NULL: not wanted. */
    int (*picture)(const struct image *image, const struct frames_item *item, void *user_data);
    void *picture_user_data;

    void (*progress)(size_t done, size_t total, const char *name, void *user_data); /* NULL: none */
    void *progress_user_data;
    const volatile sig_atomic_t *interrupted; /* non-zero ends the run with CANCELLED; NULL: never */
};

struct frames_report {
    struct frames_item *items; /* [count], in time order */
    int64_t count, chosen_count, scene_count;
    struct frames_clip *clips; /* [clip_count]; the labels only where they were asked for */
    int64_t clip_count;
    int classes; /* how many of each clip are there; 0: not asked for */
    int64_t frames_per_clip, step;
    double read_seconds, model_seconds, total_seconds;
    int broken;    /* the error that ended the input before it should; 0: none did. What came before is in here, */
    char *failure; /* and its message */
};

/* Does it all. `report` is given to frames_report_free() in any case; on error nothing has been written. Errors:
 * ARGUMENT (a clip shorter than a tubelet, an overlap as long as the clip, more than max_pixels), UNSUPPORTED (labels
 * or surprise asked of a checkpoint without them), IO, FORMAT (of the input or the features' file), MEMORY,
 * CANCELLED. */
int frames_run(const struct scorer *scorer, const struct frames_options *options, struct frames_report *report);
void frames_report_free(struct frames_report *report);

/* What the options ask that this model cannot give; frames_run() checks it too. Errors: ARGUMENT, UNSUPPORTED. */
int frames_check(const struct scorer *scorer, const struct frames_options *options);

/* Writes the scores of all frames to `path`, whose ending says how: .json or .csv. `labels` are the model's classes.
 * Errors: ARGUMENT (another ending), IO, MEMORY. */
int frames_write_scores(const char *path, const struct frames_options *options, const struct frames_report *report,
                        char *const *labels);
bool frames_is_scores_name(const char *path);

#endif
