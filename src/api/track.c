/* A track session: making it, its objects' prompts. */
#include "api/segment_parts.h"
#include "api/segment_prompts.h"
#include "api/types.h"
#include "base/error.h"
#include "base/options.h"

#include <stdlib.h>

enum { MOST_KEPT_FRAMES = 100000 };

static int check_options(const struct sowlv2_track_options *options, struct mask_rules *rules)
{
    if (options->max_cond_frames == 0 || options->max_cond_frames < -1) {
        return error_set(SOWLV2_ERROR_ARGUMENT, "max_cond_frames: %d: give at least 1, or -1 for all",
                         options->max_cond_frames);
    }
    if (options->keep_frames < 0 || options->keep_frames > MOST_KEPT_FRAMES) {
        return error_set(SOWLV2_ERROR_ARGUMENT, "keep_frames: %d is not from 0 to %d", options->keep_frames,
                         MOST_KEPT_FRAMES);
    }
    if (options->memory != SOWLV2_MEMORY_PLAIN && options->memory != SOWLV2_MEMORY_CHOSEN)
        return error_set(SOWLV2_ERROR_ARGUMENT, "memory: %d is neither plain nor chosen", (int)options->memory);
    return segment_take_rules(options->mask_threshold, options->fill_holes, options->remove_sprinkles, rules);
}

int sowlv2_track_session_create(const sowlv2_segmenter *segmenter, const struct sowlv2_track_options *options,
                                sowlv2_track_session **out)
{
    if (out)
        *out = NULL;
    if (!segmenter || !out)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_track_session_create: a segmenter and out are needed");
    struct sowlv2_track_options mine;
    int status = OPTIONS_TAKE(track, options, &mine);
    struct tracking_options wanted = {.max_conditioning = mine.max_cond_frames,
                                      .keep_frames = mine.keep_frames,
                                      .separate = mine.separate,
                                      .chosen = mine.memory == SOWLV2_MEMORY_CHOSEN};
    if (status == 0)
        status = check_options(&mine, &wanted.rules);
    if (status != 0)
        return status;
    sowlv2_track_session *session = calloc(1, sizeof(*session));
    if (!session)
        return error_memory("track session");
    session->options = mine;
    status = tracking_create(segmenter->segmenter, &wanted, &session->tracking);
    if (status != 0) {
        free(session);
        return status;
    }
    session->frame = (sowlv2_segment_session){
        .segmenter = segmenter, .session = tracking_session(session->tracking), .borrowed = true};
    *out = session;
    return 0;
}

void sowlv2_track_session_free(sowlv2_track_session **session)
{
    if (!session || !*session)
        return;
    tracking_free(&(*session)->tracking);
    free(*session);
    *session = NULL;
}

sowlv2_segment_session *sowlv2_track_frame(sowlv2_track_session *session)
{
    return session ? &session->frame : NULL;
}

/* A mask prompt needs no more checks than the tracker's own. */
static int check_prompt(const sowlv2_track_session *session, const struct sowlv2_track_prompt *prompt)
{
    const struct sowlv2_segment_prompt same = segment_prompt_of(prompt);
    int width, height;
    tracking_size(session->tracking, &width, &height);
    return segment_prompt_check(&same, 0, width, height, sowlv2_segmenter_mask_side(session->frame.segmenter));
}

int sowlv2_track_prompt(sowlv2_track_session *session, int64_t object, const struct sowlv2_track_prompt *prompt)
{
    if (!session || !prompt)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_track_prompt: a session and a prompt are needed");
    if (!tracking_has_frame(session->tracking)) {
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "sowlv2_track_prompt: no current frame: call sowlv2_track_set_frame first");
    }
    const int status = check_prompt(session, prompt);
    return status != 0 ? status : tracking_prompt(session->tracking, object, prompt);
}

int sowlv2_track_remove(sowlv2_track_session *session, int64_t object)
{
    if (!session)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_track_remove: a session is needed");
    return tracking_remove(session->tracking, object);
}
