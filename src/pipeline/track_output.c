/* The output of a tracked video: its queue and its thread. */
#include "base/clock.h"
#include "base/error.h"
#include "pipeline/job.h"
#include "pipeline/track_output_internal.h"

#include <stdlib.h>
#include <string.h>

enum { FRAMES_IN_HAND = 3, MOST_THREADS = 64 };

void track_frame_free(struct track_frame *frame)
{
    image_free(&frame->image);
    free(frame->source_name);
    for (size_t i = 0; i < frame->count; i++)
        sowlv2_masks_free(&frame->objects[i].mask, 1);
    free(frame->objects);
    *frame = (struct track_frame){0};
}

void track_output_fail(struct track_output *output, int status)
{
    pthread_mutex_lock(&output->lock);
    if (!output->status) {
        output->status = status;
        output->message = strdup(error_message());
    }
    pthread_mutex_unlock(&output->lock);
}

bool track_output_failed(struct track_output *output)
{
    bool failed;

    pthread_mutex_lock(&output->lock);
    failed = output->status != 0;
    pthread_mutex_unlock(&output->lock);
    return failed;
}

/* Gives this thread the output's error. */
static int report_failure(struct track_output *output)
{
    int status;

    pthread_mutex_lock(&output->lock);
    status = output->status;
    if (status)
        error_set(status, "%s", output->message ? output->message : "the output cannot be written: out of memory");
    pthread_mutex_unlock(&output->lock);
    return status;
}

const char *track_output_slug(const struct track_output *output, int prompt)
{
    return prompt >= 0 && (size_t)prompt < output->slugs.count ? output->slugs.items[prompt] : NULL;
}

const char *track_output_prompt(const struct track_output *output, int prompt)
{
    return prompt >= 0 && (size_t)prompt < output->options.prompt_count ? output->options.prompts[prompt] : NULL;
}

static void item_free(struct track_item *item)
{
    track_frame_free(&item->frame);
    free(item);
}

