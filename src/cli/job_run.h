/* What detect and segment share: models, a job over images and videos, its report. */
#ifndef CLI_JOB_RUN_H
#define CLI_JOB_RUN_H

#include "cli/marks.h"
#include "cli/settings.h"

/* Opens the models that are needed, does the job and reports. With `marks` (NULL: detect the prompts) the objects are
 * those. Gives an enum exit_status. */
int job_run(const struct settings *settings, const struct mark_objects *marks);

#endif
