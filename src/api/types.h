/* What is behind the opaque types of sowlv2.h. */
#ifndef API_TYPES_H
#define API_TYPES_H

#include "engine/tracking.h"
#include "models/owlv2/owlv2.h"
#include "sowlv2.h"
#include "weights/known_words.h"

struct sowlv2_detector {
    struct device *device;
    struct owlv2 *model;
    struct known_words *words; /* that it was taught; NULL: any */
};

struct sowlv2_prompts {
    const sowlv2_detector *detector; /* not owned */
    struct owlv2_queries queries;
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
    struct segmenter *segmenter;
};

struct sowlv2_segment_session {
    const sowlv2_segmenter *segmenter; /* not owned */
    struct segment_session *session;
    bool borrowed; /* the session is a track session's */
};

struct sowlv2_track_session {
    struct sowlv2_track_options options;
    sowlv2_segment_session frame; /* the current frame */
    struct tracking *tracking;
};

#endif
