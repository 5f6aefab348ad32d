/* What is behind the engine's detector. */
#ifndef ENGINE_DETECTOR_PARTS_H
#define ENGINE_DETECTOR_PARTS_H

#include "engine/detector.h"

struct detector {
    const struct detector_model *model;
    struct device *device; /* not owned */
    void *weights;
    struct detector_info info;
};

struct detector_prompts {
    const struct detector *detector; /* not owned */
    int64_t count;
    void *encoded; /* the model's, on the device */
};

/* Room in host memory that grows. */
struct detect_room {
    float *values;
    size_t capacity;
};

/* An image of the last run. */
struct detected_image {
    int width, height;
    int64_t prompts;
};

struct detect_session {
    const struct detector *detector; /* not owned */
    struct compute *compute;
    struct detect_room logits, boxes, objectness; /* a pass's results, kept between images */
    struct detection *selected;                   /* [places] */
    struct detected_image *images;                /* [image_count]: whose results are kept */
    int64_t image_count, image_capacity;
};

#endif
