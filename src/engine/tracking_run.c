/* All objects of a video on its current frame. */
#include "engine/tracking_parts.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>

/* One run, its results as they come back. */
struct run {
    struct tracking *tracking;
    const struct tracks *tracks;
    float *iou, *object_scores, *pointers; /* [count], [count], [count][pointer_width] */
    int64_t pointer_width;
    tracking_taker take;
    void *user_data;
};

/* What the masks become that are given; the tracker remembers them as they were. */
static void clean(const struct tracking *tracking, const struct tracks *tracks)
{
    const float outside = -10.0F;
    struct compute *const compute = tracking->session->compute;
    const struct mask_rules *const rules = &tracking->options.rules;
    const int64_t count = tracks->count, area = tracks->masks.dim[1] * tracks->masks.dim[2];
    const struct tensor flat = TENSOR_RESHAPE(tracks->masks, count, area);
    if (tracking->options.separate)
        op_separate_masks(compute, flat, outside);
    if (rules->hole_area > 0 || rules->sprinkle_area > 0) {
        /* In the mask of an object that is not seen nothing is a hole of it. */
        const struct tensor unseen = COMPUTE_TENSOR(compute, DTYPE_F32, 1, 1);
        op_fill(compute, SEGMENT_NO_OBJECT, unseen);
        op_clean_masks(compute, tracks->masks, rules->threshold, rules->hole_area, rules->sprinkle_area);
        op_select(compute, tracks->object_scores, 0.0F, flat, unseen, flat);
    }
}

static int64_t rank_of(const struct tracks *tracks, int64_t index)
{
    int64_t rank = 0;
    for (int64_t i = 0; i < tracks->count; i++)
        rank += tracks->items[i].place < tracks->items[index].place;
    return rank;
}

static int give(const struct run *run, int64_t first, int64_t n)
{
    const struct segment_session *const session = run->tracking->session;
    const size_t words = segment_session_words(session);
    int status = 0;
    for (int64_t i = first; i < first + n && status == 0; i++) {
        const struct track *const track = &run->tracks->items[i];
        const struct tracking_result result = {
            .object = track->object,
            .count = run->tracks->count,
            .rank = rank_of(run->tracks, i),
            .conditioning = track->conditioning,
            .iou = run->iou[i],
            .object_score = run->object_scores[i],
            .confidence = run->iou[i] / (1.0F + expf(-run->object_scores[i])),
            .bits = session->bits + (size_t)(i - first) * words,
            .pointer = run->pointers + i * run->pointer_width,
            .pointer_width = run->pointer_width,
        };
        status = run->take(&result, run->user_data);
    }
    return status;
}

/* The rest of the pass: results come back, masks at the frame's size some at a time. */
static int fetch(const struct run *run)
{
    struct segment_session *const session = run->tracking->session;
    struct compute *const compute = session->compute;
    const struct tracks *const tracks = run->tracks;
    const int64_t some = segment_session_part(session, tracks->count);
    int status = segment_session_reserve(session, some);
    clean(run->tracking, tracks);
    op_download(compute, tracks->iou, run->iou);
    op_download(compute, tracks->object_scores, run->object_scores);
    op_download(compute, tracks->pointers, run->pointers);
    for (int64_t i = 0; i < tracks->count && status == 0; i += some) {
        const int64_t n = tracks->count - i < some ? tracks->count - i : some;
        segment_session_fetch(session, tensor_slice(tracks->masks, 0, i, n), run->tracking->options.rules.threshold);
        status = compute_finish(compute);
        if (status == 0)
            status = give(run, i, n);
    }
    return status;
}

int tracking_run(struct tracking *tracking, bool reverse, bool prompted_only, const struct model_control *control,
                 tracking_taker take, void *user_data)
{
    struct segment_session *const session = tracking->session;
    const struct segmenter *const segmenter = session->segmenter;
    const struct segmenter_model *const model = segmenter->model;
    if (!tracking_has_frame(tracking))
        return error_set(SOWLV2_ERROR_ARGUMENT, "tracking: there is no current frame");
    const struct track_run wanted = {
        .frame = tracking->number, .reverse = reverse, .prompted_only = prompted_only, .control = control};
    struct tracks tracks;
    int status = model->run(tracking->tracker, session->compute, session->features, &wanted, &tracks);
    if (status != 0)
        return status;
    const int64_t width = model->pointer_width(segmenter->weights);
    float *const results = malloc((size_t)(tracks.count * (width + 2) + 1) * sizeof(*results));
    if (!results) {
        status = error_memory("tracks");
    } else {
        const struct run run = {.tracking = tracking,
                                .tracks = &tracks,
                                .iou = results,
                                .object_scores = results + tracks.count,
                                .pointers = results + 2 * tracks.count,
                                .pointer_width = width,
                                .take = take,
                                .user_data = user_data};
        status = fetch(&run);
    }
    if (status == 0) {
        model->keep(tracking->tracker, results, results + tracks.count);
    } else {
        compute_finish(session->compute); /* what was asked for comes back before its place goes */
        model->drop(tracking->tracker);
    }
    free(results);
    return status;
}
