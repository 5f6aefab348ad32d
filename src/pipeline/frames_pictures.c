/* The pictures of the chosen frames: read a second time, or, of a pipe, as far as they were kept. */
#include "base/error.h"
#include "base/log.h"
#include "pipeline/frames_parts.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 512 << 20, MOST_PICTURES = 1 << 16 };

/* The place of the picture that is least worth keeping: the lowest importance; of frames that have none yet, the
 * earliest, after all that have. */
static size_t least(const struct frames_kept *kept, const struct frames_track *track)
{
    size_t found = 0;
    double lowest = INFINITY;

    for (size_t i = 0; i < kept->count; i++) {
        const int64_t at = kept->index[i];
        const double worth = track->scored[at] > 0 ? (double)track->items[at].raw / track->scored[at] : 1e30;

        if (worth < lowest) {
            lowest = worth;
            found = i;
        }
    }
    return found;
}

static void drop(struct frames_kept *kept, size_t place)
{
    kept->bytes -= (size_t)kept->images[place].width * (size_t)kept->images[place].height * 3;
    image_free(&kept->images[place]);
    kept->count--;
    memmove(kept->images + place, kept->images + place + 1, (kept->count - place) * sizeof(*kept->images));
    memmove(kept->index + place, kept->index + place + 1, (kept->count - place) * sizeof(*kept->index));
}

static int reserve(struct frames_kept *kept)
{
    const size_t capacity = kept->capacity > 0 ? 2 * kept->capacity : 64;
    struct image *images = realloc(kept->images, capacity * sizeof(*images));
    int64_t *index;

    if (images)
        kept->images = images;
    index = realloc(kept->index, capacity * sizeof(*index));
    if (index)
        kept->index = index;
    if (!images || !index)
        return error_memory("pictures of frames");
    kept->capacity = capacity;
    return 0;
}

int frames_kept_add(struct frames_kept *kept, const struct frames_track *track, int64_t index,
                    const struct image *image)
{
    const size_t bytes = (size_t)image->width * (size_t)image->height * 3;
    const size_t limit = kept->limit > 0 ? kept->limit : MOST_BYTES;
    struct image copy = {image->width, image->height, NULL};
    int status;

    while (kept->count > 0 && (kept->bytes + bytes > limit || kept->count == MOST_PICTURES))
        drop(kept, least(kept, track));
    if (kept->count == kept->capacity) {
        status = reserve(kept);
        if (status)
            return status;
    }
    copy.pixels = malloc(bytes);
    if (!copy.pixels)
        return error_memory("pictures of frames");
    memcpy(copy.pixels, image->pixels, bytes);
    kept->images[kept->count] = copy;
    kept->index[kept->count++] = index;
    kept->bytes += bytes;
    return 0;
}

void frames_kept_free(struct frames_kept *kept)
{
    for (size_t i = 0; i < kept->count; i++)
        image_free(&kept->images[i]);
    free(kept->images);
    free(kept->index);
    *kept = (struct frames_kept){0};
}

static int give_kept(const struct frames_kept *kept, const struct frames_options *options, int64_t index,
                     const struct frames_item *item)
{
    for (size_t i = 0; i < kept->count; i++)
        if (kept->index[i] == index)
            return options->picture(&kept->images[i], item, options->picture_user_data);
    log_warning("%s: the picture of frame %" PRId64
                " is not there any more: a pipe cannot be read twice: give a file to have it",
                options->input, item->number);
    return 0;
}

int frames_give_pictures(struct video_reader *reader, const struct frames_kept *kept,
                         const struct frames_options *options, const struct frames_report *report)
{
    const bool again = video_reader_info(reader)->seekable;
    struct video_frame frame = {0};
    int status = 0;

    for (int64_t i = 0; i < report->count && !status; i++) {
        const struct frames_item *item = &report->items[i];

        if (!item->chosen)
            continue;
        if (options->interrupted && *options->interrupted) {
            status = error_set(SOWLV2_ERROR_CANCELLED, "%s: interrupted", options->input);
        } else if (!again) {
            status = give_kept(kept, options, i, item);
        } else {
            status = video_reader_seek(reader, item->number, item->time);
            if (!status)
                status = video_reader_next(reader, &frame);
            if (!status)
                status = options->picture(&frame.image, item, options->picture_user_data);
            else if (status == VIDEO_END)
                status =
                    error_set(SOWLV2_ERROR_IO, "%s: frame %" PRId64 " cannot be read a second time: has it changed?",
                              options->input, item->number);
        }
    }
    video_frame_free(&frame);
    return status;
}