static void *run_thread(void *argument)
{
    struct track_output *output = argument;
    void *popped;

    while (queue_pop(output->queue, &popped)) {
        struct track_item *item = popped;
        double start = clock_seconds();

        if (item->is_end)
            track_videos_end(output, item->id);
        else if (!track_output_failed(output))
            track_output_write_frame(output, &item->frame);
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

static int make_folders(struct track_output *output)
{
    static const enum names_kind kinds[] = {NAMES_OBJECT_MASK, NAMES_MERGED_MASK, NAMES_OBJECT_OVERLAY,
                                            NAMES_MERGED_OVERLAY};
    const struct track_output_options *options = &output->options;
    int status = 0;

    for (size_t i = 0; !status && i < sizeof(kinds) / sizeof(*kinds); i++) {
        bool merged = kinds[i] == NAMES_MERGED_MASK || kinds[i] == NAMES_MERGED_OVERLAY;
        bool mask = kinds[i] == NAMES_OBJECT_MASK || kinds[i] == NAMES_MERGED_MASK;

        if ((merged && !options->merged) || !(mask ? options->binary : options->overlay))
            continue;
        if (options->pictures)
            status = output_claim_make_folder(output->claim, names_folder(kinds[i]));
        if (!status && options->videos)
            status = output_claim_make_folder(output->claim, names_video_folder(kinds[i]));
    }
    return status;
}

int track_output_begin(struct track_output *output)
{
    int status;

    if (output_claim_has_begun(output->claim))
        return 0;
    status = output_claim_begin(output->claim);
    if (!status)
        status = output_claim_add_video(output->claim, output->options.name, &output->identity);
    return status ? status : make_folders(output);
}

/* One picture a worker. */
static int make_scratch(struct track_output *output)
{
    size_t bytes = (size_t)output->options.width * (size_t)output->options.height * 3;

    output->scratch = calloc(pool_size(output->pool), sizeof(*output->scratch));
    if (!output->scratch)
        return error_memory("output");
    for (size_t i = 0; i < pool_size(output->pool); i++) {
        output->scratch[i] = malloc(bytes);
        if (!output->scratch[i])
            return error_memory("output");
    }
    return 0;
}

static void output_free(struct track_output *output)
{
    for (size_t i = 0; output->scratch && i < pool_size(output->pool); i++)
        free(output->scratch[i]);
    free(output->scratch);
    pool_free(&output->pool);
    queue_free(&output->queue);
    string_list_free(&output->slugs);
    output_identity_free(&output->identity);
    if (output->claim && output->claim != output->options.claim)
        output_claim_close(&output->claim);
    pthread_mutex_destroy(&output->lock);
    free(output->message);
    free(output);
}

static int start(struct track_output *output)
{
    const struct track_output_options *options = &output->options;
    const struct output_claim_options wanted = {.folder = options->folder};
    int status = names_slugs(options->prompts, options->prompt_count, &output->slugs);

    output->claim = options->claim;
    if (!status && !output->claim)
        status = output_claim_open(&wanted, &output->claim);
    if (!status && options->source)
        status = output_identity_of(options->source, &output->identity);
    if (!status && !output_claim_has_results(output->claim))
        status = track_output_begin(output);
    if (status)
        return status;
    output->queue = queue_create(FRAMES_IN_HAND);
    output->pool = pool_create(options->threads);
    if (!output->queue || !output->pool)
        return error_memory("output");
    status = make_scratch(output);
    if (status)
        return status;
    output->has_thread = pthread_create(&output->thread, NULL, run_thread, output) == 0;
    return output->has_thread ? 0 : error_set(SOWLV2_ERROR_MEMORY, "output: a thread cannot be started");
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
    output->videos.merged_mask.kind = NAMES_MERGED_MASK;
    output->videos.merged_overlay.kind = NAMES_MERGED_OVERLAY;
    pthread_mutex_init(&output->lock, NULL);
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
static int check_frame(const struct track_output *output, const struct track_frame *frame)
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

int track_output_add(struct track_output *output, struct track_frame *frame)
{
    struct track_item *item = NULL;
    int status = report_failure(output);

    if (!status) {
        status = check_frame(output, frame);
        item = status ? NULL : calloc(1, sizeof(*item));
        if (!status && !item)
            status = error_memory("output");
    }
    if (status) {
        track_frame_free(frame);
        return status;
    }
    item->frame = *frame;
    *frame = (struct track_frame){0};
    if (!queue_push(output->queue, item)) /* only close ends the queue */
        item_free(item);
    return report_failure(output);
}

void track_output_end_object(struct track_output *output, int64_t id)
{
    struct track_item *item = calloc(1, sizeof(*item));

    if (!item)
        return; /* its videos are finished with the others */
    item->is_end = true;
    item->id = id;
    if (!queue_push(output->queue, item))
        item_free(item);
}

int track_output_close(struct track_output **out, bool whole, struct track_output_report *report)
{
    struct track_output *output = *out;
    double start_time;
    int status;

    if (report)
        *report = (struct track_output_report){0};
    if (!output)
        return 0;
    queue_close(output->queue);
    pthread_join(output->thread, NULL);
    start_time = clock_seconds();
    track_videos_close(output);
    output->write_seconds += clock_seconds() - start_time;
    status = whole && !track_output_failed(output) ? output_claim_finish_video(output->claim, output->frames) : 0;
    if (status)
        track_output_fail(output, status);
    status = output_claim_end(output->claim);
    if (status)
        track_output_fail(output, status);
    status = report_failure(output);
    if (report)
        *report = (struct track_output_report){.frames = output->frames,
                                               .pictures = atomic_load(&output->pictures),
                                               .videos = atomic_load(&output->finished_videos),
                                               .write_seconds = output->write_seconds};
    output_free(output);
    *out = NULL;
    return status;
}
