/* What is behind the opaque types of sowlv2.h. */
#ifndef API_TYPES_H
#define API_TYPES_H

#include "models/owlv2/owlv2.h"
#include "models/sam2/sam2.h"
#include "sowlv2.h"

struct sowlv2_detector {
    struct device *device;
    struct owlv2 *model;
};

struct sowlv2_prompts {
    const sowlv2_detector *detector; /* not owned */
    size_t count;
    float *queries; /* [count][projection] */
    bool *masked;   /* [count]: the prompt's first token id is 0 */
};

struct sowlv2_session {
    const sowlv2_detector *detector; /* not owned */
    struct compute *compute;
    /* Results of a pass in host memory, kept between images. */
    float *logits, *boxes, *objectness;
    size_t logits_capacity, boxes_capacity, objectness_capacity;
    struct owlv2_detection *selected; /* [patches] */
};

struct sowlv2_segmenter {
    struct device *device;
    struct sam2 *model;
};

struct sowlv2_segment_session {
    const sowlv2_segmenter *segmenter; /* not owned */
    struct compute *compute;
    struct sam2_features *features;
    bool has_image; /* the features are an image's */
    /* Results of a pass in host memory, kept between passes. */
    float *masks, *second_masks;
    size_t masks_capacity, second_capacity;
    uint8_t *pixels; /* one mask at the image's size */
    size_t pixels_capacity;
};

#endif
