/* The current frame of a track session, and those that are kept. */
#include "api/checks.h"
#include "api/track_parts.h"
#include "base/error.h"
#include "media/image.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Numbers beyond it leave no room for how far apart two are. */
static const int64_t MOST_NUMBER = INT64_C(1) << 60;

bool track_has_frame(const sowlv2_track_session *session)
{
    return session->has_frame && session->frame->has_image && session->frame->images == session->image;
}

static struct kept_frame *find_kept(const sowlv2_track_session *session, int64_t number)
{
    for (int i = 0; i < session->options.keep_frames; i++) {
        struct kept_frame *kept = &session->kept[i];
        if (kept->pixels != NULL && kept->number == number)
            return kept;
    }
    return NULL;
}

/* Copies the frame to the ring, over the oldest one; a frame that is there already is replaced. */
static int keep(sowlv2_track_session *session, int64_t number, const struct sowlv2_image *image)
{
    if (session->options.keep_frames == 0)
        return 0;
    const size_t row = 3 * (size_t)image->width;
    struct kept_frame *place = find_kept(session, number);
    if (place == NULL) {
        place = &session->kept[session->kept_next];
        session->kept_next = (session->kept_next + 1) % (size_t)session->options.keep_frames;
    }
    if (place->pixels == NULL)
        place->pixels = malloc(row * (size_t)image->height);
    if (place->pixels == NULL)
        return error_memory("kept frame");
    place->number = number;
    for (int y = 0; y < image->height; y++)
        memcpy(place->pixels + (size_t)y * row, image->pixels + (size_t)y * image_row_bytes(image), row);
    return 0;
}

static int encode(sowlv2_track_session *session, int64_t number, const struct sowlv2_image *image)
{
    const struct sowlv2_segment_options options = {.progress = session->options.progress,
                                                   .progress_user_data = session->options.progress_user_data};
    session->number = number;
    const int status = sowlv2_segment_set_image(session->frame, image, &options);
    session->image = session->frame->images;
    session->has_frame = status == 0;
    return status;
}

int sowlv2_track_set_frame(sowlv2_track_session *session, int64_t frame, const struct sowlv2_image *image)
{
    if (session == NULL || image == NULL)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_track_set_frame: a session and an image are needed");
    session->has_frame = false;
    int status = check_images(image, 1);
    if (status != 0)
        return status;
    if (frame > MOST_NUMBER || frame < -MOST_NUMBER)
        return error_set(SOWLV2_ERROR_ARGUMENT, "frame %" PRId64 ": no such number of a frame", frame);
    if (session->width > 0 && (image->width != session->width || image->height != session->height)) {
        return error_set(SOWLV2_ERROR_ARGUMENT, "frame %" PRId64 ": %d x %d pixels, but those before have %d x %d",
                         frame, image->width, image->height, session->width, session->height);
    }
    status = encode(session, frame, image);
    if (status == 0) {
        session->width = image->width;
        session->height = image->height;
        status = keep(session, frame, image);
    }
    session->has_frame = status == 0;
    return status;
}

int sowlv2_track_set_file(sowlv2_track_session *session, int64_t frame, const char *path, int *width, int *height)
{
    if (session == NULL || path == NULL)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_track_set_file: a session and a path are needed");
    struct image image = {0};
    session->has_frame = false;
    int status = image_read(path, IMAGE_DEFAULT_MAX_PIXELS, &image);
    if (status != 0)
        return status;
    const struct sowlv2_image view = {.pixels = image.pixels, .width = image.width, .height = image.height};
    status = sowlv2_track_set_frame(session, frame, &view);
    if (width != NULL)
        *width = image.width;
    if (height != NULL)
        *height = image.height;
    image_free(&image);
    return status;
}

int sowlv2_track_return(sowlv2_track_session *session, int64_t frame)
{
    if (session == NULL)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_track_return: a session is needed");
    if (track_has_frame(session) && session->number == frame)
        return 0;
    const struct kept_frame *kept = find_kept(session, frame);
    if (kept == NULL) {
        return error_set(SOWLV2_ERROR_ARGUMENT, "frame %" PRId64 " is not kept: make the session with more keep_frames",
                         frame);
    }
    const struct sowlv2_image image = {.pixels = kept->pixels, .width = session->width, .height = session->height};
    return encode(session, frame, &image);
}
