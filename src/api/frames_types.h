/* What is behind the opaque types of key frames. */
#ifndef API_FRAMES_TYPES_H
#define API_FRAMES_TYPES_H

#include "models/vjepa2/vjepa2.h"
#include "sowlv2.h"

struct sowlv2_frames_model {
    struct device *device;
    struct vjepa2 *model;
};

#endif
