/* The numbers of every frame: from the scores of clips to importance, scores and scenes. */
#ifndef SCORING_NUMBERS_H
#define SCORING_NUMBERS_H

#include "sowlv2.h"

#include <stdint.h>

/* Starts as {0}. */
struct scoring_numbers {
    struct sowlv2_frame *frames; /* [count] */
    float *sums;                 /* [count] of the scores that clips gave it */
    uint16_t *scored;            /* [count] how many clips these were */
    int16_t *slot;               /* [count] surprise: how far behind the known part it was predicted */
    float *mixed;                /* [final] importance and motion, as they are mixed */
    int64_t count, capacity;
    int64_t final; /* the first so many change no more */
};

/* A frame that no clip has scored. Errors: MEMORY. */
int scoring_numbers_add(struct scoring_numbers *numbers, const struct sowlv2_frame *frame);

/* Adds the score of `tubelets` tubelets to the `frames` frames from index `first` on; frames behind the last whole
 * tubelet get the last one's. A NaN is no score. With `once` a frame that has a score keeps it. */
void scoring_numbers_score(struct scoring_numbers *numbers, int64_t first, int64_t frames, int64_t tubelet_size,
                           const float *scores, int64_t tubelets, bool once);

/* Makes final what can be, where the first `known` frames will be in no other clip. Errors: MEMORY. */
int scoring_numbers_settle(struct scoring_numbers *numbers, const struct sowlv2_score_options *options, int64_t known);

/* Makes all of them final, of so many clips. Errors: MEMORY. */
int scoring_numbers_finish(struct scoring_numbers *numbers, const struct sowlv2_score_options *options, int64_t clips);

/* The choice, into out's frames and their counts. Errors: MEMORY. */
int scoring_numbers_choose(const struct scoring_numbers *numbers, const struct sowlv2_choice_options *options,
                           struct sowlv2_frames *out);
void scoring_numbers_free(struct scoring_numbers *numbers);

#endif
