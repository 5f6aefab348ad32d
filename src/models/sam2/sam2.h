/* SAM 2 and 2.1 on images: a mask for each box, set of points or mask prompt (Ravi et al. 2024, "SAM 2:
 * Segment Anything in Images and Videos"), as the reference implementation computes it.
 *
 *   pixels --preprocess--> [size, size, 3] --Hiera--> maps of every stage --neck--> features:
 *     image embedding [grid^2, C], high-resolution features of twice and four times the grid
 *   prompts --prompt encoder--> tokens [T, C] and a dense embedding --two-way decoder, features-->
 *     mask logits [mask_side, mask_side], predicted IoUs, an object score --postprocess--> masks
 *
 * A model is immutable once open; any number of threads may compute with it, each with a struct compute
 * of its own. An image is encoded once; its features answer any number of prompts. */
#ifndef MODELS_SAM2_SAM2_H
#define MODELS_SAM2_SAM2_H

#include "models/sam2/config.h"
#include "nn/pass.h"
#include "nn/segmenter_model.h"
#include "ops/ops.h"

#include <stdbool.h>

struct sam2;

/* Opens the model folder on `device`, which must outlive the model. Errors: MODEL, FORMAT, IO, MEMORY,
 * UNSUPPORTED. */
int sam2_open(const char *folder, struct device *device, struct sam2 **out);
void sam2_free(struct sam2 **model);

const struct sam2_config *sam2_get_config(const struct sam2 *model);

/* What a trace receives. Of sam2_encode: "pixel_values" [size, size, 3],
 * "embeddings" [side, side, dim], "block.0" ... likewise, "fpn.N" [side^2, C] of levels that are computed on
 * their own, "s0", "s1", "image_embedding". Of sam2_decode, for each batch of N prompts: "sparse" [N, T, C]
 * (the prompts' tokens alone), "dense" [1 or N, grid^2, C] (with the image embedding), "queries.0" ...
 * [N, T, C] and "keys.0" ... [N, grid^2, C] after each layer, "queries" (final). A control is asked between
 * blocks of the encoder and between batches of prompts. */

/* ---- an image's features ---- */

/* What is kept of an encoded image: device memory, filled by sam2_encode, only read by sam2_decode. */
struct sam2_features;

/* Empty features, for any number of images one after another. Must not outlive the model. */
int sam2_features_create(const struct sam2 *model, struct sam2_features **out);
void sam2_features_free(struct sam2_features **features);
/* Width of the image that was encoded; 0 where none was. */
int sam2_features_width(const struct sam2_features *features);

/* `scale` NULL: the model's for images. On error the features are empty. Errors: ARGUMENT (an image without pixels),
 * CANCELLED, MEMORY. */
int sam2_encode(const struct sam2 *model, struct compute *compute, const struct sowlv2_image *image,
                const struct pixel_scale *scale, const struct model_trace *trace, const struct model_control *control,
                struct sam2_features *features);

/* ---- prompts ---- */

/* In host memory of the caller, for `count` prompts; K = sam2_masks_per_prompt. */
struct sam2_output {
    float *masks;        /* [count][K][mask_side][mask_side] logits; over 0 is the object */
    float *iou;          /* [count][K] the model's own estimate of each mask's IoU, 0 to 1 */
    float *object_score; /* [count] logits: over 0, there is an object; or NULL */
    float *tokens;       /* [count][K][C] output tokens of the masks; or NULL */
};

/* Masks a prompt gives: all of the decoder's alternatives (3 in released models), or one. */
int64_t sam2_masks_per_prompt(const struct sam2 *model, bool multimask);

/* The masks of all prompts on one image. Prompts with as many tokens as each other that follow each other
 * are computed as one batch, as far as `scratch_limit` bytes allow (0: a default). Without `multimask` a
 * mask that is not stable gives way to the best of the alternatives, where the model's configuration
 * says so. Errors: ARGUMENT (no image encoded, coordinates or labels), CANCELLED, MEMORY. */
int sam2_decode(const struct sam2 *model, struct compute *compute, const struct sam2_features *features,
                const struct sowlv2_segment_prompt *prompts, int64_t count, bool multimask, size_t scratch_limit,
                const struct model_trace *trace, const struct model_control *control, const struct sam2_output *out);

/* ---- prompts whose masks stay on the device ---- */

/* How many of the prompts, from the first one on, make one batch: as many tokens each, within `scratch_limit` bytes of
 * scratch (0: what suits the device). */
int64_t sam2_batch(const struct sam2 *model, const struct sowlv2_segment_prompt *prompts, int64_t count,
                   size_t scratch_limit);

enum { SAM2_MAX_POINTS = 1 << 16 }; /* of a prompt */

/* ARGUMENT where a coordinate is not finite, a label unknown, or there are too many points. */
int sam2_prompt_check(const struct sam2_config *config, const struct sowlv2_segment_prompt *prompt);

/* Within a pass: the masks of a batch (sam2_batch) of prompts that were checked; `masks` as in nn/segmenter_model.h.
 * With `multimask` it is the decoder's best alternative, without it the single mask, or, where that is not stable and
 * the model's configuration says so, the best. */
void sam2_decode_best(const struct sam2 *model, struct compute *compute, const struct sam2_features *features,
                      const struct sowlv2_segment_prompt *prompts, const struct tensor *masks, int64_t n,
                      bool multimask, const struct model_trace *trace, const struct segment_best *out);

#endif
