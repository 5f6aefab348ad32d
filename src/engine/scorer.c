/* A scorer's weights, and one thread's session with them. */
#include "engine/scorer.h"

#include "base/error.h"
#include "engine/models.h"

#include <stdlib.h>

struct scorer {
    const struct scorer_model *model;
    struct device *device; /* not owned */
    void *weights;
    struct scorer_info info;
};

struct scorer_session {
    const struct scorer *scorer; /* not owned */
    struct compute *compute;
    struct tensor frames; /* [places, side, side, 3] on the device: what the model sees of the frames that are held */
    struct frame_resize resize;
    struct tensor room; /* [rows, width] on the device, as many as were needed so far */
    struct tensor kept; /* [batch, tokens, width] of it; without memory: nothing is kept */
};

int scorer_open(const char *folder, struct device *device, struct scorer **out)
{
    *out = NULL;
    struct scorer *scorer = calloc(1, sizeof(*scorer));
    if (!scorer)
        return error_memory("scorer");
    scorer->device = device;
    int status = find_scorer(folder, &scorer->model);
    if (status == 0)
        status = scorer->model->open(folder, device, &scorer->weights);
    if (status != 0) {
        scorer_free(&scorer);
        return status;
    }
    scorer->info = scorer->model->info(scorer->weights);
    *out = scorer;
    return 0;
}

void scorer_free(struct scorer **scorer)
{
    struct scorer *old = *scorer;
    if (!old)
        return;
    if (old->weights)
        old->model->free(old->weights);
    free(old);
    *scorer = NULL;
}

const struct scorer_info *scorer_info(const struct scorer *scorer)
{
    return &scorer->info;
}

int64_t scorer_tubelets(const struct scorer *scorer, int64_t frames)
{
    return scorer->model->tubelets(scorer->weights, frames);
}

int64_t scorer_tokens(const struct scorer *scorer, int64_t frames)
{
    return scorer_tubelets(scorer, frames) * scorer->info.grid * scorer->info.grid;
}

void scorer_share(const struct scorer *scorer, size_t count, pool_task task, void *data)
{
    device_share(scorer->device, count, task, data);
}

/* ---- clips ---- */

int scorer_session_create(const struct scorer *scorer, struct scorer_session **out)
{
    *out = NULL;
    struct scorer_session *session = calloc(1, sizeof(*session));
    if (!session)
        return error_memory("scorer session");
    session->scorer = scorer;
    const int status = compute_create(scorer->device, &session->compute);
    if (status != 0) {
        scorer_session_free(&session);
        return status;
    }
    *out = session;
    return 0;
}

void scorer_session_free(struct scorer_session **session)
{
    struct scorer_session *old = *session;
    if (!old)
        return;
    compute_free(&old->compute);
    frame_resize_free(old->scorer->device, &old->resize);
    device_tensor_free(old->scorer->device, &old->frames);
    device_tensor_free(old->scorer->device, &old->room);
    free(old);
    *session = NULL;
}

int scorer_session_hold(struct scorer_session *session, int64_t count)
{
    const int64_t side = session->scorer->info.side;
    device_tensor_free(session->scorer->device, &session->frames);
    return DEVICE_TENSOR_CREATE(session->scorer->device, DTYPE_F32, &session->frames, count, side, side, 3);
}

int scorer_session_take(struct scorer_session *session, const struct sowlv2_image *frame, enum scorer_view view,
                        int64_t place)
{
    const struct scorer *const scorer = session->scorer;
    if (!session->frames.buffer || place < 0 || place >= session->frames.dim[0])
        return error_set(SOWLV2_ERROR_ARGUMENT, "a frame: there is no place %lld for it", (long long)place);
    return scorer->model->prepare(scorer->weights, session->compute, frame, view, &session->resize,
                                  tensor_at(session->frames, place));
}

struct scorer_clips scorer_session_clip(const struct scorer_session *session, int64_t place, int64_t count)
{
    return (struct scorer_clips){.batch = 1, .count = count, .prepared = &session->frames, .first = place};
}

/* Room on the device for features of so many clips. */
static int reserve(struct scorer_session *session, int64_t batch, int64_t tokens, struct tensor *out)
{
    const int64_t width = session->scorer->info.width, rows = batch * tokens;
    int status = 0;
    if (!session->room.buffer || session->room.dim[0] < rows) {
        device_tensor_free(session->scorer->device, &session->room);
        status = DEVICE_TENSOR_CREATE(session->scorer->device, DTYPE_F32, &session->room, rows, width);
    }
    if (status == 0)
        *out = TENSOR_RESHAPE(tensor_slice(session->room, 0, 0, rows), batch, tokens, width);
    return status;
}

int scorer_session_encode(struct scorer_session *session, const struct scorer_clips *clips,
                          const struct model_control *control, const struct scorer_wanted *wanted)
{
    const struct scorer *const scorer = session->scorer;
    struct tensor kept = {0};
    int status = 0;
    if (wanted->keep)
        session->kept = kept;
    if (wanted->keep && clips->batch > 0 && clips->count > 0)
        status = reserve(session, clips->batch, scorer_tokens(scorer, clips->count), &kept);
    if (status != 0)
        return status;
    const struct scorer_output out = {.features = wanted->features,
                                      .logits = wanted->logits,
                                      .variance = wanted->variance,
                                      .kept = kept.buffer ? &kept : NULL};
    status = scorer->model->encode(scorer->weights, session->compute, clips, control, &out);
    if (status == 0 && wanted->keep)
        session->kept = kept;
    return status;
}

static int need_kept(const struct scorer_session *session)
{
    return session->kept.buffer ? 0 : error_set(SOWLV2_ERROR_ARGUMENT, "features: none of a clip were kept");
}

int scorer_session_predict(struct scorer_session *session, const struct scorer_positions *context,
                           const struct scorer_positions *target, const struct model_control *control, float *out)
{
    const struct scorer *const scorer = session->scorer;
    const int status = need_kept(session);
    return status != 0 ? status
                       : scorer->model->predict(scorer->weights, session->compute, session->kept, context, target,
                                                control, out);
}
