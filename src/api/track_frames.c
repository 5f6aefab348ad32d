/* The current frame of a track session, and those that are kept. */
#include "api/checks.h"
#include "api/types.h"
#include "base/error.h"

static bool report_progress(int done, int total, void *user_data)
{
    const struct sowlv2_track_options *const options = user_data;
    return options->progress(done, total, options->progress_user_data);
}

static struct model_control control_of(sowlv2_track_session *session)
{
    return (struct model_control){session->options.progress ? report_progress : NULL, &session->options};
}

int sowlv2_track_set_frame(sowlv2_track_session *session, int64_t frame, const struct sowlv2_image *image)
{
    if (!session || !image)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_track_set_frame: a session and an image are needed");
    segment_session_forget(session->frame.session); /* also where this frame cannot be encoded */
    const int status = check_segment_image(image);
    if (status != 0)
        return status;
    const struct sowlv2_image view = {
        .pixels = image->pixels, .width = image->width, .height = image->height, .stride = image_row_bytes(image)};
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
