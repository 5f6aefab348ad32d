/* One thread's session with a segmenter: an image, and the masks of prompts on it. */
#include "engine/segmenter_parts.h"

#include "base/bits.h"
#include "base/error.h"

#include <stdlib.h>

int segment_session_create(const struct segmenter *segmenter, struct segment_session **out)
{
    *out = NULL;
    struct segment_session *session = calloc(1, sizeof(*session));
    if (!session)
        return error_memory("segment session");
    session->segmenter = segmenter;
    int status = compute_create(segmenter->device, &session->compute);
    if (status == 0)
        status = segmenter->model->features_create(segmenter->weights, &session->features);
    if (status != 0) {
        segment_session_free(&session);
        return status;
    }
    *out = session;
    return 0;
}

void segment_session_free(struct segment_session **session)
{
    struct segment_session *old = *session;
    if (!old)
        return;
    compute_free(&old->compute);
    if (old->features)
        old->segmenter->model->features_free(old->features);
    free(old->bits);
    free(old);
    *session = NULL;
}

void segment_session_forget(struct segment_session *session)
{
    session->has_image = false;
    session->images++;
}

int segment_session_encode(struct segment_session *session, const struct sowlv2_image *image,
                           const struct model_control *control)
{
    const struct segmenter *const segmenter = session->segmenter;
    segment_session_forget(session);
    const int status = segmenter->model->encode(segmenter->weights, session->compute, image, session->scale, control,
                                                session->features);
    session->has_image = status == 0;
    session->width = image->width;
    session->height = image->height;
    return status;
}

bool segment_session_has_image(const struct segment_session *session)
{
    return session->has_image;
}

void segment_session_size(const struct segment_session *session, int *width, int *height)
{
    *width = session->width;
    *height = session->height;
}

size_t segment_session_words(const struct segment_session *session)
{
    return (size_t)bits_words(session->width) * (size_t)session->height;
}

int64_t segment_session_part(const struct segment_session *session, int64_t count)
{
    const int64_t side = segmenter_mask_side(session->segmenter);
    const int64_t bytes = 8 * (int64_t)segment_session_words(session) + side * side * (int64_t)sizeof(float);
    const int64_t most = device_hints(session->segmenter->device).transfer_bytes / bytes;
    return most < 1 ? 1 : most < count ? most : count;
}

int segment_session_reserve(struct segment_session *session, int64_t count)
{
    const size_t needed = (size_t)count * segment_session_words(session);
    if (session->bits_capacity >= needed)
        return 0;
    free(session->bits);
    session->bits = malloc(needed * sizeof(*session->bits));
    session->bits_capacity = session->bits ? needed : 0;
    return session->bits ? 0 : error_memory("masks");
}

void segment_session_fetch(struct segment_session *session, struct tensor masks, float threshold)
{
    struct compute *const compute = session->compute;
    const int64_t side = masks.dim[1];
    const size_t mark = compute_mark(compute);
    const struct resize vertical = op_filter_bilinear(compute, side, session->height, false);
    const struct resize horizontal = op_filter_bilinear(compute, side, session->width, false);
    const struct tensor out =
        COMPUTE_TENSOR(compute, DTYPE_U8, masks.dim[0], session->height, bits_bytes(session->width));
    op_resize_planes_above(compute, masks, &vertical, &horizontal, threshold, out);
    op_download(compute, out, session->bits);
    compute_release(compute, mark);
}

/* ---- prompts ---- */

/* Some of a request's prompts in one pass. */
struct part {
    struct segment_session *session;
    const struct segment_request *request;
    const struct model_control *control;
    int64_t first, count;
    float *iou, *object_scores, *logits; /* [count], [count], [count][mask_side^2] or NULL */
};

/* The masks of the part's prompts, batch by batch; `before`: those that they gave in an earlier round; NULL: it is the
 * first. */
