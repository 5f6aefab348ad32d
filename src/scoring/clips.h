/* One clip after the other through the scorer: features, classes, the scores of their frames. */
#ifndef SCORING_CLIPS_H
#define SCORING_CLIPS_H

#include "engine/scorer.h"
#include "scoring/numbers.h"

/* Starts as {0}. */
struct scoring_clips {
    const struct scorer *scorer;
    const struct scorer_info *info;
    const struct sowlv2_score_options *options;
    struct scorer_session *session; /* it holds the last `frames` frames, frame i at i % frames */
    struct model_control control;
    int64_t frames, step; /* of a clip; from clip to clip */
    float *features;      /* [history + tubelets][patches][width] */
    int64_t history;      /* tubelets of the clip before that lie in front of it */
    float *expected;      /* surprise: what is predicted from the clip's first part */
    float *scores, *pooled, *logits;
    int64_t end;              /* frames looked at by the clips so far */
    struct sowlv2_clip *done; /* [done_count] */
    int64_t done_count, done_capacity;
};

/* `options` must stay; `out` is given to scoring_clips_free() in any case. Errors: MEMORY. */
int scoring_clips_open(const struct scorer *scorer, const struct sowlv2_score_options *options,
                       struct scoring_clips *out);

/* Has the session hold frame `index`, the one after the last. Errors: ARGUMENT, MEMORY. */
int scoring_clips_take(struct scoring_clips *clips, int64_t index, const struct sowlv2_image *image);

/* Whether a clip that ends with the last of `count` frames is due. */
bool scoring_clips_due(const struct scoring_clips *clips, int64_t count);

/* Computes the clip of the last min(frames, numbers->count) frames. Errors: CANCELLED, MEMORY. */
int scoring_clips_run(struct scoring_clips *clips, struct scoring_numbers *numbers);

/* Of the frames from the first on, how many no later clip can hold: the last one may begin anywhere behind. */
int64_t scoring_clips_known(const struct scoring_clips *clips);
void scoring_clips_free(struct scoring_clips *clips);

#endif
