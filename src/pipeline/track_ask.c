/* Asking the tracker for an object on the current frame. */
#include "base/error.h"
#include "pipeline/track_run.h"

#include <stdlib.h>

bool track_is_same(const struct track_run *run, int prompt, int other, double iou)
{
    return (prompt == other && iou >= run->job->match_iou) || iou > track_dedupe_iou(run);
}

static int ask_by_mask(sowlv2_track_session *session, int64_t id, const struct sowlv2_mask *mask,
                       struct track_object *object)
{
    uint8_t *const pixels = malloc((size_t)mask->width * (size_t)mask->height);
    const struct sowlv2_track_prompt prompt = {.mask = pixels, .mask_width = mask->width, .mask_height = mask->height};
    int status = pixels ? sowlv2_mask_to_pixels(mask, pixels) : error_memory("mask");

    if (!status)
        status = sowlv2_track_prompt(session, id, &prompt);
    if (!status && object) {
        object->asked_score = mask->mask_score;
        object->asked_object_score = mask->object_score;
    }
    free(pixels);
    return status;
}

int track_ask(const struct track_run *run, sowlv2_track_session *session, int64_t id,
              const struct sowlv2_segment_prompt *prompt, struct track_object *object)
{
    const struct sowlv2_track_prompt same = {
        .box = prompt->box, .points = prompt->points, .labels = prompt->labels, .point_count = prompt->point_count};
    const struct sowlv2_segment_options *const options = run->job->segment;
    struct sowlv2_mask mask = {0};
    int status;

    if (!options->multimask && !options->refine)
        return sowlv2_track_prompt(session, id, &same);
    status = sowlv2_segment(sowlv2_track_frame(session), prompt, 1, options, &mask);
    if (!status)
        status = mask.area > 0 ? ask_by_mask(session, id, &mask, object) : sowlv2_track_prompt(session, id, &same);
    sowlv2_masks_free(&mask, 1);
    return status;
}
