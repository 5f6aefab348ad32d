/* Track sessions without a model, behind the public API: an object is the pixels of its look (fake_detector.h), and is
 * lost once it has not been seen for so long that the tracker has forgotten it. */
#ifndef TESTS_PIPELINE_FAKE_TRACKER_H
#define TESTS_PIPELINE_FAKE_TRACKER_H

#include "fake_detector.h"

struct fake_tracker {
    int64_t memory;          /* frames out of sight after which only a new prompt brings an object back */
    size_t interrupt_at;     /* the frame (from 1, as they come) that sets fake_detector.interrupted; 0: none */
    size_t fail_at;          /* the frame that cannot be encoded; 0: none */
    unsigned wait;           /* microseconds a frame */
    size_t sessions, most;   /* alive; objects at once at most, in one session */
    size_t frames, reversed; /* encoded; runs backward */
    int64_t numbers[4096];   /* of the first frames, as they came */
    size_t masks;            /* prompts that were masks */
    size_t unknown;          /* removals of objects that were not there */
    struct sowlv2_track_options options; /* of the last session */
};

extern struct fake_tracker fake_tracker;

/* Resets the detector too, to find by colour. */
void fake_tracker_reset(void);

#endif
