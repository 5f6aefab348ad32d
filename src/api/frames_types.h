/* What is behind the opaque types of key frames. */
#ifndef API_FRAMES_TYPES_H
#define API_FRAMES_TYPES_H

#include "engine/scorer.h"
#include "sowlv2.h"

struct sowlv2_frames_model {
    struct device *device;
    struct scorer *scorer;
};

#endif
