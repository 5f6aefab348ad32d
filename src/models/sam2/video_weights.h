/* The weights of a SAM 2 video checkpoint beside the image model's. C is the model's width, M a memory's, P the
 * pixels of the grid. */
#ifndef MODELS_SAM2_VIDEO_WEIGHTS_H
#define MODELS_SAM2_VIDEO_WEIGHTS_H

#include "models/sam2/video_config.h"
#include "models/sam2/weights.h"

/* One layer of memory attention; D is its inner width. */
struct sam2_memory_layer {
    struct nn_norm norm1, norm2, norm3;
    const struct linear *self_qkv;  /* [3 D, C] */
    const struct linear *self_out;  /* [C, D] */
    const struct linear *query;     /* [D, C] */
    const struct linear *key;       /* [D, M] */
    const struct linear *value_out; /* [C, M]: values' and output's projection in one; NULL with several heads */
    const struct linear *value;     /* [D, M], and */
    const struct linear *out;       /* [C, D]: the two apart */
    const struct linear *fc1, *fc2; /* [hidden, C], [C, hidden] */
};

struct sam2_fuser_block {
    struct tensor kernel, bias; /* [k, k, C], [C] */
    struct nn_norm norm;
    const struct linear *fc1, *fc2; /* [hidden, C], [C, hidden] with the block's scale in it */
};

struct sam2_video_weights {
    struct sam2_memory_layer attention[SAM2_MAX_DEPTH];
    struct nn_norm attention_norm;
    struct tensor cosines, sines;    /* [1, P, D / heads] */
    struct tensor feature_positions; /* [P, C]: 0.1 times the neck's sine positions */
    struct tensor memory_positions;  /* [memories, P, M]: place and time; the last is a conditioning frame's */
    struct tensor minus_no_memory;   /* [1, C]: takes the "no memory" embedding off the image embedding */

    const struct conv2d *downsampler[SAM2_MAX_DEPTH];
    struct nn_norm downsampler_norm[SAM2_MAX_DEPTH];
    int64_t downsampler_channels;  /* of the last one */
    const struct conv2d *mask_out; /* [C, channels, 1, 1] */
    const struct linear *feature;  /* [C, C] */
    struct sam2_fuser_block fuser[SAM2_MAX_DEPTH];
    const struct linear *memory_out; /* [M, C] */
    struct tensor occlusion;         /* [1, M]; without data where the model has none */

    struct nn_feed_forward pointer;      /* [C, C], 3 layers */
    const struct linear *pointer_time;   /* [M, C]; NULL where pointers carry no time */
    struct tensor pointer_periods;       /* [C / 2]: of the sine embedding of a distance in time */
    struct tensor no_pointer;            /* [1, C] */
    struct tensor no_object;             /* [1, 1]: the logit of an object that is not seen */
    const struct conv2d *mask_to_logits; /* [1, 1, 4, 4], stride 4 */
};

int sam2_video_weights_load(const struct sam2_config *image, const struct sam2_video_config *config,
                            const struct checkpoint *checkpoint, struct parameters *parameters,
                            struct sam2_video_weights *out);
void sam2_video_weights_free(struct sam2_video_weights *weights);

/* A part of the model, as the loader walks over it. */
void sam2_load_memory_encoder(struct loader *loader, const struct sam2_config *image,
                              const struct sam2_video_config *config, struct sam2_video_weights *out);

#endif
