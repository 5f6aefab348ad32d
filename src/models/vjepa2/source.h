/* The tensors of a V-JEPA 2 checkpoint as they lie in the file. */
#ifndef MODELS_VJEPA2_SOURCE_H
#define MODELS_VJEPA2_SOURCE_H

#include "models/vjepa2/config.h"
#include "weights/checkpoint.h"

struct vjepa2_source_affine {
    struct host_tensor weight, bias; /* bias.data is NULL where there is none */
};

struct vjepa2_source_layer {
    struct vjepa2_source_affine norm1, norm2, q, k, v, out, fc1, fc2;
};

struct vjepa2_source {
    bool has_predictor, has_classifier;
    struct vjepa2_source_affine patch, final_norm;
    struct vjepa2_source_affine predictor_in, predictor_norm, predictor_out;
    struct host_tensor mask_tokens, pooler_query;
    struct vjepa2_source_layer cross; /* without `out` */
    struct vjepa2_source_affine classifier;
    struct vjepa2_source_layer layers[]; /* encoder, predictor, pooler: in this order, as far as they are there */
};

/* Finds every tensor; freed by free(). Errors: MODEL (missing or misshapen tensors, by name), MEMORY. */
int vjepa2_source_bind(const struct vjepa2_config *config, const struct checkpoint *checkpoint,
                       struct vjepa2_source **out);

#endif
