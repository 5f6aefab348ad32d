/* A tracker and the work of one frame. */
#ifndef MODELS_SAM2_TRACKER_H
#define MODELS_SAM2_TRACKER_H

#include "models/sam2/memory_bank.h"

/* How an object is treated on a frame. */
enum sam2_job_kind {
    SAM2_JOB_GIVE,    /* a conditioning frame's results are given again */
    SAM2_JOB_TRACK,   /* with memory, and a prompt where a tracked frame is corrected */
    SAM2_JOB_SEGMENT, /* a new prompt, without memory */
    SAM2_JOB_MASK,    /* a mask prompt */
};

struct sam2_job {
    struct sam2_object *object;
    int64_t place;            /* of the object among all */
    struct sam2_input *input; /* a fresh one, or NULL */
    enum sam2_job_kind kind;
    bool several;                        /* the decoder's best alternative is taken, not its single mask */
    bool conditions;                     /* the frame becomes a conditioning one for the object */
    struct sowlv2_segment_prompt prompt; /* `input`'s points */
    struct sam2_recalled recalled;
    struct tensor features, pointer, mask; /* the new memory's, of the bank; mask where it conditions */
};

/* One frame's work. A job's row in the tensors is its place in `jobs`, where jobs that make one batch follow each
 * other. */
struct sam2_frame {
    struct sam2_tracker *tracker;
    struct compute *compute;
    const struct sam2_features *features;
    struct track_run run;
    struct sam2_job *jobs;
    int64_t count;
    struct tracks results;
    struct tensor tokens;  /* [count, C]: the output token that becomes the pointer */
    struct tensor appears; /* [count, 1]: over 0, the pointer counts */
    struct tensor image;   /* [P, C]: the image embedding without the "no memory" embedding */
    int64_t steps, step;   /* for the control */

    /* With chosen memory, on the host when the pass is finished: of each row the decoder's masks, as in struct
     * sam2_alternatives. */
    float *alternatives; /* [count][mask_tokens][1 + mask_tokens]: all IoUs, then what the masks share */
    int32_t *best;       /* [count]; -1: not decoded on this frame */
};

struct sam2_tracker {
    const struct sam2_video *video;
    struct tracker_options options;
    struct sam2_bank bank;
    struct sam2_object *objects;
    int64_t count, capacity;

    struct sam2_frame *frame; /* that ran and is not kept yet; NULL: none */
    struct track *tracks;     /* of the last run */
    int64_t tracks_capacity;
};

/* The object, for tests; NULL where there is none. */
const struct sam2_object *sam2_tracker_peek(const struct sam2_tracker *tracker, int64_t id);

/* Memory attention and decoder: masks, scores and output tokens of all jobs. */
void sam2_frame_decode(struct sam2_frame *frame);
/* A job with a mask prompt, row `row`. */
void sam2_frame_decode_mask(struct sam2_frame *frame, int64_t row);
/* Pointers and new memories of all jobs but those that are given again. */
void sam2_frame_remember(struct sam2_frame *frame);

/* A mask prompt at the model's size as logits, [1, image_size, image_size], in scratch. */
struct tensor sam2_frame_full_mask(const struct sam2_frame *frame, const struct sam2_input *input);

/* Row `row` of a [count, ...] tensor as [1, ...]. */
struct tensor sam2_frame_row(struct tensor rows, int64_t row);

#endif
