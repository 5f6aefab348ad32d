/* What is behind the engine's tracking. */
#ifndef ENGINE_TRACKING_PARTS_H
#define ENGINE_TRACKING_PARTS_H

#include "engine/segmenter_parts.h"
#include "engine/tracking.h"

/* A frame whose pixels are kept. */
struct kept_frame {
    int64_t number;
    uint8_t *pixels; /* RGB, rows without gaps; NULL: none yet */
};

struct tracking {
    struct tracking_options options;
    struct segment_session *session; /* compute, features and scratch of the current frame */
    void *tracker;
    bool has_frame; /* there is a current frame, as long as its image is number `image` of the session's */
    uint64_t image;
    int64_t number;          /* of the current frame */
    int width, height;       /* of every frame; 0: none came yet */
    struct kept_frame *kept; /* [options.keep_frames]: a ring */
    size_t kept_next;        /* its place to write next */
};

#endif
