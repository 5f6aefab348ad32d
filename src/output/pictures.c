/* What sinks of pictures share. */
#include "output/pictures.h"

#include "base/error.h"
#include "base/file.h"
#include "media/png.h"
#include "output/videos.h"

#include <stdlib.h>

int pictures_open(const struct sink_context *context, const struct pictures *wanted, void **state)
{
    struct pictures *pictures = malloc(sizeof(*pictures));

    if (!pictures)
        return error_memory("output");
    *pictures = *wanted;
    pictures->context = context;
    *state = pictures;
    return 0;
}

int pictures_close(void *state)
{
    free(state);
    return 0;
}

static int make_folders(const struct pictures *pictures, enum names_kind kind)
{
    const struct sink_context *context = pictures->context;
    const char *video = context->videos ? names_video_folder(kind) : NULL;
    int status = 0;

    if (context->options.pictures)
        status = output_claim_make_folder(context->claim, names_folder(kind));
    if (!status && video)
        status = output_claim_make_folder(context->claim, video);
    return status;
}

int pictures_begin(void *state)
{
    const struct pictures *pictures = state;
    int status = 0;

    if (pictures->has_objects)
        status = make_folders(pictures, pictures->object);
    if (!status && pictures->has_merged)
        status = make_folders(pictures, pictures->merged);
    return status;
}

size_t pictures_parts(const void *state, const struct output_frame *frame)
{
    const struct pictures *pictures = state;

    return (pictures->has_merged ? 1 : 0) + (pictures->has_objects ? frame->count : 0);
}

struct picture pictures_of(const struct pictures *pictures, const struct output_frame *frame, size_t part)
{
    const size_t first = part - (pictures->has_merged ? 1 : 0);

    if (pictures->has_merged && part == 0)
        return (struct picture){.kind = pictures->merged, .count = frame->count};
    return (struct picture){.kind = pictures->object, .first = first, .count = 1, .object = &frame->objects[first]};
}

/* The path below the output folder; NULL with an error set: out of memory. */
static char *name_file(const struct sink_context *context, const struct output_frame *frame,
                       const struct picture *picture)
{
    const struct output_object *object = picture->object;
    char *below = names_path(picture->kind, frame->stem, object ? (size_t)object->id : 0,
                             object ? sink_slug(context, object->prompt) : NULL);

    if (!below)
        error_memory("file names");
    return below;
}

int pictures_list(void *state, const struct output_frame *frame, size_t part, struct string_list *files)
{
    const struct pictures *pictures = state;
    const struct sink_context *context = pictures->context;
    const struct picture picture = pictures_of(pictures, frame, part);
    int status = 0;

    if (context->options.pictures) {
        char *below = name_file(context, frame, &picture);

        status = below ? string_list_append(files, below) : SOWLV2_ERROR_MEMORY;
        free(below);
    }
    if (!status && context->videos)
        status = output_videos_list(context->videos, picture.kind, picture.object, frame, files);
    return status;
}

bool pictures_wants(const struct pictures *pictures, const struct picture *picture)
{
    const struct sink_context *context = pictures->context;

    return context->options.pictures ||
           (context->videos && output_videos_has(context->videos, picture->kind, picture->object));
}

static int write_png(const struct sink_context *context, const char *below, const struct image *drawn, int channels)
{
    char *path = path_join(context->folder, below);
    const size_t stride = (size_t)drawn->width * (size_t)channels;
    const int status = path ? png_write(path, drawn->pixels, drawn->width, drawn->height, channels, stride)
                            : error_memory("file names");

    free(path);
    if (!status && context->counts)
        atomic_fetch_add(&context->counts->pictures, 1);
    return status;
}

int pictures_write(const struct pictures *pictures, const struct output_frame *frame, const struct picture *picture,
                   const struct image *drawn, int channels, char **file)
{
    const struct sink_context *context = pictures->context;
    char *below;
    int status = 0;

    if (context->videos)
        status = output_videos_add(context->videos, picture->kind, picture->object, frame, drawn->pixels);
    if (status || !context->options.pictures)
        return status;
    below = name_file(context, frame, picture);
    status = below ? write_png(context, below, drawn, channels) : SOWLV2_ERROR_MEMORY;
    if (!status && file)
        *file = below;
    else
        free(below);
    return status;
}
