/* Frames of a sequence, one after the other, through a scorer: it looks at them clip by clip, every frame gets a score,
 * some are chosen. Memory holds one clip and a few numbers a frame, however many there are. What the structs and
 * functions of sowlv2.h of the same name say holds here; arguments are checked there. */
#ifndef SCORING_SCORING_H
#define SCORING_SCORING_H

#include "engine/scorer.h"
#include "sowlv2.h"

struct scoring;

/* What the options ask that this scorer cannot give. Errors: ARGUMENT, UNSUPPORTED. */
int scoring_check(const struct scorer *scorer, const struct sowlv2_score_options *options);

/* The options are copied and have passed scoring_check(). Errors: MEMORY. */
int scoring_create(const struct scorer *scorer, const struct sowlv2_score_options *options, struct scoring **out);
void scoring_free(struct scoring **scoring);

/* Errors: ARGUMENT (after the end, after an error, a time that does not rise: nothing has changed), CANCELLED, MEMORY.
 */
int scoring_push(struct scoring *scoring, const struct sowlv2_image *image, double time, int64_t source_number);
int scoring_finish(struct scoring *scoring);

int64_t scoring_count(const struct scoring *scoring);
int64_t scoring_final(const struct scoring *scoring);
/* NULL: there is none of that index. */
const struct sowlv2_frame *scoring_frame(const struct scoring *scoring, int64_t index);

/* Errors: ARGUMENT (before the end), MEMORY. */
int scoring_choose(const struct scoring *scoring, const struct sowlv2_choice_options *options,
                   struct sowlv2_frames *out);

#endif
