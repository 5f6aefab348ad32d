/* All objects of a track session on its current frame. */
#include "api/segment_parts.h"
#include "api/types.h"
#include "base/error.h"
#include "base/options.h"

#include <stdlib.h>
#include <string.h>

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

static bool report_progress(int done, int total, void *user_data)
{
    const struct sowlv2_track_options *const options = user_data;
    return options->progress(done, total, options->progress_user_data);
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
    const struct model_control control = {session->options.progress ? report_progress : NULL, &session->options};
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
