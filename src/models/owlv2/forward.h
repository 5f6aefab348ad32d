/* The parts of OWLv2's forward pass. All write into tensors of the caller's compute. */
#ifndef MODELS_OWLV2_FORWARD_H
#define MODELS_OWLV2_FORWARD_H

#include "models/owlv2/owlv2.h"
#include "models/owlv2/weights.h"

struct owlv2 {
    struct owlv2_config config;
    struct owlv2_weights weights;
    struct device *device; /* not owned */
    struct checkpoint *checkpoint;
    struct parameters *parameters;
    struct tokenizer *tokenizer;
};

/* pixels of one image -> out [size, size, 3], as the reference's image processor: x * rescale, padded
 * with 0 at the right and bottom to a square, blurred where it shrinks, bilinear, normalised. */
void owlv2_preprocess(struct compute *compute, const struct owlv2_config *config, const struct sowlv2_image *image,
                      struct tensor out);

/* pixel values [batch, size, size, 3] -> features [batch, patches, width]. */
void owlv2_image_tower(const struct owlv2 *model, struct compute *compute, struct tensor pixel_values,
                       const struct model_trace *trace, const struct model_control *control, struct tensor features);

/* features [batch, patches, width] -> boxes [batch, patches, 4] (cx, cy, w, h, 0 to 1). */
void owlv2_box_head(const struct owlv2 *model, struct compute *compute, struct tensor features, struct tensor boxes);

/* features [batch, patches, width] -> objectness logits [batch, patches, 1]. */
void owlv2_objectness_head(const struct owlv2 *model, struct compute *compute, struct tensor features,
                           struct tensor objectness);

/* features [batch, patches, width], queries [n, projection] -> logits [batch, patches, n]. */
void owlv2_class_head(const struct owlv2 *model, struct compute *compute, struct tensor features, struct tensor queries,
                      struct tensor logits);

#endif
