/* The segmenting stage: the masks of what was detected, or of what was given. */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "masks/masks.h"
#include "pipeline/run.h"

#include <stdlib.h>

/* Encodes the image and decodes all its objects. */
static int find_objects(struct run *run, struct job *job, struct sowlv2_objects *out)
{
    const struct detect_images_options *options = run->options;
    const struct sowlv2_image image = {
        .pixels = job->image.pixels, .width = job->image.width, .height = job->image.height};
    const size_t count = options->given ? options->given_count : job->detections.count;
    struct sowlv2_find_options find = sowlv2_find_options_default();
    const double start = clock_seconds();
    double encoded;
    int status;

    find.segment = &options->segment;
    find.dedupe_iou = options->dedupe_iou;
    if (count == 0)
        return 0;
    status = sowlv2_segment_set_image(run->segment_session, &image, &options->segment);
    encoded = clock_seconds();
    run->encode_seconds += encoded - start;
    if (!status)
        status = sowlv2_segment_objects(run->segment_session, options->given ? NULL : job->detections.items,
                                        options->given, count, &find, out);
    run->mask_seconds += clock_seconds() - encoded;
    if (!status && out->duplicates > 0)
        log_debug("%s: %zu of %zu objects dropped: other masks cover them", job->name, out->duplicates, count);
    return status;
}

/* Detections and masks apart, as the job has them. */
static int take_objects(struct job *job, struct sowlv2_objects *objects)
{
    struct sowlv2_detection *const items = calloc(objects->count + 1, sizeof(*items));

    job->masks = calloc(objects->count + 1, sizeof(*job->masks));
    if (!items || !job->masks) {
        free(items);
        return error_memory("masks");
    }
    for (size_t i = 0; i < objects->count; i++) {
        items[i] = objects->items[i].detection;
        job->masks[i] = objects->items[i].mask;
        objects->items[i].mask = (struct sowlv2_mask){0};
    }
    free(job->detections.items);
    job->detections.items = items;
    job->detections.count = objects->count;
    return 0;
}

/* Counts the masks' memory with the pixels in hand. */
static void count_bytes(struct run *run, struct job *job)
{
    size_t bytes = 0;

    for (size_t i = 0; i < job->detections.count; i++)
        bytes += mask_bytes(&job->masks[i]);
    job->bytes += bytes;
    ledger_add_bytes(run->ledger, bytes);
}

int segment_job(struct run *run, struct job *job)
{
    struct sowlv2_objects objects = {0};
    int status = find_objects(run, job, &objects);

    if (!status)
        status = take_objects(job, &objects);
    sowlv2_objects_free(&objects);
    if (!status)
        status = job_make_files(job);
    if (!status)
        count_bytes(run, job);
    return status;
}
