/* What is behind the opaque types of sowlv2.h. */
#ifndef API_TYPES_H
#define API_TYPES_H

#include "models/owlv2/owlv2.h"
#include "models/sam2/video.h"
#include "sowlv2.h"
#include "weights/known_words.h"

#include <pthread.h>

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

/* The part of a segmenter that only tracking needs, opened when the first track session is made. */
struct video_part {
    pthread_mutex_t lock;
    char *folder;
    struct sam2_video *video; /* NULL: not opened yet */
};

struct sowlv2_segmenter {
    struct device *device;
    struct sam2 *model;
    struct video_part *video_part;
};

struct sowlv2_segment_session {
    const sowlv2_segmenter *segmenter; /* not owned */
    struct compute *compute;
    struct sam2_features *features;
    bool has_image;  /* the features are an image's */
    uint64_t images; /* given so far */
    /* Results of a pass in host memory, kept between passes. */
    float *masks, *second_masks;
    size_t masks_capacity, second_capacity;
    uint8_t *pixels; /* one mask at the image's size */
    size_t pixels_capacity;
};

/* A frame whose pixels are kept. */
struct kept_frame {
    int64_t number;
    uint8_t *pixels; /* RGB, rows without gaps; NULL: none yet */
};

struct sowlv2_track_session {
    struct sowlv2_track_options options;
    sowlv2_segment_session *frame; /* compute, features and scratch of the current frame */
    struct sam2_tracker *tracker;
    bool has_frame; /* there is a current frame, as long as its image is `image` of the frame's */
    uint64_t image;
    int64_t number;          /* of the current frame */
    int width, height;       /* of every frame; 0: none came yet */
    struct kept_frame *kept; /* [options.keep_frames]: a ring */
    size_t kept_next;        /* its place to write next */
};

#endif
