/* The sizes of an OWLv2 checkpoint, from config.json and the image processor's JSON, with the reference's
 * class defaults for absent fields. */
#ifndef MODELS_OWLV2_CONFIG_H
#define MODELS_OWLV2_CONFIG_H

#include "nn/nn.h"

struct owlv2_config {
    struct nn_tower text, vision;
    int64_t vocab_size;
    int text_length; /* max_position_embeddings */
    int64_t projection;
    int image_size, patch_size;
    int64_t grid; /* patches along a side */
    /* Preprocessing: pixel * rescale, padded with 0 to a square, resized, (x - mean) / std. */
    bool pad; /* false: not padded, so that the resize stretches */
    float rescale, mean[3], std[3];
};

/* Reads both files of `folder`. Errors: MODEL (absent, or not an OWLv2 model), FORMAT. */
int owlv2_config_read(const char *folder, struct owlv2_config *out);

#endif
