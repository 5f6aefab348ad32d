/* What the engine asks of a model that segments and, where it can, tracks: one table, which a model's folder fills.
 * Weights are immutable and shared by threads; features and a tracker belong to one thread at a time. */
#ifndef NN_SEGMENTER_MODEL_H
#define NN_SEGMENTER_MODEL_H

#include "nn/pass.h"
#include "ops/ops.h"

/* A point's label; callers give SEGMENT_OUTSIDE and SEGMENT_INSIDE. */
enum segment_label {
    SEGMENT_PADDING = POINT_PADDING, /* ignored; but its token is there, as in the reference's padded batches */
    SEGMENT_NOT_A_POINT = POINT_NONE,
    SEGMENT_OUTSIDE = 0,
    SEGMENT_INSIDE = 1,
    SEGMENT_TOP_LEFT = 2, /* of a box */
    SEGMENT_BOTTOM_RIGHT = 3,
};

/* Prompts are those of sowlv2.h, whose logits must be of the model's side, and whose labels may be any of
 * enum segment_label: */
static inline int32_t segment_label_of(const struct sowlv2_segment_prompt *prompt, size_t point)
{
    return prompt->labels ? prompt->labels[point] : SEGMENT_INSIDE;
}

/* Where a prompt of a frame says that its object is, without its mask. */
static inline struct sowlv2_segment_prompt segment_prompt_of(const struct sowlv2_track_prompt *prompt)
{
    return (struct sowlv2_segment_prompt){
        .box = prompt->box, .points = prompt->points, .labels = prompt->labels, .point_count = prompt->point_count};
}

/* Of each of n prompts the mask that counts, into the caller's tensors. */
struct segment_best {
    struct tensor masks;         /* [n, mask_side, mask_side] logits */
    struct tensor iou;           /* [n, 1]: the model's own estimate, 0 to 1 */
    struct tensor object_scores; /* [n, 1] logits: over 0, there is an object */
};

struct tracker_options {
    /* Conditioning frames that are kept for each object, the nearest ones. 0: what the model says; -1: all. */
    int max_conditioning;
    /* Tracked frames around the current one whose memory is kept for corrections and backward tracking; 0: what
     * tracking forward, or the current frame once more, needs. */
    int window;
    bool reference_rules; /* where the reference's rules differ from the published code's; for parity */
    size_t scratch_limit; /* bytes that bound how many objects make one batch; 0: a default */
    bool chosen;          /* objects are remembered by frames that are chosen, not by the last ones */
};

struct track_run {
    int64_t frame;
    bool reverse;       /* memories are of later frames */
    bool prompted_only; /* leave objects alone that have no new prompt on this frame */
    const struct model_trace *trace;
    const struct model_control *control;
};

/* One object on one frame. */
struct track {
    int64_t object;
    int64_t place;     /* in the order in which the objects came, from 0 */
    bool conditioning; /* this is a frame it was prompted on */
};

/* All objects on one frame; row i of the tensors, which are scratch of the pass, is items[i]'s. The items are the
 * tracker's and valid until its next call. */
struct tracks {
    int64_t count;
    const struct track *items;
    struct tensor masks;         /* [count, mask_side, mask_side] logits; SEGMENT_NO_OBJECT everywhere: not seen */
    struct tensor iou;           /* [count, 1]: the model's own estimate, 0 to 1 */
    struct tensor object_scores; /* [count, 1] logits: over 0, the object is there */
    struct tensor pointers;      /* [count, pointer_width]: what the object looks like */
};

/* The logit of an object that is not seen. */
#define SEGMENT_NO_OBJECT (-1024.0F)

struct segmenter_model {
    const char *kind; /* of checkpoint, as folders are told apart: "sam2" */

    /* The model of `folder` on `device`, which must outlive it. Errors: MODEL, FORMAT, IO, MEMORY, UNSUPPORTED. */
    int (*open)(const char *folder, struct device *device, void **out);
    void (*free)(void *weights);
    int64_t (*mask_side)(const void *weights); /* of the square low-resolution masks it gives and takes */

    /* Features of one image after another; they must not outlive the weights. Errors: MEMORY. */
    int (*features_create)(const void *weights, void **out);
    void (*features_free)(void *features);
    /* A pass of its own, which nobody need finish before the next one of `compute`. `scale` NULL: the model's for
     * images. On error the features are empty. Errors: ARGUMENT, CANCELLED, MEMORY. */
    int (*encode)(const void *weights, struct compute *compute, const struct sowlv2_image *image,
                  const struct pixel_scale *scale, const struct model_control *control, void *features);

    /* ARGUMENT where a coordinate is not finite or a label unknown. */
    int (*check)(const void *weights, const struct sowlv2_segment_prompt *prompt);
    /* How many of the prompts, from the first one on, make one batch. */
    int64_t (*batch)(const void *weights, const struct sowlv2_segment_prompt *prompts, int64_t count);
    /* Within a pass of the caller: a batch of checked prompts. `masks` [n, mask_side, mask_side], logits on the device,
     * counts in place of theirs; NULL: theirs. `multimask`: the best of several masks a prompt. */
    void (*decode)(const void *weights, struct compute *compute, const void *features,
                   const struct sowlv2_segment_prompt *prompts, const struct tensor *masks, int64_t n, bool multimask,
                   const struct segment_best *out);

    /* ---- tracking; NULL, all of them, where the model does none ---- */

    /* The part of `folder` that only tracking needs. Errors: as open. */
    int (*video_open)(const char *folder, const void *weights, void **out);
    void (*video_free)(void *video);
    const struct pixel_scale *(*video_scale)(const void *video); /* how a video's frames are prepared */
    int64_t (*pointer_width)(const void *weights);
    /* Errors: ARGUMENT, MEMORY. */
    int (*tracker_create)(const void *video, const struct tracker_options *options, void **out);
    void (*tracker_free)(void *tracker);
    int (*prompt)(void *tracker, int64_t object, int64_t frame, const struct sowlv2_track_prompt *prompt);
    int (*remove)(void *tracker, int64_t object); /* ARGUMENT where there is none */
    /* Begins a pass; its caller finishes it, then keeps or drops the frame. On error the tracker is as it was.
     * Errors: ARGUMENT, CANCELLED, MEMORY. */
    int (*run)(void *tracker, struct compute *compute, const void *features, const struct track_run *run,
               struct tracks *out);
    void (*keep)(void *tracker, const float *iou, const float *object_scores);
    void (*drop)(void *tracker);
};

#endif
