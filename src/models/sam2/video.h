/* SAM 2.1 on video: objects that are prompted on one frame and followed through the others, as the reference
 * implementation computes it frame by frame.
 *
 *   a frame's features --memory attention: what the object looked like, its pointers--> embedding [grid^2, C]
 *     --prompt encoder, mask decoder--> mask, object score, object pointer
 *   features and mask --memory encoder--> memory [grid^2, 64], rounded to bfloat16 as the reference keeps it
 *
 * A sam2_video is immutable once open; many trackers may share it. A tracker is one video's state; it belongs to one
 * thread at a time. Its size depends on the objects and on the options, not on the length of the video: each object
 * keeps its conditioning frames (those it was prompted on), the memories of the last frames (6 in released models)
 * and the pointers of the last ones (15).
 *
 * Where Meta's code and Hugging Face's (the reference) differ, Meta's rule is ours; `reference_rules` takes the
 * other:
 *   - Masks of prompted frames are made 0 or 1 before they are encoded. Meta does it for each object alone, the
 *     reference for all objects of a frame on which any of them was prompted.
 *   - A frame that was tracked and is then corrected becomes a conditioning frame; in the reference it stays a
 *     tracked one.
 *   - Pointers come from the conditioning frames that were selected (max_conditioning) and, as tracked frames', from
 *     the others among the last ones; in the reference from all conditioning frames.
 *   - The pointer of a mask prompt is that of the decoder's single mask; in the reference the best of several.
 * Distances in time are relative to a full memory from the first frame on: the streaming rule of both. */
#ifndef MODELS_SAM2_VIDEO_H
#define MODELS_SAM2_VIDEO_H

#include "models/sam2/sam2.h"
#include "models/sam2/video_config.h"

struct sam2_video;

/* The video part of the model that was opened from `folder`; `model` must outlive it. Errors: MODEL, FORMAT, IO,
 * MEMORY, UNSUPPORTED. */
int sam2_video_open(const char *folder, const struct sam2 *model, struct sam2_video **out);
void sam2_video_free(struct sam2_video **video);

/* ---- a session ---- */

struct sam2_tracker;

struct sam2_tracker_options {
    /* Conditioning frames that are kept for each object, the nearest ones. 0: what the model says; -1: all. */
    int max_conditioning;
    /* Tracked frames around the current one whose memory is kept for corrections and backward tracking; 0: what
     * tracking forward, or the current frame once more, needs. */
    int window;
    bool reference_rules;
    /* Of the masks that are given, not of the remembered ones; all off by default. See sam2_clean_mask and
     * sam2_separate_masks. */
    int64_t hole_area, sprinkle_area;
    bool non_overlapping;
    size_t scratch_limit; /* bytes that bound how many objects make one batch; 0: a default */
};

/* `options` NULL: all zero. `video` must outlive the tracker. Errors: ARGUMENT, MEMORY. */
int sam2_tracker_create(const struct sam2_video *video, const struct sam2_tracker_options *options,
                        struct sam2_tracker **out);
void sam2_tracker_free(struct sam2_tracker **tracker);

/* What an object is asked by on one frame: a box, points, both, or a mask alone. Coordinates are pixels of the
 * frame. */
struct sam2_video_prompt {
    const float *box;      /* x0, y0, x1, y1; or NULL */
    const float *points;   /* [point_count][2] */
    const int32_t *labels; /* [point_count]: enum sam2_label */
    int point_count;
    const uint8_t *mask; /* [mask_height][mask_width], not 0: the object; any size; or NULL */
    int mask_width, mask_height;
    bool refine; /* the points come in addition to those that the object has on this frame */
};

/* Notes a prompt for `object`, a number of the caller's (a new one is a new object), on frame `frame`; it counts when
 * that frame is run. Errors: ARGUMENT, MEMORY. */
int sam2_tracker_prompt(struct sam2_tracker *tracker, int64_t object, int64_t frame,
                        const struct sam2_video_prompt *prompt);

/* Forgets the object. ARGUMENT where there is none. */
int sam2_tracker_remove(struct sam2_tracker *tracker, int64_t object);
/* Objects so far, and the number of one, in the order in which they came. */
int64_t sam2_tracker_count(const struct sam2_tracker *tracker);
int64_t sam2_tracker_object(const struct sam2_tracker *tracker, int64_t index);
/* Bytes of memories that the tracker holds. */
size_t sam2_tracker_bytes(const struct sam2_tracker *tracker);

/* One object on one frame. The pointers are the tracker's and valid until its next call. */
struct sam2_track {
    int64_t object;
    const float *mask;    /* logits [mask_side][mask_side]; -1024 everywhere where the object is not seen */
    const float *pointer; /* [C] */
    float iou;            /* the model's own estimate, 0 to 1 */
    float object_score;   /* logit: over 0, the object is there */
    float confidence;     /* iou * sigmoid(object_score) */
    bool conditioning;    /* this is a frame it was prompted on */
};

struct sam2_run {
    int64_t frame;
    bool reverse;       /* memories are of later frames */
    bool prompted_only; /* leave objects alone that have no new prompt on this frame */
    const struct model_trace *trace;
    const struct model_control *control;
};

/* Runs all objects on a frame with these features: those with a new prompt for it are segmented, those that were
 * prompted on it before are given again, the others are tracked; those without any prompt so far are left out. Frames
 * may be left out; numbers grow by one a frame. Besides what sam2_decode traces: "memory" [grid^2, 64] for each
 * object, before rounding. On error the tracker is as it was. Errors: ARGUMENT, CANCELLED, MEMORY. */
int sam2_tracker_run(struct sam2_tracker *tracker, struct compute *compute, const struct sam2_features *features,
                     const struct sam2_run *run, const struct sam2_track **tracks, int64_t *count);

/* In place on masks [count][area]: a pixel belongs to the mask with the highest logit (the first of equal ones); in
 * the others it becomes -10 where it is more. */
void sam2_separate_masks(float *masks, int64_t count, int64_t area);

#endif
