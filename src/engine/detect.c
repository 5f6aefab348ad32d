/* One thread's session with a detector: images in, what was found in them out. */
#include "engine/detector_parts.h"

#include "base/box.h"
#include "base/error.h"
#include "engine/detections.h"

#include <math.h>
#include <stdlib.h>

int detect_session_create(const struct detector *detector, struct detect_session **out)
{
    *out = NULL;
    struct detect_session *session = calloc(1, sizeof(*session));
    if (!session)
        return error_memory("session");
    session->detector = detector;
    session->selected = calloc((size_t)detector->info.places, sizeof(*session->selected));
    int status = !session->selected ? error_memory("session") : 0;
    if (status == 0)
        status = compute_create(detector->device, &session->compute);
    if (status != 0) {
        detect_session_free(&session);
        return status;
    }
    *out = session;
    return 0;
}

void detect_session_free(struct detect_session **session)
{
    struct detect_session *old = *session;
    if (!old)
        return;
    compute_free(&old->compute);
    free(old->logits.values);
    free(old->boxes.values);
    free(old->objectness.values);
    free(old->selected);
    free(old->images);
    free(old);
    *session = NULL;
}

/* Makes room for `rows` of `width` values; what was there is lost. */
static int reserve(struct detect_room *room, int64_t rows, int64_t width)
{
    const size_t count = (size_t)rows * (size_t)width;
    if (room->capacity >= count)
        return 0;
    free(room->values);
    room->values = count <= SIZE_MAX / sizeof(float) ? malloc(count * sizeof(float)) : NULL;
    room->capacity = room->values ? count : 0;
    return room->values ? 0 : error_memory("results");
}

/* Makes room for what is noted of the images. */
static int reserve_images(struct detect_session *session, int64_t count)
{
    if (session->image_capacity >= count)
        return 0;
    struct detected_image *const grown = realloc(session->images, (size_t)count * sizeof(*grown));
    if (!grown)
        return error_memory("results");
    session->images = grown;
    session->image_capacity = count;
    return 0;
}

/* All images and prompts, into the session's room. */
static int compute(struct detect_session *session, const struct detect_request *request,
                   const struct model_control *control)
{
    const struct detector *const detector = session->detector;
    const int64_t rows = request->count * detector->info.places;
    int64_t prompts = 0;
    for (int64_t i = 0; i < request->count; i++)
        prompts += request->prompts[i]->count;
    const void **const encoded = calloc((size_t)request->count, sizeof(*encoded));
    int status = encoded ? reserve(&session->logits, prompts, detector->info.places) : error_memory("prompts");
    session->image_count = 0;
    if (status == 0)
        status = reserve_images(session, request->count);
    if (status == 0)
        status = reserve(&session->boxes, rows, 4);
    if (status == 0 && request->objectness)
        status = reserve(&session->objectness, rows, 1);
    if (status != 0) {
        free(encoded);
        return status;
    }
    for (int64_t i = 0; i < request->count; i++)
        encoded[i] = request->prompts[i]->encoded;
    const struct detector_output output = {.logits = session->logits.values,
                                           .boxes = session->boxes.values,
                                           .objectness = request->objectness ? session->objectness.values : NULL};
    status = detector->model->detect(detector->weights, session->compute, request->images, request->count, encoded,
                                     control, &output);
    free(encoded);
    for (int64_t i = 0; i < request->count && status == 0; i++)
        session->images[session->image_count++] = (struct detected_image){.width = request->images[i].width,
                                                                          .height = request->images[i].height,
                                                                          .prompts = request->prompts[i]->count};
    return status;
}

/* What image `index` of the request has, whose logits are `logits`: selection, clipping, suppression, in this order. */
static int collect(struct detect_session *session, const struct detect_request *request, int64_t index,
                   const float *logits, struct detect_result *out)
{
    const struct detector *const detector = session->detector;
    const struct sowlv2_image *const image = &request->images[index];
    const int64_t first = index * detector->info.places;
    struct detection *const selected = session->selected;
    int64_t found = detector->model->select(detector->weights, logits, session->boxes.values + first * 4,
                                            request->prompts[index]->count, image->width, image->height,
                                            request->threshold, selected);
    *out = (struct detect_result){.items = selected};
    if (request->clip) {
        const int64_t kept = detections_clip(selected, found, image->width, image->height);
        out->dropped = found - kept;
        found = kept;
    }
    if (request->nms_iou > 0.0F)
        found = detections_suppress(selected, found, request->nms_iou);
    if (found < 0)
        return (int)found;
    for (int64_t i = 0; i < found; i++) {
        struct detection *const item = &selected[i];
        item->objectness =
            request->objectness ? 1.0F / (1.0F + expf(-session->objectness.values[first + item->place])) : -1.0F;
    }
    out->count = found;
    return 0;
}

int detect_session_run(struct detect_session *session, const struct detect_request *request,
                       const struct model_control *control, detect_taker take, void *user_data)
{
    for (int64_t i = 0; i < request->count; i++)
        if (request->prompts[i]->detector != session->detector)
            return error_set(SOWLV2_ERROR_ARGUMENT, "detection: the prompts were encoded by another detector");
    int status = request->count > 0 ? compute(session, request, control) : 0;
    const float *logits = session->logits.values;
    for (int64_t i = 0; i < request->count && status == 0; i++) {
        struct detect_result result;
        status = collect(session, request, i, logits, &result);
        logits += request->prompts[i]->count * session->detector->info.places;
        if (status == 0)
            status = take(i, &result, user_data);
    }
    return status;
}

int detect_session_scores(struct detect_session *session, int64_t image, const float box[4], float iou, float *scores,
                          int64_t count)
{
    if (image < 0 || image >= session->image_count)
        return error_set(SOWLV2_ERROR_ARGUMENT, "scores: the last detection had no image %lld", (long long)image);
    const struct detected_image *const kept = &session->images[image];
    if (kept->prompts != count) {
        return error_set(SOWLV2_ERROR_ARGUMENT, "scores: %lld prompts, but the image had %lld", (long long)count,
                         (long long)kept->prompts);
    }
    const struct detector *const detector = session->detector;
    const int64_t places = detector->info.places;
    const float *logits = session->logits.values;
    for (int64_t i = 0; i < image; i++)
        logits += session->images[i].prompts * places;
    for (int64_t i = 0; i < count; i++)
        scores[i] = 0.0F;
    const int64_t found = detector->model->select(detector->weights, logits, session->boxes.values + image * places * 4,
                                                  count, kept->width, kept->height, -INFINITY, session->selected);
    for (int64_t i = 0; i < found; i++) {
        const struct detection *const item = &session->selected[i];
        if (!(box_iou(item->box, box) >= iou))
            continue;
        for (int64_t k = 0; k < count; k++)
            scores[k] = fmaxf(scores[k], 1.0F / (1.0F + expf(-logits[item->place * count + k])));
    }
    return 0;
}
