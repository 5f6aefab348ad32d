/* The writing stage. The threads share the parts of an image, so that one image with many objects keeps all of
 * them busy; the last to let go of it completes it: what results.jsonl lists is there. */
#include "base/clock.h"
#include "base/error.h"
#include "pipeline/run.h"

#include <stdlib.h>

void write_hand_over(struct run *run, struct job *job)
{
    /* As many as can share the parts. */
    job->parts = outputs_parts(run->outputs, &job->frame);
    job->writers = job->parts < run->thread_count ? job->parts : run->thread_count;
    if (job->writers < 1)
        job->writers = 1;
    for (size_t i = 0, count = job->writers; i < count; i++)
        queue_push(run->computed, job); /* has room for every job in hand: never waits */
}

/* Gives the next part, with false where there is none or one has failed. */
static bool take_part(struct run *run, struct job *job, size_t *part)
{
    bool taken;

    pthread_mutex_lock(&run->writing);
    taken = !job->failed && job->next_part < job->parts;
    if (taken)
        *part = job->next_part++;
    pthread_mutex_unlock(&run->writing);
    return taken;
}

static void fail(struct run *run, struct job *job)
{
    pthread_mutex_lock(&run->writing);
    if (!job->failed)
        job_fail(job);
    pthread_mutex_unlock(&run->writing);
}

/* Whether this was the last writer. */
static bool let_go(struct run *run, struct job *job, double seconds)
{
    bool last;

    pthread_mutex_lock(&run->writing);
    job->write_seconds += seconds;
    last = --job->writers == 0;
    pthread_mutex_unlock(&run->writing);
    return last;
}

static void finish(struct run *run, struct job *job)
{
    if (!job->failed && outputs_complete(run->outputs, &job->frame) != 0)
        job_fail(job);
    if (job->failed || !outputs_need_pixels(run->outputs))
        ledger_drop_pixels(run->ledger, job);
    ledger_finish(run->ledger, job);
}

void write_all(struct run *run)
{
    void *item;

    while (queue_pop(run->computed, &item)) {
        struct job *job = item;
        struct sink_scratch scratch = {0};
        const double start = clock_seconds();
        size_t part;

        while (take_part(run, job, &part))
            if (outputs_write(run->outputs, &job->frame, part, &scratch) != 0)
                fail(run, job);
        sink_scratch_free(&scratch);
        if (let_go(run, job, clock_seconds() - start))
            finish(run, job);
    }
}
