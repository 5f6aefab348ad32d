/* Detection in images: one thread's session, and what it finds. */
#include "api/checks.h"
#include "api/types.h"
#include "base/error.h"
#include "base/options.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int sowlv2_detect_session_create(const sowlv2_detector *detector, sowlv2_detect_session **out)
{
    if (out)
        *out = NULL;
    if (!detector || !out)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_detect_session_create: a detector and out are needed");
    sowlv2_detect_session *session = calloc(1, sizeof(*session));
    if (!session)
        return error_memory("session");
    session->detector = detector;
    const int status = detect_session_create(detector->detector, &session->session);
    if (status != 0) {
        free(session);
        return status;
    }
    *out = session;
    return 0;
}

void sowlv2_detect_session_free(sowlv2_detect_session **session)
{
    if (!session || !*session)
        return;
    detect_session_free(&(*session)->session);
    free(*session);
    *session = NULL;
}

/* One sowlv2_detect(). */
struct call {
    struct sowlv2_detections *out; /* [count] */
    int64_t taken;
};

static int take(int64_t image, const struct detect_result *result, void *user_data)
{
    struct call *const call = user_data;
    struct sowlv2_detections *const out = &call->out[image];
    *out = (struct sowlv2_detections){.dropped = (size_t)result->dropped};
    out->items = result->count > 0 ? calloc((size_t)result->count, sizeof(*out->items)) : NULL;
    if (!out->items && result->count > 0)
        return error_memory("detections");
    out->count = (size_t)result->count;
    call->taken = image + 1;
    for (int64_t i = 0; i < result->count; i++) {
        const struct detection *const from = &result->items[i];
        struct sowlv2_detection *const item = &out->items[i];
        *item = (struct sowlv2_detection){.score = from->score, .objectness = from->objectness, .prompt = from->prompt};
        memcpy(item->box, from->box, sizeof(item->box));
    }
    return 0;
}

static int detect(sowlv2_detect_session *session, const sowlv2_prompts *prompts, const struct sowlv2_image *images,
                  size_t count, const struct sowlv2_detect_options *options, struct sowlv2_detections *out)
{
    struct sowlv2_image *const views = calloc(count, sizeof(*views));
    const struct detector_prompts **const asked = calloc(count, sizeof(*asked));
    int status = views && asked ? take_images(images, count, views) : error_memory("images");
    for (size_t i = 0; i < count && status == 0; i++)
        asked[i] = (options->image_prompts ? options->image_prompts[i] : prompts)->prompts;
    struct call call = {.out = out};
    const struct model_control control = {options->progress, options->progress_user_data};
    const struct detect_request request = {.images = views,
                                           .count = (int64_t)count,
                                           .prompts = asked,
                                           .threshold = options->threshold,
                                           .nms_iou = options->nms_iou,
                                           .clip = options->clip,
                                           .objectness = options->objectness};
    if (status == 0)
        status = detect_session_run(session->session, &request, &control, take, &call);
    free(views);
    free(asked);
    for (int64_t i = 0; i < call.taken && status != 0; i++)
        sowlv2_detections_free(&out[i]);
    return status;
}

/* Whether these are prompts of the session's detector; `image` is whose they are. */
static int check_prompts(const sowlv2_detect_session *session, const sowlv2_prompts *prompts, size_t image)
{
    if (!prompts)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_detect: image %zu has no prompts", image);
    if (prompts->detector != session->detector)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_detect: the prompts were encoded by another detector");
    return 0;
}

int sowlv2_detect(sowlv2_detect_session *session, const sowlv2_prompts *prompts, const struct sowlv2_image *images,
                  size_t count, const struct sowlv2_detect_options *options, struct sowlv2_detections *out)
{
    struct sowlv2_detect_options mine;
    if (out && count <= API_MAX_BATCH)
        memset(out, 0, count * sizeof(*out));
    if (!session || !out || (count > 0 && !images) || count > API_MAX_BATCH) {
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "sowlv2_detect: a session, prompts, at most %d images and out are needed", API_MAX_BATCH);
    }
    int status = OPTIONS_TAKE(detect, options, &mine);
    if (status != 0)
        return status;
    if (isnan(mine.threshold) || isnan(mine.nms_iou))
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_detect: threshold and nms_iou must be numbers");
    if (!prompts && !mine.image_prompts)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_detect: prompts are needed");
    if (!mine.image_prompts)
        status = check_prompts(session, prompts, 0);
    for (size_t i = 0; mine.image_prompts && i < count && status == 0; i++)
        status = check_prompts(session, mine.image_prompts[i], i);
    return status == 0 && count > 0 ? detect(session, prompts, images, count, &mine, out) : status;
}

int sowlv2_detect_scores(sowlv2_detect_session *session, size_t image, const float *box, float iou, float *scores,
                         size_t count)
{
    if (!session || !box || !scores || image >= API_MAX_BATCH || count > INT_MAX)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_detect_scores: a session, an image's number, a box and scores "
                                                "are needed");
    if (!(iou >= 0.0F && iou <= 1.0F) || !isfinite(box[0] + box[1] + box[2] + box[3]))
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_detect_scores: a finite box and an IoU from 0 to 1 are needed");
    return detect_session_scores(session->session, (int64_t)image, box, iou, scores, (int64_t)count);
}

void sowlv2_detections_free(struct sowlv2_detections *detections)
{
    if (detections) {
        free(detections->items);
        *detections = (struct sowlv2_detections){0};
    }
}
