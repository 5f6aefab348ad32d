/* Which images may start, and their rows back in input order. It bounds how many images are in hand, in
 * number and in bytes of pixels, so that memory does not grow with the folder. */
#ifndef PIPELINE_LEDGER_H
#define PIPELINE_LEDGER_H

#include "output/outputs.h"

/* One image on its way through the pipeline. */
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

struct ledger;

/* What has come out so far. */
struct ledger_totals {
    size_t done, failed, objects; /* images finished (failed ones included), of them failed, objects written */
    double decode_seconds, write_seconds;
};

/* A ledger of `total` images of which at most `window` are in hand at once. An image starts only while the
 * pixels in hand are at most `byte_budget`. What is done goes to `outputs`, which stay the caller's. NULL: out of
 * memory. */
struct ledger *ledger_create(size_t total, size_t window, size_t byte_budget, struct outputs *outputs);
void ledger_free(struct ledger **ledger);

/* Waits until another image may start and gives its place. False when all have started or after
 * ledger_stop(). Every place given out must come back through ledger_finish(). */
bool ledger_admit(struct ledger *ledger, size_t *index);

/* Starts no more images. */
void ledger_stop(struct ledger *ledger);

/* Stops for good with this thread's error, which ledger_status() then gives. */
void ledger_abort(struct ledger *ledger, int status);

/* Counts memory of a job in hand; frees its pixels, and counts nothing of it any more. */
void ledger_add_bytes(struct ledger *ledger, struct job *job, size_t bytes);
void ledger_drop_pixels(struct ledger *ledger, struct job *job);

/* Takes a job that is done, failed or abandoned, and frees it once its turn has come: the outputs get it,
 * or its failure is reported through log_warning, after those of all earlier images, one at a time. */
void ledger_finish(struct ledger *ledger, struct job *job);

struct ledger_totals ledger_totals(struct ledger *ledger);

/* Whether every image that started has come out. */
bool ledger_is_idle(struct ledger *ledger);

/* Waits until more than `done` images have come out, or about a quarter of a second. */
void ledger_wait(struct ledger *ledger, size_t done);

/* The first error of the outputs or of ledger_abort(), set as this thread's error; 0: none. */
int ledger_status(struct ledger *ledger);

#endif
