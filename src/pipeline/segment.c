/* The segmenting stage: the masks of what was detected, or of what was given. */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "masks/masks.h"
#include "pipeline/given.h"
#include "pipeline/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static float clip(float value, int limit)
{
    return fminf(fmaxf(value, 0.0F), (float)limit);
}

int segment_take_given(const struct run *run, const struct job *job, struct sowlv2_detections *out)
{
    const struct detect_images_options *options = run->options;

    *out = (struct sowlv2_detections){0};
    out->items = calloc(options->given_count + 1, sizeof(*out->items));
    if (!out->items)
        return error_memory("boxes");
    for (size_t i = 0; i < options->given_count; i++) {
        const float *box = options->given[i].box;
        struct sowlv2_detection *item = &out->items[out->count++];

        *item = (struct sowlv2_detection){.objectness = -1, .prompt = -1};
        for (int side = 0; side < 4; side++)
            item->box[side] = box ? clip(box[side], side % 2 == 0 ? job->image.width : job->image.height) : NAN;
    }
    return 0;
}

/* Encodes the image and decodes all its boxes. */
static int make_masks(struct run *run, struct job *job, const struct sowlv2_segment_prompt *prompts)
{
    const struct sowlv2_segment_options *options = &run->options->segment;
    const struct sowlv2_image image = {
        .pixels = job->image.pixels, .width = job->image.width, .height = job->image.height};
    double start = clock_seconds(), encoded;
    int status = sowlv2_segment_set_image(run->segment_session, &image, options);

    encoded = clock_seconds();
    run->encode_seconds += encoded - start;
    if (!status)
        status = sowlv2_segment(run->segment_session, prompts, job->detections.count, options, job->masks);
    run->mask_seconds += clock_seconds() - encoded;
    return status;
}

/* Takes out what is not kept. */
static void drop(struct job *job, const bool *keep)
{
    size_t count = job->detections.count, kept = 0;

    for (size_t i = 0; i < count; i++) {
        if (!keep[i]) {
            sowlv2_masks_free(&job->masks[i], 1);
            continue;
        }
        if (kept < i) {
            job->detections.items[kept] = job->detections.items[i];
            job->masks[kept] = job->masks[i];
            job->masks[i] = (struct sowlv2_mask){0};
        }
        kept++;
    }
    job->detections.count = kept;
    if (kept < count)
        log_debug("%s: %zu of %zu objects dropped: other masks cover them", job->name, count - kept, count);
}

static int dedupe(const struct run *run, struct job *job)
{
    size_t count = job->detections.count;
    const struct sowlv2_mask **masks = calloc(count + 1, sizeof(*masks));
    float *scores = calloc(count + 1, sizeof(*scores));
    bool *keep = calloc(count + 1, sizeof(*keep));
    int64_t kept = masks && scores && keep ? 0 : error_memory("masks");

    for (size_t i = 0; kept == 0 && i < count; i++) {
        const struct sowlv2_detection *detection = &job->detections.items[i];

        masks[i] = &job->masks[i];
        scores[i] = detection->prompt >= 0 ? detection->score : job->masks[i].mask_score;
    }
    if (kept == 0)
        kept = masks_dedupe(masks, scores, count, (double)run->options->dedupe_iou, keep);
    if (kept >= 0)
        drop(job, keep);
    free(masks);
    free(scores);
    free(keep);
    return kept < 0 ? (int)kept : 0;
}

/* Where no box was given, the object's is that around its mask; not-a-number where that is empty. */
static void complete_boxes(struct job *job)
{
    for (size_t i = 0; i < job->detections.count; i++) {
        struct sowlv2_detection *detection = &job->detections.items[i];

        if (isnan(detection->box[0]) && job->masks[i].area > 0)
            memcpy(detection->box, job->masks[i].box, sizeof(detection->box));
    }
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
    size_t count = job->detections.count;
    struct sowlv2_segment_prompt *boxes = calloc(count + 1, sizeof(*boxes));
    int status = boxes ? 0 : error_memory("boxes");

    job->masks = calloc(count + 1, sizeof(*job->masks));
    if (!status && !job->masks)
        status = error_memory("masks");
    for (size_t i = 0; !status && i < count; i++)
        boxes[i].box = job->detections.items[i].box;
    if (!status && count > 0)
        status = make_masks(run, job, run->options->given ? run->options->given : boxes);
    if (status && run->options->given)
        status = given_explain(status, job->name, run->options->given, count, GIVEN_ANY);
    if (!status && run->options->dedupe_iou > 0)
        status = dedupe(run, job);
    run->covered += count - job->detections.count;
    if (!status)
        status = job_make_files(job);
    if (!status) {
        complete_boxes(job);
        count_bytes(run, job);
    }
    free(boxes);
    return status;
}
