/* A tracker and the work of one frame. */
#ifndef MODELS_SAM2_TRACKER_H
#define MODELS_SAM2_TRACKER_H

#include "models/sam2/memory_bank.h"

struct sam2_tracker {
    const struct sam2_video *video;
    struct sam2_tracker_options options;
    struct sam2_pool pool;
    struct sam2_object *objects;
    int64_t count, capacity;

    /* What the last run gave. */
    struct sam2_track *tracks;
    float *masks, *pointers; /* [tracks_capacity][mask_side^2], [tracks_capacity][C] */
    int64_t tracks_capacity;
};

/* The object, for tests; NULL where there is none. */
const struct sam2_object *sam2_tracker_peek(const struct sam2_tracker *tracker, int64_t id);

/* How an object is treated on a frame, and so which ones may make one batch. */
enum sam2_job_kind {
    SAM2_JOB_GIVE,    /* a conditioning frame's mask is given again */
    SAM2_JOB_SEGMENT, /* a new prompt, without memory */
    SAM2_JOB_TRACK,   /* with memory, and a prompt where a tracked frame is corrected */
    SAM2_JOB_MASK,    /* a mask prompt */
};

struct sam2_job {
    struct sam2_object *object;
    struct sam2_input *input; /* a fresh one, or NULL */
    enum sam2_job_kind kind;
    bool done, multimask;
    struct sam2_prompt prompt; /* points of `input`'s */
    struct sam2_recalled recalled;
    float *full_mask;       /* of a mask prompt: logits [image_size^2], owned */
    bool appears;           /* so that the pointer counts */
    struct tensor features; /* the new memory, of the pool */

    float *mask, *pointer; /* the tracker's */
    float iou, object_score;
    float *token; /* [C], in struct sam2_frame's `tokens` */
};

/* One frame's work. */
struct sam2_frame {
    struct sam2_tracker *tracker;
    struct compute *compute;
    const struct sam2_features *features;
    const struct sam2_run *run;
    struct sam2_job *jobs;
    int64_t count;
    float *tokens;       /* [count][C] */
    int64_t batch;       /* most objects at once */
    int64_t steps, step; /* for the control */
};

/* Decoder and memory attention: masks, scores and output tokens of all jobs. */
int sam2_frame_decode(struct sam2_frame *frame);
/* A job with a mask prompt. */
int sam2_frame_decode_mask(struct sam2_frame *frame, struct sam2_job *job);
/* Pointers and new memories of all jobs but those that are given again. */
int sam2_frame_remember(struct sam2_frame *frame);

/* The image embedding without the "no memory" embedding, [P, C]. */
struct tensor sam2_frame_image(const struct sam2_frame *frame);
/* The job's results from place `index` of a batch; of its masks the one that counts. */
void sam2_job_take(const struct sam2_frame *frame, struct sam2_job *job, const struct sam2_decoded *decoded,
                   int64_t index);

#endif
