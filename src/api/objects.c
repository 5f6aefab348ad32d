/* From detections, or prompts of callers, to objects with masks. */
#include "base/error.h"
#include "base/options.h"
#include "masks/masks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_OBJECTS = 1000000 };

/* One sowlv2_segment_objects(). */
struct call {
    const struct sowlv2_detection *detections;   /* NULL: prompts were given, not detected */
    const struct sowlv2_segment_prompt *prompts; /* NULL: the detections' boxes */
    size_t count;
    struct sowlv2_find_options options;
};

static float limit(float value, int most)
{
    return fminf(fmaxf(value, 0.0F), (float)most);
}

/* What a given object is instead of detected: its box is the given one, as far as the image goes, else the one around
 * its mask. */
static struct sowlv2_detection given_detection(const struct sowlv2_segment_prompt *prompt,
                                               const struct sowlv2_mask *mask)
{
    struct sowlv2_detection out = {.objectness = -1.0F, .prompt = -1};
    for (int side = 0; side < 4; side++) {
        out.box[side] = prompt->box      ? limit(prompt->box[side], side % 2 == 0 ? mask->width : mask->height)
                        : mask->area > 0 ? mask->box[side]
                                         : NAN;
    }
    return out;
}

/* The masks of all, as one batch. */
static int make_masks(sowlv2_segment_session *session, const struct call *call, struct sowlv2_mask *masks)
{
    if (call->prompts)
        return sowlv2_segment(session, call->prompts, call->count, call->options.segment, masks);
    struct sowlv2_segment_prompt *const boxes = calloc(call->count + 1, sizeof(*boxes));
    if (!boxes)
        return error_memory("detected objects");
    for (size_t i = 0; i < call->count; i++)
        boxes[i].box = call->detections[i].box;
    const int status = sowlv2_segment(session, boxes, call->count, call->options.segment, masks);
    free(boxes);
    return status;
}

/* Which masks stay; the best one of those that overlap too much. */
static int choose(const struct call *call, const struct sowlv2_mask *masks, bool *keep)
{
    const size_t count = call->count;
    for (size_t i = 0; i < count; i++)
        keep[i] = true;
    if (!(call->options.dedupe_iou > 0.0F))
        return 0;
    const struct sowlv2_mask **const views = calloc(count + 1, sizeof(const struct sowlv2_mask *));
    float *const scores = calloc(count + 1, sizeof(*scores));
    int64_t kept = views && scores ? 0 : error_memory("objects");
    for (size_t i = 0; i < count && kept == 0; i++) {
        views[i] = &masks[i];
        scores[i] = call->detections ? call->detections[i].score : masks[i].mask_score;
    }
    if (kept == 0)
        kept = masks_dedupe(views, scores, count, (double)call->options.dedupe_iou, keep);
    free(views);
    free(scores);
    return kept < 0 ? (int)kept : 0;
}

/* Moves the masks that stay into out. */
static int gather(const struct call *call, struct sowlv2_mask *masks, struct sowlv2_objects *out)
{
    bool *const keep = calloc(call->count + 1, sizeof(*keep));
    out->items = calloc(call->count + 1, sizeof(*out->items));
    const int status = keep && out->items ? choose(call, masks, keep) : error_memory("detected objects");
    for (size_t i = 0; i < call->count && status == 0; i++) {
        if (!keep[i]) {
            out->duplicates++;
            continue;
        }
        out->items[out->count++] = (struct sowlv2_object){
            call->detections ? call->detections[i] : given_detection(&call->prompts[i], &masks[i]), masks[i], i};
        masks[i] = (struct sowlv2_mask){0};
    }
    free(keep);
    return status;
}

int sowlv2_segment_objects(sowlv2_segment_session *session, const struct sowlv2_detection *detections,
                           const struct sowlv2_segment_prompt *prompts, size_t count,
                           const struct sowlv2_find_options *options, struct sowlv2_objects *out)
{
    struct call call = {.detections = detections, .prompts = prompts, .count = count};
    if (out)
        *out = (struct sowlv2_objects){0};
    if (!session || !out || (count > 0 && !detections && !prompts) || count > MOST_OBJECTS) {
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "sowlv2_segment_objects: a session, at most %d detections or prompts, and out are needed",
                         MOST_OBJECTS);
    }
    int status = OPTIONS_TAKE(find, options, &call.options);
    if (status != 0 || count == 0)
        return status;
    struct sowlv2_mask *const masks = calloc(count, sizeof(*masks));
    status = masks ? make_masks(session, &call, masks) : error_memory("detected objects");
    if (status == 0) {
        status = gather(&call, masks, out);
        sowlv2_masks_free(masks, count);
    }
    free(masks);
    if (status != 0)
        sowlv2_objects_free(out);
    return status;
}

void sowlv2_objects_free(struct sowlv2_objects *objects)
{
    if (!objects)
        return;
    for (size_t i = 0; i < objects->count; i++)
        sowlv2_masks_free(&objects->items[i].mask, 1);
    free(objects->items);
    *objects = (struct sowlv2_objects){0};
}
