/* What detect and segment share: models, a run over images, its report. */
#ifndef CLI_IMAGE_RUN_H
#define CLI_IMAGE_RUN_H

#include "cli/marks.h"
#include "cli/settings.h"

/* Opens the models that are needed, runs the pipeline and reports. With `given` (NULL: detect the prompts) the
 * objects are those. Gives an enum exit_status. */
int image_run(const struct settings *settings, const struct mark_objects *given);

/* Threads that read and write. */
int image_run_threads(const struct settings *settings);

#endif
