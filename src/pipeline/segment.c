/* The segmenting stage: from what was detected, or given, to objects with masks. */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "masks/masks.h"
#include "pipeline/prompts.h"
#include "pipeline/run.h"

#include <stdlib.h>
#include <string.h>

/* Encodes the image and decodes all its objects. */
static int find_objects(struct computer *computer, const struct job *job, struct sowlv2_objects *out)
{
    const struct run *const run = computer->run;
    const struct sowlv2_segment_prompt *const marks = run->job->marks;
    const struct output_frame *frame = &job->frame;
    const struct sowlv2_image image = image_view(&frame->image);
    const size_t count = marks ? run->job->mark_count : job->detections.count;
    struct sowlv2_find_options find = sowlv2_find_options_default();
    const double start = clock_seconds();
    double encoded;
    int status;

    find.segment = run->job->segment;
    find.dedupe_iou = run->job->dedupe_iou > 0 ? run->job->dedupe_iou : 0;
    if (count == 0)
        return 0;
    status = sowlv2_segment_set_image(computer->segment_session, &image, run->job->segment);
    encoded = clock_seconds();
    computer->encode_seconds += encoded - start;
    if (!status)
        status = sowlv2_segment_objects(computer->segment_session, marks ? NULL : job->detections.items, marks, count,
                                        &find, out);
    computer->mask_seconds += clock_seconds() - encoded;
    if (status && marks)
        return marks_explain(status, frame->name, run->job, MARKS_ANY);
    if (!status && out->duplicates > 0)
        log_debug("%s: %zu of %zu objects dropped: other masks cover them", frame->name, out->duplicates, count);
    computer->covered += status ? 0 : out->duplicates;
    return status;
}

/* One more object of the frame, which has room for it; the mask (NULL: none) is taken over. */
static void take(struct output_frame *frame, const struct sowlv2_detection *detection, bool has_box,
                 struct sowlv2_mask *mask)
{
    struct output_object *object = &frame->objects[frame->count++];

    *object = (struct output_object){.id = (int64_t)frame->count,
                                     .prompt = detection->prompt,
                                     .score = detection->score,
                                     .objectness = detection->objectness,
                                     .has_box = has_box};
    memcpy(object->box, detection->box, sizeof(object->box));
    if (mask) {
        object->mask = *mask;
        *mask = (struct sowlv2_mask){0};
    }
}

/* Counts the masks' memory with the pixels in hand. */
static void count_bytes(struct run *run, struct job *job)
{
    size_t bytes = 0;

    for (size_t i = 0; i < job->frame.count; i++)
        bytes += mask_bytes(&job->frame.objects[i].mask);
    ledger_add_bytes(run->ledger, job, bytes);
}

int segment_job(struct computer *computer, struct job *job)
{
    struct run *const run = computer->run;
    const struct sowlv2_segment_prompt *const marks = run->job->marks;
    struct sowlv2_objects objects = {0};
    const size_t found = job->detections.count;
    int status = computer->segment_session ? find_objects(computer, job, &objects) : 0;

    job->frame.dropped = job->detections.dropped;
    if (!status)
        job->frame.objects =
            calloc((computer->segment_session ? objects.count : found) + 1, sizeof(*job->frame.objects));
    if (!status && !job->frame.objects)
        status = error_memory("objects");
    for (size_t i = 0; !status && i < objects.count; i++) {
        struct sowlv2_object *object = &objects.items[i];

        take(&job->frame, &object->detection, !marks || marks[object->index].box, &object->mask);
    }
    for (size_t i = 0; !status && !computer->segment_session && i < found; i++)
        take(&job->frame, &job->detections.items[i], true, NULL);
    sowlv2_objects_free(&objects);
    sowlv2_detections_free(&job->detections);
    if (!status)
        count_bytes(run, job);
    return status;
}
