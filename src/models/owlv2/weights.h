/* The weights of an OWLv2 checkpoint: as they lie in the file, and prepared for a device. */
#ifndef MODELS_OWLV2_WEIGHTS_H
#define MODELS_OWLV2_WEIGHTS_H

#include "models/owlv2/config.h"
#include "nn/loader.h"

struct owlv2_weights {
    struct tensor class_embedding; /* [1, width] */
    const struct conv2d *patch;    /* [width, 3, patch, patch] */
    struct tensor positions;       /* [1 + patches, width]; the class token's first */
    struct nn_norm pre_norm, post_norm;
    struct nn_block *vision_layers;  /* [config.vision.layers] */
    struct nn_norm feature_norm;     /* after patches are multiplied with the class token */
    const struct linear *class_head; /* [projection + 2, width]: class embedding, logit shift, logit scale */
    struct nn_feed_forward box_head, objectness_head; /* of 4 outputs and of 1 */
    struct tensor box_bias;                           /* [patches, 4] */

    struct tensor token_embedding; /* [vocab, text width] */
    struct tensor text_positions;  /* [text_length, text width] */
    struct nn_block *text_layers;  /* [config.text.layers] */
    struct nn_norm text_final_norm;
    const struct linear *text_projection; /* [projection, text width] */
};

/* Reads every tensor of the model from `checkpoint` into `parameters`. `checkpoint` must stay open as
 * long as the weights are used (f32 tensors are views of the file). On error nothing is left. */
int owlv2_weights_load(const struct owlv2_config *config, const struct checkpoint *checkpoint,
                       struct parameters *parameters, struct owlv2_weights *out);
void owlv2_weights_free(struct owlv2_weights *weights);

#endif
