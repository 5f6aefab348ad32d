/* The output of a tracked video: its queue and its thread, which gives the sinks one frame after another, its parts
 * shared among a pool. */
#include "pipeline/track_output.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/first_error.h"
#include "base/pool.h"
#include "output/claim.h"
#include "output/outputs.h"
#include "pipeline/queue.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { FRAMES_IN_HAND = 3, MOST_THREADS = 64 };

/* What the queue carries: a frame, or the end of an object. */
struct item {
    bool is_end;
    int64_t id;
    struct output_frame frame;
};

struct track_output {
    struct track_output_options options;
    struct output_claim *claim;
    struct output_identity identity; /* of the source */
    struct outputs *outputs;
    struct sink_counts counts;
    struct queue *queue; /* struct item */
    struct pool *pool;
    pthread_t thread;
    struct first_error error;

    /* The output's own thread's, and, a part at a time, the pool's. */
    struct sink_scratch *scratch; /* [pool_size]: one a worker */
    int64_t frames;
    double write_seconds;
};

static bool has_failed(struct track_output *output)
{
    return first_error_report(&output->error) != 0;
}

static void item_free(struct item *item)
{
    output_frame_free(&item->frame);
    free(item);
}

/* A frame whose parts are being made. */
struct work {
    struct track_output *output;
    struct output_frame *frame;
};

static void make_part(void *data, size_t index, size_t worker)
{
    const struct work *work = data;
    struct track_output *output = work->output;

    if (!has_failed(output))
        first_error_keep(&output->error, outputs_write(output->outputs, work->frame, index, &output->scratch[worker]));
}

/* All that a frame leaves, its row last. */
static void write_frame(struct track_output *output, struct output_frame *frame)
{
    struct work work = {.output = output, .frame = frame};
    char stem[24];
    int status;

    snprintf(stem, sizeof(stem), "%06" PRId64, frame->number);
    frame->stem = stem;
    frame->name = output->options.name;
    status = outputs_announce(output->outputs, frame);
    if (!status) {
        pool_run(output->pool, outputs_parts(output->outputs, frame), make_part, &work);
        status = first_error_report(&output->error);
    }
    if (!status)
        status = outputs_complete(output->outputs, frame);
    if (!status)
        status = outputs_frame(output->outputs, frame);
    if (!status)
        output->frames++;
    first_error_keep(&output->error, status);
}

static void *run_thread(void *argument)
{
    struct track_output *output = argument;
    void *popped;

    while (queue_pop(output->queue, &popped)) {
        struct item *item = popped;
        const double start = clock_seconds();

        if (item->is_end)
            first_error_keep(&output->error, outputs_end_object(output->outputs, item->id));
        else if (!has_failed(output))
            write_frame(output, &item->frame);
        output->write_seconds += clock_seconds() - start;
        item_free(item);
    }
    return NULL;
}

static int check_options(const struct track_output_options *options)
{
    if (options->width < 1 || options->height < 1 ||
        (int64_t)options->width * options->height > IMAGE_DEFAULT_MAX_PIXELS * INT64_C(8))
        return error_set(SOWLV2_ERROR_ARGUMENT, "output: frames of %d x %d pixels", options->width, options->height);
    if (options->threads < 1 || options->threads > MOST_THREADS)
        return error_set(SOWLV2_ERROR_ARGUMENT, "output: %d threads: give 1 to %d", options->threads, MOST_THREADS);
    return 0;
}

static void output_free(struct track_output *output)
{
    outputs_close(&output->outputs);
    for (size_t i = 0; output->scratch && i < pool_size(output->pool); i++)
        sink_scratch_free(&output->scratch[i]);
    free(output->scratch);
    pool_free(&output->pool);
    queue_free(&output->queue);
    output_identity_free(&output->identity);
    if (output->claim && output->claim != output->options.claim)
        output_claim_close(&output->claim);
    first_error_free(&output->error);
    free(output);
}

static int open_outputs(struct track_output *output)
{
    const struct track_output_options *options = &output->options;
    const struct sink_context context = {.claim = output->claim,
                                         .folder = options->folder,
                                         .options = options->outputs,
                                         .masks = true,
                                         .video = options->name,
                                         .identity = &output->identity,
                                         .width = options->width,
                                         .height = options->height,
                                         .frame_rate = options->frame_rate,
                                         .pool = output->pool,
                                         .counts = &output->counts};

    return outputs_open(&context, &output->outputs);
}

