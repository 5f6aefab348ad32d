/* The image that a segment session is about. */
#include "api/checks.h"
#include "api/types.h"
#include "base/error.h"
#include "media/image.h"

static bool report_progress(int done, int total, void *user_data)
{
    const struct sowlv2_segment_options *options = user_data;
    return options->progress(done, total, options->progress_user_data);
}

int sowlv2_segment_set_image(sowlv2_segment_session *session, const struct sowlv2_image *image,
                             const struct sowlv2_segment_options *options)
{
    struct sowlv2_segment_options mine = options != NULL ? *options : sowlv2_segment_options_default();
    if (session == NULL || image == NULL)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_segment_set_image: a session and an image are needed");
    segment_session_forget(session->session); /* also where this image cannot be encoded */
    const int status = check_images(image, 1);
    if (status != 0)
        return status;
    if ((uint64_t)image->width * (uint64_t)image->height > UINT32_MAX) {
        return error_set(SOWLV2_ERROR_ARGUMENT, "image: %d x %d pixels are too many: make it smaller", image->width,
                         image->height);
    }
    const struct segment_image view = {
        .pixels = image->pixels, .width = image->width, .height = image->height, .row_bytes = image_row_bytes(image)};
    const struct model_control control = {mine.progress != NULL ? report_progress : NULL, &mine};
    return segment_session_encode(session->session, &view, &control);
}

int sowlv2_segment_set_file(sowlv2_segment_session *session, const char *path,
                            const struct sowlv2_segment_options *options, int *width, int *height)
{
    struct image image = {0};
    int status = image_read(path, IMAGE_DEFAULT_MAX_PIXELS, &image);
    if (status != 0)
        return status;
    const struct sowlv2_image view = {image.pixels, image.width, image.height, 0};
    status = sowlv2_segment_set_image(session, &view, options);
    if (width != NULL)
        *width = image.width;
    if (height != NULL)
        *height = image.height;
    image_free(&image);
    return status;
}
