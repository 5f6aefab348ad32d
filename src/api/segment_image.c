/* The image that a segment session is about. */
#include "api/checks.h"
#include "api/types.h"
#include "base/error.h"
#include "base/options.h"

static bool report_progress(int done, int total, void *user_data)
{
    const struct sowlv2_segment_options *options = user_data;
    return options->progress(done, total, options->progress_user_data);
}

int sowlv2_segment_set_image(sowlv2_segment_session *session, const struct sowlv2_image *image,
                             const struct sowlv2_segment_options *options)
{
    struct sowlv2_segment_options mine;
    if (!session || !image)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_segment_set_image: a session and an image are needed");
    segment_session_forget(session->session); /* also where this image cannot be encoded */
    int status = OPTIONS_TAKE(segment, options, &mine);
    if (status == 0)
        status = check_segment_image(image);
    if (status != 0)
        return status;
    const struct sowlv2_image view = {
        .pixels = image->pixels, .width = image->width, .height = image->height, .stride = image_row_bytes(image)};
    const struct model_control control = {mine.progress ? report_progress : NULL, &mine};
    return segment_session_encode(session->session, &view, &control);
}
