/* The computing stage: decoded images in input order, in batches, through the detectors: each batch through that of the
 * device that is free. */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "pipeline/run.h"

#include <stdlib.h>
#include <string.h>

/* The next decoded image in input order; NULL when there is no more. `taking` is held. */
static struct job *next_in_order(struct run *run)
{
    struct job **place = &run->pending[run->next % run->window];
    struct job *job;

    while (!*place) {
        double start = clock_seconds();
        void *item;

        if (!queue_pop(run->decoded, &item))
            return NULL;
        if (run->next > 0)
            run->wait_seconds += clock_seconds() - start;
        job = item;
        run->pending[job->index % run->window] = job;
    }
    job = *place;
    *place = NULL;
    run->next++;
    return job;
}

/* Ends a job without output. */
static void give_up(struct run *run, struct job *job)
{
    ledger_drop_pixels(run->ledger, job);
    ledger_finish(run->ledger, job);
}

static void abandon(struct run *run, struct job *job)
{
    job->abandoned = true;
    give_up(run, job);
}

/* Whether to stop; the first time, nothing more is started. */
static bool is_stopping(struct run *run)
{
    if (!atomic_load(&run->stopping) && (*run->job->stop || ledger_status(run->ledger) != 0)) {
        atomic_store(&run->stopping, true);
        ledger_stop(run->ledger);
    }
    return atomic_load(&run->stopping);
}

/* Collects a batch: full by count, or by bytes so that large images do not pile up. What it holds depends
 * on the inputs alone, never on timing. Returns how many; 0 at the end. */
static size_t collect(struct computer *computer, struct job **batch)
{
    struct run *const run = computer->run;
    size_t count = 0, bytes = 0;

    pthread_mutex_lock(&run->taking);
    while (count < computer->batch_most && bytes < run->batch_bytes) {
        struct job *job = next_in_order(run);

        if (!job)
            break;
        if (is_stopping(run)) {
            abandon(run, job);
        } else if (job->failed) {
            give_up(run, job);
        } else {
            bytes += job->bytes;
            batch[count++] = job;
        }
    }
    pthread_mutex_unlock(&run->taking);
    return count;
}

/* Runs the detector over `count` jobs; on error nothing is kept. */
static int detect(struct computer *computer, struct job *const *batch, size_t count, struct sowlv2_image *images,
                  struct sowlv2_detections *found)
{
    const struct sowlv2_run_options *const job = computer->run->job;
    double start = clock_seconds();
    int status = 0;

    for (size_t i = 0; i < count; i++) {
        images[i] = image_view(&batch[i]->frame.image);
        found[i] = (struct sowlv2_detections){0};
    }
    if (!job->marks)
        status = sowlv2_detect(computer->session, computer->prompts, images, count, job->detect, found);
    computer->detect_seconds += clock_seconds() - start;
    for (size_t i = 0; i < count; i++)
        if (status)
            sowlv2_detections_free(&found[i]);
        else
            batch[i]->detections = found[i];
    return status;
}

/* Hands a job on with what the detector said, to the segmenter where there is one. An interruption does not wait
 * for the segmenter. */
static void hand_on(struct computer *computer, struct job *job, int status)
{
    struct run *const run = computer->run;

    if (!status && computer->segment_session && is_stopping(run)) {
        abandon(run, job);
        return;
    }
    if (!status)
        status = segment_job(computer, job);
    if (status == SOWLV2_ERROR_CANCELLED) {
        atomic_store(&run->stopping, true);
        ledger_stop(run->ledger);
        abandon(run, job);
        return;
    }
    if (status) {
        job_fail(job);
        give_up(run, job);
        return;
    }
    pthread_mutex_lock(&run->announcing);
    status = outputs_announce(run->outputs, &job->frame);
    pthread_mutex_unlock(&run->announcing);
    if (!status) {
        write_hand_over(run, job);
    } else {
        ledger_abort(run->ledger, status);
        abandon(run, job);
    }
}

/* What has been detected together, or is now alone: where it failed, only the bad image is to. */
static void hand_on_all(struct computer *computer, struct job *const *batch, size_t count, struct sowlv2_image *images,
                        struct sowlv2_detections *found, int status)
{
    const bool again = status != 0 && status != SOWLV2_ERROR_CANCELLED && count > 1;

