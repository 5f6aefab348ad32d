/* The weights of a SAM 2 checkpoint, prepared for a device. C is the model's width (hidden_size). */
#ifndef MODELS_SAM2_WEIGHTS_H
#define MODELS_SAM2_WEIGHTS_H

#include "models/sam2/config.h"
#include "nn/loader.h"

_Static_assert((int)SAM2_MAX_DEPTH <= (int)NN_MAX_DEPTH, "a feed-forward holds its layers");

/* One encoder block, d_in -> d channels (struct sam2_block_config). */
struct sam2_block {
    struct nn_norm norm1, norm2;
    const struct linear *skip; /* [d, d_in]; NULL where d == d_in */
    const struct linear *qkv;  /* [3 d, d_in]: queries, keys, values */
    const struct linear *out;  /* [d, d] */
    const struct linear *fc1, *fc2;
};

/* Tokens that attend to the image. D = C / downsample. A prompt has few tokens and an image many pixels: instead of
 * the pixels' keys and values, the tokens' queries are taken to the image's channels and what they read back to the
 * heads' (a key's bias adds the same to all scores of a query, so it counts for nothing). */
struct sam2_image_attention {
    const struct linear *q, *out; /* [D, C], [C, D] */
    const struct linear *k_of;    /* [C, D]: the key projection transposed, without bias */
    const struct linear *v;       /* [D, C] */
    const struct linear *k;       /* [D, C]; the first layer's alone, where prompts may share the image; else NULL */
};

/* One layer of the two-way transformer. */
struct sam2_decoder_layer {
    const struct linear *self_qk, *self_v, *self_out; /* [2 C, C], [C, C], [C, C] */
    struct nn_norm norm1, norm2, norm3, norm4;        /* after: self, tokens to image, feed-forward, image to tokens */
    struct sam2_image_attention image;
    /* Image to tokens, likewise: the tokens' keys taken to the image's channels, and their values through the output
     * projection, whose bias each head adds an equal part of. */
    const struct linear *token_k, *token_v; /* [D, C], [D, C] */
    const struct linear *q_of, *q_bias;     /* [C, D]: the query projection transposed; [1, D]: its bias */
    const struct linear *v_out;             /* [C, D] */
    struct nn_feed_forward mlp;
};

/* The two steps from the image's pixels to the masks': transposed convolutions as matrices. */
struct sam2_upscaling {
    struct tensor weight1, bias1; /* [C, 4 C/4], [4 C/4]: outputs as 2 x 2 pixels */
    struct tensor weight2, bias2; /* [C/4, 4 C/8], [4 C/8] */
    struct nn_norm norm;          /* [C/4] */
};

struct sam2_weights {
    /* Encoder. */
    const struct conv2d *patch;                    /* [dim 0, 3, kernel, kernel] */
    struct tensor positions;                       /* [1, side 0, side 0, dim 0] */
    struct sam2_block *blocks;                     /* [config.blocks] */
    const struct conv2d *lateral[SAM2_MAX_STAGES]; /* [C, stage's dim]; NULL where the next is the two in one */
    /* The high-resolution features: C/8 channels of stage 0, C/4 of stage 1. Where no other level needs the
     * lateral map, its convolution and this one, both linear, are one from the stage's channels. */
    const struct conv2d *level_of_stage[2];
    const struct linear *level_of_lateral[2];
    struct tensor no_memory; /* [1, C] */

    /* Prompt encoder. */
    const struct conv2d *mask_conv[3];
    struct nn_norm mask_norm[2];
    struct tensor no_mask;         /* [1, C] */
    struct tensor image_positions; /* [grid^2, C] */
    struct point_embedding points; /* fourier [2, C / 2], kinds [config.point_kinds, C] */

    /* Mask decoder. */
    struct tensor output_tokens; /* [1, 2 + config.mask_tokens, C]: object score, IoU, masks */
    struct sam2_decoder_layer *layers;
    struct sam2_image_attention final;
    struct nn_norm final_norm;
    struct sam2_upscaling upscaling;
    struct nn_feed_forward *hypernetworks; /* [config.mask_tokens] */
    struct nn_feed_forward iou_head, object_head;
};

/* Reads every tensor of the image model from `checkpoint` into `parameters`. `checkpoint` must stay open
 * as long as the weights are used (f32 tensors are views of the file). On error nothing is left. */
int sam2_weights_load(const struct sam2_config *config, const struct checkpoint *checkpoint,
                      struct parameters *parameters, struct sam2_weights *out);
void sam2_weights_free(struct sam2_weights *weights);

/* The parts of the model, as the loader walks over them. */
void sam2_load_encoder(struct loader *loader, const struct sam2_config *config, struct sam2_weights *out);
void sam2_load_prompt_encoder(struct loader *loader, const struct sam2_config *config, struct sam2_weights *out);
void sam2_load_decoder(struct loader *loader, const struct sam2_config *config, struct sam2_weights *out);

#endif
