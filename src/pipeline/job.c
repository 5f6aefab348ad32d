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

int job_make_files(struct job *job)
{
    job->files = calloc(job->detections.count + 1, sizeof(*job->files));
    return job->files ? 0 : error_memory("file names");
}

static void free_files(struct job *job)
{
    for (size_t i = 0; job->files && i < job->detections.count; i++) {
        free(job->files[i].mask);
        free(job->files[i].crop);
        sowlv2_string_free(&job->files[i].rle);
    }
    free(job->files);
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
    if ((*job)->masks)
        sowlv2_masks_free((*job)->masks, (*job)->detections.count);
    free((*job)->masks);
    free_files(*job);
    sowlv2_detections_free(&(*job)->detections);
    output_identity_free(&(*job)->identity);
    string_free(&(*job)->row);
    free((*job)->failure);
    free(*job);
    *job = NULL;
}