    for (size_t i = 0; i < count; i++)
        if (again && is_stopping(computer->run))
            abandon(computer->run, batch[i]);
        else
            hand_on(computer, batch[i], again ? detect(computer, &batch[i], 1, images, found) : status);
}

/* Whether a smaller batch may do: a GPU's memory is short. The host's is as short for other things. */
static bool may_be_smaller(const struct computer *computer, int status)
{
    const char *const device = computer->run->job->marks ? NULL : sowlv2_detector_device(computer->detector);

    return status == SOWLV2_ERROR_MEMORY && device && strncmp(device, "cuda", strlen("cuda")) == 0;
}

/* One batch, in parts where a GPU has too little memory for all of it; so are those that follow. */
static void detect_batch(struct computer *computer, struct job *const *batch, size_t count, struct sowlv2_image *images,
                         struct sowlv2_detections *found)
{
    struct run *const run = computer->run;
    const size_t wanted = (size_t)run->job->batch_size;

    for (size_t at = 0, part; at < count; at += part) {
        int status;

        part = count - at < computer->batch_most ? count - at : computer->batch_most;
        if (at > 0 && is_stopping(run)) {
            for (size_t i = 0; i < part; i++)
                abandon(run, batch[at + i]);
            continue;
        }
        status = detect(computer, batch + at, part, images, found);
        while (part > 1 && may_be_smaller(computer, status)) {
            part = computer->batch_most = part / 2;
            status = detect(computer, batch + at, part, images, found);
        }
        if (!status && computer->batch_most < wanted && !computer->batch_told) {
            log_notice("batches of %zu image%s from here on, not of %d: too little memory on %s", computer->batch_most,
                       computer->batch_most == 1 ? "" : "s", run->job->batch_size,
                       sowlv2_detector_device(computer->detector));
            computer->batch_told = true;
        }
        hand_on_all(computer, batch + at, part, images, found, status);
    }
}

static void report_progress(const struct run *run, const char *name)
{
    const struct detect_images_options *options = run->options;

    if (options->progress)
        options->progress(ledger_totals(run->ledger).done, run->inputs.names.count, name, options->progress_user_data);
}

/* All that one device does. */
static void *compute(void *argument)
{
    struct computer *const computer = argument;
    struct run *const run = computer->run;
    size_t capacity = (size_t)run->job->batch_size, count;
    struct job **batch = calloc(capacity, sizeof(*batch));
    struct sowlv2_image *images = calloc(capacity, sizeof(*images));
    struct sowlv2_detections *found = calloc(capacity, sizeof(*found));

    if (!batch || !images || !found) {
        ledger_abort(run->ledger, error_memory("batch"));
        capacity = 0;
    }
    computer->batch_most = capacity;
    while (capacity > 0 && (count = collect(computer, batch)) > 0) {
        if (computer->tells)
            report_progress(run, batch[0]->frame.name);
        if (!is_stopping(run))
            detect_batch(computer, batch, count, images, found);
        else
            for (size_t i = 0; i < count; i++)
                abandon(run, batch[i]);
    }
    free(batch);
    free(images);
    free(found);
    return NULL;
}

void compute_all(struct run *run)
{
    size_t started = 1;

    while (started < run->computer_count &&
           pthread_create(&run->computers[started].thread, NULL, compute, &run->computers[started]) == 0)
        started++;
    if (started < run->computer_count)
        log_notice("threads: no more than %zu of %zu devices are used: raise the process limit (ulimit -u)", started,
                   run->computer_count);
    compute(&run->computers[0]);
    for (size_t i = 1; i < started; i++)
        pthread_join(run->computers[i].thread, NULL);
    for (struct job *job; (job = next_in_order(run));) /* only where there was no memory for a batch */
        abandon(run, job);
    queue_close(run->computed);
    for (size_t done = ledger_totals(run->ledger).done; !ledger_is_idle(run->ledger);) {
        report_progress(run, "");
        ledger_wait(run->ledger, done);
        done = ledger_totals(run->ledger).done;
    }
    report_progress(run, "");
}
