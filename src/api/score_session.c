/* Frames through a scorer, one after the other. */
#include "api/checks.h"
#include "api/types.h"
#include "base/error.h"
#include "base/options.h"
#include "media/image.h"

#include <stdlib.h>

void sowlv2_score_options_init(struct sowlv2_score_options *options, size_t size)
{
    const struct sowlv2_score_options defaults = {.importance = SOWLV2_IMPORTANCE_CHANGE};
    options_init(options, size, &defaults, sizeof(defaults));
}

void sowlv2_choice_options_init(struct sowlv2_choice_options *options, size_t size)
{
    const struct sowlv2_choice_options defaults = {.spacing = 10};
    options_init(options, size, &defaults, sizeof(defaults));
}

const char *sowlv2_importance_name(enum sowlv2_importance importance)
{
    switch (importance) {
    case SOWLV2_IMPORTANCE_VARIANCE:
        return "variance";
    case SOWLV2_IMPORTANCE_CHANGE:
        return "change";
    case SOWLV2_IMPORTANCE_SURPRISE:
        return "surprise";
    }
    return NULL;
}

static int take_options(const sowlv2_scorer *scorer, const struct sowlv2_score_options *given,
                        struct sowlv2_score_options *out)
{
    const int status = OPTIONS_TAKE(score, given, out);
    if (status)
        return status;
    const char *what = NULL;
    if (!(out->motion_weight >= 0.0F && out->motion_weight <= 1.0F))
        what = "motion_weight: a share from 0 to 1";
    else if (out->score_window < 0 || out->frames_per_clip < 0 || out->clip_overlap < 0)
        what = "counts of frames: none is below 0";
    else if (!sowlv2_importance_name(out->importance))
        what = "importance: one of enum sowlv2_importance";
    return what ? error_set(SOWLV2_ERROR_ARGUMENT, "struct sowlv2_score_options: %s is needed", what)
                : scoring_check(scorer->scorer, out);
}

int sowlv2_score_check(const sowlv2_scorer *scorer, const struct sowlv2_score_options *options)
{
    struct sowlv2_score_options taken;
    return scorer ? take_options(scorer, options, &taken)
                  : error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_score_check: a scorer is needed");
}

int sowlv2_score_session_create(const sowlv2_scorer *scorer, const struct sowlv2_score_options *options,
                                sowlv2_score_session **out)
{
    if (out)
        *out = NULL;
    if (!scorer || !out)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_score_session_create: a scorer and out are needed");
    struct sowlv2_score_options taken;
    int status = take_options(scorer, options, &taken);
    if (status)
        return status;
    sowlv2_score_session *session = calloc(1, sizeof(*session));
    if (!session)
        return error_memory("score session");
    status = scoring_create(scorer->scorer, &taken, &session->scoring);
    if (status)
        sowlv2_score_session_free(&session);
    *out = session;
    return status;
}

void sowlv2_score_session_free(sowlv2_score_session **session)
{
    if (!session || !*session)
        return;
    scoring_free(&(*session)->scoring);
    free(*session);
    *session = NULL;
}

int sowlv2_score_push(sowlv2_score_session *session, const struct sowlv2_image *image, double time,
                      int64_t source_number)
{
    if (!session || !image)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_score_push: a session and an image are needed");
    struct sowlv2_image frame;
    const int status = image_take_view("image", image, &frame);
    return status ? status : scoring_push(session->scoring, &frame, time, source_number);
}

int sowlv2_score_finish(sowlv2_score_session *session)
{
    return session ? scoring_finish(session->scoring)
                   : error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_score_finish: a session is needed");
}

size_t sowlv2_score_count(const sowlv2_score_session *session)
{
    return session ? (size_t)scoring_count(session->scoring) : 0;
}

size_t sowlv2_score_final(const sowlv2_score_session *session)
{
    return session ? (size_t)scoring_final(session->scoring) : 0;
}

const struct sowlv2_frame *sowlv2_score_frame(const sowlv2_score_session *session, size_t index)
{
    return session && index < (size_t)INT64_MAX ? scoring_frame(session->scoring, (int64_t)index) : NULL;
}

static int take_choice(const struct sowlv2_choice_options *given, struct sowlv2_choice_options *out)
{
    const int status = OPTIONS_TAKE(choice, given, out);
    if (status)
        return status;
    const char *what = NULL;
    if (!(out->target_fraction >= 0.0 && out->target_fraction <= 1.0))
        what = "target_fraction: a part from 0 to 1";
    else if (out->target_frames < 0 || out->spacing < 0)
        what = "counts of frames: none is below 0";
    return what ? error_set(SOWLV2_ERROR_ARGUMENT, "struct sowlv2_choice_options: %s is needed", what) : 0;
}

int sowlv2_choice_check(const struct sowlv2_choice_options *options)
{
    struct sowlv2_choice_options taken;
    return take_choice(options, &taken);
}

int sowlv2_score_choose(const sowlv2_score_session *session, const struct sowlv2_choice_options *options,
                        struct sowlv2_frames *out)
{
    struct sowlv2_choice_options taken;
    if (out)
        *out = (struct sowlv2_frames){0};
    if (!session || !out)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_score_choose: a session and out are needed");
    int status = take_choice(options, &taken);
    if (!status)
        status = scoring_choose(session->scoring, &taken, out);
    if (status)
        sowlv2_frames_free(out);
    return status;
}

void sowlv2_frames_free(struct sowlv2_frames *frames)
{
    if (!frames)
        return;
    free(frames->items);
    free(frames->clips);
    *frames = (struct sowlv2_frames){0};
}
