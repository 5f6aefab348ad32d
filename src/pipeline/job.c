/* One image on its way through the pipeline. */
#include "pipeline/job.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

void job_fail(struct job *job)
{
    job->failed = true;
    free(job->failure);
    job->failure = strdup(error_message());
}

void job_free_image(struct job *job)
{
    image_free(&job->image);
    job->image = (struct image){0};
}

void job_free(struct job **job)
{
    if (!*job)
        return;
    job_free_image(*job);
    sowlv2_detections_free(&(*job)->detections);
    string_free(&(*job)->row);
    free((*job)->failure);
    free(*job);
    *job = NULL;
}

double pipeline_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
