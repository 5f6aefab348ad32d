/* The settings of detect and segment as options of a job. */
#ifndef CLI_JOB_OPTIONS_H
#define CLI_JOB_OPTIONS_H

#include "cli/job_report.h"
#include "cli/marks.h"
#include "cli/settings.h"
#include "sowlv2_run.h"

struct job_options {
    struct sowlv2_run_options run; /* points to what follows, and into the settings */
    struct sowlv2_model_options scorer;
    struct string_list job;
};

/* `*out` must not move, and is freed with job_options_free() in any case. `given` NULL: prompts. Errors: MEMORY. */
int job_options_make(const struct settings *settings, const struct mark_objects *given, struct job_report *report,
                     struct job_options *out);
void job_options_free(struct job_options *options);

#endif
