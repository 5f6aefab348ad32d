/* Finds with their masks: of those that are one thing the best stays. */
#include "base/error.h"
#include "masks/masks.h"
#include "pipeline/track_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --dedupe where it was not given, and where it is off. */
static const double DEDUPE_IOU = 0.7, NEVER = 2;
/* Finds that get a mask, for each object there is room for. */
enum { MASKS_AN_OBJECT = 4 };

double track_dedupe_iou(const struct track_run *run)
{
    const double given = (double)run->job->dedupe_iou;

    return given < 0 ? DEDUPE_IOU : given > 0 ? given : NEVER;
}

void track_candidates_free(struct track_candidates *candidates)
{
    for (size_t i = 0; i < candidates->count; i++)
        sowlv2_masks_free(&candidates->items[i].mask, 1);
    free(candidates->items);
    *candidates = (struct track_candidates){0};
}

/* The lowest score that is among the best `room`. */
static float least_score(const struct sowlv2_detections *detections, size_t room)
{
    float least = -INFINITY;

    for (size_t i = 0; i < detections->count && detections->count > room; i++) {
        size_t better = 0;

        for (size_t j = 0; j < detections->count; j++)
            better += detections->items[j].score > detections->items[i].score;
        if (better < room && (isinf(least) || detections->items[i].score < least))
            least = detections->items[i].score;
    }
    return least;
}

void track_candidates_drop(struct track_candidates *candidates, size_t index)
{
    sowlv2_masks_free(&candidates->items[index].mask, 1);
    candidates->count--;
    memmove(candidates->items + index, candidates->items + index + 1,
            (candidates->count - index) * sizeof(*candidates->items));
}

/* Whether another find is the same object, and better. */
static bool is_double(const struct track_candidates *candidates, size_t index, double iou)
{
    const struct track_candidate *mine = &candidates->items[index];

    for (size_t i = 0; i < candidates->count; i++) {
        const struct track_candidate *other = &candidates->items[i];

        if (i == index || other->detection.prompt != mine->detection.prompt ||
            other->detection.score < mine->detection.score ||
            (other->detection.score <= mine->detection.score && i > index))
            continue;
        if (sowlv2_mask_iou(&mine->mask, &other->mask) >= iou)
            return true;
    }
    return false;
}

/* Of finds of whatever prompt that overlap too much the best stays. */
static int dedupe(const struct track_run *run, struct track_candidates *candidates)
{
    const size_t count = candidates->count;
    const struct sowlv2_mask **const masks = calloc(count + 1, sizeof(*masks));
    float *const scores = calloc(count + 1, sizeof(*scores));
    bool *const keep = calloc(count + 1, sizeof(*keep));
    int64_t kept = masks && scores && keep ? 0 : error_memory("masks");

    for (size_t i = 0; kept == 0 && i < count; i++) {
        masks[i] = &candidates->items[i].mask;
        scores[i] = candidates->items[i].detection.score;
    }
    if (kept == 0)
        kept = masks_dedupe(masks, scores, count, track_dedupe_iou(run), keep);
    for (size_t i = count; kept >= 0 && i-- > 0;)
        if (!keep[i])
            track_candidates_drop(candidates, i);
    free(masks);
    free(scores);
    free(keep);
    return kept < 0 ? (int)kept : 0;
}

int track_candidates_make(struct track_run *run, sowlv2_track_session *session,
                          const struct sowlv2_detections *detections, double iou, struct track_candidates *out)
{
    const float least = least_score(detections, (size_t)run->job->max_objects * MASKS_AN_OBJECT);
    struct sowlv2_segment_prompt *prompts = calloc(detections->count + 1, sizeof(*prompts));
    struct sowlv2_mask *masks = calloc(detections->count + 1, sizeof(*masks));
    int status = 0;

    *out = (struct track_candidates){.items = calloc(detections->count + 1, sizeof(*out->items))};
    if (!prompts || !masks || !out->items)
        status = error_memory("detections");
    for (size_t i = 0; !status && i < detections->count; i++)
        if (detections->items[i].score >= least)
            out->items[out->count++].detection = detections->items[i];
    for (size_t i = 0; i < out->count; i++)
        prompts[i].box = out->items[i].detection.box;
    if (!status)
        status = sowlv2_segment(sowlv2_track_frame(session), prompts, out->count, run->job->segment, masks);
    for (size_t i = 0; !status && i < out->count; i++)
        out->items[i].mask = masks[i];
    free(prompts);
    free(masks);
    for (size_t i = out->count; !status && i-- > 0;)
        if (out->items[i].mask.area == 0 || !(out->items[i].mask.object_score > 0) || is_double(out, i, iou))
            track_candidates_drop(out, i);
    if (!status && track_dedupe_iou(run) <= 1)
        status = dedupe(run, out);
    if (status) {
        out->count = 0;
        track_candidates_free(out);
    }
    return status;
}
