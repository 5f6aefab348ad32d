/* A video's tracking: its frames, those that are kept, and its objects' prompts. */
#include "engine/tracking_parts.h"

#include "base/error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Numbers beyond it leave no room for how far apart two are. */
static const int64_t MOST_NUMBER = INT64_C(1) << 60;

static int fill(struct tracking *tracking, struct segmenter *segmenter)
{
    const struct tracking_options *const options = &tracking->options;
    const struct tracker_options wanted = {
        .max_conditioning = options->max_conditioning, .window = options->keep_frames, .chosen = options->chosen};
    int status = segmenter_prepare_tracking(segmenter);
    if (status == 0)
        status = segmenter->model->tracker_create(segmenter->video, &wanted, &tracking->tracker);
    if (status == 0)
        status = segment_session_create(segmenter, &tracking->session);
    if (status != 0)
        return status;
    tracking->session->scale = segmenter->model->video_scale(segmenter->video);
    tracking->kept = calloc((size_t)options->keep_frames + 1, sizeof(*tracking->kept));
    return tracking->kept ? 0 : error_memory("track session");
}

int tracking_create(struct segmenter *segmenter, const struct tracking_options *options, struct tracking **out)
{
    *out = NULL;
    struct tracking *tracking = calloc(1, sizeof(*tracking));
    if (!tracking)
        return error_memory("track session");
    tracking->options = *options;
    const int status = fill(tracking, segmenter);
    if (status != 0) {
        if (tracking->tracker)
            segmenter->model->tracker_free(tracking->tracker);
        segment_session_free(&tracking->session);
        free(tracking);
        return status;
    }
    *out = tracking;
    return 0;
}

void tracking_free(struct tracking **tracking)
{
    struct tracking *old = *tracking;
    if (!old)
        return;
    old->session->segmenter->model->tracker_free(old->tracker);
    segment_session_free(&old->session);
    for (int i = 0; i < old->options.keep_frames; i++)
        free(old->kept[i].pixels);
    free(old->kept);
    free(old);
    *tracking = NULL;
}

struct segment_session *tracking_session(struct tracking *tracking)
{
    return tracking->session;
}

bool tracking_has_frame(const struct tracking *tracking)
{
    return tracking->has_frame && tracking->session->has_image && tracking->session->images == tracking->image;
}

void tracking_size(const struct tracking *tracking, int *width, int *height)
{
    *width = tracking->width;
    *height = tracking->height;
}

static struct kept_frame *find_kept(const struct tracking *tracking, int64_t number)
{
    for (int i = 0; i < tracking->options.keep_frames; i++) {
        struct kept_frame *const kept = &tracking->kept[i];
        if (kept->pixels && kept->number == number)
            return kept;
    }
    return NULL;
}

/* Copies the frame to the ring, over the oldest one; a frame that is there already is replaced. */
static int keep(struct tracking *tracking, int64_t number, const struct sowlv2_image *image)
{
    if (tracking->options.keep_frames == 0)
        return 0;
    const size_t row = 3 * (size_t)image->width;
    struct kept_frame *place = find_kept(tracking, number);
    if (!place) {
        place = &tracking->kept[tracking->kept_next];
        tracking->kept_next = (tracking->kept_next + 1) % (size_t)tracking->options.keep_frames;
    }
    if (!place->pixels)
        place->pixels = malloc(row * (size_t)image->height);
    if (!place->pixels)
        return error_memory("kept frame");
    place->number = number;
    for (int y = 0; y < image->height; y++)
        memcpy(place->pixels + (size_t)y * row, image->pixels + (size_t)y * image->stride, row);
    return 0;
}

static int encode(struct tracking *tracking, int64_t number, const struct sowlv2_image *image,
                  const struct model_control *control)
{
    tracking->number = number;
    const int status = segment_session_encode(tracking->session, image, control);
    tracking->image = tracking->session->images;
    tracking->has_frame = status == 0;
    return status;
}

int tracking_set_frame(struct tracking *tracking, int64_t frame, const struct sowlv2_image *image,
                       const struct model_control *control)
{
    tracking->has_frame = false;
    if (frame > MOST_NUMBER || frame < -MOST_NUMBER)
        return error_set(SOWLV2_ERROR_ARGUMENT, "frame %" PRId64 ": no such number of a frame", frame);
    if (tracking->width > 0 && (image->width != tracking->width || image->height != tracking->height)) {
        return error_set(SOWLV2_ERROR_ARGUMENT, "frame %" PRId64 ": %d x %d pixels, but those before have %d x %d",
                         frame, image->width, image->height, tracking->width, tracking->height);
    }
    int status = encode(tracking, frame, image, control);
    if (status == 0) {
        tracking->width = image->width;
        tracking->height = image->height;
        status = keep(tracking, frame, image);
    }
    tracking->has_frame = status == 0;
    return status;
}

int tracking_return(struct tracking *tracking, int64_t frame, const struct model_control *control)
{
    if (tracking_has_frame(tracking) && tracking->number == frame)
        return 0;
    const struct kept_frame *const kept = find_kept(tracking, frame);
    if (!kept) {
        return error_set(SOWLV2_ERROR_ARGUMENT, "frame %" PRId64 " is not kept: make the session with more keep_frames",
                         frame);
    }
    const struct sowlv2_image image = {.pixels = kept->pixels,
                                       .width = tracking->width,
                                       .height = tracking->height,
                                       .stride = 3 * (size_t)tracking->width};
    return encode(tracking, frame, &image, control);
}

int tracking_prompt(struct tracking *tracking, int64_t object, const struct sowlv2_track_prompt *prompt)
{
    return tracking->session->segmenter->model->prompt(tracking->tracker, object, tracking->number, prompt);
}

int tracking_remove(struct tracking *tracking, int64_t object)
{
    return tracking->session->segmenter->model->remove(tracking->tracker, object);
}
