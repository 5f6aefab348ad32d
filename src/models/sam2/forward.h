/* The parts of SAM 2's forward pass. All write into tensors of the caller's compute. */
#ifndef MODELS_SAM2_FORWARD_H
#define MODELS_SAM2_FORWARD_H

#include "models/sam2/sam2.h"
#include "models/sam2/weights.h"

struct sam2 {
    struct sam2_config config;
    struct sam2_weights weights;
    struct device *device; /* not owned */
    struct checkpoint *checkpoint;
    struct parameters *parameters;
};

/* An image's features. P = grid^2 pixels of the grid; a high-resolution map's pixels are ordered by the grid's
 * pixel they lie in, then by halves: [P][2 x 2][2 x 2], so that upscaling never moves them. */
struct sam2_features {
    struct device *device;
    int width, height;       /* of the image; 0: empty */
    struct tensor embedding; /* [P, C], the "no memory" embedding added */
    struct tensor middle;    /* [P * 4, C / 4]: stage 1 */
    struct tensor fine;      /* [P * 16, C / 8]: stage 0 */
};

/* pixels of one image -> out [size, size, 3]: antialiased bilinear on 8 bits, x * rescale, normalised. */
void sam2_preprocess(struct compute *compute, const struct sowlv2_image *image, const struct pixel_scale *scale,
                     int64_t side, struct tensor out);

/* pixel values [size, size, 3] -> maps[i] [side i, side i, dim i] of every stage (scratch of the caller's). */
void sam2_hiera(const struct sam2 *model, struct compute *compute, struct tensor pixel_values,
                const struct model_trace *trace, const struct model_control *control, const struct tensor *maps);

/* maps of the stages -> features. */
void sam2_neck(const struct sam2 *model, struct compute *compute, const struct tensor *maps,
               const struct model_trace *trace, const struct sam2_features *features);

/* Number of a prompt's own tokens. */
int64_t sam2_prompt_tokens(const struct sowlv2_segment_prompt *prompt);

/* `count` prompts of as many tokens each -> tokens [count, 2 + mask_tokens + T, C], the output tokens first. */
struct tensor sam2_prompt_sparse(const struct sam2 *model, struct compute *compute,
                                 const struct sam2_features *features, const struct sowlv2_segment_prompt *prompts,
                                 int64_t count);

/* The image embedding with the prompts' masks, which are `masks` [count, mask_side, mask_side] unless that is NULL:
 * [1, P, C] where no prompt has one, else [count, P, C]. */
struct tensor sam2_prompt_dense(const struct sam2 *model, struct compute *compute, const struct sam2_features *features,
                                const struct sowlv2_segment_prompt *prompts, const struct tensor *masks, int64_t count);

/* The two-way transformer: tokens [n, T, C], image [1 or n, P, C] -> queries [n, T, C], keys [n, P, C]. */
void sam2_two_way(const struct sam2 *model, struct compute *compute, struct tensor tokens, struct tensor image,
                  const struct model_trace *trace, struct tensor queries, struct tensor keys);

/* keys [n, P, C] and the masks' hypernetwork outputs [n, mask_tokens, C / 8] -> masks
 * [n, mask_tokens, mask_side, mask_side]. */
void sam2_upscale(const struct sam2 *model, struct compute *compute, const struct sam2_features *features,
                  struct tensor keys, struct tensor hyper, struct tensor masks);

/* Everything the decoder gives for n prompts, all of its masks, in scratch. */
struct sam2_decoded {
    struct tensor masks;  /* [n, mask_tokens, mask_side, mask_side] */
    struct tensor iou;    /* [n, mask_tokens] */
    struct tensor object; /* [n, 1] */
    struct tensor tokens; /* [n, mask_tokens, C]: of the masks */
};

/* Scratch that each prompt of a batch takes, with so many tokens of its own. */
size_t sam2_prompt_bytes(const struct sam2_config *config, int64_t tokens);

/* tokens [n, T, C] (sam2_prompt_sparse) on image embeddings [1 or n, P, C] that already hold the prompts' dense
 * embedding; of `features` only the high-resolution maps are used. */
struct sam2_decoded sam2_decode_tokens(const struct sam2 *model, struct compute *compute,
                                       const struct sam2_features *features, struct tensor tokens, struct tensor image,
                                       const struct model_trace *trace);

/* The mask that counts of each prompt, I32 [n], in scratch: `several` as op_choose_mask. */
struct tensor sam2_choose(const struct sam2 *model, struct compute *compute, const struct sam2_decoded *decoded,
                          bool several);
/* Entry index[b] of x[b] [n, mask_tokens, ...] -> out [n, ...]. */
void sam2_pick(struct compute *compute, struct tensor x, struct tensor index, struct tensor out);

#endif
