/* The threads beside the computing one: decoding before it, writing after it (see write.c). */
#include "base/clock.h"
#include "base/error.h"
#include "pipeline/run.h"

#include <stdlib.h>

/* The caller is asked for one image at a time. */
static int read_image(struct run *run, struct job *job, const struct image_options *options)
{
    const bool memory = inputs_is_memory(run->inputs.paths.items[job->index]);

    if (memory)
        pthread_mutex_lock(&run->asking);
    const int status = inputs_read_image(&run->inputs, job->index, options, &job->frame.image);
    if (memory)
        pthread_mutex_unlock(&run->asking);
    return status;
}

static bool is_stopped(void *user_data)
{
    const struct run *const run = user_data;

    return *run->job->stop;
}

static void decode(struct run *run, struct job *job)
{
    double start = clock_seconds();
    struct image_options options = image_options_default();

    options.max_pixels = run->job->max_pixels;
    options.allow_truncated = run->job->allow_truncated;
    options.isolation = run->options->isolation;
    options.interrupted = is_stopped;
    options.user_data = run;
    job->frame.name = run->inputs.names.items[job->index];
    job->frame.stem = run->inputs.stems.items[job->index];
    /* Before it is read: what changes meanwhile is not what was done. */
    if (inputs_identify(run->inputs.paths.items[job->index], &job->frame.identity) != 0 ||
        read_image(run, job, &options) != 0)
        job_fail(job);
    else
        ledger_add_bytes(run->ledger, job, (size_t)job->frame.image.width * (size_t)job->frame.image.height * 3);
    job->decode_seconds = clock_seconds() - start;
}

/* The queue holds as many jobs as the ledger lets be in hand, so pushing never waits or fails. */
static void *decode_thread(void *argument)
{
    struct run *run = argument;

    for (;;) {
        struct job *job = calloc(1, sizeof(*job)); /* before a place is taken: the place must come back */

        if (!job) {
            ledger_abort(run->ledger, error_memory("image queue"));
            break;
        }
        if (!ledger_admit(run->ledger, &job->index)) {
            job_free(&job);
            break;
        }
        decode(run, job);
        queue_push(run->decoded, job);
    }
    if (atomic_fetch_sub(&run->decoders_left, 1) == 1)
        queue_close(run->decoded);
    write_all(run); /* nothing is left to decode: help writing */
    return NULL;
}

static void *write_thread(void *argument)
{
    write_all(argument);
    return NULL;
}

static bool start_thread(struct run *run, void *(*body)(void *))
{
    if (pthread_create(&run->threads[run->thread_count], NULL, body, run) != 0)
        return false;
    run->thread_count++;
    return true;
}

int stages_start(struct run *run)
{
    int decoders = (run->job->io_threads + 1) / 2;
    int writers = run->job->io_threads - decoders > 0 ? run->job->io_threads - decoders : 1;
    int started = 0;

    run->threads = calloc((size_t)(decoders + writers), sizeof(*run->threads));
    if (!run->threads)
        return error_memory("threads");
    atomic_store(&run->decoders_left, decoders);
    for (int i = 0; i < writers; i++)
        started += start_thread(run, write_thread);
    if (started == 0)
        return error_set(SOWLV2_ERROR_MEMORY, "threads: none can be started: raise the process limit (ulimit -u)");
    started = 0;
    for (int i = 0; i < decoders; i++)
        started += start_thread(run, decode_thread);
    if (started == 0)
        return error_set(SOWLV2_ERROR_MEMORY, "threads: none can be started: raise the process limit (ulimit -u)");
    if (started < decoders && atomic_fetch_sub(&run->decoders_left, decoders - started) == decoders - started)
        queue_close(run->decoded);
    return 0;
}

void stages_join(struct run *run)
{
    for (size_t i = 0; i < run->thread_count; i++)
        pthread_join(run->threads[i], NULL);
    run->thread_count = 0;
    free(run->threads);
    run->threads = NULL;
}
