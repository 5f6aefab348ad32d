/* What is known of a video before it is tracked: key frames, and what matters when. */
#ifndef RUN_PLAN_H
#define RUN_PLAN_H

#include "pipeline/track.h"
#include "run/run.h"

struct run_plan {
    bool used;
    bool no_model;          /* the error is that the model cannot be had */
    struct track_plan plan; /* its arrays are owned */
};

/* Looks at the video where the options ask for it: with the scorer (`scorer_model`, NULL: none), or, where that cannot
 * be had, in equal steps, with a notice. A pipe or a camera is not looked at before. `out` is given to run_plan_free()
 * in any case. Errors: MODEL and the like where the scorer is required, else those of reading the video; CANCELLED. */
int run_plan_make(struct sowlv2_run *run, const struct sowlv2_model_options *scorer_model,
                  const struct track_options *options, struct run_plan *out);
void run_plan_free(struct run_plan *plan);

#endif
