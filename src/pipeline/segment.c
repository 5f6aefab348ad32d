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

int segment_take_given(const struct run *run, struct job *job)
{
    const struct detect_images_options *options = run->options;
    struct output_frame *frame = &job->frame;

    frame->objects = calloc(options->given_count + 1, sizeof(*frame->objects));
    if (!frame->objects)
        return error_memory("boxes");
    while (frame->count < options->given_count) {
        const float *box = options->given[frame->count].box;
        struct output_object *object = &frame->objects[frame->count++];

        *object =
            (struct output_object){.id = (int64_t)frame->count, .prompt = -1, .objectness = -1, .has_box = box != NULL};
        for (int side = 0; box && side < 4; side++)
            object->box[side] = clip(box[side], side % 2 == 0 ? frame->image.width : frame->image.height);
    }
    return 0;
}

/* Encodes the image and decodes all its boxes; `masks` has room for one an object. */
static int make_masks(struct run *run, const struct job *job, const struct sowlv2_segment_prompt *prompts,
                      struct sowlv2_mask *masks)
{
    const struct sowlv2_segment_options *options = &run->options->segment;
    const struct sowlv2_image image = {
        .pixels = job->frame.image.pixels, .width = job->frame.image.width, .height = job->frame.image.height};
    double start = clock_seconds(), encoded;
    int status = sowlv2_segment_set_image(run->segment_session, &image, options);

    encoded = clock_seconds();
    run->encode_seconds += encoded - start;
    if (!status)
        status = sowlv2_segment(run->segment_session, prompts, job->frame.count, options, masks);
    run->mask_seconds += clock_seconds() - encoded;
    return status;
}

/* Takes out what is not kept. */
static void drop(struct output_frame *frame, const bool *keep)
{
    const size_t count = frame->count;
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        if (!keep[i]) {
            sowlv2_masks_free(&frame->objects[i].mask, 1);
            continue;
        }
        frame->objects[kept] = frame->objects[i];
        frame->objects[kept].id = (int64_t)kept + 1;
        kept++;
    }
    frame->count = kept;
    if (kept < count)
        log_debug("%s: %zu of %zu objects dropped: other masks cover them", frame->name, count - kept, count);
}

static int dedupe(const struct run *run, struct output_frame *frame)
{
    size_t count = frame->count;
    const struct sowlv2_mask **masks = calloc(count + 1, sizeof(*masks));
    float *scores = calloc(count + 1, sizeof(*scores));
    bool *keep = calloc(count + 1, sizeof(*keep));
    int64_t kept = masks && scores && keep ? 0 : error_memory("masks");

    for (size_t i = 0; kept == 0 && i < count; i++) {
        const struct output_object *object = &frame->objects[i];

        masks[i] = &object->mask;
        scores[i] = object->prompt >= 0 ? object->score : object->mask.mask_score;
    }
    if (kept == 0)
        kept = masks_dedupe(masks, scores, count, (double)run->options->dedupe_iou, keep);
    if (kept >= 0)
        drop(frame, keep);
    free(masks);
    free(scores);
    free(keep);
    return kept < 0 ? (int)kept : 0;
}

/* Counts the masks' memory with the pixels in hand. */
static void count_bytes(struct run *run, struct job *job)
{
    size_t bytes = 0;

    for (size_t i = 0; i < job->frame.count; i++)
        bytes += mask_bytes(&job->frame.objects[i].mask);
    ledger_add_bytes(run->ledger, job, bytes);
}

int segment_job(struct run *run, struct job *job)
{
    struct output_frame *frame = &job->frame;
    const size_t count = frame->count;
    struct sowlv2_segment_prompt *boxes = calloc(count + 1, sizeof(*boxes));
    struct sowlv2_mask *masks = calloc(count + 1, sizeof(*masks));
    int status = boxes && masks ? 0 : error_memory("masks");

    for (size_t i = 0; !status && i < count; i++)
        boxes[i].box = frame->objects[i].box;
    if (!status && count > 0)
        status = make_masks(run, job, run->options->given ? run->options->given : boxes, masks);
    if (status && run->options->given)
        status = given_explain(status, frame->name, run->options->given, count, GIVEN_ANY);
    for (size_t i = 0; !status && i < count; i++)
        frame->objects[i].mask = masks[i];
    if (!status && run->options->dedupe_iou > 0)
        status = dedupe(run, frame);
    run->covered += count - frame->count;
    if (!status)
        count_bytes(run, job);
    free(boxes);
    free(masks);
    return status;
}