static void decode(const struct part *part, const struct tensor *before, bool multimask, const struct segment_best *out)
{
    const struct segmenter *const segmenter = part->session->segmenter;
    const struct segmenter_model *const model = segmenter->model;
    struct compute *const compute = part->session->compute;
    const int64_t rounds = part->request->refine ? 2 : 1, all = part->request->count * rounds;
    const int64_t done = part->first * rounds + (before ? part->count : 0);
    const struct sowlv2_segment_prompt *const prompts = part->request->prompts + part->first;
    for (int64_t i = 0, n; i < part->count && model_keep_going(part->control, compute, done + i, all, "segmentation");
         i += n) {
        n = model->batch(segmenter->weights, prompts + i, part->count - i);
        const struct segment_best batch = {.masks = tensor_slice(out->masks, 0, i, n),
                                           .iou = tensor_slice(out->iou, 0, i, n),
                                           .object_scores = tensor_slice(out->object_scores, 0, i, n)};
        const struct tensor masks = before ? tensor_slice(*before, 0, i, n) : (struct tensor){0};
        model->decode(segmenter->weights, compute, part->session->features, prompts + i, before ? &masks : NULL, n,
                      multimask, &batch);
    }
    (void)model_keep_going(part->control, compute, done + part->count, all, "segmentation");
}

static struct segment_best make_best(struct compute *compute, int64_t count, int64_t side)
{
    return (struct segment_best){.masks = COMPUTE_TENSOR(compute, DTYPE_F32, count, side, side),
                                 .iou = COMPUTE_TENSOR(compute, DTYPE_F32, count, 1),
                                 .object_scores = COMPUTE_TENSOR(compute, DTYPE_F32, count, 1)};
}

static int run_part(const struct part *part, segment_taker take, void *user_data)
{
    struct segment_session *const session = part->session;
    const struct segment_request *const request = part->request;
    const struct mask_rules *const rules = &request->rules;
    struct compute *const compute = session->compute;
    const int64_t side = segmenter_mask_side(session->segmenter);
    compute_begin(compute);
    struct segment_best best = make_best(compute, part->count, side);
    decode(part, NULL, request->multimask, &best);
    if (request->refine) {
        const struct tensor masks = best.masks;
        best = make_best(compute, part->count, side);
        decode(part, &masks, false, &best);
    }
    if (part->logits)
        op_download(compute, best.masks, part->logits);
    op_download(compute, best.iou, part->iou);
    op_download(compute, best.object_scores, part->object_scores);
    op_clean_masks(compute, best.masks, rules->threshold, rules->hole_area, rules->sprinkle_area);
    segment_session_fetch(session, best.masks, rules->threshold);
    int status = compute_finish(compute);
    for (int64_t i = 0; i < part->count && status == 0; i++) {
        const struct segment_result result = {.iou = part->iou[i],
                                              .object_score = part->object_scores[i],
                                              .bits = session->bits + (size_t)i * segment_session_words(session),
                                              .logits = part->logits ? part->logits + i * side * side : NULL};
        status = take(part->first + i, &result, user_data);
    }
    return status;
}

int segment_session_run(struct segment_session *session, const struct segment_request *request,
                        const struct model_control *control, segment_taker take, void *user_data)
{
    const struct segmenter *const segmenter = session->segmenter;
    int status = 0;
    if (!session->has_image)
        return error_set(SOWLV2_ERROR_ARGUMENT, "segmentation: no image was encoded");
    for (int64_t i = 0; i < request->count && status == 0; i++)
        status = segmenter->model->check(segmenter->weights, &request->prompts[i]);
    if (status != 0 || request->count == 0)
        return status;
    const int64_t some = segment_session_part(session, request->count), side = segmenter_mask_side(segmenter);
    const size_t area = request->logits ? (size_t)(side * side) : 0;
    float *const results = malloc((size_t)some * (2 + area) * sizeof(*results));
    status = results ? segment_session_reserve(session, some) : error_memory("masks");
    for (int64_t i = 0; i < request->count && status == 0; i += some) {
        const int64_t n = request->count - i < some ? request->count - i : some;
        const struct part part = {.session = session,
                                  .request = request,
                                  .control = control,
                                  .first = i,
                                  .count = n,
                                  .iou = results,
                                  .object_scores = results + some,
                                  .logits = request->logits ? results + 2 * some : NULL};
        status = run_part(&part, take, user_data);
    }
    free(results);
    return status;
}
