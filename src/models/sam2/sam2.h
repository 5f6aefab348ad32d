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

struct sam2_image {
    const uint8_t *pixels; /* RGB */
    int width, height;
    size_t row_bytes;
};

/* What is kept of an encoded image: device memory, filled by sam2_encode, only read by sam2_decode. */
struct sam2_features;

/* Empty features, for any number of images one after another. Must not outlive the model. */
int sam2_features_create(const struct sam2 *model, struct sam2_features **out);
void sam2_features_free(struct sam2_features **features);
/* Size of the image that was encoded; 0 where none was. */
int sam2_features_width(const struct sam2_features *features);
int sam2_features_height(const struct sam2_features *features);

/* On error the features are empty. Errors: ARGUMENT (an image without pixels), CANCELLED, MEMORY. */
int sam2_encode(const struct sam2 *model, struct compute *compute, const struct sam2_image *image,
                const struct model_trace *trace, const struct model_control *control, struct sam2_features *features);

/* ---- prompts ---- */

/* A point's label. */
enum sam2_label {
    SAM2_PADDING = -10, /* ignored; but its token is there, as in the reference's padded batches */
    SAM2_NOT_A_POINT = -1,
    SAM2_OUTSIDE = 0,
    SAM2_INSIDE = 1,
    SAM2_TOP_LEFT = 2, /* of a box */
    SAM2_BOTTOM_RIGHT = 3,
};

/* What one mask is asked by: a box, points, a mask, or any of them together; nothing at all asks for
 * whatever there is. Coordinates are pixels of the image, also outside of it; they must be finite. */
struct sam2_prompt {
    const float *box;      /* x0, y0, x1, y1; or NULL */
    const float *points;   /* [point_count][2]: x, y */
    const int32_t *labels; /* [point_count]: enum sam2_label */
    int point_count;
    const float *mask; /* logits [mask_side][mask_side], such as an earlier low-resolution mask; or NULL */
};

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
                const struct sam2_prompt *prompts, int64_t count, bool multimask, size_t scratch_limit,
                const struct model_trace *trace, const struct model_control *control, const struct sam2_output *out);

/* ---- post-processing ---- */

/* The index of the mask with the highest IoU; the first of equal ones. */
int64_t sam2_best(const float *iou, int64_t count);

/* In place on low-resolution logits [side][side], as Meta's predictor does it: connected parts (8
 * neighbours) of the background of at most `hole_area` pixels become threshold + 10, parts of the object of
 * at most `sprinkle_area` pixels become threshold - 10. 0 leaves them. Errors: MEMORY. */
int sam2_clean_mask(float *mask, int64_t side, float threshold, int64_t hole_area, int64_t sprinkle_area);

/* Logits of `count` masks [count][side][side] -> out [count][height][width], 1 where the mask at the image's
 * size (bilinear) is over `threshold`, else 0. Host memory on both sides. */
int sam2_masks_at_size(const struct sam2 *model, struct compute *compute, const float *masks, int64_t count, int width,
                       int height, float threshold, uint8_t *out);
/* The logits at that size, out [count][height][width]. */
int sam2_logits_at_size(const struct sam2 *model, struct compute *compute, const float *masks, int64_t count, int width,
                        int height, float *out);

#endif
