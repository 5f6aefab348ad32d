/* One image on its way through the pipeline. */
#ifndef PIPELINE_JOB_H
#define PIPELINE_JOB_H

#include "output/frame.h"

#include <stdbool.h>
#include <stddef.h>

struct job {
    size_t index; /* place among the inputs */
    struct output_frame frame;
    struct sowlv2_detections detections; /* until they are objects of the frame */
    size_t bytes;                        /* of pixels and masks, as the ledger counts them */
    char *failure;                       /* why it failed; NULL: it did not */
    bool failed;
    size_t next_part, parts; /* of what the writers write: the next to begin, and how many there are */
    size_t writers;          /* that have not let go of it */
    bool abandoned;          /* given up by an interruption before its turn: neither done nor failed */
    double decode_seconds, write_seconds;
};

/* Marks the job as failed with this thread's error message. */
void job_fail(struct job *job);

void job_free(struct job **job);

#endif
