/* What the threads of one detect_images() share. */
#ifndef PIPELINE_RUN_H
#define PIPELINE_RUN_H

#include "output/outputs.h"
#include "pipeline/detect_images.h"
#include "pipeline/inputs.h"
#include "pipeline/ledger.h"
#include "pipeline/queue.h"

#include <pthread.h>
#include <stdatomic.h>

struct run;

/* A device's models, and what the thread that computes with them has. */
struct computer {
    struct run *run;
    const sowlv2_detector *detector; /* NULL: none is needed */
    sowlv2_prompts *prompts;
    sowlv2_detect_session *session;
    sowlv2_segment_session *segment_session; /* NULL: boxes only */
    size_t batch_most;                       /* images of a batch; fewer than asked for once a GPU had no memory */
    bool batch_told;                         /* that it is fewer */
    bool tells;                              /* progress, as the thread that runs the pipeline does */
    double detect_seconds, encode_seconds, mask_seconds;
    size_t covered; /* objects that --dedupe dropped */
    pthread_t thread;
};

struct run {
    const struct detect_images_options *options;
    const struct sowlv2_run_options *job;
    struct inputs inputs;
    struct output_claim *claim;
    bool masks; /* are made */
    struct ledger *ledger;
    struct queue *decoded;  /* struct job: decoders to the computing threads, in any order */
    struct queue *computed; /* struct job: the computing threads to the writers, once for each that may write */
    struct outputs *outputs;
    pthread_mutex_t asking;   /* held while the caller is asked for an image */
    pthread_mutex_t writing;  /* guards what writers share of a job: failure, parts, seconds */
    atomic_int decoders_left; /* the last one closes `decoded` */
    pthread_t *threads;
    size_t thread_count;

    struct computer *computers; /* [computer_count], the first is that of the thread that runs the pipeline */
    size_t computer_count;
    atomic_bool stopping; /* interrupted or cancelled: what has not been computed is abandoned */

    /* Batches are taken one after the other, each a stretch of the inputs. */
    pthread_mutex_t taking;     /* guards what follows */
    pthread_mutex_t announcing; /* held while the outputs hear of an image before it is written */
    size_t window;              /* images in hand at most */
    struct job **pending;       /* [window]: decoded before their turn, at their place modulo window */
    size_t next;                /* place of the next image to compute */
    size_t batch_bytes;         /* pixels at which a batch is full */
    double wait_seconds;
};

/* The job's objects, of its detections or of what is given, with masks where there is a segmenter. Errors: as
 * sowlv2_segment_objects. */
int segment_job(struct computer *computer, struct job *job);

/* Starts the decoding and writing threads. Errors: MEMORY; those started must still be ended with
 * stages_join(). */
int stages_start(struct run *run);

/* Hands a computed and announced job to the writers; never waits. */
void write_hand_over(struct run *run, struct job *job);

/* What a writing thread does until `computed` is closed and empty. */
void write_all(struct run *run);

/* Waits for all threads, once `computed` is closed and the ledger admits no more. */
void stages_join(struct run *run);

/* Computes everything that is decoded, in input order, until there is no more, on all devices. */
void compute_all(struct run *run);

#endif
