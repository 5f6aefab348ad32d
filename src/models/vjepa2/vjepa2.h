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
#include "nn/scorer_model.h"
#include "ops/ops.h"

#include <stdbool.h>

struct vjepa2;

/* Opens the model folder on `device`, which must outlive the model. Errors: MODEL, FORMAT, IO, MEMORY,
 * UNSUPPORTED. */
int vjepa2_open(const char *folder, struct device *device, struct vjepa2 **out);
void vjepa2_free(struct vjepa2 **model);

const struct vjepa2_config *vjepa2_get_config(const struct vjepa2 *model);
/* What the checkpoint has beside the encoder. */
bool vjepa2_has_predictor(const struct vjepa2 *model);
bool vjepa2_has_classifier(const struct vjepa2 *model);

/* Tubelets and tokens of a clip of `frames` frames (at least 1). Frames that do not fill a tubelet at the end
 * are not looked at; fewer frames than one tubelet are repeated, all of them, tubelet_size times. */
int64_t vjepa2_tubelets(const struct vjepa2_config *config, int64_t frames);
int64_t vjepa2_tokens(const struct vjepa2_config *config, int64_t frames);

/* What a trace receives: "pixel_values" [b, frames, crop, crop, 3] of frames that were not prepared, "embeddings"
 * and "encoder.block.0" ... [b, tokens, width], "predictor.embeddings" and "predictor.block.0" ... [b, context +
 * targets, predictor width], "pooler.block.0" ... [b, tokens, width]. A control is asked between
 * layers. */

/* What the model sees of one frame, as scorer_model's `prepare`: under SCORER_CENTRE the reference's, the middle square
 * less a margin of 1/8 of the short side. Errors: ARGUMENT, MEMORY. */
int vjepa2_prepare(const struct vjepa2 *model, struct compute *compute, const struct sowlv2_image *frame,
                   enum scorer_view view, struct frame_resize *kept, struct tensor out);

/* Encodes clips and, where wanted, pools and classifies them. `trace` and `control` may be NULL.
 * Errors: ARGUMENT (no frames, a frame without size, frames prepared for another model), UNSUPPORTED (a classifier is
 * wanted and there is none), CANCELLED, MEMORY. */
int vjepa2_encode(const struct vjepa2 *model, struct compute *compute, const struct scorer_clips *clips,
                  const struct model_trace *trace, const struct model_control *control,
                  const struct scorer_output *out);

/* What the predictor expects at `target` after it has seen `context` of features [batch, tokens, width] that a device
 * tensor kept; into out [batch][target count][width]. NULL stands for all tokens. Context positions lie inside
 * the clip, targets may lie behind its end. Errors: ARGUMENT, UNSUPPORTED (no predictor), CANCELLED, MEMORY. */
int vjepa2_predict(const struct vjepa2 *model, struct compute *compute, struct tensor features,
                   const struct scorer_positions *context, const struct scorer_positions *target,
                   const struct model_trace *trace, const struct model_control *control, float *out);

#endif
