/* V-JEPA 2: self-supervised video features (Assran et al. 2025, "V-JEPA 2: Self-Supervised Video Models Enable
 * Understanding, Prediction and Planning"), as the reference implementation computes them.
 *
 *   frames --preprocess--> [b, frames, crop, crop, 3] --tubelets--> tokens [b, tubelets grid grid, width]
 *     --encoder--> features [b, tokens, width] --attentive pooler--> [b, width] --classifier--> logits
 *   features at some positions --predictor--> features expected at other positions
 *
 * Tokens go tubelet by tubelet, each in row-major order of its patches.
 * A model is immutable once open; any number of threads may compute with it, each with a struct
 * compute of its own. */
#ifndef MODELS_VJEPA2_VJEPA2_H
#define MODELS_VJEPA2_VJEPA2_H

#include "models/vjepa2/config.h"
#include "nn/pass.h"
#include "ops/ops.h"

#include <stdbool.h>

struct vjepa2;

/* Opens the model folder on `device`, which must outlive the model. Errors: MODEL, FORMAT, IO, MEMORY,
 * UNSUPPORTED. */
int vjepa2_open(const char *folder, struct device *device, struct vjepa2 **out);
void vjepa2_free(struct vjepa2 **model);

const struct vjepa2_config *vjepa2_get_config(const struct vjepa2 *model);
struct device *vjepa2_get_device(const struct vjepa2 *model);
/* What the checkpoint has beside the encoder. */
bool vjepa2_has_predictor(const struct vjepa2 *model);
bool vjepa2_has_classifier(const struct vjepa2 *model);

/* Tubelets and tokens of a clip of `frames` frames (at least 1). Frames that do not fill a tubelet at the end
 * are not looked at; fewer frames than one tubelet are repeated, all of them, tubelet_size times. */
int64_t vjepa2_tubelets(const struct vjepa2_config *config, int64_t frames);
int64_t vjepa2_tokens(const struct vjepa2_config *config, int64_t frames);

/* What a trace receives: "pixel_values" [b, frames, crop, crop, 3], "embeddings"
 * and "encoder.block.0" ... [b, tokens, width], "predictor.embeddings" and "predictor.block.0" ... [b, context +
 * targets, predictor width], "pooler.block.0" ... [b, tokens, width]. A control is asked between
 * layers. */

/* One frame as the caller holds it. */
struct vjepa2_frame {
    const uint8_t *pixels; /* RGB */
    int width, height;
    size_t row_bytes;
};

/* What of a frame the model sees. */
enum vjepa2_view {
    VJEPA2_CENTRE, /* the reference's: the middle square, less a margin of 1/8 of the short side */
    VJEPA2_WHOLE,  /* all of it, stretched to the square */
};

/* `batch` clips of `count` frames each, frames[batch][count]; sizes may differ. */
struct vjepa2_clips {
    const struct vjepa2_frame *frames;
    int64_t batch, count;
    enum vjepa2_view view;
};

/* What the model sees of one frame, as 8-bit RGB out[crop_size][crop_size][3]: a clip of such squares, seen whole,
 * gives what the frames themselves give under `view`, and needs far less memory. Errors: ARGUMENT, MEMORY. */
int vjepa2_shrink(const struct vjepa2 *model, struct compute *compute, const struct vjepa2_frame *frame,
                  enum vjepa2_view view, uint8_t *out);

/* What a pass gives, in host memory of the caller but for `kept`; NULL: not wanted, and not computed. */
struct vjepa2_output {
    float *features;           /* [batch][tokens][width] */
    float *pooled;             /* [batch][width]: needs a classifier's checkpoint */
    float *logits;             /* [batch][label_count]: likewise */
    const struct tensor *kept; /* [batch, tokens, width] of the model's device: the features stay there, for the passes
                                * below */
};

/* Encodes clips and, where wanted, pools and classifies them. `trace` and `control` may be NULL.
 * Errors: ARGUMENT (no frames, a frame without size), UNSUPPORTED (a classifier is wanted and there is none),
 * CANCELLED, MEMORY. */
int vjepa2_encode(const struct vjepa2 *model, struct compute *compute, const struct vjepa2_clips *clips,
                  const struct model_trace *trace, const struct model_control *control,
                  const struct vjepa2_output *out);

/* Pools and classifies features [batch, tokens, width] that a device tensor kept; pooled and logits as above, either
 * may be NULL. */
int vjepa2_classify(const struct vjepa2 *model, struct compute *compute, struct tensor features,
                    const struct model_trace *trace, float *pooled, float *logits);

/* Token positions, ids[batch][count]. */
struct vjepa2_mask {
    const int32_t *ids;
    int64_t count;
};

/* What the predictor expects at `target` after it has seen `context` of features [batch, tokens, width] that a device
 * tensor kept; into out [batch][target count][width]. A NULL mask stands for all tokens. Context positions lie inside
 * the clip, targets may lie behind its end. Errors: ARGUMENT, UNSUPPORTED (no predictor), CANCELLED, MEMORY. */
int vjepa2_predict(const struct vjepa2 *model, struct compute *compute, struct tensor features,
                   const struct vjepa2_mask *context, const struct vjepa2_mask *target, const struct model_trace *trace,
                   const struct model_control *control, float *out);

#endif
