/* A detector and a segmenter without models, behind the public API, for tests of the pipeline alone: what it finds
 * depends on the image's size only, and it can be told to fail, to wait and to be interrupted. */
#ifndef TESTS_PIPELINE_FAKE_DETECTOR_H
#define TESTS_PIPELINE_FAKE_DETECTOR_H

#include "sowlv2.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fake_detector {
    bool by_colour;      /* finds what movie.h paints; fake_tracker.c follows it */
    bool nameless;       /* masks are of all that has the look, whatever its prompt */
    bool ghosts;         /* by colour: also finds a thing where nothing is */
    bool doubles;        /* by colour: each find also under the other prompt, best where the first is worst */
    int bad_width;       /* a batch that holds an image of this width fails */
    unsigned wait;       /* microseconds a call */
    size_t interrupt_at; /* the call (from 1) that sets `interrupted`; 0: none */
    size_t cancel_at;    /* the call that ends with CANCELLED; 0: none */
    volatile sig_atomic_t interrupted;
    int bad_mask_width;                  /* an image of this width cannot be segmented */
    size_t calls, images, largest_batch; /* what happened */
    size_t busy, busiest;                /* calls under way, now and at most */
    size_t encoded, decoded;             /* images given to the segmenter, prompts of them */
    size_t multimask, refined;           /* prompts decoded with these options */
    int widths[256];                     /* of the first images, in the order they came */
};

extern struct fake_detector fake_detector;

/* A segmenter whose masks are the prompts' boxes, whole pixels; of a prompt without a box the mask is empty. */
extern const sowlv2_segmenter *const fake_segmenter;

/* Colours that say what a pixel belongs to: R 250; G 10 times the look, 1 to 20, by which things are told apart; B 100
 * times the prompt, 0 or 1, and 10 times the step of its score, 0 to 9. */
enum { FAKE_LOOKS = 21 };
struct fake_look {
    int look, prompt, step; /* look 0: background */
};
struct fake_look fake_look_of(const uint8_t *pixel);
void fake_look_paint(struct fake_look look, uint8_t *pixel);
float fake_look_score(int step);

/* What most of the box shows; look 0: nothing. */
struct fake_look fake_look_in(const sowlv2_segment_session *session, const float *box);
/* The pixels of that look and prompt. */
void fake_look_mask(const sowlv2_segment_session *session, struct fake_look look, struct sowlv2_mask *out);

/* All back to zero. */
void fake_detector_reset(void);

#endif
