/* What is behind the opaque types of sowlv2.h. */
#ifndef API_TYPES_H
#define API_TYPES_H

#include "engine/detector.h"
#include "engine/scorer.h"
#include "engine/tracking.h"
#include "scoring/scoring.h"
#include "sowlv2.h"
#include "weights/known_words.h"

struct sowlv2_device {
    struct device *device; /* shared */
    char *name, *description;
    const char *cpu_level;
};

struct sowlv2_detector {
    struct device *device;
    struct detector *detector;
    struct known_words *words; /* that it was taught; NULL: any */
};

struct sowlv2_prompts {
    const sowlv2_detector *detector; /* not owned */
    struct detector_prompts *prompts;
};

struct sowlv2_detect_session {
    const sowlv2_detector *detector; /* not owned */
    struct detect_session *session;
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

struct sowlv2_scorer {
    struct device *device;
    struct scorer *scorer;
};

struct sowlv2_score_session {
    struct scoring *scoring;
};

#endif
