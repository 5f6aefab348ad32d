/* The threads beside the computing one: decoding before it, writing after it. */
#include "base/error.h"
#include "base/file.h"
#include "media/png.h"
#include "output/names.h"
#include "pipeline/draw.h"
#include "pipeline/run.h"

#include <stdlib.h>

static void decode(struct run *run, struct job *job)
{
    double start = pipeline_clock();

    job->name = run->inputs.names.items[job->index];
    if (image_read(run->inputs.paths.items[job->index], run->options->max_pixels, &job->image) != 0) {
        job_fail(job);
    } else {
        job->bytes = (size_t)job->image.width * (size_t)job->image.height * 3;
        ledger_add_bytes(run->ledger, job->bytes);
    }
    job->decode_seconds = pipeline_clock() - start;
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
    return NULL;
}

/* Draws into the job's own pixels, which nobody needs afterwards. */
static int write_overlay(const struct run *run, struct job *job)
{
    char *below = names_path(NAMES_MERGED_OVERLAY, run->inputs.stems.items[job->index], 0, NULL);
    char *path = below ? path_join(run->options->output, below) : NULL;
    int status;

    if (!path)
        status = error_memory("overlay");
    else
        status = draw_detections(&job->image, &job->detections, run->options->prompts, run->options->draw);
    if (!status)
        status =
            png_write(path, job->image.pixels, job->image.width, job->image.height, 3, (size_t)job->image.width * 3);
    free(path);
    free(below);
    return status;
}

/* The picture first, then the row: what results.jsonl lists is there. */
static int write_image(const struct run *run, struct job *job)
{
    struct results_image row = {.name = job->name,
                                .width = job->image.width,
                                .height = job->image.height,
                                .detections = &job->detections,
                                .prompts = run->options->prompts,
                                .objectness = run->options->detect.objectness};
    int status = run->options->overlay ? write_overlay(run, job) : 0;

    if (status)
        return status;
    results_image_row(&row, &job->row);
    return job->row.failed ? error_memory("results row") : 0;
}

static void *write_thread(void *argument)
{
    struct run *run = argument;
    void *item;

    while (queue_pop(run->detected, &item)) {
        struct job *job = item;
        double start = pipeline_clock();
        size_t bytes = job->bytes;

        if (write_image(run, job) != 0)
            job_fail(job);
        job_free_image(job);
        job->write_seconds = pipeline_clock() - start;
        ledger_remove_bytes(run->ledger, bytes);
        ledger_finish(run->ledger, job);
    }
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
    int decoders = (run->options->io_threads + 1) / 2;
    int writers = run->options->io_threads - decoders > 0 ? run->options->io_threads - decoders : 1;
    int started = 0;

    run->threads = calloc((size_t)(decoders + writers), sizeof(*run->threads));
    if (!run->threads)
        return error_memory("threads");
    atomic_store(&run->decoders_left, decoders);
    for (int i = 0; i < writers; i++)
        started += start_thread(run, write_thread);
    if (started == 0)
        return error_set(SOWLV2_ERROR_MEMORY, "threads: none can be started: raise the limit of processes (ulimit -u)");
    started = 0;
    for (int i = 0; i < decoders; i++)
        started += start_thread(run, decode_thread);
    if (started == 0)
        return error_set(SOWLV2_ERROR_MEMORY, "threads: none can be started: raise the limit of processes (ulimit -u)");
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
