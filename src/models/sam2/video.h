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
const struct sam2_video_config *sam2_video_get_config(const struct sam2_video *video);

/* ---- a session ---- */

struct sam2_tracker;

/* `options` NULL: all zero. `video` must outlive the tracker. Errors: ARGUMENT, MEMORY. */
int sam2_tracker_create(const struct sam2_video *video, const struct tracker_options *options,
                        struct sam2_tracker **out);
void sam2_tracker_free(struct sam2_tracker **tracker);

/* Notes a prompt for `object`, a number of the caller's (a new one is a new object), on frame `frame`; it counts when
 * that frame is run. Errors: ARGUMENT, MEMORY. */
int sam2_tracker_prompt(struct sam2_tracker *tracker, int64_t object, int64_t frame,
                        const struct sowlv2_track_prompt *prompt);

/* Forgets the object. ARGUMENT where there is none. */
int sam2_tracker_remove(struct sam2_tracker *tracker, int64_t object);
/* Objects so far, and the number of one, in the order in which they came. */
int64_t sam2_tracker_count(const struct sam2_tracker *tracker);
int64_t sam2_tracker_object(const struct sam2_tracker *tracker, int64_t index);
/* Bytes of memories that the tracker holds. */
size_t sam2_tracker_bytes(const struct sam2_tracker *tracker);

/* Begins a pass that runs all objects on a frame with these features: those with a new prompt for it are segmented,
 * those that were prompted on it before are given again, the others are tracked; those without any prompt so far are
 * left out. Frames may be left out; numbers grow by one a frame. The caller goes on with the tensors, finishes the
 * pass, and then keeps the frame or drops it. Besides what sam2_decode traces: "memory" [n, P, 64] of objects that are
 * encoded together, before rounding. On error the tracker is as it was. Errors: ARGUMENT, CANCELLED, MEMORY. */
int sam2_tracker_run(struct sam2_tracker *tracker, struct compute *compute, const struct sam2_features *features,
                     const struct track_run *run, struct tracks *out);

/* After the pass went well: the tracker remembers the frame. iou and object_scores [count]: the tensors' values. */
void sam2_tracker_keep(struct sam2_tracker *tracker, const float *iou, const float *object_scores);
/* Else: the tracker is as it was before the run. Harmless where there is no frame to drop. */
void sam2_tracker_drop(struct sam2_tracker *tracker);

#endif
