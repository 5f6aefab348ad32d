/* What a job looks for: its prompts, or its marks. */
#ifndef PIPELINE_PROMPTS_H
#define PIPELINE_PROMPTS_H

#include "sowlv2_run.h"

#include <stdatomic.h>

/* The job's prompts, encoded. Notices about them are given where `*told`, which is true afterwards, is false; NULL:
 * always. Errors: as sowlv2_prompts_encode. */
int prompts_encode(const struct sowlv2_run_options *job, const sowlv2_detector *detector, atomic_bool *told,
                   sowlv2_prompts **out);

/* Turns this thread's message about one of the job's marks ("prompt 2: the box ...", the library's words) into one
 * about `name` and the option that the user wrote; returns `status`. `index` is the mark's where it was asked for
 * alone, otherwise MARKS_ANY: the message tells it. Messages of other kinds stay. */
#define MARKS_ANY SIZE_MAX
int marks_explain(int status, const char *name, const struct sowlv2_run_options *job, size_t index);

#endif
