/* The weights of an OWLv2 checkpoint: as they lie in the file, and prepared for a device. */
#ifndef MODELS_OWLV2_WEIGHTS_H
#define MODELS_OWLV2_WEIGHTS_H

#include "models/owlv2/config.h"
#include "nn/nn.h"
#include "weights/checkpoint.h"

/* One transformer layer: x += out(attention(norm1(x))); x += fc2(act(fc1(norm2(x)))). */
struct owlv2_layer {
    struct nn_norm norm1, norm2;
    const struct linear *qkv; /* [3 width, width]: queries, keys, values */
    const struct linear *out; /* [width, width] */
    const struct linear *fc1; /* [mlp_width, width] */
    const struct linear *fc2; /* [width, mlp_width] */
};

/* Three linear layers with GELU between: the box head (4 outputs) and the objectness head (1). */
struct owlv2_head {
    const struct linear *dense[3];
};

struct owlv2_weights {
    struct tensor class_embedding; /* [1, width] */
    const struct conv2d *patch;    /* [width, 3, patch, patch] */
    struct tensor positions;       /* [1 + patches, width]; the class token's first */
    struct nn_norm pre_norm, post_norm;
    struct owlv2_layer *vision_layers; /* [config.vision.layers] */
    struct nn_norm feature_norm;       /* after patches are multiplied with the class token */
    const struct linear *class_head;   /* [projection + 2, width]: class embedding, logit shift, logit scale */
    struct owlv2_head box_head, objectness_head;
    struct tensor box_bias; /* [patches, 4] */

    struct tensor token_embedding;   /* [vocab, text width] */
    struct tensor text_positions;    /* [text_length, text width] */
    struct owlv2_layer *text_layers; /* [config.text.layers] */
    struct nn_norm text_final_norm;
    const struct linear *text_projection; /* [projection, text width] */
};

/* Reads every tensor of the model from `checkpoint` into `parameters`. `checkpoint` must stay open as
 * long as the weights are used (f32 tensors are views of the file). On error nothing is left. */
int owlv2_weights_load(const struct owlv2_config *config, const struct checkpoint *checkpoint,
                       struct parameters *parameters, struct owlv2_weights *out);
void owlv2_weights_free(struct owlv2_weights *weights);

#endif
