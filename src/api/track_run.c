/* The current frame of a track session, and all objects on it. */
#include "api/checks.h"
#include "api/segment_parts.h"
#include "api/types.h"
#include "base/error.h"
#include "base/options.h"

#include <stdlib.h>
#include <string.h>

static struct model_control control_of(sowlv2_track_session *session)
{
    return (struct model_control){session->options.progress, session->options.progress_user_data};
}

int sowlv2_track_set_frame(sowlv2_track_session *session, int64_t frame, const struct sowlv2_image *image)
{
    if (!session || !image)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_track_set_frame: a session and an image are needed");
    segment_session_forget(session->frame.session); /* also where this frame cannot be encoded */
    struct sowlv2_image view;
    const int status = take_segment_image(image, &view);
    if (status != 0)
        return status;
    const struct model_control control = control_of(session);
    return tracking_set_frame(session->tracking, frame, &view, &control);
}

int sowlv2_track_return(sowlv2_track_session *session, int64_t frame)
{
    if (!session)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_track_return: a session is needed");
    const struct model_control control = control_of(session);
    return tracking_return(session->tracking, frame, &control);
}

/* One sowlv2_track_run(). */
struct call {
    sowlv2_track_session *session;
    struct sowlv2_tracks *out;
};

static int take(const struct tracking_result *result, void *user_data)
{
    const struct call *const call = user_data;
    struct sowlv2_tracks *const out = call->out;
    if (!out->items) {
        out->items = calloc((size_t)result->count, sizeof(*out->items));
        if (!out->items)
            return error_memory("tracks");
        out->count = (size_t)result->count;
    }
    struct sowlv2_track *const track = &out->items[result->rank];
    const size_t bytes = (size_t)result->pointer_width * sizeof(*track->pointer);
    *track = (struct sowlv2_track){.object = result->object,
                                   .mask = {.mask_score = result->iou, .object_score = result->object_score},
                                   .confidence = result->confidence,
                                   .prompted = result->conditioning,
                                   .pointer = malloc(bytes),
                                   .pointer_length = (int)result->pointer_width};
    if (!track->pointer)
        return error_memory("object pointer");
    memcpy(track->pointer, result->pointer, bytes);
    return segment_take_bits(call->session->frame.session, result->bits, call->session->options.pixels, &track->mask);
}

int sowlv2_track_run(sowlv2_track_session *session, const struct sowlv2_track_run_options *options,
                     struct sowlv2_tracks *out)
{
    if (out)
        *out = (struct sowlv2_tracks){0};
    if (!session || !out)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_track_run: a session and out are needed");
    if (!tracking_has_frame(session->tracking)) {
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "sowlv2_track_run: no current frame: call sowlv2_track_set_frame first");
    }
    struct sowlv2_track_run_options mine;
    int status = OPTIONS_TAKE(track_run, options, &mine);
    if (status != 0)
        return status;
    const struct model_control control = control_of(session);
    struct call call = {session, out};
    status = tracking_run(session->tracking, mine.reverse, mine.prompted_only, &control, take, &call);
    if (status != 0)
        sowlv2_tracks_free(out);
    return status;
}

void sowlv2_tracks_free(struct sowlv2_tracks *tracks)
{
    if (!tracks)
        return;
    for (size_t i = 0; i < tracks->count; i++) {
        sowlv2_masks_free(&tracks->items[i].mask, 1);
        free(tracks->items[i].pointer); // NOLINT(clang-analyzer-core.NullDereference): count is 0 then
    }
    free(tracks->items);
    *tracks = (struct sowlv2_tracks){0};
}
