/* What the engine asks of a model that looks at clips of a video, for the scores of its frames: one table, which a
 * model's folder fills. A clip becomes features of its patches in space and time, its tokens: tubelet by tubelet, each
 * in row-major order of its patches. Weights are immutable and shared by threads. */
#ifndef NN_SCORER_MODEL_H
#define NN_SCORER_MODEL_H

#include "nn/pass.h"
#include "ops/ops.h"

struct scorer_info {
    int side;            /* of the square that it sees of a frame, in pixels */
    int frames_per_clip; /* what it was trained with; other counts work */
    int tubelet_size;    /* frames of a tubelet */
    int64_t grid;        /* patches along the square's side */
    int64_t width;       /* of the features */
    bool predictor;      /* it has one */
    int64_t label_count; /* 0: it has no classifier */
    char *const *labels; /* [label_count], the model's own */
};

/* What of a frame the model sees. */
enum scorer_view {
    SCORER_CENTRE, /* what it was trained with: the middle of the frame */
    SCORER_WHOLE,  /* all of it, stretched to the square */
};

/* `batch` clips of `count` frames each, frames[batch][count]; sizes may differ. Or one clip of frames that were
 * prepared: those from entry `first` of `prepared` on, from the first entry again after the last. */
struct scorer_clips {
    const struct sowlv2_image *frames; /* NULL: `prepared` */
    int64_t batch, count;
    enum scorer_view view;         /* of `frames` */
    const struct tensor *prepared; /* F32 [entries, side, side, 3] */
    int64_t first;
};

/* How frames of one size become what the model sees, on the device: made for the first of them and kept. Starts as {0}.
 */
struct frame_resize {
    int width, height; /* 0: none yet */
    enum scorer_view view;
    struct resize vertical, horizontal;
    int top, left; /* where the pixels begin that they read */
};
static inline void frame_resize_free(struct device *device, struct frame_resize *resize)
{
    resize_free(device, &resize->vertical);
    resize_free(device, &resize->horizontal);
    *resize = (struct frame_resize){0};
}

/* What a pass gives, in host memory of the caller but for `kept`; NULL: not wanted, and not computed. */
struct scorer_output {
    float *features;           /* [batch][tokens][width] */
    float *pooled;             /* [batch][width]: needs a classifier */
    float *logits;             /* [batch][label_count]: likewise */
    float *variance;           /* [batch][tubelets]: of a tubelet's patches, the mean over the width */
    const struct tensor *kept; /* [batch, tokens, width] of the model's device: the features stay there, for the passes
                                * of the table that take them */
};

/* Positions of tokens, ids[batch][count]. */
struct scorer_positions {
    const int32_t *ids;
    int64_t count;
};

struct scorer_model {
    const char *kind; /* of checkpoint, as folders are told apart: "vjepa2" */

    /* The model of `folder` on `device`, which must outlive it. Errors: MODEL, FORMAT, IO, MEMORY, UNSUPPORTED. */
    int (*open)(const char *folder, struct device *device, void **out);
    void (*free)(void *weights);
    struct scorer_info (*info)(const void *weights);
    /* Tubelets of a clip of `frames` frames, at least 1. */
    int64_t (*tubelets)(const void *weights, int64_t frames);

    /* What the model sees of one frame, into out F32 [side, side, 3] of memory that outlives passes: a clip of frames
     * that were prepared gives what the frames themselves give. The frame has been read when this returns, and the
     * device goes on: what goes wrong there is the error of a later pass. `kept` stays for the next frame and is freed
     * by the caller. Errors: ARGUMENT, MEMORY. */
    int (*prepare)(const void *weights, struct compute *compute, const struct sowlv2_image *frame,
                   enum scorer_view view, struct frame_resize *kept, struct tensor out);
    /* `control` is asked between the parts. Errors: ARGUMENT (no frames, a frame without size, frames prepared for
     * another model), UNSUPPORTED (no classifier), CANCELLED, MEMORY. */
    int (*encode)(const void *weights, struct compute *compute, const struct scorer_clips *clips,
                  const struct model_control *control, const struct scorer_output *out);

    /* What the model, knowing features [batch, tokens, width] that were kept at `context`, expects at `target`:
     * out[batch][target count][width]. NULL stands for all tokens. Context positions lie inside the clip, targets may
     * lie behind its end. Errors: ARGUMENT, UNSUPPORTED (no predictor), CANCELLED, MEMORY. */
    int (*predict)(const void *weights, struct compute *compute, struct tensor features,
                   const struct scorer_positions *context, const struct scorer_positions *target,
                   const struct model_control *control, float *out);
};

#endif