/* One picture a worker. */
static int make_scratch(struct track_output *output)
{
    const size_t bytes = (size_t)output->options.width * (size_t)output->options.height * 3;

    output->scratch = calloc(pool_size(output->pool), sizeof(*output->scratch));
    if (!output->scratch)
        return error_memory("output");
    for (size_t i = 0; i < pool_size(output->pool); i++)
        if (!sink_scratch_get(&output->scratch[i], bytes))
            return SOWLV2_ERROR_MEMORY;
    return 0;
}

static int start(struct track_output *output)
{
    const struct track_output_options *options = &output->options;
    const struct output_claim_options wanted = {.folder = options->folder};
    int status = 0;

    output->claim = options->claim;
    if (!output->claim && options->folder)
        status = output_claim_open(&wanted, &output->claim);
    if (!status && options->source)
        status = output_identity_of(options->source, &output->identity);
    if (status)
        return status;
    output->queue = queue_create(FRAMES_IN_HAND);
    output->pool = pool_create(options->threads);
    if (!output->queue || !output->pool)
        return error_memory("output");
    status = open_outputs(output);
    if (!status && output->claim && !output_claim_has_results(output->claim))
        status = outputs_begin(output->outputs);
    if (!status)
        status = make_scratch(output);
    if (status)
        return status;
    if (pthread_create(&output->thread, NULL, run_thread, output) != 0)
        return error_set(SOWLV2_ERROR_MEMORY, "output: a thread cannot be started");
    return 0;
}

int track_output_open(const struct track_output_options *options, struct track_output **out)
{
    struct track_output *output;
    int status = check_options(options);

    *out = NULL;
    if (status)
        return status;
    output = calloc(1, sizeof(*output));
    if (!output)
        return error_memory("output");
    output->options = *options;
    first_error_init(&output->error);
    status = start(output);
    if (status) {
        if (output->claim)
            output_claim_end(output->claim);
        output_free(output);
        return status;
    }
    *out = output;
    return 0;
}

/* The size of its image and masks must be that of the videos. */
static int check_frame(const struct track_output *output, const struct output_frame *frame)
{
    int width = output->options.width, height = output->options.height;

    if (frame->image.width != width || frame->image.height != height)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: frame %lld is %d x %d, not %d x %d", output->options.name,
                         (long long)frame->number, frame->image.width, frame->image.height, width, height);
    for (size_t i = 0; i < frame->count; i++) {
        const struct sowlv2_mask *mask = &frame->objects[i].mask;
        uint64_t total = 0;

        for (size_t run = 0; run < mask->run_count; run++)
            total += mask->runs[run];
        if (mask->run_count > 0 && total != (uint64_t)width * (uint64_t)height)
            return error_set(SOWLV2_ERROR_ARGUMENT, "%s: frame %lld: a mask is not of %d x %d pixels",
                             output->options.name, (long long)frame->number, width, height);
    }
    return 0;
}

int track_output_add(struct track_output *output, struct output_frame *frame)
{
    struct item *item = NULL;
    int status = first_error_report(&output->error);

    if (!status) {
        status = check_frame(output, frame);
        item = status ? NULL : calloc(1, sizeof(*item));
        if (!status && !item)
            status = error_memory("output");
    }
    if (status) {
        output_frame_free(frame);
        return status;
    }
    item->frame = *frame;
    *frame = (struct output_frame){0};
    if (!queue_push(output->queue, item)) /* only close ends the queue */
        item_free(item);
    return first_error_report(&output->error);
}

void track_output_end_object(struct track_output *output, int64_t id)
{
    struct item *item = calloc(1, sizeof(*item));

    if (!item)
        return; /* what there is of it is finished at the end */
    item->is_end = true;
    item->id = id;
    if (!queue_push(output->queue, item))
        item_free(item);
}

int track_output_close(struct track_output **out, bool whole, struct track_output_report *report)
{
    struct track_output *output = *out;
    struct track_output_report done = {0};
    double start_time;
    int status = 0;

    if (output) {
        queue_close(output->queue);
        pthread_join(output->thread, NULL);
        start_time = clock_seconds();
        first_error_keep(&output->error, outputs_close(&output->outputs));
        done.frames = output->frames;
        done.pictures = atomic_load(&output->counts.pictures);
        done.videos = atomic_load(&output->counts.videos);
        done.write_seconds = output->write_seconds + clock_seconds() - start_time;
        if (output->claim && whole && !has_failed(output))
            first_error_keep(&output->error, output_claim_finish_video(output->claim, output->frames,
                                                                       output->options.outputs.lacks_sound));
        if (output->claim)
            first_error_keep(&output->error, output_claim_end(output->claim));
        status = first_error_report(&output->error);
        output_free(output);
    }
    *out = NULL;
    if (report)
        *report = done;
    return status;
}
