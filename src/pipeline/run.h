/* What the threads of one detect_images() share. */
#ifndef PIPELINE_RUN_H
#define PIPELINE_RUN_H

#include "output/claim.h"
#include "pipeline/detect_images.h"
#include "pipeline/inputs.h"
#include "pipeline/ledger.h"
#include "pipeline/queue.h"

#include <pthread.h>
#include <stdatomic.h>

struct run {
    const struct detect_images_options *options;
    struct inputs inputs;
    struct output_claim *claim;
    bool masks; /* are made */
    struct ledger *ledger;
    struct queue *decoded;    /* struct job: decoders to the computing thread, in any order */
    struct queue *computed;   /* struct job: the computing thread to the writers, once for each that may write */
    pthread_mutex_t writing;  /* guards what writers share of a job: failure, parts, seconds */
    struct string_list slugs; /* of the prompts */
    atomic_int decoders_left; /* the last one closes `decoded` */
    pthread_t *threads;
    size_t thread_count;

    /* The computing thread's own. */
    sowlv2_prompts *prompts;
    sowlv2_detect_session *session;
    sowlv2_segment_session *segment_session; /* NULL: boxes only */
    size_t window;                           /* images in hand at most */
    struct job **pending;                    /* [window]: decoded before their turn, at their place modulo window */
    size_t next;                             /* place of the next image to compute */
    size_t batch_bytes;                      /* pixels at which a batch is full */
    bool stopping;                           /* interrupted or cancelled: what has not been computed is abandoned */
    double wait_seconds, detect_seconds, encode_seconds, mask_seconds;
};

/* The masks of a job's detections (or of what is given), and what a row needs of them. Errors: as sowlv2_segment. */
int segment_job(struct run *run, struct job *job);

/* Starts the decoding and writing threads. Errors: MEMORY; those started must still be ended with
 * stages_join(). */
int stages_start(struct run *run);

/* Makes the output folder ready: what an earlier run left there goes, unless it is gone on with. Again, it does
 * nothing. Errors: IO, ARGUMENT, FORMAT, MEMORY. */
int run_begin_output(struct run *run);

/* Hands a computed job to the writers; never waits. */
void stages_write(struct run *run, struct job *job);

/* Before a job goes to the writers: the output folder is ready, and its journal names the files that the job may get.
 * Errors: as run_begin_output(); the run cannot go on. */
int write_announce(struct run *run, const struct job *job);

/* What a writing thread does until `computed` is closed and empty. */
void write_all(struct run *run);

/* Waits for all threads, once `computed` is closed and the ledger admits no more. */
void stages_join(struct run *run);

/* Computes everything that is decoded, in input order, until there is no more. */
void compute_all(struct run *run);

#endif
