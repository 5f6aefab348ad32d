/* A detector and a segmenter without models, behind the public API, for tests of the pipeline alone: what it finds
 * depends on the image's size only, and it can be told to fail, to wait and to be interrupted. */
#ifndef TESTS_PIPELINE_FAKE_DETECTOR_H
#define TESTS_PIPELINE_FAKE_DETECTOR_H

#include "sowlv2.h"

#include <signal.h>
#include <stddef.h>

struct fake_detector {
    int bad_width;       /* a batch that holds an image of this width fails */
    unsigned wait;       /* microseconds a call */
    size_t interrupt_at; /* the call (from 1) that sets `interrupted`; 0: none */
    size_t cancel_at;    /* the call that ends with CANCELLED; 0: none */
    volatile sig_atomic_t interrupted;
    int bad_mask_width;                  /* an image of this width cannot be segmented */
    size_t calls, images, largest_batch; /* what happened */
    size_t encoded, decoded;             /* images given to the segmenter, prompts of them */
    int widths[256];                     /* of the first images, in the order they came */
};

extern struct fake_detector fake_detector;

/* A segmenter whose masks are the prompts' boxes, whole pixels; of a prompt without a box the mask is empty. */
extern const sowlv2_segmenter *const fake_segmenter;

/* All back to zero. */
void fake_detector_reset(void);

#endif
