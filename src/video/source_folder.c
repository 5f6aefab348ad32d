/* A folder of images as one video, in natural order of their names. */
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "media/listing.h"
#include "video/source.h"

#include <stdlib.h>

struct folder {
    struct source source;
    struct string_list names;
    const struct interrupt *interrupt;
    struct image_options options;
    double rate;
    size_t next;     /* index of the image to read */
    size_t furthest; /* images before this one were read already: their damage is counted */
    struct converter converter;
    AVFrame *wrapper; /* lends an image to the converter */
    bool told_size;
};

static int read_image(struct folder *folder, size_t index, struct image *out)
{
    char *path = path_join(folder->source.name, folder->names.items[index]);
    if (!path)
        return error_memory(folder->source.name);
    image_free(out);
    int status = image_read_with(path, &folder->options, out);
    free(path);
    return status;
}

static int folder_read(struct source *source, struct picture *out)
{
    struct folder *folder = (struct folder *)source;
    while (folder->next < folder->names.count) {
        size_t index = folder->next;
        if (interrupt_wanted(folder->interrupt))
            return error_set(SOWLV2_ERROR_CANCELLED, "%s: interrupted", source->name);
        int status = read_image(folder, index, &out->image);
        if (status == SOWLV2_ERROR_MEMORY || status == SOWLV2_ERROR_CANCELLED)
            return status;
        folder->next++;
        bool again = index < folder->furthest;
        if (!again)
            folder->furthest = index + 1;
        if (status) {
            source->damage.skipped += !again;
            if (!again && !source->quiet)
                log_warning("%s", error_message());
            continue;
        }
        out->time = (double)index / folder->rate;
        out->duration = 1 / folder->rate;
        out->number = (int64_t)index + 1;
        out->name = folder->names.items[index];
        return 0;
    }
    return VIDEO_END;
}

static int scale(struct folder *folder, const struct image *image, struct image *out)
{
    const struct source *source = &folder->source;
    if (!folder->told_size && !source->quiet)
        log_notice("%s: a picture of %d x %d after %d x %d: it is scaled to the first one's size", source->name,
                   image->width, image->height, source->info.width, source->info.height);
    folder->told_size = true;
    AVFrame *frame = folder->wrapper;
    frame->format = AV_PIX_FMT_RGB24;
    frame->width = image->width;
    frame->height = image->height;
    frame->data[0] = image->pixels;
    frame->linesize[0] = image->width * 3;
    return converter_run(&folder->converter, source->name, frame, out);
}

static int folder_convert(struct source *source, struct picture *picture, struct image *out)
{
    struct image *image = &picture->image;
    if (image->width != source->info.width || image->height != source->info.height)
        return scale((struct folder *)source, image, out);
    struct image keep = *out;
    *out = *image;
    *image = keep;
    return 0;
}

static int folder_seek(struct source *source, double time)
{
    struct folder *folder = (struct folder *)source;
    double index = (time + source->tolerance) * folder->rate;
    folder->next = index < 0 ? 0 : index >= (double)folder->names.count ? folder->names.count : (size_t)index;
    /* The image shown at that time may be one that cannot be read: the one before it lasts then. */
    if (folder->next > 0)
        folder->next--;
    return 0;
}

static void folder_close(struct source *source)
{
    struct folder *folder = (struct folder *)source;
    string_list_free(&folder->names);
    converter_free(&folder->converter);
    av_frame_free(&folder->wrapper);
    free(folder);
}

/* Finds the first image that can be read. */
static int find_size(struct folder *folder)
{
    struct picture first = {0};
    struct video_info *info = &folder->source.info;
    int status = folder_read(&folder->source, &first);
    if (status == VIDEO_END)
        return error_set(SOWLV2_ERROR_FORMAT, "%s: none of its %zu images can be read", folder->source.name,
                         folder->names.count);
    if (status)
        return status;
    info->width = first.image.width;
    info->height = first.image.height;
    image_free(&first.image);
    folder->next--;
    converter_start(&folder->converter, info->width, info->height, (struct orientation){0}, 0);
    return 0;
}

int source_open_folder(const char *name, const struct video_reader_options *options, const struct interrupt *interrupt,
                       struct source **out)
{
    static const struct source_kind kind = {folder_read, folder_convert, folder_seek, folder_close};
    struct folder *folder = calloc(1, sizeof(*folder));
    *out = NULL;
    if (!folder)
        return error_memory(name);
    folder->source.kind = &kind;
    folder->source.name = name;
    folder->source.pieces = "images";
    folder->source.quiet = options->quiet;
    folder->interrupt = interrupt;
    folder->options = image_options_default();
    folder->options.max_pixels = options->max_pixels;
    folder->options.allow_truncated = options->allow_truncated;
    folder->options.isolation = options->isolation;
    folder->options.interrupted = interrupt->interrupted;
    folder->options.user_data = interrupt->user_data;
    folder->rate = options->fps > 0 ? options->fps : VIDEO_FOLDER_RATE;
    folder->wrapper = av_frame_alloc();
    int status = folder->wrapper ? listing_folder(name, &folder->names) : error_memory(name);
    if (!status && folder->names.count == 0)
        status = error_set(SOWLV2_ERROR_FORMAT, "%s: no images in this folder", name);
    if (!status)
        status = find_size(folder);
    if (status) {
        folder_close(&folder->source);
        return status;
    }
    struct video_info *info = &folder->source.info;
    folder->source.tolerance = 1e-6;
    info->frame_rate = folder->rate;
    info->frames = (int64_t)folder->names.count;
    info->duration = (double)folder->names.count / folder->rate;
    info->seekable = info->again = true;
    info->codec = "images";
    *out = &folder->source;
    return 0;
}
