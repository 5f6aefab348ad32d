/* The sizes of a V-JEPA 2 checkpoint, from config.json and the video processor's JSON, with the reference's
 * class defaults for absent fields. */
#ifndef MODELS_VJEPA2_CONFIG_H
#define MODELS_VJEPA2_CONFIG_H

#include "nn/nn.h"

struct vjepa2_config {
    struct nn_tower encoder, predictor, pooler; /* all of the same activation (hidden_act) and eps */
    bool qkv_bias;
    int patch_size, crop_size;
    int tubelet_size;    /* frames of a tubelet */
    int frames_per_clip; /* what the model was trained with; other counts work */
    int64_t grid;        /* patches along a side */
    int64_t mask_tokens; /* of the predictor */
    int64_t label_count; /* 0: a checkpoint without classifier */
    char **labels;       /* [label_count], owned; the classes' names in id2label */
    /* Preprocessing: short side to `short_side`, centre crop, pixel * rescale, (x - mean) / std. */
    int short_side;
    float rescale, mean[3], std[3];
};

/* Reads both files of `folder`; `label_count` is the classifier's number of outputs (0: none), for which
 * config.json must have the names, or none at all (LABEL_0, ...). Free with vjepa2_config_free, also after
 * an error. Errors: MODEL (absent, or not a V-JEPA 2 model), FORMAT, UNSUPPORTED, MEMORY. */
int vjepa2_config_read(const char *folder, int64_t label_count, struct vjepa2_config *out);
void vjepa2_config_free(struct vjepa2_config *config);

/* How many values of a head the rotation by time, by row and by column take each; may be 0. */
int64_t vjepa2_axis(const struct nn_tower *tower);

#endif
