/* One image on its way through the pipeline. */
#include "pipeline/job.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

void job_fail(struct job *job)
{
    job->failed = true;
    free(job->failure);
    job->failure = strdup(error_message());
}

void job_free(struct job **job)
{
    if (!*job)
        return;
    output_frame_free(&(*job)->frame);
    sowlv2_detections_free(&(*job)->detections);
    free((*job)->failure);
    free(*job);
    *job = NULL;
}
