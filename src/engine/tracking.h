/* One video's tracking with a segmenter: its current frame, its objects, and earlier frames that one can return to. */
#ifndef ENGINE_TRACKING_H
#define ENGINE_TRACKING_H

#include "engine/segmenter.h"

struct tracking;

struct tracking_options {
    int max_conditioning; /* see struct tracker_options */
    int keep_frames;      /* frames that one can return to */
    bool chosen;          /* see struct tracker_options */
    bool separate;        /* a pixel belongs to one object at most, the likeliest one */
    struct mask_rules rules;
};

/* The segmenter must outlive it. Errors: MODEL (a model that does not track), FORMAT, ARGUMENT, MEMORY. */
int tracking_create(struct segmenter *segmenter, const struct tracking_options *options, struct tracking **out);
void tracking_free(struct tracking **tracking);

/* The session whose image is the current frame; another image there ends it. */
struct segment_session *tracking_session(struct tracking *tracking);

/* Encodes a frame, which becomes the current one; all frames have one size. On error there is no current frame. */
int tracking_set_frame(struct tracking *tracking, int64_t frame, const struct sowlv2_image *image,
                       const struct model_control *control);
/* Makes a kept frame the current one. ARGUMENT where it is not kept. */
int tracking_return(struct tracking *tracking, int64_t frame, const struct model_control *control);
bool tracking_has_frame(const struct tracking *tracking);
void tracking_size(const struct tracking *tracking, int *width, int *height);

/* Notes a prompt for an object on the current frame; it counts when that is run. ARGUMENT, MEMORY. */
int tracking_prompt(struct tracking *tracking, int64_t object, const struct sowlv2_track_prompt *prompt);
int tracking_remove(struct tracking *tracking, int64_t object);

/* One object on the current frame. What it points to is valid during the call that gives it. */
struct tracking_result {
    int64_t object;
    int64_t count, rank; /* objects on this frame; its place among them in the order in which they came, from 0 */
    bool conditioning;   /* this is a frame it was prompted on */
    float iou, object_score;
    float confidence;     /* iou * sigmoid(object_score) */
    const uint64_t *bits; /* [height][bits_words(width)], rows as in base/bits.h; 1: object, 0: not */
    const float *pointer; /* [pointer_width] */
    int64_t pointer_width;
};
typedef int (*tracking_taker)(const struct tracking_result *result, void *user_data);

/* Runs all objects on the current frame, and gives each, in any order. `reverse`: memories are of later frames;
 * `prompted_only`: objects that have no new prompt are left alone. On error, also one that `take` returns, nothing has
 * changed. Errors: ARGUMENT (no current frame), CANCELLED, MEMORY. */
int tracking_run(struct tracking *tracking, bool reverse, bool prompted_only, const struct model_control *control,
                 tracking_taker take, void *user_data);

#endif
