/* One image on its way through the pipeline. */
#ifndef PIPELINE_JOB_H
#define PIPELINE_JOB_H

#include "base/strings.h"
#include "media/image.h"
#include "output/identity.h"
#include "output/results.h"
#include "sowlv2.h"

#include <stdbool.h>
#include <stddef.h>

struct job {
    size_t index;                    /* place among the inputs */
    const char *name;                /* of the row; belongs to the inputs */
    struct output_identity identity; /* of its file, when it was read */
    struct image image;
    size_t bytes; /* of the pixels, as the ledger counts them */
    struct sowlv2_detections detections;
    struct sowlv2_mask *masks;   /* one a detection; NULL: none were made */
    struct results_files *files; /* likewise */
    struct string row;           /* what results.jsonl gets */
    char *failure;               /* why it failed; NULL: it did not */
    bool failed;
    size_t next_part; /* of what the writers write: the next to begin */
    size_t writers;   /* that have not let go of it */
    bool abandoned;   /* given up by an interruption before its turn: neither done nor failed */
    double decode_seconds, write_seconds;
};

/* Makes room for what the row says of the files of each mask. Errors: MEMORY. */
int job_make_files(struct job *job);

/* Marks the job as failed with this thread's error message. */
void job_fail(struct job *job);

/* Frees the pixels alone. */
void job_free_image(struct job *job);

void job_free(struct job **job);

#endif
