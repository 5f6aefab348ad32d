/* Frames that the caller gives one by one. */
#include "base/error.h"
#include "sowlv2_run.h"
#include "video/source.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct memory {
    struct source source;
    const struct sowlv2_frame_stream *stream;
    struct image first; /* read when it was opened; given by the first read() */
    double time, gap;   /* of the last frame, and from the one before it, seconds */
    int64_t number;
    bool ended;
};

static int end(struct memory *memory, int status, const char *why)
{
    memory->ended = true;
    memory->source.broken = status;
    memory->source.why = why;
    memory->source.reached = memory->time;
    return VIDEO_END;
}

/* What is wrong with a frame; NULL: nothing. */
static const char *find_fault(const struct memory *memory, const struct sowlv2_image *image, double time)
{
    const struct video_info *const info = &memory->source.info;

    if (info->width > 0 && (image->width != info->width || image->height != info->height))
        return "a frame is of another size than the first one";
    if (!isfinite(time) || time < 0 || (memory->number > 0 && time <= memory->time))
        return "the times of its frames do not rise";
    return NULL;
}

static int read_next(struct memory *memory, struct image *out)
{
    struct sowlv2_image image = {0};
    double time = NAN;
    const int status = memory->stream->next(&image, &time, memory->stream->user_data);

    if (status)
        return status > 0 ? end(memory, 0, NULL)
                          : end(memory, status, "the calling program could not give its next frame");

    struct sowlv2_image view;
    const char *const fault = image_take_view(memory->source.name, &image, &view) != 0
                                  ? "a frame has no pixels, or not as struct sowlv2_image says"
                                  : find_fault(memory, &image, time);
    if (fault)
        return end(memory, SOWLV2_ERROR_ARGUMENT, fault);
    if (memory->number > 0)
        memory->gap = time - memory->time;
    memory->time = time;
    memory->number++;
    return image_copy_view(memory->source.name, &view, out);
}

static int memory_read(struct source *source, struct picture *out)
{
    struct memory *const memory = (struct memory *)source;

    if (memory->ended)
        return VIDEO_END;
    if (memory->first.pixels) {
        image_free(&out->image);
        out->image = memory->first;
        memory->first = (struct image){0};
    } else {
        const int status = read_next(memory, &out->image);
        if (status)
            return status;
    }
    out->time = memory->time;
    out->duration = memory->gap;
    out->number = memory->number;
    out->name = NULL;
    return 0;
}

static int memory_convert(struct source *source, struct picture *picture, struct image *out)
{
    const struct image keep = *out;

    (void)source;
    *out = picture->image;
    picture->image = keep;
    return 0;
}

static int memory_seek(struct source *source, double time)
{
    (void)time;
    return error_set(SOWLV2_ERROR_UNSUPPORTED, "%s: cannot be read again", source->name);
}

static void memory_close(struct source *source)
{
    struct memory *const memory = (struct memory *)source;

    image_free(&memory->first);
    free(memory);
}

/* The first frame says how large all are. */
static int find_size(struct memory *memory, const struct video_reader_options *options)
{
    struct video_info *const info = &memory->source.info;
    const int status = read_next(memory, &memory->first);

    if (status == VIDEO_END)
        return error_set(memory->source.broken ? memory->source.broken : SOWLV2_ERROR_FORMAT, "%s: %s",
                         memory->source.name, memory->source.why ? memory->source.why : "not one frame was given");
    if (status)
        return status;
    if ((int64_t)memory->first.width * memory->first.height > options->max_pixels)
        return image_too_large(memory->source.name, memory->first.width, memory->first.height, options->max_pixels);
    info->width = memory->first.width;
    info->height = memory->first.height;
    return 0;
}

int source_open_memory(const char *name, const struct video_reader_options *options, struct source **out)
{
    static const struct source_kind kind = {memory_read, memory_convert, memory_seek, memory_close};
    struct memory *const memory = calloc(1, sizeof(*memory));

    *out = NULL;
    if (!memory)
        return error_memory(name);
    memory->source.kind = &kind;
    memory->source.name = name;
    memory->source.pieces = "frames";
    memory->source.quiet = options->quiet;
    memory->source.tolerance = 1e-6;
    memory->stream = options->stream;
    memory->gap = 1 / (options->stream->frame_rate > 0 ? options->stream->frame_rate : VIDEO_FOLDER_RATE);

    const int status = find_size(memory, options);
    if (status) {
        memory_close(&memory->source);
        return status;
    }

    struct video_info *const info = &memory->source.info;
    info->frame_rate = options->stream->frame_rate;
    info->frames = options->stream->frames;
    if (info->frame_rate > 0 && info->frames > 0)
        info->duration = (double)info->frames / info->frame_rate;
    info->codec = "frames";
    *out = &memory->source;
    return 0;
}
