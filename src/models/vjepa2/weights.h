/* The weights of a V-JEPA 2 checkpoint: as they lie in the file, and prepared for a device. */
#ifndef MODELS_VJEPA2_WEIGHTS_H
#define MODELS_VJEPA2_WEIGHTS_H

#include "models/vjepa2/config.h"
#include "nn/loader.h"

/* The pooler's last layer: one learned query looks at all tokens. It has no output projection. */
struct vjepa2_cross_layer {
    struct nn_norm norm1, norm2;
    const struct linear *q;   /* [width, width] */
    const struct linear *kv;  /* [2 width, width]: keys, values */
    const struct linear *fc1; /* [mlp_width, width] */
    const struct linear *fc2; /* [width, mlp_width] */
};

struct vjepa2_weights {
    /* What the file has beside the encoder. */
    bool has_predictor, has_classifier;

    const struct linear *patch; /* [width, tubelet patch patch 3]: frames, rows, columns, channels */
    struct nn_block *layers;    /* [config.encoder.layers] */
    struct nn_norm final_norm;
    struct tensor turns; /* [2, positions, axis]: cosines and sines of positions along an axis; none where axis is 0 */

    const struct linear *predictor_in; /* [predictor width, width] */
    struct tensor mask_token;          /* [1, 1, predictor width]: what stands for a token to be predicted */
    struct nn_block *predictor_layers; /* [config.predictor.layers] */
    struct nn_norm predictor_norm;
    struct tensor predictor_turns;      /* as `turns` */
    const struct linear *predictor_out; /* [width, predictor width] */

    struct tensor pooler_query;     /* [1, 1, width] */
    struct nn_block *pooler_layers; /* [config.pooler.layers], or NULL */
    struct vjepa2_cross_layer pooler_cross;
    const struct linear *classifier; /* [label_count, width] */
};

/* Cosines and sines [2][positions][axis], as of `turns`, to be freed with free(); NULL: no memory. */
float *vjepa2_axis_table(int64_t positions, int64_t axis);

/* How many classes the checkpoint's classifier has; 0: it has none. */
int64_t vjepa2_weights_labels(const struct checkpoint *checkpoint);

/* Reads every tensor of the model from `checkpoint` into `parameters`: of the plain layout (encoder and, where
 * it is there, predictor) or the classifier's (the same under "vjepa2.", pooler, classifier). `checkpoint` must
 * stay open as long as the weights are used (f32 tensors are views of the file). On error nothing is left. */
int vjepa2_weights_load(const struct vjepa2_config *config, const struct checkpoint *checkpoint,
                        struct parameters *parameters, struct vjepa2_weights *out);
void vjepa2_weights_free(struct vjepa2_weights *weights);

#endif
