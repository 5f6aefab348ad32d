/* All objects of a track session on its current frame. */
#include "api/segment_parts.h"
#include "api/track_parts.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* The tracker's result as the caller gets it. `logits` [mask_side^2] is scratch. */
static int finish(sowlv2_track_session *session, const struct sam2_track *track, float *logits,
                  struct sowlv2_track *out)
{
    const struct sowlv2_track_options *options = &session->options;
    const struct sam2_config *config = sam2_get_config(session->frame->segmenter->model);
    const bool seen = track->object_score > 0.0F; /* else nothing is a hole of it */
    const struct sowlv2_segment_options mask_options = {.mask_threshold = options->mask_threshold,
                                                        .fill_holes = seen ? options->fill_holes : 0,
                                                        .remove_sprinkles = seen ? options->remove_sprinkles : 0,
                                                        .pixels = options->pixels};
    const size_t width = (size_t)config->width;
    *out = (struct sowlv2_track){.object = track->object,
                                 .mask = {.mask_score = track->iou, .object_score = track->object_score},
                                 .confidence = track->confidence,
                                 .prompted = track->conditioning,
                                 .pointer_length = (int)width};
    out->pointer = malloc(width * sizeof(*out->pointer));
    if (out->pointer == NULL)
        return error_memory("object pointer");
    memcpy(out->pointer, track->pointer, width * sizeof(*out->pointer));
    memcpy(logits, track->mask, (size_t)(config->mask_side * config->mask_side) * sizeof(*logits));
    return segment_finish_mask(session->frame, &mask_options, logits, &out->mask);
}

static bool report_progress(int done, int total, void *user_data)
{
    const struct sowlv2_track_options *options = user_data;
    return options->progress(done, total, options->progress_user_data);
}

int sowlv2_track_run(sowlv2_track_session *session, const struct sowlv2_track_run_options *options,
                     struct sowlv2_tracks *out)
{
    if (session == NULL || out == NULL)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_track_run: a session and out are needed");
    *out = (struct sowlv2_tracks){0};
    if (!track_has_frame(session)) {
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "sowlv2_track_run: no current frame: call sowlv2_track_set_frame first");
    }
    const struct model_control control = {session->options.progress != NULL ? report_progress : NULL,
                                          &session->options};
    const struct sam2_run run = {.frame = session->number,
                                 .reverse = options != NULL && options->reverse,
                                 .prompted_only = options != NULL && options->prompted_only,
                                 .control = &control};
    const struct sam2_track *tracks = NULL;
    const int64_t side = sam2_get_config(session->frame->segmenter->model)->mask_side;
    int64_t count = 0;
    float *logits = malloc((size_t)(side * side) * sizeof(*logits));
    int status = logits != NULL ? sam2_tracker_run(session->tracker, session->frame->compute, session->frame->features,
                                                   &run, &tracks, &count)
                                : error_memory("masks");
    if (status == 0) {
        out->items = calloc((size_t)count + 1, sizeof(*out->items));
        status = out->items != NULL ? 0 : error_memory("tracks");
    }
    for (int64_t i = 0; i < count && status == 0; i++) {
        out->count++;
        status = finish(session, &tracks[i], logits, &out->items[i]);
    }
    free(logits);
    if (status != 0)
        sowlv2_tracks_free(out);
    return status;
}

void sowlv2_tracks_free(struct sowlv2_tracks *tracks)
{
    if (tracks == NULL)
        return;
    for (size_t i = 0; i < tracks->count; i++) {
        sowlv2_masks_free(&tracks->items[i].mask, 1);
        free(tracks->items[i].pointer); // NOLINT(clang-analyzer-core.NullDereference): count is 0 then
    }
    free(tracks->items);
    *tracks = (struct sowlv2_tracks){0};
}
