/* A tracker fed with the frames and prompts of tests/models/data/sam2_video_* (made by
 * tests/reference/make_sam2_video.py). */
#ifndef TESTS_MODELS_SAM2_SESSION_H
#define TESTS_MODELS_SAM2_SESSION_H

#include "sam2_case.h"

#include "models/sam2/tracker.h"

/* One object on one frame, in host memory. */
struct session_track {
    int64_t object, place;
    bool conditioning;
    float iou, object_score;
    const float *mask, *pointer; /* logits [mask_side^2], [C] */
};

struct sam2_session {
    struct sam2_case test;
    struct sam2_video *video;
    struct sam2_tracker *tracker;
    struct sam2_features *features;
    const char *run;
    int step;
    struct session_track *tracks; /* of the last run */
    float *values;                /* what they point to */
    float *attention;             /* of a frame's first object, [P, C] */
    bool attended;
};

void sam2_session_open(const char *model, const struct tracker_options *options, struct sam2_session *session);
void sam2_session_close(struct sam2_session *session);

/* The features of the golden's frame. */
void sam2_session_encode(struct sam2_session *session, int64_t frame);
/* Gives the tracker the prompts of `run` that come before this step. `only` other than -1: only this object's. */
void sam2_session_prompt(struct sam2_session *session, const char *run, int step, int only);
/* Runs the frame to its end and keeps it; the tracks are in the order of the objects, and the session's. */
const struct session_track *sam2_session_run(struct sam2_session *session, int64_t frame, int64_t *count);
/* The same with options of the caller's, which may fail: then there are no tracks. */
int sam2_session_try(struct sam2_session *session, const struct track_run *run, const struct session_track **tracks,
                     int64_t *count);

#endif
