/* A track session: making it, its objects' prompts. */
#include "api/segment_parts.h"
#include "api/segment_prompts.h"
#include "api/track_parts.h"
#include "base/error.h"

#include <stdlib.h>

enum { MOST_KEPT_FRAMES = 100000 };

/* The video part, opened by the first who needs it. */
static int open_video(struct video_part *part, const struct sam2 *model, const struct sam2_video **out)
{
    int status = 0;
    pthread_mutex_lock(&part->lock);
    if (part->video == NULL)
        status = sam2_video_open(part->folder, model, &part->video);
    *out = part->video;
    pthread_mutex_unlock(&part->lock);
    return status;
}

int sowlv2_segmenter_prepare_tracking(const sowlv2_segmenter *segmenter)
{
    const struct sam2_video *video;
    if (segmenter == NULL)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_segmenter_prepare_tracking: a segmenter is needed");
    return open_video(segmenter->video_part, segmenter->model, &video);
}

static int check_options(const struct sowlv2_track_options *options)
{
    const struct sowlv2_segment_options same = {.mask_threshold = options->mask_threshold,
                                                .fill_holes = options->fill_holes,
                                                .remove_sprinkles = options->remove_sprinkles};
    if (options->max_cond_frames == 0 || options->max_cond_frames < -1) {
        return error_set(SOWLV2_ERROR_ARGUMENT, "max_cond_frames: %d: give at least 1, or -1 for all",
                         options->max_cond_frames);
    }
    if (options->keep_frames < 0 || options->keep_frames > MOST_KEPT_FRAMES) {
        return error_set(SOWLV2_ERROR_ARGUMENT, "keep_frames: %d is not from 0 to %d", options->keep_frames,
                         MOST_KEPT_FRAMES);
    }
    return segment_check_options(&same);
}

static int fill(sowlv2_track_session *session, const sowlv2_segmenter *segmenter)
{
    const struct sowlv2_track_options *options = &session->options;
    const struct sam2_tracker_options tracker_options = {.max_conditioning = options->max_cond_frames,
                                                         .window = options->keep_frames,
                                                         .non_overlapping = options->separate};
    const struct sam2_video *video = NULL;
    int status = open_video(segmenter->video_part, segmenter->model, &video);
    if (status == 0)
        status = sam2_tracker_create(video, &tracker_options, &session->tracker);
    if (status == 0)
        status = sowlv2_segment_session_create(segmenter, &session->frame);
    if (status == 0) {
        session->frame->scale = &sam2_video_get_config(video)->scale;
        session->kept = calloc((size_t)options->keep_frames + 1, sizeof(*session->kept));
        status = session->kept != NULL ? 0 : error_memory("track session");
    }
    return status;
}

int sowlv2_track_session_create(const sowlv2_segmenter *segmenter, const struct sowlv2_track_options *options,
                                sowlv2_track_session **out)
{
    if (segmenter == NULL || out == NULL)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_track_session_create: a segmenter and out are needed");
    sowlv2_track_session *session = calloc(1, sizeof(*session));
    if (session == NULL)
        return error_memory("track session");
    session->options = options != NULL ? *options : sowlv2_track_options_default();
    int status = check_options(&session->options);
    if (status == 0)
        status = fill(session, segmenter);
    if (status != 0) {
        sowlv2_track_session_free(&session);
        return status;
    }
    *out = session;
    return 0;
}

void sowlv2_track_session_free(sowlv2_track_session **session)
{
    if (session == NULL || *session == NULL)
        return;
    sam2_tracker_free(&(*session)->tracker);
    sowlv2_segment_session_free(&(*session)->frame);
    for (int i = 0; (*session)->kept != NULL && i < (*session)->options.keep_frames; i++)
        free((*session)->kept[i].pixels);
    free((*session)->kept);
    free(*session);
    *session = NULL;
}

sowlv2_segment_session *sowlv2_track_frame(sowlv2_track_session *session)
{
    return session->frame;
}

/* A mask prompt needs no more checks than the tracker's own. */
static int check_prompt(const sowlv2_track_session *session, const struct sowlv2_track_prompt *prompt)
{
    const struct sowlv2_segment_prompt same = {
        .box = prompt->box, .points = prompt->points, .labels = prompt->labels, .point_count = prompt->point_count};
    return segment_prompt_check(&same, 0, session->width, session->height,
                                sowlv2_segmenter_mask_side(session->frame->segmenter));
}

int sowlv2_track_prompt(sowlv2_track_session *session, int64_t object, const struct sowlv2_track_prompt *prompt)
{
    if (session == NULL || prompt == NULL)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_track_prompt: a session and a prompt are needed");
    if (!track_has_frame(session)) {
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "sowlv2_track_prompt: no current frame: call sowlv2_track_set_frame first");
    }
    int status = check_prompt(session, prompt);
    if (status != 0)
        return status;
    int32_t *ones = malloc(SEGMENT_MAX_POINTS * sizeof(*ones));
    if (ones == NULL)
        return error_memory("points");
    for (int i = 0; i < SEGMENT_MAX_POINTS; i++)
        ones[i] = SAM2_INSIDE;
    const struct sam2_video_prompt converted = {.box = prompt->box,
                                                .points = prompt->points,
                                                .labels = prompt->labels != NULL ? prompt->labels : ones,
                                                .point_count = (int)prompt->point_count,
                                                .mask = prompt->mask,
                                                .mask_width = prompt->mask_width,
                                                .mask_height = prompt->mask_height,
                                                .refine = prompt->refine};
    status = sam2_tracker_prompt(session->tracker, object, session->number, &converted);
    free(ones);
    return status;
}

int sowlv2_track_remove(sowlv2_track_session *session, int64_t object)
{
    if (session == NULL)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_track_remove: a session is needed");
    return sam2_tracker_remove(session->tracker, object);
}
