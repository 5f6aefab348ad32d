/* The sizes of a SAM 2 or 2.1 checkpoint, from config.json and the image processor's JSON, with the
 * reference's class defaults for absent fields. */
#ifndef MODELS_SAM2_CONFIG_H
#define MODELS_SAM2_CONFIG_H

#include "nn/pixels.h"
#include "ops/ops.h"

enum { SAM2_MAX_STAGES = 8, SAM2_MAX_BLOCKS = 256, SAM2_MAX_DEPTH = 16, SAM2_LEVELS = 3 };

/* One block of the Hiera encoder. */
struct sam2_block_config {
    int64_t side_in, side; /* the map is side_in x side_in before, side x side after */
    int64_t dim_in, dim;   /* channels before and after */
    int64_t heads;
    int64_t window; /* side of an attention window before pooling; 0: global attention */
    int pool;       /* queries are pooled by this much (a stage's first block); 1: not */
    bool ends_stage;
};

struct sam2_config {
    int image_size;           /* the model sees image_size x image_size pixels */
    struct pixel_scale scale; /* of images */

    /* Hiera encoder. */
    int patch_kernel, patch_stride, patch_padding;
    int64_t background_side[2]; /* the position embedding's own size, height and width */
    int64_t position_window;    /* side of the tiled position embedding: the first stage's window */
    int stages, blocks;
    int64_t stage_dim[SAM2_MAX_STAGES], stage_side[SAM2_MAX_STAGES];
    struct sam2_block_config block[SAM2_MAX_BLOCKS];
    double mlp_ratio;
    enum activation activation;
    float eps;

    /* Neck: one lateral convolution a stage; top_down[i]: stage i adds the level below it, upsampled. */
    int64_t width; /* channels of all that follows: fpn_hidden_size, hidden_size */
    int neck_kernel, neck_padding;
    bool top_down[SAM2_MAX_STAGES];

    /* Prompt encoder. */
    int64_t grid;      /* the image embedding is grid x grid */
    int64_t mask_side; /* low-resolution masks are mask_side x mask_side: 4 grid */
    int64_t mask_channels, point_kinds;
    enum activation prompt_activation;
    float prompt_eps;

    /* Mask decoder. */
    int64_t decoder_mlp, decoder_heads, downsample;
    int decoder_layers;
    int64_t mask_tokens; /* num_multimask_outputs + 1 */
    int iou_depth;
    int64_t iou_width;
    bool stability_fallback;
    float stability_delta, stability_threshold;
};

/* Reads the files of `folder`. Errors: MODEL (absent, or not a SAM 2 model), FORMAT. */
int sam2_config_read(const char *folder, struct sam2_config *out);

#endif
