/* The pictures of the chosen frames: read a second time, or, of a pipe, as far as they were kept. */
#include "base/error.h"
#include "base/log.h"
#include "run/frames_parts.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 512 << 20, MOST_PICTURES = 1 << 16 };
static const float UNKNOWN = 1e30F; /* over all that are known */

/* The place of the picture that is least worth keeping: the lowest importance; of frames that have none yet, the
 * earliest, after all that have. */
static size_t least(const struct frames_kept *kept)
{
    size_t found = 0;
    float lowest = INFINITY;
    for (size_t i = 0; i < kept->count; i++) {
        const float importance = kept->importance(kept->index[i], kept->user_data);
        const float worth = isnan(importance) ? UNKNOWN : importance;
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

int frames_kept_add(struct frames_kept *kept, int64_t index, const struct image *image)
{
    const size_t bytes = (size_t)image->width * (size_t)image->height * 3;
    const size_t limit = kept->limit > 0 ? kept->limit : MOST_BYTES;
    struct image copy = {image->width, image->height, NULL};
    while (kept->count > 0 && (kept->bytes + bytes > limit || kept->count == MOST_PICTURES))
        drop(kept, least(kept));
    if (kept->count == kept->capacity) {
        const int status = reserve(kept);
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

static int give_kept(const struct frames_pictures *pictures, int64_t index, const struct sowlv2_frame *frame)
{
    const struct frames_kept *const kept = pictures->kept;
    for (size_t i = 0; i < kept->count; i++)
        if (kept->index[i] == index)
            return pictures->give(&kept->images[i], frame, pictures->user_data);
    log_warning("%s: the picture of frame %" PRId64
                " is not there any more: a pipe cannot be read twice: give a file to have it",
                pictures->source, frame->number);
    return 0;
}

static int give_again(const struct frames_pictures *pictures, int64_t index, const struct sowlv2_frame *frame,
                      struct video_frame *room)
{
    int status = video_reader_seek(pictures->reader, pictures->numbers[index], frame->time);
    if (!status)
        status = video_reader_next(pictures->reader, room);
    if (status == VIDEO_END)
        return error_set(SOWLV2_ERROR_IO, "%s: frame %" PRId64 " cannot be read a second time: has it changed?",
                         pictures->source, frame->number);
    return status ? status : pictures->give(&room->image, frame, pictures->user_data);
}

int frames_pictures_give(const struct frames_pictures *pictures, const struct sowlv2_frames *frames)
{
    const bool again = video_reader_info(pictures->reader)->seekable;
    struct video_frame room = {0};
    int status = 0;
    for (size_t i = 0; i < frames->count && !status; i++) {
        const struct sowlv2_frame *const frame = &frames->items[i];
        if (!frame->chosen)
            continue;
        if (pictures->stop && *pictures->stop)
            status = error_set(SOWLV2_ERROR_CANCELLED, "%s: interrupted", pictures->source);
        else if (again)
            status = give_again(pictures, (int64_t)i, frame, &room);
        else
            status = give_kept(pictures, (int64_t)i, frame);
    }
    video_frame_free(&room);
    return status;
}
