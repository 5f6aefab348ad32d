/* Which images may start, and what is done back in input order. */
#include "pipeline/ledger.h"

#include "base/error.h"
#include "base/first_error.h"
#include "base/log.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct ledger {
    pthread_mutex_t lock;
    pthread_cond_t room, progress;
    struct outputs *outputs;
    size_t total, window, byte_budget;
    size_t admitted; /* places given out */
    size_t written;  /* places whose turn is over */
    size_t bytes;    /* pixels in hand */
    bool stopped;
    bool settling; /* a thread is at the turns that have come */
    struct ledger_totals totals;
    struct first_error error;
    struct job *waiting[]; /* [window]: finished jobs at their place modulo window */
};

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

struct ledger *ledger_create(size_t total, size_t window, size_t byte_budget, struct outputs *outputs)
{
    struct ledger *ledger;
    pthread_condattr_t monotonic;

    if (window < 1 || window > (SIZE_MAX - sizeof(*ledger)) / sizeof(struct job *))
        return NULL;
    ledger = calloc(1, sizeof(*ledger) + window * sizeof(struct job *));
    if (!ledger)
        return NULL;
    ledger->total = total;
    ledger->window = window;
    ledger->byte_budget = byte_budget;
    ledger->outputs = outputs;
    first_error_init(&ledger->error);
    pthread_mutex_init(&ledger->lock, NULL);
    pthread_cond_init(&ledger->room, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&ledger->progress, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return ledger;
}

void ledger_free(struct ledger **ledger)
{
    if (!*ledger)
        return;
    for (size_t i = 0; i < (*ledger)->window; i++)
        job_free(&(*ledger)->waiting[i]);
    first_error_free(&(*ledger)->error);
    pthread_cond_destroy(&(*ledger)->progress);
    pthread_cond_destroy(&(*ledger)->room);
    pthread_mutex_destroy(&(*ledger)->lock);
    free(*ledger);
    *ledger = NULL;
}

/* Whether an image has to wait. Without any pixels in hand the budget does not hold it back, so that one
 * image above the budget still goes through. */
static bool is_full(const struct ledger *ledger)
{
    return ledger->admitted - ledger->written >= ledger->window || ledger->bytes > ledger->byte_budget;
}

bool ledger_admit(struct ledger *ledger, size_t *index)
{
    bool admitted;

    pthread_mutex_lock(&ledger->lock);
    while (!ledger->stopped && ledger->admitted < ledger->total && is_full(ledger))
        pthread_cond_wait(&ledger->room, &ledger->lock);
    admitted = !ledger->stopped && ledger->admitted < ledger->total;
    if (admitted)
        *index = ledger->admitted++;
    pthread_mutex_unlock(&ledger->lock);
    return admitted;
}

void ledger_stop(struct ledger *ledger)
{
    pthread_mutex_lock(&ledger->lock);
    ledger->stopped = true;
    pthread_cond_broadcast(&ledger->room);
    pthread_mutex_unlock(&ledger->lock);
}

/* Keeps the first error, with the lock held. */
static void keep_error(struct ledger *ledger, int status)
{
    first_error_keep(&ledger->error, status);
    ledger->stopped = true;
    pthread_cond_broadcast(&ledger->room);
}

void ledger_abort(struct ledger *ledger, int status)
{
    pthread_mutex_lock(&ledger->lock);
    keep_error(ledger, status);
    pthread_mutex_unlock(&ledger->lock);
}

void ledger_add_bytes(struct ledger *ledger, struct job *job, size_t bytes)
{
    job->bytes += bytes;
    pthread_mutex_lock(&ledger->lock);
    ledger->bytes += bytes;
    pthread_mutex_unlock(&ledger->lock);
}

void ledger_drop_pixels(struct ledger *ledger, struct job *job)
{
    output_frame_free_image(&job->frame);
    pthread_mutex_lock(&ledger->lock);
    ledger->bytes -= job->bytes;
    pthread_cond_broadcast(&ledger->room);
    pthread_mutex_unlock(&ledger->lock);
    job->bytes = 0;
}

/* Reports a failed image; most messages begin with its path already. */
static void report_failure(const struct job *job)
{
    const char *why = job->failure ? job->failure : "out of memory";

    if (strstr(why, job->frame.name) || strncmp(why, "standard input: ", 16) == 0)
        log_warning("%s", why);
    else
        log_warning("%s: %s", job->frame.name, why);
}

/* Reports the job or gives it to the outputs. Gives their error. */
static int settle(const struct ledger *ledger, const struct job *job)
{
    const struct output_frame *frame = &job->frame;

    if (job->failed) {
        report_failure(job);
        return 0;
    }
    if (frame->dropped > 0)
        log_notice("%s: %zu detection%s dropped: outside the image", frame->name, frame->dropped,
                   frame->dropped == 1 ? "" : "s");
    return outputs_frame(ledger->outputs, frame);
}

/* Ends the turn of the next job, with the lock held but for the work. */
static void end_turn(struct ledger *ledger)
{
    struct job **place = &ledger->waiting[ledger->written % ledger->window], *job = *place;
    const bool counts = !job->abandoned && first_error_report(&ledger->error) == 0;
    int status = 0;

    *place = NULL;
    pthread_mutex_unlock(&ledger->lock);
    if (counts)
        status = settle(ledger, job);
    pthread_mutex_lock(&ledger->lock);
    ledger->totals.decode_seconds += job->decode_seconds;
    ledger->totals.write_seconds += job->write_seconds;
    ledger->bytes -= job->bytes;
    if (status) {
        keep_error(ledger, status);
    } else if (counts) {
        ledger->totals.done++;
        ledger->totals.failed += job->failed;
        ledger->totals.objects += job->failed ? 0 : job->frame.count;
    }
    job_free(&job);
    ledger->written++;
    pthread_cond_broadcast(&ledger->room);
    pthread_cond_signal(&ledger->progress);
}

void ledger_finish(struct ledger *ledger, struct job *job)
{
    pthread_mutex_lock(&ledger->lock);
    ledger->waiting[job->index % ledger->window] = job;
    if (!ledger->settling) { /* else that thread comes to it, too */
        ledger->settling = true;
        while (ledger->written < ledger->admitted && ledger->waiting[ledger->written % ledger->window])
            end_turn(ledger);
        ledger->settling = false;
    }
    pthread_mutex_unlock(&ledger->lock);
}

struct ledger_totals ledger_totals(struct ledger *ledger)
{
    struct ledger_totals totals;

    pthread_mutex_lock(&ledger->lock);
    totals = ledger->totals;
    pthread_mutex_unlock(&ledger->lock);
    return totals;
}

bool ledger_is_idle(struct ledger *ledger)
{
    bool idle;

    pthread_mutex_lock(&ledger->lock);
    idle = ledger->written == ledger->admitted;
    pthread_mutex_unlock(&ledger->lock);
    return idle;
}

void ledger_wait(struct ledger *ledger, size_t done)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += 250000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&ledger->lock);
    while (ledger->totals.done <= done && ledger->written < ledger->admitted)
        if (pthread_cond_timedwait(&ledger->progress, &ledger->lock, &until) != 0)
            break;
    pthread_mutex_unlock(&ledger->lock);
}

int ledger_status(struct ledger *ledger)
{
    return first_error_report(&ledger->error);
}
